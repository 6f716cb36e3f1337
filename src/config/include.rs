//! `include`: which files it names, on disk or in a bundle, and their texts.

use super::form::Form;
use super::load::LARGEST;
use super::reading::Reading;
use super::shape::{self, Shape};
use super::{Bundle, Diagnostic, Source, Span, Spanned, suggest};
use crate::value::{Complaint, open_regular};
use glob::{MatchOptions, Pattern};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// The most files that a document includes.
const FILES_MAX: usize = 1000;
/// What makes a pattern of a path.
const WILD: [char; 3] = ['*', '?', '['];
/// A `*` stays within its directory, and what editors and mounts hide stays hidden.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The items of `include`.
pub(super) const INCLUDE: Form<Vec<Spanned<Box<str>>>> = Form {
    form: "a list of paths and patterns",
    example: "[\"routes.d/*.yaml\"]",
    shape: Shape::List(&Shape::Word(shape::FILE), 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of paths")?;
        if items.is_empty() {
            reading.tell(Diagnostic::error(node.at, "`include` is empty").hint("name a file, or leave the key out"));
        }
        Some(items.iter().filter_map(|item| reading.spanned(item, "a path", item_of)).collect())
    },
};

fn item_of(text: &str) -> Result<Box<str>, Complaint> {
    if text.is_empty() || text.contains('\0') {
        return Err(Complaint::new("this is no path").hint("write for example `routes.d/*.yaml`"));
    }
    if text.ends_with('/') {
        return Err(Complaint::new(format!("`{text}` is a directory, not a file")).hint(within(text)));
    }
    if text.contains("**") {
        return Err(Complaint::new("`**` would search whole trees of directories")
            .hint("write one pattern for each depth: `routes.d/*.yaml` and `routes.d/*/*.yaml`"));
    }
    match Pattern::new(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(Complaint::new(format!("`{text}` is no pattern: {}", error.msg)).hint(
            "`*`, `?` and `[abc]` stand for characters of a name; the characters themselves are `[*]`, `[?]`, `[[]`",
        )),
    }
}

fn within(directory: &str) -> String {
    format!("write `{}/*.yaml` for the files within it", directory.trim_end_matches('/'))
}

/// All files that the patterns of a document match now, in order. What cannot be looked at is left out.
pub fn matching(patterns: &[PathBuf]) -> Vec<PathBuf> {
    let paths = patterns.iter().filter_map(|pattern| glob::glob_with(pattern.to_str()?, OPTIONS).ok());
    let files = paths.flatten().flatten().filter(|path| path.is_file());
    let mut found: Vec<PathBuf> = files.take(FILES_MAX).collect();
    found.sort();
    found.dedup();
    found
}

/// A pattern as a path is compared with it, or a part of one as a name is.
pub struct PathPattern(Pattern);

impl PathPattern {
    pub fn new(text: &str) -> Option<PathPattern> {
        Pattern::new(text).ok().map(PathPattern)
    }

    pub fn matches(&self, path: &Path) -> bool {
        self.0.matches_path_with(path, OPTIONS)
    }
}

/// Where texts come from.
#[derive(Clone, Copy)]
pub(super) enum Shelf<'b> {
    /// The machine's files.
    Disk,
    /// A bundle, and nothing else.
    Bundle(&'b Bundle),
}

/// What `include` led to.
#[derive(Default)]
pub(super) struct Included {
    /// The files, in their order.
    pub files: Vec<Source>,
    /// The items as absolute patterns.
    pub patterns: Vec<PathBuf>,
    /// Numbers of files that are no text.
    pub broken: Vec<u16>,
    /// Whether something is missing, which was complained about.
    pub partial: bool,
}

/// Finds and reads what the main file includes.
pub(super) fn find(items: &[Spanned<Box<str>>], reading: &Reading<'_>) -> Included {
    let shelf = reading.shelf;
    let main = reading.source.main();
    let mut search = Search {
        shelf,
        reading,
        directory: main.path.parent().unwrap_or(Path::new("")),
        shown: Path::new(&main.name).parent().unwrap_or(Path::new("")),
        seen: HashSet::from([shelf.identity(&main.path)]),
        room: LARGEST.saturating_sub(main.text.len() as u64),
        found: Included::default(),
    };
    for item in items {
        if let Err(diagnostic) = search.item(&item.value, item.at) {
            reading.tell(diagnostic);
            search.found.partial = true;
        }
    }
    search.found
}

