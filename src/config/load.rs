//! From a file to a checked document. The only file that names the YAML reader.

use super::expand::Environment;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::Sectioned;
use super::{Diagnostic, Document, Report, RouteConfig, Source, Span, check, syntax};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Spanned};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The largest document. A route takes some hundred bytes, so a million of them fit.
pub const LARGEST: u64 = 256 << 20;
/// How deep lists and maps may lie within each other. The language needs eight levels.
const DEEPEST: usize = 32;

/// Reads, checks and completes the document in a file. Variables come from the process's environment.
pub fn load(path: &Path) -> Result<Document, Report> {
    let name = path.display().to_string();
    let refuse = |text: String, diagnostic: Diagnostic| {
        Err(Report {
            source: Source { name: path.display().to_string(), text },
            diagnostics: vec![diagnostic],
            omitted: 0,
        })
    };
    let nowhere = Span::default();
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let diagnostic = Diagnostic::error(nowhere, "this is a directory, not a file");
            return refuse(
                String::new(),
                diagnostic.hint(format!("name the file within it: `{}`", path.join("gateway.yaml").display())),
            );
        }
        Ok(metadata) if metadata.len() > LARGEST => {
            return refuse(String::new(), Diagnostic::error(nowhere, "the file is larger than 256 MiB"));
        }
        _ => {}
    }
    let mut bytes = Vec::new();
    // a device has no length that could be looked at before
    match File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) => {
            let diagnostic = Diagnostic::error(nowhere, format!("the file cannot be read: {error}"));
            return refuse(
                String::new(),
                match error.kind() {
                    ErrorKind::NotFound => {
                        diagnostic.hint("a path that does not start with `/` counts from the current directory")
                    }
                    ErrorKind::PermissionDenied => {
                        diagnostic.hint("the user that runs the gateway must be able to read it")
                    }
                    _ => diagnostic,
                },
            );
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => sound(read(Source { name, text }, &process_environment)),
        Err(error) => {
            let start = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(start).copied().unwrap_or(0);
            let at = Span { start: start as u32, end: start as u32 + 1 };
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let message = format!("the file is not UTF-8: byte 0x{byte:02x}");
            refuse(text, Diagnostic::error(at, message).hint("save it as UTF-8"))
        }
    }
}

/// Reads, checks and completes a document; `name` is what diagnostics call it.
/// Variables come from the process's environment.
pub fn parse(name: &str, text: &str) -> Result<Document, Report> {
    sound(review(name, text, &process_environment))
}

/// Like [`parse`], with warnings, and with variables from wherever the caller says. There is no document when the
/// report has errors.
pub fn review(name: &str, text: &str, environment: Environment<'_>) -> (Option<Document>, Report) {
    read(Source { name: name.to_owned(), text: text.to_owned() }, environment)
}

fn process_environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn sound((document, report): (Option<Document>, Report)) -> Result<Document, Report> {
    document.ok_or(report)
}

fn read(source: Source, environment: Environment<'_>) -> (Option<Document>, Report) {
    let reading = Reading::new(&source, environment);
    let document = read_document(&reading);
    if let Some(document) = &document {
        check::document(document, &reading);
    }
    let (diagnostics, omitted) = reading.finish();
    let report = Report { source, diagnostics, omitted };
    (document.filter(|_| !report.has_errors()), report)
}

fn read_document(reading: &Reading<'_>) -> Option<Document> {
    if reading.source.text.len() as u64 > LARGEST {
        reading.tell(Diagnostic::error(Span::default(), "the document is larger than 256 MiB"));
        return None;
    }
    let mut top = read_top(reading, DuplicateKeyPolicy::Error);
    if let Err(error) = &top {
        // What stops the reader comes first: what it saw before that is said once it reads to the end.
        let diagnostic = complaint(error, reading.source);
        reading.forget();
        reading.tell(diagnostic);
        if let Error::DuplicateMappingKey { .. } = error {
            top = read_top(reading, DuplicateKeyPolicy::FirstWins);
        }
    }
    let top = top.ok()?;
    Document::read(&top, top.at, reading)
}

fn read_top<'s>(reading: &Reading<'s>, duplicate_keys: DuplicateKeyPolicy) -> Result<Node<'s>, Error> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            max_events: 100_000_000,
            max_nodes: 50_000_000,
            max_documents: 2,
            max_recorded_anchor_events: 200_000,
            max_recorded_anchor_bytes: 16 << 20,
            max_total_scalar_bytes: LARGEST as usize,
        },
        duplicate_keys: duplicate_keys,
        emit_comments: false,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_str_with_options(&reading.source.text, options, |deserializer| {
        Ok(Node { at: Span::default(), kind: Reader::Top(reading).deserialize(deserializer)? })
    })
}

