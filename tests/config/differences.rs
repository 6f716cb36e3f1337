//! `wharf diff`: what it shows of every pair in `diff/` (`BLESS=1` writes the expectations anew).

use super::here;
use std::path::Path;
use std::process::{Command, Output};

/// The pair whose JSON is compared.
const ONE: &str = "a_default_that_many_inherit_is_shown_once";

fn diff(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wharf"))
        .arg("diff")
        .args(arguments)
        .current_dir(here().join("diff"))
        .envs([("APP_HOST", "app-1"), ("TOKEN", "s3cret")])
        .output()
        .expect("the built binary starts")
}

/// Compares with the file beside it; a complaint when it differs.
fn compare(expected: &Path, shown: &str) -> Option<String> {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(expected, shown).expect("the expectation can be written");
    }
    let text = std::fs::read_to_string(expected).unwrap_or_default();
    (text != shown).then(|| format!("== {}\n-- expected\n{text}-- shown\n{shown}", expected.display()))
}

#[test]
fn every_pair_of_documents_is_told_apart_as_it_says_beside_them() {
    let mut wrong = Vec::new();
    let mut pairs = 0;
    for entry in std::fs::read_dir(here().join("diff")).expect("the directory exists") {
        let name = entry.expect("a readable entry").file_name().into_string().expect("a name in UTF-8");
        let Some(name) = name.strip_suffix(".old.yaml") else { continue };
        pairs += 1;
        let (old, new) = (format!("{name}.old.yaml"), format!("{name}.new.yaml"));
        for format in ["text", "json"] {
            let output = diff(&[&old, &new, "--format", format]);
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
            let shown = String::from_utf8(output.stdout).expect("UTF-8");
            assert!(!shown.contains("s3cret") && !shown.contains("app-1:3001"), "{shown}");
            // what is new has all its keys in the JSON: one pair without it stands for all
            if format == "text" {
                wrong.extend(compare(&here().join(format!("diff/{name}.diff")), &shown));
            } else if name == ONE {
                wrong.extend(compare(&here().join(format!("diff/{name}.json")), &shown));
            }
        }
    }
    assert!(pairs >= 7, "there are {pairs} pairs");
    assert!(wrong.is_empty(), "{}(BLESS=1 rewrites the expectations)", wrong.join("\n"));
}

#[test]
fn what_is_invalid_is_shown_and_compared_with_nothing() {
    let output = diff(&["the_same_in_other_words.old.yaml", "../invalid/tag.yaml"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("tag.yaml:"));
    assert_eq!(diff(&["missing.yaml", "missing.yaml"]).status.code(), Some(3));
    assert_eq!(diff(&["one.yaml"]).status.code(), Some(2));
}
