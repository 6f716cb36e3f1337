//! One endpoint: where it is reached, how many requests it has in flight, whether it is well. Outlives a reload that keeps it.

use super::count::Count;
use super::entry::Entry;
use super::learned::Learned;
use super::passive::{Passive, Rule};
use super::word::Word;
use crate::http::clock::{Moment, Span};
use crossbeam_utils::CachePadded;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

/// One place that serves a pool's requests.
pub struct Endpoint {
    /// The line of the configuration it comes from.
    pub entry: Arc<Entry>,
    pub target: Target,
    /// Where worker threads keep its idle connections.
    pub slot: u32,
    /// What a client's cookie calls it.
    pub id: u64,
    /// Its share of the requests beside the others', and the most it may have in flight. A reload may change them.
    weight: AtomicU32,
    max_conns: AtomicU32,
    /// The operator wants no more requests here.
    drained: AtomicBool,
    /// What the source that found it says of it, a [`Word`].
    word: AtomicU8,
    /// Its active check fails.
    down: AtomicBool,
    /// It starts down, and no check has judged it yet.
    starting: AtomicBool,
    pub(super) passive: Passive,
    /// When it came back or joined its pool, in nanoseconds; 0 for long ago. From then on its share grows.
    risen: AtomicU64,
    /// Until when it is not trusted to keep a connection open, in nanoseconds.
    hasty: AtomicU64,
    /// By how much failures have lowered its weight in the round-robin; each round gives one back.
    pub(super) dent: AtomicU32,
    /// State of the smooth weighted round-robin among endpoints that tie.
    pub(super) turn: AtomicI64,
    /// Requests and tunnels in flight, over all workers. On a cache line of its own: every request writes it.
    in_flight: CachePadded<Count>,
}

/// Where an endpoint is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Socket(SocketAddr),
    /// One machine by its IPv4 and its IPv6 address: whichever answers.
    Either(SocketAddr, SocketAddr),
    Unix(Arc<Path>),
}

impl Target {
    /// Whether somebody may call it so.
    pub fn is_called(&self, text: &str) -> bool {
        let one = match self {
            Target::Either(four, six) => four.to_string() == text || six.to_string() == text,
            Target::Socket(_) | Target::Unix(_) => false,
        };
        one || self.to_string() == text
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Socket(address) => address.fmt(f),
            Target::Either(four, six) => write!(f, "{four} or {six}"),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What an endpoint is doing, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It may take requests.
    Up,
    /// Its active check fails.
    Down,
    /// Too many requests failed there: it is left alone for a while.
    Ejected,
    /// Its name has no address.
    Unresolved,
    /// Its source says that it is about to go: it finishes what it has.
    Leaving,
    /// Its source says that it is not well.
    Unhealthy,
    /// Drained by the operator; requests are still in flight.
    Draining,
    /// Drained by the operator, and empty.
    Drained,
}

impl State {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Down => "down",
            State::Ejected => "ejected",
            State::Unresolved => "unresolved",
            State::Leaving => "leaving",
            State::Unhealthy => "unhealthy",
            State::Draining => "draining",
            State::Drained => "drained",
        }
    }
}

/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;
/// An endpoint that closes connections which were idle for less than this is hasty,
const HASTE: Span = Span(2_000_000_000);
/// and for so long.
const HASTY_FOR: Span = Span(60_000_000_000);
/// Weights are reckoned in parts of this, so that a share can grow in small steps.
const PARTS: u32 = 8;

