//! Which paths a route answers for: `/x` exactly, `/x/*` the segment and all below it, `/x*` all that starts so,
//! `/x/{id}` with any one segment in place of `{id}`, `~ REGEX` all that a regular expression finds.
//!
//! Patterns are compared with the normalised path, so one that normalisation could never produce is refused.

use super::path_rules::{check_bytes, check_names, check_segments};
use super::{Complaint, Expression};
use std::cmp::Ordering;
use std::fmt;

/// How much of the path a pattern speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// `/x`: this path only.
    Exact,
    /// `/x/*`: `/x` and everything below `/x/`, never `/xy`.
    Subtree,
    /// `/x*`: every path that starts with `/x`.
    Prefix,
    /// `~ REGEX`: every path in which the regular expression finds something.
    Regex,
}

/// A path pattern, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPattern {
    /// What the literal means.
    pub kind: PathKind,
    /// The text without the star and, for a subtree, without the slash before it: `/*` has the literal "". Segments may
    /// be `{name}`. Of a regular expression, the expression.
    pub literal: Box<str>,
}

/// One step of a pattern, as far as precedence goes: what comes first is more specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step<'a> {
    /// The path ends here.
    End,
    Literal(&'a str),
    /// `{name}`
    Any,
    /// `x*`: the longer, the more specific.
    Open(std::cmp::Reverse<usize>, &'a str),
    /// `*`
    Rest,
    /// All that a regular expression says.
    Regex,
}

/// The longest pattern. Longer paths never arrive: a request line has at most 8 KiB.
const LONGEST: usize = 4096;

impl PathPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        if let Some(expression) = text.strip_prefix('~') {
            return parse_regex(expression);
        }
        if let Some(path) = text.strip_prefix("^~").map(str::trim).filter(|path| path.starts_with('/')) {
            return Err(Complaint::new("`^~` is nginx's word for a prefix")
                .hint(format!("write `{}/*`", path.trim_end_matches(['*', '/']))));
        }
        if let Some(path) = text.strip_prefix('=').map(str::trim).filter(|path| path.starts_with('/')) {
            return Err(Complaint::new("`=` is nginx's word for one path alone").hint(format!("write `{path}`")));
        }
        if !text.starts_with('/') {
            return Err(Complaint::new("a path starts with `/`").hint(match text {
                "" | "*" => "write `/*` for every path".to_owned(),
                _ if text.contains("://") => "write the path alone, and the host as `host`".to_owned(),
                _ if text.starts_with('^') => format!("write `'~ {text}'` for a regular expression"),
                _ => format!("write `/{text}`"),
            }));
        }
        if text.len() > LONGEST {
            return Err(Complaint::new(format!("a path pattern has at most {LONGEST} bytes")));
        }
        let (kind, literal) = match text.strip_suffix('*') {
            None => (PathKind::Exact, text),
            Some(rest) => match rest.strip_suffix('/') {
                Some(segments) => (PathKind::Subtree, segments),
                None => (PathKind::Prefix, rest),
            },
        };
        check_names(text, kind, literal)?;
        check_bytes(text, literal)?;
        check_segments(text, kind, literal)?;
        Ok(PathPattern { kind, literal: literal.into() })
    }

    /// Its segments; of a regular expression none.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let literal = if self.kind == PathKind::Regex { "" } else { &self.literal };
        literal.split('/').skip(1)
    }

    /// Whether some of its segments are `{name}`.
    pub fn has_names(&self) -> bool {
        self.kind != PathKind::Regex && self.literal.contains('{')
    }

    /// What `{capture.…}` may name on a route with this path: its `{name}` segments, or its expression's groups.
    pub fn captures(&self) -> Vec<String> {
        match self.kind {
            PathKind::Regex => match self.expression() {
                Some(expression) => expression.names().map(str::to_owned).collect(),
                None => Vec::new(),
            },
            _ => self.segments().filter_map(name_of).map(str::to_owned).collect(),
        }
    }

    /// Its regular expression, if it is one.
    pub fn expression(&self) -> Option<Expression> {
        // it was read once, so it can be read again
        if self.kind == PathKind::Regex { Expression::parse(&self.literal).ok() } else { None }
    }

    /// The whole segments that every path it matches begins with, such as `/x` of `/x/{id}` and of `/x/y*`.
    pub fn leading_segments(&self) -> &str {
        let end = match self.kind {
            PathKind::Regex => 0,
            _ => self.literal.find("/{").unwrap_or(match self.kind {
                PathKind::Prefix => self.literal.rfind('/').unwrap_or(0),
                _ => self.literal.len(),
            }),
        };
        &self.literal[..end]
    }

    /// Which of two patterns is asked first: segment by segment, a literal before `{x}` before `/x*` before `/*`, and a
    /// regular expression last. Equal are those that differ in nothing but the names of their segments, and two regular
    /// expressions, between which there is no rule.
    pub fn precedence(&self, other: &PathPattern) -> Ordering {
        self.steps().cmp(other.steps())
    }

    fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let count = self.segments().count();
        let step = move |(at, segment): (usize, _)| match name_of(segment) {
            Some(_) => Step::Any,
            None if self.kind == PathKind::Prefix && at + 1 == count => {
                Step::Open(std::cmp::Reverse(segment.len()), segment)
            }
            None => Step::Literal(segment),
        };
        let end = match self.kind {
            PathKind::Exact => Some(Step::End),
            PathKind::Subtree => Some(Step::Rest),
            PathKind::Prefix => None,
            PathKind::Regex => Some(Step::Regex),
        };
        self.segments().enumerate().map(step).chain(end)
    }
}

