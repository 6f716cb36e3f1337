//! From the text of a file to nodes. The only file that names the YAML reader.

use super::allow::Allows;
use super::lints::UNUSED_ANCHOR;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::{Diagnostic, RouteConfig, Source, Span, slip, syntax};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

/// How deep lists and maps may lie within each other. The language needs eight levels.
const DEEPEST: usize = 32;
/// The most keys and values of one file.
const NODES_MAX: usize = 50_000_000;
/// The most memory that copies of what aliases refer to may take, in bytes.
const COPIES_MAX: usize = 64 << 20;
/// Maps with more keys than this are searched by hash for one that is written twice.
const FEW_KEYS: usize = 16;

type Entry<'e> = (Node<'e>, Node<'e>);
/// What stops the reading of a file.
type Stop = Box<Diagnostic>;

/// Reads a file: what stands at its top, with its routes handed to the reading. Nothing when the text is no YAML, which
/// is complained about.
pub(super) fn read<'e>(source: &'e Source, number: u16, reading: &Reading<'e>) -> Option<Node<'e>> {
    read_file(source, number, reading, true)
}

/// Reads all of a file as it stands, routes too.
pub(super) fn read_whole<'e>(source: &'e Source, number: u16, reading: &Reading<'e>) -> Option<Node<'e>> {
    read_file(source, number, reading, false)
}

fn read_file<'e>(source: &'e Source, number: u16, reading: &Reading<'e>, streams: bool) -> Option<Node<'e>> {
    if let Some(at) = lone_return(&source.text) {
        let at = Span { file: number, start: at as u32, end: at as u32 + 1 };
        let diagnostic = Diagnostic::error(at, "a carriage return stands here without a line feed");
        reading
            .tell(diagnostic.hint("save the file with the line ends of Unix or Windows; in text it is written `\\r`"));
        return None;
    }
    let before = reading.mark();
    let mut options = granit_parser::options! {};
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    options.disallow_directives = true;
    let events = Parser::new_from_str_with_options(&source.text, options);
    let room = (NODES_MAX, COPIES_MAX);
    let allows = Allows::find(&source.text);
    let anchors = HashMap::new();
    let mut file = File {
        source,
        number,
        streams,
        reading,
        events,
        allows,
        anchors,
        unused: BTreeMap::new(),
        nodes: room.0,
        copies: room.1,
    };
    match file.document() {
        Ok(top) => {
            file.unused_anchors();
            reading.allows.borrow_mut().extend(file.allows.found(number));
            Some(top)
        }
        Err(stop) => {
            // What stops the reader comes first: what it saw before that is said once it reads to the end.
            reading.forget(before);
            reading.tell(*stop);
            None
        }
    }
}

