//! One reading of a path: the canonical one decides, provided that no other server could plausibly read another route.
//!
//! Servers differ in what they do to a path, not in what they do to one byte of it: each decodes so many times, then cuts,
//! strips, merges, resolves and compares, or not. So the readings are the results of all such choices for the whole path.
//! Equal results are followed once only, and the work has a limit.

use super::fold::{fold, fold_case, fold_keeping};
use super::hosts::Roots;
use super::segments::{Untidy, tidy};
use crate::http::spelling::{self, Malformed};
use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::mem;

/// Work spent on the readings of one path, in bytes written; a path that needs more counts as ambiguous.
/// The readings of an ordinary encoded path of 100 bytes take less than a hundredth of it.
const WORK_MAX: usize = 256 * 1024;
/// What a segment costs beside its bytes, when a path is taken apart.
const SEGMENT_WORK: usize = 8;
/// How often percent-encoding is undone one layer at a time; beyond, all layers at once.
const LAYERS: usize = 3;
/// Bytes that end a path for some server, once decoded: of a C string, a query, a fragment, parameters.
const ENDS: [u8; 4] = [0, b'?', b'#', b';'];

/// The canonical reading of `path`: percent-decoded except for `%2F` and `%5C`, slashes merged, dot segments resolved.
/// Patterns are compared with this.
///
/// # Errors
/// When the path cannot be read at all.
pub fn canonical(path: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut readings = Readings::default();
    readings.canonical(path)?;
    Ok(readings.canonical)
}

/// One way to read a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub path: &'a [u8],
    /// The path is folded: it is to be compared with folded patterns.
    pub folded: bool,
}

/// Memory that the readings of one path after the other use again.
#[derive(Default)]
pub(super) struct Readings {
    /// The trees to look in, for whoever asks for the readings.
    pub tiers: Vec<Roots>,
    canonical: Vec<u8>,
    /// The readings up to the point where only tidying and folding are left.
    forms: Forms,
    /// Forms up to here have been visited.
    visited: usize,
    /// A literal is met by its folded form, however much of the folding a server does. What a `{name}` or a regular expression
    /// is met by can be lost in folding, so that some servers' part of it is a reading of its own.
    by_pieces: bool,
    work: usize,
    /// Three buffers for what is being made.
    now: Vec<u8>,
    next: Vec<u8>,
    folded: Vec<u8>,
}

impl Readings {
    /// As the function of the same name.
    pub fn canonical(&mut self, path: &[u8]) -> Result<&[u8], Malformed> {
        let Self { canonical, next: decoded, .. } = self;
        if path.first() != Some(&b'/') {
            return Err(Malformed);
        }
        decoded.clear();
        spelling::decode_safely(path, decoded)?;
        canonical.clear();
        let climbs = tidy(decoded, BOTH, canonical);
        if climbs { Err(Malformed) } else { Ok(canonical) }
    }

