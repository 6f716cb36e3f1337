//! Passive health: an endpoint that failed too often is left alone for a while, then tried with one request. nginx's `max_fails`
//! and `fail_timeout`, to the letter, but for the clock: nginx counts whole seconds.

use super::sync::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// When an endpoint is left alone, and for how long. Times are nanoseconds of one clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Failures until then; 0 for never.
    pub max_fails: u32,
    /// How long it is left alone, and how long a failure is remembered.
    pub fail_timeout: u64,
}

impl Rule {
    /// Nothing is ever left alone.
    pub const OFF: Rule = Rule { max_fails: 0, fail_timeout: 0 };
}

/// What is remembered of an endpoint's failures.
#[derive(Default)]
pub struct Passive {
    fails: AtomicU32,
    /// The last failure, or when the request was sent that is to show whether the endpoint is back.
    checked: AtomicU64,
    /// The last failure.
    failed: AtomicU64,
}

impl Passive {
    /// Failures that count now.
    pub fn fails(&self) -> u32 {
        self.fails.load(Relaxed)
    }

    /// When the last failure was, and when it was looked last whether the endpoint is back.
    pub fn times(&self) -> (u64, u64) {
        (self.failed.load(Relaxed), self.checked.load(Relaxed))
    }

    /// Takes over what another remembered, when there is nothing yet to remember.
    pub fn adopt(&self, fails: u32, failed: u64, checked: u64) {
        self.failed.store(failed, Relaxed);
        self.checked.store(checked, Relaxed);
        self.fails.fetch_add(fails, Release);
    }

    /// May the endpoint take a request at `now`, as far as its failures tell?
    pub fn is_open(&self, rule: Rule, now: u64) -> bool {
        let fails = self.fails.load(Acquire);
        fails == 0 || !rule.ejects(fails) || self.is_due(rule, now)
    }

    /// Is the endpoint left alone, or being tried by a single request?
    pub fn is_ejected(&self, rule: Rule) -> bool {
        rule.ejects(self.fails.load(Relaxed))
    }

    /// Sends a request to the endpoint. False when another was sent first to show whether it is back.
    pub fn claim(&self, rule: Rule, now: u64) -> bool {
        let fails = self.fails.load(Acquire);
        if fails == 0 {
            return true;
        }
        let checked = self.checked.load(Relaxed);
        let due = now.saturating_sub(checked) > rule.fail_timeout;
        let first = due && self.checked.compare_exchange(checked, now, Relaxed, Relaxed).is_ok();
        first || !rule.ejects(fails)
    }

    /// A request failed at `now`. True when the endpoint is left alone from here on.
    pub fn failed(&self, rule: Rule, now: u64) -> bool {
        // before the count, and seen by whoever sees it: the time is not up, and a success does not forget this failure
        self.failed.store(now, Relaxed);
        self.checked.store(now, Relaxed);
        self.fails.fetch_add(1, Release) + 1 == rule.max_fails
    }

    /// A request succeeded: its failures are forgotten if a request was sent for that, `fail_timeout` after the last of them.
    /// True when the endpoint was left alone until now.
    pub fn succeeded(&self, rule: Rule) -> bool {
        let fails = self.fails.load(Acquire);
        if fails == 0 || self.failed.load(Relaxed) >= self.checked.load(Relaxed) {
            return false;
        }
        // a failure meanwhile stands
        self.fails.compare_exchange(fails, 0, Relaxed, Relaxed).is_ok() && rule.ejects(fails)
    }

    fn is_due(&self, rule: Rule, now: u64) -> bool {
        now.saturating_sub(self.checked.load(Relaxed)) > rule.fail_timeout
    }
}

impl Rule {
    fn ejects(self, fails: u32) -> bool {
        self.max_fails > 0 && fails >= self.max_fails
    }
}
