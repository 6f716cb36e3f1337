//! Which paths a route answers for: `/x` exactly, `/x/*` the segment and all below it, `/x*` all that starts so.
//!
//! Patterns are compared with the normalised path, so one that normalisation could never produce is refused.

use super::Complaint;
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
}

/// A path pattern, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPattern {
    /// What the literal means.
    pub kind: PathKind,
    /// The text without the star and, for a subtree, without the slash before it: `/*` has the literal "".
    pub literal: Box<str>,
}

/// The longest pattern. Longer paths never arrive: a request line has at most 8 KiB.
const LONGEST: usize = 4096;

impl PathPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        if text == "~" || text.starts_with("~ ") || text.starts_with("~^") {
            return Err(Complaint::new("regular expressions in paths are not built yet")
                .hint("write `/x`, `/x/*` or `/x*` for now"));
        }
        if !text.starts_with('/') {
            return Err(Complaint::new("a path starts with `/`").hint(match text {
                "" | "*" => "write `/*` for every path".to_owned(),
                _ if text.contains("://") => "write the path alone, and the host as `host`".to_owned(),
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
        check_bytes(text, literal)?;
        check_segments(text, kind, literal)?;
        Ok(PathPattern { kind, literal: literal.into() })
    }

    /// Whether the normalised path matches.
    pub fn matches(&self, path: &str) -> bool {
        match (self.kind, path.strip_prefix(&*self.literal)) {
            (_, None) => false,
            (PathKind::Exact, Some(rest)) => rest.is_empty(),
            (PathKind::Subtree, Some(rest)) => rest.is_empty() || rest.starts_with('/'),
            (PathKind::Prefix, Some(_)) => true,
        }
    }
}

fn check_bytes(text: &str, literal: &str) -> Result<(), Complaint> {
    for (at, byte) in literal.bytes().enumerate() {
        match byte {
            b'*' => {
                return Err(Complaint::new("`*` stands only at the end of a path").hint(
                    if literal.trim_end_matches('*').contains('*') {
                        "write `/x/*` for all below `/x`, or `/x*` for all that starts so".to_owned()
                    } else {
                        format!("write `{}*`", text.trim_end_matches('*'))
                    },
                ));
            }
            b'{' | b'}' => {
                return Err(Complaint::new("`{…}` segments in paths are not built yet")
                    .hint("write `/x/*` for all below `/x` for now"));
            }
            b'?' => {
                return Err(Complaint::new("a path holds no query").hint(format!("write `{}`", &literal[..at])));
            }
            b'#' => {
                return Err(Complaint::new("a path holds no fragment: clients never send one")
                    .hint(format!("write `{}`", &literal[..at])));
            }
            b';' => {
                return Err(Complaint::new("a path with `;` never matches: services disagree on what `;` means")
                    .hint(format!("write `{}*`", &literal[..at])));
            }
            b'\\' => {
                return Err(Complaint::new("a path holds no backslash: it would never match")
                    .hint(format!("write `{}`", text.replace('\\', "/"))));
            }
            b'%' => check_escape(literal, at)?,
            0x21..=0x7e if !b"\"<>^`|".contains(&byte) => {}
            _ => return Err(needs_escape(text, literal, at)),
        }
    }
    Ok(())
}

/// Normalisation decodes letters, digits and `-._~`, writes other escapes in capitals, and lets neither slash be hidden.
fn check_escape(literal: &str, at: usize) -> Result<(), Complaint> {
    let digits = literal.as_bytes().get(at + 1..at + 3).filter(|two| two.iter().all(u8::is_ascii_hexdigit));
    let Some(Ok(digits)) = digits.map(std::str::from_utf8) else {
        return Err(Complaint::new("`%` is followed by two hexadecimal digits").hint("write `%25` for a percent sign"));
    };
    let byte = u8::from_str_radix(digits, 16).unwrap_or(0);
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        return Err(Complaint::new(format!("`%{digits}` is decoded before paths are compared"))
            .hint(format!("write `{}`", char::from(byte))));
    }
    if byte == b'/' || byte == b'\\' || byte == b';' || byte.is_ascii_control() {
        return Err(Complaint::new(format!(
            "a path with `%{digits}` never matches: services disagree on what it means"
        )));
    }
    if digits.bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(Complaint::new(format!("`%{digits}` is compared in capitals"))
            .hint(format!("write `%{}`", digits.to_ascii_uppercase())));
    }
    Ok(())
}

fn needs_escape(text: &str, literal: &str, at: usize) -> Complaint {
    let odd = literal[at..].chars().next().unwrap_or(' ');
    if odd.is_control() {
        return Complaint::new(format!("a path holds no `{}`", odd.escape_default()));
    }
    let mut escaped = String::new();
    for c in text.chars() {
        if c.is_ascii_graphic() && !"\"<>^`|".contains(c) {
            escaped.push(c);
        } else {
            let mut utf8 = [0; 4];
            escaped.extend(c.encode_utf8(&mut utf8).bytes().map(|b| format!("%{b:02X}")));
        }
    }
    Complaint::new(format!("`{odd}` arrives percent-encoded in a path")).hint(format!("write `{escaped}`"))
}

/// Whole segments only: the last one of a prefix goes on.
fn check_segments(text: &str, kind: PathKind, literal: &str) -> Result<(), Complaint> {
    if text.contains("//") {
        let mut merged = text.to_owned();
        while merged.contains("//") {
            merged = merged.replace("//", "/");
        }
        return Err(Complaint::new("slashes are merged before paths are compared").hint(format!("write `{merged}`")));
    }
    let mut segments = literal.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let open = kind == PathKind::Prefix && segments.peek().is_none();
        if (segment == "." || segment == "..") && !open {
            return Err(Complaint::new(format!("`{segment}` segments are resolved before paths are compared"))
                .hint("write the path without them"));
        }
    }
    Ok(())
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.literal)?;
        f.write_str(match self.kind {
            PathKind::Exact => "",
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
    fn a_subtree_holds_its_root_and_all_below_but_no_sibling() {
        let matches = |pattern: &str, path: &str| PathPattern::parse(pattern).expect(pattern).matches(path);
        for (pattern, path, expected) in [
            ("/x", "/x", true),
            ("/x", "/x/", false),
            ("/x/*", "/x", true),
            ("/x/*", "/x/", true),
            ("/x/*", "/x/y", true),
            ("/x/*", "/xy", false),
            ("/x*", "/xy", true),
            ("/x*", "/", false),
            ("/*", "/", true),
            ("/*", "/a", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
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

    #[test]
    fn the_kinds_to_come_say_that_they_are_not_built_yet() {
        for text in ["/item/{id}", "/{id}/x*", r"~ ^/x/(?<id>\d+)$"] {
            let complaint = PathPattern::parse(text).unwrap_err();
            assert!(complaint.message.ends_with("not built yet"), "{complaint}");
        }
    }
}
