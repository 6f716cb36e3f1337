//! `slow_start`: the share of an endpoint that is new or back grows with time.

use super::*;
use crate::upstream::pool::Verdict;

const WHOLE: u64 = 100;

fn slow(balance: Balance) -> Rules {
    Rules { slow_start: Span(WHOLE * SECOND), ..rules(balance) }
}

/// How many of `n` requests at `now` go to `to`, each ending before the next begins.
fn share(pool: &Pool, to: &str, n: usize, now: u64) -> usize {
    let asking = Asking::new(5);
    (0..n).filter(|_| name(asking.pick(pool, at(now), &Tried::default())) == to).count()
}

#[test]
fn the_share_of_an_endpoint_that_is_back_grows_from_little_to_whole() {
    for balance in [Balance::LeastConn, Balance::RoundRobin, Balance::Random, Balance::P2c] {
        let pool = pool_of(slow(balance), &[Line::weighing(3), Line::weighing(3)]);
        assert!((40..60).contains(&share(&pool, "b", 100, 1000)), "all begin whole: the pool is new");
        let b = endpoint(&pool, "b");
        b.set_down(true, at(1000));
        assert_eq!(share(&pool, "b", 10, 1000), 0);
        b.set_down(false, at(1000));
        // a tenth, a quarter, a half and all of its weight against the other's
        let shares = [10, 25, 50, 100, 1000].map(|after| share(&pool, "b", 1000, 1000 + after));
        for (share, expected) in shares.into_iter().zip([91_usize, 200, 333, 500, 500]) {
            assert!(share.abs_diff(expected) < 50, "{balance:?}: {shares:?}");
        }
    }
}

#[test]
fn even_at_its_first_moment_an_endpoint_gets_some_requests() {
    for balance in [Balance::LeastConn, Balance::RoundRobin] {
        let pool = pool_of(slow(balance), &[Line::weighing(1), Line::weighing(1)]);
        let b = endpoint(&pool, "b");
        b.set_down(true, at(1000));
        b.set_down(false, at(1000));
        // the clock stands still
        assert!((1..10).contains(&share(&pool, "b", 600, 1000)), "{balance:?}");
    }
}

#[test]
fn who_comes_back_by_a_trial_by_the_operator_or_new_starts_slowly() {
    let pool = pool_of(slow(Balance::RoundRobin), &[Line::weighing(1), Line::weighing(1)]);
    let b = endpoint(&pool, "b");
    let half_after = |now: u64| share(&pool, "b", 300, now + WHOLE / 2);
    pool.judge(&b, Verdict::Failed, at(1000));
    drop(b.take(at(1011), pool.rules.passive));
    assert!(pool.judge(&b, Verdict::Succeeded, at(1011)).is_some());
    assert!(half_after(1011).abs_diff(100) < 20);
    pool.drain("b", true, at(2000));
    pool.drain("b", false, at(2000));
    assert!(half_after(2000).abs_diff(100) < 20);

    let lines = [Line::weighing(1), Line::weighing(1), Line::weighing(1)];
    let with_c = Pool::new(
        "pool",
        listed(&lines, &pool.lasting),
        slow(Balance::RoundRobin),
        Arc::clone(&pool.lasting),
        at(3000),
    );
    with_c.serve();
    assert!(share(&with_c, "c", 500, 3000 + WHOLE / 2).abs_diff(100) < 20);
    assert!(share(&with_c, "c", 300, 3000 + WHOLE).abs_diff(100) < 5);
}

#[test]
fn beside_a_busy_pool_a_new_endpoint_is_not_flooded() {
    let pool = pool_of(slow(Balance::LeastConn), &[Line::weighing(1), Line::weighing(1)]);
    let (a, b) = (endpoint(&pool, "a"), endpoint(&pool, "b"));
    b.set_down(true, at(1000));
    let _busy: Vec<_> = (0..20).map(|_| a.take(at(1000), Rule::OFF)).collect();
    b.set_down(false, at(1000));
    // a tenth of its time later it bears a tenth of the other's load, not all that comes
    let asking = Asking::new(1);
    let _more: Vec<_> = (0..20).map(|_| asking.pick(&pool, at(1010), &Tried::default())).collect();
    assert!((2..6).contains(&b.in_flight()), "{}", b.in_flight());
}
