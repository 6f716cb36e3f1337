//! Names of endpoints, asked again in the background: a container that comes back with a new address is found.

use super::entry::{Entry, Place};
use super::pool::Pool;
use crate::discovery::Dns;
use crate::discovery::dns::{Answer, Family};
use crate::http::clock::{Moment, Span};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often it is looked whether a name is due.
pub const TICK: Duration = Duration::from_millis(200);
/// After no answer it is asked again this soon.
const AGAIN: Duration = Duration::from_secs(2);
/// Questions at one time.
const QUESTIONS_MAX: usize = 64;

/// How long new names are waited for before their table takes over, all together.
const NEW_PATIENCE: Duration = Duration::from_secs(4);

/// Is there a name that was never asked for?
pub fn are_new(pools: &[&Pool]) -> bool {
    new(pools).next().is_some()
}

/// Asks for the addresses of every name that was never asked for, all at once, and waits for the answers. Those that take too long are
/// asked for again in the background.
pub async fn ask_new(dns: &Dns, pools: &[&Pool], now: Moment) {
    let mut asking = JoinSet::new();
    let all = async {
        for entry in new(pools) {
            if asking.len() >= QUESTIONS_MAX {
                asking.join_next().await;
            }
            asking.spawn(ask(dns, Arc::clone(entry), now));
        }
        while asking.join_next().await.is_some() {}
    };
    // in time or not, what came is taken
    let _ = tokio::time::timeout(NEW_PATIENCE, all).await;
    for pool in pools {
        pool.refresh(now);
    }
}

/// The questions that are open, in the background.
#[derive(Default)]
pub struct Questions(JoinSet<bool>);

impl Questions {
    /// Asks what is due at `now`; takes the answers that have come. True when one of them changed a pool's endpoints.
    pub fn turn(&mut self, dns: &Dns, pools: &[&Pool], now: Moment) -> bool {
        let mut news = false;
        while let Some(answered) = self.0.try_join_next() {
            news |= answered.unwrap_or(false);
        }
        let floor = dns.settings().min_ttl.into();
        for entry in next(pools, now, floor, QUESTIONS_MAX.saturating_sub(self.0.len())) {
            entry.ask_again(Moment::NEVER);
            self.0.spawn(ask(dns, Arc::clone(entry), now));
        }
        news && pools.iter().filter(|pool| pool.refresh(now)).count() > 0
    }
}

/// At most `most` of those that are due, the longest waiting first: many names that time out do not keep the others from their turn.
fn next<'p>(pools: &'p [&Pool], now: Moment, floor: Span, most: usize) -> Vec<&'p Arc<Entry>> {
    let mut due: Vec<_> = due(pools, now, floor).collect();
    due.sort_by_key(|entry| entry.asked_at());
    due.truncate(most);
    due
}

fn due<'p>(pools: &'p [&Pool], now: Moment, floor: Span) -> impl Iterator<Item = &'p Arc<Entry>> {
    names(pools).filter(move |entry| entry.is_due(now, floor))
}

fn new<'p>(pools: &'p [&Pool]) -> impl Iterator<Item = &'p Arc<Entry>> {
    names(pools).filter(|entry| entry.asked_at().is_none())
}

fn names<'p>(pools: &'p [&Pool]) -> impl Iterator<Item = &'p Arc<Entry>> {
    let entries = pools.iter().flat_map(|pool| pool.entries.iter()).map(|listed| &listed.entry);
    entries.filter(|entry| matches!(entry.place, Place::Name { .. }))
}

/// An open question. Whatever becomes of it, the name is asked again.
struct Question {
    entry: Arc<Entry>,
    asked: Moment,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.entry.unless_asked(self.asked, AGAIN.into());
    }
}

/// Asks for one name's addresses, and keeps the last good ones if there is no answer. True when they changed.
fn ask(dns: &Dns, entry: Arc<Entry>, now: Moment) -> impl Future<Output = bool> + Send + use<> {
    let question = match &entry.place {
        Place::Name { host, .. } => Some(dns.look_up(host)),
        Place::Socket(_) | Place::Unix(_) => None,
    };
    let question_open = Question { entry, asked: now };
    let settings = dns.settings().clone();
    async move {
        let entry = &question_open.entry;
        let (Some(question), Place::Name { port, addresses, .. }) = (question, &entry.place) else { return false };
        let Answer { addresses: found, valid_for, open } = match question.await {
            Ok(answer) => answer,
            Err(why) => {
                complain(entry, &why.to_string());
                entry.asked(now, AGAIN.into());
                return false;
            }
        };
        entry.asked(now, settings.holds(valid_for).into());
        let known = addresses.load_full();
        let kept = known.iter().copied().filter(|known| open == Some(Family::of(known.ip())));
        let mut found: Vec<SocketAddr> = found.into_iter().map(|ip| SocketAddr::new(ip, *port)).chain(kept).collect();
        found.sort_unstable();
        let changed = *known != found;
        if changed {
            log::info!("endpoint {} is at {}", entry.address, list(&found));
            addresses.store(Arc::new(found));
        }
        if entry.unresolved.swap(false, Relaxed) && !changed {
            log::info!("the name of endpoint {} resolves again", entry.address);
        }
        changed
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// Says it once, until the name resolves again.
fn complain(entry: &Entry, why: &str) {
    if !entry.unresolved.swap(true, Relaxed) {
        let then = if entry.is_unresolved() { "it is down" } else { "its last addresses are kept" };
        log::warn!("the name of endpoint {} does not resolve, {then}: {why}", entry.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::DnsSettings;
    use crate::upstream::tests::{at, names};

    const FLOOR: Span = Span(1_000_000_000);

    #[test]
    fn the_longest_waiting_are_asked_first() {
        let pool = names(5);
        let entry = |n: usize| &pool.entries[n].entry;
        for (n, asked) in [(0, 50), (1, 20), (2, 40), (3, 30)] {
            entry(n).asked(at(asked), AGAIN.into());
        }
        let asked = |most| -> Vec<usize> {
            let pools = [&pool];
            let next = next(&pools, at(100), FLOOR, most);
            next.iter().filter_map(|next| (0..5).find(|n| Arc::ptr_eq(entry(*n), next))).collect()
        };
        assert_eq!(asked(9), [4, 1, 3, 2, 0], "one was never asked");
        assert_eq!(asked(2), [4, 1]);
        // answered for a long time, and a question that is open
        entry(1).asked(at(95), Span(15_000_000_000));
        entry(3).ask_again(Moment::NEVER);
        assert_eq!(asked(9), [4, 2, 0]);
        // a connection failed there
        entry(1).doubt();
        assert_eq!(asked(9), [4, 2, 0, 1]);
    }

    #[test]
    fn a_question_that_is_never_answered_is_asked_again() {
        let pool = names(1);
        let entry = &pool.entries[0].entry;
        entry.ask_again(Moment::NEVER);
        drop(ask(&Dns::new(&DnsSettings::default()), Arc::clone(entry), at(10)));
        assert!(!entry.is_due(at(11), FLOOR));
        assert!(entry.is_due(at(12), FLOOR));
    }
}
