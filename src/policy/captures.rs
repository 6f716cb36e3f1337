//! What the parts of a route's path pattern matched: `{capture.id}`.

use crate::value::{Expression, PathKind, PathPattern};
use std::ops::Range;

/// Where in a path its captures are.
#[derive(Clone, Debug)]
pub enum Captures {
    /// Whole segments, each with its number from 0.
    Segments(Box<[(Box<str>, usize)]>),
    /// Groups of a regular expression.
    Groups(Expression),
}

impl Captures {
    /// The captures of a pattern, if it has any.
    pub fn of(pattern: &PathPattern) -> Option<Captures> {
        if pattern.kind == PathKind::Regex {
            return pattern.expression().filter(|e| e.names().next().is_some()).map(Captures::Groups);
        }
        let named = |(at, segment): (usize, &str)| {
            let name = segment.strip_prefix('{')?.strip_suffix('}')?;
            Some((name.into(), at))
        };
        let segments: Box<[_]> = pattern.segments().enumerate().filter_map(named).collect();
        (!segments.is_empty()).then_some(Captures::Segments(segments))
    }

    /// The part of `normal`, a path in its normal form, that `name` stands for; nothing where it took no part.
    pub fn range(&self, name: &str, normal: &[u8]) -> Option<Range<usize>> {
        match self {
            Captures::Segments(named) => {
                let (_, number) = named.iter().find(|(known, _)| **known == *name)?;
                let slash = memchr::memchr_iter(b'/', normal).nth(*number)?;
                let len = memchr::memchr(b'/', &normal[slash + 1..]).unwrap_or(normal.len() - slash - 1);
                Some(slash + 1..slash + 1 + len)
            }
            Captures::Groups(expression) => {
                expression.regex().captures(normal).and_then(|found| found.name(name).map(|group| group.range()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(pattern: &str, name: &str, path: &str) -> Option<String> {
        let captures = Captures::of(&PathPattern::parse(pattern).expect(pattern))?;
        captures.range(name, path.as_bytes()).map(|range| path[range].to_owned())
    }

    #[test]
    fn a_name_stands_for_its_segment_or_its_group() {
        for (pattern, name, path, found) in [
            ("/item/{id}", "id", "/item/7", Some("7")),
            ("/item/{id}/of/{owner}/*", "owner", "/item/7/of/me/and/you", Some("me")),
            ("/item/{id}/*", "id", "/item/7/", Some("7")),
            (r"~ ^/x/(?<id>\d+)(/(?<rest>.*))?$", "id", "/x/12/y", Some("12")),
            (r"~ ^/x/(?<id>\d+)(/(?<rest>.*))?$", "rest", "/x/12", None),
            ("/item/{id}", "other", "/item/7", None),
            ("/item", "id", "/item", None),
            ("~ ^/x", "id", "/x", None),
        ] {
            assert_eq!(capture(pattern, name, path).as_deref(), found, "{pattern} {name}");
        }
    }
}
