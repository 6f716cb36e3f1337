//! Something that origins wait for until the test lets them go on.

use std::sync::{Arc, Condvar, Mutex};

use super::patience::PATIENCE;

/// A gate that origins wait at. Clones are one and the same.
#[derive(Clone, Default)]
pub struct Gate(Arc<State>);

#[derive(Default)]
struct State {
    places: Mutex<usize>,
    changed: Condvar,
}

impl Gate {
    /// One that lets nobody through yet.
    pub fn shut() -> Gate {
        Gate::default()
    }

    /// Lets one through, who waits or comes later.
    pub fn admit(&self) {
        *self.0.places.lock().unwrap() += 1;
        self.0.changed.notify_all();
    }

    /// Lets everybody through from now on.
    pub fn open(&self) {
        *self.0.places.lock().unwrap() = usize::MAX;
        self.0.changed.notify_all();
    }

    /// Waits until let through; gives up after a while, so that no thread outlives its test for long.
    pub fn pass(&self) {
        let places = self.0.places.lock().unwrap();
        let wait = self.0.changed.wait_timeout_while(places, PATIENCE, |places| *places == 0);
        let (mut places, _) = wait.unwrap();
        if *places != usize::MAX {
            *places = places.saturating_sub(1);
        }
    }
}
