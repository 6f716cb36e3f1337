//! What is remembered of an order, on disk as in memory.

use super::{DAY, HOUR, Seconds};
use serde::{Deserialize, Serialize};

/// The most moments that are remembered of one kind.
const MOMENTS_MAX: usize = 512;

/// What is remembered of an order. Times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    pub hosts: Vec<String>,
    /// When orders were begun; those of the last hours.
    pub begun: Vec<Seconds>,
    /// When certificates came that count; those of the last week.
    pub issued: Vec<Seconds>,
    /// Failures since the last certificate.
    pub failures: u32,
    /// After a failure: no order before.
    pub not_before: Seconds,
    /// The authority wants no order before.
    pub barred_until: Seconds,
    /// When to renew, as it was drawn.
    pub renew_at: Option<Seconds>,
    /// When the authority last suggested to renew.
    pub window: Option<Window>,
    /// When to ask it again.
    pub ask_at: Seconds,
    /// The last failure since the last certificate.
    pub last_error: Option<String>,
}

/// When an authority suggests to renew (RFC 9773).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub start: Seconds,
    pub end: Seconds,
}

impl Window {
    /// How long it is open.
    pub fn length(self) -> Seconds {
        self.end.saturating_sub(self.start)
    }
}

impl Record {
    /// An order for these hosts, of which nothing is known.
    pub fn of(hosts: Vec<String>) -> Record {
        Record { hosts, ..Record::default() }
    }

    /// The authority suggested when to renew: the next order says what it replaces.
    pub fn is_foreseen(&self) -> bool {
        self.window.is_some()
    }

    /// Does another record of this order tell of the same deeds? What only says when to try again may differ.
    pub fn did_the_same(&self, other: &Record) -> bool {
        let deeds = |record: &Record| (record.begun.last().copied(), record.issued.last().copied(), record.window);
        deeds(self) == deeds(other)
    }

    /// An order is begun.
    pub fn note_begun(&mut self, now: Seconds) {
        note(&mut self.begun, now, 3 * HOUR);
    }

    pub(super) fn note_issued(&mut self, now: Seconds) {
        note(&mut self.issued, now, 7 * DAY);
    }
}

/// Adds a moment, and forgets those that are older than a span.
pub(super) fn note(moments: &mut Vec<Seconds>, now: Seconds, span: Seconds) {
    moments.retain(|at| at.saturating_add(span) > now);
    moments.push(now);
    let surplus = moments.len().saturating_sub(MOMENTS_MAX);
    moments.drain(..surplus);
}

/// When there are fewer than `most` of these moments within `span`. They are in order.
pub(super) fn fewer_at(moments: &[Seconds], most: usize, span: Seconds, now: Seconds) -> Seconds {
    let recent = moments.iter().filter(|at| at.saturating_add(span) > now).count();
    match recent.checked_sub(most) {
        None => 0,
        // the oldest of those that must have passed
        Some(surplus) => {
            let first = moments.len() - recent;
            moments.get(first + surplus).map_or(0, |at| at.saturating_add(span))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_free_again_when_the_oldest_moment_has_passed() {
        let moments = [10, 20, 30, 40];
        assert_eq!(fewer_at(&moments, 5, 100, 50), 0);
        assert_eq!(fewer_at(&moments, 4, 100, 50), 110);
        assert_eq!(fewer_at(&moments, 2, 100, 50), 130);
        assert_eq!(fewer_at(&moments, 2, 100, 125), 130, "10 and 20 have passed");
        assert_eq!(fewer_at(&moments, 2, 100, 131), 0);
    }

    #[test]
    fn a_record_of_an_older_program_is_read() {
        let record: Record = serde_json::from_str(r#"{"hosts":["a.example.com"],"unknown":1}"#).unwrap();
        assert_eq!(record, Record::of(vec!["a.example.com".into()]));
    }
}
