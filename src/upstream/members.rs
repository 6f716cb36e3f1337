//! The endpoints of a pool at one moment, swapped whole when the configuration or a name's addresses change.

use super::balance::Balance;
use super::balance::ring::Ring;
use super::endpoint::Endpoint;
use super::entry::Entry;
use super::pool::Rules;
use super::word::Word;
use crate::http::clock::Moment;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// An entry as its pool lists it.
pub struct Listed {
    pub entry: Arc<Entry>,
    pub weight: u32,
    /// [`super::count::Count::UNLIMITED`] for no limit.
    pub max_conns: u32,
    /// Takes requests only when no other endpoint can.
    pub backup: bool,
}

/// A pool's endpoints.
#[derive(Default)]
pub struct Members {
    pub primary: Box<[Arc<Endpoint>]>,
    pub backup: Box<[Arc<Endpoint>]>,
    /// Where hashed keys lead among the primary ones.
    pub ring: Option<Ring>,
    /// There is one endpoint in all that its source does not hold back.
    single: bool,
}

impl Members {
    /// The endpoints of what is listed, with the weights and limits given there; `None` when they are those of `before` and weigh the same.
    /// Those that there are go on as they are; new ones among them rise at `now`.
    pub(super) fn after(before: &Members, listed: &[Listed], rules: &Rules, now: Moment) -> Option<Members> {
        let starts = !before.is_empty();
        let mut shifted = false;
        let mut tier = |backup: bool| -> Box<[Arc<Endpoint>]> {
            let wanted = listed.iter().filter(|l| l.backup == backup);
            let found = wanted.flat_map(|l| l.entry.targets().into_iter().map(move |target| (l, target)));
            let endpoints = found.map(|(l, target)| {
                let endpoint = l.entry.endpoint(target, |new| {
                    if starts {
                        new.begin(now);
                    }
                    if rules.starts_down {
                        new.start_down();
                    }
                });
                shifted |= endpoint.set_terms(l.weight, l.max_conns);
                endpoint
            });
            endpoints.collect()
        };
        let (primary, backup) = (tier(false), tier(true));
        let hashes = rules.balance == Balance::Hash;
        let same = is_same(&before.primary, &primary) && is_same(&before.backup, &backup);
        let fine = primary.iter().chain(&backup).filter(|e| e.word() == Word::Fine).count();
        let single = fine == 1;
        if same && !shifted && single == before.single && hashes == before.ring.is_some() {
            return None;
        }
        let ring = hashes.then(|| Ring::of(&primary));
        let members = Members { primary, backup, ring, single };
        // they begin a new round: what they owe each other was reckoned in other weights, or is owed by somebody who is gone
        members.iter().for_each(|e| e.turn.store(0, Relaxed));
        Some(members)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.primary.iter().chain(&self.backup)
    }

    fn is_empty(&self) -> bool {
        self.primary.is_empty() && self.backup.is_empty()
    }

    /// There is one endpoint in all, beside those that their source holds back: it is never left alone for its failures, since there is
    /// nobody else.
    pub fn is_single(&self) -> bool {
        self.single
    }
}

/// The same endpoints in the same order.
fn is_same(a: &[Arc<Endpoint>], b: &[Arc<Endpoint>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}
