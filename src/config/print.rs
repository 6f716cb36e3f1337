//! How a document as it holds is made of the text: the tables that read it say what is left out.

use super::expand::{Environment, expand};
use super::include::{self, INCLUDE, Shelf};
use super::load::review_at_length;
use super::node::{Kind, Node};
use super::printed::{Item, Shown};
use super::reading::Reading;
use super::route::WrittenRoute;
use super::section::Sectioned;
use super::source::Sources;
use super::{
    Absent, Bundle, DefaultsConfig, Diagnostic, Document, HeadersConfig, Key, Loaded, MatchConfig, Printed, Section,
    Shape, Source, Span, yaml,
};
use crate::value::EndpointAddress;
use std::collections::{BTreeSet, HashSet};
use std::path::{Component, Path, PathBuf};

type Entries<'n, 's> = &'n [(Node<'s>, Node<'s>)];

impl Printed {
    /// The document of what was loaded. Variables stay as they are written.
    pub fn of(loaded: &Loaded) -> Printed {
        Printed::of_files(&loaded.files, &|name| std::env::var(name).ok())
    }

    /// The same with the defaults that have no effect where they stand: to be asked where a value is from. Takes one reading
    /// of the files, where [`Printed::of`] takes many.
    pub fn with_all_defaults(loaded: &Loaded) -> Printed {
        Printed::read(&loaded.files, &Bundle::of(&loaded.files), &|name| std::env::var(name).ok()).0
    }

    /// The document of files that were read without an error, the main one first.
    pub fn of_files(files: &[Source], environment: Environment<'_>) -> Printed {
        let mut bundle = Bundle::of(files);
        let (printed, included) = Printed::read(files, &bundle, environment);
        let report = review_at_length(&bundle, environment);
        bundle.files.retain(|path, _| !included.contains(path));
        printed.settled(bundle, environment, &report.diagnostics)
    }

    /// With every default, and the files that are included.
    fn read(files: &[Source], bundle: &Bundle, environment: Environment<'_>) -> (Printed, Vec<String>) {
        let sources = Sources::new(bundle.main());
        let reading = Reading::new(&sources, Shelf::Bundle(bundle), environment);
        let entries = merged(&reading);
        let lines = |source: &Source| {
            let name = files.iter().find(|file| file.path == source.path).map_or(&source.name, |file| &file.name);
            (name.clone(), line_ends(&source.text))
        };
        let files = [sources.main()].into_iter().chain(sources.included()).map(lines).collect();
        let printer = Printer { reading: &reading, files, defaults: within(&entries, "defaults") };
        let top = Item::written(printer.section(&Document::SECTION, &entries), String::new());
        let included = sources.included().iter().map(|file| file.path.display().to_string()).collect();
        (Printed { top }, included)
    }

    /// Without the defaults that it would be a mistake to write, since they have no effect beside what is written, and with
    /// comments that silence what was silenced: what is warned of now, but was not `before`.
    fn settled(mut self, mut bundle: Bundle, environment: Environment<'_>, before: &[Diagnostic]) -> Printed {
        let before: HashSet<_> = before.iter().map(|old| (&old.message, &old.label)).collect();
        for _ in 0..ROUNDS_MAX {
            let text = self.yaml(false);
            let ends = line_ends(&text);
            bundle.files.insert(bundle.main.clone(), text);
            let report = review_at_length(&bundle, environment);
            // others are files with bodies
            let line = |at: Span| (at.file == 0).then(|| ends.partition_point(|end| *end < at.start) + 1);
            let mut filled = BTreeSet::new();
            self.top.filled_lines(&mut filled);
            let mut lines = BTreeSet::new();
            for diagnostic in &report.diagnostics {
                let places = [diagnostic.at].into_iter().chain(diagnostic.others.iter().map(|(at, _)| *at));
                lines.extend(places.filter_map(line).find(|line| filled.contains(line)));
            }
            if self.top.leave_out(&lines) {
                continue;
            }
            let new = report.diagnostics.iter().filter(|new| !before.contains(&(&new.message, &new.label)));
            let silenced = new.filter_map(|warning| Some((line(warning.at)?, warning.lint?.name)));
            let silenced: Vec<_> = silenced.collect();
            if silenced.is_empty() {
                break;
            }
            silenced.into_iter().for_each(|(line, lint)| self.top.silence(line, lint));
        }
        self
    }
}

