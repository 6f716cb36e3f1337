//! Pools that follow one another under one name.

use super::*;
use crate::upstream::State;
use crate::upstream::pool::Verdict;

/// The pool that a reload with these endpoints makes.
fn next(before: &Pool, rules: Rules, lines: &[Line]) -> Pool {
    Pool::new("pool", listed(lines, &before.lasting), rules, Arc::clone(&before.lasting), at(1))
}

#[test]
fn a_pool_that_is_made_and_never_served_changes_nothing() {
    let pool = pool(Balance::LeastConn, &[5, 1, 1]);
    assert_eq!(sequence(&pool, 3), "aab");
    let never = next(&pool, rules(Balance::Random), &[Line { max_conns: 1, ..Line::weighing(1) }]);
    assert!(!never.refresh(at(2)), "it is not its turn");
    drop(never);
    assert_eq!(sequence(&pool, 4), "acaa");
}

#[test]
fn a_reload_that_changes_nothing_does_not_disturb_the_turns() {
    let pool = pool(Balance::LeastConn, &[5, 1, 1]);
    assert_eq!(sequence(&pool, 3), "aab");
    let next = next(&pool, rules(Balance::LeastConn), &[Line::weighing(5), Line::weighing(1), Line::weighing(1)]);
    next.serve();
    assert_eq!(sequence(&next, 4), "acaa");
}

#[test]
fn weights_limits_and_tiers_of_living_endpoints_change_and_their_counts_and_health_stay() {
    let pool = pool(Balance::LeastConn, &[1, 1, 1]);
    let (a, b) = (endpoint(&pool, "a"), endpoint(&pool, "b"));
    let held = [a.take(at(1), Rule::OFF), a.take(at(1), Rule::OFF)];
    pool.judge(&b, Verdict::Failed, at(1));
    let limited = Line { max_conns: 2, ..Line::weighing(3) };
    let backup = Line { backup: true, ..Line::weighing(1) };
    let next = next(&pool, rules(Balance::RoundRobin), &[limited, Line::weighing(1), backup]);
    next.serve();
    assert!(Arc::ptr_eq(&a, &endpoint(&next, "a")) && a.weight() == 3);
    assert_eq!((a.in_flight(), next.state(&b)), (2, State::Ejected));
    assert_eq!(sequence(&next, 2), "cc", "a is full, b ejected, c the backup");
    drop(held);
    assert_eq!(sequence(&next, 2), "aa");
}

#[test]
fn requests_that_began_before_a_reload_go_to_the_endpoints_there_are() {
    let before = pool(Balance::LeastConn, &[1, 1]);
    before.drain("a", true, at(1));
    before.drain("b", true, at(1));
    assert_eq!(sequence(&before, 1), "-");
    let after = next(&before, rules(Balance::Hash), &[Line::weighing(1), Line::weighing(1), Line::weighing(1)]);
    after.serve();
    assert_eq!(sequence(&before, 2), "cc", "it would wait in vain, and others behind it");
    assert!(!before.refresh(at(2)), "its turn is over");
    assert_eq!(after.members().primary.len(), 3);
}

#[test]
fn an_endpoint_that_is_listed_again_while_its_requests_last_is_counted_on_and_serves() {
    let pool = pool(Balance::LeastConn, &[1, 1]);
    let b = endpoint(&pool, "b");
    let tunnel = b.take(at(1), Rule::OFF);
    pool.drain("b", true, at(1));
    let without = next(&pool, rules(Balance::LeastConn), &[Line::weighing(1)]);
    without.serve();
    let again = next(&without, rules(Balance::LeastConn), &[Line::weighing(1), Line::weighing(1)]);
    again.serve();
    let b = endpoint(&again, "b");
    assert_eq!((b.in_flight(), again.state(&b)), (1, State::Up));
    assert_eq!(sequence(&again, 3), "aaa", "b bears its tunnel");
    drop(tunnel);
    assert_eq!(b.in_flight(), 0);
}

#[test]
fn a_weight_that_shrinks_leaves_nobody_with_a_long_turn() {
    for (before, after) in [([65_535, 1], [1, 1]), ([1, 65_535], [1, 1])] {
        let pool = pool(Balance::RoundRobin, &before);
        sequence(&pool, 100);
        let next = next(&pool, rules(Balance::RoundRobin), &after.map(Line::weighing));
        next.serve();
        assert_eq!(sequence(&next, 6), "ababab", "{before:?}");
    }
}

#[test]
fn a_failure_s_dent_in_a_weight_that_shrinks_is_soon_mended() {
    let off = Rule { max_fails: 2, fail_timeout: SECOND };
    let pool = pool_of(Rules { passive: off, ..rules(Balance::RoundRobin) }, &[65_000, 65_000].map(Line::weighing));
    pool.judge(&endpoint(&pool, "a"), Verdict::Failed, at(1));
    let next = next(&pool, Rules { passive: off, ..rules(Balance::RoundRobin) }, &[2, 2].map(Line::weighing));
    next.serve();
    let turns = sequence(&next, 12);
    assert!(turns.ends_with("abab") || turns.ends_with("baba"), "{turns}");
    assert!(turns.matches('a').count() >= 4, "{turns}");
}

#[test]
fn those_who_wait_are_called_when_a_reload_makes_room() {
    let full = Line { max_conns: 1, ..Line::weighing(1) };
    let pool = pool_of(rules(Balance::LeastConn), &[full]);
    let _held = endpoint(&pool, "a").take(at(1), Rule::OFF);
    let place = pool.lasting.room.join(1).expect("room");
    let woken = Arc::new(Woken::default());
    assert!(place.is_first(&Arc::clone(&woken).into()) && sequence(&pool, 1) == "-");
    next(&pool, rules(Balance::LeastConn), &[Line { max_conns: 2, ..full }]).serve();
    assert!(woken.0.load(std::sync::atomic::Ordering::SeqCst));
    assert_eq!(sequence(&pool, 1), "a");
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}
