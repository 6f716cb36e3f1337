//! What is counted for one upstream: requests, connections opened, kept and reused, retries.

use std::time::Duration;

use crate::failure::Failure;

use super::cells::{Count, Level, PerWorker};
use super::histogram::{Histogram, Observed};

/// The counts of one upstream. It outlives a reload that keeps the upstream.
#[derive(Debug)]
pub struct UpstreamStats {
    cells: PerWorker<UpstreamCells>,
}

/// What a connection to an endpoint is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// It carries a request or a tunnel.
    Active,
    /// It waits to be reused.
    Idle,
}

impl ConnectionState {
    /// Both.
    pub const ALL: [ConnectionState; 2] = [ConnectionState::Active, ConnectionState::Idle];

    /// The `state` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConnectionState::Active => "active",
            ConnectionState::Idle => "idle",
        }
    }
}

#[derive(Debug, Default)]
struct UpstreamCells {
    begun: Count,
    duration: Histogram,
    connect: Histogram,
    opened: Count,
    reused: Count,
    connections: [Level; ConnectionState::ALL.len()],
    retries: [Count; Failure::ALL.len()],
    retries_for_status: Count,
}

impl UpstreamStats {
    /// Nothing counted yet, with room for workers `0..workers`.
    pub fn new(workers: usize) -> UpstreamStats {
        UpstreamStats { cells: PerWorker::new(workers) }
    }

    /// A request came for this upstream.
    pub fn begun(&self, worker: usize) {
        self.cells.get(worker).begun.add(1);
    }

    /// All requests that came.
    pub fn begun_total(&self) -> u64 {
        self.cells.iter().map(|cells| cells.begun.get()).sum()
    }

    /// An endpoint answered after `duration` (from taking the request to the end of its response).
    pub fn answered(&self, worker: usize, duration: Duration) {
        self.cells.get(worker).duration.observe(duration);
    }

    /// A connection was opened in `duration` and is active now.
    pub fn connected(&self, worker: usize, duration: Duration) {
        let cells = self.cells.get(worker);
        cells.connect.observe(duration);
        cells.opened.add(1);
        cells.connections[ConnectionState::Active as usize].add(1);
    }

    /// An active connection is idle now, kept for the next request.
    pub fn parked(&self, worker: usize) {
        let cells = self.cells.get(worker);
        cells.connections[ConnectionState::Active as usize].add(-1);
        cells.connections[ConnectionState::Idle as usize].add(1);
    }

    /// An idle connection is active again.
    pub fn reused(&self, worker: usize) {
        let cells = self.cells.get(worker);
        cells.reused.add(1);
        cells.connections[ConnectionState::Idle as usize].add(-1);
        cells.connections[ConnectionState::Active as usize].add(1);
    }

    /// A connection that was in `state` is gone.
    pub fn closed(&self, worker: usize, state: ConnectionState) {
        self.cells.get(worker).connections[state as usize].add(-1);
    }

    /// A request goes to another endpoint or connection after this failure.
    pub fn retried(&self, worker: usize, failure: Failure) {
        self.cells.get(worker).retries[failure as usize].add(1);
    }

    /// A request goes to another endpoint after a response whose status calls for that.
    pub fn retried_for_status(&self, worker: usize) {
        self.cells.get(worker).retries_for_status.add(1);
    }

    pub(super) fn is_unused(&self) -> bool {
        self.cells.is_unused()
    }

    pub(super) fn duration(&self) -> Observed {
        Observed::merged(self.cells.iter().map(|cells| &cells.duration))
    }

    pub(super) fn connect(&self) -> Observed {
        Observed::merged(self.cells.iter().map(|cells| &cells.connect))
    }

    pub(super) fn opened_total(&self) -> u64 {
        self.cells.iter().map(|cells| cells.opened.get()).sum()
    }

    pub(super) fn reused_total(&self) -> u64 {
        self.cells.iter().map(|cells| cells.reused.get()).sum()
    }

    pub(super) fn connections(&self, state: ConnectionState) -> i64 {
        self.cells.iter().map(|cells| cells.connections[state as usize].get()).sum()
    }

    pub(super) fn retries_for_status(&self) -> u64 {
        self.cells.iter().map(|cells| cells.retries_for_status.get()).sum()
    }

    pub(super) fn retries(&self, failure: Failure) -> u64 {
        self.cells.iter().map(|cells| cells.retries[failure as usize].get()).sum()
    }
}
