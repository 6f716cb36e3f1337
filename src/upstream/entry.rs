//! An entry of `endpoints:`, as written: one endpoint, or for a name one for each of its addresses. Outlives a reload that keeps it.

use super::endpoint::{Endpoint, Target};
use super::idle::Slots;
use super::waiting::Room;
use super::word::Word;
use crate::http::clock::{Moment, Span};
use crate::telemetry::EndpointStats;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// One line of `endpoints:`.
pub struct Entry {
    /// As written: `host:port`, `ip:port` or `unix:/path`.
    pub address: Box<str>,
    pub place: Place,
    /// What is counted for it in metrics, all its addresses together.
    pub stats: EndpointStats,
    /// The operator wants no more requests there.
    drained: AtomicBool,
    /// What the source that found it says of it, a [`Word`].
    word: AtomicU8,
    /// Who it is, in the words of the source that found it.
    known_as: ArcSwapOption<Box<str>>,
    /// Its name did not resolve when last asked, and the log has said so.
    pub(super) unresolved: AtomicBool,
    /// When the log last said that it cannot be reached, in nanoseconds; 0 for never.
    complained: AtomicU64,
    /// A connection to it failed: its name is to be asked again soon.
    doubted: AtomicBool,
    /// When its name was asked last, 0 for never, and when it is asked again, in nanoseconds.
    asked: AtomicU64,
    again: AtomicU64,
    /// Its endpoints, those too whose address is gone but not yet all their requests.
    endpoints: Mutex<Vec<Weak<Endpoint>>>,
    /// Where worker threads keep idle connections to its endpoints.
    pub(super) slots: Arc<Slots>,
    /// Who waits for an endpoint of its pool.
    pub(super) room: Arc<Room>,
}

/// Where an entry's endpoints are.
pub enum Place {
    Socket(SocketAddr),
    Unix(Arc<Path>),
    /// All addresses of a host; none until it resolves.
    Name {
        host: Box<str>,
        port: u16,
        addresses: ArcSwap<Vec<SocketAddr>>,
    },
}

impl Entry {
    pub fn new(address: &str, place: Place, stats: EndpointStats, slots: &Arc<Slots>, room: &Arc<Room>) -> Entry {
        Entry {
            address: address.into(),
            place,
            stats,
            drained: AtomicBool::new(false),
            word: AtomicU8::new(Word::default() as u8),
            known_as: ArcSwapOption::empty(),
            unresolved: AtomicBool::new(false),
            complained: AtomicU64::new(0),
            doubted: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            again: AtomicU64::new(0),
            endpoints: Mutex::default(),
            slots: Arc::clone(slots),
            room: Arc::clone(room),
        }
    }

    /// The operator wants no more requests there.
    pub fn is_drained(&self) -> bool {
        self.drained.load(Relaxed)
    }

    pub(super) fn set_drained(&self, drained: bool) {
        self.drained.store(drained, Relaxed);
    }

    /// It is not listed any more: should it be again, it is to serve.
    pub(super) fn forget_draining(&self) {
        self.set_drained(false);
        self.endpoints().iter().filter_map(Weak::upgrade).for_each(|e| e.forget_draining());
    }

    /// What the source that found it says of it.
    pub fn word(&self) -> Word {
        Word::of(self.word.load(Relaxed))
    }

    /// Who it is, in the words of the source that found it.
    pub fn known_as(&self) -> Option<Arc<Box<str>>> {
        self.known_as.load_full()
    }

    /// Whether somebody may call it so: as written, or as its source does.
    pub(super) fn is_called(&self, text: &str) -> bool {
        *self.address == *text || self.known_as.load().as_ref().is_some_and(|known| ***known == *text)
    }

    /// The source says so at `now`.
    pub(super) fn set_word(&self, word: Word, known_as: &str, now: Moment) {
        if self.known_as.load().as_ref().is_none_or(|known| ***known != *known_as) {
            self.known_as.store(Some(Arc::new(known_as.into())));
        }
        self.word.store(word as u8, Relaxed);
        self.endpoints().iter().filter_map(Weak::upgrade).for_each(|e| e.set_word(word, now));
    }

    /// No source has a say in it any more.
    pub(super) fn forget_word(&self, now: Moment) {
        if self.known_as.swap(None).is_some() {
            self.word.store(Word::Fine as u8, Relaxed);
            self.endpoints().iter().filter_map(Weak::upgrade).for_each(|e| e.set_word(Word::Fine, now));
        }
    }

