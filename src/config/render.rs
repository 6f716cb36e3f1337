//! How a report looks: message, place, source line, caret and hint.

use super::{Diagnostic, Severity, Source, Span};
use std::fmt::Write;

/// The widest piece of a source line that is shown; longer lines are cut around the caret.
const WIDEST: usize = 140;

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const BLUE: &str = "\x1b[1;34m";
const GREEN: &str = "\x1b[1;32m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// The diagnostics one after the other, each with the lines of the files it is about.
pub(super) fn diagnostics(diagnostics: &[Diagnostic], omitted: usize, files: &[Source], colour: bool) -> String {
    let mut out = String::new();
    for (i, diagnostic) in diagnostics.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        one(&mut out, diagnostic, files, &Paint { colour });
    }
    if omitted > 0 {
        let _ = writeln!(out, "\n… and {omitted} more");
    }
    out
}

fn one(out: &mut String, diagnostic: &Diagnostic, files: &[Source], paint: &Paint) {
    let Diagnostic { at, severity, lint, message, label, hint, others } = diagnostic;
    let (word, colour) = match severity {
        Severity::Error => ("error", RED),
        Severity::Warning => ("warning", YELLOW),
    };
    let word = lint.map_or_else(|| word.to_owned(), |lint| format!("{word}[{}]", lint.name));
    let _ = writeln!(out, "{}: {}", paint.with(colour, &word), paint.with(BOLD, &printable(message)));
    let file = |at: &Span| files.get(usize::from(at.file));
    let places = std::iter::once(at).chain(others.iter().map(|(at, _)| at));
    let last_line = places.filter_map(|at| Some(file(at)?.position(at.start).line)).max().unwrap_or(1);
    let gutter = last_line.to_string().len();
    if let Some(source) = file(at) {
        snippet(out, source, *at, "-->", ("^", colour), label, gutter, paint);
    }
    for (at, label) in others {
        if let Some(source) = file(at) {
            snippet(out, source, *at, ":::", ("-", BLUE), label, gutter, paint);
        }
    }
    if let Some(hint) = hint {
        let _ = writeln!(out, "{}: {}", paint.with(GREEN, "hint"), printable(hint));
    }
}

#[expect(clippy::too_many_arguments, reason = "one place that draws, with all it draws")]
fn snippet(
    out: &mut String,
    source: &Source,
    at: Span,
    arrow: &str,
    (mark, colour): (&str, &str),
    label: &str,
    gutter: usize,
    paint: &Paint,
) {
    // nothing was read, so there is no line to show
    if source.text.is_empty() {
        let _ = writeln!(out, "{:gutter$}{} {}", "", paint.with(BLUE, arrow), printable(&source.name));
        return;
    }
    let position = source.position(at.start);
    let place = format!("{}:{}:{}", source.name, position.line, position.column);
    let _ = writeln!(out, "{:gutter$}{} {}", "", paint.with(BLUE, arrow), printable(&place));
    let (line_start, line) = source.line_at(at.start);
    let line = line.trim_start_matches('\u{feff}');
    let first = position.column - 1;
    let width =
        source.text.get(at.start as usize..(at.end as usize).min(line_start + line.len()).max(at.start as usize));
    let width = width.map_or(1, |text| text.chars().count()).max(1);

    // Cut long lines so that the caret and what stands before it stay visible.
    let skip = if line.chars().nth(WIDEST).is_some() { first.saturating_sub(WIDEST / 2) } else { 0 };
    let shown: String = line.chars().skip(skip).take(WIDEST).map(visible).collect();
    let width = width.min(WIDEST.saturating_sub(first - skip).max(1));
    let bar = paint.with(BLUE, "|");
    let _ = writeln!(out, "{:gutter$} {bar}", "");
    let number = paint.with(BLUE, &format!("{:gutter$}", position.line));
    let _ = writeln!(out, "{}", format!("{number} {bar} {shown}").trim_end());
    let marks = paint.with(colour, format!("{} {}", mark.repeat(width), printable(label)).trim_end());
    let _ = writeln!(out, "{:gutter$} {bar} {:indent$}{marks}", "", "", indent = first - skip);
}

