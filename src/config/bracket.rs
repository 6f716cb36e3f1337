//! Brackets that are not closed: where the innermost one stands.

use super::{Diagnostic, Source, Span};

/// The innermost bracket that stands open before `end`, if it was opened before the line that starts at `line`: what is
/// wrong within one line is no matter of a bracket that is not closed.
pub(super) fn open_before(text: &str, end: usize, line: usize) -> Option<usize> {
    let mut open: Vec<usize> = Vec::new();
    // what a value or key may follow
    let mut fresh = true;
    let mut quote = None;
    let mut chars = text.get(..end)?.char_indices().peekable();
    let mut before = '\n';
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some('"'), '\\') => _ = chars.next(),
            (Some(q), c) => quote = Some(q).filter(|q| *q != c),
            (None, '#') if before.is_whitespace() => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            (None, '"' | '\'') if fresh => quote = Some(c),
            (None, '[' | '{') if fresh => open.push(at),
            (None, ']' | '}') => _ = open.pop(),
            _ => {}
        }
        fresh = match c {
            '\n' | '[' | '{' | ',' => quote.is_none(),
            ' ' => fresh || matches!(before, ':' | '-'),
            _ => false,
        };
        before = c;
    }
    open.pop().filter(|at| *at < line)
}

/// Says that the bracket is not closed; `at` is what cannot stand within it.
pub(super) fn not_closed(open: usize, at: Span, source: &Source) -> Diagnostic {
    let (bracket, partner) = if source.slice(open as u32, open as u32 + 1) == "[" { ('[', ']') } else { ('{', '}') };
    let place = Span { start: open as u32, end: open as u32 + 1, ..at };
    let line = source.line_at(open as u32).1;
    let code = line.split(" #").next().unwrap_or(line).trim();
    Diagnostic::error(place, format!("this `{bracket}` is not closed")).other(at, "this cannot stand within it").hint(
        match code.ends_with([bracket, ',']) {
            true => format!("write `{partner}` after the last of what it holds"),
            false => format!("write `{code}{partner}`"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_open_bracket_is_found() {
        for (text, open) in [
            ("a: [b, c\nd", Some(3)),
            ("a: { b: [c, d]\ne", Some(3)),
            ("a: { b: [c }\nd", Some(3)),
            ("a: \"[\"\nb", None),
            ("a: it's [no\nb", None),
            ("a: 'x [' # [\nb", None),
            ("- [a\n- b", Some(2)),
            ("a: [b", None),
            ("a: \"\\\"[\"\nb: [\nc", Some(12)),
        ] {
            let line = text.rfind('\n').map_or(0, |at| at + 1);
            assert_eq!(open_before(text, text.len(), line), open, "{text}");
        }
    }
}
