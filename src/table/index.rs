//! Finding the route: a host and a path lead to the most specific pattern whose route takes the rest of the request.

use super::fold::fold_literal;
use super::hosts::{Hosts, Roots};
use super::paths::{Kind, PathTrees, Pattern};
use super::readings::{Reading, Readings};
use super::shape::{Shape, shape};
use std::cell::Cell;
use std::mem;

/// The host of a pattern, in lower case, without a port and a final dot; in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// This host alone.
    Exact(&'a str),
    /// Every host below this one: `example.com` stands for `*.example.com`.
    Wildcard(&'a str),
    /// Every host.
    Any,
}

/// The path of a pattern, as a literal that starts with `/` (or is empty, in `Subtree` only) and is not percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path<'a> {
    /// `/x`: this path alone.
    Exact(&'a str),
    /// `/x/*` with the literal `/x`: that path and all below it. `/*` has the empty literal.
    Subtree(&'a str),
    /// `/x*` with the literal `/x`: every path that starts with it.
    Prefix(&'a str),
}

/// What the index says about a host and a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This route answers.
    Route(u32),
    /// No route matches.
    None,
    /// Plausible readings of the path lead to different routes, or there are too many of them: to be refused with a 400.
    Ambiguous,
    /// The path cannot be read at all: to be refused with a 400.
    Malformed,
}

/// Collects patterns for an index.
#[derive(Default)]
pub struct RouteIndexBuilder {
    entries: Vec<Entry>,
}

struct Entry {
    host: HostKey,
    literal: Box<[u8]>,
    kind: Kind,
    id: u32,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum HostKey {
    Exact(Box<str>),
    Wildcard(Box<str>),
    Any,
}

impl RouteIndexBuilder {
    /// Adds a pattern. Several may be equal: they are asked in the order in which they were added.
    pub fn add(&mut self, host: Host<'_>, path: Path<'_>, id: u32) {
        let host = match host {
            Host::Exact(name) => HostKey::Exact(name.into()),
            Host::Wildcard(suffix) => HostKey::Wildcard(suffix.strip_prefix('.').unwrap_or(suffix).into()),
            Host::Any => HostKey::Any,
        };
        let (kind, literal) = match path {
            Path::Exact(literal) => (Kind::Exact, literal),
            Path::Subtree(literal) => (Kind::Subtree, literal),
            Path::Prefix(literal) => (Kind::Prefix, literal),
        };
        self.entries.push(Entry { host, literal: literal.as_bytes().into(), kind, id });
    }

    /// Makes the index of all patterns added.
    pub fn build(self) -> RouteIndex {
        let Self { mut entries } = self;
        entries.sort_by(|a, b| (&a.host, &a.literal, a.kind).cmp(&(&b.host, &b.literal, b.kind)));
        let mut index = RouteIndex { hosts: Hosts::default(), paths: PathTrees::default() };
        for entries in entries.chunk_by(|a, b| a.host == b.host) {
            let roots = plant(&mut index.paths, entries);
            match &entries[0].host {
                HostKey::Exact(name) => index.hosts.add_exact(name, roots),
                HostKey::Wildcard(suffix) => index.hosts.add_wildcard(suffix, roots),
                HostKey::Any => index.hosts.set_any(roots),
            }
        }
        index.hosts.shrink();
        index.paths.shrink();
        index
    }
}

/// The trees of one host. The folded one is a tree of its own only if folding changes a literal.
fn plant(paths: &mut PathTrees, entries: &[Entry]) -> Roots {
    let mut folded = Vec::with_capacity(entries.len());
    for Entry { literal, kind, .. } in entries {
        let mut out = Vec::with_capacity(literal.len());
        fold_literal(literal, *kind, &mut out);
        folded.push(out);
    }
    let pattern = |(entry, literal)| {
        let &Entry { kind, id, .. } = entry;
        Pattern { literal, kind, id }
    };
    let written: Vec<_> = entries.iter().map(|entry| (entry, &*entry.literal)).map(pattern).collect();
    let mut folded: Vec<_> = entries.iter().zip(folded.iter().map(Vec::as_slice)).map(pattern).collect();
    let changes = written.iter().zip(&folded).any(|(written, folded)| written.literal != folded.literal);
    let written = paths.plant(&written);
    if !changes {
        return Roots { written, folded: written };
    }
    folded.sort_by_key(|pattern| (pattern.literal, pattern.kind));
    Roots { written, folded: paths.plant(&folded) }
}

/// All patterns of a table by host and path. Immutable.
pub struct RouteIndex {
    hosts: Hosts,
    paths: PathTrees,
}

impl RouteIndex {
    /// The route of the most specific pattern that matches and whose id `accepts` takes: by host (exact, then the longest
    /// wildcard, then any), then by path (the longest literal; then exact, subtree, prefix), then in the order added.
    ///
    /// `host` is in lower case, without a port and a final dot. `path` is what the client sent, without the query.
    /// `accepts` tells whether an id matches the rest of the request; it may be asked about an id more than once.
    pub fn find(&self, host: &[u8], path: &[u8], accepts: impl Fn(u32) -> bool) -> Found {
        let shape = shape(path);
        // The common case once more and by itself, since it is so short.
        if shape == Shape::Plain
            && let Some(roots) = self.hosts.exact(host)
            && roots.written == roots.folded
            && let Some(id) = self.paths.first(roots.written, path, &accepts)
        {
            return Found::Route(id);
        }
        match shape {
            Shape::Plain => self.find_plain::<false>(host, path, accepts),
            Shape::MixedCase => self.find_plain::<true>(host, path, accepts),
            Shape::Unusual => self.find_unusual(host, path, accepts),
        }
    }

    /// The path itself is its only reading, but for its case (`MIXED`: it has letters in upper case) and that of the patterns.
    fn find_plain<const MIXED: bool>(&self, host: &[u8], path: &[u8], accepts: impl Fn(u32) -> bool) -> Found {
        let mut folds = MIXED;
        for (tier, roots) in self.hosts.tiers(host).enumerate() {
            folds |= roots.written != roots.folded;
            if let Some(id) = self.paths.first(roots.written, path, &accepts) {
                let same = !folds
                    || match tier {
                        0 => self.agrees::<MIXED>([roots], path, id, &accepts),
                        _ => self.agrees::<MIXED>(self.hosts.tiers(host), path, id, &accepts),
                    };
                return if same { Found::Route(id) } else { Found::Ambiguous };
            }
        }
        Found::None
    }

    /// With all readings of the path; also right for plain paths, but slower.
    pub(super) fn find_unusual(&self, host: &[u8], path: &[u8], accepts: impl Fn(u32) -> bool) -> Found {
        thread_local! {
            /// Taken out while in use, so that an `accepts` that finds a route itself finds it empty at worst.
            static READINGS: Cell<Option<Box<Readings>>> = const { Cell::new(None) };
        }
        let mut readings = READINGS.take().unwrap_or_default();
        let found = self.find_among(&mut readings, host, path, &accepts);
        READINGS.set(Some(readings));
        found
    }

    fn find_among(&self, readings: &mut Readings, host: &[u8], path: &[u8], accepts: &impl Fn(u32) -> bool) -> Found {
        let mut tiers = mem::take(&mut readings.tiers);
        tiers.clear();
        tiers.extend(self.hosts.tiers(host));
        let found = self.find_in(&tiers, readings, path, accepts);
        readings.tiers = tiers;
        found
    }

    fn find_in(&self, tiers: &[Roots], readings: &mut Readings, path: &[u8], accepts: &impl Fn(u32) -> bool) -> Found {
        let Ok(canonical) = readings.canonical(path) else { return Found::Malformed };
        let first = |path: &[u8]| tiers.iter().find_map(|roots| self.paths.first(roots.written, path, accepts));
        // Nothing is forwarded without a route, so other readings do not matter.
        let Some(id) = first(canonical) else { return Found::None };
        if tiers.first().and_then(|roots| self.paths.sole(roots.written, accepts)) == Some(id) {
            return Found::Route(id);
        }
        let same = readings.all(path, |Reading { path, folded }| match folded {
            false => first(path) == Some(id),
            true => self.agrees::<false>(tiers.iter().copied(), path, id, accepts),
        });
        if same { Found::Route(id) } else { Found::Ambiguous }
    }

    /// Whether a server that compares names loosely could mean the route `id`, and no pattern is more specific for it.
    fn agrees<const FOLD: bool>(
        &self,
        tiers: impl IntoIterator<Item = Roots>,
        path: &[u8],
        id: u32,
        accepts: &impl Fn(u32) -> bool,
    ) -> bool {
        let mut tiers = tiers.into_iter();
        tiers.find_map(|roots| self.paths.among::<FOLD>(roots.folded, path, id, accepts)) == Some(true)
    }

    /// Heap memory in bytes.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.hosts.heap_bytes() + self.paths.heap_bytes()
    }
}
