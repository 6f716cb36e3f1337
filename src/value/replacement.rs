//! What a rewrite puts in place of what its expression matched: `/$1/new`, with the expression's groups and request
//! variables.

use super::template::{Piece, piece};
use super::{Complaint, Expression, Variable, is_identifier, suggest};
use std::fmt;

/// A replacement, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// In the order of the text. Two literals never follow each other, and none is empty.
    pub parts: Box<[ReplacementPart]>,
    /// As it is written.
    text: Box<str>,
}

/// One piece of a replacement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReplacementPart {
    /// Text inserted as it stands.
    Literal(Box<str>),
    /// What this group of the expression matched, which is nothing where it took no part; 0 is the whole match.
    Group(usize),
    /// A fact of the request.
    Variable(Variable),
}

impl Replacement {
    /// Reads a replacement for what `expression` matches. A capture that is no group of it is one of the path's.
    pub fn parse(text: &str, expression: &Expression) -> Result<Self, Complaint> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        loop {
            let part = if let Some(after) = rest.strip_prefix("$$") {
                rest = after;
                ReplacementPart::Literal("$".into())
            } else if let Some(after) = rest.strip_prefix('$') {
                let (group, after) = group(after, expression)?;
                rest = after;
                ReplacementPart::Group(group)
            } else {
                let Some((piece, after)) = piece(rest)? else { break };
                rest = after;
                match piece {
                    Piece::Char(c) => {
                        literal.push(c);
                        continue;
                    }
                    Piece::Variable(name) => match Variable::parse(name)? {
                        Variable::Capture(name) => match numbered(&name, expression) {
                            Some(group) => ReplacementPart::Group(group),
                            None => ReplacementPart::Variable(Variable::Capture(name)),
                        },
                        variable => ReplacementPart::Variable(variable),
                    },
                }
            };
            if let ReplacementPart::Literal(text) = part {
                literal.push_str(&text);
                continue;
            }
            if !literal.is_empty() {
                parts.push(ReplacementPart::Literal(std::mem::take(&mut literal).into()));
            }
            parts.push(part);
        }
        if !literal.is_empty() {
            parts.push(ReplacementPart::Literal(literal.into()));
        }
        Ok(Replacement { parts: parts.into(), text: text.into() })
    }

    /// Its variables, in their order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            ReplacementPart::Variable(variable) => Some(variable),
            ReplacementPart::Literal(_) | ReplacementPart::Group(_) => None,
        })
    }
}

/// The group that is named after a `$`, and what follows the name.
fn group<'t>(text: &'t str, expression: &Expression) -> Result<(usize, &'t str), Complaint> {
    const ITSELF: &str = "write `$$` for the character itself";
    if let Some(inside) = text.strip_prefix('{') {
        let (name, after) = inside.split_once('}').ok_or_else(|| Complaint::new("`${` has no partner").hint(ITSELF))?;
        return Ok((named(name, expression)?, after));
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 1 {
        return Err(Complaint::new(format!("`${}` can be read in two ways", &text[..digits]))
            .hint("give the group a name: `(?<name>…)`, and write `{capture.name}`"));
    }
    if digits == 1 {
        let (digit, after) = text.split_at(1);
        let number = usize::from(digit.as_bytes()[0] - b'0');
        let groups = expression.regex().captures_len() - 1;
        return match number <= groups {
            true => Ok((number, after)),
            false => Err(Complaint::new(format!("the expression has no group {number}")).hint(match groups {
                0 => "put brackets around what `$1` is to be".to_owned(),
                1 => "it has one: write `$1`".to_owned(),
                _ => format!("it has {groups}: write `$1` to `${groups}`"),
            })),
        };
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    match is_identifier(name) {
        true => Ok((named(name, expression)?, after)),
        false => Err(Complaint::new("no group is named after the `$`").hint(ITSELF)),
    }
}

fn named(name: &str, expression: &Expression) -> Result<usize, Complaint> {
    numbered(name, expression).ok_or_else(|| {
        let complaint = Complaint::new(format!("the expression has no group called `{name}`"));
        match suggest::hint(name, expression.regex().capture_names().flatten()) {
            Some(hint) => complaint.hint(hint),
            None => complaint.hint(format!("write `(?<{name}>…)` in it, or `$1` for its first group")),
        }
    })
}

fn numbered(name: &str, expression: &Expression) -> Option<usize> {
    expression.regex().capture_names().position(|known| known == Some(name))
}

impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReplacementPart::{Group, Literal};

    fn parse(text: &str) -> Result<Replacement, Complaint> {
        let expression = Expression::parse(r"^/(\w+)/(?<rest>.*)$").expect("an expression");
        Replacement::parse(text, &expression)
    }

    #[test]
    fn groups_and_variables_are_told_apart() {
        for (text, parts) in [
            ("/$1/new", vec![Literal("/".into()), Group(1), Literal("/new".into())]),
            ("/$rest", vec![Literal("/".into()), Group(2)]),
            ("/${rest}x", vec![Literal("/".into()), Group(2), Literal("x".into())]),
            ("/{capture.rest}", vec![Literal("/".into()), Group(2)]),
            ("/{capture.id}", vec![Literal("/".into()), ReplacementPart::Variable(Variable::Capture("id".into()))]),
            ("/a$$b{{c", vec![Literal("/a$b{c".into())]),
            ("$0{host}", vec![Group(0), ReplacementPart::Variable(Variable::Host)]),
        ] {
            let replacement = parse(text).expect(text);
            assert_eq!(*replacement.parts, *parts, "{text}");
            assert_eq!(replacement.to_string(), text);
        }
    }

    #[test]
    fn groups_that_are_not_there_are_refused() {
        for (text, hint) in [
            ("/$3", "it has 2: write `$1` to `$2`"),
            ("/$rst", "did you mean `rest`?"),
            ("/$12", "give the group a name: `(?<name>…)`, and write `{capture.name}`"),
            ("/$", "write `$$` for the character itself"),
            ("/${rest", "write `$$` for the character itself"),
            ("/{hst}", "did you mean `{host}`?"),
        ] {
            assert_eq!(parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
    }
}
