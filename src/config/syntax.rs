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

/// The unquoted value that holds the column: from there to a comma, a bracket, a comment or the end of the line.
fn value_around(line: &str, column: usize) -> &str {
    let rest = line.get(column..).unwrap_or("");
    let end = rest.find([',', '}', ']']).or_else(|| rest.find(" #")).unwrap_or(rest.len());
    rest[..end].trim_end()
}
