//! Bytes made harmless: always one line, never a control character, nothing that ends what quotes began. [`Json`] makes
//! the inside of a JSON string of them, which is always valid; [`Hex`] what nginx makes of them, which is ASCII.

use super::FIELD_BYTES_MAX;

/// A way of escaping. What is [plain](is_plain) stays as it is in all of them.
pub(super) trait Escape {
    /// Marks a field that was cut.
    const ELLIPSIS: &'static str;

    /// Appends bytes of which some are not plain.
    fn odd(out: &mut Vec<u8>, bytes: &[u8]);
}

/// What is not UTF-8 becomes `\ufffd`.
pub(super) struct Json;

impl Escape for Json {
    const ELLIPSIS: &'static str = "…";

    #[cold]
    fn odd(out: &mut Vec<u8>, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|c| character(out, c));
            if !chunk.invalid().is_empty() {
                out.extend_from_slice(b"\\ufffd");
            }
        }
    }
}

/// Each byte that is not plain becomes `\xHH`.
pub(super) struct Hex;

impl Escape for Hex {
    const ELLIPSIS: &'static str = "...";

    #[cold]
    fn odd(out: &mut Vec<u8>, bytes: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        for &byte in bytes {
            match byte {
                b' '..=b'~' if byte != b'"' && byte != b'\\' => out.push(byte),
                _ => out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
            }
        }
    }
}

/// Appends `bytes`, of at most [`FIELD_BYTES_MAX`]; a longer field ends in [`Escape::ELLIPSIS`].
pub(super) fn field<E: Escape>(out: &mut Vec<u8>, bytes: &[u8]) {
    let (bytes, cut) = limited(bytes);
    text::<E>(out, bytes);
    if cut {
        ellipsis::<E>(out);
    }
}

/// The part of a field that is written, and whether that is not all of it.
pub(super) fn limited(bytes: &[u8]) -> (&[u8], bool) {
    if bytes.len() <= FIELD_BYTES_MAX {
        return (bytes, false);
    }
    // Not within a character, as far as these are characters.
    let boundary = (FIELD_BYTES_MAX - 3..=FIELD_BYTES_MAX).rev().find(|&at| bytes[at] & 0xc0 != 0x80);
    (&bytes[..boundary.unwrap_or(FIELD_BYTES_MAX)], true)
}

/// Marks a field that was cut.
pub(super) fn ellipsis<E: Escape>(out: &mut Vec<u8>) {
    out.extend_from_slice(E::ELLIPSIS.as_bytes());
}

/// Appends all of `bytes`.
pub(super) fn text<E: Escape>(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) { out.extend_from_slice(bytes) } else { E::odd(out, bytes) }
}

fn character(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        // The line separators of Unicode end a line for some readers.
        _ if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let code = c as usize;
            out.extend_from_slice(b"\\u");
            out.extend_from_slice(&[12, 8, 4, 0].map(|shift| HEX[code >> shift & 15]));
        }
        _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Whether `bytes` stand in a JSON string as they are: printable ASCII without quote and backslash.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    is_plain_without(bytes, [])
}

/// Whether `bytes` are plain and contain none of `others`, which are ASCII and no spaces. Eight bytes at a time, since
/// nearly every field of a line is plain.
#[inline]
pub(super) fn is_plain_without<const N: usize>(bytes: &[u8], others: [u8; N]) -> bool {
    let (words, rest) = bytes.as_chunks();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    let marked = words.iter().chain([&last]).fold(0, |marked, word| marked | marks(u64::from_le_bytes(*word), others));
    marked & repeated(0x80) == 0
}

/// Sets the top bit of bytes that are not plain or among `others`. Where none is, no top bit is set; where one is, those
/// above it mean nothing.
#[inline]
fn marks<const N: usize>(word: u64, others: [u8; N]) -> u64 {
    // In a byte below 0x80 a subtraction borrows into the top bit exactly where the byte is the smaller one, and an
    // addition carries into it; bytes of 0x80 and above have it set themselves.
    let equals = |byte| (word ^ repeated(byte)).wrapping_sub(repeated(1));
    let odd = word | word.wrapping_sub(repeated(b' ')) | word.wrapping_add(repeated(1)) | equals(b'"') | equals(b'\\');
    others.into_iter().fold(odd, |odd, other| odd | equals(other))
}

/// Eight times the same byte.
const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        field::<Json>(&mut out, bytes);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn the_odd_ones_are_escaped_and_all_else_stays() {
        assert_eq!(escaped(b"plain /path?x=1 ~"), "plain /path?x=1 ~");
        assert_eq!(escaped(b"a\"b\\c\n\r\t\0\x1b\x7f"), r#"a\"b\\c\n\r\t\u0000\u001b\u007f"#);
        assert_eq!(escaped("blåbær 🫐".as_bytes()), "blåbær 🫐");
        assert_eq!(escaped("\u{85}\u{2028}".as_bytes()), r"\u0085\u2028");
        assert_eq!(escaped(b"\xff\xfe!"), r"\ufffd\ufffd!");
    }

    #[test]
    fn nginx_escapes_the_same_bytes_in_the_same_way() {
        // the map of ngx_http_log_escape, in bits from the lowest, and its digits
        const ODD: [u32; 8] = [0xffff_ffff, 0x0000_0004, 0x1000_0000, 0x8000_0000, !0, !0, !0, !0];
        for byte in 0..=255u8 {
            let mut out = Vec::new();
            field::<Hex>(&mut out, &[b'a', byte]);
            let odd = ODD[usize::from(byte / 32)] >> (byte % 32) & 1 == 1;
            let expected = if odd { format!("a\\x{byte:02X}") } else { format!("a{}", byte as char) };
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        field::<Hex>(&mut out, &[b'a'; FIELD_BYTES_MAX + 1]);
        assert!(out.len() == FIELD_BYTES_MAX + 3 && out.ends_with(b"a..."));
    }

    #[test]
    fn each_byte_at_each_place_is_seen() {
        for length in 1..50 {
            for place in 0..length {
                for byte in 0..=255u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let plain = (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
                    assert_eq!(is_plain(&bytes), plain, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn a_plain_field_of_any_length_stays_as_it_is() {
        let bytes: Vec<u8> = (b'a'..=b'z').cycle().take(100).collect();
        for length in 0..=bytes.len() {
            assert_eq!(escaped(&bytes[..length]).as_bytes(), &bytes[..length]);
        }
    }

    #[test]
    fn a_long_field_is_cut_between_characters_and_says_so() {
        assert_eq!(escaped(&[b'a'; FIELD_BYTES_MAX]).len(), FIELD_BYTES_MAX);
        assert_eq!(escaped(&[b'a'; FIELD_BYTES_MAX + 1]), "a".repeat(FIELD_BYTES_MAX) + "…");
        let text = "a".to_owned() + &"å".repeat(FIELD_BYTES_MAX);
        assert_eq!(escaped(text.as_bytes()), "a".to_owned() + &"å".repeat(FIELD_BYTES_MAX / 2 - 1) + "…");
        assert!(escaped(&[0x80; 2 * FIELD_BYTES_MAX]).ends_with("…"));
    }

    proptest! {
        #[test]
        fn any_bytes_read_back_from_json_as_their_text(bytes: Vec<u8>) {
            let out = escaped(&bytes);
            prop_assert!(!out.chars().any(char::is_control));
            let read: String = serde_json::from_str(&format!("\"{out}\"")).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }
    }
}
