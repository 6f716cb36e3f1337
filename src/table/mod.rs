//! The document compiled: what is served, immutable and swapped whole.

pub mod compile;
pub mod diff;
mod fold;
pub mod history;
mod hosts;
mod index;
pub mod listener;
mod listeners;
pub mod live;
pub mod number;
mod outline;
mod paths;
mod pools;
mod readings;
pub mod route;
mod segments;
mod shape;
mod spelling;
mod split;
#[cfg(test)]
mod tests;

pub use diff::{Changes, Names};
pub use history::{Attempt, History, Outcome, Refusal, Standing, Why};
pub use index::{Found, Host, Path, RouteIndex, RouteIndexBuilder};
pub use listener::{ClientLimits, Listener};
pub use live::LiveTable;
pub use number::{Exhausted, Number, Numbers};
pub use outline::Outline;
pub use readings::canonical;
pub use route::{Action, Answer, Retries, Route, Timeouts};
pub use spelling::Malformed;
pub use split::Split;

use crate::telemetry::UpstreamStats;
use crate::upstream::Pool;
use crate::upstream::probe::Check;
use crate::value::Cidr;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Everything that is served. Made only by [`compile::compile`].
pub struct Table {
    /// In the order of their names.
    pub listeners: Box<[Arc<Listener>]>,
    /// Those that are removed but were in use when this table was made, the last removed first. Names and addresses may be those of
    /// [`Table::listeners`].
    pub retired: Box<[Arc<Listener>]>,
    pub routes: Box<[Arc<Route>]>,
    pub upstreams: Box<[Arc<Upstream>]>,
    pub trusted_proxies: Box<[Cidr]>,
    /// What requests without a route are counted under.
    pub unmatched: Arc<Route>,
    /// All listeners, each at its number.
    numbered: Box<[Option<Arc<Listener>>]>,
    /// What it was made from.
    pub outline: Outline,
    /// One for each set of routes that some listeners share.
    indexes: Box<[RouteIndex]>,
}

/// A pool and what is counted for it.
pub struct Upstream {
    pub pool: Pool,
    /// Outlive a reload that keeps the upstream's name.
    pub stats: Arc<UpstreamStats>,
    /// The checks that the gateway makes by itself.
    pub active: Option<ActiveCheck>,
}

/// How the gateway finds out by itself whether an endpoint is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveCheck {
    pub check: Check,
    pub interval: Duration,
    pub timeout: Duration,
    /// Checks in a row that must pass before it is up again.
    pub rise: u32,
    /// Checks in a row that must fail before it is down.
    pub fall: u32,
}

impl Table {
    /// The listener of this number, removed or not.
    pub fn listener(&self, number: u16) -> Option<&Listener> {
        self.numbered.get(usize::from(number))?.as_deref()
    }

    /// The listeners of the document, then the removed ones that are in use.
    pub fn all_listeners(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.listeners.iter().chain(&self.retired)
    }

    /// The route of a request that came in by `listener` for `host` (lower case, without port and final dot) and the path as written.
    pub fn find(&self, listener: &Listener, host: &[u8], path: &[u8]) -> Found {
        let Some(index) = self.indexes.get(listener.index) else { return Found::None };
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
