//! The cells metrics are made of: counts and levels with one writer each, and one set of cells per worker.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

/// A number that only grows. **One thread writes it**, any thread reads it.
///
/// With a single writer a load and a store suffice: no bus lock, about as cheap as a plain field. Two writers would
/// lose increments (never more than that).
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Begins anew at `n`.
    pub(crate) fn restart(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that rises and falls, with one writer as in [`Count`].
#[derive(Debug, Default)]
pub(crate) struct Level(AtomicI64);

impl Level {
    pub(crate) fn add(&self, n: i64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    pub(crate) fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A sum of seconds, with one writer as in [`Count`]. A float, since nanoseconds in 64 bits would run over within
/// weeks where thousands of tunnels are open.
#[derive(Debug, Default)]
pub(crate) struct Seconds(AtomicU64);

impl Seconds {
    pub(crate) fn add(&self, seconds: f64) {
        self.0.store((self.get() + seconds).to_bits(), Relaxed);
    }

    pub(crate) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

/// One `T` for each worker, made when that worker first asks: 16 bytes a worker until then.
#[derive(Debug)]
pub(crate) struct PerWorker<T> {
    slots: Box<[OnceLock<Box<CachePadded<T>>>]>,
}

impl<T: Default> PerWorker<T> {
    /// Room for workers `0..workers`.
    pub(crate) fn new(workers: usize) -> PerWorker<T> {
        PerWorker { slots: (0..workers).map(|_| OnceLock::new()).collect() }
    }

    /// The cells of `worker`, which only that worker's thread may write. `worker` is below the number given to `new`.
    pub(crate) fn get(&self, worker: usize) -> &T {
        self.slots[worker].get_or_init(Box::default)
    }

    /// The cells of `worker`, if it has made them.
    pub(crate) fn made(&self, worker: usize) -> Option<&T> {
        self.slots[worker].get().map(|cells| &***cells)
    }

    /// The cells made so far.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.get().map(|cells| &***cells))
    }

    /// Whether no worker has made its cells yet.
    pub(crate) fn is_unused(&self) -> bool {
        self.iter().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_writes_its_own_cell_and_a_reader_sees_their_sum() {
        let cells = PerWorker::<Count>::new(3);
        assert!(cells.is_unused());
        std::thread::scope(|scope| {
            for worker in 0..3 {
                let cells = &cells;
                scope.spawn(move || (0..10_000).for_each(|_| cells.get(worker).add(1)));
            }
        });
        assert_eq!(cells.iter().map(Count::get).sum::<u64>(), 30_000);
    }

    #[test]
    fn cells_are_made_only_for_the_worker_that_asked() {
        let cells = PerWorker::<Count>::new(4);
        cells.get(2).add(1);
        assert_eq!(cells.iter().count(), 1);
    }

    #[test]
    fn a_worker_that_has_not_asked_costs_sixteen_bytes() {
        assert_eq!(size_of::<OnceLock<Box<CachePadded<Count>>>>(), 16);
    }
}
