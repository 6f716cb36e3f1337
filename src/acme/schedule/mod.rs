//! What to do next for an order, and when: renew, ask the authority, wait. Nothing here reads a clock, a file or a socket.
//!
//! Authorities have limits, and who runs into them gets no certificate for days. So the pace here stays well below them, whatever
//! fails: `simulation` counts the orders of a year against them.

mod crowd;
mod limits;
mod record;
#[cfg(test)]
mod simulation;

pub use crowd::Crowd;
pub use limits::Limits;
pub use record::{Record, Window};

use super::Seconds;

/// A minute, in seconds.
pub const MINUTE: Seconds = 60;
/// An hour, in seconds.
pub const HOUR: Seconds = 60 * MINUTE;
/// A day, in seconds.
pub const DAY: Seconds = 24 * HOUR;

/// The wait after a first failure; it doubles with each.
const BACK_OFF_MIN: Seconds = MINUTE;
/// The longest wait after a failure while there is no certificate yet.
const BACK_OFF_MAX: Seconds = 2 * HOUR;
/// The longest wait after a failure while there is one.
const BACK_OFF_RENEWING_MAX: Seconds = 6 * HOUR;
/// Renewal information is asked for no more often than this…
const ASK_MIN: Seconds = 10;
/// …no more seldom than this…
const ASK_MAX: Seconds = DAY;
/// …and when it could not be had, again after this.
const ASK_AGAIN: Seconds = 6 * HOUR;

/// From when until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub from: Seconds,
    pub until: Seconds,
}

impl Life {
    fn length(self) -> Seconds {
        self.until.saturating_sub(self.from)
    }

    /// When two thirds of it are over, or a little before: `random` is from 0 to 1.
    fn two_thirds(self, random: f64) -> Seconds {
        self.from + part(self.length(), 2.0 / 3.0 - random / 24.0)
    }

    /// The last moment for a renewal that an authority suggests: it may fail a few times.
    fn last_call(self) -> Seconds {
        self.until.saturating_sub(self.length() / 12)
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Order a certificate.
    Order,
    /// Ask when to renew it.
    Ask,
}

/// What to do next, and when: at once, if that is not in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub step: Step,
    pub at: Seconds,
}

/// What to do next for an order, of which this is known.
pub fn plan(record: &Record, life: Option<Life>, crowd: &Crowd, limits: &Limits, now: Seconds) -> Plan {
    let order_at = order_at(record, life, crowd, limits, now);
    match life {
        Some(_) if order_at > now && record.ask_at < order_at => Plan { step: Step::Ask, at: record.ask_at },
        _ => Plan { step: Step::Order, at: order_at },
    }
}

/// When the next order is made.
pub fn order_at(record: &Record, life: Option<Life>, crowd: &Crowd, limits: &Limits, now: Seconds) -> Seconds {
    let wanted = match life {
        None => 0,
        Some(life) => record.renew_at.unwrap_or_else(|| life.two_thirds(0.5)).min(life.last_call()),
    };
    let allowed = [
        record.not_before,
        record.barred_until,
        limits.host_at(crowd, &record.hosts, now),
        limits.pace_at(crowd, now),
        // an authority that suggests when to renew takes such an order outside of these
        if record.is_foreseen() { 0 } else { limits.same_at(record, life, now) },
        if record.is_foreseen() { 0 } else { limits.domain_at(crowd, &record.hosts, now) },
    ];
    allowed.into_iter().fold(wanted, Seconds::max)
}

/// A certificate came. Whether it counts: one whose renewal the authority suggested does not.
pub fn issued(record: &mut Record, life: Life, now: Seconds, random: f64) -> bool {
    let counts = !record.is_foreseen();
    if counts {
        record.note_issued(now);
    }
    record.failures = 0;
    (record.not_before, record.barred_until) = (0, 0);
    record.last_error = None;
    begin(record, life, now, random);
    counts
}

/// A certificate is on hand that was not there before: another process ordered it, or it was put there.
pub fn begin(record: &mut Record, life: Life, now: Seconds, random: f64) {
    record.window = None;
    record.renew_at = Some(life.two_thirds(random));
    // not all at once after a start with many
    record.ask_at = now + part(ASK_MIN.min(life.length() / 24), random);
}

/// The order failed; perhaps the authority wants to hear nothing before a moment.
pub fn failed(
    record: &mut Record,
    life: Option<Life>,
    barred: Option<Seconds>,
    why: String,
    now: Seconds,
    random: f64,
) {
    record.failures = record.failures.saturating_add(1);
    let max = match life {
        None => BACK_OFF_MAX,
        Some(life) => (life.length() / 20).clamp(5 * MINUTE, BACK_OFF_RENEWING_MAX),
    };
    let wait = BACK_OFF_MIN.saturating_mul(1 << (record.failures - 1).min(16)).min(max);
    record.not_before = now + part(wait, 0.75 + random / 2.0);
    record.barred_until = record.barred_until.max(barred.unwrap_or(0).min(now + 7 * DAY));
    record.last_error = Some(why);
}

/// The process begins anew: who has put things right need not wait. What was ordered within the hour still counts.
pub fn restarted(record: &mut Record, now: Seconds) {
    record.not_before = 0;
    record.ask_at = record.ask_at.min(now);
}

