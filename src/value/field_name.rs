//! The name of a header, as it is written; compared without regard to case.

use super::{Complaint, is_token};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A header's name. Two are equal whatever the case of their letters.
#[derive(Clone, Debug)]
pub struct FieldName(Box<str>);

impl FieldName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        match is_token(text) {
            true => Ok(FieldName(text.into())),
            false => Err(not_a_name(text)),
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this name.
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }

    fn lower(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|b| b.to_ascii_lowercase())
    }
}

/// What to say of text that is no header's name: blanks become dashes, a final colon goes.
pub fn not_a_name(text: &str) -> Complaint {
    let complaint = Complaint::new(format!("`{text}` is not a header name"));
    let mended = text.trim_end_matches(':').split_whitespace().collect::<Vec<_>>().join("-");
    match is_token(&mended) {
        true => complaint.hint(format!("write `{mended}`")),
        false => complaint.hint("letters, digits and dashes make one up, without the colon"),
    }
}

impl PartialEq for FieldName {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for FieldName {}

impl PartialOrd for FieldName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FieldName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.lower().cmp(other.lower())
    }
}

impl Hash for FieldName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lower().for_each(|b| state.write_u8(b));
        state.write_u8(0xff);
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn case_tells_no_names_apart_and_is_kept() {
        let names = ["X-Tenant", "x-tenant", "X-TENANT"].map(|name| FieldName::parse(name).expect(name));
        assert_eq!(names[0], names[1]);
        assert_eq!(names[1].cmp(&names[2]), Ordering::Equal);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 1);
        assert_eq!(names.map(|name| name.to_string()), ["X-Tenant", "x-tenant", "X-TENANT"]);
        for text in ["", "a b", "a:", "ø", "a\r\n"] {
            assert!(FieldName::parse(text).is_err(), "{text}");
        }
    }
}