impl Endpoint {
    pub fn new(entry: &Arc<Entry>, target: Target) -> Endpoint {
        Endpoint {
            id: identity(&entry.address, &target),
            target,
            slot: entry.slots.take(),
            weight: AtomicU32::new(1),
            max_conns: AtomicU32::new(Count::UNLIMITED),
            drained: AtomicBool::new(entry.is_drained()),
            word: AtomicU8::new(entry.word() as u8),
            down: AtomicBool::new(false),
            starting: AtomicBool::new(false),
            passive: Passive::default(),
            risen: AtomicU64::new(0),
            hasty: AtomicU64::new(0),
            dent: AtomicU32::new(0),
            turn: AtomicI64::new(0),
            in_flight: CachePadded::default(),
            entry: Arc::clone(entry),
        }
    }

    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// Sets what the configuration says of it. True when it weighs something else from now on.
    pub(super) fn set_terms(&self, weight: u32, max_conns: u32) -> bool {
        self.max_conns.store(max_conns, Relaxed);
        self.weight.swap(weight, Relaxed) != weight
    }

    /// Its weight in fine parts: less while it starts slowly.
    pub(super) fn share(&self, now: Moment, slow_start: Span) -> u64 {
        let whole = u64::from(self.weight()) << PARTS;
        if slow_start.0 == 0 {
            return whole;
        }
        let risen = self.risen.load(Relaxed);
        let lived = now.0.saturating_sub(risen);
        if risen == 0 || lived >= slow_start.0 {
            return whole;
        }
        let part = u128::from(whole) * u128::from(lived) / u128::from(slow_start.0);
        u64::try_from(part).unwrap_or(whole).max(1)
    }

    /// What this endpoint gains in a round of the round-robin. What failures took from it comes back bit by bit.
    pub(super) fn gain(&self, now: Moment, slow_start: Span) -> u64 {
        let share = self.share(now, slow_start);
        // a reload may have lowered the weight meanwhile
        let dent = self.dent.load(Relaxed).min(self.weight());
        if dent == 0 {
            return share;
        }
        self.dent.store(dent - 1, Relaxed);
        share.saturating_sub(u64::from(dent) << PARTS)
    }

    /// May it take a request?
    pub(super) fn is_open(&self, now: Moment, rule: Rule) -> bool {
        !self.drained.load(Relaxed)
            && self.word.load(Relaxed) == Word::Fine as u8
            && !self.down.load(Relaxed)
            && self.passive.is_open(rule, now.0)
            && self.in_flight.get() < self.max_conns.load(Relaxed)
    }

    /// Takes a request, unless another thread took the last place or is to try first.
    pub(super) fn take(self: &Arc<Self>, now: Moment, rule: Rule) -> Option<InFlight> {
        if !self.in_flight.enter(self.max_conns.load(Relaxed)) {
            return None;
        }
        let guard = InFlight { endpoint: Arc::clone(self), counted: true };
        self.passive.claim(rule, now.0).then_some(guard)
    }

    /// Failures that count now.
    pub fn fails(&self) -> u32 {
        self.passive.fails()
    }

    /// Requests and tunnels in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    /// What it is doing, when `rule` says how failures count.
    pub fn state(&self, rule: Rule) -> State {
        match () {
            () if self.drained.load(Relaxed) && self.in_flight() > 0 => State::Draining,
            () if self.drained.load(Relaxed) => State::Drained,
            () if self.word() == Word::Leaving => State::Leaving,
            () if self.word() == Word::Unhealthy => State::Unhealthy,
            () if self.down.load(Relaxed) => State::Down,
            () if self.passive.is_ejected(rule) => State::Ejected,
            () => State::Up,
        }
    }

    /// The operator wants no more requests here, or wants them again from `now` on.
    pub(super) fn set_drained(&self, drained: bool, now: Moment) {
        if self.drained.swap(drained, Relaxed) && !drained {
            self.rise(now);
        }
    }

    /// It is not listed any more.
    pub(super) fn forget_draining(&self) {
        self.drained.store(false, Relaxed);
    }

    /// What the source that found it says of it.
    pub fn word(&self) -> Word {
        Word::of(self.word.load(Relaxed))
    }

    /// The source says so at `now`.
    pub(super) fn set_word(&self, word: Word, now: Moment) {
        if Word::of(self.word.swap(word as u8, Relaxed)) != Word::Fine && word == Word::Fine {
            self.rise(now);
        }
    }

