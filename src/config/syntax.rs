//! What to do about text that is no YAML: the usual slips, each with the way out.

use super::{Diagnostic, Source, Span};

/// The reader's own words, with a hint where the slip is a usual one.
pub(super) fn explain(said: &str, at: Span, source: &Source) -> Diagnostic {
    let (line_start, line) = source.line_at(at.start);
    let column = (at.start as usize).saturating_sub(line_start).min(line.len());
    let rest = line.get(column..).unwrap_or("");
    let word = value_around(line, column);
    if let Some(odd @ ('@' | '`' | '%')) = rest.chars().next()
        && said.contains("character")
    {
        return Diagnostic::error(at, format!("unquoted text does not start with `{odd}`"))
            .hint(format!("write it in quotes: `\"{word}\"`"));
    }
    let said_lower = said.to_ascii_lowercase();
    let (message, hint) = if said_lower.contains("recursion limit") {
        ("lists lie too deep within each other", "close a bracket; the language needs no more than eight levels")
    } else if said_lower.contains("tab") {
        ("a tab stands where blanks must", "indent with blanks only")
    } else if said_lower.contains("mapping values are not allowed") || said_lower.contains("mapping value") {
        ("a `:` stands where no key can", "text that holds `: ` stands in quotes; keys of one map start in one column")
    } else if said_lower.contains("simple key expected") {
        (
            "this is no key: a colon and a blank after it are missing",
            "write `key: value`, or `key:` and what belongs to it deeper below",
        )
    } else if said_lower.contains("unclosed bracket") {
        ("the bracket is not closed", "every `[` and `{` needs its partner")
    } else if said_lower.contains("illegal placement of ':'") {
        ("a `:` stands where no key can", "a `[` or `{` above may lack its partner")
    } else if said_lower.contains("flow mapping") || said_lower.contains("flow sequence") {
        ("a comma or a closing bracket is missing", "text that holds a bracket or a comma stands in quotes")
    } else if said_lower.contains("block mapping") || said_lower.contains("block collection") {
        ("this is neither a key nor a value", "keys of one map start in one column, items of one list as well")
    } else if said_lower.contains("quote") {
        ("the quoted text has no end", "close the quotes; text of several lines is indented deeper than its key")
    } else if said_lower.contains("unexpected character") && rest.starts_with(|c: char| c.is_control()) {
        ("a control character stands here", "leave it out; in double quotes it is written as an escape such as `\\t`")
    } else if line.contains('[') && line.contains("]:") {
        ("this is no YAML", "an IPv6 address stands in quotes: `\"[::1]:80\"`")
    } else {
        return Diagnostic::error(at, format!("this is no YAML: {said}"));
    };
    Diagnostic::error(at, message).hint(hint)
}

/// An alias without its anchor: mostly text that was meant to start with a star.
pub(super) fn unknown_anchor(at: Span, source: &Source) -> Diagnostic {
    let (line_start, line) = source.line_at(at.start);
    let word = value_around(line, (at.start as usize).saturating_sub(line_start));
    Diagnostic::error(at, "unquoted, `*` refers to an anchor, and there is none of this name")
        .hint(format!("write it in quotes: `\"{word}\"`"))
}

/// A tag, which the reader shows where its value starts.
pub(super) fn tag(at: Span, source: &Source) -> Diagnostic {
    let before = source.text.get(..at.start as usize).unwrap_or("");
    let mut lines = before.rsplitn(3, '\n');
    let near = before.len() - lines.next().map_or(0, str::len) - lines.next().map_or(0, |line| line.len() + 1);
    let at = match before.get(near..).and_then(|text| text.rfind('!')) {
        Some(mark) => Span { start: (near + mark) as u32, end: (near + mark + 1) as u32 },
        None => at,
    };
    Diagnostic::error(at, "tags (`!…`) are not part of the language").hint("text that starts with `!` stands in quotes")
}

/// A key that is written twice, and where it stood first if that can be seen.
pub(super) fn repeated_key(key: Option<&str>, at: Span, source: &Source) -> Diagnostic {
    let key = key.unwrap_or_else(|| source.slice(at));
    let diagnostic = Diagnostic::error(at, format!("`{key}` is written twice")).hint("leave one of the two out");
    match first_place(key, at, source) {
        Some(first) => diagnostic.other(first, "the first one"),
        None => diagnostic,
    }
}

/// In block style: the nearest line above with the same key in the same column, before any line that lies further out.
fn first_place(key: &str, at: Span, source: &Source) -> Option<Span> {
    let (mut line_start, line) = source.line_at(at.start);
    let column = at.start as usize - line_start;
    if !line.get(..column)?.chars().all(|c| c == ' ' || c == '-') {
        return None;
    }
    while line_start > 0 {
        let (start, line) = source.line_at(line_start as u32 - 1);
        line_start = start;
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let lead = line.get(..column).filter(|lead| lead.chars().all(|c| c == ' ' || c == '-'));
        if let Some(rest) = lead.and_then(|_| line.get(column..))
            && let Some(after) = rest.trim_start_matches(['"', '\'']).strip_prefix(key)
            && after.trim_start_matches(['"', '\'']).starts_with(':')
        {
            let start = (start + column) as u32;
            return Some(Span { start, end: start + key.len() as u32 });
        }
        if line.len() - content.len() < column {
            return None;
        }
    }
    None
}

/// The unquoted value that holds the column: from there to a comma, a bracket, a comment or the end of the line.
fn value_around(line: &str, column: usize) -> &str {
    let rest = line.get(column..).unwrap_or("");
    let end = rest.find([',', '}', ']']).or_else(|| rest.find(" #")).unwrap_or(rest.len());
    rest[..end].trim_end()
}
