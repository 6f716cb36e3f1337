//! What is wrong with a word, and what to write instead. The place is added by whoever knows it.

use std::fmt;

/// Why a word was refused: one short sentence, and where possible what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// One sentence, in lower case and without a full stop.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// The part of the word that is wrong, where it is not all of it.
    pub part: Option<Box<str>>,
}

impl Complaint {
    /// A complaint without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Complaint { message: message.into(), hint: None, part: None }
    }

    /// The same complaint with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same complaint, about this part of the word.
    pub fn part(mut self, part: impl Into<Box<str>>) -> Self {
        self.part = Some(part.into());
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Complaint {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_shows_its_hint_in_brackets() {
        assert_eq!(Complaint::new("no").to_string(), "no");
        assert_eq!(Complaint::new("no").hint("yes").to_string(), "no (yes)");
    }
}