/// What is left out may bring to light what was hidden behind it, but not often.
const ROUNDS_MAX: usize = 20;

/// Where the lines of a text end.
fn line_ends(text: &str) -> Vec<u32> {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32).collect()
}

/// What stands at the top of all files.
fn merged<'e>(reading: &Reading<'e>) -> Vec<(Node<'e>, Node<'e>)> {
    let top = |source, number| match yaml::read_whole(source, number, reading).map(|top| top.kind) {
        Some(Kind::Map(entries)) => entries,
        _ => Vec::new(),
    };
    let mut entries = top(reading.source.main(), 0);
    let items = entry(&entries, "include").and_then(|(_, items)| (INCLUDE.read)(items, reading));
    let found = include::find(items.as_deref().unwrap_or_default(), reading);
    reading.source.include(found.files, found.patterns);
    entries.retain(|(key, _)| text(key) != Some("include"));
    for (file, number) in reading.source.included().iter().zip(1..) {
        for (key, value) in top(file, number) {
            let known = entries.iter_mut().find(|(other, _)| text(other).is_some() && text(other) == text(&key));
            let Some((_, known)) = known else {
                entries.push((key, value));
                continue;
            };
            match (&mut known.kind, value.kind) {
                (Kind::List(items), Kind::List(more)) => items.extend(more),
                (Kind::Map(names), Kind::Map(more)) => names.extend(more),
                // every included file may say the version
                _ => {}
            }
        }
    }
    entries
}

struct Printer<'p, 'e> {
    reading: &'p Reading<'e>,
    /// Names of files, and where their lines end.
    files: Vec<(String, Vec<u32>)>,
    /// What `defaults` of the document says.
    defaults: Entries<'p, 'e>,
}

impl Printer<'_, '_> {
    /// A section with every key that holds, in the order of the manual.
    fn section(&self, section: &'static Section, entries: Entries<'_, '_>) -> Shown {
        let keys = section.keys.iter().filter_map(|key| {
            let item = match entry(entries, key.name) {
                Some((_, value)) => Some(self.written(section, key, value)),
                None => self.left_out(section, key, entries),
            };
            Some((key.name.to_owned(), item?))
        });
        Shown::Map(keys.collect())
    }

    fn written(&self, section: &'static Section, key: &Key, value: &Node<'_>) -> Item {
        if let (true, Some(defaults)) = (is_route(section), inherited(key)) {
            let Kind::Map(own) = &value.kind else { return self.item(&key.shape, value) };
            return Item::written(self.over(key, own, defaults), String::new());
        }
        self.item(&key.shape, value)
    }

    /// What holds at a key that is not written; nothing where nothing does, or where writing it would be a mistake.
    fn left_out(&self, section: &'static Section, key: &Key, entries: Entries<'_, '_>) -> Option<Item> {
        if is_route(section) {
            let forwards = entry(entries, "upstream").or(entry(entries, "split")).is_some();
            return match (inherited(key), key.name) {
                (Some(defaults), _) if forwards => Some(Item::filled(self.over(key, &[], defaults), String::new())),
                (_, "upgrade") if forwards => Some(default("[websocket]", &key.shape)),
                (_, "priority") => default_of(key),
                _ => None,
            };
        }
        // what sets no condition and what changes nothing are no defaults worth a line
        if section.name == MatchConfig::SECTION.name && key.name != "path"
            || section.name == HeadersConfig::SECTION.name
            || key.name == "passive" && self.is_alone(entries)
        {
            return None;
        }
        match (key.absent, key.section) {
            (Absent::Within, Some(within)) => Some(Item::filled(self.section(within, &[]), String::new())),
            _ => default_of(key),
        }
    }

