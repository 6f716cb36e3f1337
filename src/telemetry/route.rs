//! What is counted for one route: its requests, how long they took, what they moved, why they failed.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::failure::Failure;

use super::cells::{Count, Level, PerWorker};
use super::histogram::{Histogram, Observed};
use super::series::Series;
use crate::http::method::Method;

/// The counts of one route, shared by all who hold it. They outlive a reload that keeps the route. A route that has seen no request costs
/// 40 bytes, however many workers there are.
#[derive(Clone, Debug)]
pub struct RouteStats {
    block: Arc<Block>,
    at: u32,
}

/// The counts of a few routes: together they take less memory than each by itself, and few enough that one which goes on does not hold
/// much that is gone.
#[derive(Debug)]
struct Block {
    workers: usize,
    /// Made by a route's first request.
    routes: [OnceLock<PerWorker<RouteCells>>; BLOCK],
}

impl Block {
    /// The first request of a route.
    #[cold]
    fn make<'b>(&'b self, cells: &'b OnceLock<PerWorker<RouteCells>>) -> &'b PerWorker<RouteCells> {
        cells.get_or_init(|| PerWorker::new(self.workers))
    }
}

/// Routes of one block.
const BLOCK: usize = 32;

/// One exchange, over.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// The number of the listener it came in by, as in [`super::ListenerScene::id`].
    pub listener: u16,
    pub method: Method,
    /// The status the client got, or would have got.
    pub code: u16,
    /// From the first byte of the request to the last of the response.
    pub duration: Duration,
    /// Body bytes taken from the client.
    pub bytes_in: u64,
    /// Body bytes handed to the client.
    pub bytes_out: u64,
    pub failure: Option<Failure>,
}

#[derive(Debug, Default)]
struct RouteCells {
    in_flight: Level,
    bytes_in: Count,
    bytes_out: Count,
    duration: Histogram,
    requests: Series<1>,
    failures: OnceLock<Box<[Count; Failure::ALL.len()]>>,
}

impl RouteStats {
    /// Nothing counted yet, with room for workers `0..workers`.
    pub fn new(workers: usize) -> RouteStats {
        RouteStats { block: Arc::new(Block { workers, routes: Default::default() }), at: 0 }
    }

    /// The same for one route after the other, which stand side by side in memory.
    pub fn many(workers: usize) -> impl Iterator<Item = RouteStats> {
        std::iter::successors(Some(RouteStats::new(workers)), move |RouteStats { block, at }| {
            Some(match at + 1 {
                at if (at as usize) < BLOCK => RouteStats { block: Arc::clone(block), at },
                _ => RouteStats::new(workers),
            })
        })
    }

    fn made(&self) -> Option<&PerWorker<RouteCells>> {
        self.block.routes.get(self.at as usize)?.get()
    }

    #[inline]
    fn cells(&self, worker: usize) -> &RouteCells {
        let cells = &self.block.routes[self.at as usize % BLOCK];
        cells.get().unwrap_or_else(|| self.block.make(cells)).get(worker)
    }

    fn all_cells(&self) -> impl Iterator<Item = &RouteCells> {
        self.made().into_iter().flat_map(PerWorker::iter)
    }

    /// A request found this route. `finish` follows on the same worker, whatever way the request ends.
    pub fn begin(&self, worker: usize) {
        self.cells(worker).in_flight.add(1);
    }

    /// The request that `begin` announced is over.
    pub fn finish(&self, worker: usize, finished: &Finished) {
        let Finished { listener, method, code, duration, bytes_in, bytes_out, failure } = *finished;
        let cells = self.cells(worker);
        cells.bytes_in.add(bytes_in);
        cells.bytes_out.add(bytes_out);
        cells.duration.observe(duration);
        cells.requests.count(0, Key { listener, method, code }.pack());
        if let Some(failure) = failure {
            cells.failures.get_or_init(Box::default)[failure as usize].add(1);
        }
        // last: when nothing is in flight any more, everything is counted
        cells.in_flight.add(-1);
    }

    /// Drops what `worker` counted for listeners that are gone, so that their numbers can be given to others. Only that worker's thread may.
    pub fn forget_listeners(&self, worker: usize, gone: impl Fn(u16) -> bool) {
        if let Some(cells) = self.made().and_then(|cells| cells.made(worker)) {
            cells.requests.retain(|key| !gone(Key::unpack(key).listener));
        }
    }

    /// Whether no request ever found this route.
    pub(super) fn is_unused(&self) -> bool {
        self.made().is_none_or(PerWorker::is_unused)
    }

    pub(super) fn in_flight(&self) -> i64 {
        self.all_cells().map(|cells| cells.in_flight.get()).sum()
    }

    pub(super) fn bytes_in(&self) -> u64 {
        self.all_cells().map(|cells| cells.bytes_in.get()).sum()
    }

    pub(super) fn bytes_out(&self) -> u64 {
        self.all_cells().map(|cells| cells.bytes_out.get()).sum()
    }

    pub(super) fn duration(&self) -> Observed {
        Observed::merged(self.all_cells().map(|cells| &cells.duration))
    }

    /// Requests by listener, method and status; the second value is what exceeded [`super::series::KEYS_MAX`].
    pub(super) fn requests(&self) -> (BTreeMap<Key, u64>, u64) {
        let mut merged = BTreeMap::new();
        for (key, count) in self.all_cells().flat_map(|cells| cells.requests.iter()) {
            *merged.entry(Key::unpack(key)).or_default() += count;
        }
        (merged, self.all_cells().map(|cells| cells.requests.overflow()).sum())
    }

    /// How often it failed with `failure`.
    pub(super) fn failed(&self, failure: Failure) -> u64 {
        self.all_cells().filter_map(|cells| cells.failures.get()).map(|counts| counts[failure as usize].get()).sum()
    }
}

/// What tells one series of `http_requests_total` from another, the route aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) listener: u16,
    pub(super) method: Method,
    pub(super) code: u16,
}

impl Key {
    /// Never 0 or 1: the top bit is set.
    fn pack(self) -> u64 {
        1 << 63 | u64::from(self.listener) << 32 | (self.method as u64) << 16 | u64::from(self.code)
    }

    fn unpack(packed: u64) -> Key {
        Key {
            listener: (packed >> 32) as u16,
            method: Method::ALL.get((packed >> 16) as u16 as usize).copied().unwrap_or(Method::Other),
            code: packed as u16,
        }
    }
}
