//! What is done to containers, and to the way to their engine, for who judges what is served.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One book for a trial.
pub struct Book {
    entries: Mutex<Entries>,
    way: Mutex<Way>,
}

/// Containers, by the names of their first days.
pub type Entries = BTreeMap<String, Entry>;

/// A container.
#[derive(Clone)]
pub struct Entry {
    /// What it is called now.
    pub name: String,
    /// Though it may live, it does nothing.
    pub paused: bool,
}

/// Whether the gateway has a way to the engine.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    OpenSince(Instant),
    GoneSince(Instant),
}

impl Book {
    pub fn new() -> Book {
        Book { entries: Mutex::default(), way: Mutex::new(Way::OpenSince(Instant::now())) }
    }

    /// This container is called so, and is paused or is not.
    pub fn note(&self, first_name: &str, name: &str, paused: bool) {
        self.lock().insert(first_name.to_owned(), Entry { name: name.to_owned(), paused });
    }

    pub fn entries(&self) -> Entries {
        self.lock().clone()
    }

    pub fn way(&self) -> Way {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn way_is(&self, way: Way) {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = way;
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
