//! One endpoint: its address, and how many requests it has in flight. Outlives a reload that keeps it.

use super::idle::Slots;
use crate::http::clock::{Moment, Span};
use arc_swap::ArcSwap;
use crossbeam_utils::CachePadded;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

/// One place that serves a pool's requests.
pub struct Endpoint {
    /// As written: `host:port`, `ip:port` or `unix:/path`.
    pub address: Box<str>,
    /// Its share of the requests beside the others'. A reload may change it under requests in flight, which stay counted.
    weight: AtomicU32,
    /// Its number in the pool's metrics.
    pub number: u16,
    /// Where worker threads keep its idle connections.
    pub slot: u32,
    target: Target,
    slots: Arc<Slots>,
    /// Requests and tunnels in flight, over all workers. On a cache line of its own: every request writes it.
    in_flight: CachePadded<AtomicU32>,
    /// When the log last said that it cannot be reached, in nanoseconds; 0 for never.
    complained: AtomicU64,
    /// Its name did not resolve when last asked, and the log has said so.
    pub(super) unresolved: AtomicBool,
    /// State of the smooth weighted round-robin among endpoints that tie.
    pub(super) turn: AtomicI64,
}

/// Where an endpoint is reached.
pub enum Target {
    Socket(SocketAddr),
    Unix(Box<Path>),
    /// `host:port`; the addresses it had when last asked, none until it resolves.
    Name(ArcSwap<Vec<SocketAddr>>),
}

impl Endpoint {
    pub fn new(address: &str, target: Target, weight: u32, number: u16, slots: &Arc<Slots>) -> Endpoint {
        Endpoint {
            address: address.into(),
            weight: AtomicU32::new(weight),
            number,
            slot: slots.take(),
            target,
            slots: Arc::clone(slots),
            in_flight: CachePadded::new(AtomicU32::new(0)),
            complained: AtomicU64::new(0),
            unresolved: AtomicBool::new(false),
            turn: AtomicI64::new(0),
        }
    }

    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    pub fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Relaxed);
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Can take requests: its name has an address.
    pub fn is_up(&self) -> bool {
        match &self.target {
            Target::Socket(_) | Target::Unix(_) => true,
            Target::Name(addresses) => !addresses.load().is_empty(),
        }
    }

    /// May the log say, at `now`, that it cannot be reached? Once in each `interval`.
    pub fn may_complain(&self, now: Moment, interval: Span) -> bool {
        let last = self.complained.load(Relaxed);
        let due = last == 0 || Moment(last) + interval <= now;
        due && self.complained.compare_exchange(last, now.0.max(1), Relaxed, Relaxed).is_ok()
    }

    /// Requests and tunnels in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Counts one request until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight { endpoint: Arc::clone(self), counted: true }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.slots.give(self.slot);
    }
}

/// A request in flight at an endpoint; dropping it un-counts.
pub struct InFlight {
    endpoint: Arc<Endpoint>,
    counted: bool,
}

impl InFlight {
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Un-counts at once: the endpoint has done its part. The client may ask again as soon as it has its answer, and must not
    /// meet its own request in the count.
    pub fn leave(&mut self) {
        if std::mem::take(&mut self.counted) {
            self.endpoint.in_flight.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.leave();
    }
}
