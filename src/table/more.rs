//! What of a host's routes a tree of literals cannot hold: `{name}` segments, regular expressions, other priorities.

use super::hosts::Roots;
use super::named::NamedPaths;
use regex::bytes::Regex;

/// What a host has beside its trees of literals.
#[derive(Default)]
pub(super) struct More {
    /// All its patterns but regular expressions, when some have `{name}` segments: as written, and folded.
    pub named: Option<Named>,
    /// In the order in which they are asked.
    pub regexes: Vec<Searched>,
    /// Its routes of the next lower priority.
    pub next: Option<Roots>,
}

pub(super) struct Named {
    pub written: NamedPaths,
    pub folded: NamedPaths,
}

/// A regular expression and the routes that have it.
pub(super) struct Searched {
    pub written: Regex,
    /// Blind to case.
    pub folded: Regex,
    pub ids: Vec<u32>,
}

impl More {
    /// The first accepted route, of the most specific pattern that has one.
    pub fn first(&self, path: &[u8], accepts: &impl Fn(u32) -> bool) -> Option<u32> {
        let mut accepted = |ids: &[u32]| ids.iter().copied().find(|id| accepts(*id));
        let named = self.named.as_ref().and_then(|named| named.written.walk(path, &mut accepted));
        named.or_else(|| self.regexes.iter().filter(|r| r.written.is_match(path)).find_map(|r| accepted(&r.ids)))
    }

    /// Whether `id` is among the accepted ids of the most specific pattern that has any; `None` if none has. Patterns and,
    /// with `FOLD`, the letters of `path` are read in lower case.
    pub fn among<const FOLD: bool>(&self, path: &[u8], id: u32, accepts: &impl Fn(u32) -> bool) -> Option<bool> {
        let lower;
        let path = if FOLD {
            lower = path.to_ascii_lowercase();
            &lower[..]
        } else {
            path
        };
        let mut among = |ids: &[u32]| match ids.iter().any(|id| accepts(*id)) {
            true => Some(ids.contains(&id) && accepts(id)),
            false => None,
        };
        let named = self.named.as_ref().and_then(|named| named.folded.walk(path, &mut among));
        named.or_else(|| self.regexes.iter().filter(|r| r.folded.is_match(path)).find_map(|r| among(&r.ids)))
    }
}
