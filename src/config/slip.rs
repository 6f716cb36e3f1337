//! Slips of the pen in a line of text: what was meant, as far as the line tells.

use super::node::{Kind, Node};
use super::reading::Reading;
use super::{Diagnostic, Source, Span, suggest};

/// A line with a place in it.
pub(super) struct Line<'s> {
    pub text: &'s str,
    /// The place.
    pub at: Span,
    /// Where the line starts in its file.
    pub start: usize,
    /// Where the place starts in the line, in bytes.
    pub column: usize,
    file: &'s str,
}

impl<'s> Line<'s> {
    /// The line of a place.
    pub fn at(source: &'s Source, at: Span) -> Self {
        let (start, text) = source.line_at(at.start);
        let column = (at.start as usize).saturating_sub(start).min(text.len());
        Line { text, at, start, column, file: &source.text }
    }

    /// What stands before the place.
    pub fn before(&self) -> &'s str {
        self.text.get(..self.column).unwrap_or("")
    }

    /// What starts at the place.
    pub fn rest(&self) -> &'s str {
        self.text.get(self.column..).unwrap_or("")
    }

    /// The unquoted value that starts at the place: up to a comma, a bracket, a comment or the end of the line.
    pub fn value(&self) -> &'s str {
        let rest = self.rest();
        let from = rest.chars().next().map_or(0, char::len_utf8);
        let after = rest.get(from..).unwrap_or("");
        let end = after.find([',', '}', ']']).or_else(|| after.find(" #")).map_or(rest.len(), |end| from + end);
        rest.get(..end).unwrap_or("").trim_end()
    }

    /// The word that holds the place, with the braces that belong to it, and where in the line it starts.
    pub fn word_with_start(&self) -> (usize, &'s str) {
        let outside = |c: char| c.is_ascii_whitespace() || c == ',' || c == '[';
        let start = self.before().rfind(outside).map_or(0, |at| at + 1);
        let mut depth = 0_u32;
        let mut end = self.text.len();
        for (at, c) in self.text.get(start..).unwrap_or("").char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                '}' | ']' => end = start + at,
                _ if outside(c) => end = start + at,
                _ => continue,
            }
            if end < self.text.len() {
                break;
            }
        }
        (start, self.text.get(start..end).unwrap_or(""))
    }

    /// The nearest line before that holds more than a comment, and where it starts.
    pub fn above(&self) -> Option<(usize, &'s str)> {
        let mut end = self.start.checked_sub(1)?;
        // far above nobody would look for it
        for _ in 0..20 {
            let before = self.file.get(..end)?;
            let start = before.rfind('\n').map_or(0, |newline| newline + 1);
            let text = before.get(start..)?.trim_end_matches('\r');
            let content = text.trim();
            if !content.is_empty() && !content.starts_with('#') {
                return Some((start, text));
            }
            end = start.checked_sub(1)?;
        }
        None
    }

    /// Quotes that were opened on a line above and are closed by what was to open others here: their place there, and the
    /// text closed at the end of its line.
    pub fn quotes_from_above(&self, quote: char) -> Option<(Span, String)> {
        let is_odd = |text: &str| text.matches(quote).count() % 2 == 1;
        if !is_odd(self.before()) {
            return None;
        }
        let mut end = self.start.checked_sub(1)?;
        for _ in 0..20 {
            let before = self.file.get(..end)?;
            let start = before.rfind('\n').map_or(0, |newline| newline + 1);
            let text = before.get(start..)?.trim_end();
            if is_odd(text) {
                let column = text.rfind(quote)?;
                let word = text.get(column..)?;
                let value = word.split([',', '}', ']', '#']).next().unwrap_or(word).trim_end();
                let (start, end) = ((start + column) as u32, (start + text.len()) as u32);
                return Some((Span { start, end, ..self.at }, format!("{value}{quote}")));
            }
            end = start.checked_sub(1)?;
        }
        None
    }

    /// A place in this line.
    pub fn place(&self, column: usize, width: usize) -> Span {
        let start = (self.start + column) as u32;
        Span { start, end: start + width as u32, ..self.at }
    }
}

/// Where text in block style starts: at its `|` or `>`, above what it holds, so that a comment has room there.
pub(super) fn block_start(source: &Source, at: Span) -> Span {
    let Some((start, header)) = Line::at(source, at).above() else { return at };
    let header = header.split_once(" #").map_or(header, |(header, _)| header);
    match header.rfind(['|', '>']) {
        Some(column) => Span { start: (start + column) as u32, end: (start + column + 1) as u32, ..at },
        None => at,
    }
}

/// Text in the quotes that change nothing of it.
pub(super) fn quoted(text: &str) -> String {
    match text.contains(['"', '\\']) {
        true => format!("'{}'", text.replace('\'', "''")),
        false => format!("\"{text}\""),
    }
}

