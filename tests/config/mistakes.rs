//! The mistakes people make: wharf places and mends every one of them, and what other gateways say is on record.
//! A directory of `mistakes/` is one mistake in the language of each program; its `case.yaml` says what cannot be
//! computed. `PEERS=DIR` asks the programs anew, with Caddy's and Traefik's in that directory.

use super::mistakes_page::{page, page_path};
use super::peers::PEERS;
use super::{entries, here};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One mistake.
pub struct Case {
    /// The name of its directory.
    pub name: String,
    pub directory: PathBuf,
    pub about: About,
}

/// What a person says about it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    pub title: String,
    #[serde(default)]
    pub note: Option<String>,
    /// Why a program knows no such mistake.
    #[serde(default)]
    pub absent: BTreeMap<String, String>,
    /// Why it is none in a program's language.
    #[serde(default)]
    pub legal: BTreeMap<String, String>,
    /// What becomes of it where it is accepted.
    #[serde(default)]
    pub remarks: BTreeMap<String, String>,
    /// The programs whose answer says what is wanted.
    #[serde(default)]
    pub mends: Vec<String>,
    /// The programs whose answer points at the very word.
    #[serde(default)]
    pub column: Vec<String>,
}

/// All of them, in order.
pub fn cases() -> Vec<Case> {
    let mut directories: Vec<PathBuf> = entries(&here().join("mistakes"));
    directories.retain(|path| path.is_dir());
    directories.sort();
    directories.into_iter().map(case).collect()
}

fn case(directory: PathBuf) -> Case {
    let about = std::fs::read_to_string(directory.join("case.yaml")).expect("a readable case.yaml");
    let about = serde_yaml::from_str(&about).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let name = directory.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8").to_owned();
    Case { name, directory, about }
}

/// The versions of the programs that were asked.
pub fn versions() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(versions_path()).unwrap_or_default();
    serde_yaml::from_str(&text).unwrap_or_default()
}

fn versions_path() -> PathBuf {
    here().join("mistakes/versions.yaml")
}

/// Where the first line of a file says that its mistake is: line and column.
pub fn marked(file: &Path) -> (usize, usize) {
    let text = std::fs::read_to_string(file).expect("a readable file");
    let mark = text.lines().next().and_then(|line| line.strip_prefix("# mistake: "));
    let place = mark.and_then(|mark| mark.split_once(':'));
    let (line, column) = place.unwrap_or_else(|| panic!("{}: no `# mistake: LINE:COLUMN`", file.display()));
    (line.parse().expect("a line"), column.parse().expect("a column"))
}

/// What `wharf check --strict` says about a file of a case, and its exit status.
pub fn checked(case: &Case, file: &str) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.args(["check", "--strict", file]).current_dir(&case.directory).env_remove("APP_2");
    let output = command.output().expect("the built binary starts");
    (String::from_utf8(output.stderr).expect("UTF-8"), output.status.code())
}

#[test]
fn every_mistake_is_placed_and_mended() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (said, status) = checked(&case, "wharf.yaml");
        let (line, column) = marked(&case.directory.join("wharf.yaml"));
        let place = said.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
        let expected = format!("wharf.yaml:{line}:{column}");
        let heads = said.lines().filter(|line| line.starts_with("error") || line.starts_with("warning")).count();
        let hints = said.lines().filter(|line| line.starts_with("hint: ")).count();
        if status != Some(3) || place != Some(&expected) || heads != 1 || hints != 1 {
            wrong.push(format!("== {}: one message at {expected} with one hint is wanted\n{said}", case.name));
        }
        let (said, status) = checked(&case, "mended.yaml");
        if status != Some(0) {
            wrong.push(format!("== {}: mended, it is wrong\n{said}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_are_forty_and_each_is_whole() {
    let cases = cases();
    assert_eq!(cases.len(), 40);
    for case in &cases {
        for peer in &PEERS {
            let answer = case.directory.join(peer.answer).exists();
            let absent = case.about.absent.contains_key(peer.key);
            let file = peer.file(&case.directory);
            assert!(answer == file.is_some() && answer != absent, "{}: {}", case.name, peer.name);
            file.as_deref().map(marked);
        }
    }
}

#[test]
fn what_the_other_programs_say_is_on_record() {
    let programs = std::env::var_os("PEERS").map(PathBuf::from);
    let record = programs.is_some();
    let programs = programs.unwrap_or_default();
    let (mut versions, mut wrong) = (versions(), Vec::new());
    for peer in PEERS.iter().filter(|peer| record || matches!(peer.key, "nginx" | "haproxy")) {
        let version = peer.version(&programs);
        if record {
            versions.insert(peer.key.to_owned(), version.expect("the program is installed"));
        } else if version.as_ref() != versions.get(peer.key) {
            eprintln!("NOT ASKED ANEW: {} is here as {version:?}, on record as {versions:?}", peer.name);
            continue;
        }
        if !record && peer.ask(&programs, &here().join("small_gateway")).contains("Permission denied") {
            eprintln!("NOT ASKED ANEW: {} may not use its own directories", peer.name);
            continue;
        }
        for case in cases().iter().filter(|case| peer.file(&case.directory).is_some()) {
            let path = case.directory.join(peer.answer);
            let recorded = std::fs::read_to_string(&path).unwrap_or_default();
            // what a name server is asked for depends on the network
            if !record && ["not found in", "could not resolve"].iter().any(|words| recorded.contains(words)) {
                continue;
            }
            let answer = peer.ask(&programs, &case.directory);
            if record {
                std::fs::write(&path, &answer).expect("the answer can be written");
            } else if answer != recorded {
                wrong.push(format!("== {}\n-- on record\n{recorded}-- said\n{answer}", path.display()));
            }
        }
    }
    if record {
        let text: Vec<String> = versions.iter().map(|(key, version)| format!("{key}: {version}\n")).collect();
        std::fs::write(versions_path(), text.concat()).expect("the versions can be written");
    }
    assert!(wrong.is_empty(), "{}(PEERS=DIR records the answers anew)", wrong.join("\n"));
}

#[test]
fn the_page_says_what_the_cases_show() {
    let written = page();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(page_path(), &written).expect("the page can be written");
    }
    let there = std::fs::read_to_string(page_path()).unwrap_or_default();
    assert!(there == written, "docs/explanation/errors.md is out of date (BLESS=1 writes it anew)");
}
