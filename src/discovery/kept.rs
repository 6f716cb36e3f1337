//! What is kept of a service's endpoints: the last good set, empty only when that is sure, and a burst of changes as one. Time is
//! passed in.

use super::found::{Found, tidy};
use crate::http::clock::{Moment, Span};
use std::sync::Arc;

/// A change is applied once this long nothing else has changed,
pub const QUIET: Span = Span(20_000_000);
/// and at the latest this long after the first that was not applied.
pub const BURST_MAX: Span = Span(200_000_000);
/// An empty answer counts when a second one, at least this much later, says the same.
pub const CONFIRM: Span = Span(2_000_000_000);

/// The endpoints of one service: those that hold, and what is about to.
#[derive(Debug, Default)]
pub struct Kept {
    holds: Arc<[Found]>,
    /// What was heard and is not applied yet.
    next: Option<Next>,
    /// The first of the empty answers that are to be confirmed.
    doubt: Option<Moment>,
    heard: Option<Moment>,
    /// Why the source cannot say, and since when.
    failure: Option<(Moment, Box<str>)>,
}

#[derive(Debug)]
struct Next {
    set: Box<[Found]>,
    /// When it is applied,
    due: Moment,
    /// and when at the latest, whatever else changes.
    latest: Moment,
}

impl Kept {
    /// What somebody else knew a while ago: it holds until the source says something.
    pub fn seeded(found: Vec<Found>) -> Kept {
        Kept { holds: tidy(found).into(), ..Kept::default() }
    }

    /// The source says that these are the endpoints. `sure`: it saw them go, so that an empty set needs no second answer.
    pub fn heard(&mut self, found: Vec<Found>, sure: bool, now: Moment) {
        self.failure = None;
        let set = tidy(found);
        if set.is_empty() && !sure && self.heard_or_seeded() && !self.newest().is_empty() {
            let since = *self.doubt.get_or_insert(now);
            if now < since + CONFIRM {
                self.heard = Some(now);
                return;
            }
        }
        self.doubt = None;
        let first_answer = self.heard.is_none();
        self.heard = Some(now);
        if self.next.is_none() && *set == *self.holds {
            return;
        }
        let latest = self.next.as_ref().map_or(now + BURST_MAX, |next| next.latest);
        // somebody may wait for the first answer: nothing is gained by waiting for more
        let due = if first_answer && self.holds.is_empty() { now } else { latest.min(now + QUIET) };
        if self.next.as_ref().is_none_or(|next| next.set != set) {
            self.next = Some(Next { set, due, latest });
        }
    }

    /// The source cannot say. What holds goes on to hold.
    pub fn failed(&mut self, why: &str, now: Moment) {
        let since = self.failure.take().map_or(now, |(since, _)| since);
        self.failure = Some((since, why.into()));
    }

    /// When [`Kept::turn`] has something to do.
    pub fn due(&self) -> Option<Moment> {
        self.next.as_ref().map(|next| next.due)
    }