    /// Whether `agrees` says yes to every plausible reading of `path`; asks no further after the first no.
    /// `path` has a canonical reading. `by_pieces`: some patterns are more than literals.
    pub fn all(&mut self, path: &[u8], by_pieces: bool, mut agrees: impl FnMut(Reading<'_>) -> bool) -> bool {
        self.forms.clear();
        self.by_pieces = by_pieces;
        (self.visited, self.work) = (0, 0);
        self.decode(path, &mut agrees)
            && self.extend(&mut agrees, b'\\', spelling::without_backslashes)
            && self.cut(&mut agrees)
            && self.extend(&mut agrees, b';', spelling::without_parameters)
    }

    /// The forms after decoding. Some servers strip parameters first.
    fn decode(&mut self, path: &[u8], agrees: &mut impl FnMut(Reading<'_>) -> bool) -> bool {
        let stripped = path.contains(&b';').then(|| {
            let mut stripped = Vec::with_capacity(path.len());
            spelling::without_parameters(path, &mut stripped);
            stripped
        });
        for path in [Some(path), stripped.as_deref()].into_iter().flatten() {
            self.next.clear();
            if spelling::decode_safely(path, &mut self.next).is_err() {
                return false;
            }
            self.keep_next();
            // Without `%`, there is nothing left to decode.
            if self.next.contains(&b'%') {
                self.decode_layers(path, false, false);
            }
            // Lax decoding concerns bytes beyond ASCII only; tidying between layers, only what is untidy.
            let lax = self.forms.iter().any(|form| !form.is_ascii());
            if lax {
                self.decode_layers(path, true, false);
            }
            if self.forms.iter().any(|form| Untidy::of(form).any()) {
                self.decode_layers(path, false, true);
                if lax {
                    self.decode_layers(path, true, true);
                }
            }
        }
        self.visit(agrees)
    }

    /// Undoes one layer of percent-encoding after the other; `tidying` also tidies up before each.
    fn decode_layers(&mut self, path: &[u8], lax: bool, tidying: bool) {
        self.now.clear();
        self.now.extend_from_slice(path);
        for layer in 0..=LAYERS {
            let Self { now, next, work, .. } = self;
            *work += cost(now);
            if tidying {
                next.clear();
                tidy(now, BOTH, next);
                mem::swap(now, next);
            }
            next.clear();
            if layer < LAYERS {
                spelling::decode_once(now, next)
            } else {
                spelling::decode_fully(now, next)
            }
            if lax {
                now.clear();
                spelling::decode_lax(next, now);
                mem::swap(now, next);
            }
            self.keep_next();
            mem::swap(&mut self.now, &mut self.next);
            let goes_on = self.now.contains(&b'%') || tidying && Untidy::of(&self.now).any();
            if !goes_on || self.work > WORK_MAX {
                return;
            }
        }
    }

    /// Adds to the forms what `rewrite` makes of each that has the byte `present`.
    fn extend(
        &mut self,
        agrees: &mut impl FnMut(Reading<'_>) -> bool,
        present: u8,
        rewrite: fn(&[u8], &mut Vec<u8>),
    ) -> bool {
        for at in 0..self.forms.len() {
            let form = self.forms.get(at);
            if form.contains(&present) {
                self.next.clear();
                rewrite(form, &mut self.next);
                self.keep_next();
            }
        }
        self.visit(agrees)
    }

    /// Adds to the forms what is before the first of each byte that ends a path for some server.
    fn cut(&mut self, agrees: &mut impl FnMut(Reading<'_>) -> bool) -> bool {
        for at in 0..self.forms.len() {
            for end in ENDS {
                let form = self.forms.get(at);
                if let Some(end) = memchr::memchr(end, form) {
                    self.next.clear();
                    self.next.extend_from_slice(&form[..end]);
                    self.keep_next();
                }
            }
        }
        self.visit(agrees)
    }

    fn keep_next(&mut self) {
        self.work += self.next.len();
        self.forms.insert(&self.next);
    }

    /// Visits the new forms, each as it is and folded.
    fn visit(&mut self, agrees: &mut impl FnMut(Reading<'_>) -> bool) -> bool {
        for at in mem::replace(&mut self.visited, self.forms.len())..self.forms.len() {
            let Self { forms, folded, work, .. } = self;
            folded.clear();
            fold(forms.get(at), folded);
            *work += cost(forms.get(at));
            let Self { forms, folded, now, next, work, .. } = self;
            let mut tidier = Tidier { work, out: [now, next] };
            if !tidier.all(forms.get(at), |path| agrees(Reading { path, folded: false }))
                || !tidier.all(folded, |path| agrees(Reading { path, folded: true }))
            {
                return false;
            }
            if self.by_pieces && !self.visit_pieces(at, agrees) {
                return false;
            }
        }
        self.work <= WORK_MAX
    }

    /// Visits a form folded in part.
    fn visit_pieces(&mut self, at: usize, agrees: &mut impl FnMut(Reading<'_>) -> bool) -> bool {
        let Self { forms, folded, now, next, work, .. } = self;
        let mut before = mem::take(folded);
        [fold_keeping, fold_case].into_iter().all(|fold| {
            folded.clear();
            fold(forms.get(at), folded);
            *work += cost(folded);
            let mut tidier = Tidier { work, out: [now, next] };
            let same = *folded == before || tidier.all(folded, |path| agrees(Reading { path, folded: true }));
            mem::swap(folded, &mut before);
            same
        })
    }
}

const MERGE: Untidy = Untidy { slashes: true, dots: false };
const RESOLVE: Untidy = Untidy { slashes: false, dots: true };
const BOTH: Untidy = Untidy { slashes: true, dots: true };

/// The last step of reading: slashes merged or not, dot segments resolved or not.
struct Tidier<'a> {
    work: &'a mut usize,
    out: [&'a mut Vec<u8>; 2],
}

impl Tidier<'_> {
    /// Whether `agrees` says yes to all that `path` can become.
    fn all(&mut self, path: &[u8], mut agrees: impl FnMut(&[u8]) -> bool) -> bool {
        *self.work += cost(path);
        if *self.work > WORK_MAX || !agrees(path) {
            return false;
        }
        let untidy = Untidy::of(path);
        (!untidy.slashes || self.each(path, &[MERGE], &mut agrees))
            && (!untidy.dots || self.each(path, &[RESOLVE], &mut agrees))
            // Servers differ in whether the empty segments count while dot segments are resolved.
            && (untidy != BOTH
                || self.each(path, &[BOTH], &mut agrees) && self.each(path, &[RESOLVE, MERGE], &mut agrees))
    }

    fn each(&mut self, path: &[u8], steps: &[Untidy], agrees: &mut impl FnMut(&[u8]) -> bool) -> bool {
        let [out, before] = &mut self.out;
        out.clear();
        out.extend_from_slice(path);
        for &step in steps {
            mem::swap(*out, *before);
            out.clear();
            tidy(before, step, out);
            *self.work += cost(path);
        }
        // Path libraries leave no slash where a dot segment was the last.
        let bare = out.strip_suffix(b"/").filter(|bare| !bare.is_empty() && !path.ends_with(b"/"));
        agrees(out) && bare.is_none_or(agrees)
    }
}

fn cost(path: &[u8]) -> usize {
    path.len() + SEGMENT_WORK * memchr::memchr_iter(b'/', path).count()
}

/// Different byte strings, in the order in which they came.
#[derive(Default)]
struct Forms {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    hasher: RandomState,
}

struct Span {
    start: usize,
    end: usize,
    hash: u64,
}

impl Forms {
    fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    fn len(&self) -> usize {
        self.spans.len()
    }

    fn get(&self, at: usize) -> &[u8] {
        let Span { start, end, .. } = self.spans[at];
        &self.bytes[start..end]
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.get(at))
    }

    fn insert(&mut self, form: &[u8]) {
        let hash = self.hasher.hash_one(form);
        if (0..self.len()).any(|at| self.spans[at].hash == hash && self.get(at) == form) {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(form);
        self.spans.push(Span { start, end: self.bytes.len(), hash });
    }
}
