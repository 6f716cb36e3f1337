//! What to do about text that is no YAML: the usual slips, each with the way out.

use super::slip::{self, Line, quoted};
use super::{Diagnostic, Source, Span, bracket};

/// The reader's own words, with a hint where the slip is a usual one.
pub(super) fn explain(said: &str, at: Span, source: &Source) -> Diagnostic {
    let line = Line::at(source, at);
    let said = said.to_ascii_lowercase();
    let in_brackets =
        ["illegal placement of ':'", "unclosed bracket", "flow mapping", "flow sequence", "only valid inside a block"];
    if in_brackets.iter().any(|words| said.contains(words))
        && let Some(open) = bracket::open_before(&source.text, at.start as usize, line.start)
    {
        return bracket::not_closed(open, at, source);
    }
    let slips =
        [foreign_comment, escape, start, directive, quotes, odd_letter, tab, bracket, braces, colon, dash, indentation];
    slips.iter().find_map(|slip| slip(&said, &line)).unwrap_or_else(|| {
        let (message, hint) = match () {
            () if said.contains("recursion limit") => (
                "lists lie too deep within each other",
                "close a bracket; the language needs no more than eight levels",
            ),
            () if said.contains("document start") => {
                ("the document has ended above this line", "start with `version: 1`; keys are written `key: value`")
            }
            () if said.contains("unexpected character") && line.rest().starts_with(|c: char| c.is_control()) => (
                "a control character stands here",
                "leave it out; in double quotes it is written as an escape such as `\\t`",
            ),
            () if line.text.contains('[') && line.text.contains("]:") => {
                ("this is no YAML", "an IPv6 address stands in quotes: `\"[::1]:80\"`")
            }
            () => return Diagnostic::error(at, format!("this is no YAML: {said}")),
        };
        Diagnostic::error(at, message).hint(hint)
    })
}

/// An alias without its anchor: a name that is not there, or text that was meant to start with a star.
pub(super) fn unknown_anchor(at: Span, source: &Source) -> Diagnostic {
    let line = Line::at(source, at);
    let diagnostic = Diagnostic::error(at, "unquoted, `*` refers to an anchor, and there is none of this name");
    let word = line.value();
    let name = word.trim_start_matches('*').trim_end_matches(':');
    match slip::anchor_like(name, source.text.get(..at.start as usize).unwrap_or("")) {
        Some(near) => diagnostic.hint(format!("did you mean `*{near}`?")),
        None if line.before().trim_end().ends_with("<<:") => {
            diagnostic.hint(format!("write `&{name}` before the map that is merged, further up in this file"))
        }
        None => diagnostic.hint(format!("write it in quotes: `{}`", quoted(word))),
    }
}

/// A comment of another language.
fn foreign_comment(_: &str, line: &Line<'_>) -> Option<Diagnostic> {
    let is_comment = |text: &str| text.trim_start().starts_with("//");
    let (start, text) = match is_comment(line.text) {
        true => (line.start, line.text),
        false => line.above().filter(|(_, above)| is_comment(above))?,
    };
    let start = start + (text.len() - text.trim_start().len());
    let at = Span { start: start as u32, end: start as u32 + 2, ..line.at };
    Some(Diagnostic::error(at, "`//` begins no comment").hint("comments begin with `#`"))
}

/// A backslash in double quotes.
fn escape(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    if !["escape", "hexadecimal", "surrogate"].iter().any(|word| said.contains(word)) {
        return None;
    }
    let (offset, escape) = slip::wrong_escape(line.rest())?;
    let at = line.place(line.column + offset, escape.len());
    let text = line.rest().get(1..).and_then(|rest| rest.split_once('"')).map_or("", |(text, _)| text);
    let diagnostic = Diagnostic::error(at, format!("`{escape}` is no escape in double quotes"));
    Some(match text.contains('\\') && !text.contains('\'') {
        true => diagnostic.hint(format!("in single quotes a backslash stands for itself: `'{text}'`")),
        false => diagnostic.hint("write `\\\\` for a backslash, or put the text in single quotes"),
    })
}

/// Text that starts with a letter that means something else in YAML.
fn start(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    let odd = line.rest().chars().next()?;
    let is_start = match odd {
        '@' | '`' | '%' => said.contains("character"),
        '|' | '>' => said.contains("character") || said.contains("block scalar, did not find"),
        ',' => line.before().trim_end().ends_with(':'),
        '*' | '&' => said.contains("anchor or alias"),
        _ => false,
    };
    if !is_start {
        return None;
    }
    let diagnostic = Diagnostic::error(line.at, format!("unquoted text does not start with `{odd}`"));
    Some(diagnostic.hint(format!("write it in quotes: `{}`", quoted(line.value()))))
}

