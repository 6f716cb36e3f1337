//! Statuses as written: `200`, `200-399`, or several of these.

use super::Complaint;
use std::fmt;
use std::ops::RangeInclusive;

/// The statuses that end an exchange.
const FINAL: RangeInclusive<u16> = 200..=599;

/// A set of final statuses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatusSet {
    /// First and last of each range; sorted, and none touches the next.
    ranges: Box<[(u16, u16)]>,
}

impl StatusSet {
    /// Reads one status, or a range of them with both its ends.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        if let [digit @ b'2'..=b'5', b'x' | b'X', b'x' | b'X'] = text.as_bytes() {
            let hundred = char::from(*digit);
            return Err(
                Complaint::new(format!("`{text}` is not a status")).hint(format!("write `{hundred}00-{hundred}99`"))
            );
        }
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (status(first, text)?, status(last, text)?),
            None => status(text, text).map(|status| (status, status))?,
        };
        if first > last {
            return Err(Complaint::new(format!("`{text}` holds no status")).hint(format!("write `{last}-{first}`")));
        }
        if text.contains(char::is_whitespace) {
            return Err(
                Complaint::new(format!("`{text}` is not a range of statuses")).hint(format!("write `{first}-{last}`"))
            );
        }
        Ok(StatusSet { ranges: [(first, last)].into() })
    }

    /// All that one of the sets holds.
    pub fn union(sets: impl IntoIterator<Item = StatusSet>) -> Self {
        let mut ranges: Vec<(u16, u16)> = sets.into_iter().flat_map(|set| set.ranges).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        StatusSet { ranges: merged.into() }
    }

    /// Whether a status is among them.
    pub fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

/// One status of `text`.
fn status(digits: &str, text: &str) -> Result<u16, Complaint> {
    let digits = digits.trim();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let complaint = Complaint::new(format!("`{text}` is not a status"));
        return Err(match text.contains([',', ' ', '|']) {
            true => complaint.hint("write several as a list, such as `[200, 301-399]`"),
            false => complaint.hint("write for example `200`, `200-399` or `[200, 301-399]`"),
        });
    }
    digits.parse::<u16>().ok().filter(|status| FINAL.contains(status)).ok_or_else(|| {
        Complaint::new(format!("{digits} is out of range")).hint(format!(
            "the statuses of an answer run from {} to {}",
            FINAL.start(),
            FINAL.end()
        ))
    })
}

/// As it could be written: `200`, `200-399`, `[200, 301-399]`.
impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self
            .ranges
            .iter()
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect();
        match words.as_slice() {
            [only] => f.write_str(only),
            several => write!(f, "[{}]", several.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_status_or_a_range_is_read_and_written_back() {
        for (text, inside, outside) in [("200", 200, 201), ("200-399", 399, 400), ("599", 599, 598)] {
            let set = StatusSet::parse(text).expect(text);
            assert!(set.contains(inside) && !set.contains(outside), "{text}");
            assert_eq!(set.to_string(), text);
        }
    }

    #[test]
    fn a_union_holds_all_of_them_once() {
        let sets = ["301-399", "200", "200-204", "205", "399"].map(|text| StatusSet::parse(text).expect(text));
        assert_eq!(StatusSet::union(sets).to_string(), "[200-205, 301-399]");
    }

    #[test]
    fn mistakes_are_refused_with_the_right_spelling() {
        for (text, hint) in [
            ("2xx", "write `200-299`"),
            ("399-200", "write `200-399`"),
            ("200 - 399", "write `200-399`"),
            ("200,301", "write several as a list, such as `[200, 301-399]`"),
            ("100-399", "the statuses of an answer run from 200 to 599"),
            ("ok", "write for example `200`, `200-399` or `[200, 301-399]`"),
        ] {
            assert_eq!(StatusSet::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        for text in ["", "-", "200-", "-399", "200-300-400", "+200", "99999999", "2x0"] {
            assert!(StatusSet::parse(text).is_err(), "{text}");
        }
    }
}