/// Which value is read: routes are read one by one, so that a hundred thousand of them never lie in memory as written.
#[derive(Clone, Copy)]
enum Reader<'r, 'e> {
    /// The map at the top.
    Top(&'r Reading<'e>),
    /// The list of routes.
    Routes(&'r Reading<'e>),
    /// Any other value.
    Value,
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_> {
    type Value = Kind<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_, '_> {
    type Value = Kind<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Node<'de>>()? {
            let value = match (self, &key.kind) {
                (Reader::Top(reading), Kind::Text(text)) if text == "routes" => {
                    Node { at: key.at, kind: map.next_value_seed(Reader::Routes(reading))? }
                }
                // Nothing reads the value of a key that does not exist: it is not gathered.
                (Reader::Top(_), Kind::Text(text)) if !Document::SECTION.keys.iter().any(|key| key.name == text) => {
                    map.next_value::<IgnoredAny>()?;
                    Node { at: key.at, kind: Kind::Empty }
                }
                _ => map.next_value()?,
            };
            entries.push((key, value));
        }
        Ok(Kind::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind<'de>, A::Error> {
        let mut items = Vec::new();
        let mut any = false;
        while let Some(item) = seq.next_element::<Node<'de>>()? {
            any = true;
            match self {
                Reader::Routes(reading) => reading.routes.borrow_mut().extend(RouteConfig::read(&item, reading)),
                _ => items.push(item),
            }
        }
        Ok(if any && matches!(self, Reader::Routes(_)) { Kind::Streamed } else { Kind::List(items) })
    }

    fn visit_unit<E>(self) -> Result<Kind<'de>, E> {
        Ok(Kind::Empty)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Kind<'de>, E> {
        Ok(Kind::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind<'de>, E> {
        Ok(Kind::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind<'de>, E> {
        Ok(Kind::Plain(Span::default()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Kind<'de>, E> {
        Ok(Kind::Plain(Span::default()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind<'de>, E> {
        Ok(Kind::Plain(Span::default()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind<'de>, E> {
        Ok(Kind::Plain(Span::default()))
    }
}

impl<'de> Deserialize<'de> for Kind<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader::Value)
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::<Kind<'de>>::deserialize(deserializer)?;
        let mut at = known_span(referenced).unwrap_or_default();
        let kind = match value {
            Kind::Plain(_) => Kind::Plain(known_span(defined).unwrap_or_default()),
            kind => kind,
        };
        // A map or list in block style has no character of its own: its first piece stands for it.
        if at.start == at.end
            && let Some(first) = match &kind {
                Kind::Map(entries) => entries.first().map(|(key, _)| key.at),
                Kind::List(items) => items.first().map(|item| item.at),
                _ => None,
            }
        {
            at = first;
        }
        Ok(Node { at, kind })
    }
}

fn known_span(location: Location) -> Option<Span> {
    let (start, length) = (location.span().byte_offset()?, location.span().byte_len()?);
    let start = u32::try_from(start).ok()?;
    Some(Span { start, end: start.saturating_add(u32::try_from(length).ok()?) })
}

/// What the reader says, in our words and at its place.
fn complaint(error: &Error, source: &Source) -> Diagnostic {
    let location = error.location();
    let at = match location {
        Some(location) => {
            known_span(location).unwrap_or_else(|| source.span_at(location.line() as usize, location.column() as usize))
        }
        None => Span::default(),
    };
    let mut cause = error;
    while let Error::AliasError { error, .. } | Error::WithSnippet { error, .. } = cause {
        cause = error;
    }
    match cause {
        Error::DuplicateMappingKey { key, .. } => syntax::repeated_key(key.as_deref(), at, source),
        Error::MultipleDocuments { .. } => Diagnostic::error(at, "a second document starts here")
            .hint("a file holds one document: leave out what follows, and the `---` before it"),
        Error::UnknownAnchor { .. } => syntax::unknown_anchor(at, source),
        Error::UnsupportedTag { .. } => syntax::tag(at, source),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            Diagnostic::error(at, "an alias stands within its own anchor")
        }
        Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. } => {
            Diagnostic::error(at, "the document's aliases expand to too much")
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            Diagnostic::error(at, format!("lists and maps lie deeper than {DEEPEST} levels within each other"))
        }
        Error::Budget { .. } => Diagnostic::error(at, "the document is too large, or its aliases expand to too much"),
        _ => {
            let said = cause.to_string();
            syntax::explain(said.split(" at line ").next().unwrap_or(&said), at, source)
        }
    }
}
