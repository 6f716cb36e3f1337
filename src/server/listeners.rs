//! The listening sockets of a running gateway: bound before a table takes over, opened for the workers after it has.

use super::bind::{Bound, Reach};
use crate::config::Document;
use crate::table::{Number, Table};
use crate::telemetry::Accepting;
use crate::value::ListenAddress;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a reload waits for the workers to let go of sockets that are removed.
const PARTING: Duration = Duration::from_secs(1);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(2);

/// A socket that workers accept on, for one listener.
pub struct Door {
    number: Arc<Number>,
    address: ListenAddress,
    pub socket: Arc<Bound>,
    _accepting: Accepting,
}

impl Door {
    /// The listener's number.
    pub fn listener(&self) -> u16 {
        self.number.get()
    }
}

/// The doors that are open. Nobody but this and the workers holds a door, so that the last to let go of one is a worker, who can still
/// serve those who wait there.
#[derive(Default)]
pub struct Doors {
    pub open: Vec<Arc<Door>>,
    stage: Stage,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing is accepted yet.
    #[default]
    Before,
    Begun,
    /// For good.
    Closed,
}

impl Doors {
    /// The workers may accept.
    pub fn have_begun(&self) -> bool {
        self.stage != Stage::Before
    }
}

/// The listening sockets.
pub struct Listeners {
    doors: watch::Sender<Doors>,
}

/// A socket for each listener of a document, in force once a table is that has them. Dropping it closes those that were bound for it.
pub struct Prepared {
    sockets: Vec<Addressed>,
}

/// A socket under the address that the configuration writes.
pub type Addressed = (ListenAddress, Arc<Bound>);

impl Listeners {
    pub fn new() -> Listeners {
        Listeners { doors: watch::Sender::new(Doors::default()) }
    }

    /// Lets the workers accept.
    pub fn begin(&self) {
        self.doors.send_modify(|doors| {
            if doors.stage == Stage::Before {
                doors.stage = Stage::Begun;
            }
        });
    }

    /// What the workers watch.
    pub fn watch(&self) -> watch::Receiver<Doors> {
        self.doors.subscribe()
    }

    /// Finds or binds a socket for each listener of `document`: those of `spare` and those open now are used again. All, or none: the error
    /// names the first that cannot be had.
    pub fn prepare(&self, document: &Document, spare: &mut Vec<Addressed>) -> Result<Prepared, String> {
        let mut known = self.sockets();
        let open: Vec<ListenAddress> = known.iter().map(|(address, _)| address.clone()).collect();
        let mut sockets = Vec::new();
        for (name, listener) in document.listeners.iter() {
            let address = &listener.address.value;
            let socket = match take(&mut known, address).or_else(|| take(spare, address)) {
                Some(socket) => socket,
                None => {
                    let bound = Bound::listen_for(address, &format!("listener `{name}`"), Reach::Umask);
                    Arc::new(bound.map_err(|e| explain(&open, address, e))?)
                }
            };
            sockets.push((address.clone(), socket));
        }
        Ok(Prepared { sockets })
    }

    /// Opens the sockets for the listeners of `table`, which is in force, and closes those that it does not have; in the end no worker
    /// accepts on them any more.
    pub fn open(&self, prepared: Prepared, table: &Table) {
        let Prepared { sockets } = prepared;
        let mut parting = Vec::new();
        self.doors.send_if_modified(|doors| {
            if doors.stage == Stage::Closed {
                return false;
            }
            let before = std::mem::take(&mut doors.open);
            let kept = |number| before.iter().find(|d| d.listener() == number);
            let open = table.listeners.iter().filter_map(|listener| match kept(listener.number.get()) {
                Some(door) => Some(Arc::clone(door)),
                None => {
                    let (address, socket) = sockets.iter().find(|(address, _)| *address == listener.address)?;
                    Some(Arc::new(Door {
                        number: Arc::clone(&listener.number),
                        address: address.clone(),
                        socket: Arc::clone(socket),
                        _accepting: listener.stats.accepts(),
                    }))
                }
            });
            doors.open = open.collect();
            for door in before {
                if !sockets.iter().any(|(_, socket)| Arc::ptr_eq(socket, &door.socket)) {
                    door.socket.close_soon();
                    parting.push(door.socket.alive());
                }
            }
            true
        });
        drop(sockets);
        wait_for(&parting);
    }

    /// The sockets that are open now, to be handed over.
    pub fn sockets(&self) -> Vec<Addressed> {
        self.doors.borrow().open.iter().map(|door| (door.address.clone(), Arc::clone(&door.socket))).collect()
    }

    /// Closes all for good.
    pub fn close(&self) {
        self.close_each(|door| door.socket.close_soon());
    }

    /// Closes all for good: another process serves their addresses.
    pub fn pass_on(&self) {
        self.close_each(|door| door.socket.pass_on());
    }

    fn close_each(&self, close: impl Fn(&Door)) {
        self.doors.send_modify(|doors| {
            std::mem::take(&mut doors.open).iter().for_each(|door| close(door));
            doors.stage = Stage::Closed;
        });
    }
}

/// The socket for `address`, out of `sockets`.
pub fn take(sockets: &mut Vec<Addressed>, address: &ListenAddress) -> Option<Arc<Bound>> {
    let same = sockets.iter().position(|(a, _)| a == address);
    let at = same.or_else(|| sockets.iter().position(|(_, socket)| socket.is_at(address)))?;
    Some(sockets.swap_remove(at).1)
}

/// The socket for the admin address, out of `spare` or bound. As a Unix socket it is for the gateway's user alone.
pub fn admin(spare: &mut Vec<Addressed>, address: &ListenAddress) -> Result<Addressed, String> {
    let socket = match take(spare, address) {
        Some(given) => {
            given.restrict().map_err(|e| format!("cannot keep others from the admin address {address}: {e}"))?;
            given
        }
        None => Arc::new(Bound::listen_for(address, "admin address", Reach::Owner)?),
    };
    Ok((address.clone(), socket))
}

/// An address may be taken by a socket of our own that is about to go.
fn explain(open: &[ListenAddress], wanted: &ListenAddress, error: String) -> String {
    let Some(ours) = open.iter().find(|ours| ours.collides_with(wanted)) else { return error };
    let (error, _) = error.split_once("\nhint: ").unwrap_or((&error, ""));
    format!(
        "{error}\nhint: the gateway itself listens on {ours} and cannot let go of that before it has the other: take another port for a \
         while, or restart the gateway"
    )
}

/// Until these sockets are closed, but not for ever: so that the next reload can bind their addresses.
fn wait_for(parting: &[Weak<()>]) {
    let begun = Instant::now();
    while parting.iter().any(|s| s.strong_count() > 0) && begun.elapsed() < PARTING {
        std::thread::sleep(LOOK);
    }
}
