//! Signals: what an operator says to the process, in nginx's words.

use super::reload::{Reloads, Why};
use super::{Gateway, StoppingTimes};
use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often a draining gateway looks whether it is done.
const LOOK: Duration = Duration::from_millis(10);

/// How long workers may take to cut what is left.
const CUT: Duration = Duration::from_millis(500);

/// What the workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Serve,
    /// Take no new connection, finish what is in flight.
    Drain,
    /// Cut what is in flight.
    Stop,
}

/// Tells pingora when to stop: after the drain, which is ours.
pub struct Watch {
    gateway: Arc<Gateway>,
    stage: watch::Sender<Stage>,
    reloads: Reloads,
}

impl Watch {
    pub fn new(gateway: Arc<Gateway>, stage: watch::Sender<Stage>, reloads: Reloads) -> Watch {
        Watch { gateway, stage, reloads }
    }

    async fn watch(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut reopen = signal(SignalKind::user_defined1())?;
        self.gateway.listens.store(true, Ordering::Release);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = quit.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => self.reloads.ask(Why::Signal),
                _ = reopen.recv() => self.gateway.access_log.reopen(),
            }
        }
        tokio::select! {
            () = self.drain() => {}
            _ = interrupt.recv() => log::warn!("stopped without waiting for requests in flight"),
        }
        // what is left is cut, and logged as such
        self.stage.send_replace(Stage::Stop);
        let _ = tokio::time::timeout(CUT, self.workers_done()).await;
        Ok(())
    }

    async fn workers_done(&self) {
        while self.gateway.serving.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Says not ready, stops accepting, and waits for requests in flight.
    async fn drain(&self) {
        let gateway = &self.gateway;
        let StoppingTimes { shutdown_timeout, readiness_delay } = gateway.stopping_times();
        gateway.stopping.store(true, Ordering::Release);
        if !readiness_delay.is_zero() {
            log::info!("not ready any more; listeners close in {readiness_delay:?}");
            tokio::time::sleep(readiness_delay).await;
        }
        log::info!("draining for at most {shutdown_timeout:?}");
        self.stage.send_replace(Stage::Drain);
        if tokio::time::timeout(shutdown_timeout, self.workers_done()).await.is_err() {
            log::warn!("requests in flight did not end in time and are cut");
        }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Watch {
    async fn recv(&self) -> ShutdownSignal {
        if let Err(e) = self.watch().await {
            log::error!("cannot listen to signals: {e}");
        }
        ShutdownSignal::FastShutdown
    }
}
