//! What is counted for one endpoint: its answers by status, its active checks, how often it was left alone.

use super::cells::PerWorker;
use super::series::Series;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The counts of one endpoint. They outlive a reload that keeps it.
#[derive(Debug)]
pub struct EndpointStats {
    codes: PerWorker<Series<1>>,
    /// Checks that failed and that passed.
    checks: [AtomicU64; 2],
    ejections: AtomicU64,
}

impl EndpointStats {
    /// Nothing counted yet, with room for workers `0..workers`.
    pub fn new(workers: usize) -> EndpointStats {
        EndpointStats { codes: PerWorker::new(workers), checks: Default::default(), ejections: AtomicU64::new(0) }
    }

    /// The endpoint answered with `code`.
    pub fn answered(&self, worker: usize, code: u16) {
        // keys are never 0
        self.codes.get(worker).count(0, 1 << 16 | u64::from(code));
    }

    /// An active check ended.
    pub fn checked(&self, passed: bool) {
        self.checks[usize::from(passed)].fetch_add(1, Relaxed);
    }

    /// Too many requests failed there.
    pub fn ejected(&self) {
        self.ejections.fetch_add(1, Relaxed);
    }

    /// Answers by status; the second value is what exceeded [`super::series::KEYS_MAX`].
    pub(super) fn codes(&self) -> (BTreeMap<u16, u64>, u64) {
        let mut merged = BTreeMap::new();
        for (key, count) in self.codes.iter().flat_map(|codes| codes.iter()) {
            *merged.entry(key as u16).or_default() += count;
        }
        (merged, self.codes.iter().map(Series::overflow).sum())
    }

    pub(super) fn checks_total(&self, passed: bool) -> u64 {
        self.checks[usize::from(passed)].load(Relaxed)
    }

    pub(super) fn ejections_total(&self) -> u64 {
        self.ejections.load(Relaxed)
    }
}