    pub fn is_drained(&self) -> bool {
        self.drained.load(Relaxed)
    }

    pub fn is_down(&self) -> bool {
        self.down.load(Relaxed)
    }

    /// Its active check says so at `now`. True when that is news.
    pub fn set_down(&self, down: bool, now: Moment) -> bool {
        self.judged();
        let news = self.down.swap(down, Relaxed) != down;
        if news && !down {
            self.rise(now);
        }
        news
    }

    /// It is new, and down until its active check says otherwise.
    pub(super) fn start_down(&self) {
        self.starting.store(true, Relaxed);
        self.down.store(true, Relaxed);
    }

    /// It starts down, and no check has judged it yet.
    pub fn is_starting(&self) -> bool {
        self.starting.load(Relaxed)
    }

    /// A check has judged it: if it is down, that is why.
    pub fn judged(&self) {
        self.starting.store(false, Relaxed);
    }

    /// What is known of it at `now`.
    pub fn learned(&self, now: Moment) -> Learned {
        let age = |at: u64| now.0.saturating_sub(at) / MILLISECOND;
        let (failed, checked) = self.passive.times();
        let fails = self.fails();
        // without a failure its time means nothing
        let (failed, checked) = if fails == 0 { (0, 0) } else { (age(failed), age(checked)) };
        let risen = Some(self.risen.load(Relaxed)).filter(|risen| *risen != 0).map(age);
        Learned { down: self.is_down(), fails, failed, checked, risen }
    }

    /// Takes over what another process has learned of it, at `now`. For one that takes no requests yet.
    pub fn adopt(&self, learned: &Learned, now: Moment) {
        let ago = |age: u64| now.0.saturating_sub(age.saturating_mul(MILLISECOND));
        self.judged();
        self.down.store(learned.down, Relaxed);
        if learned.fails > 0 {
            self.passive.adopt(learned.fails, ago(learned.failed), ago(learned.checked));
        }
        self.risen.store(learned.risen.map_or(0, |age| ago(age).max(1)), Relaxed);
    }

    /// It has closed a connection that was idle since then, found out at `now`.
    pub(super) fn closed_one(&self, idle_since: Moment, now: Moment) {
        if idle_since + HASTE > now {
            self.hasty.store((now + HASTY_FOR).0, Relaxed);
        }
    }

    /// It closes connections soon after their last request, as far as is known: one may be closed while the next request is on its way.
    pub(super) fn is_hasty(&self, now: Moment) -> bool {
        now.0 < self.hasty.load(Relaxed)
    }

    /// Failures lower its weight in the round-robin.
    pub(super) fn lower(&self, by: u32) {
        let dent = self.dent.load(Relaxed).saturating_add(by).min(self.weight());
        self.dent.store(dent, Relaxed);
    }

    /// It is back: its share grows from here, and somebody may wait for it.
    pub(super) fn rise(&self, now: Moment) {
        self.begin(now);
        self.entry.room.look();
    }

    /// It is new in its pool: its share grows from here.
    pub(super) fn begin(&self, now: Moment) {
        self.risen.store(now.0.max(1), Relaxed);
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.entry.slots.give(self.slot);
    }
}

impl fmt::Display for Endpoint {
    /// As written; for a name with the address it stands for here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.entry.place, &self.target) {
            (super::entry::Place::Name { .. }, target) => write!(f, "{} ({target})", self.entry.address),
            _ => f.write_str(&self.entry.address),
        }
    }
}

/// The same for the same address on every gateway and at every start, and not the address itself.
fn identity(address: &str, target: &Target) -> u64 {
    // FNV-1a: stable for good, and all its bits count
    let text = format!("{address} {target}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
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
            self.endpoint.in_flight.leave();
            self.endpoint.entry.room.look();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.leave();
    }
}
