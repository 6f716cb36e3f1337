//! Typing errors in the document that holds everything: each gives an error at its own place, whatever it is and wherever.

use super::{environment, here};
use wharf::config::{Report, Severity, review};

/// Names that the document chooses, and that may be any others; as may those of headers.
const NAMES: [&str; 10] =
    ["web", "inside", "six", "plain", "secure", "user_service", "cart_service", "letsencrypt", "internal", "v"];
/// Keys that take any text; as do headers.
const ANY_TEXT: [&str; 2] = ["body", "name"];

fn is_header(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_uppercase())
}

fn everything() -> String {
    std::fs::read_to_string(here().join("valid/everything_there_is.yaml")).expect("the document")
}

/// Every key with the place where it starts, and where its value starts.
fn keys(text: &str) -> Vec<(usize, &str, usize)> {
    let mut keys = Vec::new();
    for (colon, _) in text.match_indices(':') {
        let Some(after) = text[colon + 1..].chars().next().filter(|c| c.is_whitespace()) else { continue };
        let before = &text[..colon];
        let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').map_or(0, |at| at + 1);
        let in_comment = text[..start].rsplit('\n').next().is_some_and(|line| line.contains('#'));
        if start < colon && !in_comment {
            keys.push((start, &before[start..], colon + 1 + usize::from(after == ' ')));
        }
    }
    keys
}

/// The scalar that starts at a place, if one does: its end.
fn scalar_end(text: &str, start: usize) -> Option<usize> {
    let rest = &text[start..];
    match rest.chars().next()? {
        '{' | '[' | '\n' | '"' | '\'' => None,
        _ => rest.find([',', '}', '\n', ' ']).map(|end| start + end),
    }
}

fn has_error_at(report: &Report, place: usize) -> bool {
    report.diagnostics.iter().any(|d| d.severity == Severity::Error && d.at.start as usize == place)
}

fn typing_errors(word: &str) -> Vec<String> {
    let mut words =
        vec![format!("{word}x"), format!("x{word}"), word.to_uppercase(), format!("{word}_"), format!("{word}s")];
    for at in 0..word.len() {
        words.push(format!("{}{}", &word[..at], &word[at + 1..]));
        words.push(format!("{}q{}", &word[..at], &word[at + 1..]));
        words.push(format!("{}{}", &word[..=at], &word[at..]));
        if at + 2 <= word.len() {
            let swapped: String = word[at..at + 2].chars().rev().collect();
            words.push(format!("{}{swapped}{}", &word[..at], &word[at + 2..]));
        }
    }
    words.retain(|other| other != word && !other.is_empty());
    words
}

#[test]
fn every_misspelt_key_is_an_error_where_it_stands() {
    let text = everything();
    let keys = keys(&text);
    let known: Vec<&str> = keys.iter().map(|(_, key, _)| *key).collect();
    let mut tried = 0;
    for &(start, key, _) in keys.iter().filter(|(_, key, _)| !NAMES.contains(key) && !is_header(key)) {
        for word in typing_errors(key).into_iter().filter(|word| !known.contains(&word.as_str())) {
            let wrong = format!("{}{word}{}", &text[..start], &text[start + key.len()..]);
            let (document, report) = review("wrong.yaml", &wrong, &environment);
            assert!(document.is_none() && has_error_at(&report, start), "{word} for {key}:\n{report}");
            tried += 1;
        }
    }
    assert!(tried > 2000, "{tried}");
}

#[test]
fn every_value_that_is_none_is_an_error_where_it_stands() {
    let text = everything();
    let mut tried = 0;
    let mut accepted = Vec::new();
    for (_, key, start) in keys(&text).into_iter().filter(|(_, key, _)| !ANY_TEXT.contains(key) && !is_header(key)) {
        let Some(end) = scalar_end(&text, start) else { continue };
        for value in ["null", "'?!'", "[]", "{}", "[?!]", "-1", "''", "\"\\t\"", "99999999999999999999"] {
            let wrong = format!("{}{value}{}", &text[..start], &text[end..]);
            let (document, report) = review("wrong.yaml", &wrong, &environment);
            if document.is_some() {
                accepted.push(format!("{key}: {value}"));
                continue;
            }
            tried += 1;
            let line = text[..start].matches('\n').count() + 1;
            let is_there = |d: &wharf::config::Diagnostic| report.position(d).line == line;
            assert!(report.diagnostics.iter().any(is_there), "{key}: {value}\n{report}");
        }
    }
    // paths, tokens, host names and numbers may look odd
    let odd = [
        "cookie: ",
        "file: ",
        "host: -1",
        "priority: -1",
        "cert: ",
        "key: ",
        "ocsp: ",
        "client_ca: ",
        "client_crl: ",
        "ca: ",
        "sni: -1",
        "key_id: ",
        "profile: ",
    ];
    let odd = |said: &String| odd.iter().any(|key| said.starts_with(key));
    assert!(accepted.iter().all(odd), "{accepted:?}");
    assert!(tried > 300, "{tried}");
}
