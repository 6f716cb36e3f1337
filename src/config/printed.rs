//! A document as it holds, to be shown: every default filled in, each value with where it is from.

use serde::{Serialize, Serializer};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A document as it holds.
#[derive(Debug)]
pub struct Printed {
    pub(super) top: Item,
}

/// A value and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub value: Shown,
    /// In words. Empty for what is made of several values, which each say it.
    pub origin: String,
    /// Whether nobody wrote it at this place.
    pub filled: bool,
    /// Warnings that are silenced there.
    allows: BTreeSet<&'static str>,
    /// On which line it was printed last, from 1.
    line: Cell<usize>,
}

impl Item {
    /// What is written there.
    pub fn written(value: Shown, origin: String) -> Item {
        Item { value, origin, filled: false, allows: BTreeSet::new(), line: Cell::new(0) }
    }

    /// What holds there although it is not written.
    pub fn filled(value: Shown, origin: String) -> Item {
        Item { filled: true, ..Item::written(value, origin) }
    }

    /// Takes out what was filled in and stands on one of these lines. Whether there was any.
    pub fn leave_out(&mut self, lines: &BTreeSet<usize>) -> bool {
        match &mut self.value {
            Shown::Bare(_) | Shown::Text(_) => false,
            // in every item, so not `any`
            Shown::List(items) => items.iter_mut().filter_map(|item| item.leave_out(lines).then_some(())).count() > 0,
            Shown::Map(entries) => {
                let mut any = false;
                entries.retain_mut(|(_, item)| {
                    let gone = item.filled && lines.contains(&item.line.get());
                    let less = !gone && item.leave_out(lines);
                    any |= gone || less;
                    let emptied = less && item.filled && matches!(&item.value, Shown::Map(rest) if rest.is_empty());
                    !gone && !emptied
                });
                any
            }
        }
    }

    /// The lines on which something stands that was filled in.
    pub fn filled_lines(&self, lines: &mut BTreeSet<usize>) {
        if self.filled {
            lines.insert(self.line.get());
        }
        self.within().for_each(|item| item.filled_lines(lines));
    }

    /// Silences a warning on a line.
    pub fn silence(&mut self, line: usize, lint: &'static str) {
        if self.line.get() == line {
            self.allows.insert(lint);
            return;
        }
        let (items, entries): (&mut [Item], &mut [(String, Item)]) = match &mut self.value {
            Shown::Bare(_) | Shown::Text(_) => (&mut [], &mut []),
            Shown::List(items) => (items, &mut []),
            Shown::Map(entries) => (&mut [], entries),
        };
        let within = items.iter_mut().chain(entries.iter_mut().map(|(_, item)| item));
        within.for_each(|item| item.silence(line, lint));
    }

    fn within(&self) -> impl Iterator<Item = &Item> {
        let (items, entries): (&[Item], &[(String, Item)]) = match &self.value {
            Shown::Bare(_) | Shown::Text(_) => (&[], &[]),
            Shown::List(items) => (items, &[]),
            Shown::Map(entries) => (&[], entries),
        };
        items.iter().chain(entries.iter().map(|(_, item)| item))
    }
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Shown {
    /// A number or truth value.
    Bare(String),
    /// Text.
    Text(String),
    List(Vec<Item>),
    Map(Vec<(String, Item)>),
}

impl Printed {
    /// A document that says the same. Origins are comments.
    pub fn yaml(&self, origins: bool) -> String {
        let mut page = Page { out: String::new(), line: 1, origins };
        match &self.top.value {
            Shown::Map(entries) => page.map(entries, 0, ""),
            other => page.end(&flow(other), &self.top),
        }
        page.out
    }

    /// The same as JSON: the document, or with origins an object of two, `configuration` and `origins` by path.
    pub fn json(&self, origins: bool) -> serde_json::Result<String> {
        if !origins {
            return serde_json::to_string_pretty(&self.top.value);
        }
        let mut by_path = BTreeMap::new();
        collect(&self.top, "", &mut by_path);
        serde_json::to_string_pretty(&WithOrigins { configuration: &self.top.value, origins: by_path })
    }
}

impl Printed {
    /// Where each key of a route is from, by its path within the route: `timeouts.read`. Routes are counted from 0.
    pub fn origins_of_route(&self, place: usize) -> BTreeMap<String, &str> {
        let mut by_path = BTreeMap::new();
        if let Shown::Map(entries) = &self.top.value
            && let Some((_, routes)) = entries.iter().find(|(key, _)| key == "routes")
            && let Shown::List(routes) = &routes.value
            && let Some(route) = routes.get(place)
        {
            collect(route, "", &mut by_path);
        }
        by_path
    }
}

#[derive(Serialize)]
struct WithOrigins<'p> {
    configuration: &'p Shown,
    origins: BTreeMap<String, &'p str>,
}

/// Keys stay in their order, which is that of the document.
impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Shown::Bare(text) => match (text.parse::<i64>(), text.parse::<bool>()) {
                (Ok(number), _) => serializer.serialize_i64(number),
                (_, Ok(truth)) => serializer.serialize_bool(truth),
                _ => serializer.serialize_str(text),
            },
            Shown::Text(text) => serializer.serialize_str(text),
            Shown::List(items) => serializer.collect_seq(items.iter().map(|item| &item.value)),
            Shown::Map(entries) => serializer.collect_map(entries.iter().map(|(key, item)| (key, &item.value))),
        }
    }
}

