//! Sizes as written: `10MiB`, `128KiB`, or a bare number of bytes.

use super::Complaint;
use std::fmt;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

impl Size {
    /// Reads a whole number of bytes, or one followed by `KiB`, `MiB`, `GiB` or `TiB`.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(Complaint::new(format!("`{text}` is not a size")).hint("write for example `10MiB` or `1000`"));
        }
        let factor = match UNITS.iter().find(|(name, _)| *name == unit) {
            Some((_, factor)) => *factor,
            None if unit.is_empty() => 1,
            None => return Err(unknown_unit(text, number, unit)),
        };
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
        bytes.map(Size).ok_or_else(|| Complaint::new(format!("`{text}` is more bytes than can be counted")))
    }

    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().rev().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Decimal and one-letter units mean different sizes to different people, so they are refused, with both ways out.
fn unknown_unit(text: &str, number: &str, unit: &str) -> Complaint {
    let complaint = Complaint::new(format!("`{text}` is not a size"));
    let unit = unit.trim().to_ascii_lowercase();
    let letter = unit.chars().next().unwrap_or(' ');
    match letter {
        'b' => complaint.hint(format!("a bare number is bytes: write `{number}`")),
        'k' => complaint.hint(format!("write `{number}KiB`")),
        'm' => complaint.hint(format!("write `{number}MiB`")),
        'g' => complaint.hint(format!("write `{number}GiB`")),
        't' => complaint.hint(format!("write `{number}TiB`")),
        _ => complaint.hint("the units are `KiB`, `MiB`, `GiB` and `TiB`; a bare number is bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_back() {
        for (text, bytes) in [("10MiB", 10 << 20), ("128KiB", 128 << 10), ("1000", 1000), ("2GiB", 2 << 30), ("0", 0)] {
            let size = Size::parse(text).expect(text);
            assert_eq!(size.bytes(), bytes);
            assert_eq!(size.to_string(), text);
        }
    }

    #[test]
    fn units_that_could_mean_two_things_are_refused_with_the_right_spelling() {
        for (text, hint) in [("10MB", "write `10MiB`"), ("8k", "write `8KiB`"), ("1 GiB", "write `1GiB`")] {
            assert_eq!(Size::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "18446744073709551616", "99999999999TiB", "1_000"] {
            assert!(Size::parse(text).is_err(), "{text}");
        }
    }
}