fn directive(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    if !said.contains("directive") || !line.text.starts_with('%') {
        return None;
    }
    let name = line.text.split_whitespace().next().unwrap_or("%");
    let diagnostic = Diagnostic::error(line.place(0, name.len()), format!("`{name}` is not part of the language"));
    Some(match name {
        "%YAML" | "%TAG" => diagnostic.hint("leave the line out, and the `---` below it"),
        _ => diagnostic.hint("text that starts with `%` stands in quotes"),
    })
}

/// Text that goes on behind its quotes, or never reaches them.
fn quotes(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    if said.contains("trailing content after") {
        if let Some((at, text)) = line.quotes_from_above(if said.contains("single") { '\'' } else { '"' }) {
            let diagnostic = Diagnostic::error(at, "the quotes are not closed on this line");
            return Some(diagnostic.hint(format!("close them: write `{text}`")));
        }
        let diagnostic = Diagnostic::error(line.at, "text goes on after its closing quotes");
        return Some(match line.rest().chars().next() {
            Some('"' | '\'') if line.before().ends_with("\" ") || line.before().ends_with("' ") => {
                let diagnostic = Diagnostic::error(line.at, "a comma is missing before this text");
                diagnostic.hint("commas stand between the items of a list: `[\"a\", \"b\"]`")
            }
            Some(';') => diagnostic.hint("leave the `;` out: lines end without one"),
            _ if said.contains("single") => diagnostic.hint("a `'` within single quotes is written twice: `'it''s'`"),
            _ => diagnostic.hint("a `\"` within double quotes is written `\\\"`; or put the text in single quotes"),
        });
    }
    if said.contains("multiline quoted") || said.contains("unclosed quote") || said.contains("quoted scalar") {
        let diagnostic = Diagnostic::error(line.at, "the quoted text has no end");
        let mut rest = line.rest().chars();
        let quote = rest.next().filter(|c| matches!(c, '"' | '\'') && !rest.as_str().contains(*c));
        return Some(match quote {
            Some(quote) => {
                let rest = line.rest();
                let end = [", ", " }", " ]", " #"].iter().filter_map(|end| rest.find(end)).min();
                let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest).trim_end();
                diagnostic.hint(format!("close the quotes: write `{text}{quote}`"))
            }
            None => diagnostic.hint("close the quotes; text of several lines is indented deeper than its key"),
        });
    }
    None
}

/// What looks like a blank or a quote and is none.
fn odd_letter(_: &str, line: &Line<'_>) -> Option<Diagnostic> {
    let (offset, odd) = line.word_with_start();
    let (within, letter) = odd.char_indices().find(|(_, c)| slip::is_odd_blank(*c) || slip::is_odd_quote(*c))?;
    let at = line.place(offset + within, letter.len_utf8());
    Some(slip::odd_letter(at, letter))
}

fn tab(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    let is_tab = said.contains("tabs ") || said.contains("a tab") || said.starts_with("tab ");
    let at = line.text.find('\t').map_or(line.at, |tab| line.place(tab, 1));
    is_tab.then(|| Diagnostic::error(at, "a tab stands where blanks must").hint("indent with blanks only"))
}

fn bracket(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    if let Some((open, close)) = said.strip_prefix("mismatched bracket '").and_then(|rest| {
        let (open, rest) = rest.split_once('\'')?;
        Some((open, rest.trim_matches(|c: char| c != '}' && c != ']')))
    }) {
        let message = format!("`{open}` is closed by `{close}`");
        return Some(Diagnostic::error(line.at, message).hint("`[` needs its `]`, and `{` its `}`"));
    }
    if said.contains("unclosed bracket") {
        let diagnostic = Diagnostic::error(line.at, "the bracket is not closed");
        return Some(match line.rest().contains(" #") {
            true => diagnostic.hint("a `#` behind a blank starts a comment: text that holds one stands in quotes"),
            false => diagnostic.hint("every `[` and `{` needs its partner"),
        });
    }
    if said.contains("illegal placement of ':'") {
        let diagnostic = Diagnostic::error(line.at, "a `:` stands where no key can");
        return Some(diagnostic.hint("a `[` or `{` above may lack its partner"));
    }
    None
}