/// One column wide and harmless on a terminal, whatever the file holds.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        _ if steers(c) => '\u{fffd}',
        _ => c,
    }
}

/// Whether a character does something to a terminal, or to the order of what stands beside it.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

struct Paint {
    colour: bool,
}

impl Paint {
    fn with(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Report;
    use super::*;

    fn file(name: &str, text: &str) -> Source {
        Source { name: name.to_owned(), text: text.to_owned(), ..Source::default() }
    }

    fn at(file: u16, start: u32, end: u32) -> Span {
        Span { file, start, end }
    }

    fn render(text: &str, diagnostic: Diagnostic) -> String {
        Report { files: vec![file("gateway.yaml", text)], diagnostics: vec![diagnostic], ..Report::default() }
            .render(false)
    }

    #[test]
    fn a_diagnostic_shows_place_line_caret_and_hint() {
        let text = format!("{}    upstream: ap\n", "\n".repeat(13));
        let start = text.rfind("ap").unwrap_or(0) as u32;
        let diagnostic = Diagnostic::error(at(0, start, start + 2), "no upstream named `ap`")
            .label("used by route `orders`")
            .hint("did you mean `api`?");
        let expected = "\
error: no upstream named `ap`
  --> gateway.yaml:14:15
   |
14 |     upstream: ap
   |               ^^ used by route `orders`
hint: did you mean `api`?
";
        assert_eq!(render(&text, diagnostic), expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret_and_control_bytes_are_not_shown() {
        let text = format!("{}\x1b[31m!{}", "x".repeat(10_000), "y".repeat(10_000));
        let shown = render(&text, Diagnostic::error(at(0, 10_005, 20_000), "odd \x07"));
        assert!(shown.lines().all(|line| line.chars().count() < WIDEST + 20), "{shown}");
        assert!(!shown.contains('\x1b') && !shown.contains('\x07'), "{shown}");
    }

    #[test]
    fn nothing_turns_the_order_of_a_line_around() {
        let shown = render("a: \u{202e}b\u{2066}", Diagnostic::error(at(0, 3, 4), "`\u{202e}b`"));
        assert!(!shown.contains(['\u{202e}', '\u{2066}']) && shown.contains("a: \u{fffd}b\u{fffd}"), "{shown}");
    }

    #[test]
    fn a_place_beyond_the_end_is_shown_at_the_end() {
        let shown = render("a", Diagnostic::error(at(0, 50, 60), "ends too early"));
        assert!(shown.contains("gateway.yaml:1:2"), "{shown}");
    }

    #[test]
    fn colours_are_only_there_when_asked_for() {
        let diagnostics = vec![Diagnostic::warning(&super::super::lints::UNUSED_UPSTREAM, at(0, 0, 1), "hm")];
        let report = Report { files: vec![file("a", "x")], diagnostics, omitted: 3, ..Report::default() };
        assert!(report.render(true).contains(YELLOW));
        assert!(!report.render(false).contains('\x1b'));
        assert!(report.render(false).ends_with("… and 3 more\n"));
    }

    #[test]
    fn every_place_is_shown_in_its_own_file() {
        let diagnostic = Diagnostic::error(at(1, 2, 3), "`x` is defined twice").other(at(0, 1, 2), "the first one");
        let files = vec![file("a.yaml", "\nx: 1\n"), file("b/c.yaml", "\n\nx: 2\n")];
        let expected = "\
error: `x` is defined twice
 --> b/c.yaml:3:1
  |
3 | x: 2
  | ^
 ::: a.yaml:2:1
  |
2 | x: 1
  | - the first one
";
        let report = Report { files, diagnostics: vec![diagnostic], ..Report::default() };
        assert_eq!(report.render(false), expected);
    }
}
