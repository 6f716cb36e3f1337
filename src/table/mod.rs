//! The document compiled: what is served, immutable and swapped whole.

pub mod compile;
mod fold;
mod hosts;
mod index;
pub mod live;
mod paths;
mod readings;
pub mod route;
mod segments;
mod shape;
mod spelling;
#[cfg(test)]
mod tests;

pub use index::{Found, Host, Path, RouteIndex, RouteIndexBuilder};
pub use live::LiveTable;
pub use readings::canonical;
pub use route::{Action, Answer, Route, Timeouts};
pub use spelling::Malformed;

use crate::http::HeadLimits;
use crate::http::clock::Span;
use crate::telemetry::{ListenerStats, UpstreamStats};
use crate::upstream::Pool;
use crate::value::{Cidr, ListenAddress};
use std::net::IpAddr;
use std::sync::Arc;

/// Everything that is served. Made only by [`compile::compile`].
pub struct Table {
    /// In the order of their names, the same for the life of the process.
    pub listeners: Box<[Listener]>,
    pub routes: Box<[Arc<Route>]>,
    pub upstreams: Box<[Arc<Upstream>]>,
    pub trusted_proxies: Box<[Cidr]>,
    /// What requests without a route are counted under.
    pub unmatched: Arc<Route>,
    /// One for each set of routes that some listeners share.
    indexes: Box<[RouteIndex]>,
}

/// An address that accepts clients, and what one of them may take.
pub struct Listener {
    pub name: Box<str>,
    pub address: ListenAddress,
    /// How its clients came in, as the header lines that tell upstreams.
    pub arrival: Box<[u8]>,
    pub limits: ClientLimits,
    pub stats: Arc<ListenerStats>,
    index: usize,
}

/// What one client of a listener may take.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Connections at one time, over all clients.
    pub connections: u32,
    pub head: HeadLimits,
    /// Longest time for a whole head.
    pub header_timeout: Span,
    /// Longest silence within a body.
    pub body_timeout: Span,
    /// Slowest pace of a body, in bytes a second; 0 for none.
    pub body_min_rate: u64,
    /// Longest time a client may take no byte.
    pub send_timeout: Span,
    /// Longest wait between two requests; zero closes after each.
    pub keepalive_timeout: Span,
    /// Requests on one connection.
    pub keepalive_requests: u32,
}

/// A pool and what is counted for it.
pub struct Upstream {
    pub pool: Pool,
    /// Outlive a reload that keeps the upstream's name.
    pub stats: Arc<UpstreamStats>,
    /// Endpoints that were ever given a number in `stats`: a new one must not take over the counts of one that is gone.
    numbered: u16,
}

impl Table {
    /// The route of a request that came in by `listener` for `host` (lower case, without port and final dot) and the path as written.
    pub fn find(&self, listener: usize, host: &[u8], path: &[u8]) -> Found {
        let Some(index) = self.listeners.get(listener).and_then(|l| self.indexes.get(l.index)) else {
            return Found::None;
        };
        index.find(host, path, |_| true)
    }

    /// The route at `place`; what has no route is [`Table::unmatched`].
    pub fn route(&self, place: u32) -> &Arc<Route> {
        self.routes.get(place as usize).unwrap_or(&self.unmatched)
    }

    /// May `peer` say who its client is?
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|range| range.contains(peer))
    }
}
