//! Values that came from the environment, and how they were written: what is shown of a document shows the latter.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Values that are remembered. Beyond them a document is a program's work, and what it shows is not for reading.
const VALUES_MAX: usize = 100_000;
/// So many characters in a row tell something of a value; fewer are found in any text.
const TELLING: usize = 4;
/// So many are found in no other word by chance.
const LONG: usize = 10;

/// Values with variables in them, by what they came to.
#[derive(Clone, Debug, Default)]
pub struct Variables(Box<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    values: BTreeMap<Box<str>, Box<str>>,
    /// Values and the parts of them that are from the environment, in lower case, and how those are written.
    parts: BTreeMap<Box<str>, Box<str>>,
}

impl Variables {
    /// `inserted`: what each variable in it came to, and how that is written.
    pub(super) fn note(&mut self, value: &str, written: &str, inserted: &[(Cow<'_, str>, &str)]) {
        if self.0.values.len() >= VALUES_MAX {
            return;
        }
        self.0.values.insert(value.into(), written.into());
        let (start, end) = (written.find("${").unwrap_or(0), written.rfind('}').map_or(written.len(), |at| at + 1));
        let all = value.get(start..value.len().saturating_sub(written.len() - end)).unwrap_or("");
        let each = inserted.iter().map(|(value, written)| (&**value, *written));
        for (part, written) in [(value, written), (all, &written[start..end.max(start)])].into_iter().chain(each) {
            // a default is no secret: it stands in the document
            if !part.is_empty() && !written.contains(part) {
                self.0.parts.entry(part.to_ascii_lowercase().into()).or_insert_with(|| written.into());
            }
        }
    }

    /// Whether a text as written holds variables, which were inserted.
    pub fn are_in(&self, written: &str) -> bool {
        self.0.values.values().any(|known| written.contains(&**known))
    }

    /// A value, or a text with values in it, as that was written; also where their letters were made small.
    pub fn as_written<'t>(&'t self, text: &'t str) -> Cow<'t, str> {
        if let Some(written) = self.0.values.get(text) {
            return Cow::Borrowed(written);
        }
        let lower = text.to_ascii_lowercase();
        let mut found: Vec<(&str, &str)> = self
            .0
            .parts
            .iter()
            .map(|(part, written)| (&**part, &**written))
            .filter(|(part, _)| (part.len() >= TELLING || *part == lower) && lower.contains(part))
            .collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|(part, _)| std::cmp::Reverse(part.len()));
        let mut out = String::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            match found.iter().find(|(part, _)| {
                lower[at..].starts_with(part) && (part.len() >= LONG || is_apart(&lower, at, part.len()))
            }) {
                Some((part, written)) => {
                    out.push_str(written);
                    at += part.len();
                }
                None => {
                    out.push(c);
                    at += c.len_utf8();
                }
            }
        }
        Cow::Owned(out)
    }

    /// What finds values in texts that were made of them.
    pub(super) fn traces(&self) -> Traces<'_> {
        let mut traces = Traces { short: BTreeSet::new(), pieces: HashSet::new() };
        for part in self.0.parts.keys() {
            if part.len() < TELLING {
                traces.short.insert(part);
            }
            traces.pieces.extend(part.as_bytes().windows(TELLING));
        }
        traces
    }
}

/// Is it a word, or several, and no part of one?
fn is_apart(text: &str, at: usize, len: usize) -> bool {
    let inner = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !inner(text[..at].chars().next_back()) && !inner(text[at + len..].chars().next())
}

/// All that a text may not hold.
pub(super) struct Traces<'v> {
    short: BTreeSet<&'v str>,
    pieces: HashSet<&'v [u8]>,
}

impl Traces<'_> {
    /// Does a text tell something of a value, be it cut off or in small letters?
    pub fn are_in(&self, text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        // the names of variables are no secret
        let mut rest = lower.as_str();
        loop {
            let (plain, after) = rest.split_once("${").unwrap_or((rest, ""));
            let short = |part: &&str| plain.match_indices(*part).any(|(at, _)| is_apart(plain, at, part.len()));
            if plain.as_bytes().windows(TELLING).any(|piece| self.pieces.contains(piece))
                || self.short.iter().any(short)
            {
                return true;
            }
            match after.split_once('}') {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_of_a_text_is_shown_as_it_is_written_wherever_it_came_to_stand() {
        let mut variables = Variables::default();
        let inserted = [("pathsecret".into(), "${P}"), ("tops3cret-value".into(), "${T}"), ("abcd".into(), "${S}")];
        variables.note(
            "/k/pathsecret/{capture.id}-tops3cret-value{path}abcd",
            "/k/${P}/{capture.id}-${T}{path}${S}",
            &inserted,
        );
        for (made, shown) in [
            ("/k/pathsecret/7", "/k/${P}/7"),
            ("/k/PathSecret/7-tops3cret-value9/x", "/k/${P}/7-${T}9/x"),
            ("abcd abcde", "${S} abcde"),
        ] {
            assert_eq!(variables.as_written(made), shown);
        }
    }
}
