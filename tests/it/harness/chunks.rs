//! The chunked transfer coding, read to the letter (RFC 9112 section 7.1).

use super::fields::{self, Fields, Grammar, show};

/// A body as far as it has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunks {
    /// Up to and with the empty line after the trailers.
    Whole { body: Vec<u8>, trailers: Fields, length: usize, sizes: Vec<usize> },
    /// Valid so far.
    Partial { body: Vec<u8> },
}

/// Decodes a chunked body from the start of `bytes`.
pub fn read(bytes: &[u8], grammar: Grammar) -> Result<Chunks, String> {
    let mut body = Vec::new();
    let mut sizes = Vec::new();
    let mut at = 0;
    loop {
        let Some(line) = line(&bytes[at..])? else { return Ok(Chunks::Partial { body }) };
        at += line.len() + 2;
        let size = size(line, grammar)?;
        if size == 0 {
            break;
        }
        let data = &bytes[at..];
        if data.len() < size + 2 {
            body.extend_from_slice(&data[..data.len().min(size)]);
            if data.len() > size && data[size] != b'\r' {
                return Err(format!("chunk of {size} is followed by {}", show(&data[size..])));
            }
            return Ok(Chunks::Partial { body });
        }
        if &data[size..size + 2] != b"\r\n" {
            return Err(format!("chunk of {size} is followed by {}", show(&data[size..size + 2])));
        }
        body.extend_from_slice(&data[..size]);
        sizes.push(size);
        at += size + 2;
    }
    let mut trailers = Vec::new();
    loop {
        let Some(line) = line(&bytes[at..])? else { return Ok(Chunks::Partial { body }) };
        at += line.len() + 2;
        if line.is_empty() {
            let trailers = fields::fields(&trailers)?;
            return Ok(Chunks::Whole { body, trailers, length: at, sizes });
        }
        trailers.push(line);
    }
}

/// The next line without its CRLF, if it is whole. A CR or LF on its own is wrong at once.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    let Some(end) = bytes.iter().position(|b| matches!(b, b'\r' | b'\n')) else {
        return if bytes.len() > 4096 { Err("a chunk line without end".into()) } else { Ok(None) };
    };
    match &bytes[end..] {
        [b'\r', b'\n', ..] => Ok(Some(&bytes[..end])),
        [b'\r'] => Ok(None),
        _ => Err(format!("CR or LF alone in chunk framing: {}", show(bytes))),
    }
}

fn size(line: &[u8], grammar: Grammar) -> Result<usize, String> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    let whole = digits.len() <= 15 && !digits.is_empty();
    let extension = rest.is_empty() || (grammar == Grammar::AsSent && extension(rest));
    if !whole || !extension {
        return Err(format!("bad chunk size {}", show(line)));
    }
    usize::from_str_radix(&fields::latin1(digits), 16).map_err(|e| e.to_string())
}

/// `;name`, `;name=token` or `;name="text"`, with the whitespace that the RFC tells recipients to bear.
fn extension(mut rest: &[u8]) -> bool {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    while !rest.is_empty() {
        let start = rest.iter().take_while(|b| blank(b)).count();
        let Some(after) = rest[start..].strip_prefix(b";") else { return false };
        let start = after.iter().take_while(|b| blank(b)).count();
        let name = after[start..].iter().take_while(|b| fields::is_token(&[**b])).count();
        if name == 0 {
            return false;
        }
        rest = &after[start + name..];
        let Some(value) = rest.strip_prefix(b"=") else { continue };
        if let Some(quoted) = value.strip_prefix(b"\"") {
            let Some(end) = quoted_end(quoted) else { return false };
            rest = &quoted[end + 1..];
        } else {
            let length = value.iter().take_while(|b| fields::is_token(&[**b])).count();
            if length == 0 {
                return false;
            }
            rest = &value[length..];
        }
    }
    true
}

/// Where the closing quote is, if what comes before it is a quoted string.
fn quoted_end(quoted: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in quoted.iter().enumerate() {
        match byte {
            b'"' if !escaped => return Some(at),
            0..=8 | 10..=31 | 127 => return None,
            _ => escaped = *byte == b'\\' && !escaped,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_body_is_read_with_its_trailers_and_length() {
        let bytes = b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\nnext";
        let Ok(Chunks::Whole { body, trailers, length, sizes }) = read(bytes, Grammar::Strict) else { panic!() };
        assert_eq!(body, b"hello0123456789");
        assert_eq!(trailers.one("x-sum"), Some("1"));
        assert_eq!(&bytes[length..], b"next");
        assert_eq!(sizes, [5, 10]);
    }

    #[test]
    fn every_proper_prefix_of_a_valid_body_is_partial() {
        let bytes = b"5\r\nhello\r\n0\r\nX: 1\r\n\r\n";
        for cut in 0..bytes.len() {
            assert!(matches!(read(&bytes[..cut], Grammar::Strict), Ok(Chunks::Partial { .. })), "cut at {cut}");
        }
    }

    #[test]
    fn wrong_chunk_framing_is_condemned() {
        for bad in [
            &b"5 \r\nhello\r\n0\r\n\r\n"[..],
            b"+5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b"5_0\r\n",
            b"\r\nhello\r\n",
            b"5\nhello\r\n",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello!!\r\n",
            b"5\r\nhello\n0\r\n",
            b"fffffffffffffffff\r\n",
            b"5;\r\nhello\r\n",
            b"5;a\rb\r\nhello\r\n",
            b"5;a=\"\x01\"\r\nhello\r\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\nBad : 1\r\n\r\n",
        ] {
            assert!(read(bad, Grammar::AsSent).is_err(), "{}", show(bad));
            assert!(read(bad, Grammar::Strict).is_err(), "{}", show(bad));
        }
    }

    #[test]
    fn extensions_are_for_clients_only() {
        let bytes = b"5;a;b=c; d=\"e \\\" f\"\r\nhello\r\n0\r\n\r\n";
        assert!(matches!(read(bytes, Grammar::AsSent), Ok(Chunks::Whole { .. })));
        assert!(read(bytes, Grammar::Strict).is_err());
    }
}
