//! What the value of a header or of a part of the query must be: `*` any, `~ ^v[12]$` what an expression matches, else
//! exactly this.

use super::{Complaint, Expression};
use std::fmt;

/// Which values match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldPattern {
    /// `*`: any value, if there is one.
    Any,
    /// This value and no other.
    Exact(Box<str>),
    /// `~ EXPRESSION`: a value within which the expression is found.
    Matches(Expression),
}

impl FieldPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        if text == "*" {
            return Ok(FieldPattern::Any);
        }
        let Some(expression) = text.strip_prefix('~') else { return Ok(FieldPattern::Exact(text.into())) };
        match expression.strip_prefix(' ').map(str::trim) {
            Some("") => {
                Err(Complaint::new("no regular expression follows the `~`").hint("write for example `~ ^v[12]$`"))
            }
            Some(expression) => Expression::parse(expression).map(FieldPattern::Matches),
            None => Err(Complaint::new("a blank stands between `~` and its regular expression")
                .hint(format!("write `~ {expression}`; a value that starts with `~` itself is written `~ ^~`"))),
        }
    }

    /// Whether a value matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            FieldPattern::Any => true,
            FieldPattern::Exact(text) => text.as_bytes() == value,
            FieldPattern::Matches(expression) => expression.regex().is_match(value),
        }
    }
}

/// As it is written.
impl fmt::Display for FieldPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldPattern::Any => f.write_str("*"),
            FieldPattern::Exact(text) => f.write_str(text),
            FieldPattern::Matches(expression) => write!(f, "~ {expression}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds_are_told_apart_and_written_back() {
        for (text, value, other) in [("1", "1", "11"), ("~ ^v[12]$", "v2", "v3"), ("", "", "x"), ("**", "**", "*")] {
            let pattern = FieldPattern::parse(text).expect(text);
            assert_eq!(pattern.to_string(), text);
            assert!(pattern.matches(value.as_bytes()) && !pattern.matches(other.as_bytes()), "{text}");
        }
        assert!(FieldPattern::Any.matches(b"") && FieldPattern::Any.matches(b"\xff"));
        assert_eq!(FieldPattern::parse("*"), Ok(FieldPattern::Any));
    }

    #[test]
    fn half_an_expression_is_refused() {
        for text in ["~", "~ ", "~^a", "~ ("] {
            assert!(FieldPattern::parse(text).is_err(), "{text}");
        }
    }
}
