//! Shares as written: `20%`. The sign is never guessed.

use super::Complaint;
use std::fmt;

/// A share of a whole, from 0% to 100%.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl Percent {
    /// Reads a whole number from 0 to 100 and a `%`.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let number = text.strip_suffix('%');
        let digits = number.unwrap_or(text).trim_end();
        let value = Some(digits).filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
        match (value.map(str::parse::<u8>), number) {
            (Some(Ok(share @ 0..=100)), Some(number)) if number == digits => Ok(Percent(share)),
            (Some(Ok(share @ 0..=100)), Some(_)) => {
                Err(Complaint::new(format!("`{text}` is not a share")).hint(format!("write `{share}%`")))
            }
            (Some(Ok(share @ 0..=100)), None) => {
                Err(Complaint::new("a share needs its `%`").hint(format!("write `{share}%`")))
            }
            (Some(_), _) => {
                Err(Complaint::new(format!("`{text}` is out of range")).hint("write a share from `0%` to `100%`"))
            }
            (None, _) => Err(Complaint::new(format!("`{text}` is not a share")).hint(match fraction(text) {
                Some(share) => format!("write `{share}%`"),
                None => "write a whole number and `%`, such as `20%`".to_owned(),
            })),
        }
    }

    /// The number before the sign.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// What `0.2` means in whole percents.
fn fraction(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("0.").filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    match (digits.len(), digits.parse::<u8>()) {
        (1, Ok(tens)) => Some(tens * 10),
        (2, Ok(share)) => Some(share),
        _ => None,
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_written_back() {
        for (text, share) in [("0%", 0), ("20%", 20), ("100%", 100)] {
            assert_eq!(Percent::parse(text).map(Percent::get), Ok(share));
            assert_eq!(Percent(share).to_string(), text);
        }
    }

    #[test]
    fn a_share_without_its_sign_is_refused_with_the_right_spelling() {
        for (text, hint) in [
            ("20", "write `20%`"),
            ("20 %", "write `20%`"),
            ("0.2", "write `20%`"),
            ("0.25", "write `25%`"),
            ("101%", "write a share from `0%` to `100%`"),
            ("999999999999%", "write a share from `0%` to `100%`"),
            ("2.5%", "write a whole number and `%`, such as `20%`"),
        ] {
            assert_eq!(Percent::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        for text in ["", "%", "-1%", "+1%", "%20", "a%", "0.+1", "0.", "٢٠%"] {
            assert!(Percent::parse(text).is_err(), "{text}");
        }
    }
}