/// `key:value`: a key whose colon lacks its blank.
pub(super) fn key_without_blank(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix("- ").unwrap_or(text).trim();
    let (key, value) = text.split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    (is_key && !value.is_empty() && !value.starts_with([' ', '/']) && !text.contains(": ")).then_some((key, value))
}

/// What to write where a map is wanted and text stands that begins like this.
pub(super) fn no_map<'k>(text: &str, keys: impl Iterator<Item = &'k str> + Clone) -> Option<String> {
    if let Some((key, value)) = key_without_blank(text)
        && keys.clone().any(|known| known == key)
    {
        return Some(format!("a blank follows the colon of a key: write `{key}: {value}`"));
    }
    if let Some((key, value)) = text.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
        && keys.clone().any(|known| known == key)
    {
        // at the top of a file keys need no braces
        let pair = format!("{key}: {value}");
        let pair = if key == "version" { pair } else { format!("{{ {pair} }}") };
        return Some(format!("keys are written with a colon: `{pair}`"));
    }
    let first = text.split_whitespace().next().unwrap_or("");
    let of_nginx =
        matches!(first, "server" | "http" | "events" | "upstream" | "user" | "worker_processes" | "location");
    of_nginx.then(|| "this looks like a configuration of nginx; this one starts with `version: 1`".to_owned())
}

/// Words beside a key that has no value, and what to do: something that YAML takes for nothing stands there. `written` is
/// what does.
pub(super) fn no_value(line: &Line<'_>, written: &str) -> Option<(String, String)> {
    if !written.is_empty() && (written == "~" || written.eq_ignore_ascii_case("null")) {
        let hint = "leave the key out for what holds without it; text of these letters stands in quotes".to_owned();
        return Some((format!("`{written}` is nothing"), hint));
    }
    let (_, after) = line.rest().split_once(':')?;
    let value = after.trim_start();
    let second = value.chars().nth(1)?;
    let what = match value.chars().next()? {
        '#' => "a comment",
        '&' => "an anchor",
        '!' => "a tag",
        _ => return None,
    };
    let end = value.find([',', '}', ']', ' ']).unwrap_or(value.len());
    let word = value.get(..end)?.trim_end();
    let hint = format!("what follows is {what}; if it is the value, write it in quotes: `{}`", quoted(word));
    (!second.is_whitespace() && second != '#').then(|| ("nothing after it".to_owned(), hint))
}

/// What was meant by `$NAME` and `$(NAME)` in a value that is wrong, whatever is wanted there.
pub(super) fn value_hint(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('$')?;
    let rest = rest.strip_prefix('(').unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_').unwrap_or(rest.len());
    let name = rest.get(..end).filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_'))?;
    Some(format!("a variable of the environment is written `${{{name}}}`"))
}

/// `{ Allow: GET, POST }`: within braces a comma ends the text, and what follows is keys without a value. The error, and the
/// first entry that is none of them.
pub(super) fn text_with_commas(
    entries: &[(Node<'_>, Node<'_>)],
    at: usize,
    reading: &Reading<'_>,
) -> Option<(Diagnostic, usize)> {
    let (_, first) = at.checked_sub(1).and_then(|before| entries.get(before))?;
    let source = reading.source.file(first.at);
    let is_odd = |text: &str| text.contains(['"', '\'', '\n']);
    let mut text = reading.source.slice(first.at).to_owned();
    if is_odd(&text) {
        return None;
    }
    let mut end = first.at;
    let mut next = at;
    while let Some((key, value)) = entries.get(next) {
        let between = source.text.get(end.end as usize..key.at.start as usize);
        let after = source.text.get(key.at.end as usize..).and_then(|rest| rest.trim_start_matches(' ').chars().next());
        let alone = matches!(value.kind, Kind::Empty) && matches!(after, Some(',' | '}'));
        if !alone
            || is_odd(reading.source.slice(key.at))
            || key.at.file != end.file
            || between.is_none_or(|between| between.trim() != ",")
        {
            break;
        }
        text = format!("{text}, {}", reading.source.slice(key.at));
        end = key.at;
        next += 1;
    }
    if next == at || !matches!(first.kind, Kind::Text(_)) {
        return None;
    }
    let place = Span { end: end.end, ..first.at };
    let diagnostic = Diagnostic::error(place, "within braces, text with a comma stands in quotes");
    Some((diagnostic.hint(format!("write `\"{text}\"`")), next))
}

/// The items of a list that was written as one text: `GET,POST` and `GET POST`.
pub(super) fn items(written: &str) -> Option<String> {
    let text = written.trim_matches(['"', '\'']);
    let items: Vec<&str> = text.split([',', ' ']).filter(|item| !item.is_empty()).collect();
    let is_plain = |item: &&str| item.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    (items.len() > 1 && items.iter().all(is_plain)).then(|| items.join(", "))
}

