//! What is counted for one upstream: exchanges by endpoint, connections opened, kept and reused, retries.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::failure::Failure;

use super::cells::{Count, Level, PerWorker};
use super::histogram::{Histogram, Observed};
use super::series::Series;

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

/// Endpoints spread over this many lists, so that a pool of hundreds is not searched end to end for each exchange.
const LISTS: usize = 32;

#[derive(Debug, Default)]
struct UpstreamCells {
    duration: Histogram,
    connect: Histogram,
    opened: Count,
    reused: Count,
    connections: [Level; ConnectionState::ALL.len()],
    retries: [Count; Failure::ALL.len()],
    exchanges: Series<LISTS>,
}

impl UpstreamStats {
    /// Nothing counted yet, with room for workers `0..workers`.
    pub fn new(workers: usize) -> UpstreamStats {
        UpstreamStats { cells: PerWorker::new(workers) }
    }

    /// An endpoint answered with `code` after `duration` (from taking the request to the end of its response).
    /// `endpoint` is its number as in [`super::EndpointScene::id`]: it belongs to one address for as long as these
    /// counts live, whatever reloads.
    pub fn exchanged(&self, worker: usize, endpoint: u16, code: u16, duration: Duration) {
        let cells = self.cells.get(worker);
        cells.duration.observe(duration);
        cells.exchanges.count(endpoint.into(), 1 << 63 | u64::from(endpoint) << 16 | u64::from(code));
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

    pub(super) fn retries(&self, failure: Failure) -> u64 {
        self.cells.iter().map(|cells| cells.retries[failure as usize].get()).sum()
    }

    /// Exchanges by endpoint number and status; the second value is what exceeded [`super::series::KEYS_MAX`].
    pub(super) fn exchanges(&self) -> (BTreeMap<(u16, u16), u64>, u64) {
        let mut merged = BTreeMap::new();
        for (key, count) in self.cells.iter().flat_map(|cells| cells.exchanges.iter()) {
            *merged.entry(((key >> 16) as u16, key as u16)).or_default() += count;
        }
        (merged, self.cells.iter().map(|cells| cells.exchanges.overflow()).sum())
    }
}
