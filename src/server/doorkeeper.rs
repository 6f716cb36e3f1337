//! The doors of one worker: an accept task for each that is open.

use super::accept::accept;
use super::listeners::{Door, Doors};
use super::reactor::Reactor;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// A worker's accept tasks.
pub struct Doorkeeper {
    reactor: Rc<Reactor>,
    doors: watch::Receiver<Doors>,
    tasks: JoinSet<io::Result<()>>,
    /// Each task's door, which it alone holds, and what ends it when it is dropped.
    kept: Vec<(Weak<Door>, oneshot::Sender<()>)>,
}

impl Doorkeeper {
    pub fn new(reactor: Rc<Reactor>, doors: watch::Receiver<Doors>) -> Doorkeeper {
        Doorkeeper { reactor, doors, tasks: JoinSet::new(), kept: Vec::new() }
    }

    /// Until the gateway begins to accept.
    pub async fn beginning(&mut self) {
        // an error means that the gateway is gone, and its doors with it
        let _ = self.doors.wait_for(Doors::have_begun).await;
    }

    /// Starts and ends tasks until they are what is open now.
    pub fn look(&mut self) {
        let doors = self.doors.borrow_and_update();
        let open: HashSet<*const Door> = doors.open.iter().map(Arc::as_ptr).collect();
        self.kept.retain(|(door, _)| open.contains(&door.as_ptr()));
        let kept: HashSet<*const Door> = self.kept.iter().map(|(door, _)| door.as_ptr()).collect();
        for door in doors.open.iter().filter(|door| !kept.contains(&Arc::as_ptr(door))) {
            let (end, ended) = oneshot::channel();
            self.kept.push((Arc::downgrade(door), end));
            let closed = async move { drop(ended.await) };
            self.tasks.spawn_local(accept(Rc::clone(&self.reactor), Arc::clone(door), closed));
        }
    }

    /// Until the doors change, which [`Doorkeeper::look`] then sees to, or a task fails.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                changed = self.doors.changed() => {
                    if changed.is_err() {
                        std::future::pending::<()>().await;
                    }
                    return Ok(());
                }
                Some(ended) = self.tasks.join_next() => ended.map_err(io::Error::other)??,
            }
        }
    }

    /// Ends all tasks; each accepts those who wait before it lets go of a socket that is closed.
    pub async fn close(&mut self) -> io::Result<()> {
        self.kept.clear();
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        Ok(())
    }
}
