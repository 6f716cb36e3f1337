//! Time stamps of log lines, in UTC and worked out once a second: RFC 3339 with milliseconds, and that of the common log
//! format.

use std::time::{Duration, SystemTime};

use super::digits::{digits, four_digits};

/// The last second of the year 9999, the last that RFC 3339 can say.
const LAST_SECOND: u64 = 253_402_300_799;

const DAY: u64 = 86_400;

/// Remembers the text of the second it was last asked for.
#[derive(Debug)]
pub(super) struct Clock {
    second: u64,
    text: [u8; TEXT.len()],
    common_second: u64,
    common_text: [u8; COMMON.len()],
}

const TEXT: &[u8; 20] = b"1970-01-01T00:00:00.";
const COMMON: &[u8; 26] = b"01/Jan/1970:00:00:00 +0000";
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

impl Default for Clock {
    fn default() -> Clock {
        Clock { second: 0, text: *TEXT, common_second: 0, common_text: *COMMON }
    }
}

impl Clock {
    /// Appends `at`; what lies before 1970 is shown as its beginning.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let second = since_epoch.as_secs().min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            self.text = text_of(second);
        }
        let [_, a, b, c] = four_digits(since_epoch.subsec_millis());
        out.extend_from_slice(&self.text);
        out.extend_from_slice(&[a, b, c, b'Z']);
    }

    /// Appends `at` as the common log format says it: `02/Jan/2006:15:04:05 +0000`.
    pub(super) fn write_common(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let second = since_epoch.as_secs().min(LAST_SECOND);
        if second != self.common_second {
            self.common_second = second;
            self.common_text = common_text_of(second);
        }
        out.extend_from_slice(&self.common_text);
    }
}

/// A moment as RFC 3339 says it, in UTC with milliseconds.
pub fn rfc3339(at: SystemTime) -> String {
    let mut out = Vec::with_capacity(TEXT.len() + 4);
    Clock::default().write(&mut out, at);
    // digits and signs alone
    String::from_utf8(out).unwrap_or_default()
}

fn text_of(second: u64) -> [u8; TEXT.len()] {
    let (year, month, day) = date_of(second / DAY);
    let of_day = second % DAY;
    let mut text = *TEXT;
    digits(&mut text[..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], of_day / 3600);
    digits(&mut text[14..16], of_day / 60 % 60);
    digits(&mut text[17..19], of_day % 60);
    text
}

fn common_text_of(second: u64) -> [u8; COMMON.len()] {
    let (year, month, day) = date_of(second / DAY);
    let of_day = second % DAY;
    let mut text = *COMMON;
    digits(&mut text[..2], day);
    // a month is one of 1 to 12
    text[3..6].copy_from_slice(MONTHS[month as usize - 1]);
    digits(&mut text[7..11], year);
    digits(&mut text[12..14], of_day / 3600);
    digits(&mut text[15..17], of_day / 60 % 60);
    digits(&mut text[18..20], of_day % 60);
    text
}

/// Year, month and day of a day counted from 1970, both of these from 1.
fn date_of(mut day: u64) -> (u64, u64, u64) {
    // Whole cycles of 400 years first, so that the walk over years is short.
    const CYCLE: u64 = 146_097;
    let mut year = 1970 + day / CYCLE * 400;
    day %= CYCLE;
    while day >= days_in(year) {
        day -= days_in(year);
        year += 1;
    }
    let february = if days_in(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    (year, month, day + 1)
}

fn days_in(year: u64) -> u64 {
    if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(clock: &mut Clock, ms: u64) -> String {
        let mut out = Vec::new();
        clock.write(&mut out, SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_moments_are_shown_as_such() {
        let clock = &mut Clock::default();
        assert_eq!(stamp(clock, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(stamp(clock, 951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(stamp(clock, 951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(stamp(clock, 1_767_323_045_678), "2026-01-02T03:04:05.678Z");
        assert_eq!(stamp(clock, 4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(stamp(clock, LAST_SECOND * 1000), "9999-12-31T23:59:59.000Z");
        assert_eq!(stamp(clock, LAST_SECOND * 2000), "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn the_common_log_format_has_its_own_way_to_say_it() {
        let clock = &mut Clock::default();
        for (second, text) in [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (1_136_214_245, "02/Jan/2006:15:04:05 +0000"),
            (1_136_214_245, "02/Jan/2006:15:04:05 +0000"),
            (951_782_400, "29/Feb/2000:00:00:00 +0000"),
            (LAST_SECOND, "31/Dec/9999:23:59:59 +0000"),
        ] {
            let mut out = Vec::new();
            clock.write_common(&mut out, SystemTime::UNIX_EPOCH + Duration::from_secs(second));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn every_day_of_four_hundred_years_follows_the_one_before() {
        let mut last = date_of(0);
        for day in 1..146_097 + 400 {
            let (year, month, date) = date_of(day);
            let next_date = (year, month, date) == (last.0, last.1, last.2 + 1);
            let next_month = (year, month, date) == (last.0, last.1 + 1, 1) && last.2 >= 28;
            let next_year = (year, month, date) == (last.0 + 1, 1, 1) && last.1 == 12 && last.2 == 31;
            assert!(next_date || next_month || next_year, "{last:?} then {:?}", (year, month, date));
            last = (year, month, date);
        }
    }

    #[test]
    fn a_clock_set_back_is_followed() {
        let clock = &mut Clock::default();
        assert_eq!(stamp(clock, 5_000), "1970-01-01T00:00:05.000Z");
        assert_eq!(stamp(clock, 4_001), "1970-01-01T00:00:04.001Z");
    }
}