    /// Where its endpoints are now.
    pub(super) fn targets(&self) -> Vec<Target> {
        match &self.place {
            Place::Socket(address) => vec![Target::Socket(*address)],
            Place::Unix(path) => vec![Target::Unix(Arc::clone(path))],
            Place::Name { addresses, .. } => match addresses.load()[..] {
                // an address of each family, as `localhost` has them: one program, which may listen on either
                [four, six] if four.is_ipv4() != six.is_ipv4() => vec![Target::Either(four, six)],
                ref all => all.iter().map(|a| Target::Socket(*a)).collect(),
            },
        }
    }

    /// Its endpoint at `target`: the one there is, whose address may have been gone for a while, else a new one, which is shown to `new`
    /// first. What is in flight there is so always counted in one place.
    pub(super) fn endpoint(self: &Arc<Self>, target: Target, new: impl FnOnce(&Endpoint)) -> Arc<Endpoint> {
        let mut endpoints = self.endpoints();
        if let Some(same) = endpoints.iter().filter_map(Weak::upgrade).find(|e| e.target == target) {
            return same;
        }
        let endpoint = Arc::new(Endpoint::new(self, target));
        new(&endpoint);
        endpoints.retain(|e| e.strong_count() > 0);
        endpoints.push(Arc::downgrade(&endpoint));
        endpoint
    }

    fn endpoints(&self) -> MutexGuard<'_, Vec<Weak<Endpoint>>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its name was found last; `None` for what is no name.
    pub fn addresses(&self) -> Option<Vec<SocketAddr>> {
        match &self.place {
            Place::Name { addresses, .. } => Some(addresses.load().to_vec()),
            Place::Socket(_) | Place::Unix(_) => None,
        }
    }

    /// Its name was found there, by somebody else and a while ago: it holds until the name is asked.
    pub fn found_at(&self, found: &[SocketAddr]) {
        if let Place::Name { port, addresses, .. } = &self.place {
            let mut found: Vec<SocketAddr> = found.iter().map(|found| SocketAddr::new(found.ip(), *port)).collect();
            found.sort_unstable();
            found.dedup();
            addresses.store(Arc::new(found));
        }
    }

    /// Its name has not resolved yet.
    pub fn is_unresolved(&self) -> bool {
        matches!(&self.place, Place::Name { addresses, .. } if addresses.load().is_empty())
    }

    /// May the log say, at `now`, that it cannot be reached? Once in each `interval`.
    pub fn may_complain(&self, now: Moment, interval: Span) -> bool {
        let last = self.complained.load(Relaxed);
        let due = last == 0 || Moment(last) + interval <= now;
        due && self.complained.compare_exchange(last, now.0.max(1), Relaxed, Relaxed).is_ok()
    }

    /// A connection failed: if it is a name, or was found, the address may be one of the past.
    pub fn doubt(&self) {
        if matches!(self.place, Place::Name { .. }) || self.known_as.load().is_some() {
            self.doubted.store(true, Relaxed);
        }
    }

    /// Whether there is a doubt about it, which is forgotten by that.
    pub(super) fn take_doubt(&self) -> bool {
        self.doubted.load(Relaxed) && self.doubted.swap(false, Relaxed)
    }

    /// Is its name to be asked at `now`? Earlier than planned where a connection failed, but not more often than each `floor`.
    pub(super) fn is_due(&self, now: Moment, floor: Span) -> bool {
        let again = Moment(self.again.load(Relaxed));
        let doubted = self.doubted.load(Relaxed) && Moment(self.asked.load(Relaxed)) + floor <= now;
        again <= now || doubted && again != Moment::NEVER
    }

    pub(super) fn ask_again(&self, at: Moment) {
        self.again.store(at.0, Relaxed);
    }

    /// Its name was asked at `at`; what was said holds for `span`.
    pub(super) fn asked(&self, at: Moment, span: Span) {
        self.doubted.store(false, Relaxed);
        self.asked.store(at.0.max(1), Relaxed);
        self.ask_again(at + span);
    }

    /// The question of `at` is closed: if it came to nothing at all, the name is asked again after `span`.
    pub(super) fn unless_asked(&self, at: Moment, span: Span) {
        if self.again.load(Relaxed) == Moment::NEVER.0 {
            self.asked(at, span);
        }
    }

    /// When its name was asked last, if it ever was.
    pub(super) fn asked_at(&self) -> Option<Moment> {
        Some(Moment(self.asked.load(Relaxed))).filter(|at| *at != Moment(0))
    }
}