/// The name of a `{name}` segment.
pub(super) fn name_of(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn parse_regex(text: &str) -> Result<PathPattern, Complaint> {
    let Some(expression) = text.strip_prefix(' ').map(str::trim) else {
        return Err(match text.strip_prefix('*') {
            Some(rest) => Complaint::new("`~*` is nginx's word for a regular expression that is blind to case")
                .hint(format!("write `'~ (?i){}'`", rest.trim())),
            None => Complaint::new("a space stands between `~` and a regular expression")
                .hint(format!("write `'~ {text}'`")),
        });
    };
    if let Some(path) = expression.strip_prefix("^~") {
        let path = path.trim();
        let complaint = Complaint::new("no path starts with `~`: `^~` is nginx's word for a prefix");
        return Err(match path.starts_with('/') {
            true => complaint.hint(format!("write `{}/*`", path.trim_end_matches(['*', '/']))),
            false => complaint.hint("write for example `/api/*`"),
        });
    }
    let expression = Expression::parse(expression)?;
    Ok(PathPattern { kind: PathKind::Regex, literal: expression.as_str().into() })
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == PathKind::Regex {
            f.write_str("~ ")?;
        }
        f.write_str(&self.literal)?;
        f.write_str(match self.kind {
            PathKind::Exact | PathKind::Regex => "",
            PathKind::Subtree => "/*",
            PathKind::Prefix => "*",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds_are_told_apart_and_written_back() {
        for (text, kind, literal) in [
            ("/", PathKind::Exact, "/"),
            ("/x", PathKind::Exact, "/x"),
            ("/x/", PathKind::Exact, "/x/"),
            ("/*", PathKind::Subtree, ""),
            ("/x/*", PathKind::Subtree, "/x"),
            ("/x*", PathKind::Prefix, "/x"),
            ("/.*", PathKind::Prefix, "/."),
            ("/a%20b/@:!$&'()+,=", PathKind::Exact, "/a%20b/@:!$&'()+,="),
        ] {
            let pattern = PathPattern::parse(text).expect(text);
            assert_eq!((pattern.kind, &*pattern.literal), (kind, literal));
            assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn names_stand_for_whole_segments() {
        let pattern = PathPattern::parse("/item/{id}/of/{owner_2}/*").expect("valid");
        assert_eq!((pattern.kind, &*pattern.literal), (PathKind::Subtree, "/item/{id}/of/{owner_2}"));
        assert_eq!(pattern.captures(), ["id", "owner_2"]);
        assert_eq!(pattern.leading_segments(), "/item");
        assert_eq!(PathPattern::parse("/x/yz*").expect("valid").leading_segments(), "/x");
        assert_eq!(PathPattern::parse("/x/y").expect("valid").leading_segments(), "/x/y");
        let regex = PathPattern::parse(r"~ ^/x/(?<id>\d+)$").expect("valid");
        assert_eq!((regex.kind, regex.captures()), (PathKind::Regex, vec!["id".to_owned()]));
        assert_eq!(regex.to_string(), r"~ ^/x/(?<id>\d+)$");
        for (text, message) in [
            ("/x-{id}", "`{name}` stands for a whole segment of a path"),
            ("/{id}.json", "`{name}` stands for a whole segment of a path"),
            ("/{id", "`{name}` stands for a whole segment of a path"),
            ("/{a/b}", "`{name}` stands for a whole segment of a path"),
            ("/{id}*", "nothing can follow `{name}` within its segment"),
            ("/{}", "`` cannot be the name of a segment"),
            ("/{1a}", "`1a` cannot be the name of a segment"),
            ("/{a-b}", "`a-b` cannot be the name of a segment"),
            ("/{a}/{a}", "two segments are called `a`"),
            ("~^/x", "a space stands between `~` and a regular expression"),
            (r"~* \.php$", "`~*` is nginx's word for a regular expression that is blind to case"),
            ("~ (", "not a regular expression: unclosed group"),
        ] {
            let complaint = PathPattern::parse(text).unwrap_err();
            assert_eq!(complaint.message, message, "{text}");
            assert!(complaint.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn the_more_specific_pattern_comes_first() {
        let order = [
            "/", "/a", "/a/b", "/a/{x}", "/a/bb*", "/a/b*", "/a/*", "/{x}", "/{x}/b", "/{x}/{y}", "/{x}/*", "/ab*",
            "/a*", "/*", "~ ^/a",
        ];
        for (at, one) in order.iter().enumerate() {
            for (other_at, other) in order.iter().enumerate() {
                let [one, other] = [one, other].map(|text| PathPattern::parse(text).expect(text));
                assert_eq!(one.precedence(&other), at.cmp(&other_at), "{one} {other}");
            }
        }
        let [one, other] = ["/{a}/*", "/{b}/*"].map(|text| PathPattern::parse(text).expect(text));
        assert_eq!(one.precedence(&other), Ordering::Equal);
    }

    #[test]
    fn what_could_never_match_is_refused_with_the_right_spelling() {
        for (text, hint) in [
            ("x", "write `/x`"),
            ("*", "write `/*` for every path"),
            ("/x/**", "write `/x/*`"),
            ("/x?a=1", "write `/x`"),
            ("/a//b", "write `/a/b`"),
            ("/a//*", "write `/a/*`"),
            ("/a/../b", "write the path without them"),
            ("/a/./*", "write the path without them"),
            ("/%61", "write `a`"),
            ("/a%c3%b8", "write `%C3`"),
            ("/a b", "write `/a%20b`"),
            ("/brød/*", "write `/br%C3%B8d/*`"),
            ("/a\\b", "write `/a/b`"),
            ("/a;b", "write `/a*`"),
            ("/100%", "write `%25` for a percent sign"),
        ] {
            assert_eq!(PathPattern::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        for text in ["", "/*/x", "/a%2Fb", "/a%5c", "/a%00", "/a\tb", "/#a"] {
            assert!(PathPattern::parse(text).is_err(), "{text}");
        }
    }
}
