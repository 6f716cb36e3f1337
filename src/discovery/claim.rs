//! Routes that containers ask for in their labels, and how long one is kept that nobody asks for any more. Time is passed in.

use super::kept::CONFIRM;
use crate::http::clock::{Moment, Span};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The most claims that are held. One that nobody makes any more yields to one that somebody makes; further ones are left out.
pub const CLAIMS_MAX: usize = 1000;
/// A claim outlives the last container that made it by this: a service that is stopped and started again is answered for as one without
/// endpoints meanwhile, and its clients are not told that there is no such page.
pub const LINGER: Span = Span(60_000_000_000);

/// A route that a container asks for, in the words of its labels, which nobody has looked at yet.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The service that is to answer.
    pub service: Box<str>,
    /// The host; every one without it.
    pub host: Option<Box<str>>,
    /// The path; every one without it.
    pub path: Option<Box<str>>,
    /// The container that asks, by its name. For people: who asks for the same makes the same claim.
    pub by: Box<str>,
}

impl PartialEq for Claim {
    fn eq(&self, other: &Claim) -> bool {
        self.key() == other.key()
    }
}

/// What two services cannot both have: a host and a path.
type Place<'c> = (Option<&'c str>, Option<&'c str>);

impl Claim {
    fn place(&self) -> Place<'_> {
        (self.host.as_deref(), self.path.as_deref())
    }

    fn key(&self) -> (&str, Place<'_>) {
        (&self.service, self.place())
    }
}

/// The claims that hold, whoever had a place first before the others.
#[derive(Debug, Default)]
pub struct Claims {
    held: Vec<Held>,
    holds: Arc<[Claim]>,
    /// Claims that somebody makes and for which there was no room.
    left_out: usize,
}

#[derive(Debug)]
struct Held {
    claim: Claim,
    /// Since when nobody makes it any more.
    since: Option<Moment>,
    /// Another service asks for its place.
    wanted: bool,
    /// It cannot be granted.
    refused: bool,
}

impl Held {
    /// When it ends, unless somebody makes it again: who waits for its place need not wait long, but one list that lacks it takes nothing away.
    fn end(&self) -> Option<Moment> {
        self.since.map(|since| since + if self.wanted { CONFIRM } else { LINGER })
    }
}

impl Claims {
    /// What another process held.
    pub fn seeded(claims: Vec<Claim>, now: Moment) -> Claims {
        let mut seeded = Claims::default();
        seeded.heard(claims, now);
        seeded
    }

    /// These are made now, the oldest first.
    pub fn heard(&mut self, claims: Vec<Claim>, now: Moment) {
        // an engine may list any number of them: each is looked at once
        let mut made: HashMap<_, usize> = HashMap::new();
        let mut services: HashMap<Place<'_>, HashSet<&str>> = HashMap::new();
        for (n, claim) in claims.iter().enumerate() {
            made.entry(claim.key()).or_insert(n);
            services.entry(claim.place()).or_default().insert(&claim.service);
        }
        let mut new: BTreeMap<usize, &Claim> = made.values().filter_map(|n| Some((*n, claims.get(*n)?))).collect();
        for held in &mut self.held {
            match made.get(&held.claim.key()).and_then(|n| new.remove(n)) {
                Some(claim) => *held = Held { claim: claim.clone(), since: None, ..*held },
                None => _ = held.since.get_or_insert(now),
            }
        }
        for Held { claim, wanted, .. } in &mut self.held {
            let mut of_place = services.get(&claim.place()).into_iter().flatten();
            *wanted = of_place.any(|service| **service != *claim.service);
        }
        // one that came to nothing leaves nothing
        self.held.retain(|held| held.since.is_none() || !held.refused);
        self.make_room(new.len());
        let room = CLAIMS_MAX.saturating_sub(self.held.len());
        self.left_out = new.len().saturating_sub(room);
        let held = |claim: &Claim| Held { claim: claim.clone(), since: None, wanted: false, refused: false };
        self.held.extend(new.into_values().take(room).map(held));
        self.settle(now);
    }

