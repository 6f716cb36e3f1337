//! What one worker thread keeps between requests: its view of the table, its idle connections, its buffers, its clock.

use super::buffers::Buffers;
use crate::http::clock::Moment;
use crate::table::{LiveTable, Table};
use crate::telemetry::{AccessLines, ProgramStats};
use crate::upstream::{IdleConnections, Reserve};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// One worker thread's own. Nothing in here is shared with another thread but what it points to.
pub struct Worker {
    /// Its number, from 0.
    pub number: usize,
    pub buffers: Buffers,
    pub idle: RefCell<IdleConnections>,
    pub log: RefCell<AccessLines>,
    /// Its lines go somewhere.
    pub logs: Cell<bool>,
    pub program: Arc<ProgramStats>,
    /// The gateway stops: connections are not kept.
    pub draining: Cell<bool>,
    pub clock: Clock,
    pub reserve: Reserve,
    live: Arc<LiveTable>,
    current: RefCell<Rc<Snapshot>>,
    /// Its own source of chance.
    pub random: RefCell<fastrand::Rng>,
    /// The path whose requests panic: tests must see that others do not notice. Debug builds only.
    panic_path: Option<Box<[u8]>>,
}

/// The table as this thread last saw it. Requests clone the `Rc`, so that counting references never leaves the thread.
pub struct Snapshot {
    pub table: Arc<Table>,
    generation: u64,
}

/// The worker's time: read once a turn of the event loop.
pub struct Clock {
    start: Instant,
    now: Cell<Moment>,
}

impl Clock {
    pub fn new(start: Instant) -> Clock {
        let clock = Clock { start, now: Cell::default() };
        clock.tick();
        clock
    }

    /// The time at the start of this turn.
    pub fn now(&self) -> Moment {
        self.now.get()
    }

    /// Reads the time.
    pub fn tick(&self) {
        self.now.set(Moment::after(self.start));
    }
}

fn panic_path() -> Option<Box<[u8]>> {
    use std::os::unix::ffi::OsStringExt;
    std::env::var_os("WHARF_PANIC_PATH").map(|path| path.into_vec().into())
}

impl Worker {
    pub fn new(
        number: usize,
        live: Arc<LiveTable>,
        log: AccessLines,
        program: Arc<ProgramStats>,
        start: Instant,
    ) -> Worker {
        let snapshot = Snapshot { generation: live.generation(), table: live.load() };
        Worker {
            number,
            buffers: Buffers::default(),
            idle: RefCell::default(),
            logs: Cell::new(log.enabled()),
            log: RefCell::new(log),
            program,
            draining: Cell::new(false),
            clock: Clock::new(start),
            reserve: Reserve::of_process(),
            live,
            current: RefCell::new(Rc::new(snapshot)),
            random: RefCell::new(fastrand::Rng::new()),
            panic_path: if cfg!(debug_assertions) { panic_path() } else { None },
        }
    }

    /// The table in force.
    pub fn snapshot(&self) -> Rc<Snapshot> {
        let generation = self.live.generation();
        let mut current = self.current.borrow_mut();
        if current.generation != generation {
            let table = self.live.load();
            self.forget_listeners(&current.table, &table);
            // what is logged, and where, changes with the table
            let mut log = self.log.borrow_mut();
            log.follow();
            self.logs.set(log.enabled());
            *current = Rc::new(Snapshot { generation, table });
        }
        Rc::clone(&current)
    }

    /// Drops what was counted for listeners that are gone. Their numbers are free for others only when `before` is dropped, by this thread
    /// too, so nothing is counted for two listeners as one.
    fn forget_listeners(&self, before: &Table, now: &Table) {
        let gone: Vec<u16> =
            before.all_listeners().map(|l| l.number.get()).filter(|n| now.listener(*n).is_none()).collect();
        if !gone.is_empty() {
            for route in now.routes.iter().chain(now.own.iter()) {
                route.stats.forget_listeners(self.number, |number| gone.contains(&number));
            }
        }
    }

    /// Panics on a request, as it goes upstream, whose path `WHARF_PANIC_PATH` named when this debug build started. Release builds do
    /// nothing here.
    pub fn panic_on_purpose(&self, message: &[u8]) {
        if cfg!(debug_assertions) && self.panic_path.is_some() {
            let path = message.split(|b| *b == b' ').nth(1);
            assert!(path != self.panic_path.as_deref(), "a panic on purpose: WHARF_PANIC_PATH names this path");
        }
    }

    /// A new request id: 32 hexadecimal digits.
    pub fn request_id(&self) -> [u8; 32] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let bytes = self.random.borrow_mut().u128(..).to_be_bytes();
        let mut id = [0; 32];
        for (i, b) in bytes.iter().enumerate() {
            id[2 * i] = HEX[usize::from(b >> 4)];
            id[2 * i + 1] = HEX[usize::from(b & 15)];
        }
        id
    }
}
