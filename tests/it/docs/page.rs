//! A page of the manual, taken apart into its fenced blocks.

use std::path::{Path, PathBuf};

/// What stands between two fences.
pub struct Block {
    pub language: String,
    /// What the fence says behind the language: a file's name, `fails`, a schema.
    pub words: Vec<String>,
    /// Where its first line stands in the page.
    pub line: usize,
    pub text: String,
    /// Only empty lines stand between the block before and this one.
    pub follows: bool,
}

impl Block {
    pub fn says(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    /// The file that a YAML block stands for.
    pub fn file(&self) -> Option<&str> {
        self.words.iter().find(|word| word.ends_with(".yaml")).map(String::as_str)
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page that people read, by its path from the root.
pub fn pages() -> Vec<String> {
    let mut open: Vec<PathBuf> = ["docs", "deploy"].iter().map(|name| root().join(name)).collect();
    let top = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = top.filter(|path| path.is_file()).collect();
    while let Some(folder) = open.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    let pages = found.iter().filter(|path| path.extension().is_some_and(|end| end == "md"));
    let mut names: Vec<String> =
        pages.map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The fenced blocks of a page, without what they are indented by.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut indent = None;
    let mut follows = false;
    for (number, line) in page.lines().enumerate() {
        let bare = line.trim_start();
        match (bare.strip_prefix("```"), indent) {
            (Some(_), Some(_)) => (indent, follows) = (None, true),
            (Some(info), None) => {
                indent = Some(line.len() - bare.len());
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                let (words, text) = (words.collect(), String::new());
                found.push(Block { language, words, line: number + 2, text, follows });
            }
            (None, Some(indent)) => {
                let block = found.last_mut().unwrap();
                block.text += line.get(indent..).unwrap_or_default();
                block.text += "\n";
            }
            (None, None) => follows &= bare.is_empty(),
        }
    }
    assert!(indent.is_none(), "the last block has no end");
    found
}

#[test]
fn blocks_are_found_with_what_their_fences_say() {
    let found = blocks("a\n```yaml new.yaml\nx: 1\n```\n\n```text\ny\n```\n- z\n\n  ```sh\n  ls\n    -l\n  ```\n");
    let seen: Vec<_> = found.iter().map(|b| (&*b.language, b.file(), b.line, &*b.text, b.follows)).collect();
    assert_eq!(
        seen,
        [
            ("yaml", Some("new.yaml"), 3, "x: 1\n", false),
            ("text", None, 7, "y\n", true),
            ("sh", None, 12, "ls\n  -l\n", false)
        ]
    );
}