    /// Lets go of claims that nobody makes any more, for so many new ones: first of those that are gone for longest.
    fn make_room(&mut self, wanted: usize) {
        let room = CLAIMS_MAX.saturating_sub(self.held.len());
        let mut gone: Vec<Moment> = self.held.iter().filter_map(|held| held.since).collect();
        gone.sort_unstable();
        let mut yielding = wanted.saturating_sub(room).min(gone.len());
        let Some(last) = yielding.checked_sub(1).and_then(|last| gone.get(last)).copied() else { return };
        self.held.retain(|held| {
            let yields = yielding > 0 && held.since.is_some_and(|since| since <= last);
            yielding -= usize::from(yields);
            !yields
        });
    }

    /// How many claims there was no room for.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The claims that hold at `now`. The same ones are the same allocation.
    pub fn hold(&mut self, now: Moment) -> Arc<[Claim]> {
        self.settle(now);
        Arc::clone(&self.holds)
    }

    /// Those that somebody makes now.
    pub fn made(&self) -> Vec<Claim> {
        self.held.iter().filter(|held| held.since.is_none()).map(|held| held.claim.clone()).collect()
    }

    /// These cannot be granted, and all others can.
    pub fn refuse<'c>(&mut self, refused: impl Iterator<Item = &'c Claim>) {
        let refused: HashSet<_> = refused.map(Claim::key).collect();
        for held in &mut self.held {
            held.refused = refused.contains(&held.claim.key());
        }
    }

    /// When one of them ends.
    pub fn due(&self) -> Option<Moment> {
        self.held.iter().filter_map(Held::end).min()
    }

    fn settle(&mut self, now: Moment) {
        self.held.retain(|held| held.end().is_none_or(|end| now < end));
        if !self.held.iter().map(|held| &held.claim).eq(self.holds.iter()) {
            self.holds = self.held.iter().map(|held| held.claim.clone()).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim(service: &str, host: &str) -> Claim {
        Claim { service: service.into(), host: Some(host.into()), path: None, by: format!("{service}-1").into() }
    }

    fn at(s: u64) -> Moment {
        Moment(s * 1_000_000_000)
    }

    fn services(claims: &mut Claims, now: u64) -> Vec<String> {
        claims.hold(at(now)).iter().map(|claim| claim.service.to_string()).collect()
    }

    #[test]
    fn a_claim_outlives_its_containers_by_a_minute() {
        let mut claims = Claims::default();
        claims.heard(vec![claim("shop", "a")], at(1));
        claims.heard(Vec::new(), at(10));
        claims.heard(Vec::new(), at(30));
        assert_eq!(claims.due(), Some(at(70)));
        assert_eq!(services(&mut claims, 69), ["shop"]);
        assert_eq!(services(&mut claims, 70), [""; 0]);
        assert_eq!(claims.due(), None);
    }

    #[test]
    fn whoever_comes_back_in_time_was_never_gone() {
        let mut claims = Claims::default();
        claims.heard(vec![claim("shop", "a")], at(1));
        let held = claims.hold(at(1));
        claims.heard(Vec::new(), at(10));
        claims.heard(vec![Claim { by: "shop-2".into(), ..claim("shop", "a") }], at(20));
        assert!(Arc::ptr_eq(&held, &claims.hold(at(100))), "nothing changed for anybody");
    }

    #[test]
    fn whoever_had_a_place_first_stands_before_the_others() {
        let mut claims = Claims::default();
        claims.heard(vec![claim("shop", "a")], at(1));
        claims.heard(vec![claim("bad", "a"), claim("shop", "a")], at(2));
        assert_eq!(services(&mut claims, 2), ["shop", "bad"]);
        // once nobody asks for it there, the other has it
        claims.heard(vec![claim("bad", "a")], at(3));
        assert_eq!(services(&mut claims, 4), ["shop", "bad"], "one list that lacks it may be wrong");
        assert_eq!((claims.due(), services(&mut claims, 5)), (Some(at(5)), vec!["bad".to_owned()]));
    }

    #[test]
    fn what_came_to_nothing_leaves_nothing() {
        let mut claims = Claims::default();
        claims.heard(vec![claim("shop", "a"), claim("bad", "a")], at(1));
        claims.refuse([claim("bad", "a")].iter());
        claims.heard(Vec::new(), at(2));
        assert_eq!(services(&mut claims, 2), ["shop"]);
    }

    #[test]
    fn no_more_are_held_than_are_allowed() {
        let mut claims = Claims::default();
        let many = |n: usize| (0..n).map(|n| claim("shop", &n.to_string())).collect::<Vec<_>>();
        claims.heard([many(2 * CLAIMS_MAX), many(2 * CLAIMS_MAX)].concat(), at(1));
        assert_eq!((services(&mut claims, 1).len(), claims.left_out()), (CLAIMS_MAX, CLAIMS_MAX));
        claims.heard(many(7), at(2));
        assert_eq!((claims.made().len(), claims.left_out()), (7, 0));
    }

    #[test]
    fn those_that_are_gone_take_no_room_from_those_that_are_made() {
        let mut claims = Claims::default();
        claims.heard((0..CLAIMS_MAX).map(|n| claim("old", &n.to_string())).collect(), at(1));
        claims.heard((0..CLAIMS_MAX / 2).map(|n| claim("old", &n.to_string())).collect(), at(2));
        claims.heard(vec![claim("shop", "a")], at(3));
        let held = services(&mut claims, 3);
        assert_eq!((held.len(), held.last().map(String::as_str)), (CLAIMS_MAX, Some("shop")));
        // the one that was gone for longest yielded
        assert_eq!(claims.hold(at(3))[CLAIMS_MAX / 2].host.as_deref(), Some(&*format!("{}", CLAIMS_MAX / 2 + 1)));
        assert_eq!(claims.left_out(), 0);
    }

    proptest! {
        #[test]
        fn whatever_is_heard_what_is_made_holds_and_what_had_a_place_stands_before_who_came_later(
            heard in prop::collection::vec(
                (prop::collection::vec((0_u8..4, 0_u8..4), 0..6), 0_u64..40, prop::collection::vec(any::<bool>(), 4)),
                1..12,
            ),
        ) {
            let mut claims = Claims::default();
            let (mut now, mut before): (u64, Vec<Claim>) = (1, Vec::new());
            for (made, pause, refused) in heard {
                now += pause;
                let made: Vec<Claim> =
                    made.iter().map(|(service, host)| claim(&service.to_string(), &host.to_string())).collect();
                claims.heard(made.clone(), at(now));
                let held = claims.hold(at(now)).to_vec();
                prop_assert!(Arc::ptr_eq(&claims.hold(at(now)), &claims.hold(at(now))));
                prop_assert!(made.iter().all(|claim| held.contains(claim)));
                prop_assert!(held.iter().enumerate().all(|(n, claim)| !held[..n].contains(claim)));
                // who stays keeps its turn
                let stayed = |all: &[Claim], other: &[Claim]| {
                    all.iter().filter(|claim| other.contains(claim)).cloned().collect::<Vec<_>>()
                };
                prop_assert_eq!(stayed(&before, &held), stayed(&held, &before));
                // nobody waits long for a place that is not made any more
                let gone = || held.iter().filter(|claim| !made.contains(claim));
                if gone().any(|gone| made.iter().any(|claim| claim.place() == gone.place())) {
                    prop_assert!(claims.due().is_some_and(|due| due <= at(now) + CONFIRM));
                }
                prop_assert!(claims.due().is_none_or(|due| due > at(now)));
                let refused: Vec<Claim> =
                    held.iter().zip(refused.iter().cycle()).filter(|(_, no)| **no).map(|(claim, _)| claim.clone()).collect();
                claims.refuse(refused.iter());
                before = held;
            }
            claims.heard(Vec::new(), at(now));
            let end = claims.due().map_or(at(now), |due| due + LINGER);
            prop_assert_eq!(claims.hold(end).len(), 0);
        }
    }
}
