//! From patterns to the index: sorted by host and priority, each group planted as the trees it needs.

use super::fold::fold_literal;
use super::hosts::Roots;
use super::index::{Host, RouteIndex};
use super::more::{More, Named, Searched};
use super::named::{NamedPaths, Segment, Segmented};
use super::paths::{Kind, Pattern};
use crate::http::spelling::decode_safely;
use crate::value::{Expression, PathKind, PathPattern};
use std::cmp::Reverse;

/// Collects patterns for an index.
#[derive(Default)]
pub struct RouteIndexBuilder {
    entries: Vec<Entry>,
}

struct Entry {
    host: HostKey,
    priority: Reverse<i32>,
    path: EntryPath,
    id: u32,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum HostKey {
    Exact(Box<str>),
    Wildcard(Box<str>),
    Any,
}

enum EntryPath {
    Literal { literal: Box<[u8]>, kind: Kind },
    Named { segments: Vec<Segment>, kind: Kind },
    Regex(Expression),
}

impl RouteIndexBuilder {
    /// Adds a pattern. Several may be equal: they are asked in the order in which they were added.
    pub fn add(&mut self, host: Host<'_>, priority: i32, path: &PathPattern, id: u32) {
        let host = match host {
            Host::Exact(name) => HostKey::Exact(name.into()),
            Host::Wildcard(suffix) => HostKey::Wildcard(suffix.strip_prefix('.').unwrap_or(suffix).into()),
            Host::Any => HostKey::Any,
        };
        let kind = match path.kind {
            PathKind::Exact => Kind::Exact,
            PathKind::Subtree => Kind::Subtree,
            PathKind::Prefix | PathKind::Regex => Kind::Prefix,
        };
        let path = match path.expression() {
            Some(expression) => EntryPath::Regex(expression),
            None if path.has_names() => EntryPath::Named { segments: path.segments().map(segment).collect(), kind },
            None => EntryPath::Literal { literal: decoded(&path.literal), kind },
        };
        self.entries.push(Entry { host, priority: Reverse(priority), path, id });
    }

    /// Makes the index of all patterns added.
    pub fn build(self) -> RouteIndex {
        let Self { mut entries } = self;
        // stable: what is equal stays in the order in which it was added
        entries.sort_by(|a, b| (&a.host, a.priority).cmp(&(&b.host, b.priority)));
        let mut index = RouteIndex::default();
        for of_host in entries.chunk_by(|a, b| a.host == b.host) {
            let mut tiers: Vec<&[Entry]> = of_host.chunk_by(|a, b| a.priority == b.priority).collect();
            let mut roots = None;
            while let Some(tier) = tiers.pop() {
                roots = Some(plant(&mut index, tier, roots));
            }
            let (Some(roots), Some(Entry { host, .. })) = (roots, of_host.first()) else { continue };
            match host {
                HostKey::Exact(name) => index.hosts.add_exact(name, roots),
                HostKey::Wildcard(suffix) => index.hosts.add_wildcard(suffix, roots),
                HostKey::Any => index.hosts.set_any(roots),
            }
        }
        index.hosts.shrink();
        index.paths.shrink();
        index.more.shrink_to_fit();
        index
    }
}

/// Paths are compared in their normal form, in which what a pattern has to escape is not escaped.
fn decoded(literal: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(literal.len());
    match decode_safely(literal.as_bytes(), &mut out) {
        Ok(()) => out.into(),
        // cannot be: the pattern was read
        Err(_) => literal.as_bytes().into(),
    }
}

fn segment(text: &str) -> Segment {
    if text.starts_with('{') { Segment::Any } else { Segment::Literal(decoded(text)) }
}

/// Plants the routes of one host that have one priority; `next` are those of the next lower one.
fn plant(index: &mut RouteIndex, entries: &[Entry], next: Option<Roots>) -> Roots {
    let mut more = More { next, ..More::default() };
    let mut literals = Vec::new();
    let mut named = Vec::new();
    let has_names = entries.iter().any(|entry| matches!(entry.path, EntryPath::Named { .. }));
    for Entry { path, id, .. } in entries {
        match path {
            // one tree has to compare all of them
            EntryPath::Literal { literal, kind } if has_names => {
                let segments = literal.split(|b| *b == b'/').skip(1).map(|s| Segment::Literal(s.into())).collect();
                named.push(Segmented { segments, kind: *kind, id: *id });
            }
            EntryPath::Literal { literal, kind } => literals.push((&**literal, *kind, *id)),
            EntryPath::Named { segments, kind } => {
                named.push(Segmented { segments: segments.clone(), kind: *kind, id: *id });
            }
            EntryPath::Regex(expression) => {
                // only side by side: one between them with more conditions is asked before the second
                let known = more.regexes.last_mut().filter(|known| known.written.as_str() == expression.as_str());
                match known {
                    Some(known) => known.ids.push(*id),
                    None => more.regexes.push(Searched {
                        written: expression.regex().clone(),
                        folded: expression.without_case(),
                        ids: vec![*id],
                    }),
                }
            }
        }
    }
    if !named.is_empty() {
        let folded = named.iter().cloned().map(fold);
        more.named = Some(Named { folded: NamedPaths::new(folded), written: NamedPaths::new(named) });
    }
    let roots = plant_literals(index, &mut literals);
    let More { named, regexes, next } = &more;
    if named.is_none() && regexes.is_empty() && next.is_none() {
        return roots;
    }
    index.more.push(more);
    Roots { more: u32::try_from(index.more.len() - 1).unwrap_or(Roots::NO_MORE), ..roots }
}

/// The trees of literals. The folded one is a tree of its own only if folding changes a literal.
fn plant_literals(index: &mut RouteIndex, entries: &mut [(&[u8], Kind, u32)]) -> Roots {
    entries.sort_by_key(|(literal, kind, _)| (*literal, *kind));
    let fold = |(literal, kind, _): &(&[u8], Kind, u32)| {
        let mut out = Vec::with_capacity(literal.len());
        fold_literal(literal, *kind, &mut out);
        out
    };
    let folded: Vec<Vec<u8>> = entries.iter().map(fold).collect();
    let written: Vec<_> = entries.iter().map(|(literal, kind, id)| Pattern { literal, kind: *kind, id: *id }).collect();
    let changes = written.iter().zip(&folded).any(|(written, folded)| written.literal != *folded);
    let root = index.paths.plant(&written);
    let mut roots = Roots { written: root, folded: root, more: Roots::NO_MORE };
    if changes {
        let mut folded: Vec<_> =
            written.iter().zip(&folded).map(|(pattern, literal)| Pattern { literal, ..*pattern }).collect();
        folded.sort_by_key(|pattern| (pattern.literal, pattern.kind));
        roots.folded = index.paths.plant(&folded);
    }
    roots
}

/// The pattern as a server reads it that compares names loosely.
fn fold(pattern: Segmented) -> Segmented {
    let last = pattern.segments.len().saturating_sub(1);
    let segments = pattern.segments.into_iter().enumerate().map(|(at, segment)| match segment {
        Segment::Any => Segment::Any,
        Segment::Literal(text) => {
            let kind = if at == last { pattern.kind } else { Kind::Exact };
            let mut out = Vec::with_capacity(text.len() + 1);
            fold_literal(&[b"/", &*text].concat(), kind, &mut out);
            Segment::Literal(out.get(1..).unwrap_or_default().into())
        }
    });
    Segmented { segments: segments.collect(), ..pattern }
}
