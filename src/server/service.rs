//! The gateway's parts as pingora services: the workers, the names, the admin address.

use super::signals::Stage;
use super::{Gateway, thread};
use crate::admin;
use crate::upstream::names;
use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::background::{BackgroundService, GenBackgroundService, background_service};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::watch;

/// The worker threads.
pub struct Workers {
    gateway: Arc<Gateway>,
    /// Taken when the service starts.
    sockets: Vec<OwnedFd>,
    stage: watch::Receiver<Stage>,
}

impl Workers {
    pub fn new(gateway: Arc<Gateway>, sockets: Vec<OwnedFd>, stage: watch::Receiver<Stage>) -> Workers {
        Workers { gateway, sockets, stage }
    }

    fn start(&mut self) -> std::io::Result<()> {
        for number in 0..self.gateway.parts.workers {
            let sockets = self.sockets.iter().map(OwnedFd::try_clone).collect::<Result<_, _>>()?;
            let (gateway, stage) = (Arc::clone(&self.gateway), self.stage.clone());
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                if let Err(e) = thread::run(&gateway, number, sockets, stage) {
                    log::error!("worker {number} stopped: {e}");
                    std::process::exit(1);
                }
                gateway.worker_done();
            })?;
        }
        self.sockets.clear();
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

/// Asks for the addresses of named endpoints again and again.
pub struct Names(Arc<Gateway>);

/// The service that does.
pub fn names(gateway: Arc<Gateway>) -> GenBackgroundService<Names> {
    background_service("names", Names(gateway))
}

#[async_trait]
impl BackgroundService for Names {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        loop {
            tokio::select! {
                _ = shutdown.changed() => return,
                () = tokio::time::sleep(names::INTERVAL) => {}
            }
            let table = self.0.live.load();
            names::refresh(table.upstreams.iter().flat_map(|u| u.pool.endpoints.iter())).await;
        }
    }
}

/// The admin address.
pub struct Admin {
    gateway: Arc<Gateway>,
    socket: Option<OwnedFd>,
}

impl Admin {
    pub fn new(gateway: Arc<Gateway>, socket: OwnedFd) -> Admin {
        Admin { gateway, socket: Some(socket) }
    }
}

#[async_trait]
impl Service for Admin {
    async fn start_service(&mut self, _: Option<ListenFds>, mut shutdown: ShutdownWatch, _: usize) {
        let Some(socket) = self.socket.take() else { return };
        let view = Arc::clone(&self.gateway) as Arc<dyn admin::View>;
        tokio::select! {
            served = admin::serve(socket, view) => {
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
