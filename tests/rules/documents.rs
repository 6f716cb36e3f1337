//! Rules of what people read: links that lead somewhere, files that are valid. What the pages show is run by `tests/it/docs`.

use std::process::Command;

use crate::{Text, nothing_wrong, read, root, texts};

fn pages() -> Vec<Text> {
    texts("", ".md")
}

/// What `wharf check` has to say against a file; nothing when it accepts it.
fn refusal(file: &str) -> Option<String> {
    let check = Command::new(env!("CARGO_BIN_EXE_wharf")).arg("check").arg(file).current_dir(root()).output();
    let check = check.expect("the built binary starts");
    let said = || String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    (!check.status.success()).then(said)
}

#[test]
fn the_configurations_that_come_with_the_repository_are_valid() {
    let files = ["gateway.yaml", "deploy/compose/wharf/gateway.yaml"];
    nothing_wrong(files.into_iter().filter_map(refusal).collect());
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let folder = root().join(&page.path).parent().expect("a folder").to_owned();
        for (at, _) in page.content.match_indices("](") {
            let target = page.content[at + 2..].split([')', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                wrong.push(format!("{}: nothing at `{target}`", page.path));
            }
        }
    }
    nothing_wrong(wrong);
}

#[test]
fn the_changelog_has_a_place_for_the_next_change() {
    assert!(read("CHANGELOG.md").content.contains("\n## Unreleased\n"));
}

#[test]
fn the_project_speaks_of_itself_alone() {
    // Places outside the repository, put together here so that this file does not name them.
    let outside = [concat!("/wo", "rk/"), concat!("sha", "red/")];
    let mut wrong = Vec::new();
    for text in texts("", "").into_iter().filter(|t| t.path != ".ci/run") {
        for (number, line) in text.content.lines().enumerate() {
            for place in outside.iter().filter(|place| line.contains(**place)) {
                wrong.push(format!("{}:{}: names {place}", text.path, number + 1));
            }
        }
    }
    nothing_wrong(wrong);
}
