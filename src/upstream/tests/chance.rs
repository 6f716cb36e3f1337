//! Choices by chance: as many for each endpoint as its weight says, by the chi-square test.

use super::*;
use proptest::prelude::*;

/// A value of chi-square with `freedom` degrees that chance exceeds about once in a million (Wilson and Hilferty).
fn surprising(freedom: usize) -> f64 {
    let k = freedom as f64;
    let part = 2.0 / (9.0 * k);
    k * (1.0 - part + 4.75 * part.sqrt()).powi(3)
}

/// How far counts are from shares of their sum.
fn chi_square(counts: &[usize], weights: &[u32]) -> f64 {
    let (n, total) = (counts.iter().sum::<usize>() as f64, weights.iter().map(|w| f64::from(*w)).sum::<f64>());
    let off = |(count, weight): (&usize, &u32)| {
        let expected = n * f64::from(*weight) / total;
        (*count as f64 - expected).powi(2) / expected
    };
    counts.iter().zip(weights).map(off).sum()
}

/// How often each endpoint is chosen in `n` requests, each ending before the next begins.
fn counts(pool: &Pool, n: usize, seed: u64) -> Vec<usize> {
    let (asking, members) = (Asking::new(seed), pool.members());
    let mut counts = vec![0; members.primary.len()];
    for _ in 0..n {
        let taken = asking.pick(pool, at(1), &Tried::default()).expect("an endpoint");
        let place = members.primary.iter().position(|e| Arc::ptr_eq(e, taken.endpoint()));
        counts[place.expect("one of the pool's")] += 1;
    }
    counts
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn chance_chooses_by_weight(weights in prop::collection::vec(1..9_u32, 2..7), seed in any::<u64>()) {
        let counts = counts(&pool(Balance::Random, &weights), 4000, seed);
        let off = chi_square(&counts, &weights);
        prop_assert!(off < surprising(weights.len() - 1), "{counts:?} of {weights:?}: {off}");
    }

    #[test]
    fn of_two_equally_busy_either_is_chosen_by_weight(weights in prop::collection::vec(1..9_u32, 2..7), seed in any::<u64>()) {
        // nothing is in flight anywhere
        let counts = counts(&pool(Balance::P2c, &weights), 4000, seed);
        let off = chi_square(&counts, &weights);
        prop_assert!(off < surprising(weights.len() - 1), "{counts:?} of {weights:?}: {off}");
    }

    #[test]
    fn of_two_the_less_busy_is_chosen(busy in prop::collection::vec(0..4_usize, 2..6), seed in any::<u64>()) {
        let pool = pool(Balance::P2c, &vec![1; busy.len()]);
        let members = pool.members();
        let most = busy.iter().max().copied().unwrap_or(0);
        let _held: Vec<InFlight> = members.primary.iter().zip(&busy)
            .flat_map(|(e, n)| (0..*n).filter_map(|_| e.take(at(1), Rule::OFF))).collect();
        if busy.iter().filter(|n| **n == most).count() == 1 {
            // two different ones are drawn, so the busiest never wins
            let worst = busy.iter().position(|n| *n == most).expect("one is the busiest");
            prop_assert_eq!(counts(&pool, 200, seed)[worst], 0);
        }
    }
}

#[test]
fn under_load_two_choices_keep_all_equally_busy_for_their_weights() {
    let pool = pool(Balance::P2c, &[1, 2, 3, 4]);
    let asking = Asking::new(7);
    let _open: Vec<_> = (0..1000).map(|_| asking.pick(&pool, at(1), &Tried::default())).collect();
    for (e, weight) in pool.members().primary.iter().zip(1..) {
        assert!(e.in_flight().abs_diff(100 * weight) < 12 * weight, "{e}: {}", e.in_flight());
    }
}

#[test]
fn chance_passes_over_who_is_full_tried_or_drained() {
    let full = Line { max_conns: 1, ..Line::weighing(100) };
    for balance in [Balance::Random, Balance::P2c] {
        let pool = pool_of(rules(balance), &[full, Line::weighing(100), Line::weighing(100), Line::weighing(1)]);
        let _full = endpoint(&pool, "a").take(at(1), Rule::OFF);
        let mut tried = Tried::default();
        tried.add(&endpoint(&pool, "b"));
        assert_eq!(pool.drain("c", true, at(1)), Some(1));
        let asking = Asking::new(3);
        assert!((0..50).all(|_| name(asking.pick(&pool, at(1), &tried)) == "d"));
        tried.add(&endpoint(&pool, "d"));
        assert_eq!(name(asking.pick(&pool, at(1), &tried)), "-");
    }
}
