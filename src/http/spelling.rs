//! The ways to write one byte of a path in more bytes, and how servers undo them.

use memchr::memchr;

/// The path cannot be read at all: a broken `%` escape, a NUL, or dot segments that climb above the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Percent-decodes all but `/` and `\`, which would change the segments: those stay `%2F` and `%5C`.
pub fn decode_safely(path: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut rest = path;
    while let Some(percent) = memchr(b'%', rest) {
        out.extend_from_slice(&rest[..percent]);
        let (decoded, tail) = escaped(&rest[percent + 1..]).ok_or(Malformed)?;
        match decoded {
            b'/' => out.extend_from_slice(b"%2F"),
            b'\\' => out.extend_from_slice(b"%5C"),
            _ => out.push(decoded),
        }
        rest = tail;
    }
    out.extend_from_slice(rest);
    if memchr(0, out).is_some() { Err(Malformed) } else { Ok(()) }
}

/// Percent-decodes every valid escape once and leaves the rest as it is.
pub fn decode_once(path: &[u8], out: &mut Vec<u8>) {
    let mut rest = path;
    while let Some(percent) = memchr(b'%', rest) {
        out.extend_from_slice(&rest[..percent]);
        let (byte, tail) = escaped(&rest[percent + 1..]).unwrap_or((b'%', &rest[percent + 1..]));
        out.push(byte);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

/// Percent-decodes until no valid escape is left, in one pass.
pub fn decode_fully(path: &[u8], out: &mut Vec<u8>) {
    for &byte in path {
        out.push(byte);
        while let [.., b'%', high, low] = out[..] {
            let Some(decoded) = hex_pair(high, low) else { break };
            out.truncate(out.len() - 3);
            out.push(decoded);
        }
    }
}

/// Reads overlong UTF-8 and full-width forms of ASCII characters as those characters, as careless decoders do.
pub fn decode_lax(path: &[u8], out: &mut Vec<u8>) {
    let mut rest = path;
    while let Some(&byte) = rest.first() {
        let (read, len) = match *rest {
            // Some decoders do not look whether the second byte is a continuation at all.
            [0xC0..=0xC1, low, ..] => (byte << 6 | low & 0x3F, 2),
            [0xE0, high @ 0x80..=0x81, low, ..] => (high << 6 | low & 0x3F, 3),
            [0xF0, 0x80, high @ 0x80..=0x81, low, ..] => (high << 6 | low & 0x3F, 4),
            [0xF8, 0x80, 0x80, high @ 0x80..=0x81, low, ..] => (high << 6 | low & 0x3F, 5),
            [0xFC, 0x80, 0x80, 0x80, high @ 0x80..=0x81, low, ..] => (high << 6 | low & 0x3F, 6),
            [0xEF, 0xBC, low @ 0x81..=0xBF, ..] => (low - 0x81 + b'!', 3),
            [0xEF, 0xBD, low @ 0x80..=0x9E, ..] => (low - 0x80 + b'`', 3),
            _ => (byte, 1),
        };
        out.push(read);
        rest = &rest[len..];
    }
}

/// Removes the `;parameters` of every segment.
pub fn without_parameters(path: &[u8], out: &mut Vec<u8>) {
    let mut in_parameters = false;
    for &byte in path {
        in_parameters = byte != b'/' && (in_parameters || byte == b';');
        if !in_parameters {
            out.push(byte);
        }
    }
}

/// Reads `\` as `/`.
pub fn without_backslashes(path: &[u8], out: &mut Vec<u8>) {
    out.extend(path.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }));
}

/// The byte that the two hexadecimal digits after a `%` stand for, and what follows them.
pub fn escaped(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let ([high, low], rest) = after_percent.split_first_chunk()?;
    Some((hex_pair(*high, *low)?, rest))
}

pub fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(by: fn(&[u8], &mut Vec<u8>), path: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        by(path, &mut out);
        out
    }

    #[test]
    fn safe_decoding_keeps_what_would_change_the_segments() {
        let safely = |path: &[u8]| {
            let mut out = Vec::new();
            decode_safely(path, &mut out).map(|()| out)
        };
        assert_eq!(safely(b"/%61%2fb%5C%20%25"), Ok(b"/a%2Fb%5C %".to_vec()));
        for broken in ["/%", "/%4", "/%zz", "/a%4g", "/%00", "/%u0061", "/\0"] {
            assert_eq!(safely(broken.as_bytes()), Err(Malformed), "{broken}");
        }
    }

    #[test]
    fn full_decoding_unwraps_every_layer_and_once_only_one() {
        assert_eq!(read(decode_once, b"/%252561%2f%zz%"), b"/%2561/%zz%");
        assert_eq!(read(decode_fully, b"/%252561%2f%zz%%32%35%36%31"), b"/a/%zza");
    }

    #[test]
    fn overlong_and_full_width_characters_read_as_ascii() {
        let overlong: [&[u8]; 6] = [
            b"\xC0\xAE",
            b"\xC0\x2E",
            b"\xE0\x80\xAE",
            b"\xF0\x80\x80\xAE",
            b"\xF8\x80\x80\x80\xAE",
            b"\xFC\x80\x80\x80\x80\xAE",
        ];
        for dot in overlong {
            assert_eq!(read(decode_lax, dot), b".", "{dot:x?}");
        }
        assert_eq!(read(decode_lax, b"\xC1\xA1\xC1\x9C"), b"a\\");
        assert_eq!(read(decode_lax, "\u{FF41}\u{FF0F}\u{FF3F}\u{FF5E}é".as_bytes()), "a/_~é".as_bytes());
    }

    #[test]
    fn parameters_end_with_their_segment() {
        assert_eq!(read(without_parameters, b"/a;x=1;y/..;/b;"), b"/a/../b");
    }
}
