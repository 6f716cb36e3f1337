//! The life of the process as pingora sees it: serve, until a signal or a successor ends it, then drain.

use super::inheritance::Inheritance;
use super::program::Program;
use super::signals::{Said, Signals};
use super::supervisor;
use super::upgrade::{self, upgrade};
use super::{Gateway, StoppingTimes};
use crate::table::Why;
use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How often is looked whether all workers serve, or have drained.
const LOOK: Duration = Duration::from_millis(10);
/// How long workers may take to cut what is left.
const CUT: Duration = Duration::from_millis(900);
/// How long a stop waits for a reload that opens and closes listeners; one that takes longer waits for something else, and is given up then.
const RELOADED: Duration = Duration::from_secs(1);
/// How long connections between two requests may still bring one when the gateway stops: such a request is served, and its connection told
/// to close.
pub const GRACE: Duration = Duration::from_millis(100);

/// What the workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Serve,
    /// Another process takes the new connections. Serve those that are there, and close each after its next request.
    Leave,
    /// Take no new connection, finish what is in flight.
    Drain,
    /// Cut what is in flight.
    Stop,
}

/// Tells pingora when to stop: after the drain, which is ours.
pub struct Life {
    gateway: Arc<Gateway>,
    stage: watch::Sender<Stage>,
    program: Program,
    /// Until this process serves.
    inheritance: Mutex<Option<Inheritance>>,
}

/// A change to a new binary that is under way. It is kept over signals.
struct Upgrade {
    running: Pin<Box<dyn Future<Output = Result<(), String>> + Send>>,
    heir: Arc<OnceLock<Pid>>,
    /// A HUP came meanwhile.
    reload: bool,
}

impl Life {
    pub fn new(gateway: Arc<Gateway>, stage: watch::Sender<Stage>, program: Program, inheritance: Inheritance) -> Life {
        Life { gateway, stage, program, inheritance: Mutex::new(Some(inheritance)) }
    }

    async fn live(&self) -> io::Result<()> {
        let mut signals = Signals::listen()?;
        self.gateway.listens.store(true, Ordering::Release);
        // only now: a signal that ended the process would end its first requests with it
        self.gateway.listeners.begin();
        tokio::select! {
            () = self.live_on(&mut signals) => {}
            () = supervisor::stay_alive(&self.gateway, self.stage.subscribe()) => {}
        }
        // what is left is cut, and logged as such
        self.stage.send_replace(Stage::Stop);
        let _ = timeout(CUT, self.workers_done()).await;
        self.gateway.close_admin();
        Ok(())
    }

    /// Serves, then drains.
    async fn live_on(&self, signals: &mut Signals) {
        let end = self.serve(signals).await;
        tokio::select! {
            () = self.end(end) => {}
            () = self.impatience(signals) => log::warn!("stopped without waiting for requests in flight"),
        }
    }

    /// Serves until told to stop, or until a new process has taken over.
    async fn serve(&self, signals: &mut Signals) -> End {
        let mut ready = pin!(self.ready());
        let (mut is_ready, mut wanted) = (false, false);
        let mut upgrade: Option<Upgrade> = None;
        loop {
            tokio::select! {
                () = &mut ready, if !is_ready => {
                    is_ready = true;
                    upgrade = wanted.then(|| self.upgrade());
                }
                said = signals.next() => match said {
                    Said::Stop | Said::Interrupt => return End::Stop(upgrade),
                    Said::Reload => {
                        upgrade.iter_mut().for_each(|u| u.reload = true);
                        self.gateway.reloads.ask(Why::Signal);
                    }
                    Said::Reopen => self.gateway.access.log.reopen(),
                    Said::Upgrade if upgrade.is_some() => log::warn!("upgrade: one is running already"),
                    // who has not taken over yet cannot hand over
                    Said::Upgrade if !is_ready => wanted = true,
                    Said::Upgrade => upgrade = Some(self.upgrade()),
                },
                outcome = outcome(&mut upgrade) => {
                    let Some(Upgrade { heir, reload, .. }) = upgrade.take() else { continue };
                    match outcome {
                        Ok(()) => return End::Leave { heir: heir.get().copied(), reload },
                        Err(why) => {
                            log::error!("upgrade refused, this process goes on serving: {why}");
                            // the new one may have said otherwise before it ended
                            supervisor::is_main();
                        }
                    }
                }
            }
        }
    }

    /// Waits until all workers accept, and says so to whom it concerns.
    async fn ready(&self) {
        while !self.gateway.serves() {
            sleep(LOOK).await;
        }
        let inheritance = self.inheritance.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        // the supervisor hears of this process before the old one, which may end at once
        supervisor::serves();
        inheritance.ready();
    }

