//! Text with request variables in it: `https://new.example.com{path}`. `{{` and `}}` are the braces themselves.

use super::{Complaint, Variable};
use std::fmt;

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Text inserted as it stands.
    Literal(Box<str>),
    /// A fact of the request.
    Variable(Variable),
}

/// A text taken apart at its variables. Two literals never follow each other, and none is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Template {
    /// In the order of the text.
    pub segments: Box<[Segment]>,
}

/// What a text is made of, one after the other.
pub(super) enum Piece<'t> {
    Char(char),
    Variable(&'t str),
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((piece, after)) = piece(rest)? {
            rest = after;
            match piece {
                Piece::Char(c) => literal.push(c),
                Piece::Variable(name) => {
                    if !literal.is_empty() {
                        segments.push(Segment::Literal(std::mem::take(&mut literal).into()));
                    }
                    let variable = Variable::parse(name);
                    segments.push(Segment::Variable(variable.map_err(|c| c.part(format!("{{{name}}}")))?));
                }
            }
        }
        if !literal.is_empty() {
            segments.push(Segment::Literal(literal.into()));
        }
        Ok(Template { segments: segments.into() })
    }

    /// The text before the first variable.
    pub fn leading_literal(&self) -> &str {
        match self.segments.first() {
            Some(Segment::Literal(text)) => text,
            _ => "",
        }
    }

    /// Its variables, in their order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Variable(variable) => Some(variable),
        })
    }

    /// Its text, if no variable is in it.
    pub fn fixed(&self) -> Option<&str> {
        match &*self.segments {
            [] => Some(""),
            [Segment::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// Takes the first piece off a text; nothing at its end.
pub(super) fn piece(text: &str) -> Result<Option<(Piece<'_>, &str)>, Complaint> {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return Ok(None) };
    let after = chars.as_str();
    if first != '{' && first != '}' {
        return Ok(Some((Piece::Char(first), after)));
    }
    if let Some(after) = after.strip_prefix(first) {
        return Ok(Some((Piece::Char(first), after)));
    }
    match after.split_once('}') {
        Some((name, after)) if first == '{' => Ok(Some((Piece::Variable(name), after))),
        _ => Err(Complaint::new(format!("`{first}` has no partner")).hint(format!(
            "a variable stands between braces, such as `{{path}}`; write `{first}{first}` for the character itself"
        ))),
    }
}

/// A literal as it is written.
pub(super) fn write_literal(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.split_inclusive(['{', '}']).try_for_each(|part| {
        f.write_str(part)?;
        f.write_str(if part.ends_with('{') {
            "{"
        } else if part.ends_with('}') {
            "}"
        } else {
            ""
        })
    })
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write_literal(text, f),
            Segment::Variable(variable) => write!(f, "{variable}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_taken_apart_and_written_back() {
        let text = "https://new.example.com{path}?{query}";
        let template = Template::parse(text).expect(text);
        assert_eq!(template.to_string(), text);
        assert_eq!(template.leading_literal(), "https://new.example.com");
        assert_eq!(template.segments[1], Segment::Variable(Variable::Path));
        assert_eq!(template.segments.len(), 4);
        assert!(template.variables().eq([&Variable::Path, &Variable::Query]));
        assert_eq!(Template::parse("{scheme}{host}{uri}").expect("variables only").segments.len(), 3);
        assert!(Template::parse("").expect("nothing").segments.is_empty());
    }

    #[test]
    fn doubled_braces_are_the_braces_themselves() {
        for (text, literal) in [("{{}}", "{}"), ("a{{b", "a{b"), ("}}", "}"), ("{{\"a\":1}}", "{\"a\":1}")] {
            let template = Template::parse(text).expect(text);
            assert_eq!(template.fixed(), Some(literal));
            assert_eq!(template.to_string(), text);
        }
        let mixed = Template::parse("{{{host}}}").expect("mixed");
        assert_eq!(mixed.segments.len(), 3);
        assert_eq!(mixed.to_string(), "{{{host}}}");
    }

    #[test]
    fn unknown_and_broken_variables_are_refused() {
        for (text, message) in [
            ("{pth}", "no variable is called `{pth}`"),
            ("a{", "`{` has no partner"),
            ("a}", "`}` has no partner"),
            ("{}", "no variable is called `{}`"),
            ("{host", "`{` has no partner"),
        ] {
            assert_eq!(Template::parse(text).unwrap_err().message, message);
        }
    }
}