/// The authority suggests when to renew. Whether that is something new.
pub fn suggested(record: &mut Record, window: Window, ask_after: Seconds, now: Seconds, random: f64) -> bool {
    record.ask_at = now + ask_after.clamp(ASK_MIN, ASK_MAX);
    if record.window == Some(window) {
        return false;
    }
    record.window = Some(window);
    record.renew_at = Some(if window.end <= now { now } else { window.start + part(window.length(), random) });
    true
}

/// It suggests nothing: it does not know how to, or it could not be asked.
pub fn not_suggested(record: &mut Record, now: Seconds, random: f64) {
    record.ask_at = now + part(ASK_AGAIN, 0.75 + random / 2.0);
}

fn part(whole: Seconds, share: f64) -> Seconds {
    // what is lost beyond 2^52 seconds is not missed
    (whole as f64 * share) as Seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Life = Life { from: 1_000_000, until: 1_000_000 + 90 * DAY };

    fn record() -> Record {
        Record { hosts: vec!["a.example.com".into()], ..Record::default() }
    }

    fn next(record: &Record, life: Option<Life>, now: Seconds) -> Plan {
        plan(record, life, &Crowd::default(), &Limits::LETS_ENCRYPT, now)
    }

    #[test]
    fn without_a_certificate_one_is_ordered_at_once() {
        assert!(next(&record(), None, 5).at <= 5);
    }

    #[test]
    fn without_a_suggestion_it_is_renewed_when_two_thirds_are_over_or_a_little_before() {
        for random in [0.0, 0.5, 0.999] {
            let mut record = record();
            issued(&mut record, LIFE, LIFE.from, random);
            not_suggested(&mut record, LIFE.from + DAY, 0.5);
            let at = order_at(&record, Some(LIFE), &Crowd::default(), &Limits::LETS_ENCRYPT, LIFE.from + 2 * DAY);
            assert!((56 * DAY..=60 * DAY).contains(&(at - LIFE.from)), "{} days", (at - LIFE.from) / DAY);
        }
    }

    #[test]
    fn a_suggested_window_is_kept_to_and_one_in_the_past_means_now() {
        let (mut record, now) = (record(), LIFE.from + DAY);
        issued(&mut record, LIFE, LIFE.from, 0.5);
        let window = Window { start: now + 10 * DAY, end: now + 12 * DAY };
        assert!(suggested(&mut record, window, HOUR, now, 0.25));
        assert_eq!(record.renew_at, Some(now + 10 * DAY + DAY / 2));
        assert_eq!(next(&record, Some(LIFE), now), Plan { step: Step::Ask, at: now + HOUR });
        assert!(!suggested(&mut record, window, HOUR, now + HOUR, 0.9), "the moment stays as it was drawn");
        assert_eq!(record.renew_at, Some(now + 10 * DAY + DAY / 2));

        let past = Window { start: LIFE.from - DAY, end: LIFE.from };
        assert!(suggested(&mut record, past, HOUR, now + 2 * HOUR, 0.5));
        let then = next(&record, Some(LIFE), now + 2 * HOUR);
        assert_eq!(then.step, Step::Order);
        assert!(then.at <= now + 2 * HOUR, "a revoked certificate is replaced at once");
    }

    #[test]
    fn a_window_after_the_end_does_not_let_the_certificate_run_out() {
        let mut record = record();
        issued(&mut record, LIFE, LIFE.from, 0.5);
        suggested(&mut record, Window { start: LIFE.until, end: LIFE.until + DAY }, HOUR, LIFE.from, 0.5);
        assert!(order_at(&record, Some(LIFE), &Crowd::default(), &Limits::LETS_ENCRYPT, LIFE.from) < LIFE.until);
    }

    #[test]
    fn failures_wait_longer_each_and_never_for_ever() {
        let (mut record, mut last) = (record(), 0);
        for n in 0..40 {
            let now = 1_000_000 + n * DAY;
            failed(&mut record, None, None, "no".into(), now, 0.5);
            let wait = record.not_before - now;
            assert!(wait >= last.min(BACK_OFF_MAX) && wait <= BACK_OFF_MAX, "{wait}");
            last = wait;
        }
        assert_eq!(last, BACK_OFF_MAX);
        restarted(&mut record, 1_000_000);
        assert!(next(&record, None, 1_000_000).at <= 1_000_000, "a new process tries at once");
    }

    #[test]
    fn an_authority_that_wants_rest_gets_it_also_from_a_new_process() {
        let mut record = record();
        failed(&mut record, None, Some(1_000_000 + 3 * HOUR), "rateLimited".into(), 1_000_000, 0.5);
        restarted(&mut record, 1_000_100);
        assert_eq!(next(&record, None, 1_000_100).at, 1_000_000 + 3 * HOUR);
    }

    #[test]
    fn what_is_asked_too_often_or_too_seldom_is_asked_in_measure() {
        let mut record = record();
        let window = Window { start: 2_000_000, end: 2_000_001 };
        suggested(&mut record, window, 0, 1_000_000, 0.5);
        assert_eq!(record.ask_at, 1_000_000 + ASK_MIN);
        suggested(&mut record, window, 90 * DAY, 1_000_000, 0.5);
        assert_eq!(record.ask_at, 1_000_000 + ASK_MAX);
    }
}
