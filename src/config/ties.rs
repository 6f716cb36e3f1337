//! Routes between which there is no rule, and routes that another one leaves no request.

use super::lints::SHADOWED_ROUTE;
use super::rank::{covers, overlap, rank};
use super::reading::Reading;
use super::suggest::shown;
use super::{Diagnostic, RouteConfig};
use crate::value::{FieldPattern, HostPattern, PathKind};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Routes of one host and rank that are compared pair by pair; and routes of one host, to see which one leaves which no request.
/// With more there is much to read, and comparing every pair takes seconds.
const COMPARED_MAX: usize = 2000;
/// Pairs of routes of all hosts that are looked at to see which leaves which no request: what is beyond takes seconds.
const PAIRS_MAX: usize = 4_000_000;

/// Complains about routes of equal rank that one request could match, and warns of those that never get one.
pub(super) fn routes(routes: &[RouteConfig], reading: &Reading<'_>) {
    let mut sound: Vec<&RouteConfig> = routes.iter().filter(|route| route.sound).collect();
    sound.sort_by(|a, b| a.matches.host.cmp(&b.matches.host).then_with(|| rank(a, b)));
    let mut room = PAIRS_MAX;
    for of_host in sound.chunk_by(|a, b| a.matches.host == b.matches.host) {
        for equal in of_host.chunk_by(|a, b| rank(a, b).is_eq()).filter(|equal| equal.len() > 1) {
            ties(equal, reading);
        }
        // among literals of one priority, the more specific one never takes all of the other
        let plain = |route: &RouteConfig| {
            route.priority == 0 && route.matches.path.kind != PathKind::Regex && !route.matches.path.has_names()
        };
        if of_host.len() <= COMPARED_MAX && !of_host.iter().all(|route| plain(route)) {
            let pairs = of_host.len() * of_host.len() / 2;
            if pairs <= room {
                room -= pairs;
                shadows(of_host, reading);
            }
        }
    }
}

/// Whether they are of equal rank and one request could be for both.
pub(super) fn tie(a: &RouteConfig, b: &RouteConfig) -> bool {
    a.matches.host == b.matches.host && rank(a, b).is_eq() && overlap(a, b)
}

/// Reports each route that ties with one before it.
fn ties(routes: &[&RouteConfig], reading: &Reading<'_>) {
    let mut routes = routes.to_vec();
    routes.sort_by_key(|route| route.at);
    // Different values of one header or part of the query keep routes apart, however many there are.
    let mut often: HashMap<(bool, &str), usize> = HashMap::new();
    routes.iter().flat_map(|route| fixed(route)).for_each(|(name, _)| *often.entry(name).or_default() += 1);
    let mut groups: HashMap<(bool, &str), HashMap<&str, Vec<&RouteConfig>>> = HashMap::new();
    for route in routes {
        let apart = fixed(route).max_by_key(|(name, _)| (often.get(name), Reverse(*name)));
        let (name, value) = apart.unwrap_or_default();
        let of_name = groups.get(&name).and_then(|values| values.get(value)).into_iter();
        let of_others = groups.iter().filter(|(other, _)| **other != name).flat_map(|(_, values)| values.values());
        let others = of_name.chain(of_others).flat_map(|routes| routes.iter().rev().take(COMPARED_MAX));
        let mut others = others.take(COMPARED_MAX);
        if let Some(other) = others.find(|other| overlap(route, other)) {
            tell_tie(route, other, reading);
        }
        groups.entry(name).or_default().entry(value).or_default().push(route);
    }
}

/// The headers, and parts of the query, that must have one value, and that.
fn fixed(route: &RouteConfig) -> impl Iterator<Item = ((bool, &str), &str)> {
    let headers = route.matches.headers.iter().map(|(name, pattern)| ((true, name.as_str()), pattern));
    let query = route.matches.query.iter().map(|(name, pattern)| ((false, &**name), pattern));
    headers.chain(query).filter_map(|(name, pattern)| match pattern {
        FieldPattern::Exact(value) => Some((name, &**value)),
        FieldPattern::Any | FieldPattern::Matches(_) => None,
    })
}

fn tell_tie(route: &RouteConfig, other: &RouteConfig, reading: &Reading<'_>) {
    let regexes = route.matches.path.kind == PathKind::Regex;
    let alike = route.matches == other.matches;
    let message = match (regexes, alike) {
        (_, true) => "two routes take the same requests",
        (true, _) => "two regular expressions of one host have the same priority: one path may match both",
        _ => "two routes have equal rank, and one request could match both",
    };
    let hint = match (regexes, alike) {
        (true, false) => "give one of them a `priority`, such as 1: the higher one is asked first",
        (_, true) => "give them different hosts, paths or listeners, or leave one out",
        _ => "give one of them a `priority`, such as 1, or conditions that exclude each other",
    };
    reading.tell(
        Diagnostic::error(reading.first_line(route.at), message)
            .label(format!("route `{}`", shown(&route.name())))
            .other(reading.first_line(other.at), format!("route `{}`", shown(&other.name())))
            .hint(hint),
    );
}

/// Warns of each route all of whose requests one of higher rank takes. `routes` are of one host, in the order of their rank.
fn shadows(routes: &[&RouteConfig], reading: &Reading<'_>) {
    for (at, route) in routes.iter().enumerate() {
        let before = &routes[..at];
        let Some(other) = before.iter().find(|other| covers(other, route) && rank(other, route).is_lt()) else {
            continue;
        };
        let host = match &route.matches.host {
            Some(HostPattern::Exact(_) | HostPattern::Wildcard(_)) => " of this host",
            None => "",
        };
        reading.tell(
            Diagnostic::warning(
                &SHADOWED_ROUTE,
                reading.first_line(route.at),
                format!("the route `{}` gets no request", shown(&route.name())),
            )
            .label("asked later")
            .other(reading.first_line(other.at), format!("`{}`{host} takes all of them first", shown(&other.name())))
            .hint(match (route.matches.path.kind, route.priority == other.priority) {
                (PathKind::Regex, true) => {
                    "a regular expression is asked last: give this route a `priority`, such as 1".to_owned()
                }
                _ => format!("give it a `priority` above {}, or leave it out", other.priority),
            }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bundle, review_all};

    fn messages(routes: &str) -> Vec<String> {
        let text = format!(
            "version: 1\nlisteners: {{ web: {{ address: \":8080\" }} }}\nupstreams: {{ app: {{ endpoints: [\"a:1\"] }} }}\nroutes:\n{routes}"
        );
        let (_, report) = review_all(&Bundle::one("gateway.yaml", &text), &|_| None);
        report.diagnostics.iter().map(|d| format!("{} {}", report.position(d).line, d.message)).collect()
    }

    #[test]
    fn whichever_condition_keeps_many_routes_apart_a_tie_among_them_is_found() {
        let route = |header: usize, version: usize| {
            format!(
                "  - {{ name: r{header}, match: {{ path: /a, headers: {{ X-{header}: v }}, query: {{ v: \"{version}\" }} }}, upstream: app }}\n"
            )
        };
        let many: String = (0..3000).map(|n| route(n, n)).collect();
        assert_eq!(messages(&many), [""; 0]);
        let tie = "3005 two routes have equal rank, and one request could match both";
        assert_eq!(messages(&(many + &route(3000, 7))), [tie]);
    }
}