/// Braces within unquoted text: `/item/{id}`, `${NAME}:80`.
fn braces(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    let in_flow = said.contains("flow mapping") || said.contains("flow sequence");
    let (offset, word) = line.word_with_start();
    if word.contains('{') && word.contains('}') && (in_flow || said.contains("block mapping")) {
        let at = line.place(offset, word.len());
        let diagnostic = Diagnostic::error(at, "text with `{` or `}` stands in quotes here");
        return Some(diagnostic.hint(format!("write `{}`", quoted(word))));
    }
    in_flow.then(|| {
        let diagnostic = Diagnostic::error(line.at, "a comma or a closing bracket is missing");
        match line.before().trim().is_empty() {
            true => diagnostic.hint("a `[` or `{` above may lack its partner"),
            false => diagnostic.hint("text that holds a bracket or a comma stands in quotes"),
        }
    })
}

/// Colons that make a key where none can be, or fail to make one.
fn colon(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    if said.contains("simple key") {
        let message = "this is no key: a colon and a blank after it are missing";
        let diagnostic = Diagnostic::error(line.at, message);
        return Some(match slip::key_without_blank(line.rest()) {
            Some((key, value)) => diagnostic.hint(format!("write `{key}: {value}`")),
            None => diagnostic.hint("write `key: value`, or `key:` and what belongs to it deeper below"),
        });
    }
    if !said.contains("mapping value") && !said.contains("mapping keys") {
        return None;
    }
    if let Some(diagnostic) = item_without_blank(line) {
        return Some(diagnostic);
    }
    if let Some((start, above)) = line.above()
        && let Some((key, value)) = slip::key_without_blank(above.trim())
    {
        let start = start + (above.len() - above.trim_start().len());
        let at = Span { start: start as u32, end: (start + above.trim().len()) as u32, ..line.at };
        let diagnostic = Diagnostic::error(at, "this is no key: the blank after its colon is missing");
        return Some(diagnostic.hint(format!("write `{key}: {value}`")));
    }
    let diagnostic = Diagnostic::error(line.at, "a `:` stands where no key can");
    let key_and_text = line.text.split_once(": ").filter(|(key, text)| {
        key.len() < line.column && text.contains(": ") && !text.contains(['"', '\'', '{', '[', '#'])
    });
    Some(match key_and_text {
        Some((key, text)) => {
            let (key, text) = (key.trim().trim_start_matches("- "), text.trim());
            let quoted = quoted(text);
            diagnostic.hint(format!("write `{key}: {quoted}` for text, or `{key}: {{ {text} }}` for a map"))
        }
        None => diagnostic.hint("text that holds `: ` stands in quotes; keys of one map start in one column"),
    })
}

/// An item of a list without the blank after its dash.
fn dash(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    if !said.contains("block mapping") && !said.contains("block collection") {
        return None;
    }
    item_without_blank(line)
}

fn item_without_blank(line: &Line<'_>) -> Option<Diagnostic> {
    let no_blank = |text: &str| text.trim_start().strip_prefix('-').is_some_and(|rest| !rest.starts_with([' ', '-']));
    let (start, text) = match no_blank(line.text) {
        true => (line.start, line.text),
        false => line.above().filter(|(_, above)| no_blank(above))?,
    };
    let start = start + (text.len() - text.trim_start().len());
    let at = Span { start: start as u32, end: start as u32 + 1, ..line.at };
    let text = text.trim().trim_start_matches('-');
    Some(
        Diagnostic::error(at, "a blank is missing after the `-` of an item")
            .hint(format!("write `- {}`", text.chars().take(60).collect::<String>())),
    )
}

/// Lines that start in a column where nothing of their map or list does.
fn indentation(said: &str, line: &Line<'_>) -> Option<Diagnostic> {
    if !said.contains("block mapping") && !said.contains("block collection") {
        return None;
    }
    let diagnostic = Diagnostic::error(line.at, "this is neither a key nor a value");
    let own = line.before();
    let wanted = line.above().map(|(_, above)| slip::key_column(above));
    Some(match wanted {
        Some(wanted) if own.trim().is_empty() && own.len() != wanted => {
            let text = format!("start it in column {}, like the key above, or in that of a map further up", wanted + 1);
            diagnostic.label(format!("in column {}", own.len() + 1)).hint(text)
        }
        _ => diagnostic.hint("keys of one map start in one column, items of one list as well"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_tabs_are_found() {
        for (text, at, said, place, hint) in [
            ("a: { b: \":80, c: 1 }", 8, "unclosed quote", 8, "close the quotes: write `\":80\"`"),
            ("a:\n\tb: 1", 4, "found a tab", 3, "indent with blanks only"),
        ] {
            let source = Source { text: text.to_owned(), ..Source::default() };
            let diagnostic = explain(said, Span { start: at, end: at + 1, ..Span::default() }, &source);
            assert_eq!((diagnostic.at.start, diagnostic.hint.as_deref()), (place, Some(hint)), "{text}");
        }
    }
}
