//! What was probably meant: the nearest of the words that would have been right.

use std::borrow::Cow;

/// The nearest candidate, if it is near enough that a slip of the fingers explains the difference.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = normal(word);
    let allowed = (word.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= allowed)
        .map(|candidate| (distance(&word, &normal(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or else the list of what there is, if it is short.
pub fn hint<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str> + Clone) -> Option<String> {
    if let Some(near) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    list(candidates)
}

/// `write a, b or c`, for at most a dozen.
pub fn list<'c>(candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let quoted: Vec<String> = candidates.into_iter().take(13).map(|candidate| format!("`{candidate}`")).collect();
    match quoted.as_slice() {
        [] => None,
        [only] => Some(format!("write {only}")),
        [first @ .., last] if quoted.len() <= 12 => Some(format!("write {} or {last}", first.join(", "))),
        _ => None,
    }
}

/// Case, dashes and blanks are not what makes a word right or wrong to its writer.
fn normal(word: &str) -> Vec<u8> {
    word.bytes().take(64).map(|b| if b == b'-' || b == b' ' { b'_' } else { b.to_ascii_lowercase() }).collect()
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// A name within a message: no longer than one line wants.
pub fn shown(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(80) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_explained_and_other_words_are_not() {
        let keys = ["upstream", "redirect", "respond", "timeouts"];
        assert_eq!(nearest("upsteam", keys), Some("upstream"));
        assert_eq!(nearest("Timeout", keys), Some("timeouts"));
        assert_eq!(nearest("repsond", keys), Some("respond"));
        assert_eq!(nearest("banana", keys), None);
        assert_eq!(nearest("", keys), None);
        assert_eq!(nearest("max-body", ["max_body"]), Some("max_body"));
        assert_eq!(nearest("ap", ["api", "web"]), Some("api"));
    }

    #[test]
    fn without_a_near_word_a_short_list_is_shown() {
        assert_eq!(hint("zzz", ["a1", "b1"]).as_deref(), Some("write `a1` or `b1`"));
        assert_eq!(hint("zzz", ["a1"]).as_deref(), Some("write `a1`"));
        assert_eq!(hint("zzz", []), None);
    }
}
