//! Requests that follow one another.

use super::*;

#[test]
fn sequential_requests_over_weights_5_1_1_go_a_a_b_a_c_a_a() {
    for balance in [Balance::LeastConn, Balance::RoundRobin] {
        assert_eq!(sequence(&pool(balance, &[5, 1, 1]), 14), "aabacaaaabacaa");
    }
}

#[test]
fn equal_endpoints_take_turns() {
    assert_eq!(sequence(&pool(Balance::LeastConn, &[1, 1, 1]), 6), "abcabc");
}

#[test]
fn the_idle_endpoint_takes_all_requests_while_the_other_is_busy() {
    let pool = pool(Balance::LeastConn, &[1, 1]);
    let busy = endpoint(&pool, "a").take(at(1), Rule::OFF);
    assert_eq!(sequence(&pool, 5), "bbbbb");
    drop(busy);
    assert_eq!(endpoint(&pool, "a").in_flight(), 0);
}

#[test]
fn a_weight_of_two_carries_twice_the_load_before_it_is_busier() {
    let pool = pool(Balance::LeastConn, &[2, 1]);
    let _busy: Vec<_> = pool.members().iter().map(|e| e.take(at(1), Rule::OFF)).collect();
    assert_eq!(sequence(&pool, 3), "aaa");
}

#[test]
fn the_first_listed_wins_among_equals_and_turns_are_taken_by_those_who_tie_alone() {
    let pool = pool(Balance::LeastConn, &[1, 1, 1, 1]);
    assert_eq!(sequence(&pool, 2), "ab");
    let _busy = (endpoint(&pool, "c").take(at(1), Rule::OFF), endpoint(&pool, "b").take(at(1), Rule::OFF));
    // b and c have no turn; d has waited the longest
    assert_eq!(sequence(&pool, 6), "ddadad");
}

#[test]
fn in_round_robin_each_cycle_goes_exactly_by_weight() {
    let weights = [7, 1, 3, 2];
    let pool = pool(Balance::RoundRobin, &weights);
    for _ in 0..3 {
        let cycle = sequence(&pool, 13);
        let counts: Vec<usize> = (0..4).map(|n| cycle.matches(&letter(n)).count()).collect();
        assert_eq!(counts, [7, 1, 3, 2], "{cycle}");
    }
}

#[test]
fn the_largest_weights_and_counts_are_compared_without_overflow() {
    let pool = pool(Balance::LeastConn, &[65_535, 65_535, 1]);
    let _busy: Vec<_> = (0..40_000).map(|_| endpoint(&pool, "a").take(at(1), Rule::OFF)).collect();
    let _other: Vec<_> = (0..39_998).map(|_| endpoint(&pool, "b").take(at(1), Rule::OFF)).collect();
    let _light = endpoint(&pool, "c").take(at(1), Rule::OFF);
    let asking = Asking::new(1);
    let taken: Vec<_> = (0..3).map(|_| asking.pick(&pool, at(1), &Tried::default())).collect();
    assert_eq!(taken.into_iter().map(name).collect::<String>(), "bba");
}

#[test]
fn a_client_stays_where_its_cookie_binds_it_but_not_on_a_backup() {
    let backup = Line { backup: true, ..Line::weighing(1) };
    let pool = pool_of(rules(Balance::LeastConn), &[Line::weighing(1), Line::weighing(1), backup, backup]);
    let asking = Asking::new(1);
    let bound = |to: &str, tried: &[&str]| {
        let mut known = Tried::default();
        tried.iter().for_each(|name| known.add(&endpoint(&pool, name)));
        let prefers = Some(endpoint(&pool, to).id);
        let asker = Asker { now: at(1), random: &asking.random, key: b"", client_ip: None, prefers };
        (0..3).map(|_| name(pool.pick(&asker, &known))).collect::<String>()
    };
    assert_eq!((bound("b", &[]), bound("b", &["b"])), ("bbb".into(), "aaa".into()));
    assert!(!bound("d", &[]).contains('d'), "the others are back");
    ["a", "b"].iter().for_each(|name| _ = pool.drain(name, true, at(1)));
    assert_eq!((bound("d", &[]), bound("b", &["c"])), ("ddd".into(), "ddd".into()));
}
