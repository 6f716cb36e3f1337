//! What a source says in words, as a line of the log and a terminal can hold it: names and labels are whatever somebody wrote.

use std::collections::BTreeSet;

/// The longest sentence, in characters.
const LONGEST: usize = 500;
/// The most sentences that are kept of one source at a time.
const SENTENCES_MAX: usize = 200;

/// A sentence in which nothing drives a terminal, or looks like another line.
pub fn sentence(text: &str) -> String {
    let mut said = String::new();
    for c in text.chars().take(LONGEST) {
        match is_odd(c) {
            true => said.extend(c.escape_default()),
            false => said.push(c),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        said.push('…');
    }
    said
}

/// Each of them, but not too many.
pub fn sentences(texts: impl ExactSizeIterator<Item = impl AsRef<str>>) -> BTreeSet<String> {
    let more = texts.len().saturating_sub(SENTENCES_MAX);
    let mut said: BTreeSet<String> = texts.take(SENTENCES_MAX).map(|text| sentence(text.as_ref())).collect();
    if more > 0 {
        said.insert(format!("{more} more, which are not shown"));
    }
    said
}

/// Control characters, ends of lines, and marks that turn the direction of what follows.
fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_sentence_drives_a_terminal_or_begins_a_line() {
        assert_eq!(sentence("a\nb\x1b[2J\u{202e}c — `ø`"), "a\\nb\\u{1b}[2J\\u{202e}c — `ø`");
        assert_eq!(sentence(&"x".repeat(1 << 20)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn many_sentences_are_counted() {
        let many: Vec<String> = (0..1000).map(|n| format!("container {n}")).collect();
        let said = sentences(many.iter());
        assert_eq!(said.len(), SENTENCES_MAX + 1);
        assert!(said.contains("800 more, which are not shown"));
    }
}
