//! The retry budget, whatever the pattern of requests and failures.

use super::*;
use crate::upstream::budget::Budget;
use proptest::prelude::*;

/// What happens in one second: requests that come, and how often something is to be sent again.
type Tick = (u64, u64);

/// Retries that are made in each second.
fn retries(share: u8, ticks: &[Tick]) -> Vec<u64> {
    let (budget, mut requests) = (Budget::default(), 0);
    let second = |(second, (come, wanted)): (usize, &Tick)| {
        let now = at(second as u64);
        budget.note(now, requests);
        // half of them come before the failures
        requests += come / 2;
        let made = (0..*wanted).filter(|_| budget.allow(now, share, requests)).count() as u64;
        requests += come - come / 2;
        made
    };
    ticks.iter().enumerate().map(second).collect()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn ten_a_second_or_a_share_of_the_recent_requests(
        share in 0..=100_u8,
        ticks in prop::collection::vec((prop_oneof![Just(0_u64), 0..50_u64, 0..2000_u64], 0..400_u64), 1..40),
    ) {
        let made = retries(share, &ticks);
        // a window is ten seconds; requests of the one before them may count too
        let recent = |second: usize| ticks[second.saturating_sub(10)..=second].iter().map(|(come, _)| come).sum::<u64>();
        let shares: Vec<u64> = (0..ticks.len()).map(|second| recent(second) * u64::from(share) / 100).collect();
        for (second, ((_, wanted), made_now)) in ticks.iter().zip(&made).enumerate() {
            prop_assert!(*made_now >= (*wanted).min(10), "ten are always allowed");
            let from = second.saturating_sub(9);
            let in_window: u64 = made[from..=second].iter().sum();
            prop_assert!(*made_now <= 10 || in_window <= shares[second], "second {second}: {in_window} of {}", shares[second]);
            let largest = shares[from..=second].iter().max().copied().unwrap_or(0);
            prop_assert!(in_window <= largest + 10 * 10);
        }
    }

    #[test]
    fn a_retry_that_is_given_back_was_never_made(
        share in 0..=100_u8,
        steps in prop::collection::vec((0..3_u64, 0..300_u64, any::<bool>()), 1..60),
    ) {
        let (asked, other) = (Budget::default(), Budget::default());
        let (mut now, mut requests) = (0, 0);
        for (pause, come, retried) in steps {
            (now, requests) = (now + pause, requests + come);
            let allowed = asked.allow(at(now), share, requests);
            if retried {
                prop_assert_eq!(other.allow(at(now), share, requests), allowed);
            } else {
                other.note(at(now), requests);
                if allowed {
                    asked.give_back();
                }
            }
        }
    }
}

#[test]
fn a_clock_that_lags_on_another_worker_opens_no_second_window() {
    let budget = Budget::default();
    let allowed = (0..100).filter(|n| budget.allow(at(100 - n % 2), 0, 0)).count();
    assert_eq!(allowed, 10);
}