/// The lines so far.
struct Page {
    out: String,
    /// The number of the line that is being written.
    line: usize,
    origins: bool,
}

impl Page {
    /// Entries, each on lines of its own; `lead` stands in place of the first one's indent.
    fn map(&mut self, entries: &[(String, Item)], indent: usize, lead: &str) {
        for (at, (key, item)) in entries.iter().enumerate() {
            let inline = is_inline(&item.value);
            // at the top, sections stand apart
            if indent == 0 && at > 0 && !inline {
                self.newline();
            }
            match (at, lead) {
                (0, lead) if !lead.is_empty() => self.out.push_str(lead),
                _ => self.indent(indent),
            }
            item.line.set(self.line);
            self.out.push_str(&scalar(key));
            self.out.push(':');
            self.behind(item, indent, inline);
        }
    }

    /// What stands behind a colon.
    fn behind(&mut self, item: &Item, indent: usize, inline: bool) {
        match &item.value {
            value if inline => {
                self.out.push(' ');
                self.end(&flow(value), item);
            }
            Shown::Map(entries) => {
                self.end("", item);
                self.map(entries, indent + 2, "");
            }
            Shown::List(items) => {
                self.end("", item);
                for item in items {
                    self.indent(indent + 2);
                    match &item.value {
                        Shown::Map(entries) if !entries.is_empty() => self.map(entries, indent + 4, "- "),
                        value => {
                            item.line.set(self.line);
                            self.end(&format!("- {}", flow(value)), item);
                        }
                    }
                }
            }
            Shown::Bare(_) | Shown::Text(_) => {}
        }
    }

    fn indent(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn end(&mut self, text: &str, item: &Item) {
        self.out.push_str(text);
        if self.origins && !item.origin.is_empty() {
            self.out.push_str("  # ");
            self.out.push_str(&item.origin);
        }
        let allows: Vec<&str> = item.allows.iter().copied().collect();
        if !allows.is_empty() {
            self.out.push_str("  # wharf: allow ");
            self.out.push_str(&allows.join(", "));
        }
        self.newline();
    }

    fn newline(&mut self) {
        self.out.push('\n');
        self.line += 1;
    }
}

/// Words and lists of words stand on the line of their key.
fn is_inline(value: &Shown) -> bool {
    match value {
        Shown::Bare(_) | Shown::Text(_) => true,
        Shown::List(items) => items.iter().all(|item| matches!(item.value, Shown::Bare(_) | Shown::Text(_))),
        Shown::Map(entries) => entries.is_empty(),
    }
}

fn flow(value: &Shown) -> String {
    match value {
        Shown::Bare(text) => text.clone(),
        Shown::Text(text) => scalar(text),
        Shown::List(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(&item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Shown::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Shown::Map(entries) => {
            let pairs: Vec<String> =
                entries.iter().map(|(key, item)| format!("{}: {}", scalar(key), flow(&item.value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

/// Text as YAML: plain where nobody could take it for anything else.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./%+:*@=".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_');
    if starts && text.chars().all(plain) && !text.ends_with(':') && !is_odd(text) {
        return text.to_owned();
    }
    // backslashes mean nothing in single quotes
    if text.contains('\\') && text.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' ' => out.push(' '),
            _ if c.is_alphanumeric() || c.is_ascii_graphic() => out.push(c),
            _ => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

/// Whether some reader of YAML would take a plain text for a number, a date, a truth value or nothing.
fn is_odd(text: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    text.parse::<f64>().is_ok()
        || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || text.bytes().all(|b| b.is_ascii_digit() || b"_:+".contains(&b))
        || text.bytes().all(|b| b.is_ascii_digit() || b == b'-') && text.matches('-').count() > 1
        || text.starts_with("0x")
        || text.starts_with("0o")
}

/// Origins by path: `routes[0].timeouts.read`.
fn collect<'p>(item: &'p Item, path: &str, all: &mut BTreeMap<String, &'p str>) {
    if !item.origin.is_empty() {
        all.insert(path.to_owned(), &item.origin);
    }
    match &item.value {
        Shown::Map(entries) => {
            let dot = if path.is_empty() { "" } else { "." };
            entries.iter().for_each(|(key, item)| collect(item, &format!("{path}{dot}{key}"), all));
        }
        Shown::List(items) if item.origin.is_empty() => {
            items.iter().enumerate().for_each(|(at, item)| collect(item, &format!("{path}[{at}]"), all));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_where_somebody_could_take_it_for_something_else() {
        for plain in [
            "/v1/x",
            "app-1:3000",
            "60s",
            "10MiB",
            "127.0.0.1:80",
            "least_conn",
            "10.0.0.0/8",
            "20%",
            "200-399",
            "/v1/*",
        ] {
            assert_eq!(scalar(plain), plain);
        }
        for (text, quoted) in [
            ("", "\"\""),
            ("1", "\"1\""),
            ("1e3", "\"1e3\""),
            ("No", "\"No\""),
            ("2024-01-01", "\"2024-01-01\""),
            (":80", "\":80\""),
            ("*.a.example", "\"*.a.example\""),
            ("${A}:1", "\"${A}:1\""),
            ("a\nb", "\"a\\nb\""),
            ("a\u{85}b\u{7f}", "\"a\\U00000085b\\U0000007F\""),
            ("~ ^/(\\d+)'$", "'~ ^/(\\d+)''$'"),
            ("\\ø\"", "\"\\\\ø\\\"\""),
        ] {
            assert_eq!(scalar(text), quoted, "{text}");
        }
    }
}
