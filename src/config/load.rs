//! From files to a checked document.

use super::expand::Environment;
use super::include::{self, INCLUDE, Included, Shelf, bytes_of, text_of};
use super::merge::Merge;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::Sectioned;
use super::source::Sources;
use super::{
    AdminConfig, Bundle, Diagnostic, Document, Loaded, Material, Report, Secrets, Source, Span, Spanned, advice, allow,
    check, yaml,
};
use crate::value::open_regular;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

/// The largest document, all its files together. A route takes some hundred bytes, so a million of them fit.
pub const LARGEST: u64 = 256 << 20;

/// What a document is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To know whether it is right, perhaps on another machine than it is for.
    Check,
    /// To serve from it on this machine: what its secrets refer to must be there, and is read.
    Run,
}

/// Reads, checks and completes the document in a file. Variables come from the process's environment.
pub fn load(path: &Path, purpose: Purpose) -> Result<Loaded, Report> {
    load_at(path, purpose, SystemTime::now())
}

/// Like [`load`], at a time by which certificates are judged.
pub fn load_at(path: &Path, purpose: Purpose, now: SystemTime) -> Result<Loaded, Report> {
    let main = read_main(path, |path| File::open(path))?;
    sound(read(main, Shelf::Disk, &process_environment, (purpose, now), Report::LONGEST))
}

/// Like [`load`], for who must not wait for ever: the main file is a regular file too.
pub fn load_regular(path: &Path, purpose: Purpose) -> Result<Loaded, Report> {
    let main = read_main(path, open_regular)?;
    sound(read(main, Shelf::Disk, &process_environment, (purpose, SystemTime::now()), Report::LONGEST))
}

/// Reads, checks and completes the document in a bundle; nothing is read from disk. Variables come from the process's
/// environment.
pub fn load_from(bundle: &Bundle, purpose: Purpose) -> Result<Loaded, Report> {
    sound(read(
        bundle.main(),
        Shelf::Bundle(bundle),
        &process_environment,
        (purpose, SystemTime::now()),
        Report::LONGEST,
    ))
}

/// Reads, checks and completes a document; `name` is what diagnostics call it.
/// Variables come from the process's environment.
pub fn parse(name: &str, text: &str) -> Result<Document, Report> {
    load_from(&Bundle::one(name, text), Purpose::Check).map(|loaded| loaded.document)
}

/// Like [`parse`], with warnings, and with variables from wherever the caller says. There is no document when the
/// report has errors.
pub fn review(name: &str, text: &str, environment: Environment<'_>) -> (Option<Document>, Report) {
    review_all(&Bundle::one(name, text), environment)
}

/// Like [`review`], for a document of several files.
pub fn review_all(bundle: &Bundle, environment: Environment<'_>) -> (Option<Document>, Report) {
    let (read, report) =
        read(bundle.main(), Shelf::Bundle(bundle), environment, (Purpose::Check, SystemTime::now()), Report::LONGEST);
    (read.map(|(document, ..)| document), report)
}

/// What is wrong with a document, for a program: up to a million places.
pub(super) fn review_at_length(bundle: &Bundle, environment: Environment<'_>) -> Report {
    read(bundle.main(), Shelf::Bundle(bundle), environment, (Purpose::Check, SystemTime::now()), 1_000_000).1
}

/// The `admin` section of the document in a file, where the gateway that runs from it is asked. Mistakes elsewhere do not matter: they
/// may have been made since it started, and be the reason to ask.
pub fn admin_of(path: &Path) -> Result<Option<AdminConfig>, Report> {
    let sources = Sources::new(read_main(path, |path| File::open(path))?);
    let reading = Reading::new(&sources, Shelf::Disk, &process_environment);
    let admin = read_document(&reading).map(|document| document.admin);
    let is_partial = reading.partial.get();
    let bodies = reading.bodies.take();
    let (diagnostics, omitted) = reading.finish();
    let (files, patterns) = sources.into_parts(bodies);
    let report = Report { files, patterns, diagnostics, omitted, ..Report::default() };
    match admin {
        // with mistakes, what is not there may stand where it could not be read
        Some(admin) if admin.is_some() || !(is_partial || report.has_errors()) => Ok(admin),
        _ => Err(report),
    }
}

pub(super) fn process_environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn sound((read, report): (Option<(Document, Secrets, Material)>, Report)) -> Result<Loaded, Report> {
    match read {
        Some((document, secrets, material)) => Ok(Loaded::new(document, secrets, material, report)),
        None => Err(report),
    }
}

