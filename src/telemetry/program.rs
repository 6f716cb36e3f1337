//! What is counted for the program as a whole: panics, reloads, lost log lines, its build.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;

/// The program's own counts. Rare events, so any thread writes them.
pub struct ProgramStats {
    pub(super) version: &'static str,
    pub(super) revision: &'static str,
    panics: AtomicU64,
    reloads_succeeded: AtomicU64,
    reloads_failed: AtomicU64,
    last_reload_successful: AtomicBool,
    last_success_ms: AtomicU64,
    dropped: [AtomicU64; Sink::ALL.len()],
    process: ProcessCollector,
}

/// A log that drops lines rather than block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    AccessLog,
}

impl Sink {
    /// All of them.
    pub const ALL: [Sink; 1] = [Sink::AccessLog];

    /// The `sink` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Sink::AccessLog => "access_log",
        }
    }
}

impl ProgramStats {
    /// `version` and `revision` are those of the build; an unknown revision is empty.
    pub fn new(version: &'static str, revision: &'static str) -> ProgramStats {
        ProgramStats {
            version,
            revision,
            panics: AtomicU64::new(0),
            reloads_succeeded: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
            last_reload_successful: AtomicBool::new(false),
            last_success_ms: AtomicU64::new(0),
            dropped: Default::default(),
            process: ProcessCollector::for_self(),
        }
    }

    /// A panic was caught.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// The configuration was loaded when the program started: it is in force, yet no reload.
    pub fn loaded(&self, at: SystemTime) {
        let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.last_success_ms.store(since_epoch.as_millis() as u64, Relaxed);
        self.last_reload_successful.store(true, Relaxed);
    }

    /// The program started from the copy of a configuration that was loaded at another time, since the one to load is bad.
    pub fn loaded_copy(&self, of: SystemTime) {
        self.loaded(of);
        self.last_reload_successful.store(false, Relaxed);
    }

    /// A reload put a new configuration in force.
    pub fn reloaded(&self, at: SystemTime) {
        self.reloads_succeeded.fetch_add(1, Relaxed);
        self.loaded(at);
    }

    /// A reload was refused; the old configuration stays in force.
    pub fn reload_failed(&self) {
        self.reloads_failed.fetch_add(1, Relaxed);
        self.last_reload_successful.store(false, Relaxed);
    }

    /// `lines` of a log were lost.
    pub fn dropped(&self, sink: Sink, lines: u64) {
        self.dropped[sink as usize].fetch_add(lines, Relaxed);
    }

    /// Panics caught so far.
    pub fn panics_total(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// Lines of a log lost so far.
    pub fn dropped_total(&self, sink: Sink) -> u64 {
        self.dropped[sink as usize].load(Relaxed)
    }

    /// Reloads so far: those that succeeded, those that failed.
    pub fn reloads_total(&self) -> (u64, u64) {
        (self.reloads_succeeded.load(Relaxed), self.reloads_failed.load(Relaxed))
    }

    /// Whether what was loaded last is in force.
    pub fn last_reload_successful(&self) -> bool {
        self.last_reload_successful.load(Relaxed)
    }

    /// When a configuration was last put in force, in seconds since 1970; 0 when never.
    pub(super) fn last_success_s(&self) -> f64 {
        self.last_success_ms.load(Relaxed) as f64 / 1e3
    }

    /// Processor time, memory, descriptors and threads, as the kernel tells them.
    pub(super) fn process(&self) -> Vec<MetricFamily> {
        self.process.collect()
    }
}

impl fmt::Debug for ProgramStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgramStats").field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_reload_keeps_the_time_of_the_last_good_one() {
        let stats = ProgramStats::new("1.0.0", "");
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        stats.loaded(at);
        assert_eq!(stats.reloads_total(), (0, 0));
        assert!(stats.last_reload_successful());
        stats.reload_failed();
        assert_eq!(stats.reloads_total(), (0, 1));
        assert!(!stats.last_reload_successful());
        assert_eq!(stats.last_success_s(), 1.5);
    }
}
