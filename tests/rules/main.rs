//! The repository's own rules, as tests: what a reviewer would otherwise have to remember.

mod documents;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the repository.
struct Text {
    /// From the root, with `/` between parts.
    path: String,
    content: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Text {
    let content = fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    Text { path: path.to_owned(), content }
}

/// Every text file below `dir` of the repository whose path ends as wanted, in order; without what builds leave behind.
fn texts(dir: &str, ending: &str) -> Vec<Text> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a readable directory").map(|e| e.expect("a readable entry")) {
            let path = entry.path();
            if path.is_dir() {
                if !["target", ".git"].iter().any(|skipped| path.ends_with(skipped)) {
                    open.push(path);
                }
            } else if let Some(text) = text(path, ending) {
                found.push(text);
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn text(path: PathBuf, ending: &str) -> Option<Text> {
    let name = path.strip_prefix(root()).ok()?.to_str()?.to_owned();
    if !name.ends_with(ending) {
        return None;
    }
    // What is not UTF-8 is not text, a worktree's `.git` not ours.
    let content = fs::read_to_string(&path).ok()?;
    (name != ".git").then_some(Text { path: name, content })
}

/// Fails with all complaints at once.
fn nothing_wrong(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
