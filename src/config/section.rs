//! How a section of the document is declared: its keys once, from which come its type, its reader and its manual.

use super::foreign;
use super::form::Form;
use super::name::check_name;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::slip::{self, Line};
use super::{Absent, Diagnostic, Document, Named, Shape, Span, Spanned, suggest};

/// One key of a section, as the manual shows it.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What may stand there, such as `a duration`; for a section within, its type's sentence.
    pub form: &'static str,
    /// A value to copy.
    pub example: &'static str,
    /// What holds when the key is left out.
    pub absent: Absent,
    /// The section that stands there, if one does.
    pub section: Option<&'static Section>,
    /// What may stand there, for programs.
    pub shape: Shape,
    /// What it does: the field's doc comment.
    pub manual: &'static str,
}

/// A section: what it is called, its keys, and the keys of the language that have no part behind them yet.
#[derive(Debug)]
pub struct Section {
    /// As in `a listener`.
    pub name: &'static str,
    /// What it is: the type's doc comment.
    pub manual: &'static str,
    /// In the order of the manual.
    pub keys: &'static [Key],
    /// Known keys that are refused, since nothing would obey them.
    pub later: &'static [&'static str],
    /// Keys of which exactly one is written, if there are such.
    pub one_of: &'static [&'static str],
}

impl Key {
    /// What to do where nothing stands after the key.
    fn empty(&self, needed: bool) -> String {
        let example = match self.example {
            "" => String::new(),
            example => format!(", such as `{}: {example}`", self.name),
        };
        match self.absent {
            Absent::Required | Absent::Unless(_) | Absent::Nothing if needed => format!("write a value{example}"),
            _ => format!("empty is not absent: write a value{example}, or leave the key out"),
        }
    }
}

impl Section {
    /// Whether an unknown key of the map looks like one of these words misspelt, which was complained about.
    pub(super) fn misspells(&self, node: &Node<'_>, words: &[&'static str]) -> bool {
        let Kind::Map(entries) = &node.kind else { return false };
        let unknown = |name: &str| self.keys.iter().all(|key| key.name != name);
        entries.iter().any(|(key, _)| match &key.kind {
            Kind::Text(name) => unknown(name) && suggest::nearest(name, words.iter().copied()).is_some(),
            _ => false,
        })
    }

    /// What whoever wrote the unknown key `name` here may have meant.
    fn hint(&self, name: &str) -> Option<String> {
        let own = self.keys.iter().map(|key| key.name);
        if let Some((key, value)) = slip::key_without_blank(name)
            && own.clone().any(|own| own == key)
        {
            return Some(format!("a blank follows the colon of a key: write `{key}: {value}`"));
        }
        if suggest::nearest(name, own.clone()).is_none() {
            let holds = |key: &&Key| key.section.is_some_and(|within| within.keys.iter().any(|key| key.name == name));
            if let Some(key) = self.keys.iter().find(|key| key.form == "section" && holds(key)) {
                return Some(format!("write it within `{0}`: `{0}: {{ {name}: … }}`", key.name));
            }
        }
        match self.meant(name) {
            Some("upstreams") if name == "services" => {
                Some("did you mean `upstreams`? a compose file is none of this language".to_owned())
            }
            Some(key) => Some(format!("did you mean `{key}`?")),
            None => foreign::elsewhere(name, own.clone()).map(str::to_owned).or_else(|| suggest::list(own)),
        }
    }

    /// The key that an unknown one stands for: one that is spelt nearly so, or has this name in other languages.
    fn meant(&self, name: &str) -> Option<&'static str> {
        let own = self.keys.iter().map(|key| key.name);
        let without_blank = slip::key_without_blank(name).and_then(|(key, _)| own.clone().find(|own| *own == key));
        let near = || suggest::nearest(name, own.clone());
        without_blank.or_else(near).or_else(|| foreign::key_for(name, own.clone()))
    }
}

/// A type that is read from a section.
pub(super) trait Sectioned: Sized {
    /// Its keys.
    const SECTION: Section;

