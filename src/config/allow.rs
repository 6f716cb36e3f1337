//! `# wharf: allow NAME`: comments that silence warnings on their line, or alone on a line those of the next one.

use super::lints::{self, NEEDLESS_ALLOW};
use super::reading::Reading;
use super::{Diagnostic, Lint, Report, Span, suggest};
use std::ops::Range;

/// How such a comment starts after its `#`.
const MARK: &str = "wharf:";
/// What follows.
const VERB: &str = "allow";
/// The most names in one comment.
const NAMES_MAX: usize = 100;

/// One comment, from its `#` to the end of its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allow {
    at: Span,
}

/// What looks like such comments in one file, while it is read. What turns out to be text is none of them.
pub(super) struct Allows {
    /// In their order; empty is what was text.
    ranges: Vec<Range<usize>>,
    /// The first one that may still lie within text to come.
    next: usize,
}

impl Allows {
    /// Looks for them.
    pub fn find(text: &str) -> Self {
        let mut ranges = Vec::new();
        // mostly there is none at all
        if text.contains(MARK) {
            let mut start = 0;
            for line in text.split_inclusive('\n') {
                within_line(line, start, &mut ranges);
                start += line.len();
            }
        }
        Allows { ranges, next: 0 }
    }

    /// Text stands there: what lies within is no comment.
    pub fn pass(&mut self, text: &Range<usize>) {
        while let Some(range) = self.ranges.get_mut(self.next)
            && range.start < text.end
        {
            if range.start >= text.start {
                range.end = range.start;
            }
            self.next += 1;
        }
    }

    /// The comments among them, one a line, once the file `number` is read.
    pub fn found(mut self, number: u16) -> impl Iterator<Item = Allow> {
        self.ranges.retain(|range| !range.is_empty());
        self.ranges.dedup_by_key(|range| range.end);
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.ranges
            .into_iter()
            .map(move |range| Allow { at: Span { file: number, start: offset(range.start), end: offset(range.end) } })
    }
}

fn within_line(line: &str, start: usize, ranges: &mut Vec<Range<usize>>) {
    let end = start + line.trim_end().len();
    let is_comment = line.trim_start().starts_with('#');
    for (at, _) in line.match_indices(MARK) {
        let Some(lead) = line[..at].trim_end_matches([' ', '\t']).strip_suffix('#') else { continue };
        // in a line that is commented out, only what it begins with counts
        let begins = lead.bytes().all(|b| b == b' ' || b == b'\t');
        if begins || (!is_comment && lead.ends_with([' ', '\t'])) {
            ranges.push(start + lead.len()..end);
        }
        if is_comment {
            break;
        }
    }
}

/// One name in such a comment.
struct Allowed {
    lint: &'static Lint,
    /// Where the name stands.
    at: Span,
    /// The line whose warnings it silences, in the same file.
    line: Range<u32>,
    /// The comment that holds it.
    comment: usize,
    used: bool,
}

impl Allowed {
    fn silences(&self, warning: &Diagnostic) -> bool {
        let Span { file, start, .. } = warning.at;
        warning.lint == Some(self.lint) && self.at.file == file && (self.line.start..=self.line.end).contains(&start)
    }
}

/// Takes silenced warnings away, and says which of the comments are wrong or silence nothing.
pub(super) fn settle(reading: &Reading<'_>) {
    let comments = reading.allows.take();
    if comments.is_empty() {
        return;
    }
    let mut allowed: Vec<Allowed> = Vec::new();
    let mut line = Line { file: 0, at: 0..0 };
    for (number, comment) in comments.iter().enumerate() {
        line = line.of(comment.at, reading);
        names(comment.at, &line.at, number, &mut allowed, reading);
    }
    allowed.sort_by_key(|allowed| (allowed.at.file, allowed.line.start));
    let knows_all = reading.knows_all_warnings();
    reading.keep_warnings(|warning| {
        let Span { file, start, .. } = warning.at;
        let first = allowed.partition_point(|allowed| (allowed.at.file, allowed.line.end) < (file, start));
        let on_line = allowed.iter_mut().skip(first).take_while(|allowed| allowed.line.start <= start);
        let mut silenced = false;
        for allowed in on_line.filter(|allowed| allowed.silences(warning)) {
            allowed.used = true;
            silenced = true;
        }
        !silenced
    });
    // Beside errors not every warning is looked for.
    if knows_all && reading.complaints() == 0 {
        needless(&mut allowed, reading);
    }
}

