//! Which of two routes is asked first, whether one request could be for both, and whether one leaves the other any.

use super::{MatchConfig, RouteConfig};
use crate::value::{FieldPattern, PathKind};
use std::cmp::{Ordering, Reverse};

/// Which of two routes of one host is asked first: the higher priority; then the path, segment by segment; then methods
/// given before none; then the one with more headers, then with more parts of the query. Equal are those between which
/// there is no rule.
pub fn rank(a: &RouteConfig, b: &RouteConfig) -> Ordering {
    let priority = b.priority.cmp(&a.priority);
    let path = || a.matches.path.precedence(&b.matches.path);
    priority.then_with(path).then_with(|| conditions(&a.matches).cmp(&conditions(&b.matches)))
}

fn conditions(matches: &MatchConfig) -> (bool, Reverse<usize>, Reverse<usize>) {
    (matches.methods.is_none(), Reverse(matches.headers.len()), Reverse(matches.query.len()))
}

/// Whether one request could match both, as far as hosts, paths, priorities and counts are the same: by listeners,
/// methods, headers and query.
pub fn overlap(a: &RouteConfig, b: &RouteConfig) -> bool {
    let listeners = match (&a.listeners, &b.listeners) {
        (Some(a), Some(b)) => a.iter().any(|name| b.contains(name)),
        _ => true,
    };
    let (a, b) = (&a.matches, &b.matches);
    let methods = match (&a.methods, &b.methods) {
        (Some(some), Some(others)) => {
            some.iter().any(|method| takes(others, method)) || others.iter().any(|m| takes(some, m))
        }
        _ => true,
    };
    listeners && methods && meet(&a.headers, &b.headers) && meet(&a.query, &b.query)
}

/// Whether a route with these methods takes a request with this one. Who answers GET answers HEAD.
pub fn takes(methods: &[Box<str>], method: &str) -> bool {
    methods.iter().any(|known| **known == *method || method == "HEAD" && **known == *"GET")
}

/// Whether the conditions on one name, where both have one, leave a value for both.
fn meet<N: PartialEq>(some: &[(N, FieldPattern)], others: &[(N, FieldPattern)]) -> bool {
    some.iter().all(|(name, pattern)| {
        let other = others.iter().find(|(other, _)| other == name);
        other.is_none_or(|(_, other)| match (pattern, other) {
            (FieldPattern::Exact(a), b) => b.matches(a.as_bytes()),
            (a, FieldPattern::Exact(b)) => a.matches(b.as_bytes()),
            _ => true,
        })
    })
}

/// Whether every request that `b` matches, `a` matches too. May say no where that is hard to tell.
pub fn covers(a: &RouteConfig, b: &RouteConfig) -> bool {
    let listeners = match (&a.listeners, &b.listeners) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(a), Some(b)) => b.iter().all(|name| a.contains(name)),
    };
    let (a, b) = (&a.matches, &b.matches);
    let methods = match (&a.methods, &b.methods) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(a), Some(b)) => b.iter().all(|method| takes(a, method)),
    };
    listeners
        && methods
        && a.host == b.host
        && a.headers.iter().all(|condition| implied(condition, &b.headers))
        && a.query.iter().all(|condition| implied(condition, &b.query))
        && covers_path(a, b)
}

/// Whether the conditions `on` demand at least this one.
fn implied<N: PartialEq>((name, pattern): &(N, FieldPattern), on: &[(N, FieldPattern)]) -> bool {
    on.iter().filter(|(other, _)| other == name).any(|(_, other)| match (pattern, other) {
        (FieldPattern::Any, _) => true,
        (pattern, FieldPattern::Exact(value)) => pattern.matches(value.as_bytes()),
        (pattern, other) => pattern == other,
    })
}

fn covers_path(a: &MatchConfig, b: &MatchConfig) -> bool {
    let (a, b) = (&a.path, &b.path);
    match (a.kind, b.kind) {
        (PathKind::Regex, PathKind::Regex) => return a.literal == b.literal,
        (PathKind::Regex, _) => return false,
        (_, PathKind::Regex) => return a.kind == PathKind::Subtree && a.literal.is_empty(),
        _ => {}
    }
    let is_any = |segment: &str| segment.starts_with('{');
    // many pairs are looked at, and nearly all of them differ early
    let (mut wide, mut narrow) = (a.segments().peekable(), b.segments().peekable());
    while let Some(segment) = wide.next() {
        let Some(other) = narrow.next() else { return false };
        let (wide_ends, narrow_ends) = (wide.peek().is_none(), narrow.peek().is_none());
        let other_open = b.kind == PathKind::Prefix && narrow_ends;
        let last = a.kind == PathKind::Prefix && wide_ends;
        let fits = if last {
            !is_any(other) && other.starts_with(segment)
        } else if is_any(segment) {
            // `x*` goes on below its segment, so that what comes next has to take anything
            !other.is_empty() && (!other_open || a.kind == PathKind::Subtree && wide_ends)
        } else {
            segment == other && !other_open
        };
        if !fits {
            return false;
        }
        if last {
            return true;
        }
    }
    match a.kind {
        PathKind::Subtree => true,
        _ => b.kind == PathKind::Exact && narrow.peek().is_none(),
    }
}
