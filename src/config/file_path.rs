//! Paths to files whose texts are no part of the document: certificates and keys.

use super::form::Form;
use super::reading::Reading;
use super::shape::Shape;
use super::{Span, Spanned};
use crate::value::Complaint;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// Where a file is that the document names. What is in it is never shown and never kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FilePath {
    /// As it stands in the document, variables inserted.
    pub written: Box<str>,
    /// Where that is: a relative path counts from the directory of the file in which it is written.
    pub path: PathBuf,
}

/// As it is written.
impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Spanned<FilePath> {
    /// What complaints call it: as seen from where the main file was named.
    pub(super) fn name(&self, reading: &Reading<'_>) -> String {
        let writer = reading.source.file(self.at);
        beside(Path::new(&*self.written), Path::new(&writer.name)).display().to_string()
    }
}

/// A path to a file, with an example to copy.
pub(super) const fn file(example: &'static str) -> Form<Spanned<FilePath>> {
    Form {
        form: "a path",
        example,
        shape: Shape::Path,
        read: |node, reading| {
            let file = |text: &str| {
                Ok(FilePath { written: text.into(), path: resolved(&path_of(text, "site.pem")?, node.at, reading) })
            };
            reading.spanned(node, "a path", file)
        },
    }
}

/// The path of a file as it is written, without what means nothing: `./a//b` is `a/b`.
pub(super) fn path_of(text: &str, example: &str) -> Result<PathBuf, Complaint> {
    match text {
        "" => Err(Complaint::new("the path is empty").hint(format!("write for example `{example}`"))),
        _ if text.contains("-----BEGIN") => {
            Err(Complaint::new("the file itself does not stand in the document")
                .hint("save it, and write its path here"))
        }
        _ if text.ends_with('/') => Err(Complaint::new(format!("`{text}` is a directory, not a file"))
            .hint(format!("name the file within it: `{text}{example}`"))),
        _ if text.contains('\0') => Err(Complaint::new("a path holds no zero byte")),
        _ => Ok(Path::new(text).components().filter(|part| *part != Component::CurDir).collect()),
    }
}

/// Where a path is that is written at a place.
fn resolved(path: &Path, at: Span, reading: &Reading<'_>) -> PathBuf {
    beside(path, &reading.source.file(at).path)
}

/// A path as it counts from the directory of a file.
pub(super) fn beside(path: &Path, file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}