    /// Reads it. Complaints go to the reading; `None` when what is required is missing or wrong.
    /// `owner` is where to point for what is missing.
    fn read(node: &Node<'_>, owner: Span, reading: &Reading<'_>) -> Option<Self>;
}

/// The map of one section, its keys already checked.
pub(super) struct Fields<'n, 's> {
    section: &'static Section,
    /// Where to point for what is missing.
    pub owner: Span,
    pub reading: &'n Reading<'n>,
    entries: &'n [(Node<'s>, Node<'s>)],
    /// How many complaints there were before this section's first key.
    complaints: usize,
}

impl<'n, 's> Fields<'n, 's> {
    /// Checks that the node is a map and complains about every key that is not of the section, and about empty values.
    pub fn open(section: &'static Section, node: &'n Node<'s>, owner: Span, reading: &'n Reading<'n>) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            let name = section.name;
            let diagnostic = Diagnostic::error(node.at, format!("{name} is a map, not {}", node.what()));
            let written = match &node.kind {
                Kind::Text(text) => text.lines().next().unwrap_or(""),
                _ => "",
            };
            let keys = section.keys.iter().map(|key| key.name);
            let meant = foreign::section_for(written, keys.clone()).map(|section| format!("write `{section}`"));
            reading.tell(diagnostic.hint(match slip::no_map(written, keys).or(meant) {
                Some(hint) => hint,
                None => format!("write for example `{}`", outline(section)),
            }));
            return None;
        };
        let complaints = reading.complaints();
        for (key, value) in entries {
            let Some(name) = key_text(key, reading) else { continue };
            if let Some(known) = section.keys.iter().find(|known| known.name == name) {
                if matches!(value.kind, Kind::Empty) {
                    let (source, written) = (reading.source.file(key.at), reading.source.slice(value.at));
                    let diagnostic = Diagnostic::error(key.at, format!("`{name}` has no value"));
                    reading.tell(match slip::no_value(&Line::at(source, key.at), written) {
                        Some((label, hint)) => diagnostic.label(label).hint(hint),
                        None => diagnostic
                            .label("nothing after it")
                            .hint(known.empty(known.absent.is_needed() || section.one_of.contains(&known.name))),
                    });
                }
            } else if section.later.contains(&name) {
                reading.tell(
                    Diagnostic::error(key.at, format!("`{name}` is not built yet"))
                        .hint("the key is part of the language, but nothing would obey it: leave it out"),
                );
            } else {
                if let Some(odd) = name.chars().find(|c| slip::is_odd_blank(*c)) {
                    reading.tell(slip::odd_letter(key.at, odd));
                    continue;
                }
                let mut diagnostic = Diagnostic::error(key.at, format!("{} has no key `{name}`", section.name));
                if !reading.is_full() {
                    diagnostic.hint = section.hint(name);
                }
                reading.tell(diagnostic);
            }
        }
        Some(Fields { section, owner, reading, entries, complaints })
    }

    /// The value of a key, unless it is left out or empty.
    pub fn get(&self, name: &str) -> Option<&'n Node<'s>> {
        self.entry(name).map(|(_, value)| value).filter(|value| !matches!(value.kind, Kind::Empty))
    }

    /// Where a key stands, if it does.
    pub fn place(&self, name: &str) -> Option<Span> {
        self.entry(name).map(|(key, _)| key.at)
    }

    /// Whether all of the section was read without a complaint, so that keys can be compared with each other.
    pub fn are_sound(&self) -> bool {
        self.reading.complaints() == self.complaints
    }

    /// Complains about a key, if it is written, that has no effect beside another one, `other`. `words` is how that one is
    /// written, and `because` says why.
    pub fn useless(&self, name: &str, other: &str, words: &str, because: &str) {
        if let Some(at) = self.place(name) {
            let mut diagnostic = Diagnostic::error(at, format!("`{name}` has no effect beside `{words}`"));
            if let Some(other) = self.place(other) {
                diagnostic = diagnostic.other(other, because);
            }
            self.reading.tell(diagnostic.hint("leave it out"));
        }
    }

    /// The key and its value, whatever stands there.
    pub fn entry(&self, name: &str) -> Option<&'n (Node<'s>, Node<'s>)> {
        self.entries.iter().find(|(key, _)| match &key.kind {
            Kind::Text(text) => text == name,
            _ => false,
        })
    }

    /// A value that must be there.
    pub fn required<T>(&self, name: &str, form: &Form<T>) -> Option<T> {
        match self.get(name) {
            Some(value) => (form.read)(value, self.reading),
            None => {
                self.missing(name, form.example);
                None
            }
        }
    }

    /// A list that may be left out where a key that is named by its path is written.
    pub fn required_unless<T>(&self, name: &str, form: &Form<Vec<T>>, path: &str) -> Option<Vec<T>> {
        let mut keys = path.split('.');
        let top = keys.next().and_then(|top| self.get(top));
        let written = top.and_then(|top| keys.try_fold(top, Node::within)).is_some();
        match self.get(name) {
            None if written => Some(Vec::new()),
            _ => self.required(name, form),
        }
    }

    /// A value that may be left out. What is wrong is complained about and then treated as left out.
    pub fn optional<T>(&self, name: &str, form: &Form<T>) -> Option<Option<T>> {
        Some(self.get(name).and_then(|value| (form.read)(value, self.reading)))
    }

    /// A value, or the default where it is left out or wrong.
    pub fn or_default<T>(&self, name: &str, form: &Form<T>, default: &'static str) -> Option<T> {
        let written = self.get(name).and_then(|value| (form.read)(value, self.reading));
        written.or_else(|| {
            let words = default.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let text = |text: &'static str| Node { at: self.owner, kind: Kind::Text(text.into()) };
            let node = match words {
                None if default == "{}" => Node { at: self.owner, kind: Kind::Map(Vec::new()) },
                Some(words) => Node {
                    at: self.owner,
                    kind: Kind::List(words.split(", ").filter(|word| !word.is_empty()).map(text).collect()),
                },
                None => text(default.trim_matches('"')),
            };
            (form.read)(&node, self.reading)
        })
    }

    /// A section within; all its defaults where it is left out.
    pub fn section<T: Sectioned>(&self, name: &str) -> Option<T> {
        let none = Node { at: self.owner, kind: Kind::Map(Vec::new()) };
        let written = self.get(name).and_then(|value| T::read(value, self.owner, self.reading));
        written.or_else(|| T::read(&none, self.owner, self.reading))
    }

    /// A section within that is off unless written.
    pub fn optional_section<T: Sectioned>(&self, name: &str) -> Option<Option<T>> {
        Some(self.entry(name).and_then(|(key, value)| match value.kind {
            Kind::Empty => None,
            _ => T::read(value, key.at, self.reading),
        }))
    }

    /// Sections by name, at least one of them.
    pub fn named<T: Sectioned>(&self, name: &str) -> Option<Named<T>> {
        self.missing(name, &format!("{{ NAME: {} }}", outline(&T::SECTION)));
        self.optional_named(name)
    }

    /// Sections by name, or none. What is wrong with one is complained about; its name stays known.
    pub fn optional_named<T: Sectioned>(&self, name: &str) -> Option<Named<T>> {
        let mut named = Named::default();
        let Some(node) = self.get(name) else {
            if self.entry(name).is_some() || self.is_misspelt(name) {
                named.set_unreadable();
            }
            return Some(named);
        };
        let what = T::SECTION.name;
        let Kind::Map(entries) = &node.kind else {
            self.reading.tell(
                Diagnostic::error(node.at, format!("`{name}` holds names, each with {what}, not {}", node.what()))
                    .hint(format!("write for example `{name}: {{ NAME: {} }}`", outline(&T::SECTION))),
            );
            named.set_unreadable();
            return Some(named);
        };
        if entries.is_empty() {
            self.reading.tell(
                Diagnostic::error(node.at, format!("`{name}` is empty"))
                    .hint(format!("write for example `{name}: {{ NAME: {} }}`", outline(&T::SECTION))),
            );
        }
        for (key, value) in entries {
            let Some(text) = key_text(key, self.reading) else {
                named.set_unreadable();
                continue;
            };
            if let Err(complaint) = check_name(text) {
                self.reading.tell(Diagnostic::complaint(key.at, complaint));
            }
            let label = Spanned { value: text.into(), at: key.at };
            if let Kind::Empty = value.kind {
                self.reading.tell(
                    Diagnostic::error(key.at, format!("`{text}` has no value"))
                        .label("nothing after it")
                        .hint(format!("write for example `{text}: {}`", outline(&T::SECTION))),
                );
                named.declare(label, None);
                continue;
            }
            named.declare(label, T::read(value, key.at, self.reading));
        }
        Some(named)
    }

    /// Whether an unknown key stands where this one was meant, which was said already.
    fn is_misspelt(&self, name: &str) -> bool {
        let unknown = |key: &str| {
            let known = self.section.keys.iter().any(|own| own.name == key) || self.section.later.contains(&key);
            !known && self.section.meant(key) == Some(name)
        };
        !self.reading.is_full()
            && self.entries.iter().any(|(key, _)| matches!(&key.kind, Kind::Text(key) if unknown(key)))
    }

    /// Complains that a key is missing, unless it is there and empty, which was said already, or may stand in a
    /// file that could not be read.
    pub fn missing(&self, name: &str, example: &str) {
        let elsewhere = self.reading.partial.get() && self.section.name == Document::SECTION.name;
        if elsewhere || self.entry(name).is_some() || self.is_misspelt(name) {
            return;
        }
        let own = self.entries.iter().map(|(key, _)| key.at).find(|at| at.file == self.owner.file);
        let at = match own {
            // The document has no character of its own, and a comment may come first.
            Some(first) if self.owner.start == self.owner.end => first,
            _ => self.reading.first_line(self.owner),
        };
        let diagnostic = Diagnostic::error(at, format!("{} needs `{name}`", self.section.name));
        let is_part = self.section.name == Document::SECTION.name
            && matches!(name, "version" | "listeners")
            && self.reading.source.included().is_empty()
            && self.entry("version").is_none()
            && self.entry("listeners").is_none()
            && (self.entry("routes").is_some() || self.entry("upstreams").is_some());
        if is_part {
            let hint = format!("is this a file that another includes? check that one; else write `{name}: {example}`");
            self.reading.tell(diagnostic.hint(hint));
            return;
        }
        self.reading.tell(diagnostic.hint(format!("write for example `{name}: {example}`")));
    }
}