    fn upgrade(&self) -> Upgrade {
        let heir = Arc::new(OnceLock::new());
        let (gateway, program, named) = (Arc::clone(&self.gateway), self.program.clone(), Arc::clone(&heir));
        let running = Box::pin(async move {
            if std::process::id() == 1 {
                return Err(
                    "this is process 1 of a container, which would end with it\nhint: start a new container".into()
                );
            }
            // the table, and with it the sockets, must not change meanwhile
            let _alone = gateway.changes.lock().await;
            let (message, sockets) = gateway.estate();
            upgrade(&program, message, sockets, upgrade::PATIENCE, &named).await?;
            // before a reload that waits gets its turn
            gateway.stopping.store(true, Ordering::Release);
            Ok(())
        });
        Upgrade { running, heir, reload: false }
    }

    async fn workers_done(&self) {
        while self.gateway.pulse.serving() > 0 {
            sleep(LOOK).await;
        }
    }

    async fn end(&self, end: End) {
        match end {
            End::Stop(upgrade) => self.stop(upgrade).await,
            End::Leave { heir, reload } => self.leave(heir, reload).await,
        }
    }

    /// Says not ready, stops accepting, and waits for requests in flight; for a new process too, which is told to stop.
    async fn stop(&self, upgrade: Option<Upgrade>) {
        let gateway = &self.gateway;
        let StoppingTimes { shutdown_timeout, readiness_delay } = gateway.stopping_times();
        gateway.stopping.store(true, Ordering::Release);
        let is_main = self.inheritance.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if is_main {
            supervisor::stops(readiness_delay.saturating_add(shutdown_timeout));
        }
        let heir = upgrade.filter(|upgrade| match upgrade.heir.get() {
            Some(heir) => kill_process(*heir, Signal::TERM).is_ok(),
            None => false,
        });
        if !readiness_delay.is_zero() {
            log::info!("not ready any more; listeners close in {readiness_delay:?}");
            sleep(readiness_delay).await;
        }
        // a reload that did not see the stop is about to open and close listeners too; an upgrade keeps it from that
        if heir.is_none() {
            let _ = timeout(RELOADED, gateway.changes.lock()).await;
        }
        log::info!("draining for at most {shutdown_timeout:?}");
        gateway.listeners.close();
        self.stage.send_replace(Stage::Drain);
        let heir_done = async {
            if let Some(heir) = heir {
                log::info!("upgrade: the new process is told to stop too");
                // it may have served already, and has the same time
                if let (Err(_), Some(pid)) = (timeout(shutdown_timeout, heir.running).await, heir.heir.get()) {
                    let _ = kill_process(*pid, Signal::KILL);
                }
            }
        };
        let (done, ()) = tokio::join!(timeout(shutdown_timeout, self.workers_done()), heir_done);
        if done.is_err() {
            log::warn!("requests in flight did not end in time and are cut");
        }
    }

    /// Leaves the addresses to the new process, and waits for the connections that are here.
    async fn leave(&self, heir: Option<Pid>, reload: bool) {
        let gateway = &self.gateway;
        let StoppingTimes { shutdown_timeout, .. } = gateway.stopping_times();
        if let (Some(heir), true) = (heir, reload) {
            // it may have read the file before the change that the signal was about
            let _ = kill_process(heir, Signal::HUP);
        }
        gateway.listeners.pass_on();
        gateway.pass_on_admin();
        self.stage.send_replace(Stage::Leave);
        let heir = heir.map_or(0, |heir| heir.as_raw_nonzero().get());
        log::info!("upgrade: process {heir} has taken over; finishing what is here for at most {shutdown_timeout:?}");
        if timeout(shutdown_timeout.saturating_sub(GRACE), self.workers_done()).await.is_ok() {
            return;
        }
        self.stage.send_replace(Stage::Drain);
        if timeout(GRACE, self.workers_done()).await.is_err() {
            log::warn!("requests in flight did not end in time and are cut");
        }
    }

    /// Until a signal says that the end is to come at once. One that asks for a stop shortens the time after an upgrade.
    async fn impatience(&self, signals: &mut Signals) {
        loop {
            match signals.next().await {
                Said::Interrupt if *self.stage.borrow() != Stage::Leave => return,
                Said::Stop | Said::Interrupt => {
                    let leaves = *self.stage.borrow() == Stage::Leave;
                    if leaves {
                        log::info!("told to stop: connections without a request close now");
                        self.stage.send_replace(Stage::Drain);
                    }
                }
                Said::Reopen => self.gateway.access.log.reopen(),
                Said::Reload => log::warn!("no reload: this process is about to end"),
                Said::Upgrade => log::warn!("no upgrade: this process is about to end"),
            }
        }
    }
}

/// How serving ends.
enum End {
    /// By a signal, perhaps during an upgrade.
    Stop(Option<Upgrade>),
    Leave {
        heir: Option<Pid>,
        reload: bool,
    },
}

/// What comes of an upgrade; never, without one.
async fn outcome(upgrade: &mut Option<Upgrade>) -> Result<(), String> {
    match upgrade {
        Some(upgrade) => (&mut upgrade.running).await,
        None => std::future::pending().await,
    }
}

#[async_trait]
impl ShutdownSignalWatch for Life {
    async fn recv(&self) -> ShutdownSignal {
        if let Err(e) = self.live().await {
            log::error!("cannot listen to signals: {e}");
        }
        ShutdownSignal::FastShutdown
    }
}
