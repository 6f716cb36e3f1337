//! Which route wins, by the rule as the manual words it: every route is looked at, and none of the gateway's code is used.

use super::{Asked, End, Path, Route, Segment, Table, Value};
use std::cmp::Reverse;

/// Who wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Winner {
    Route(String),
    /// No route, but one would be for another method.
    OtherMethods,
    None,
    /// Two routes between which the rule does not decide.
    Tie(String, String),
}

/// The winner among all routes that match the whole request.
pub fn scan(table: &Table, asked: &Asked) -> Winner {
    let but_method = |route: &&Route| matches(route, asked);
    let mut matching: Vec<&Route> =
        table.routes.iter().filter(but_method).filter(|route| takes(route, asked.method)).collect();
    matching.sort_by_key(|route| rank(route));
    match matching.as_slice() {
        [] if table.routes.iter().any(|route| matches(route, asked)) => Winner::OtherMethods,
        [] => Winner::None,
        [first, second, ..] if rank(first) == rank(second) => Winner::Tie(first.name.clone(), second.name.clone()),
        [first, ..] => Winner::Route(first.name.clone()),
    }
}

/// Everything but the method.
fn matches(route: &Route, asked: &Asked) -> bool {
    let host = match route.host.map(|host| (host, host.strip_prefix("*."))) {
        None => true,
        Some((_, Some(parent))) => {
            asked.host.strip_suffix(parent).is_some_and(|before| before.len() > 1 && before.ends_with('.'))
        }
        Some((host, None)) => asked.host == host,
    };
    let listener = route.listeners.is_empty() || route.listeners.contains(&asked.listener);
    let headers = route.headers.iter().all(|(name, value)| {
        let lines = asked.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let lines: Vec<&str> = lines.map(|(_, value)| value.as_str()).collect();
        !lines.is_empty() && is(*value, &lines.join(", "))
    });
    let query = route
        .query
        .iter()
        .all(|(name, value)| asked.query.iter().find(|(own, _)| own == name).is_some_and(|(_, own)| is(*value, own)));
    host && listener && headers && query && on_path(&route.path, &asked.path)
}

fn is(value: Value, own: &str) -> bool {
    match value {
        Value::Any => true,
        Value::Exact(text) => own == text,
        Value::StartsWith(start) => own.starts_with(start),
    }
}

/// `GET` is `HEAD` too.
fn takes(route: &Route, method: &str) -> bool {
    let named = |method: &str| route.methods.contains(&method);
    route.methods.is_empty() || named(method) || method == "HEAD" && named("GET")
}

fn on_path(pattern: &Path, path: &str) -> bool {
    let (segments, end) = match pattern {
        Path::Expression(_, finds) => return finds(path),
        Path::Segments(segments, end) => (segments, *end),
    };
    let own: Vec<&str> = path.split('/').skip(1).collect();
    for (at, segment) in segments.iter().enumerate() {
        let Some(own) = own.get(at) else { return false };
        let last = at + 1 == segments.len();
        match segment {
            Segment::Any(_) if !own.is_empty() => {}
            Segment::Literal(text) if end == End::Starts && last => return own.starts_with(text),
            Segment::Literal(text) if own == text => {}
            _ => return false,
        }
    }
    match end {
        End::Exact => own.len() == segments.len(),
        End::Slash => own.len() == segments.len() + 1 && own.last() == Some(&""),
        End::Starts | End::Below => true,
    }
}

/// What comes first is asked first: host, priority, path, methods, headers, query.
fn rank(route: &Route) -> impl Ord {
    let host = match route.host.map(|host| host.strip_prefix("*.")) {
        Some(None) => (0, Reverse(0)),
        Some(Some(parent)) => (1, Reverse(parent.len())),
        None => (2, Reverse(0)),
    };
    let (expression, path) = match &route.path {
        Path::Expression(..) => (true, Vec::new()),
        Path::Segments(segments, end) => (false, precedence(segments, *end)),
    };
    let conditions = (route.methods.is_empty(), Reverse(route.headers.len()), Reverse(route.query.len()));
    (host, Reverse(route.priority), expression, path, conditions)
}

/// Segment by segment: literal before `{x}` before `/x*` before `/*`.
fn precedence(segments: &[Segment], end: End) -> Vec<(u8, Reverse<usize>)> {
    let mut ranks: Vec<(u8, Reverse<usize>)> = segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(_) => (0, Reverse(0)),
            Segment::Any(_) => (1, Reverse(0)),
        })
        .collect();
    match (end, segments.last()) {
        (End::Starts, Some(Segment::Literal(text))) => {
            ranks.pop();
            // the longer one says more
            ranks.push((2, Reverse(text.len())));
        }
        (End::Below, _) => ranks.push((3, Reverse(0))),
        (End::Slash, _) => ranks.push((0, Reverse(0))),
        _ => {}
    }
    // an end is as good as a literal: only `*` stands behind it
    ranks.resize(8, (0, Reverse(0)));
    ranks
}