    /// Whether a pool has one endpoint that is one address: nothing takes that out. There are many such pools, so it is not left to
    /// the warnings to tell.
    fn is_alone(&self, upstream: Entries<'_, '_>) -> bool {
        let Some((_, Node { kind: Kind::List(items), .. })) = entry(upstream, "endpoints") else { return false };
        let [only] = items.as_slice() else { return false };
        let address = text(only.within("address").unwrap_or(only)).unwrap_or_default();
        let address = expand(address, self.reading.environment).unwrap_or_default();
        !matches!(EndpointAddress::parse(&address), Ok(EndpointAddress::Name { .. }))
    }

    /// A route's own section over that of `defaults`.
    fn over(&self, key: &Key, own: Entries<'_, '_>, defaults: &'static Section) -> Shown {
        let Some(section) = key.section else { return Shown::Map(Vec::new()) };
        let shared = within(self.defaults, key.name);
        let keys = section.keys.iter().filter_map(|key| {
            let item = match (entry(own, key.name), entry(shared, key.name)) {
                (Some((_, value)), _) => self.item(&key.shape, value),
                (None, Some((_, value))) => {
                    let item = self.item(&key.shape, value);
                    Item::filled(item.value, format!("defaults, {}", item.origin))
                }
                (None, None) => default_of(defaults.keys.iter().find(|other| other.name == key.name)?)?,
            };
            Some((key.name.to_owned(), item))
        });
        Shown::Map(keys.collect())
    }

    /// What is written.
    fn item(&self, shape: &Shape, node: &Node<'_>) -> Item {
        let parts = |value| Item::written(value, String::new());
        match (shape, &node.kind) {
            (Shape::OneOf(shapes), kind) => {
                let fits = shapes.iter().find(|shape| takes(shape, kind));
                self.item(fits.unwrap_or(&Shape::Choice(Vec::new)), node)
            }
            (Shape::Section(section) | Shape::SectionOr(section, _), Kind::Map(entries)) => {
                parts(self.section(section, entries))
            }
            (Shape::SectionOr(section, name), _) => parts(self.short(section, name, node)),
            (Shape::Named(section), Kind::Map(entries)) => parts(Shown::Map(
                entries.iter().map(|(key, value)| (name(key), self.item(&Shape::Section(section), value))).collect(),
            )),
            (Shape::Map(_, of, _), Kind::Map(entries)) => {
                parts(Shown::Map(entries.iter().map(|(key, value)| (name(key), self.item(of, value))).collect()))
            }
            (Shape::OneKey(keys), Kind::Map(entries)) => {
                let shape = |key: &Node<'_>| keys.iter().find(|(name, _)| text(key) == Some(name)).map(|(_, of)| of);
                let item = |(key, value): &(Node<'_>, Node<'_>)| {
                    (name(key), self.item(shape(key).unwrap_or(&Shape::Text), value))
                };
                parts(Shown::Map(entries.iter().map(item).collect()))
            }
            (Shape::List(of, _) | Shape::Set(of, _), Kind::List(items)) => {
                let items: Vec<Item> = items.iter().map(|item| self.item(of, item)).collect();
                let words = items.iter().all(|item| matches!(item.value, Shown::Bare(_) | Shown::Text(_)));
                let origin = if words { self.origin(node) } else { String::new() };
                Item::written(Shown::List(items), origin)
            }
            (Shape::Path, _) => {
                let path = self.seen_from_main(text(node).unwrap_or_default(), node.at);
                Item::written(Shown::Text(path), self.origin(node))
            }
            (shape, _) => Item::written(word(shape, text(node).unwrap_or_default()), self.origin(node)),
        }
    }

    /// A section of which only one key is written, without its name.
    fn short(&self, section: &'static Section, name: &str, node: &Node<'_>) -> Shown {
        let keys = section.keys.iter().filter_map(|key| {
            let item = if key.name == name { Some(self.item(&key.shape, node)) } else { default_of(key) };
            Some((key.name.to_owned(), item?))
        });
        Shown::Map(keys.collect())
    }

    /// Where a value is written, and from which variables it comes.
    fn origin(&self, node: &Node<'_>) -> String {
        let mut names: Vec<String> = Vec::new();
        let items = match &node.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for text in items.iter().filter_map(text) {
            variables(text, &mut names);
        }
        let Some((file, ends)) = self.files.get(usize::from(node.at.file)) else { return String::new() };
        let line = ends.partition_point(|end| *end < node.at.start) + 1;
        names.push(format!("{file}:{line}"));
        names.join(", ")
    }