/// A key's text. Keys are words; variables are not inserted into them.
pub(super) fn key_text<'n>(key: &'n Node<'_>, reading: &'n Reading<'_>) -> Option<&'n str> {
    match &key.kind {
        Kind::Text(text) => Some(text),
        Kind::Empty | Kind::List(_) | Kind::Map(_) | Kind::Streamed => {
            let diagnostic = Diagnostic::error(key.at, format!("a key is a word, not {}", key.what()));
            reading.tell(match &key.kind {
                Kind::Empty => diagnostic.hint("a name that YAML takes for nothing stands in quotes: `\"null\"`"),
                _ => diagnostic.hint("text that starts with `{`, `[`, `*` or `&` stands in quotes"),
            });
            None
        }
    }
}

/// `{ address: … }`: what a section looks like, its required keys or else its first ones.
fn outline(section: &Section) -> String {
    let required: Vec<_> = section.keys.iter().filter(|key| key.absent.is_needed()).collect();
    // of several ways the first, with what stands beside it
    let way = section.keys.iter().position(|key| section.one_of.first() == Some(&key.name)).unwrap_or(0);
    let other = |key: &Key| section.one_of.iter().skip(1).any(|way| *way == key.name);
    let shown: Vec<_> = section.keys.iter().skip(way).take(2).take_while(|key| !other(key)).collect();
    let shown = if required.is_empty() { shown } else { required };
    let pairs: Vec<String> = shown.iter().map(|key| format!("{}: {}", key.name, key.example)).collect();
    format!("{{ {} }}", pairs.join(", "))
}
