//! How an order stands, for whoever operates the gateway.

use super::{Seconds, words};
use crate::tls::Ordered;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// How an order stands. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The authority's name in the document.
    pub authority: Box<str>,
    pub hosts: Vec<String>,
    /// Until when the certificate on hand is valid; none while a self-signed one stands in.
    pub valid_until: Option<Seconds>,
    /// When the next order is made, as far as it is known now.
    pub next_order_at: Seconds,
    /// Whether something is being done right now.
    pub busy: bool,
    /// Failures since the last certificate.
    pub failures: u32,
    /// The last of them, and what to do about it.
    pub last_error: Option<String>,
}

impl Progress {
    /// It is about this certificate.
    pub fn is_of(&self, ordered: &Ordered) -> bool {
        self.authority == ordered.authority && self.hosts == words(&ordered.hosts)
    }
}

/// How all orders stand.
#[derive(Debug, Default)]
pub struct Board(ArcSwap<Vec<Progress>>);

impl Board {
    /// How they stand now.
    pub fn read(&self) -> Arc<Vec<Progress>> {
        self.0.load_full()
    }

    pub(super) fn write(&self, progress: Vec<Progress>) {
        if **self.0.load() != progress {
            self.0.store(Arc::new(progress));
        }
    }
}
