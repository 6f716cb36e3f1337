//! Documents with random damage, in bytes and in words. The same seed does the same.

use fastrand::Rng;

/// Words that mean something somewhere.
const WORDS: [&str; 44] = [
    "null",
    "~",
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "- ",
    ",",
    "&a ",
    "*a",
    "<<: *a",
    "<<:",
    "!!str ",
    "!x ",
    "---",
    "...",
    "%YAML 1.2",
    "|",
    ">-",
    "'",
    "\"",
    "#",
    " # wharf: allow all",
    "${",
    "${X}",
    "${X:-y}",
    "{path}",
    "{capture.id}",
    "\t",
    "\r",
    "\u{feff}",
    "\u{a0}",
    "ø",
    "\0",
    "99999999999999999999",
    "-1",
    "0",
    "? ",
    "true",
    "''",
    "/*",
    "unlimited",
];

/// A copy of `text` with one to a few changes; words may come from `others` too.
pub fn mutate(rng: &mut Rng, text: &str, others: &[String]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 + rng.usize(..4) * rng.usize(..2) {
        if rng.u8(..5) < 2 {
            hurt_bytes(rng, &mut bytes);
        } else {
            hurt_words(rng, &mut bytes, others);
        }
    }
    bytes
}

fn hurt_bytes(rng: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let (from, to) = range(rng, bytes.len(), 40);
    match rng.u8(..6) {
        0 => bytes[from] = rng.u8(..),
        1 => bytes.insert(from, rng.u8(..)),
        2 => _ = bytes.drain(from..to),
        3 => {
            let piece = bytes[from..to].to_vec();
            let at = rng.usize(..=bytes.len());
            bytes.splice(at..at, piece);
        }
        4 => bytes[from] ^= 1 << rng.u8(..8),
        _ if rng.u8(..4) == 0 => bytes.truncate(from),
        _ => bytes.swap(from, to - 1),
    }
}

fn hurt_words(rng: &mut Rng, bytes: &mut Vec<u8>, others: &[String]) {
    let words = words(bytes);
    let lines: Vec<(usize, usize)> = lines(bytes);
    if words.is_empty() {
        return;
    }
    let (from, to) = words[rng.usize(..words.len())];
    let (start, end) = lines[rng.usize(..lines.len())];
    match rng.u8(..9) {
        0 => _ = bytes.splice(from..to, WORDS[rng.usize(..WORDS.len())].bytes()),
        1 => _ = bytes.splice(from..from, WORDS[rng.usize(..WORDS.len())].bytes()),
        2 => _ = bytes.drain(from..to),
        3 => {
            let (other, end) = words[rng.usize(..words.len())];
            let word = bytes[other..end].to_vec();
            bytes.splice(from..to, word);
        }
        4 if !others.is_empty() => {
            let other = others[rng.usize(..others.len())].as_bytes();
            let words = self::words(other);
            let (first, last) = words[rng.usize(..words.len())];
            bytes.splice(from..to, other[first..last].iter().copied());
        }
        5 => _ = bytes.drain(start..end),
        6 => {
            let line = bytes[start..end].to_vec();
            let (at, _) = lines[rng.usize(..lines.len())];
            bytes.splice(at..at, line);
        }
        7 => _ = bytes.splice(start..start, *b"  "),
        _ if bytes[start..].starts_with(b"  ") => _ = bytes.drain(start..start + 2),
        _ => bytes.insert(end - 1, b':'),
    }
}

/// Runs of letters and digits, and single other characters.
fn words(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let is_letter = |b: &u8| b.is_ascii_alphanumeric() || b"_-./".contains(b);
        let length = bytes[at..].iter().take_while(|b| is_letter(b)).count().max(1);
        if !bytes[at].is_ascii_whitespace() {
            words.push((at, at + length));
        }
        at += length;
    }
    words
}

/// Lines with their ends.
fn lines(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut start = 0;
    let ends = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::len);
    ends.map(|length| {
        start += length;
        (start - length, start)
    })
    .collect()
}

fn range(rng: &mut Rng, length: usize, most: usize) -> (usize, usize) {
    let from = rng.usize(..length);
    (from, (from + 1 + rng.usize(..most)).min(length))
}
