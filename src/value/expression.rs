//! A regular expression, compiled when it is read. Matching takes time linear in the text, whatever the expression.

use super::Complaint;
use regex::bytes::{Regex, RegexBuilder};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Memory an expression may compile to, in bytes.
const PROGRAM_BYTES_MAX: usize = 256 * 1024;
/// Memory each thread may keep to match one faster, in bytes.
const CACHE_BYTES_MAX: usize = 256 * 1024;
/// The longest expression, in bytes.
const LONGEST: usize = 4096;

/// A regular expression. Two are equal when they are written alike.
#[derive(Clone, Debug)]
pub struct Expression {
    regex: Regex,
}

impl Expression {
    /// Reads an expression. It is compared byte by byte: `\d` and `\w` are of ASCII. Look-around and back references
    /// do not exist: they would take exponential time.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        if text.is_empty() {
            return Err(
                Complaint::new("an empty regular expression matches everything").hint("write one, such as `^/x/`")
            );
        }
        if text.len() > LONGEST {
            return Err(Complaint::new(format!("a regular expression has at most {LONGEST} bytes")));
        }
        if let Some(odd) = text.chars().find(|c| c.is_control()) {
            return Err(Complaint::new(format!("a regular expression holds no `{}`", odd.escape_default()))
                .hint("within double quotes `\\` begins an escape: write the expression in single quotes"));
        }
        build(text, false).map(|regex| Expression { regex }).map_err(|error| complaint(&error))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    /// The same, blind to case.
    pub fn without_case(&self) -> Regex {
        // whatever compiles does so blind to case too, unless it grows too large by it: then it is matched as it is
        build(self.as_str(), true).unwrap_or_else(|_| self.regex.clone())
    }

    /// The names of its groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.regex.capture_names().flatten()
    }

    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }
}

fn build(text: &str, without_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .unicode(false)
        .case_insensitive(without_case)
        .size_limit(PROGRAM_BYTES_MAX * if without_case { 4 } else { 1 })
        .dfa_size_limit(CACHE_BYTES_MAX)
        .build()
}

/// In one line: the library draws a picture.
fn complaint(error: &regex::Error) -> Complaint {
    let text = match error {
        regex::Error::Syntax(picture) => {
            picture.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
        regex::Error::CompiledTooBig(_) => {
            return Complaint::new("this regular expression is too large")
                .hint("repeat less: every `{n}` stands for n copies of what it repeats");
        }
        other => other.to_string(),
    };
    let hint = if text.contains("look-around") || text.contains("backreferences") {
        "express it without: those take exponential time; a second route with another `priority` can take the exceptions"
    } else if text.contains("escape") {
        "write `\\.` for a dot itself, and the whole in single quotes, so that YAML leaves its backslashes alone"
    } else if text.contains("unclosed") || text.contains("unopened") {
        "give every bracket its partner; `\\(` is the bracket itself"
    } else if text.contains("repetition") {
        "`*`, `+`, `?` and `{…}` stand behind what they repeat; `\\*` is the star itself"
    } else {
        "the syntax is that of the Rust library `regex`, which is nearly that of Perl"
    };
    let complaint = Complaint::new(format!("not a regular expression: {text}")).hint(hint);
    match offending(&error.to_string()) {
        Some(part) => complaint.part(part),
        None => complaint,
    }
}

/// What the library's picture points at: the expression in one line, in the next a caret below its first wrong character.
fn offending(picture: &str) -> Option<&str> {
    let mut lines = picture.lines();
    let expression = lines.nth(1)?;
    let carets = lines.next().filter(|line| line.trim_start().starts_with('^'))?;
    let column = carets.chars().take_while(|c| *c == ' ').count();
    let start = expression.char_indices().nth(column)?.0;
    expression.get(start..)
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Expression {}

impl PartialOrd for Expression {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Expression {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Expression {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_and_names_its_groups() {
        let expression = Expression::parse(r"^/x/(?<id>\d+)(/\w)?$").expect("valid");
        assert_eq!(expression.names().collect::<Vec<_>>(), ["id"]);
        assert!(expression.is_match(b"/x/12/a") && !expression.is_match("/x/١".as_bytes()));
        assert!(Expression::parse("^/X").expect("valid").without_case().is_match(b"/x"));
        assert!(Expression::parse("brød").expect("valid").is_match("/brød".as_bytes()));
    }

    #[test]
    fn what_is_no_expression_says_why_in_one_line() {
        for (text, message) in [
            ("(a", "not a regular expression: unclosed group"),
            ("a)", "not a regular expression: unopened group"),
            ("*a", "not a regular expression: repetition operator missing expression"),
            (r"\q", "not a regular expression: unrecognized escape sequence"),
            ("(?=a)", "not a regular expression: look-around, including look-ahead and look-behind, is not supported"),
            (r"(a)\1", "not a regular expression: backreferences are not supported"),
            (r"((\w{100}){100}){100}", "this regular expression is too large"),
            ("", "an empty regular expression matches everything"),
            ("a\u{8}b", "a regular expression holds no `\\u{8}`"),
        ] {
            let complaint = Expression::parse(text).unwrap_err();
            assert_eq!(complaint.message, message, "{text}");
            assert!(complaint.hint.is_some() && !complaint.message.contains('\n'));
        }
    }
}
