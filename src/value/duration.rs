//! Durations as written: `250ms`, `5s`, `1m`, `2h`, `90d`. The unit is never guessed.

use super::Complaint;
use std::time::Duration;

/// Ten years. Longer ones are typing errors, and this much can be added to any clock.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Reads a whole number followed by `ms`, `s`, `m`, `h` or `d`.
pub fn parse_duration(text: &str) -> Result<Duration, Complaint> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if text == "unlimited" {
        return Err(Complaint::new("`unlimited` cannot stand here").hint("write a duration, such as `30s`"));
    }
    if let Some(rest) = text.strip_prefix('-')
        && parse_duration(rest).is_ok()
    {
        return Err(Complaint::new("a duration is not negative").hint(format!("write `{rest}`")));
    }
    if number.is_empty() {
        return Err(Complaint::new(format!("`{text}` is not a duration"))
            .hint("write for example `250ms`, `5s`, `1m`, `2h` or `90d`"));
    }
    let millis_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if number == "0" => return Err(Complaint::new("a duration needs its unit").hint("write `0s`")),
        "" => {
            return Err(Complaint::new("a duration needs its unit").hint(format!("write `{text}s` or `{text}ms`")));
        }
        _ => return Err(unknown_unit(text, number, unit)),
    };
    let millis = number.parse::<u64>().ok().and_then(|n| n.checked_mul(millis_per_unit));
    match millis.map(Duration::from_millis) {
        Some(duration) if duration <= LONGEST => Ok(duration),
        _ => Err(Complaint::new(format!("`{text}` is longer than ten years"))),
    }
}

/// Writes a duration the way [`parse_duration`] reads it, in the largest unit that keeps it whole.
pub fn display_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(86_400_000) => format!("{}d", millis / 86_400_000),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    }
}

fn unknown_unit(text: &str, number: &str, unit: &str) -> Complaint {
    let complaint = Complaint::new(format!("`{text}` is not a duration"));
    let whole = number.parse::<u64>().ok();
    // `1:30`, which some readers of YAML take for 90
    if let Some(seconds) =
        unit.strip_prefix(':').filter(|rest| rest.len() == 2).and_then(|rest| rest.parse::<u64>().ok())
        && let Some(minutes) = whole.filter(|minutes| *minutes < 100_000 && seconds < 60)
    {
        return complaint.hint(format!("write `{}s`", minutes * 60 + seconds));
    }
    match unit.trim().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" | "milliseconds" => complaint.hint(format!("write `{number}ms`")),
        "s" | "sec" | "secs" | "second" | "seconds" => complaint.hint(format!("write `{number}s`")),
        "m" | "min" | "mins" | "minute" | "minutes" => complaint.hint(format!("write `{number}m`")),
        "h" | "hr" | "hour" | "hours" => complaint.hint(format!("write `{number}h`")),
        "d" | "day" | "days" => complaint.hint(format!("write `{number}d`")),
        "w" | "week" | "weeks" if whole.is_some_and(|n| n < 100_000) => {
            complaint.hint(format!("write `{}d`", whole.unwrap_or(0) * 7))
        }
        "y" | "year" | "years" if whole.is_some_and(|n| n < 100) => {
            complaint.hint(format!("write `{}d`", whole.unwrap_or(0) * 365))
        }
        _ if unit.starts_with('.') => complaint.hint("write a whole number of a smaller unit, such as `1500ms`"),
        _ => complaint.hint("the units are `ms`, `s`, `m`, `h` and `d`, one of them, such as `90s`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_written_back() {
        for (text, millis) in
            [("250ms", 250), ("5s", 5000), ("1m", 60_000), ("2h", 7_200_000), ("3d", 259_200_000), ("0s", 0)]
        {
            let duration = parse_duration(text).expect(text);
            assert_eq!(duration.as_millis(), millis);
            assert_eq!(display_duration(duration), text);
        }
        assert_eq!(display_duration(Duration::from_secs(90)), "90s");
    }

    #[test]
    fn a_bare_number_is_refused_with_the_right_spelling() {
        assert_eq!(parse_duration("5").unwrap_err().hint.as_deref(), Some("write `5s` or `5ms`"));
        assert_eq!(parse_duration("0").unwrap_err().hint.as_deref(), Some("write `0s`"));
    }

    #[test]
    fn other_units_are_refused_with_the_nearest_spelling() {
        for (text, hint) in [
            ("5sec", "write `5s`"),
            ("5 s", "write `5s`"),
            ("2days", "write `2d`"),
            ("5M", "write `5m`"),
            ("2w", "write `14d`"),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        for text in ["", "s", "-5s", "+5s", "1.5s", "1h30m", "5s ", "99999999999999999999s", "99999999h", "٥s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
