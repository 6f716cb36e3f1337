//! Routes that containers ask for in their labels, and how long one is kept that nobody asks for any more. Time is passed in.

use crate::http::clock::{Moment, Span};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most claims that are held; further ones are left out.
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
        self.service == other.service && self.place() == other.place()
    }
}

impl Claim {
    /// What two services cannot both have.
    fn place(&self) -> (Option<&str>, Option<&str>) {
        (self.host.as_deref(), self.path.as_deref())
    }
}

/// The claims that hold, whoever had a place first before the others.
#[derive(Debug, Default)]
pub struct Claims {
    held: Vec<Held>,
    holds: Arc<[Claim]>,
}

#[derive(Debug)]
struct Held {
    claim: Claim,
    /// Since when nobody makes it any more.
    since: Option<Moment>,
    /// It cannot be granted.
    refused: bool,
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
        for held in &mut self.held {
            match claims.iter().find(|claim| **claim == held.claim) {
                Some(claim) => *held = Held { claim: claim.clone(), since: None, refused: held.refused },
                None => _ = held.since.get_or_insert(now),
            }
        }
        // one that came to nothing leaves nothing, and who asks for the place of one that is gone need not wait for it
        let is_wanted =
            |held: &Held| claims.iter().any(|claim| *claim != held.claim && claim.place() == held.claim.place());
        self.held.retain(|held| held.since.is_none() || !held.refused && !is_wanted(held));
        for claim in claims {
            if self.held.len() < CLAIMS_MAX && !self.held.iter().any(|held| held.claim == claim) {
                self.held.push(Held { claim, since: None, refused: false });
            }
        }
        self.settle(now);
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
    pub fn refuse<'c>(&mut self, refused: impl Iterator<Item = &'c Claim> + Clone) {
        for held in &mut self.held {
            held.refused = refused.clone().any(|claim| *claim == held.claim);
        }
    }

    /// When one of them ends.
    pub fn due(&self) -> Option<Moment> {
        self.held.iter().filter_map(|held| held.since).min().map(|since| since + LINGER)
    }

    fn settle(&mut self, now: Moment) {
        self.held.retain(|held| held.since.is_none_or(|since| now < since + LINGER));
        if !self.held.iter().map(|held| &held.claim).eq(self.holds.iter()) {
            self.holds = self.held.iter().map(|held| held.claim.clone()).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(services(&mut claims, 3), ["bad"]);
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
        claims.heard((0..2 * CLAIMS_MAX).map(|n| claim("shop", &n.to_string())).collect(), at(1));
        assert_eq!(services(&mut claims, 1).len(), CLAIMS_MAX);
    }
}
