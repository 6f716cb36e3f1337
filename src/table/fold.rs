//! How servers compare names that do so loosely: without case, and without what they trim from or ignore in a segment.
//!
//! It is the sum of what is known of Windows and HFS+ file systems and of frameworks that strip white space.

use super::paths::Kind;
use std::str;

/// Folds every segment of `path`, which starts with `/`.
pub(super) fn fold(path: &[u8], out: &mut Vec<u8>) {
    for segment in path.strip_prefix(b"/").into_iter().flat_map(|path| path.split(|&byte| byte == b'/')) {
        out.push(b'/');
        let start = out.len();
        fold_text(without_stream(segment), out);
        if !matches!((out.get(start), out.last()), (Some(b'!'..=b'~'), Some(b'!'..=b'-' | b'/'..=b'~'))) {
            trim(out, start);
        }
    }
}

/// Folds every segment of `path` as a server does that trims, but neither knows streams nor loses a segment: one that would
/// be empty is only read without case.
pub(super) fn fold_keeping(path: &[u8], out: &mut Vec<u8>) {
    for segment in path.strip_prefix(b"/").into_iter().flat_map(|path| path.split(|&byte| byte == b'/')) {
        out.push(b'/');
        let start = out.len();
        fold_text(segment, out);
        trim(out, start);
        if out.len() == start {
            fold_case(segment, out);
        }
    }
}

/// Letters in one case, and all else as it is.
pub(super) fn fold_case(path: &[u8], out: &mut Vec<u8>) {
    for chunk in path.utf8_chunks() {
        for folded in chunk.valid().chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
            out.extend_from_slice(folded.encode_utf8(&mut [0; 4]).as_bytes());
        }
        out.extend_from_slice(chunk.invalid());
    }
}

/// Folds a pattern's literal, so that a folded path finds it.
pub(super) fn fold_literal(literal: &[u8], kind: Kind, out: &mut Vec<u8>) {
    match memchr::memrchr(b'/', literal) {
        // The last segment goes on in the path, so its end is not trimmed.
        Some(last) if kind == Kind::Prefix => {
            fold(&literal[..last], out);
            out.push(b'/');
            fold_text(&literal[last + 1..], out);
        }
        _ => fold(literal, out),
    }
}

/// Letters in one case; what is not UTF-8 and characters that cannot be seen dropped.
fn fold_text(segment: &[u8], out: &mut Vec<u8>) {
    if segment.is_ascii() {
        out.extend(segment.iter().map(u8::to_ascii_lowercase));
        return;
    }
    let chars = segment.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
    // By way of upper case, so that `ı`, `ſ` and the Kelvin sign meet `i`, `s` and `k`.
    let folded = chars.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    for folded in folded.filter(|&c| !ignored(c)) {
        out.extend_from_slice(folded.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Removes white space and control characters around the segment that begins at `start`, and the dots behind it.
fn trim(out: &mut Vec<u8>, start: usize) {
    let Ok(segment) = str::from_utf8(&out[start..]) else { return };
    let blank = |c: char| c.is_whitespace() || c.is_control();
    let tail = segment.trim_start_matches(blank);
    let mut kept = tail.trim_end_matches(blank);
    if kept != "." && kept != ".." {
        kept = kept.trim_end_matches(|c| c == '.' || blank(c));
    }
    let (begin, len) = (out.len() - tail.len(), kept.len());
    out.copy_within(begin..begin + len, start);
    out.truncate(start + len);
}

/// A segment without the stream that NTFS reads behind it, as in `name::$DATA` or `name:$I30:$INDEX_ALLOCATION`.
fn without_stream(segment: &[u8]) -> &[u8] {
    let stream = memchr::memchr_iter(b':', segment)
        .find(|&at| segment[at + 1..].starts_with(b"$") || segment[at + 1..].starts_with(b":$"));
    &segment[..stream.unwrap_or(segment.len())]
}

/// Characters that HFS+ does not compare, and the dot that the lower case of `İ` leaves behind.
fn ignored(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{307}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(path: &[u8]) -> String {
        let mut out = Vec::new();
        fold(path, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn loose_spellings_of_a_name_fold_to_one() {
        let spellings: [&[u8]; 11] = [
            b"/ADMIN/x",
            b"/admin./x",
            b"/admin... ./x",
            b"/ admin\t/X",
            b"/admin\xA0/x",
            b"/admin\x85/x",
            b"/Admin::$DATA/x",
            b"/admin:$I30:$Index_Allocation/x",
            "/adm\u{131}n/x".as_bytes(),
            "/ADM\u{130}N/x".as_bytes(),
            "/ad\u{200C}min\u{FEFF}/x\u{2003}".as_bytes(),
        ];
        for path in spellings {
            assert_eq!(folded(path), "/admin/x", "{}", String::from_utf8_lossy(path));
        }
    }

    #[test]
    fn dot_segments_survive_trimming_and_other_dots_do_not() {
        assert_eq!(folded(b"/.. /. /.../a.b./.well-known/"), "/.././/a.b/.well-known/");
    }

    #[test]
    fn letters_beyond_ascii_lose_their_case_and_stay() {
        assert_eq!(folded("/CAF\u{C9}/\u{E0}".as_bytes()), "/caf\u{E9}/\u{E0}");
    }

    #[test]
    fn a_segment_that_is_kept_is_read_without_case_and_nothing_more() {
        let keeping = |path: &[u8]| {
            let mut out = Vec::new();
            fold_keeping(path, &mut out);
            out
        };
        assert_eq!(keeping(b"/ /A. /.../\xff/X:$y.PHP "), b"/ /a/.../\xff/x:$y.php");
        let mut out = Vec::new();
        fold_case("/ /A. /\u{200B}\u{130}K".as_bytes(), &mut out);
        assert_eq!(out, "/ /a. /\u{200B}i\u{307}k".as_bytes());
    }

    #[test]
    fn the_open_end_of_a_prefix_is_not_trimmed() {
        let mut out = Vec::new();
        fold_literal(b"/A./V1.", Kind::Prefix, &mut out);
        assert_eq!(out, b"/a/v1.");
    }
}
