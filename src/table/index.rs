//! Finding the route: a host and a path lead to the most specific pattern whose route takes the rest of the request.

use super::hosts::{Hosts, Roots};
use super::more::More;
use super::paths::PathTrees;
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

/// Searches by regular expressions for one path.
const SEARCHES_MAX: usize = 20_000;
/// Readings that are looked at however many expressions there are: an ordinary encoded path has fewer.
const READINGS_LEAST: usize = 40;

/// What the index says about a host and a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This route answers.
    Route(u32),
    /// No route matches.
    None,
    /// Routes match, but none for this method: to be refused with a 405.
    OtherMethods,
    /// Plausible readings of the path lead to different routes, or there are too many of them: to be refused with a 400.
    Ambiguous,
    /// The path cannot be read at all: to be refused with a 400.
    Malformed,
}

/// Two readings of one path that lead to different routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The route of the canonical reading.
    pub id: u32,
    /// Another reading.
    pub reading: Vec<u8>,
    /// Its route, if it has one.
    pub other: Option<u32>,
}

/// All patterns of a table by host and path. Immutable.
#[derive(Default)]
pub struct RouteIndex {
    pub(super) hosts: Hosts,
    pub(super) paths: PathTrees,
    /// What some hosts have beside their trees.
    pub(super) more: Vec<More>,
}

impl RouteIndex {
    /// The route of the most specific pattern that matches and whose id `accepts` takes: by host (exact, then the longest
    /// wildcard, then any), then by priority, then by path (segment by segment a literal before `{x}` before `/x*` before
    /// `/*`, then regular expressions), then in the order added.
    ///
    /// `host` is in lower case, without a port and a final dot. `path` is what the client sent, without the query.
    /// `accepts` tells whether an id matches the rest of the request; it may be asked about an id more than once.
    pub fn find(&self, host: &[u8], path: &[u8], accepts: impl Fn(u32) -> bool) -> Found {
        let shape = shape(path);
        // The common case once more and by itself, since it is so short.
        if shape == Shape::Plain
            && let Some(roots) = self.hosts.exact(host)
            && roots.is_simple()
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
        for (tier, roots) in self.tiers(host).enumerate() {
            folds |= !roots.is_simple();
            if let Some(id) = self.first(roots, path, &accepts) {
                let same = !folds
                    || match tier {
                        0 => self.agrees::<MIXED>([roots], path, id, &accepts),
                        _ => self.agrees::<MIXED>(self.tiers(host), path, id, &accepts),
                    };
                return if same { Found::Route(id) } else { Found::Ambiguous };
            }
        }
        Found::None
    }

    /// The trees for `host`, in the order in which they are asked: host by host, and the routes of one by priority.
    fn tiers<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = Roots> + 'a {
        let next = |roots: &Roots| self.more.get(roots.more as usize)?.next;
        self.hosts.tiers(host).flat_map(move |first| std::iter::successors(Some(first), next))
    }

    /// The first accepted route of one tier.
    fn first(&self, roots: Roots, path: &[u8], accepts: &impl Fn(u32) -> bool) -> Option<u32> {
        let found = self.paths.first(roots.written, path, accepts);
        match self.more.get(roots.more as usize) {
            None => found,
            Some(more) => found.or_else(|| more.first(path, accepts)),
        }
    }

    /// Whether `id` is among the accepted ids of the most specific pattern of one tier that has any; `None` if none has.
    fn among<const FOLD: bool>(
        &self,
        roots: Roots,
        path: &[u8],
        id: u32,
        accepts: &impl Fn(u32) -> bool,
    ) -> Option<bool> {
        let found = self.paths.among::<FOLD>(roots.folded, path, id, accepts);
        match self.more.get(roots.more as usize) {
            None => found,
            Some(more) => found.or_else(|| more.among::<FOLD>(path, id, accepts)),
        }
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
        tiers.extend(self.tiers(host));
        let found = self.find_in(&tiers, readings, path, accepts);
        readings.tiers = tiers;
        found
    }

    fn find_in(&self, tiers: &[Roots], readings: &mut Readings, path: &[u8], accepts: &impl Fn(u32) -> bool) -> Found {
        let Ok(canonical) = readings.canonical(path) else { return Found::Malformed };
        let first = |path: &[u8]| tiers.iter().find_map(|roots| self.first(*roots, path, accepts));
        // Nothing is forwarded without a route, so other readings do not matter.
        let Some(id) = first(canonical) else { return Found::None };
        if tiers.first().and_then(|roots| self.sole(*roots, accepts)) == Some(id) {
            return Found::Route(id);
        }
        let mut left = self.readings_max(tiers);
        let same = readings.all(path, by_pieces(tiers), |Reading { path, folded }| {
            left -= 1;
            match folded {
                _ if left == 0 => false,
                false => first(path) == Some(id),
                true => self.agrees::<false>(tiers.iter().copied(), path, id, accepts),
            }
        });
        if same { Found::Route(id) } else { Found::Ambiguous }
    }

    /// How many readings of a path are looked at; one with more counts as ambiguous. Each costs a search by every regular
    /// expression, and a client may send a path that has thousands.
    fn readings_max(&self, tiers: &[Roots]) -> usize {
        let of = |roots: &Roots| self.more.get(roots.more as usize).map_or(0, |more| more.regexes.len());
        match tiers.iter().map(of).sum::<usize>() {
            0 => usize::MAX,
            regexes => (SEARCHES_MAX / regexes).max(READINGS_LEAST),
        }
    }

    /// For a path that is [`Found::Ambiguous`]: the route of its canonical reading, and a reading that leads to another one or to none.
    pub fn disagreement(&self, host: &[u8], path: &[u8], accepts: impl Fn(u32) -> bool) -> Option<Disagreement> {
        let tiers: Vec<Roots> = self.tiers(host).collect();
        let first = |path: &[u8]| tiers.iter().find_map(|roots| self.first(*roots, path, &accepts));
        // whichever of them a tree in which names are folded would give
        let loosely = |path: &[u8]| {
            let candidate = Cell::new(None);
            let note = |id| {
                let taken = accepts(id);
                if taken && candidate.get().is_none() {
                    candidate.set(Some(id));
                }
                taken
            };
            tiers.iter().find_map(|roots| self.among::<false>(*roots, path, u32::MAX, &note).and(candidate.get()))
        };
        let mut readings = Readings::default();
        let id = first(readings.canonical(path).ok()?)?;
        let mut found = None;
        let mut left = self.readings_max(&tiers);
        readings.all(path, by_pieces(&tiers), |Reading { path, folded }| {
            left -= 1;
            if left == 0 {
                return false;
            }
            let same = match folded {
                false => first(path) == Some(id),
                true => self.agrees::<false>(tiers.iter().copied(), path, id, &accepts),
            };
            if !same {
                let other = if folded { loosely(path) } else { first(path) };
                found = Some(Disagreement { id, reading: path.into(), other });
            }
            same
        });
        found
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
        tiers.find_map(|roots| self.among::<FOLD>(roots, path, id, accepts)) == Some(true)
    }

    /// The id that every path leads to, if there is nothing before it.
    fn sole(&self, roots: Roots, accepts: &impl Fn(u32) -> bool) -> Option<u32> {
        if roots.more == Roots::NO_MORE { self.paths.sole(roots.written, accepts) } else { None }
    }

    /// Heap memory in bytes.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.hosts.heap_bytes() + self.paths.heap_bytes()
    }
}

/// Whether some of the patterns are more than literals.
fn by_pieces(tiers: &[Roots]) -> bool {
    tiers.iter().any(|roots| roots.more != Roots::NO_MORE)
}
