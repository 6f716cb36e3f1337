//! What a document may say: every file in `valid/` is read, every file in `invalid/` is refused with exactly the text
//! beside it (`BLESS=1` writes that text anew). A directory is a document of several files, its main one `gateway.yaml`.

mod bodies;
mod certificates;
mod damaged;
mod differences;
mod documents;
mod expectations;
mod finding;
mod includes;
mod lints;
mod mutations;
mod mistakes;
mod mistakes_page;
mod peers;
mod pools;
mod printing;
mod robustness;
mod schema;
mod slips;
mod small_gateway;
mod words;
#[path = "../mutants/mod.rs"]
mod mutants;
#[path = "../tables/mod.rs"]
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wharf::config::Bundle;

/// The directory of these tests' files.
fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// The documents in a directory, in order of their names.
fn documents(directory: &str) -> Vec<PathBuf> {
    let is_document = |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|e| e == "yaml");
    let mut documents: Vec<PathBuf> = entries(&here().join(directory)).into_iter().filter(is_document).collect();
    documents.sort();
    documents
}

/// What a directory holds.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(directory).expect("the directory exists");
    listing.map(|entry| entry.expect("a readable entry").path()).collect()
}

/// The texts of a document of one file or several.
fn bundle(document: &Path) -> Bundle {
    let name = document.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8");
    if !document.is_dir() {
        return Bundle::one(name, &std::fs::read_to_string(document).expect("a readable file"));
    }
    let mut files = BTreeMap::new();
    let mut open = vec![document.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(entries(&path));
        } else {
            let inside = path.strip_prefix(document).expect("a path within").to_str().expect("a name in UTF-8");
            files.insert(inside.to_owned(), std::fs::read_to_string(&path).expect("a readable file"));
        }
    }
    Bundle { main: "gateway.yaml".to_owned(), files }
}

/// An empty directory for a test of this name.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("config-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a writable scratch directory");
    directory
}

/// The variables that the files may use.
fn environment(name: &str) -> Option<String> {
    match name {
        "APP_HOST" => Some("app-1".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}