/// A file while its nodes are made.
struct File<'r, 'e> {
    source: &'e Source,
    /// Its number.
    number: u16,
    /// Whether routes are handed to the reading one by one.
    streams: bool,
    reading: &'r Reading<'e>,
    events: Parser<'e, StrInput<'e>>,
    /// Comments that silence warnings, as far as they may be some.
    allows: Allows,
    /// What aliases can refer to, by the anchor's number.
    anchors: HashMap<usize, Node<'e>>,
    /// Anchors that no alias has named, by number: how they are called, and where they stand.
    unused: BTreeMap<usize, (Cow<'e, str>, Span)>,
    /// How many more nodes there may be.
    nodes: usize,
    /// How many more bytes copies may take.
    copies: usize,
}

impl<'e> File<'_, 'e> {
    fn document(&mut self) -> Result<Node<'e>, Stop> {
        let top = loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => break Node { at: self.place(0, 0), kind: Kind::Empty },
                (Event::MappingStart(..), at) => break Node { at, kind: self.map(1, self.streams)? },
                (event, at) => break self.node(event, at, 1)?,
            }
        };
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(Node { at: self.place(0, 0), ..top }),
                (_, at) => {
                    return Err(Diagnostic::error(at, "a second document starts here")
                        .hint("a file holds one document: leave out what follows, and the `---` before it")
                        .into());
                }
            }
        }
    }

    /// The value that starts with an event, at a depth from 1.
    fn node(&mut self, event: Event<'e>, mut at: Span, depth: usize) -> Result<Node<'e>, Stop> {
        self.nodes = match self.nodes.checked_sub(1) {
            Some(nodes) => nodes,
            None => return Err(Diagnostic::error(at, "the document is too large").into()),
        };
        if depth > DEEPEST && !matches!(event, Event::Scalar(..)) {
            return Err(too_deep(at));
        }
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    at = slip::block_start(self.source, at);
                }
                let empty = text.is_empty() || text == "~" || text.eq_ignore_ascii_case("null");
                (if empty && style == ScalarStyle::Plain { Kind::Empty } else { Kind::Text(text) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (Kind::List(self.list(depth)?), anchor),
            Event::MappingStart(_, anchor, _) => (self.map(depth, false)?, anchor),
            Event::Alias(anchor) => {
                self.unused.remove(&anchor);
                return self.copy(anchor, at, depth);
            }
            _ => return Err(Diagnostic::error(at, "this is no YAML").into()),
        };
        let node = Node { at: first_piece(at, &kind), kind };
        if anchor != 0 {
            let copy = node.clone();
            self.take_room(&copy, at)?;
            self.anchors.insert(anchor, copy);
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node<'e>>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    /// A map, its start already read. At the top of a file, routes are read one by one, so that a hundred thousand of them
    /// never lie in memory as written.
    fn map(&mut self, depth: usize, top: bool) -> Result<Kind<'e>, Stop> {
        let mut entries: Vec<Entry<'e>> = Vec::new();
        let mut hashed = HashMap::new();
        let mut merged = Vec::new();
        let mut merges_at: Option<Span> = None;
        loop {
            let (event, at) = self.next()?;
            let merges = match &event {
                Event::MappingEnd => break,
                Event::Scalar(text, ScalarStyle::Plain, ..) => text == "<<",
                _ => false,
            };
            let key = self.node(event, at, depth + 1)?;
            let (event, at) = self.next()?;
            if merges {
                let first = merges_at.replace(key.at);
                merged.push(self.node(event, at, depth + 1)?);
                if let Some(first) = first {
                    self.reading.tell(
                        Diagnostic::error(key.at, "`<<` is written twice")
                            .other(first, "the first one")
                            .hint("merge several maps with one: `<<: [*a, *b]`"),
                    );
                }
                continue;
            }
            if let Kind::Text(name) = &key.kind {
                let same = |key: &Node<'_>| matches!(&key.kind, Kind::Text(other) if other == name);
                let first = match entries.len() {
                    0..=FEW_KEYS => entries.iter().map(|(key, _)| key).find(|key| same(key)).map(|key| key.at),
                    _ => hashed.get(name).copied(),
                };
                if let Some(first) = first {
                    self.reading.tell(
                        Diagnostic::error(key.at, format!("`{name}` is written twice"))
                            .other(first, "the first one")
                            .hint("leave one of the two out"),
                    );
                    self.node(event, at, depth + 1)?;
                    continue;
                }
            }
            let value = match (&key.kind, event) {
                (Kind::Text(name), Event::SequenceStart(_, 0, _)) if top && name == "routes" => {
                    Node { at: key.at, kind: self.routes(depth + 1)? }
                }
                (_, event) => self.node(event, at, depth + 1)?,
            };
            entries.push((key, value));
            if entries.len() == FEW_KEYS + 1 {
                hashed.extend(entries.iter().filter_map(named));
            } else if entries.len() > FEW_KEYS {
                hashed.extend(entries.last().and_then(named));
            }
        }
        if !merged.is_empty() {
            let mut known: HashSet<_> = entries.iter().filter_map(named).map(|(name, _)| name).collect();
            merged.into_iter().for_each(|node| self.merge(node, &mut entries, &mut known));
        }
        if top {
            self.late_routes(&mut entries);
        }
        Ok(Kind::Map(entries))
    }

    /// What `<<` brings: entries whose keys are not there yet.
    fn merge(&self, node: Node<'e>, entries: &mut Vec<Entry<'e>>, known: &mut HashSet<Cow<'e, str>>) {
        match node.kind {
            Kind::Map(more) => {
                entries.extend(more.into_iter().filter(|entry| named(entry).is_none_or(|(name, _)| known.insert(name))))
            }
            Kind::List(maps) if maps.iter().all(|map| matches!(map.kind, Kind::Map(_))) => {
                maps.into_iter().for_each(|map| self.merge(map, entries, known));
            }
            _ => self.reading.tell(
                Diagnostic::error(node.at, format!("`<<` takes the keys of a map, not {}", node.what()))
                    .hint("write `<<: *anchor`"),
            ),
        }
    }

    /// The routes, their list's start already read.
    fn routes(&mut self, depth: usize) -> Result<Kind<'e>, Stop> {
        let mut any = false;
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(if any { Kind::Streamed } else { Kind::List(Vec::new()) }),
                (event, at) => {
                    any = true;
                    let route = self.node(event, at, depth + 1)?;
                    self.route(&route);
                }
            }
        }
    }

    /// Routes that came by way of an anchor lie in memory already.
    fn late_routes(&self, entries: &mut [Entry<'e>]) {
        for (key, value) in entries {
            if let (Kind::Text(name), Kind::List(routes)) = (&key.kind, &value.kind)
                && name == "routes"
                && !routes.is_empty()
            {
                routes.iter().for_each(|route| self.route(route));
                value.kind = Kind::Streamed;
            }
        }
    }

    fn route(&self, node: &Node<'e>) {
        let route = RouteConfig::read(node, self.reading);
        self.reading.routes.borrow_mut().extend(route);
    }

    /// What an alias refers to. All of it stands where the alias does.
    fn copy(&mut self, anchor: usize, at: Span, depth: usize) -> Result<Node<'e>, Stop> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error(at, "an alias stands within its own anchor").into());
        };
        if depth + anchored.depth() > DEEPEST {
            return Err(too_deep(at));
        }
        let mut copy = anchored.clone();
        self.take_room(&copy, at)?;
        copy.stand_at(at);
        Ok(copy)
    }

    fn take_room(&mut self, copy: &Node<'_>, at: Span) -> Result<(), Stop> {
        match self.copies.checked_sub(copy.bytes()) {
            Some(copies) => {
                self.copies = copies;
                Ok(())
            }
            None => Err(Diagnostic::error(at, "the document's aliases expand to too much")
                .hint("what aliases stand for may take 64 MiB in all: write it out where it is meant")
                .into()),
        }
    }

    /// The next event and its place.
    fn next(&mut self) -> Result<(Event<'e>, Span), Stop> {
        let (event, span) = match self.events.next_event() {
            Some(Ok(next)) => next,
            Some(Err(error)) => return Err(self.complaint(&error).into()),
            None => return Ok((Event::StreamEnd, self.place(0, 0))),
        };
        if let Some(tag) = span.tag_span().and_then(|tag| tag.byte_range()) {
            let at = self.place(tag.start, tag.end);
            let written = self.source.slice(at.start, at.end);
            let diagnostic = Diagnostic::error(at, "tags (`!…`) are not part of the language");
            self.reading.tell(match written.starts_with("!!") {
                true => diagnostic.hint(format!("leave `{written}` out: what a value is follows from its key")),
                false => diagnostic.hint("text that starts with `!` stands in quotes"),
            });
        }
        let range = span.byte_range().unwrap_or_default();
        if let Event::Anchor(anchor, name) = event {
            self.unused.insert(anchor, (name, self.place(range.start, range.end)));
            return self.next();
        }
        if let Event::Scalar(..) = event {
            self.allows.pass(&range);
        }
        Ok((event, self.place(range.start, range.end)))
    }

    /// Warns of anchors that nothing refers to: mostly text that was meant to start with `&`.
    fn unused_anchors(&self) {
        for (name, at) in self.unused.values() {
            self.reading.tell(
                Diagnostic::warning(&UNUSED_ANCHOR, *at, format!("nothing refers to the anchor `&{name}`"))
                    .hint("text that starts with `&` stands in quotes"),
            );
        }
    }

    fn place(&self, start: usize, end: usize) -> Span {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.number, start: offset(start), end: offset(end) }
    }

    /// What the reader says, in our words and at its place.
    fn complaint(&self, error: &ScanError) -> Diagnostic {
        let start = error.marker().byte_offset().unwrap_or(0).min(self.source.text.len());
        let width = self.source.text.get(start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        let at = self.place(start, start + width);
        match error.kind() {
            ErrorKind::UnknownAnchor => syntax::unknown_anchor(at, self.source),
            _ => syntax::explain(&error.info(), at, self.source),
        }
    }
}

/// Where a carriage return ends a line alone. YAML would take it for a line end, and hardly any program besides.
fn lone_return(text: &str) -> Option<usize> {
    text.match_indices('\r').map(|(at, _)| at).find(|at| text.as_bytes().get(at + 1) != Some(&b'\n'))
}

fn too_deep(at: Span) -> Stop {
    Diagnostic::error(at, format!("lists and maps lie deeper than {DEEPEST} levels within each other")).into()
}

/// A key that is a word, and its place.
fn named<'e>((key, _): &Entry<'e>) -> Option<(Cow<'e, str>, Span)> {
    match &key.kind {
        Kind::Text(name) => Some((name.clone(), key.at)),
        _ => None,
    }
}

/// A map or list in block style has no character of its own: its first piece stands for it.
fn first_piece(at: Span, kind: &Kind<'_>) -> Span {
    let first = match kind {
        _ if at.start != at.end => None,
        Kind::Map(entries) => entries.first().map(|(key, _)| key.at),
        Kind::List(items) => items.first().map(|item| item.at),
        _ => None,
    };
    first.unwrap_or(at)
}