/// The line for which a comment speaks.
struct Line {
    file: u16,
    at: Range<u32>,
}

impl Line {
    /// That of the next comment: its own line, or if it stands alone, the first one after it that is no comment.
    fn of(self, comment: Span, reading: &Reading<'_>) -> Line {
        let source = reading.source.file(comment);
        let (mut start, line) = source.line_at(comment.start);
        let mut end = start + line.len();
        // comments above each other speak for the same line
        if line.trim_start().starts_with('#') && self.file == comment.file && comment.start < self.at.start {
            return self;
        }
        while source.text.get(start..end).is_some_and(|line| line.trim_start().starts_with('#')) {
            let rest = source.text.get(end..).unwrap_or("");
            start = end + rest.find('\n').map_or(rest.len(), |newline| newline + 1);
            end = start + source.text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
        }
        Line { file: comment.file, at: start as u32..end as u32 }
    }
}

/// Adds the names in one comment.
fn names(comment: Span, line: &Range<u32>, number: usize, allowed: &mut Vec<Allowed>, reading: &Reading<'_>) {
    let text = reading.source.slice(comment);
    let Some((_, said)) = text.split_once(MARK) else { return };
    // a remark may follow
    let said = said.split_once(" #").map_or(said, |(said, _)| said);
    let place = |piece: &str| {
        let start = comment.start + (piece.as_ptr() as usize - text.as_ptr() as usize) as u32;
        Span { start, end: start + piece.len() as u32, ..comment }
    };
    let verb = said.split_whitespace().next().unwrap_or("");
    if verb != VERB {
        // any other remark is nobody's business
        let elsewhere = ["ignore", "disable", "silence", "skip", "nolint", "noqa", "off", "permit"];
        if suggest::nearest(verb, [VERB]).is_some() || elsewhere.contains(&verb) {
            let message = format!("`{verb}` is not what a comment can tell the gateway");
            reading.tell(Diagnostic::error(place(verb), message).hint(format!("did you mean `{VERB}`?")));
        }
        return;
    }
    let listed = said.split_once(VERB).map_or("", |(_, listed)| listed);
    if listed.split(',').nth(NAMES_MAX).is_some() {
        reading.tell(Diagnostic::error(comment, format!("more than {NAMES_MAX} names in one comment")));
        return;
    }
    for name in listed.split(',').map(str::trim) {
        if let Some(lint) = lints::named(name) {
            allowed.push(Allowed { lint, at: place(name), line: line.clone(), comment: number, used: false });
        } else if name.is_empty() {
            reading.tell(
                Diagnostic::error(comment, "the name of a warning is missing")
                    .hint("write it as the warning shows it, such as `# wharf: allow unused-upstream`"),
            );
        } else {
            let diagnostic = Diagnostic::error(place(name), format!("no warning is called `{name}`"));
            reading.tell(match suggest::nearest(name, lints::LINTS.iter().map(|lint| lint.name)) {
                Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
                None if name.contains(' ') => diagnostic.hint("commas stand between names, and ` # ` before a remark"),
                None => diagnostic.hint("write the name as the warning shows it, such as `unused-upstream`"),
            });
        }
    }
}

/// Warns of every name that silenced nothing.
fn needless(allowed: &mut [Allowed], reading: &Reading<'_>) {
    let warning = |allowed: &Allowed| {
        let message = format!("there is no warning `{}` here to silence", allowed.lint.name);
        Diagnostic::warning(&NEEDLESS_ALLOW, allowed.at, message)
            .hint("leave it out: it speaks for its own line or, alone on a line, for the next one")
    };
    let unused = allowed.iter().filter(|allowed| !allowed.used && allowed.lint != &NEEDLESS_ALLOW);
    let found: Vec<_> = unused.take(Report::LONGEST).map(|allowed| (allowed.comment, warning(allowed))).collect();
    for (comment, warning) in found {
        let mut silencing = allowed.iter_mut().filter(|allowed| allowed.lint == &NEEDLESS_ALLOW);
        match silencing.find(|allowed| allowed.comment == comment || allowed.silences(&warning)) {
            Some(allowed) => allowed.used = true,
            None => reading.tell(warning),
        }
    }
    for allowed in allowed.iter().filter(|allowed| !allowed.used && allowed.lint == &NEEDLESS_ALLOW) {
        reading.tell(warning(allowed));
    }
}
