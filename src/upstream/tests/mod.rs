//! What pools promise: laws of balancing and health against plain models, in passed-in time and without sockets.

mod budget;
mod chance;
mod comings;
mod hashes;
mod heirs;
mod nginx;
mod racing;
mod reloads;
mod rising;
mod sequences;
mod trials;
mod waiting;

use super::balance::{Asker, Balance};
use super::count::Count;
use super::entry::{Entry, Place};
use super::idle::{Keepalive, Slots};
use super::members::Listed;
use super::passive::Rule;
use super::pool::{Pool, Rules, Tried};
use super::{Endpoint, InFlight, Lasting};
use crate::http::clock::{Moment, Span};
use crate::telemetry::EndpointStats;
use proptest::test_runner::{Config, RngSeed};
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;

/// The same random cases each time, unless `PROPTEST_RNG_SEED` is set.
fn cases(cases: u32) -> Config {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    match config.rng_seed {
        RngSeed::Random => Config { rng_seed: RngSeed::Fixed(1), ..config },
        RngSeed::Fixed(_) => config,
    }
}

pub(super) fn at(seconds: u64) -> Moment {
    Moment(seconds * SECOND)
}

/// What the configuration says of an endpoint.
#[derive(Clone, Copy, Debug)]
struct Line {
    weight: u32,
    max_conns: u32,
    backup: bool,
}

impl Line {
    const fn weighing(weight: u32) -> Line {
        Line { weight, max_conns: Count::UNLIMITED, backup: false }
    }
}

fn rules(balance: Balance) -> Rules {
    Rules {
        balance,
        passive: Rule { max_fails: 1, fail_timeout: 10 * SECOND },
        slow_start: Span(0),
        key: None,
        sticky: None,
        wait: None,
        keepalive: Keepalive { idle: 1, idle_timeout: Span(1), requests: 1, max_age: Span(1) },
        tls: None,
        starts_down: false,
    }
}

fn entry(address: &str, place: Place, lasting: &Lasting) -> Arc<Entry> {
    let slots = Arc::new(Slots::default());
    lasting.entry(address, || Entry::new(address, place, EndpointStats::new(1), &slots, &lasting.room))
}

/// What the n-th endpoint of a test's pool is called: a, b, c …
fn letter(n: usize) -> String {
    char::from(b'a' + n as u8).to_string()
}

fn address(n: usize) -> SocketAddr {
    ([127, 0, (n / 250) as u8, (n % 250 + 1) as u8], 80).into()
}

fn listed(lines: &[Line], lasting: &Lasting) -> Box<[Listed]> {
    let listed = |(n, line): (usize, &Line)| {
        let Line { weight, max_conns, backup } = *line;
        Listed { entry: entry(&letter(n), Place::Socket(address(n)), lasting), weight, max_conns, backup }
    };
    lines.iter().enumerate().map(listed).collect()
}

/// A pool of these endpoints.
fn pool_of(rules: Rules, lines: &[Line]) -> Pool {
    let lasting = Arc::new(Lasting::default());
    Pool::new("pool", listed(lines, &lasting), rules, Arc::clone(&lasting), at(1))
}

/// A pool of endpoints with these weights.
fn pool(balance: Balance, weights: &[u32]) -> Pool {
    let lines: Vec<Line> = weights.iter().copied().map(Line::weighing).collect();
    pool_of(rules(balance), &lines)
}

/// A pool of names that were never asked for.
pub(super) fn names(n: usize) -> Pool {
    let lasting = Arc::new(Lasting::default());
    let listed = (0..n).map(|n| {
        let place = Place::Name { host: letter(n).into(), port: 80, addresses: Default::default() };
        Listed { entry: entry(&letter(n), place, &lasting), weight: 1, max_conns: Count::UNLIMITED, backup: false }
    });
    Pool::new("names", listed.collect(), rules(Balance::LeastConn), Arc::clone(&lasting), at(1))
}

/// Requests of one worker.
struct Asking {
    random: RefCell<fastrand::Rng>,
}

impl Asking {
    fn new(seed: u64) -> Asking {
        Asking { random: RefCell::new(fastrand::Rng::with_seed(seed)) }
    }

    fn pick(&self, pool: &Pool, now: Moment, tried: &Tried) -> Option<InFlight> {
        pool.pick(&Asker { now, random: &self.random, key: b"", client_ip: None, prefers: None }, tried)
    }

    fn keyed(&self, pool: &Pool, key: &[u8]) -> Option<InFlight> {
        let asker = Asker { now: at(1), random: &self.random, key, client_ip: None, prefers: None };
        pool.pick(&asker, &Tried::default())
    }

    fn from(&self, pool: &Pool, client: impl Into<IpAddr>) -> Option<InFlight> {
        let asker = Asker { now: at(1), random: &self.random, key: b"", client_ip: Some(client.into()), prefers: None };
        pool.pick(&asker, &Tried::default())
    }
}

fn name(taken: Option<InFlight>) -> String {
    taken.map_or_else(|| "-".to_owned(), |taken| taken.endpoint().entry.address.to_string())
}

/// Where `n` requests go that follow one another: each ends before the next begins.
fn sequence(pool: &Pool, n: usize) -> String {
    let asking = Asking::new(1);
    (0..n).map(|_| name(asking.pick(pool, at(1), &Tried::default()))).collect()
}

fn endpoint(pool: &Pool, name: &str) -> Arc<Endpoint> {
    let members = pool.members();
    let found = members.iter().find(|e| *e.entry.address == *name);
    Arc::clone(found.expect("an endpoint of this name"))
}