/// Complains about files of a bundle that are no part of the document, once all of it was read.
pub(super) fn all_used(reading: &Reading<'_>) {
    let Shelf::Bundle(bundle) = reading.shelf else { return };
    // what could not be read may name the others
    if reading.partial.get() {
        return;
    }
    let (source, bodies) = (reading.source, reading.bodies.borrow());
    let is_used = |path: &Path| {
        let mut texts = source.included().iter().chain([source.main()]);
        texts.any(|file| file.path == path) || bodies.knows(path)
    };
    for path in bundle.files.keys().filter(|path| !is_used(Path::new(path))) {
        let message = format!("the bundle's file `{path}` is included nowhere");
        reading.tell(Diagnostic::error(Span::default(), message).hint("name it in `include`, or leave it out"));
    }
}

impl Shelf<'_> {
    /// The same for two paths of one file.
    fn identity(self, path: &Path) -> PathBuf {
        match self {
            Shelf::Disk => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            Shelf::Bundle(_) => path.to_owned(),
        }
    }
}

struct Search<'r, 'e> {
    shelf: Shelf<'r>,
    reading: &'r Reading<'e>,
    /// The main file's directory.
    directory: &'r Path,
    /// The same as users see it.
    shown: &'r Path,
    /// Files that were met already.
    seen: HashSet<PathBuf>,
    /// How many bytes there may still be.
    room: u64,
    found: Included,
}

impl Search<'_, '_> {
    fn item(&mut self, text: &str, at: Span) -> Result<(), Diagnostic> {
        // `./a//b` is `a/b`
        let path: PathBuf = Path::new(text).components().filter(|part| *part != Component::CurDir).collect();
        if path.is_relative() && self.directory.to_str().is_none() {
            return Err(Diagnostic::error(at, "the name of this file's directory is not UTF-8")
                .hint("write paths that start with `/`"));
        }
        let escaped = |path: &Path| Pattern::escape(&path.to_string_lossy());
        let is_pattern = text.contains(WILD);
        let pattern = if is_pattern { path.clone() } else { PathBuf::from(escaped(&path)) };
        let pattern = Path::new(&escaped(self.directory)).join(pattern);
        self.found.patterns.push(pattern.clone());
        if !is_pattern {
            return self.plain(&self.directory.join(path), text, at);
        }
        for path in self.matches(&pattern, at)? {
            // the main file may match as well
            self.file(&path, at)?;
        }
        Ok(())
    }

    fn plain(&mut self, path: &Path, text: &str, at: Span) -> Result<(), Diagnostic> {
        if self.shelf.identity(path) == self.shelf.identity(&self.reading.source.main().path) {
            return Err(Diagnostic::error(at, "the file includes itself").hint("leave it out"));
        }
        match self.shelf {
            Shelf::Disk if path.is_dir() => {
                Err(Diagnostic::error(at, format!("`{text}` is a directory, not a file")).hint(within(text)))
            }
            _ => self.file(path, at),
        }
    }

