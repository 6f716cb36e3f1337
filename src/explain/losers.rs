//! Why the other routes do not take a request: the first thing of each that it does not match, or what the winner has over it.

use crate::config::rank::rank;
use crate::config::{Document, RouteConfig};
use crate::http::request::RequestHead;
use crate::table::{Conditions, Found, Host, RouteIndexBuilder, Unmet, canonical};
use crate::value::{HostPattern, PathKind, PathPattern};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A route that does not take the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loser {
    pub route: String,
    /// The key that decides: `match.path`, `priority`.
    pub field: String,
    pub because: String,
    /// Where it stands: file and line.
    pub at: String,
}

/// The first thing of `route` that keeps it from a request that comes in by `listener`; `None` if it matches.
pub fn mismatch(
    route: &RouteConfig,
    listener: &str,
    host: &[u8],
    head: &RequestHead<'_, '_>,
    trusted: bool,
) -> Option<(String, String)> {
    let found = |of: Host<'_>, path: &PathPattern| {
        let mut builder = RouteIndexBuilder::default();
        builder.add(of, 0, path, 0);
        builder.build().find(host, head.target.path(), |_| true)
    };
    let said = |field: &str, because: String| Some((field.to_owned(), because));
    if let Some(names) = &route.listeners
        && !names.iter().any(|name| *name.value == *listener)
    {
        let names: Vec<&str> = names.iter().map(|name| &*name.value).collect();
        return said("listeners", format!("it is on {} only", names.join(", ")));
    }
    if let Some(pattern) = &route.matches.host {
        let of = match pattern {
            HostPattern::Exact(name) => Host::Exact(name),
            HostPattern::Wildcard(suffix) => Host::Wildcard(suffix),
        };
        let all = PathPattern { kind: PathKind::Subtree, literal: "".into() };
        if found(of, &all) == Found::None {
            return said("match.host", format!("`{pattern}` is another host"));
        }
    }
    let path = &route.matches.path;
    if found(Host::Any, path) == Found::None {
        return said("match.path", another_path(path, head));
    }
    let conditions = Conditions::of(&route.matches)?;
    let wanted = |pattern: &dyn std::fmt::Display| format!("it wants `{pattern}`");
    match conditions.check(head, trusted) {
        Ok(()) => None,
        Err(Unmet::Method) => {
            let methods = conditions.methods().unwrap_or_default().join(", ");
            said("match.methods", format!("it takes {methods} only"))
        }
        Err(Unmet::Header(name)) => {
            let pattern = route.matches.headers.iter().find(|(known, _)| known == name);
            said(&format!("match.headers.{}", name.as_str()), pattern.map_or_else(String::new, |(_, p)| wanted(p)))
        }
        // no route of a document demands one
        Err(Unmet::Proof) => None,
        Err(Unmet::Query(name)) => {
            let pattern = route.matches.query.iter().find(|(known, _)| **known == *name);
            said(&format!("match.query.{name}"), pattern.map_or_else(String::new, |(_, p)| wanted(p)))
        }
    }
}

/// How a pattern and a path that it does not match differ.
fn another_path(pattern: &PathPattern, head: &RequestHead<'_, '_>) -> String {
    let Ok(path) = canonical(head.target.path()) else { return format!("`{pattern}` is another path") };
    let path = String::from_utf8_lossy(&path);
    let literal = &*pattern.literal;
    let below = path.strip_prefix(literal.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'));
    match pattern.kind {
        PathKind::Exact if below => {
            format!("`{pattern}` is that path alone; `{}/*` takes what is below it too", literal.trim_end_matches('/'))
        }
        PathKind::Regex => format!("`{pattern}` finds nothing in it"),
        _ if !pattern.has_names() && path.to_ascii_lowercase().starts_with(&literal.to_ascii_lowercase()) => {
            format!("`{pattern}` differs from it in the case of letters")
        }
        _ if pattern.has_names() && pattern.segments().count() != path.matches('/').count() => {
            let (segments, own) = (pattern.segments().count(), path.matches('/').count());
            format!("`{pattern}` has {segments} segments, the path {own}")
        }
        _ => format!("`{pattern}` is another path"),
    }
}

/// What `winner` has over `other`, which matches too.
pub fn outranked(winner: &RouteConfig, other: &RouteConfig) -> (String, String) {
    let name = winner.name();
    let say = |field: &str, why: &str| (field.to_owned(), format!("it matches, but `{name}` {why}"));
    if winner.matches.host != other.matches.host {
        return say("match.host", "has the more specific host");
    }
    if winner.priority != other.priority {
        return say("priority", &format!("has priority {}, this one {}", winner.priority, other.priority));
    }
    if winner.matches.path.precedence(&other.matches.path) != Ordering::Equal {
        return match other.matches.path.kind {
            PathKind::Regex => say("match.path", "has no regular expression, which are asked last"),
            _ => say("match.path", "has the more specific path"),
        };
    }
    if winner.matches.methods.is_some() != other.matches.methods.is_some() {
        return say("match.methods", "names methods");
    }
    if winner.matches.headers.len() != other.matches.headers.len() {
        return say("match.headers", "names more headers");
    }
    say("match.query", "names more of the query")
}

/// All routes but the winner, in the order in which they would have been asked: those that match first.
pub fn losers(
    document: &Document,
    winner: Option<usize>,
    listener: &str,
    host: &[u8],
    head: &RequestHead<'_, '_>,
    trusted: bool,
    place: impl Fn(&RouteConfig) -> String,
) -> Vec<Loser> {
    let of = winner.and_then(|winner| document.routes.get(winner));
    let others = document.routes.iter().enumerate().filter(|(at, _)| Some(*at) != winner).map(|(_, route)| route);
    let mut found: Vec<(bool, &RouteConfig, Loser)> = others
        .map(|route| {
            let mismatch = mismatch(route, listener, host, head, trusted);
            let matches = mismatch.is_none();
            let (field, because) = mismatch.unwrap_or_else(|| match of {
                Some(winner) => outranked(winner, route),
                None => ("match".into(), "it matches, but the request is refused before it has a route".into()),
            });
            (matches, route, Loser { route: route.name().into_owned(), field, because, at: place(route) })
        })
        .collect();
    found.sort_by(|(matches, a, _), (others_match, b, _)| {
        let host = |route: &RouteConfig| route.matches.host.is_none();
        others_match.cmp(matches).then_with(|| host(a).cmp(&host(b))).then_with(|| rank(a, b))
    });
    found.into_iter().map(|(.., loser)| loser).collect()
}
