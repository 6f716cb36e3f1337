//! The retry budget: when much fails, retries must not multiply the load on what is left.

use crate::http::clock::Moment;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Seconds over which requests and retries are compared.
const WINDOW_S: u64 = 10;
/// Retries a second that are always allowed: a pool with little traffic needs some too.
const ALWAYS: u64 = 10;

/// Requests and retries of one pool in the last seconds. Asked only when something failed, so that it may lock.
#[derive(Default)]
pub struct Budget(Mutex<VecDeque<Second>>);

/// One second: all requests that the pool had got when it began, and the retries within it.
#[derive(Clone, Copy)]
struct Second {
    second: u64,
    requests: u64,
    retries: u64,
}

impl Budget {
    /// Notes that the pool has got `requests` in all by `now`. Wants to be told every second.
    pub fn note(&self, now: Moment, requests: u64) {
        self.second(now, requests, |_| ());
    }

    /// May another request be sent again at `now`? `requests` are all that the pool ever got, `share` is the percentage of the
    /// recent ones that may be sent again.
    pub fn allow(&self, now: Moment, share: u8, requests: u64) -> bool {
        self.second(now, requests, |seconds| {
            let allowed = is_left(seconds, share, requests);
            if let Some(last) = seconds.back_mut() {
                last.retries += u64::from(allowed);
            }
            allowed
        })
    }

    /// The retry that was allowed last is not made after all.
    pub fn give_back(&self) {
        let mut seconds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = seconds.back_mut() {
            last.retries = last.retries.saturating_sub(1);
        }
    }

    /// Does something with the seconds that count: the window's, and the last one before it to compare with. There is always one.
    fn second<R>(&self, now: Moment, requests: u64, f: impl FnOnce(&mut VecDeque<Second>) -> R) -> R {
        let mut seconds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let second = now.0 / 1_000_000_000;
        if seconds.is_empty() {
            // what came before the first note is recent too
            seconds.push_back(Second { second, requests: 0, retries: 0 });
        }
        if seconds.back().is_some_and(|s| s.second < second) {
            seconds.push_back(Second { second, requests, retries: 0 });
        }
        while seconds.get(1).is_some_and(|s| s.second + WINDOW_S <= second) {
            seconds.pop_front();
        }
        f(&mut seconds)
    }
}

fn is_left(seconds: &VecDeque<Second>, share: u8, requests: u64) -> bool {
    let (Some(first), Some(last)) = (seconds.front(), seconds.back()) else { return false };
    let recent = requests.saturating_sub(first.requests);
    let within = seconds.iter().filter(|s| s.second + WINDOW_S > last.second);
    let retries: u64 = within.map(|s| s.retries).sum();
    last.retries < ALWAYS || (retries + 1) * 100 <= recent * u64::from(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000_000)
    }

    #[test]
    fn ten_a_second_are_always_allowed() {
        let budget = Budget::default();
        for second in 0..5 {
            let allowed = (0..50).filter(|_| budget.allow(at(second), 0, 0)).count();
            assert_eq!(allowed, 10);
        }
    }

    #[test]
    fn beyond_that_retries_stay_a_share_of_the_recent_requests() {
        let budget = Budget::default();
        let (mut requests, mut retries) = (0, 0);
        for second in 1..=30 {
            for _ in 0..1000 {
                requests += 1;
                // everything fails
                retries += u64::from(budget.allow(at(second), 20, requests));
            }
        }
        let share = retries as f64 / requests as f64;
        assert!((0.15..0.22).contains(&share), "{share}");
    }

    #[test]
    fn a_burst_of_failures_after_a_quiet_time_is_covered_by_the_requests_before_it() {
        let budget = Budget::default();
        (0..=100).for_each(|second| budget.note(at(second), second * 100));
        // a thousand in ten seconds
        let allowed = (0..300).filter(|_| budget.allow(at(100), 20, 10_000)).count();
        assert_eq!(allowed, 200);
    }

    #[test]
    fn requests_of_long_ago_do_not_count() {
        let budget = Budget::default();
        budget.note(at(0), 0);
        budget.note(at(1), 1_000_000);
        let allowed = (0..300).filter(|_| budget.allow(at(60), 20, 1_000_000)).count();
        assert_eq!(allowed, 10);
    }
}