/// What to do about a list or a map where one text is wanted.
pub(super) fn no_text(node: &Node<'_>, wanted: &str) -> Option<String> {
    let texts: Vec<&str> = match &node.kind {
        Kind::List(items) => items.iter().map(|item| item.text()).collect::<Option<_>>()?,
        Kind::Map(_) if wanted == "a name" => {
            return Some("write the name alone; what it stands for is defined once, below `upstreams`".to_owned());
        }
        _ => return None,
    };
    let is_plain = |text: &&str| !text.is_empty() && !text.contains(['"', '\\', '{', '[']);
    match (wanted, texts.as_slice()) {
        (_, texts) if !texts.iter().all(is_plain) => None,
        ("a name", [only]) => Some(format!("write `{only}`")),
        ("a name", [_, _, ..]) => {
            Some("one name stands here; a route divides requests among several by `split`".to_owned())
        }
        ("a header's value", [_, ..]) => Some(format!("write `\"{}\"`", texts.join(", "))),
        _ => None,
    }
}

/// The column, from 0, in which a line's first key starts, after the dashes of its items.
pub(super) fn key_column(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-']).len()
}

/// The first escape in double-quoted text that YAML does not know, and where it stands in `text`, which starts with the quote.
pub(super) fn wrong_escape(text: &str) -> Option<(usize, &str)> {
    let mut from = 1;
    loop {
        let at = from + text.get(from..)?.find('\\')?;
        let after = text.get(at + 1..)?;
        let letter = after.chars().next()?;
        let digits = match letter {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let code = after.get(1..1 + digits);
        let known = match code {
            _ if digits == 0 => "0abtnvfre \"/\\N_LP\t".contains(letter),
            Some(code) => u32::from_str_radix(code, 16).ok().and_then(char::from_u32).is_some(),
            None => false,
        };
        if !known {
            let hex = after.get(letter.len_utf8()..)?.bytes().take(digits).take_while(u8::is_ascii_hexdigit).count();
            return Some((at, text.get(at..at + 1 + letter.len_utf8() + hex)?));
        }
        from = at + 1 + letter.len_utf8() + digits;
    }
}

/// The anchor in a text that a name may have meant.
pub(super) fn anchor_like<'t>(name: &str, text: &'t str) -> Option<&'t str> {
    let names = text.match_indices('&').map(|(at, _)| {
        let rest = text.get(at + 1..).unwrap_or("");
        let end = rest.find(|c: char| c.is_whitespace() || ",[]{}".contains(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or("")
    });
    // one of a few thousand: a file full of them is not searched
    suggest::nearest(name, names.take(1000).filter(|name| !name.is_empty()))
}

/// Looks like a blank, and is none to YAML.
pub(super) fn is_odd_blank(c: char) -> bool {
    (c.is_whitespace() && !c.is_ascii()) || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Looks like a quote, and is none to YAML.
pub(super) fn is_odd_quote(c: char) -> bool {
    matches!(c, '“' | '”' | '„' | '‘' | '’' | '‚' | '«' | '»')
}

/// The error for one of these.
pub(super) fn odd_letter(at: Span, letter: char) -> Diagnostic {
    if is_odd_quote(letter) {
        return Diagnostic::error(at, format!("`{letter}` is no quote in YAML"))
            .hint("write straight quotes: `\"…\"` or `'…'`");
    }
    let message = format!("a blank of another kind stands here (U+{:04X})", u32::from(letter));
    Diagnostic::error(at, message).hint("write plain blanks; this one mostly comes from copied text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, needle: &str) -> String {
        let source = Source { text: text.to_owned(), ..Source::default() };
        let start = text.find(needle).expect("the needle") as u32;
        Line::at(&source, Span { start, end: start + 1, ..Span::default() }).word_with_start().1.to_owned()
    }

    #[test]
    fn a_word_holds_its_own_braces_and_no_others() {
        for (text, needle, expected) in [
            ("  - { match: { path: /a/{id}/b }, upstream: app }", "{id", "/a/{id}/b"),
            ("  - match: { path: /item/{id}}", "{id", "/item/{id}"),
            ("endpoints: [${HOST}:1, b:1]", "{HOST", "${HOST}:1"),
            ("to: {scheme}://x{path}", "://", "{scheme}://x{path}"),
            ("a", "a", "a"),
        ] {
            assert_eq!(word(text, needle), expected, "{text}");
        }
    }

    #[test]
    fn the_first_wrong_escape_is_found() {
        for (text, expected) in [
            (r#""/\d+""#, Some((2, r"\d"))),
            (r#""\n\\\.x""#, Some((5, r"\."))),
            (r#""\x4g""#, Some((1, r"\x4"))),
            (r#""\uD800""#, Some((1, r"\uD800"))),
            (r#""\u00e9\t""#, None),
            (r#""\ø""#, Some((1, r"\ø"))),
            (r#""\"#, None),
        ] {
            assert_eq!(wrong_escape(text), expected, "{text}");
        }
    }

    #[test]
    fn quotes_change_nothing_of_the_text() {
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted(r"^/\d+'$"), r"'^/\d+''$'");
    }
}
