//! What a document may say: every file in `valid/` is read, every file in `invalid/` is refused with exactly the text
//! beside it (`BLESS=1` writes that text anew).

mod documents;
mod robustness;

use std::path::{Path, PathBuf};

/// The directory of these tests' files.
fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// The YAML files in a directory, in order of their names.
fn files(directory: &str) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(here().join(directory)).expect("the directory exists");
    let paths = listing.map(|entry| entry.expect("a readable entry").path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

/// The variables that the files may use.
fn environment(name: &str) -> Option<String> {
    match name {
        "APP_HOST" => Some("app-1".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}
