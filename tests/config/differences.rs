//! `wharf diff`: what it shows of every pair in `diff/` (`BLESS=1` writes the expectations anew).

use super::here;
use std::path::Path;
use std::process::{Command, Output};
use wharf::config::{Bundle, Difference, Item, Loaded, Purpose, load_from};
use wharf::table::{Changes, Names};

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

/// Every pair of documents, old and new.
fn pairs() -> Vec<(String, String)> {
    let names = std::fs::read_dir(here().join("diff")).expect("the directory exists");
    let names = names.map(|entry| entry.expect("a readable entry").file_name().into_string().expect("a name in UTF-8"));
    names
        .filter_map(|name| Some(name.strip_suffix(".old.yaml")?.to_owned()))
        .map(|name| (format!("{name}.old.yaml"), format!("{name}.new.yaml")))
        .collect()
}

fn loaded(path: &Path) -> Loaded {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let bundle = Bundle::one(&path.to_string_lossy(), &text);
    load_from(&bundle, Purpose::Check).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn nothing_differs_from_itself_and_there_and_back_are_mirrored() {
    let mut documents = 0;
    for (old, new) in pairs() {
        // the environment of this program has no such variables
        let has_variables = |name: &String| {
            std::fs::read_to_string(here().join("diff").join(name)).is_ok_and(|text| text.contains("${"))
        };
        if [&old, &new].into_iter().any(has_variables) {
            continue;
        }
        let [old, new] = [old, new].map(|name| loaded(&here().join("diff").join(name)));
        for one in [&old, &new] {
            let changes = Changes::between_documents(one, one);
            assert!(changes.is_empty() && Difference::between(one, one).is_empty(), "{changes}");
            assert_eq!(changes.to_string(), "nothing changed");
            documents += 1;
        }
        let (there, back) = (Changes::between_documents(&old, &new), Changes::between_documents(&new, &old));
        let names = |changes: &Changes| [&changes.routes, &changes.upstreams, &changes.listeners].map(Names::clone);
        let sorted = |mut names: Vec<Box<str>>| {
            names.sort();
            names
        };
        for (there, back) in names(&there).into_iter().zip(names(&back)) {
            assert_eq!(sorted(there.added), sorted(back.removed));
            assert_eq!(sorted(there.removed), sorted(back.added));
            assert_eq!(sorted(there.changed), sorted(back.changed));
        }
        assert_eq!(sorted(there.settings.clone()), sorted(back.settings.clone()));
        assert_eq!((&there.effects.opened, &there.effects.closed), (&back.effects.closed, &back.effects.opened));
        agree(&there, &Difference::between(&old, &new));
        agree(&back, &Difference::between(&new, &old));
    }
    assert!(documents >= 12, "{documents} documents");
}

/// The line and the fields come of different code, and tell the same.
fn agree(changes: &Changes, difference: &Difference) {
    let names = |items: &[Item]| items.iter().map(|item| item.name.clone().into()).collect::<Vec<Box<str>>>();
    let kinds = [
        (&changes.routes, &difference.routes),
        (&changes.listeners, &difference.listeners),
        // that only endpoints differ is told by itself
        (&changes.upstreams, &difference.upstreams),
    ];
    for (line, fields) in kinds {
        assert_eq!((&line.added, &line.removed), (&names(&fields.added), &names(&fields.removed)));
        let with_endpoints = |name: &str| changes.endpoints.iter().any(|(upstream, _)| **upstream == *name);
        let shown = names(&fields.changed);
        assert!(line.changed.iter().all(|name| shown.contains(name)), "{shown:?}");
        assert!(shown.iter().all(|name| line.changed.contains(name) || with_endpoints(name)), "{shown:?}");
    }
    let keys: Vec<Box<str>> = difference.settings.iter().map(|field| field.key.clone().into()).collect();
    assert!(changes.settings.len() == keys.len() && keys.iter().all(|key| changes.settings.contains(key)), "{keys:?}");
}

#[test]
fn the_short_form_is_the_first_line_of_the_long_one() {
    for (old, new) in pairs() {
        let [long, short] = [&[&*old, &*new][..], &[&*old, &*new, "--short"]].map(|arguments| diff(arguments).stdout);
        let long = String::from_utf8(long).expect("UTF-8");
        assert_eq!(long.lines().next(), String::from_utf8(short).expect("UTF-8").strip_suffix('\n'));
    }
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