    /// A path that counts from the directory of the file it is written in, as it counts from that of the main file.
    fn seen_from_main(&self, path: &str, at: Span) -> String {
        let written = self.reading.source.file(at);
        let main = self.reading.source.main().path.parent().unwrap_or(Path::new(""));
        let expanded = expand(path, self.reading.environment).unwrap_or_default();
        let Some(directory) = written.path.parent().filter(|directory| *directory != main) else {
            return path.to_owned();
        };
        if expanded.starts_with('/') {
            return path.to_owned();
        }
        let path: PathBuf = Path::new(path).components().filter(|part| *part != Component::CurDir).collect();
        directory.strip_prefix(main).unwrap_or(directory).join(path).display().to_string()
    }
}

fn is_route(section: &Section) -> bool {
    section.name == WrittenRoute::SECTION.name
}

/// The section of `defaults` that a key of a route inherits from.
fn inherited(key: &Key) -> Option<&'static Section> {
    let defaults = DefaultsConfig::SECTION.keys.iter().find(|other| other.name == key.name)?;
    defaults.section
}

fn default_of(key: &Key) -> Option<Item> {
    match key.absent {
        Absent::Default(text) => Some(default(text, &key.shape)),
        _ => None,
    }
}

/// A default as the manual writes it.
fn default(text: &str, shape: &Shape) -> Item {
    let value = match (text, text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')), shape) {
        ("{}", _, _) => Shown::Map(Vec::new()),
        (_, Some(words), Shape::List(of, _) | Shape::Set(of, _)) => {
            let words = words.split(", ").filter(|word| !word.is_empty());
            Shown::List(words.map(|text| Item::written(word(of, text), String::new())).collect())
        }
        _ => word(shape, text.trim_matches('"')),
    };
    Item::filled(value, "default".into())
}

/// A word: a number or a truth value only where one is wanted.
fn word(shape: &Shape, text: &str) -> Shown {
    let is_text = matches!(shape, Shape::Word(_) | Shape::Literal(_) | Shape::Text);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = digits.len() < 16 && (digits == "0" || digits.starts_with(|c| ('1'..='9').contains(&c)));
    let bare = matches!(text, "true" | "false") || number && digits.bytes().all(|b| b.is_ascii_digit());
    if bare && !is_text { Shown::Bare(text.to_owned()) } else { Shown::Text(text.to_owned()) }
}

/// Whether a shape is for such a value.
fn takes(shape: &Shape, kind: &Kind<'_>) -> bool {
    match (shape, kind) {
        (Shape::List(..) | Shape::Set(..), kind) => matches!(kind, Kind::List(_)),
        (Shape::Map(..) | Shape::OneKey(_) | Shape::Section(_) | Shape::Named(_), kind) => matches!(kind, Kind::Map(_)),
        (Shape::SectionOr(..) | Shape::OneOf(_), _) => true,
        (_, kind) => matches!(kind, Kind::Text(_)),
    }
}

/// The environment's variables in a text: `${NAME}` each.
fn variables(text: &str, names: &mut Vec<String>) {
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        rest = after;
        if !before.ends_with('$') {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            let name = format!("${{{}}}", &after[..end]);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
}

fn entry<'n, 's>(entries: Entries<'n, 's>, name: &str) -> Option<&'n (Node<'s>, Node<'s>)> {
    entries.iter().find(|(key, _)| text(key) == Some(name))
}

/// What a section within says.
fn within<'n, 's>(entries: Entries<'n, 's>, name: &str) -> Entries<'n, 's> {
    match entry(entries, name).map(|(_, node)| &node.kind) {
        Some(Kind::Map(entries)) => entries,
        _ => &[],
    }
}

fn text<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match &node.kind {
        Kind::Text(text) => Some(text),
        _ => None,
    }
}

fn name(key: &Node<'_>) -> String {
    text(key).unwrap_or_default().to_owned()
}
