//! What a page shows of a command's output, compared with what was said.

use regex::Regex;

/// What differs from run to run, and how columns are filled.
const VARIES: [(&str, &str); 8] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\b[0-9a-f]{12,64}\b", "ID"),
    (r"\bprocess \d+", "process N"),
    (r#""pid": ?\d+"#, "\"pid\": N"),
    // where a name is
    (r"\(\d+\.\d+\.\d+\.\d+(:\d+)\)", "(IP$1)"),
    (r"(localhost|127\.0\.0\.1|0\.0\.0\.0)?:(\d{4,5})\b", ":$2"),
    (r"\^+", "^"),
    (r" +", " "),
];

/// The lines without what differs from run to run.
pub fn settled(text: &str) -> Vec<String> {
    let mut text = text.to_owned();
    for (pattern, to) in VARIES {
        text = Regex::new(pattern).unwrap().replace_all(&text, to).into_owned();
    }
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Whether `said` is what a page shows, where a line `…` stands for any lines, and `…` in a line for any text.
pub fn shows(shown: &[String], said: &[String]) -> bool {
    match shown {
        [] => said.is_empty(),
        [first, rest @ ..] if first.trim() == "…" => (0..=said.len()).any(|skip| shows(rest, &said[skip..])),
        [first, rest @ ..] => said.split_first().is_some_and(|(line, more)| is(first, line) && shows(rest, more)),
    }
}

fn is(shown: &str, said: &str) -> bool {
    match shown.split_once('…') {
        None => shown == said,
        Some((before, after)) => said.strip_prefix(before).is_some_and(|rest| rest.ends_with(after)),
    }
}

#[test]
fn shown_is_what_was_said_but_for_what_varies() {
    let same = |shown: &str, said: &str| shows(&settled(shown), &settled(said));
    assert!(same("a   b 2026-01-02T03:04:05.678Z\n", "a b 2026-11-12T13:14:15.000Z\n"));
    assert!(same("a\n…\nd\n", "a\nb\nc\nd\n") && same("…\nd\n", "d\n"));
    assert!(same("id …, of\n", "id 77, of\n"));
    assert!(!same("a\n", "a\nb\n") && !same("a\nb\n", "a\n") && !same("a\n…\nd\n", "a\nb\n"));
    assert!(same("web :8080\n", "web 127.0.0.1:8080\n") && !same("web :8080\n", "web :8081\n"));
}
