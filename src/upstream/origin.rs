//! Where the endpoints of a pool come from that are not written: a service that a source finds.

use super::balance::{Balance, ring};
use super::count::Count;
use super::entry::{Entry, Place};
use super::idle::Slots;
use super::members::Listed;
use super::pool::Pool;
use super::word::Word;
use crate::discovery::{Board, Found, Sought};
use crate::http::clock::Moment;
use crate::telemetry::EndpointStats;
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, PoisonError};

/// A service that is sought, and what was found last.
pub struct Origin {
    pub sought: Sought,
    /// What the sources say.
    pub board: Arc<Board>,
    /// Worker threads, which count what endpoints answer.
    workers: usize,
    slots: Arc<Slots>,
    listed: ArcSwap<Box<[Listed]>>,
    /// Held while what was found is taken: who comes last takes the last word.
    taking: Mutex<()>,
}

impl Origin {
    pub fn new(sought: Sought, board: &Arc<Board>, workers: usize, slots: &Arc<Slots>) -> Origin {
        let (board, slots) = (Arc::clone(board), Arc::clone(slots));
        Origin { sought, board, workers, slots, listed: ArcSwap::default(), taking: Mutex::default() }
    }
}

impl Pool {
    /// Its entries: those that are written, or those that were found last.
    pub fn listed(&self) -> Arc<Box<[Listed]>> {
        match &self.origin {
            Some(origin) => origin.listed.load_full(),
            None => Arc::clone(&self.entries),
        }
    }

    /// Takes the endpoints that hold now, for a pool whose endpoints are found. True when they changed. Those that stay go on as they are;
    /// those that left finish what they have.
    pub fn find(&self, now: Moment) -> bool {
        let Some(origin) = &self.origin else { return false };
        let _alone = origin.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let found = origin.board.holds(&origin.sought);
        // where the request says which endpoint it belongs to, there are no backups
        let hashes = matches!(self.rules.balance, Balance::Hash | Balance::IpHash);
        let found = found.iter().filter(|found| !(hashes && found.backup));
        let listed: Box<[Listed]> = found.map(|found| self.entry(origin, found, now)).collect();
        origin.listed.store(Arc::new(listed));
        let changed = self.refresh(now);
        if changed {
            self.lasting.forget(&self.listed());
        }
        changed
    }

    /// Has the source asked again where a connection to what it found has failed.
    pub fn tell_doubts(&self) {
        let Some(origin) = &self.origin else { return };
        if self.listed().iter().filter(|listed| listed.entry.take_doubt()).count() > 0 {
            origin.board.doubts.raise(&origin.sought);
        }
    }

    fn entry(&self, origin: &Origin, found: &Found, now: Moment) -> Listed {
        let address = found.address.to_string();
        let make = || {
            let stats = EndpointStats::new(origin.workers);
            Entry::new(&address, Place::Socket(found.address), stats, &origin.slots, &self.lasting.room)
        };
        let entry = self.lasting.entry(&address, make);
        let word = match (found.leaving, found.healthy) {
            (true, _) => Word::Leaving,
            (false, Some(false)) => Word::Unhealthy,
            (false, _) => Word::Fine,
        };
        entry.set_word(word, &found.name, now);
        let most = if self.rules.balance == Balance::Hash { ring::WEIGHT_MAX } else { u16::MAX };
        Listed { entry, weight: found.weight.clamp(1, most).into(), max_conns: Count::UNLIMITED, backup: found.backup }
    }
}
