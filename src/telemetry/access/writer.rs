//! The thread that writes the access log: takes what the workers handed over, rests a little, sleeps when there is none.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::destination::Destination;
use super::handover::Slot;
use crate::telemetry::{ProgramStats, Sink};

/// The writer's rest after it wrote. Meanwhile workers add to what waits without waking anyone, so that a busy gateway
/// pays for some hundred wakes and writes a second, however many requests it serves.
const REST: Duration = Duration::from_millis(10);

/// What the writer shares with the workers and with the log's owner.
#[derive(Debug)]
pub(super) struct Shared {
    program: Arc<ProgramStats>,
    newcomers: Mutex<Vec<Arc<Slot>>>,
    asleep: AtomicBool,
    reopen: AtomicBool,
    retire: AtomicBool,
    stop: AtomicBool,
}

impl Shared {
    pub(super) fn new(program: Arc<ProgramStats>) -> Shared {
        Shared {
            program,
            newcomers: Mutex::default(),
            asleep: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            retire: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        }
    }

    pub(super) fn program(&self) -> &ProgramStats {
        &self.program
    }

    /// Makes the writer look into `slot` from now on, until nobody else holds it.
    pub(super) fn register(&self, slot: Arc<Slot>) {
        self.newcomers.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
    }

    pub(super) fn ask_to_reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }

    /// The writer stops when no worker is left.
    pub(super) fn ask_to_retire(&self) {
        self.retire.store(true, Ordering::Release);
    }

    pub(super) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Asked by a worker after it handed over: true once for each sleep of the writer.
    pub(super) fn must_be_woken(&self) -> bool {
        // Pairs with the fence in `run`: either the writer sees the lines or this sees it asleep.
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed)
    }
}

/// Writes until asked to stop, then what is left; or until asked to retire, then until nobody can hand over any more.
pub(super) fn run(shared: &Shared, mut destination: Destination) {
    let mut slots = Vec::new();
    let mut announced = false;
    loop {
        // Read before the slots, so that all that was handed over before the request to stop is written, and nobody comes after the
        // request to retire.
        let stopping = shared.stop.load(Ordering::Acquire);
        let retiring = shared.retire.load(Ordering::Acquire);
        if shared.reopen.swap(false, Ordering::AcqRel) {
            destination.reopen();
        }
        slots.append(&mut shared.newcomers.lock().unwrap_or_else(PoisonError::into_inner));
        if write_all(&mut slots, &mut destination, &shared.program) {
            shared.asleep.store(false, Ordering::Relaxed);
            announced = false;
            if !stopping {
                thread::park_timeout(REST);
            }
        } else if stopping || (retiring && slots.is_empty()) {
            return;
        } else if announced {
            thread::park();
            announced = shared.asleep.load(Ordering::Relaxed);
        } else {
            // Said first and looked again before sleeping: a worker that saw the writer awake is not missed.
            shared.asleep.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            announced = true;
        }
    }
}

/// Writes what waits in all slots. Tells whether there was anything.
fn write_all(slots: &mut Vec<Arc<Slot>>, destination: &mut Destination, program: &ProgramStats) -> bool {
    let mut found = false;
    slots.retain(|slot| {
        // Looked at before the lines are taken: a worker that is gone by then leaves nothing behind.
        let in_use = Arc::strong_count(slot) > 1;
        let Some(lines) = slot.take() else { return in_use };
        found = true;
        let lost = destination.write(&lines.bytes);
        if lost > 0 {
            program.dropped(Sink::AccessLog, lost);
        }
        slot.give_back(lines);
        in_use
    });
    found
}