fn read(
    main: Source,
    shelf: Shelf<'_>,
    environment: Environment<'_>,
    (purpose, now): (Purpose, SystemTime),
    longest: usize,
) -> (Option<(Document, Secrets, Material)>, Report) {
    let sources = Sources::new(main);
    let mut reading = Reading::new(&sources, shelf, environment);
    reading.longest = longest;
    // what seems to be missing may stand in a file that could not be read
    let whole = read_document(&reading).filter(|_| !reading.partial.get());
    let read = whole.map(|document| {
        check::document(&document, &reading);
        if matches!(shelf, Shelf::Disk) {
            advice::secrets(&document, &reading);
        }
        let (mut material, mut prints) = (Material::default(), Vec::new());
        // a document from elsewhere says nothing about the files of this machine, unless it is to be served here
        if purpose == Purpose::Run || matches!(shelf, Shelf::Disk) {
            (material, prints) = Material::read(&document, purpose, now, &reading);
        }
        let secrets = match purpose {
            Purpose::Check => Secrets::default(),
            Purpose::Run => {
                // before they are read: what changes in between is read again
                prints.extend(Secrets::prints(&document));
                Secrets::read(&document, &reading)
            }
        };
        (document, secrets, material, prints)
    });
    let (read, prints) = match read {
        Some((document, secrets, material, prints)) => (Some((document, secrets, material)), prints),
        None => (None, Vec::new()),
    };
    allow::settle(&reading);
    let variables = reading.variables.take();
    let bodies = reading.bodies.take();
    let (diagnostics, omitted) = reading.finish();
    let (files, patterns) = sources.into_parts(bodies);
    let report = Report { files, prints, patterns, diagnostics, omitted, variables };
    (read.filter(|_| !report.has_errors()), report)
}

fn read_document(reading: &Reading<'_>) -> Option<Document> {
    let main = reading.source.main();
    if main.text.len() as u64 > LARGEST {
        reading.tell(Diagnostic::error(Span::default(), "the document is larger than 256 MiB"));
        return None;
    }
    let top = yaml::read(main, 0, reading)?;
    let Kind::Map(mut entries) = top.kind else { return Document::read(&top, top.at, reading) };
    let mut written = entries.extract_if(.., |(key, value)| is_include(key) && !matches!(value.kind, Kind::Empty));
    let include = written.next().and_then(|(_, items)| (INCLUDE.read)(&items, reading));
    drop(written);
    let top = whole(entries, include.as_deref().unwrap_or_default(), reading);
    let document = Document::read(&top, top.at, reading);
    include::all_used(reading);
    let document = document?;
    Some(Document { include, ..document })
}

fn is_include(key: &Node<'_>) -> bool {
    matches!(&key.kind, Kind::Text(text) if text == "include")
}

/// The main file's entries with those of the files it includes.
fn whole<'e>(entries: Vec<(Node<'e>, Node<'e>)>, include: &[Spanned<Box<str>>], reading: &Reading<'e>) -> Node<'e> {
    let Included { files, patterns, broken, partial } = include::find(include, reading);
    reading.partial.set(partial);
    reading.source.include(files, patterns);
    let mut merge = Merge::main(entries);
    for (file, number) in reading.source.included().iter().zip(1..) {
        if broken.contains(&number) {
            continue;
        }
        match yaml::read(file, number, reading) {
            Some(top) => merge.add(top, number, reading),
            None => reading.partial.set(true),
        }
    }
    merge.finish()
}

/// The main file's text. It may be a device or a pipe, where `open` opens those.
pub(super) fn read_main(path: &Path, open: impl Fn(&Path) -> io::Result<File>) -> Result<Source, Report> {
    let source = |text: String| Source {
        name: path.display().to_string(),
        path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        text,
    };
    let refuse = |text: String, diagnostic: Diagnostic| {
        Err(Report { files: vec![source(text)], diagnostics: vec![diagnostic], ..Report::default() })
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
    // a device has no length that could be looked at before
    let bytes = match open(path).and_then(|file| bytes_of(file, LARGEST)) {
        Ok(bytes) => bytes,
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
    match text_of(bytes, 0) {
        (text, None) => Ok(source(text)),
        (text, Some(problem)) => refuse(text, problem),
    }
}
