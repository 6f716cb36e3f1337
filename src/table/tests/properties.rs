//! The index beside the rule as it is written: on random routes, both find the same route for every plain path.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::cmp::Ordering;

/// A pattern, segment by segment. A path matches segment by segment too.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Literal(String),
    /// `{x}`
    Any,
    /// `x*`
    Starts(String),
    /// `*` as a whole segment: what follows, or nothing.
    Rest,
}

pub(super) fn parts(pattern: &str) -> Vec<Part> {
    let segments = pattern.split('/').skip(1);
    let part = |segment: &str| match segment.strip_suffix('*') {
        Some("") => Part::Rest,
        Some(start) => Part::Starts(start.into()),
        None if segment.starts_with('{') => Part::Any,
        None => Part::Literal(segment.into()),
    };
    segments.map(part).collect()
}

pub(super) fn matches(parts: &[Part], path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (at, part) in parts.iter().enumerate() {
        match (part, segments.get(at)) {
            (Part::Literal(literal), Some(segment)) if literal == segment => {}
            (Part::Any, Some(segment)) if !segment.is_empty() => {}
            (Part::Starts(start), Some(segment)) => return segment.starts_with(start),
            (Part::Rest, _) => return true,
            _ => return false,
        }
    }
    segments.len() == parts.len()
}

/// "Segment by segment: literal before `{x}` before `/x*` before `/*`."
fn precedence(a: &[Part], b: &[Part]) -> Ordering {
    let rank = |part: Option<&Part>| match part {
        None | Some(Part::Literal(_)) => (0, 0),
        Some(Part::Any) => (1, 0),
        Some(Part::Starts(start)) => (2, usize::MAX - start.len()),
        Some(Part::Rest) => (3, 0),
    };
    let decides = (0..a.len().max(b.len())).map(|at| rank(a.get(at)).cmp(&rank(b.get(at))));
    decides.fold(Ordering::Equal, Ordering::then)
}

/// The route that the rule names: the first of the best of all patterns that match.
pub(super) fn scan(patterns: &[String], path: &str, accepts: impl Fn(u32) -> bool) -> Option<u32> {
    let routes = patterns.iter().map(|pattern| parts(pattern)).zip(1..);
    let matching = routes.filter(|(parts, id)| matches(parts, path) && accepts(*id));
    matching.min_by(|(a, _), (b, _)| precedence(a, b)).map(|(_, id)| id)
}

fn segment() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "ab", "ba", "aab", ".a", "a-b"])
}

/// `/a/b`, with a `/`, `*` or `/*` behind it or not; some segments are `{x}`.
pub(super) fn pattern() -> impl Strategy<Value = String> {
    let end = select(vec!["", "/", "*", "/*"]);
    let part = prop_oneof![6 => segment(), 1 => Just("{x}")];
    (vec(part, 0..4), end).prop_map(|(segments, end)| match (segments.last(), end) {
        (None, "" | "/") => "/".into(),
        (None, _) => "/*".into(),
        (Some(&"{x}"), "*") => format!("/{}/*", segments.join("/")),
        _ => format!("/{}{end}", segments.join("/")),
    })
}

/// Whether a path matches.
type Says = fn(&str) -> bool;

/// Regular expressions and what they say, blind to case, of a path in lower case.
const EXPRESSIONS: [(&str, Says); 4] = [
    ("~ ^/a", |path| path.starts_with("/a")),
    ("~ b/?$", |path| path.ends_with('b') || path.ends_with("b/")),
    ("~ ^/[ab]+/[^/]*$", |path| {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let [first, _] = segments[..] else { return false };
        !first.is_empty() && first.bytes().all(|b| matches!(b, b'a' | b'b'))
    }),
    ("~ .", |_| true),
];

fn plain_path() -> impl Strategy<Value = String> {
    (vec(segment(), 1..5), select(vec!["", "/"])).prop_map(|(segments, end)| format!("/{}{end}", segments.join("/")))
}

