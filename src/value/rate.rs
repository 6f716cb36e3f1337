//! Rates as written: `500/s`, `10/m`, `64KiB/s`.

use super::{Complaint, Size};
use std::fmt;
use std::time::Duration;

/// So much in so long: bytes or events, whichever the key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How much.
    pub amount: u64,
    /// In how long: one second, minute or hour.
    pub period: Duration,
}

impl Rate {
    /// Reads an amount (a size's units are allowed), a slash, and `s`, `m` or `h`.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let not_a_rate = || Complaint::new(format!("`{text}` is not a rate"));
        let Some((amount, period)) = text.split_once('/') else {
            return Err(if text.parse::<u64>().is_ok() {
                Complaint::new("a rate needs its period").hint(format!("write `{text}/s`"))
            } else {
                not_a_rate().hint("write for example `500/s` or `64KiB/s`")
            });
        };
        let seconds = match period {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(not_a_rate().hint(format!("write `{amount}/s`, `{amount}/m` or `{amount}/h`"))),
        };
        let amount =
            Size::parse(amount).map_err(|complaint| Complaint { message: not_a_rate().message, ..complaint })?;
        Ok(Rate { amount: amount.bytes(), period: Duration::from_secs(seconds) })
    }

    /// The amount in one second, rounded down.
    pub fn per_second(self) -> u64 {
        self.amount / self.period.as_secs().max(1)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = match self.period.as_secs() {
            3600 => "h",
            60 => "m",
            _ => "s",
        };
        write!(f, "{}/{period}", Size(self.amount))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written_back() {
        for (text, per_second) in [("500/s", 500), ("64KiB/s", 65_536), ("600/m", 10), ("7200/h", 2), ("0/s", 0)] {
            let rate = Rate::parse(text).expect(text);
            assert_eq!(rate.per_second(), per_second);
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn a_rate_without_a_period_is_refused_with_the_right_spelling() {
        assert_eq!(Rate::parse("500").unwrap_err().hint.as_deref(), Some("write `500/s`"));
        assert_eq!(Rate::parse("5/sec").unwrap_err().hint.as_deref(), Some("write `5/s`, `5/m` or `5/h`"));
        for text in ["", "/s", "a/s", "5/", "5/s/s", "5 /s", "-1/s"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }
}
