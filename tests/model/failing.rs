//! An endpoint that failed too often, and those who would try whether it is back.

use crate::passive::{Passive, Rule};
use loom::thread;
use std::sync::Arc;

const RULE: Rule = Rule { max_fails: 3, fail_timeout: 10 };
/// The time is up by then for what failed at 0.
const LATER: u64 = 11;

/// An endpoint that was left alone at 0.
fn ejected() -> Arc<Passive> {
    let passive = Arc::new(Passive::default());
    let ejections = (0..RULE.max_fails).filter(|_| passive.failed(RULE, 0)).count();
    assert_eq!(ejections, 1);
    passive
}

/// Sends a request there if it may, as balancing does.
fn try_it(passive: &Passive, now: u64) -> bool {
    passive.is_open(RULE, now) && passive.claim(RULE, now)
}

#[test]
fn exactly_one_request_tries_whether_it_is_back() {
    loom::model(|| {
        let passive = ejected();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let passive = Arc::clone(&passive);
                thread::spawn(move || try_it(&passive, LATER))
            })
            .collect();
        let own = try_it(&passive, LATER);
        let tried = others.into_iter().map(|other| other.join().expect("a thread"));
        assert_eq!(tried.filter(|tried| *tried).count() + usize::from(own), 1);
    });
}

#[test]
fn whoever_sees_the_failure_that_ejects_it_sees_when_that_was() {
    loom::model(|| {
        let passive = Arc::new(Passive::default());
        (1..RULE.max_fails).for_each(|_| assert!(!passive.failed(RULE, 0)));
        let failing = {
            let passive = Arc::clone(&passive);
            thread::spawn(move || passive.failed(RULE, LATER))
        };
        if passive.is_ejected(RULE) {
            assert!(!try_it(&passive, LATER), "tried at the moment it was ejected");
        }
        assert!(failing.join().expect("a thread"), "it is the third failure");
        assert!(!try_it(&passive, LATER + RULE.fail_timeout));
        assert!(try_it(&passive, LATER + RULE.fail_timeout + 1));
    });
}

#[test]
fn a_failure_beside_the_trials_success_is_not_forgotten() {
    loom::model(|| {
        let passive = ejected();
        assert!(try_it(&passive, LATER));
        let failing = {
            let passive = Arc::clone(&passive);
            // a request of long ago
            thread::spawn(move || passive.failed(RULE, LATER + 1))
        };
        let back = passive.succeeded(RULE);
        failing.join().expect("a thread");
        assert_eq!(passive.fails(), if back { 1 } else { RULE.max_fails + 1 });
    });
}

#[test]
fn two_failures_at_once_are_both_counted_and_one_is_the_last_straw() {
    loom::model(|| {
        let passive = Arc::new(Passive::default());
        assert!(!passive.failed(RULE, 0));
        let failing = {
            let passive = Arc::clone(&passive);
            thread::spawn(move || passive.failed(RULE, 1))
        };
        let own = passive.failed(RULE, 2);
        assert!(own ^ failing.join().expect("a thread"));
        assert!(passive.is_ejected(RULE));
    });
}