    /// Applies what is due at `now`. The set that holds from then on, if it is another one.
    pub fn turn(&mut self, now: Moment) -> Option<Arc<[Found]>> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        let next = self.next.take()?;
        if *next.set == *self.holds {
            return None;
        }
        self.holds = next.set.into();
        Some(self.holds())
    }

    /// The endpoints that hold.
    pub fn holds(&self) -> Arc<[Found]> {
        Arc::clone(&self.holds)
    }

    /// When the source answered last.
    pub fn heard_at(&self) -> Option<Moment> {
        self.heard
    }

    /// Why the source cannot say, and since when.
    pub fn failure(&self) -> Option<(Moment, &str)> {
        self.failure.as_ref().map(|(since, why)| (*since, &**why))
    }

    /// Since when the source says that there is none, while that is not sure: it is to be asked again.
    pub fn doubt(&self) -> Option<Moment> {
        self.doubt
    }

    /// Something was said, be it that nobody knows: who waits for the first answer need not wait longer.
    pub fn is_answered(&self) -> bool {
        self.heard.is_some() || self.failure.is_some() || !self.holds.is_empty()
    }

    fn heard_or_seeded(&self) -> bool {
        self.heard.is_some() || !self.holds.is_empty()
    }

    /// What holds once everything that was heard is applied.
    fn newest(&self) -> &[Found] {
        self.next.as_ref().map_or(&*self.holds, |next| &*next.set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Moment {
        Moment(ms * MS)
    }

    fn found(ports: &[u16]) -> Vec<Found> {
        let found = |port: &u16| Found {
            address: SocketAddr::from(([10, 0, 0, 1], *port)),
            weight: 1,
            backup: false,
            name: "a".into(),
            leaving: false,
            healthy: None,
        };
        ports.iter().map(found).collect()
    }

    fn ports(set: &[Found]) -> Vec<u16> {
        set.iter().map(|f| f.address.port()).collect()
    }

    /// One that heard of these endpoints a second after the beginning, and applied them.
    fn knows(these: &[u16]) -> Kept {
        let mut kept = Kept::default();
        kept.heard(found(these), false, at(1000));
        kept.turn(at(1000));
        kept
    }

    #[test]
    fn the_first_answer_holds_at_once() {
        let mut kept = Kept::default();
        assert!(!kept.is_answered());
        kept.heard(found(&[2, 1]), false, at(7));
        assert_eq!(kept.turn(at(7)).map(|set| ports(&set)), Some(vec![1, 2]));
        assert!(kept.is_answered());
    }

    #[test]
    fn a_failure_keeps_what_holds() {
        let mut kept = knows(&[1]);
        kept.failed("the socket is gone", at(2000));
        kept.failed("still gone", at(3000));
        assert_eq!(kept.turn(at(9000)), None);
        assert_eq!((ports(&kept.holds()), kept.failure()), (vec![1], Some((at(2000), "still gone"))));
        kept.heard(found(&[1]), false, at(10_000));
        assert_eq!((kept.failure(), kept.due()), (None, None));
    }

    #[test]
    fn an_empty_answer_counts_when_a_later_one_confirms_it() {
        let mut kept = knows(&[1]);
        kept.heard(Vec::new(), false, at(2000));
        kept.heard(Vec::new(), false, at(3999));
        assert_eq!((kept.due(), kept.doubt()), (None, Some(at(2000))));
        kept.heard(Vec::new(), false, at(4000));
        assert_eq!(kept.turn(at(4020)).map(|set| set.len()), Some(0));
    }

    #[test]
    fn an_answer_between_two_empty_ones_ends_the_doubt() {
        let mut kept = knows(&[1]);
        kept.heard(Vec::new(), false, at(2000));
        kept.heard(found(&[1]), false, at(3000));
        kept.heard(Vec::new(), false, at(5000));
        assert_eq!((kept.due(), kept.doubt()), (None, Some(at(5000))));
    }

    #[test]
    fn what_the_source_saw_go_is_gone() {
        let mut kept = knows(&[1]);
        kept.heard(Vec::new(), true, at(2000));
        assert_eq!(kept.turn(at(2020)).map(|set| set.len()), Some(0));
    }

    #[test]
    fn a_service_that_never_had_an_endpoint_is_empty_at_once() {
        let mut kept = Kept::default();
        kept.heard(Vec::new(), false, at(1));
        assert_eq!((kept.doubt(), kept.due(), kept.is_answered()), (None, None, true));
    }

    #[test]
    fn what_another_process_knew_needs_a_second_empty_answer_too() {
        let mut kept = Kept::seeded(found(&[1]));
        assert!(kept.is_answered());
        kept.heard(Vec::new(), false, at(1));
        assert_eq!((kept.due(), ports(&kept.holds())), (None, vec![1]));
    }

    #[test]
    fn a_burst_is_one_change() {
        let mut kept = knows(&[1]);
        for n in 0..10_u16 {
            kept.heard(found(&[n + 2]), false, at(2000 + u64::from(n)));
            assert_eq!(kept.turn(at(2000 + u64::from(n))), None);
        }
        assert_eq!(kept.due(), Some(at(2029)));
        assert_eq!(kept.turn(at(2029)).map(|set| ports(&set)), Some(vec![11]));
        assert_eq!(kept.due(), None);
    }

    #[test]
    fn a_burst_without_end_is_applied_five_times_a_second() {
        let mut kept = knows(&[1]);
        let mut changes = 0;
        for n in 0..1000_u64 {
            kept.heard(found(&[2 + (n % 7) as u16]), false, at(2000 + n));
            changes += usize::from(kept.turn(at(2000 + n)).is_some());
        }
        assert!((4..=6).contains(&changes), "{changes}");
    }

    #[test]
    fn a_change_that_is_taken_back_is_none() {
        let mut kept = knows(&[1]);
        kept.heard(found(&[1, 2]), false, at(2000));
        kept.heard(found(&[1]), false, at(2005));
        assert_eq!((kept.turn(at(2025)), kept.due()), (None, None));
    }

    #[derive(Clone, Debug)]
    enum Said {
        Set(Vec<u16>, bool),
        Failed,
    }

    fn said() -> impl Strategy<Value = (u64, Said)> {
        let set = prop::collection::vec(1..4_u16, 0..3);
        (
            0..700_u64,
            prop_oneof![4 => (set, any::<bool>()).prop_map(|(set, sure)| Said::Set(set, sure)), 1 => Just(Said::Failed)],
        )
    }

    proptest! {
        /// Whatever a source says: what holds is always something it said, an empty set never holds after a single unsure answer, and
        /// the last word holds soon after it was said.
        #[test]
        fn whatever_a_source_says(sayings in prop::collection::vec(said(), 1..60)) {
            let (mut kept, mut now) = (knows(&[9]), 1000);
            let mut before: Option<Vec<u16>> = None;
            for (pause, said) in sayings {
                now += pause;
                if let Some(set) = kept.turn(at(now)) {
                    prop_assert_eq!(Some(ports(&set)), before.clone());
                }
                match said {
                    Said::Failed => kept.failed("no answer", at(now)),
                    Said::Set(set, sure) => {
                        let doubted = kept.doubt();
                        kept.heard(found(&set), sure, at(now));
                        let confirmed = doubted.is_some_and(|since| since + CONFIRM <= at(now));
                        let mut set = set;
                        set.sort_unstable();
                        set.dedup();
                        if !set.is_empty() || sure || confirmed || kept.newest().is_empty() {
                            before = Some(set);
                        }
                    }
                }
                prop_assert!(kept.due().is_none_or(|due| due <= at(now) + BURST_MAX));
            }
            let last = kept.newest().to_vec();
            kept.turn(at(now) + BURST_MAX);
            prop_assert_eq!(&*kept.holds(), &*last);
        }
    }
}
