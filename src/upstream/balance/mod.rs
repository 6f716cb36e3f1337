//! Which endpoint takes the next request.

mod ip_hash;
mod least_conn;
mod random;
pub mod ring;
mod turns;

use super::endpoint::{Endpoint, InFlight};
use super::members::Members;
use super::passive::Rule;
use super::pool::Tried;
use crate::http::clock::{Moment, Span};
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

/// How endpoints are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// The fewest requests in flight for the weight; among equals, in turn.
    LeastConn,
    /// In turn, by weight.
    RoundRobin,
    /// By chance, by weight.
    Random,
    /// Two by chance, then the one with fewer requests in flight for its weight.
    P2c,
    /// By the client's network, as nginx's `ip_hash`.
    IpHash,
    /// By a key of the request, as nginx's `hash … consistent`.
    Hash,
}

impl Balance {
    /// The word for it in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Balance::LeastConn => "least_conn",
            Balance::RoundRobin => "round_robin",
            Balance::Random => "random",
            Balance::P2c => "p2c",
            Balance::IpHash => "ip_hash",
            Balance::Hash => "hash",
        }
    }
}

/// What a request has to say about where it goes.
pub struct Asker<'a> {
    pub now: Moment,
    /// The worker's own source of chance.
    pub random: &'a RefCell<fastrand::Rng>,
    /// What is hashed; empty for nothing.
    pub key: &'a [u8],
    pub client_ip: Option<IpAddr>,
    /// The endpoint that the client's cookie names.
    pub prefers: Option<u64>,
}

/// What the pool says about it.
#[derive(Clone, Copy)]
pub struct Terms {
    pub balance: Balance,
    pub passive: Rule,
    pub slow_start: Span,
}

/// Chooses an endpoint that can take a request, other than those `tried`, and counts the request there. A backup takes it only when no
/// other endpoint can, even from a client that its cookie binds to the backup.
pub fn pick(members: &Members, terms: Terms, asker: &Asker<'_>, tried: &Tried) -> Option<InFlight> {
    let primary = Choice { tier: &members.primary, ring: members.ring.as_ref(), terms, asker, tried };
    let backup = Choice { tier: &members.backup, ring: None, terms, asker, tried };
    primary.take().or_else(|| backup.take())
}

/// A choice among the endpoints of one tier.
struct Choice<'c, 'p> {
    tier: &'p [Arc<Endpoint>],
    ring: Option<&'p ring::Ring>,
    terms: Terms,
    asker: &'c Asker<'c>,
    tried: &'c Tried,
}

impl<'p> Choice<'_, 'p> {
    fn take(&self) -> Option<InFlight> {
        if let Some(id) = self.asker.prefers
            && let Some(known) = self.open().find(|e| e.id == id)
            && let Some(taken) = known.take(self.asker.now, self.terms.passive)
        {
            return Some(taken);
        }
        // another thread may take the last place meanwhile; as often as that can be, somebody else is asked
        for _ in 0..=self.tier.len() {
            let chosen = match self.terms.balance {
                Balance::LeastConn => least_conn::choose(self),
                Balance::RoundRobin => turns::choose(self),
                Balance::Random => random::choose(self),
                Balance::P2c => random::choose_of_two(self),
                Balance::IpHash => ip_hash::choose(self),
                Balance::Hash => ring::choose(self),
            }?;
            if let Some(taken) = chosen.take(self.asker.now, self.terms.passive) {
                return Some(taken);
            }
        }
        None
    }

    fn is_open(&self, endpoint: &Arc<Endpoint>) -> bool {
        endpoint.is_open(self.asker.now, self.terms.passive) && !self.tried.has(endpoint)
    }

    /// The endpoints that can take the request.
    fn open(&self) -> impl Iterator<Item = &'p Arc<Endpoint>> {
        self.tier.iter().filter(|e| self.is_open(e))
    }

    fn share(&self, endpoint: &Endpoint) -> u64 {
        endpoint.share(self.asker.now, self.terms.slow_start)
    }
}

/// Whether `a` is busier than `b`, equally busy or less, for their shares.
fn compare_load(a: (u32, u64), b: (u32, u64)) -> std::cmp::Ordering {
    // count/share against the other's, cross-multiplied
    (u64::from(a.0) * b.1).cmp(&(u64::from(b.0) * a.1))
}
