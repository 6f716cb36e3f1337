//! What was learned of endpoints, taken over by a process with another clock.

use super::*;
use crate::upstream::State;
use crate::upstream::pool::Verdict;

/// Two endpoints in one process, and the same in the next, whose clock is at 50 s when the other's is at 104.
fn two() -> (Pool, Pool) {
    (pool(Balance::RoundRobin, &[1, 1]), pool(Balance::RoundRobin, &[1, 1]))
}

fn hand_over(old: &Pool, new: &Pool) {
    for name in ["a", "b"] {
        endpoint(new, name).adopt(&endpoint(old, name).learned(at(104)), at(50));
    }
}

fn asks(pool: &Pool, now: u64) -> String {
    let asking = Asking::new(1);
    (0..2).map(|_| name(asking.pick(pool, at(now), &Tried::default()))).collect()
}

#[test]
fn the_time_that_an_ejected_endpoint_is_left_alone_goes_on() {
    let (old, new) = two();
    old.judge(&endpoint(&old, "a"), Verdict::Failed, at(100));
    hand_over(&old, &new);
    assert_eq!(new.state(&endpoint(&new, "a")), State::Ejected);
    assert_eq!(new.state(&endpoint(&new, "b")), State::Up);
    assert_eq!(asks(&new, 56), "bb", "10 s after the failure are not over");
    assert!(asks(&new, 57).contains('a'));
    new.judge(&endpoint(&new, "a"), Verdict::Succeeded, at(57));
    assert_eq!(new.state(&endpoint(&new, "a")), State::Up);
}

#[test]
fn what_is_down_stays_down_until_a_check_says_otherwise() {
    let (old, new) = two();
    endpoint(&old, "b").set_down(true, at(100));
    hand_over(&old, &new);
    assert_eq!(asks(&new, 51), "aa");
    endpoint(&new, "b").set_down(false, at(52));
    assert!(asks(&new, 52).contains('b'));
}

#[test]
fn what_has_been_checked_does_not_start_down_again() {
    let lasting = Arc::new(Lasting::default());
    let lines = listed(&[Line::weighing(1); 2], &lasting);
    let starting = Pool::new(
        "pool",
        lines,
        Rules { starts_down: true, ..rules(Balance::RoundRobin) },
        Arc::clone(&lasting),
        at(1),
    );
    assert!(endpoint(&starting, "a").is_starting());
    let (old, _) = two();
    endpoint(&starting, "a").adopt(&endpoint(&old, "a").learned(at(104)), at(50));
    assert_eq!(asks(&starting, 51), "aa");
    assert!(!endpoint(&starting, "a").is_starting() && endpoint(&starting, "b").is_starting());
}

#[test]
fn a_name_is_where_it_was_found_last() {
    let pool = names(2);
    let first = &pool.entries[0].entry;
    first.found_at(&[address(2), address(1)]);
    assert!(pool.refresh(at(2)));
    assert_eq!(first.addresses(), Some(vec![address(1), address(2)]));
    assert!(first.asked_at().is_none(), "it is asked all the same");
    assert_eq!(pool.members().iter().count(), 2);
    assert!(pool.entries[1].entry.is_unresolved());
}
