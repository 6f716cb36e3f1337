//! The same small gateway in the language of each program, and how long it gets.

use super::peers::PEERS;
use super::{bundle, environment, here};
use std::fmt::Write as _;
use wharf::config::review_all;

/// The programs, their files, and how their gateways differ.
const LANGUAGES: [(&str, &[&str], &str); 6] = [
    ("wharf", &["gateway.yaml"], ""),
    ("Caddy", &["Caddyfile"], "what both services share is written once, as a snippet; its words are the fewest"),
    ("HAProxy", &["haproxy.cfg"], ""),
    (
        "nginx",
        &["nginx.conf"],
        "no active checks: only the commercial edition has them; kept connections and forwarded headers, which the others have by default, are written",
    ),
    ("Traefik", &["traefik.yaml", "traefik.routes.yaml"], "the better of two by chance: it has no least-conn"),
    ("Envoy", &["envoy.yaml"], "the better of two by chance, among endpoints of equal weight"),
];

/// The most lines that the gateway may take here.
const LINES_MAX: usize = 16;

const INTRODUCTION: &str = "
## The same small gateway

Less to write is less to get wrong. Two services with two endpoints each, a prefix taken off their paths, least-conn, timeouts and active checks;
the files lie in [tests/config/small_gateway](../../tests/config/small_gateway), each in the layout of its program's documentation, and each is accepted by its program.
Counted are lines that are neither empty nor comments, and words, which do not depend on the layout. Compression and the redirect to HTTPS are in none of them: wharf has neither yet.

| | lines | words | what differs |
|---|---|---|---|
";

/// What stands in the files: lines that are neither empty nor comments, and their words.
fn size(files: &[&str]) -> (usize, usize) {
    let read = |file: &&str| std::fs::read_to_string(here().join("small_gateway").join(file)).expect("a readable file");
    let text: String = files.iter().map(read).collect();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let is_word = |word: &&str| word.contains(char::is_alphanumeric);
    lines.fold((0, 0), |(lines, words), line| (lines + 1, words + line.split_whitespace().filter(is_word).count()))
}

/// The section of the page about mistakes that compares them.
pub fn section() -> String {
    let mut section = INTRODUCTION.to_owned();
    for (name, files, differs) in LANGUAGES {
        let (lines, words) = size(files);
        let _ = writeln!(section, "| {name} | {lines} | {words} | {differs} |");
    }
    section
}

#[test]
fn the_small_gateway_is_valid_and_small() {
    let (document, report) = review_all(&bundle(&here().join("small_gateway/gateway.yaml")), &environment);
    assert!(document.is_some() && report.diagnostics.is_empty(), "{report}");
    let (lines, _) = size(&["gateway.yaml"]);
    assert!(lines <= LINES_MAX, "{lines} lines");
    for (name, files, _) in &LANGUAGES[1..] {
        assert!(size(files).0 > lines, "{name} takes {:?}", size(files));
    }
}

#[test]
fn the_small_gateway_is_valid_in_every_language() {
    let programs = std::env::var_os("PEERS").map(std::path::PathBuf::from).unwrap_or_default();
    let directory = here().join("small_gateway");
    for peer in &PEERS {
        if peer.version(&programs).is_none() {
            eprintln!("NOT ASKED: {} is not here", peer.name);
            continue;
        }
        let answer = peer.ask(&programs, &directory);
        if answer.contains("Permission denied") {
            eprintln!("NOT ASKED: {} may not use its own directories: {answer}", peer.name);
            continue;
        }
        assert!(answer == "exit 0\n" || answer == "running\n", "{}: {answer}", peer.name);
    }
    let envoy = std::process::Command::new(programs.join("envoy"))
        .args(["--mode", "validate", "-c", "envoy.yaml"])
        .current_dir(&directory)
        .output();
    match envoy {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => eprintln!("NOT ASKED: Envoy is not here"),
    }
}
