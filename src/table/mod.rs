//! The document compiled: what is served, immutable and swapped whole.

pub mod compile;
mod conditions;
pub mod diff;
mod effects;
mod fold;
pub mod history;
mod hosts;
mod index;
pub mod listener;
mod listeners;
pub mod live;
mod more;
mod named;
pub mod number;
mod outline;
mod own;
mod paths;
mod plant;
mod policies;
pub mod pools;
mod readings;
pub mod route;
mod secure;
mod segments;
mod shape;
mod split;
#[cfg(test)]
mod tests;
mod unbuildable;
mod words;

pub use crate::http::spelling::Malformed;
pub use conditions::{Conditions, Unmet};
pub use diff::{Changes, Detailed, Names};
pub use effects::Effects;
pub use history::{Attempt, History, Outcome, Refusal, Standing, Why};
pub use index::{Disagreement, Found, Host, RouteIndex};
pub use listener::{ClientLimits, Listener, ListenerTls};
pub use live::LiveTable;
pub use number::{Exhausted, Number, Numbers};
pub use outline::Outline;
pub use own::{HTTPS, OwnRoutes, PROOFS, UNMATCHED};
pub use plant::RouteIndexBuilder;
pub use readings::canonical;
pub use route::{Action, Answer, Retries, Route, Rules, Timeouts};
pub use split::Split;
pub use unbuildable::Unbuildable;

use crate::discovery::{Board, DnsSettings};
use crate::http::request::RequestHead;
use crate::telemetry::UpstreamStats;
use crate::tls::{Ordered, Presented};
use crate::upstream::Pool;
use crate::upstream::probe::Check;
use crate::value::Cidr;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
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
    pub routes: Box<[Route]>,
    pub upstreams: Box<[Arc<Upstream>]>,
    pub trusted_proxies: Box<[Cidr]>,
    /// How names are asked for.
    pub dns: DnsSettings,
    /// What the sources say that find endpoints.
    pub board: Arc<Board>,
    /// What requests are counted under that no route of the document takes.
    pub own: OwnRoutes,
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

    /// The certificates that authorities issue on order, each once.
    pub fn orders(&self) -> Vec<Arc<Ordered>> {
        let mut orders: Vec<Arc<Ordered>> = Vec::new();
        let presented = self.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        for presented in presented.flat_map(|tls| &tls.server.terms.certificates) {
            if let Presented::Ordered(order) = presented
                && !orders.iter().any(|known| Arc::ptr_eq(known, order))
            {
                orders.push(Arc::clone(order));
            }
        }
        orders
    }

    /// The route of a request that came in by `listener` for `host` (lower case, without port and final dot).
    /// Who the client is said to be counts only where the peer is `trusted` to say so.
    pub fn find(&self, listener: &Listener, host: &[u8], head: &RequestHead<'_, '_>, trusted: bool) -> Found {
        let Some(index) = self.indexes.get(listener.index) else { return Found::None };
        let by_method = Cell::new(false);
        let accepts = |place| match &self.route(place).conditions {
            None => true,
            Some(conditions) => meets(conditions, head, trusted, &by_method),
        };
        match index.find(host, head.target.path(), accepts) {
            Found::None if by_method.get() => Found::OtherMethods,
            found => found,
        }
    }

    /// The methods that routes take of a request which but for its method would be theirs: the value of `Allow`.
    pub fn allowed(&self, listener: &Listener, host: &[u8], head: &RequestHead<'_, '_>, trusted: bool) -> String {
        let allowed = RefCell::new(BTreeSet::new());
        let note = |place| {
            if let Some(conditions) = &self.route(place).conditions
                && conditions.check(head, trusted) == Err(Unmet::Method)
            {
                let mut allowed = allowed.borrow_mut();
                allowed.extend(conditions.methods().into_iter().flatten().map(|method| &**method));
                if allowed.contains("GET") {
                    allowed.insert("HEAD");
                }
            }
            false
        };
        if let Some(index) = self.indexes.get(listener.index) {
            index.find(host, head.target.path(), note);
        }
        let methods: Vec<&str> = allowed.take().into_iter().collect();
        methods.join(", ")
    }

    /// Why a path is ambiguous, as [`RouteIndex::disagreement`].
    pub fn disagreement(
        &self,
        listener: &Listener,
        host: &[u8],
        head: &RequestHead<'_, '_>,
        trusted: bool,
    ) -> Option<Disagreement> {
        let by_method = Cell::new(false);
        let accepts = |place| match &self.route(place).conditions {
            None => true,
            Some(conditions) => meets(conditions, head, trusted, &by_method),
        };
        self.indexes.get(listener.index)?.disagreement(host, head.target.path(), accepts)
    }

    /// Whether it can serve; if not, why. What only this machine lacks is no matter for who merely reads the document.
    pub fn sound(&self) -> Result<(), String> {
        let tls = self.upstreams.iter().filter_map(|u| u.pool.rules.tls.as_ref().map(|tls| (&u.pool.name, tls)));
        match tls.filter_map(|(name, tls)| tls.flaw().map(|flaw| (name, flaw))).next() {
            Some((name, flaw)) => Err(format!("no TLS with the endpoints of `{name}`: {flaw}")),
            None => Ok(()),
        }
    }

    /// The route at `place`, which may be one of the gateway's own.
    pub fn route(&self, place: u32) -> &Route {
        match self.routes.get(place as usize) {
            Some(route) => route,
            None => self.own.at(place),
        }
    }

    /// May `peer` say who its client is?
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|range| range.contains(peer))
    }
}

/// Whether a request meets a route's conditions; notes when nothing but its method stands in the way.
#[inline(never)]
fn meets(conditions: &Conditions, head: &RequestHead<'_, '_>, trusted: bool, by_method: &Cell<bool>) -> bool {
    match conditions.check(head, trusted) {
        Ok(()) => true,
        Err(unmet) => {
            by_method.set(by_method.get() || unmet == Unmet::Method);
            false
        }
    }
}
