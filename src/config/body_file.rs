//! `body_file`: bodies that stand in files of their own, which are part of the document.

use super::file_path::{beside, path_of};
use super::form::Form;
use super::include::{Shelf, bytes_of};
use super::load::LARGEST;
use super::reading::Reading;
use super::shape::Shape;
use super::{Diagnostic, Source, Span};
use crate::value::{Complaint, open_regular};
use glob::Pattern;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest body from a file, in bytes.
const BODY_MAX: u64 = 1 << 20;
/// The most files with bodies.
const FILES_MAX: usize = 1000;

/// A body from a file.
#[derive(Clone, Debug)]
pub(super) struct BodyFile {
    /// The whole text.
    pub bytes: Arc<[u8]>,
    /// What its name says about it.
    pub content_type: &'static str,
}

/// The files of a document that hold bodies.
#[derive(Default)]
pub(super) struct BodyFiles {
    /// Those that were asked for, by path; without a text where that could not be read.
    known: HashMap<PathBuf, Option<Arc<[u8]>>>,
    read: Vec<Source>,
    /// Paths of those that could not be read, as patterns.
    missing: Vec<PathBuf>,
    bytes: u64,
}

impl BodyFiles {
    /// Whether a body was asked for at this path.
    pub fn knows(&self, path: &Path) -> bool {
        self.known.contains_key(path)
    }

    /// The files, and patterns for those that could not be read: who waits for them to change waits for them to come.
    pub fn into_parts(self) -> (Vec<Source>, Vec<PathBuf>) {
        (self.read, self.missing)
    }
}

pub(super) const BODY_FILE: Form<BodyFile> = Form {
    form: "a path",
    example: "sorry.html",
    shape: Shape::Path,
    read: |node, reading| {
        let path = reading.word(node, "a path", |text| path_of(text, "sorry.html"))?;
        let bytes = body(&path, node.at, reading)?;
        Some(BodyFile { bytes, content_type: content_type(&path) })
    },
};

/// The text of a file, read once however many bodies it is.
fn body(path: &Path, at: Span, reading: &Reading<'_>) -> Option<Arc<[u8]>> {
    let writer = reading.source.file(at);
    let name = beside(path, Path::new(&writer.name)).display().to_string();
    let path = beside(path, &writer.path);
    if let Some(known) = reading.bodies.borrow().known.get(&path) {
        // what is wrong with it was said at the first place
        return known.clone();
    }
    let read = read(&path, &name, reading);
    let bodies = &mut *reading.bodies.borrow_mut();
    let text = match read {
        Ok(text) => text,
        Err(complaint) => {
            reading.tell(Diagnostic::complaint(at, complaint));
            bodies.missing.push(PathBuf::from(Pattern::escape(&path.to_string_lossy())));
            bodies.known.insert(path, None);
            return None;
        }
    };
    let bytes: Arc<[u8]> = text.as_bytes().into();
    bodies.bytes += text.len() as u64;
    bodies.known.insert(path.clone(), Some(Arc::clone(&bytes)));
    bodies.read.push(Source { name, path, text });
    Some(bytes)
}

fn read(path: &Path, name: &str, reading: &Reading<'_>) -> Result<String, Complaint> {
    let bodies = reading.bodies.borrow();
    if bodies.read.len() == FILES_MAX {
        return Err(Complaint::new(format!("more than {FILES_MAX} files with bodies")).hint("let routes share them"));
    }
    let bytes = bytes(path, reading.shelf).map_err(|error| {
        let complaint = Complaint::new(format!("the file `{name}` cannot be read: {error}"));
        match error.kind() {
            ErrorKind::NotFound => {
                complaint.hint("paths count from the directory of the file in which they are written")
            }
            ErrorKind::PermissionDenied => complaint.hint("the user that runs the gateway must be able to read it"),
            _ => complaint,
        }
    })?;
    if bytes.len() as u64 > BODY_MAX {
        return Err(Complaint::new(format!("the file `{name}` is larger than 1 MiB"))
            .hint("let a service answer with what is so large"));
    }
    if bodies.bytes + bytes.len() as u64 > LARGEST {
        return Err(Complaint::new("the document's bodies are larger than 256 MiB together"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let start = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(start).copied().unwrap_or(0);
        Complaint::new(format!("the file `{name}` is not UTF-8: byte {start} is 0x{byte:02x}"))
            .hint("save it as UTF-8; images and other binary bodies are for a service to answer with")
    })
}

/// At most one byte more than a body may have.
fn bytes(path: &Path, shelf: Shelf<'_>) -> io::Result<Vec<u8>> {
    match shelf {
        Shelf::Bundle(bundle) => match path.to_str().and_then(|path| bundle.files.get(path)) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Err(io::Error::new(ErrorKind::NotFound, "there is no such file")),
        },
        Shelf::Disk => bytes_of(open_regular(path)?, BODY_MAX),
    }
}

fn content_type(path: &Path) -> &'static str {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or("").to_ascii_lowercase();
    match &*end {
        "html" | "htm" => "text/html; charset=utf-8",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "css" => "text/css; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_names_end_says_what_a_body_is() {
        for (name, expected) in [
            ("sorry.html", "text/html; charset=utf-8"),
            ("a/b.JSON", "application/json"),
            ("logo.svg", "image/svg+xml"),
            ("sorry", "application/octet-stream"),
            ("html", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(name)), expected, "{name}");
        }
    }
}