    /// The files that match, in order of their paths.
    fn matches(&self, pattern: &Path, at: Span) -> Result<Vec<PathBuf>, Diagnostic> {
        let refuse = |why: String| Diagnostic::error(at, why);
        let pattern = pattern.to_string_lossy();
        let mut found = Vec::new();
        match self.shelf {
            Shelf::Bundle(bundle) => {
                let pattern = Pattern::new(&pattern).map_err(|error| refuse(error.msg.to_owned()))?;
                let matches = bundle.files.keys().filter(|path| pattern.matches_with(path, OPTIONS));
                found.extend(matches.take(FILES_MAX + 2).map(PathBuf::from));
            }
            Shelf::Disk => {
                for path in glob::glob_with(&pattern, OPTIONS).map_err(|error| refuse(error.msg.to_owned()))? {
                    let path = path.map_err(|error| refuse(format!("a directory cannot be searched: {error}")))?;
                    if !path.is_dir() {
                        found.push(path);
                    }
                    // one more than may be, and the main file
                    if found.len() > FILES_MAX + 1 {
                        break;
                    }
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Reads one file, unless it was met before.
    fn file(&mut self, path: &Path, at: Span) -> Result<(), Diagnostic> {
        if !self.seen.insert(self.shelf.identity(path)) {
            return Ok(());
        }
        if self.found.files.len() == FILES_MAX {
            return Err(Diagnostic::error(at, format!("more than {FILES_MAX} files are included"))
                .hint("put several routes into one file"));
        }
        let name = match path.strip_prefix(self.directory) {
            Ok(rest) => self.shown.join(rest),
            Err(_) => path.to_owned(),
        };
        let name = name.display().to_string();
        let bytes = self.bytes(path).map_err(|error| {
            let diagnostic = Diagnostic::error(at, format!("the file `{name}` cannot be read: {error}"));
            match error.kind() {
                io::ErrorKind::NotFound => diagnostic.hint(match self.near(path) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "paths count from this file's directory; a pattern such as `*.yaml` may also match nothing"
                        .to_owned(),
                }),
                io::ErrorKind::PermissionDenied => {
                    diagnostic.hint("the user that runs the gateway must be able to read it")
                }
                _ => diagnostic,
            }
        })?;
        let size = bytes.len() as u64;
        let Some(room) = self.room.checked_sub(size) else {
            return Err(Diagnostic::error(at, "the document's files are larger than 256 MiB together"));
        };
        self.room = room;
        let number = self.found.files.len() as u16 + 1;
        let (text, problem) = text_of(bytes, number);
        self.found.files.push(Source { name, path: path.to_owned(), text });
        if let Some(problem) = problem {
            self.reading.tell(problem);
            self.found.broken.push(number);
            self.found.partial = true;
        }
        Ok(())
    }

    /// The file beside a missing one whose name is nearest to its name, as `include` would name it.
    fn near(&self, missing: &Path) -> Option<String> {
        let directory = missing.parent()?;
        let names: Vec<String> = match self.shelf {
            Shelf::Bundle(bundle) => {
                let beside = |path: &&String| Path::new(path).parent() == Some(directory);
                let names = bundle.files.keys().filter(beside).map(|path| Path::new(path).file_name());
                names.filter_map(|name| Some(name?.to_str()?.to_owned())).collect()
            }
            Shelf::Disk => {
                let entries = directory.read_dir().ok()?.take(FILES_MAX).flatten();
                let files = entries.filter(|entry| entry.path().is_file());
                files.filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
        };
        let near = suggest::nearest(missing.file_name()?.to_str()?, names.iter().map(String::as_str))?;
        let path = directory.join(near);
        Some(path.strip_prefix(self.directory).unwrap_or(&path).display().to_string())
    }

    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.shelf {
            Shelf::Bundle(bundle) => match path.to_str().and_then(|path| bundle.files.get(path)) {
                Some(text) => Ok(text.clone().into_bytes()),
                None => Err(io::Error::new(io::ErrorKind::NotFound, "there is no such file")),
            },
            // reading a pipe may take for ever
            Shelf::Disk => bytes_of(open_regular(path)?, self.room),
        }
    }
}

/// At most one byte more of a file than there is room for.
pub(super) fn bytes_of(file: File, room: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(room + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes as text, and a complaint at its place if they are none.
pub(super) fn text_of(bytes: Vec<u8>, file: u16) -> (String, Option<Diagnostic>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let start = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(start).copied().unwrap_or(0);
            let at = Span { file, start: start as u32, end: start as u32 + 1 };
            let what = match error.as_bytes() {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16, not UTF-8".to_owned(),
                _ => format!("the file is not UTF-8: byte 0x{byte:02x}"),
            };
            let diagnostic = Diagnostic::error(at, what).hint("save it as UTF-8");
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(diagnostic))
        }
    }
}
