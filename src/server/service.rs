//! The gateway's parts as pingora services: the workers, the names, the admin address.

use super::bind::Bound;
use super::checks::Checks;
use super::life::Stage;
use super::{Gateway, thread};
use crate::admin;
use crate::discovery::Dns;
use crate::upstream::Pool;
use crate::upstream::names::{self, Questions};
use async_trait::async_trait;
use pingora::server::configuration::ServerConf;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::background::{BackgroundService, GenBackgroundService, background_service};
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::sync::watch;

/// What pingora is told.
pub fn configuration() -> ServerConf {
    ServerConf {
        // stopping is our own (life.rs): pingora is told when all is drained
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    }
}

/// The worker threads.
pub struct Workers {
    gateway: Arc<Gateway>,
    stage: watch::Receiver<Stage>,
}

impl Workers {
    pub fn new(gateway: Arc<Gateway>, stage: watch::Receiver<Stage>) -> Workers {
        Workers { gateway, stage }
    }

    fn start(&self) -> std::io::Result<()> {
        for number in 0..self.gateway.parts.workers {
            let doors = self.gateway.listeners.watch();
            let (gateway, stage) = (Arc::clone(&self.gateway), self.stage.clone());
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                if let Err(e) = thread::run(&gateway, number, doors, stage) {
                    log::error!("worker {number} stopped: {e}");
                    std::process::exit(1);
                }
                gateway.pulse.ends();
            })?;
        }
        Ok(())
    }
}

#[async_trait]
impl Service for Workers {
    async fn start_service(&mut self, _: Option<ListenFds>, mut shutdown: ShutdownWatch, _: usize) {
        if let Err(e) = self.start() {
            log::error!("cannot start the worker threads: {e}");
            std::process::exit(1);
        }
        // an error means that the server is gone, which is the same news
        let _ = shutdown.changed().await;
    }

    fn name(&self) -> &str {
        "workers"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}

/// What is done in the background for all pools: names are asked again, budgets told the time, endpoints checked.
pub struct Upkeep(Arc<Gateway>);

/// The service that does it.
pub fn upkeep(gateway: Arc<Gateway>) -> GenBackgroundService<Upkeep> {
    background_service("upkeep", Upkeep(gateway))
}

#[async_trait]
impl BackgroundService for Upkeep {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let gateway = &self.0;
        let (mut questions, mut checks) = (Questions::default(), Checks::default());
        let mut dns = Dns::new(&gateway.live.load().dns);
        let mut generation = 0;
        loop {
            tokio::select! {
                _ = shutdown.changed() => return,
                () = tokio::time::sleep(names::TICK) => {}
            }
            let (table, now) = (gateway.live.load(), gateway.parts.now());
            let pools: Vec<&Pool> = table.upstreams.iter().map(|u| &u.pool).collect();
            if generation != gateway.live.generation() {
                generation = gateway.live.generation();
                // an address may have changed while the table was made
                for pool in &pools {
                    pool.refresh(now);
                }
            }
            pools.iter().for_each(|pool| pool.tell_doubts());
            dns.follow(&table.dns);
            questions.turn(&dns, &pools, now);
            checks.turn(&table.upstreams, &gateway.parts);
            table.upstreams.iter().for_each(|u| u.pool.lasting.budget.note(now, u.stats.begun_total()));
        }
    }
}

/// The admin address.
pub struct Admin {
    gateway: Arc<Gateway>,
    /// Taken when the service starts.
    socket: Option<Arc<Bound>>,
    stage: watch::Receiver<Stage>,
}

impl Admin {
    pub fn new(gateway: Arc<Gateway>, socket: Arc<Bound>, stage: watch::Receiver<Stage>) -> Admin {
        Admin { gateway, socket: Some(socket), stage }
    }
}

#[async_trait]
impl Service for Admin {
    async fn start_service(&mut self, _: Option<ListenFds>, mut shutdown: ShutdownWatch, _: usize) {
        let Some(socket) = self.socket.take() else { return };
        let view = Arc::clone(&self.gateway) as Arc<dyn admin::View>;
        let mut stage = self.stage.clone();
        // while it drains, the gateway still says that it is not ready; but not when another process serves the address
        let left = async move {
            if stage.wait_for(|s| *s == Stage::Leave).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let served = async move {
            let descriptor = socket.as_fd().try_clone_to_owned()?;
            drop(socket);
            admin::serve(descriptor, view, left).await
        };
        tokio::select! {
            served = served => {
                if let Err(e) = served {
                    log::error!("the admin address failed: {e}");
                }
            }
            _ = shutdown.changed() => {}
        }
    }

    fn name(&self) -> &str {
        "admin"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}
