//! The top of the document, put together from its files.

use super::document::VERSION;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::{Key, Sectioned};
use super::{Diagnostic, Document, Span};
use std::collections::HashMap;

type Entry<'s> = (Node<'s>, Node<'s>);

/// What stands at the top of the files so far: lists and names are united, everything else stands in one file only.
#[derive(Default)]
pub(super) struct Merge<'s> {
    /// One entry for each key that is known and has a value.
    known: Vec<Entry<'s>>,
    /// What is wrong by itself, and is complained about when the document is read.
    wrong: Vec<Entry<'s>>,
    /// The names below each key that holds names, once a second file brings some.
    names: HashMap<&'static str, HashMap<Box<str>, Span>>,
}

impl<'s> Merge<'s> {
    /// The main file's entries.
    pub fn main(entries: Vec<Entry<'s>>) -> Self {
        let (known, wrong) = entries.into_iter().partition(|(key, value)| known(key, value).is_some());
        Merge { known, wrong, names: HashMap::new() }
    }

    /// Adds the top of an included file.
    pub fn add(&mut self, top: Node<'s>, file: u16, reading: &Reading<'_>) {
        let nowhere = Span { file, ..Span::default() };
        let entries = match top.kind {
            Kind::Map(entries) if !entries.is_empty() => entries,
            Kind::Map(_) | Kind::Empty => {
                let diagnostic = Diagnostic::error(nowhere, "the file is empty");
                reading.tell(diagnostic.hint("write `routes:` or another key of the document, or remove the file"));
                reading.partial.set(true);
                return;
            }
            _ => {
                let message = format!("an included file is a map, not {}", top.what());
                reading.tell(Diagnostic::error(top.at, message).hint("write `routes:`, and the routes below it"));
                reading.partial.set(true);
                return;
            }
        };
        for (key, value) in entries {
            match known(&key, &value) {
                None => self.wrong.push((key, value)),
                Some(Key { name: "include", .. }) => reading.tell(
                    Diagnostic::error(key.at, "an included file includes no others")
                        .hint("name the file in `include` of the main file"),
                ),
                Some(Key { name: "version", .. }) => {
                    (VERSION.read)(&value, reading);
                }
                Some(known) => self.unite(known, (key, value), reading),
            }
        }
    }

    fn unite(&mut self, known: &'static Key, (key, value): Entry<'s>, reading: &Reading<'_>) {
        let name = known.name;
        let Some((first_key, first)) = self.known.iter_mut().find(|(key, _)| text(key) == Some(name)) else {
            self.known.push((key, value));
            return;
        };
        match (&mut first.kind, value.kind) {
            (Kind::Streamed, Kind::Streamed) => {}
            (Kind::Map(entries), Kind::Map(more)) if holds_names(known) => {
                let place = |(key, _): &Entry<'_>| Some((text(key)?.into(), key.at));
                let names = self.names.entry(name).or_insert_with(|| entries.iter().filter_map(place).collect());
                if more.is_empty() {
                    reading.tell(Diagnostic::error(value.at, format!("`{name}` is empty")).hint("leave it out"));
                }
                for entry in more {
                    let at = entry.0.at;
                    if let Some(entry) = text(&entry.0)
                        && let Some(first) = names.get(entry)
                    {
                        reading.tell(
                            Diagnostic::error(at, format!("`{entry}` is defined twice in `{name}`"))
                                .other(*first, "the first one")
                                .hint("give one of the two another name, or leave it out"),
                        );
                        continue;
                    }
                    names.extend(place(&entry));
                    entries.push(entry);
                }
            }
            // routes that are a list are streamed, unless there is none in it
            (_, kind) if name == "routes" || holds_names(known) => {
                let value = Node { at: value.at, kind };
                let good = |kind: &Kind<'_>| match kind {
                    Kind::Streamed => true,
                    Kind::Map(_) => name != "routes",
                    _ => false,
                };
                let odd = if good(&first.kind) { value } else { std::mem::replace(first, value) };
                let (message, hint) = match odd.kind {
                    Kind::List(_) if name == "routes" => {
                        ("`routes` is empty".to_owned(), "write at least one route, or leave the key out")
                    }
                    _ if name == "routes" => {
                        (format!("`routes` is a list, not {}", odd.what()), "start every route with `- `")
                    }
                    _ => (
                        format!("`{name}` holds names, not {}", odd.what()),
                        "write each name with its section below it",
                    ),
                };
                reading.tell(Diagnostic::error(odd.at, message).hint(hint));
            }
            _ => reading.tell(
                Diagnostic::error(key.at, format!("`{name}` stands in two files"))
                    .other(first_key.at, "the first one")
                    .hint("write all of it in one of them"),
            ),
        }
    }

    /// The whole.
    pub fn finish(self) -> Node<'s> {
        let mut entries = self.known;
        entries.extend(self.wrong);
        Node { at: Span::default(), kind: Kind::Map(entries) }
    }
}

fn holds_names(key: &Key) -> bool {
    key.form == "sections by name"
}

/// The key of the document that is written here, with a value.
fn known(key: &Node<'_>, value: &Node<'_>) -> Option<&'static Key> {
    if matches!(value.kind, Kind::Empty) {
        return None;
    }
    let name = text(key)?;
    Document::SECTION.keys.iter().find(|key| key.name == name)
}

fn text<'n>(key: &'n Node<'_>) -> Option<&'n str> {
    match &key.kind {
        Kind::Text(text) => Some(text),
        _ => None,
    }
}
