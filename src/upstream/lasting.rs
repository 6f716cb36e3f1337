//! What of a pool outlives a reload that keeps its name: its endpoints with all that is counted and learned of them, those who wait for
//! one, the retry budget.

use super::budget::Budget;
use super::entry::Entry;
use super::members::{Listed, Members};
use super::pool::Rules;
use super::waiting::Room;
use crate::http::clock::Moment;
use arc_swap::{ArcSwap, Guard};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What pools of one name share, one after the other: requests that began with the pool before go to the endpoints there are now.
#[derive(Default)]
pub struct Lasting {
    pub room: Arc<Room>,
    pub budget: Budget,
    members: ArcSwap<Members>,
    /// Held while the endpoints change.
    turn: Mutex<Turn>,
    /// Entries that are listed, and those that are not any more but have requests in flight.
    known: Mutex<HashMap<Box<str>, Weak<Entry>>>,
}

/// Whose turn it is to say which endpoints there are.
#[derive(Default)]
struct Turn {
    /// Pools made so far.
    made: u64,
    /// The number of the one that is served; 0 before the first.
    served: u64,
}

impl Lasting {
    /// The endpoints there are now.
    pub(super) fn members(&self) -> Guard<Arc<Members>> {
        self.members.load()
    }

    /// The entry for `address`: the one there is, else one that is made now.
    pub fn entry(&self, address: &str, make: impl FnOnce() -> Entry) -> Arc<Entry> {
        let mut known = lock(&self.known);
        if let Some(same) = known.get(address).and_then(Weak::upgrade) {
            return same;
        }
        let entry = Arc::new(make());
        known.insert(address.into(), Arc::downgrade(&entry));
        entry
    }

    /// A number for a new pool.
    pub(super) fn number(&self) -> u64 {
        lock(&self.known).retain(|_, entry| entry.strong_count() > 0);
        let mut turn = lock(&self.turn);
        turn.made += 1;
        turn.made
    }

    /// No pool is served yet that would mind another's endpoints.
    pub(super) fn is_new(&self) -> bool {
        lock(&self.turn).served == 0
    }

    /// From now on the pool with this number, and these entries, says which endpoints there are.
    pub(super) fn serve(&self, number: u64, entries: &[Listed], rules: &Rules, now: Moment) {
        let mut turn = lock(&self.turn);
        turn.served = number;
        self.update(entries, rules, now);
        drop(turn);
        self.forget(entries);
        // a limit may have been raised
        self.room.look();
    }

    /// What is not among these entries any more was drained for good: whoever lists it again wants it to serve.
    pub(super) fn forget(&self, entries: &[Listed]) {
        let listed: HashSet<*const Entry> = entries.iter().map(|l| Arc::as_ptr(&l.entry)).collect();
        let mut known = lock(&self.known);
        known.retain(|_, entry| entry.strong_count() > 0);
        let known: Vec<Arc<Entry>> = known.values().filter_map(Weak::upgrade).collect();
        for gone in known.iter().filter(|entry| !listed.contains(&Arc::as_ptr(entry))) {
            gone.forget_draining();
        }
    }

    /// Looks at the addresses of the entries again, if it is this pool's turn. True when the endpoints changed.
    pub(super) fn refresh(&self, number: u64, entries: &[Listed], rules: &Rules, now: Moment) -> bool {
        let turn = lock(&self.turn);
        let changed = turn.served == number && self.update(entries, rules, now);
        drop(turn);
        if changed {
            self.room.look();
        }
        changed
    }

    fn update(&self, entries: &[Listed], rules: &Rules, now: Moment) -> bool {
        let changed = Members::after(&self.members.load(), entries, rules, now);
        let news = changed.is_some();
        if let Some(members) = changed {
            self.members.store(Arc::new(members));
        }
        news
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
