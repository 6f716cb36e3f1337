//! What became of the requests: counted by many, read at any time.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Failures that are remembered one by one; further ones are only counted.
const REMEMBERED_MAX: usize = 20_000;

/// Origins that are told apart.
pub const ORIGINS_MAX: usize = 16;

/// How a request failed, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No connection.
    Refused,
    /// A reset, or an end, before any byte of the response.
    Reset,
    /// A reset, or an end, in the middle of the response.
    Truncated,
    /// A whole head with a status that is not 200.
    Status(u16),
    /// Bytes that are no response, or another request's response.
    NotItsOwn,
    /// Nothing came.
    Timeout,
}

/// One request that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub number: u64,
    pub method: &'static str,
    pub kind: Kind,
    /// On a connection that had carried requests before.
    pub kept: bool,
    pub address: SocketAddr,
    pub sent: Instant,
    pub ended: Instant,
    /// A byte of the response had come.
    pub begun: bool,
    pub seen: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = if self.kept { "kept" } else { "new" };
        let took = self.ended.duration_since(self.sent).as_secs_f64() * 1e3;
        let Failure { method, number, address, kind, seen, .. } = self;
        write!(f, "{method} {number} to {address} on a {connection} connection: {kind:?} after {took:.1} ms: {seen}")
    }
}

/// Everything that is counted of a load.
#[derive(Default)]
pub struct Tally {
    pub sent: AtomicU64,
    pub completed: AtomicU64,
    pub failed: AtomicU64,
    /// Of those sent: on kept connections, on new ones, POSTs.
    pub kept: AtomicU64,
    pub new: AtomicU64,
    pub posts: AtomicU64,
    pub posts_in_flight: AtomicU64,
    /// Idle connections that the other side closed without having said so.
    pub closed_idle: AtomicU64,
    /// Connections that ended because a response said so.
    pub told_to_close: AtomicU64,
    pub longest_us: AtomicU64,
    /// How much later than asked for this program itself was woken up, at worst.
    pub held_up_us: AtomicU64,
    pub by_origin: [AtomicU64; ORIGINS_MAX],
    failures: Mutex<Vec<Failure>>,
}

impl Tally {
    pub fn fail(&self, failure: Failure) {
        self.failed.fetch_add(1, Relaxed);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < REMEMBERED_MAX {
            failures.push(failure);
        }
    }

    pub fn failures(&self) -> Vec<Failure> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn count(&self, of: &AtomicU64) -> u64 {
        of.load(Relaxed)
    }

    /// `longest answer 12 ms`, and whether the machine, not the gateway, may be the reason.
    pub fn longest_in_words(&self) -> String {
        let ms = |of: &AtomicU64| of.load(Relaxed) / 1000;
        format!(
            "longest answer {} ms (the machine held up this program for up to {} ms)",
            ms(&self.longest_us),
            ms(&self.held_up_us)
        )
    }

    /// `12 (9 Reset, 3 Status(502))`, or `0`.
    pub fn failed_by_kind(&self) -> String {
        let failed = self.failed.load(Relaxed);
        let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
        for failure in self.failures() {
            *kinds.entry(failure.kind).or_default() += 1;
        }
        let parts: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind:?}")).collect();
        if parts.is_empty() { failed.to_string() } else { format!("{failed} ({})", parts.join(", ")) }
    }

    /// `1,000 requests (500 on kept connections, 500 on new ones, 200 POST)`.
    pub fn sent_in_words(&self) -> String {
        let count = |of: &AtomicU64| grouped(of.load(Relaxed));
        format!(
            "{} requests ({} on kept connections, {} on new ones, {} POST)",
            count(&self.sent),
            count(&self.kept),
            count(&self.new),
            count(&self.posts)
        )
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
