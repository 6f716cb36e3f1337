//! The texts of a document apart from the disk: what is kept as the last good configuration, and what tests write.

use super::Source;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The texts of a document by their paths. They stand as they were written, so that values from the environment are not
/// among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The path of the main file.
    pub main: String,
    /// Texts by path, the main file's and those of the files it includes.
    pub files: BTreeMap<String, String>,
}

impl Bundle {
    /// A document of one file.
    pub fn one(main: &str, text: &str) -> Bundle {
        Bundle { main: main.to_owned(), files: BTreeMap::from([(main.to_owned(), text.to_owned())]) }
    }

    /// The files of a document, the main one first.
    pub fn of(files: &[Source]) -> Bundle {
        let path = |file: &Source| file.path.to_string_lossy().into_owned();
        Bundle {
            main: files.first().map(path).unwrap_or_default(),
            files: files.iter().map(|file| (path(file), file.text.clone())).collect(),
        }
    }

    /// The main file, empty if its text is not there.
    pub(super) fn main(&self) -> Source {
        let text = self.files.get(&self.main).cloned().unwrap_or_default();
        Source { name: self.main.clone(), path: PathBuf::from(&self.main), text }
    }
}
