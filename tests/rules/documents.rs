//! Rules of what people read: examples the binary accepts, commands that exist, links that lead somewhere.

use std::fs;
use std::process::Command;

use crate::{Text, nothing_wrong, read, root, texts};

/// What a command in an `sh` block may begin with.
const COMMANDS: [&str; 12] =
    ["make", "cargo", "wharf", "curl", "docker", "git", "sudo", "systemctl", "promtool", "kill", "cd", "deploy/setup"];

/// A fenced block of a Markdown page.
struct Block<'a> {
    language: &'a str,
    /// Where its first line stands in the page.
    line: usize,
    content: String,
}

fn blocks(page: &Text) -> Vec<Block<'_>> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for (number, line) in page.content.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                found.push(Block { language, line: number + 2, content: String::new() });
            }
            None if inside => {
                let block = found.last_mut().expect("inside a block");
                block.content.push_str(line);
                block.content.push('\n');
            }
            None => {}
        }
    }
    found
}

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
fn every_whole_configuration_in_the_documents_is_valid() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for block in blocks(&page).iter().filter(|b| b.language == "yaml" && b.content.starts_with("version: 1")) {
            let name = format!("{}-{}.yaml", page.path.replace(['/', '.'], "-"), block.line);
            let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            fs::write(&file, &block.content).expect("a writable scratch file");
            seen += 1;
            if let Some(said) = refusal(file.to_str().expect("a UTF-8 path")) {
                wrong.push(format!("{}:{}: {said}", page.path, block.line));
            }
        }
    }
    nothing_wrong(wrong);
    assert!(seen > 0, "no example was found to check");
}

#[test]
fn the_configurations_that_come_with_the_repository_are_valid() {
    let files = ["gateway.yaml", "deploy/gateway.yaml"];
    nothing_wrong(files.into_iter().filter_map(refusal).collect());
}

#[test]
fn the_commands_in_the_documents_exist() {
    let makefile = read("Makefile").content;
    let mut wrong = Vec::new();
    for page in pages() {
        for block in blocks(&page).iter().filter(|b| b.language == "sh") {
            // A line that ends in a backslash goes on in the next.
            let joined = block.content.replace("\\\n", " ");
            for line in joined.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
                let mut words = line.split_whitespace();
                let command = words.next().unwrap_or_default();
                if !COMMANDS.contains(&command) {
                    wrong.push(format!("{}:{}: `{command}` is not among the known commands", page.path, block.line));
                }
                let target = words.next().unwrap_or_default();
                if command == "make" && !makefile.contains(&format!("\n{target}:")) {
                    wrong.push(format!("{}:{}: the Makefile has no `{target}`", page.path, block.line));
                }
            }
        }
    }
    nothing_wrong(wrong);
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