/// The route of an index, if there is one.
fn route(found: Found) -> Option<u32> {
    if let Found::Route(id) = found { Some(id) } else { None }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn the_index_finds_what_the_rule_names(
        patterns in vec(pattern(), 0..20),
        paths in vec(plain_path(), 20),
        refused in any::<u32>(),
    ) {
        let index = index(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
        let accepts = |id: u32| refused & refused.rotate_left(7) & 1 << id == 0;
        for path in paths.iter().map(String::as_str).chain(["/"]) {
            let found = index.find(b"example.com", path.as_bytes(), accepts);
            prop_assert_eq!(found, scan(&patterns, path, accepts).map_or(Found::None, Found::Route), "{}", path);
        }
    }

    #[test]
    fn hosts_are_asked_one_after_the_other(
        patterns in vec((0..4_usize, pattern()), 0..20),
        paths in vec(plain_path(), 10),
    ) {
        let hosts = [Host::Exact("a.b.c"), Host::Wildcard("b.c"), Host::Wildcard("c"), Host::Any];
        let mut builder = RouteIndexBuilder::default();
        for ((host, pattern), id) in patterns.iter().zip(1..) {
            builder.add(hosts[*host], 0, &pattern_of(pattern), id);
        }
        let index = builder.build();
        let all: Vec<String> = patterns.iter().map(|(_, pattern)| pattern.clone()).collect();
        for path in &paths {
            let of_host = |host| scan(&all, path, |id| patterns[id as usize - 1].0 == host);
            let expected = (0..4).find_map(of_host).map_or(Found::None, Found::Route);
            prop_assert_eq!(index.find(b"a.b.c", path.as_bytes(), |_| true), expected, "{}", path);
        }
    }

    #[test]
    fn priority_comes_before_the_path_and_expressions_come_last(
        patterns in vec((-1..2, prop_oneof![4 => pattern(), 1 => (0..EXPRESSIONS.len()).prop_map(|at| EXPRESSIONS[at].0.into())]), 0..16),
        paths in vec(plain_path(), 10),
        refused in any::<u32>(),
    ) {
        let mut builder = RouteIndexBuilder::default();
        for ((priority, pattern), id) in patterns.iter().zip(1..) {
            builder.add(Host::Any, *priority, &pattern_of(pattern), id);
        }
        let index = builder.build();
        let accepts = |id: u32| refused & 1 << id == 0;
        for path in &paths {
            let of_priority = |wanted: i32| {
                let has = |id: u32| patterns[id as usize - 1].0 == wanted && accepts(id);
                let is_expression = |id: u32| patterns[id as usize - 1].1.starts_with('~');
                let written: Vec<String> = patterns.iter().map(|(_, pattern)| pattern.clone()).collect();
                scan(&written, path, |id| has(id) && !is_expression(id)).or_else(|| {
                    let finds = |text: &str| EXPRESSIONS.iter().any(|(known, says)| *known == text && says(path));
                    (1..=patterns.len() as u32).find(|id| has(*id) && finds(&written[*id as usize - 1]))
                })
            };
            let expected = [1, 0, -1].into_iter().find_map(of_priority);
            let found = index.find(b"example.com", path.as_bytes(), accepts);
            prop_assert_eq!(found, expected.map_or(Found::None, Found::Route), "{}", path);
        }
    }

    #[test]
    fn the_short_cut_for_plain_paths_changes_nothing(
        mut patterns in vec(pattern(), 1..10),
        path in "/[a-bA-B/.:$;_~ %2e-]{0,24}",
        upper in any::<bool>(),
    ) {
        if upper {
            patterns[0].make_ascii_uppercase();
        }
        let index = index(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(find(&index, &path), index.find_unusual(b"example.com", path.as_bytes(), |_| true), "{}", path);
    }

    #[test]
    fn no_spelling_of_a_path_leads_to_another_route(
        patterns in vec(pattern(), 1..10),
        path in plain_path(),
        steps in vec((0..STEPS.len(), any::<prop::sample::Index>()), 1..6),
    ) {
        let index = index(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
        let expected = route(find(&index, &path));
        let mut spelled = path.into_bytes();
        for (step, at) in steps {
            spelled = STEPS[step](&spelled, at.index(spelled.len()));
        }
        let found = find(&index, &spelled);
        prop_assert!(
            route(found).is_none() || route(found) == expected,
            "{}: {:?}, not {:?}", String::from_utf8_lossy(&spelled), found, expected
        );
    }

    #[test]
    fn a_plain_path_with_encoded_letters_keeps_its_route(
        patterns in vec(pattern(), 1..10),
        path in plain_path(),
        which in any::<u64>(),
    ) {
        let index = index(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
        let mut spelled = String::new();
        for (at, letter) in path.chars().enumerate() {
            let encode = letter != '/' && which >> (at % 64) & 1 == 1;
            spelled += &if encode { format!("%{:02x}", letter as u32) } else { letter.to_string() };
        }
        prop_assert_eq!(find(&index, &spelled), find(&index, &path), "{}", spelled);
    }
}

/// Makes another spelling of a path, with a change about the given place.
type Step = fn(&[u8], usize) -> Vec<u8>;

/// Ways to spell a path otherwise. Escapes and the slash in front stay whole.
const STEPS: [Step; 14] = [
    |path, at| insert(path, slash(path, at), b"/"),
    |path, at| insert(path, slash(path, at), b"/."),
    |path, at| insert(path, slash(path, at), b"/x/.."),
    |path, at| insert(path, slash(path, at), b"/%2e"),
    |path, at| insert(path, slash(path, at), b"/%c0%ae"),
    |path, at| replace_slash(path, at, b"\\"),
    |path, at| replace_slash(path, at, b"%2f"),
    |path, at| replace_slash(path, at, b"%5C"),
    |path, at| replace_slash(path, at, b"%c0%af"),
    |path, at| insert(path, segment_end(path, at), b";p=1"),
    |path, at| insert(path, segment_end(path, at), b"%20"),
    |path, at| {
        path.iter()
            .enumerate()
            .map(|(i, b)| if i == at && !escape(path, i) { b.to_ascii_uppercase() } else { *b })
            .collect()
    },
    |path, at| {
        if path[at] != b'/' && !escape(path, at) {
            replace(path, at, format!("%{:02X}", path[at]).as_bytes())
        } else {
            path.to_vec()
        }
    },
    |path, _| path.iter().flat_map(|&b| if b == b'%' { b"%25".to_vec() } else { vec![b] }).collect(),
];

fn insert(path: &[u8], at: usize, text: &[u8]) -> Vec<u8> {
    [&path[..at], text, &path[at..]].concat()
}

fn replace(path: &[u8], at: usize, text: &[u8]) -> Vec<u8> {
    [&path[..at], text, &path[at + 1..]].concat()
}

/// The last slash up to `at`.
fn slash(path: &[u8], at: usize) -> usize {
    path[..=at].iter().rposition(|&byte| byte == b'/').unwrap_or(0)
}

fn segment_end(path: &[u8], at: usize) -> usize {
    path[at..].iter().position(|&byte| byte == b'/').map_or(path.len(), |end| at + end)
}

fn replace_slash(path: &[u8], at: usize, text: &[u8]) -> Vec<u8> {
    match slash(path, at) {
        0 => path.to_vec(),
        at => replace(path, at, text),
    }
}

/// Whether the byte belongs to a percent escape of up to two layers.
fn escape(path: &[u8], at: usize) -> bool {
    path[at.saturating_sub(4)..=at].contains(&b'%')
}
