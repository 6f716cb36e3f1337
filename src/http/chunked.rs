//! The chunked coding, taken apart strictly: sizes are hexadecimal digits, lines end in CRLF, everything has a limit.

use super::trailers::TRAILER_BYTES_MAX;

/// Longest chunk extension, in bytes. Extensions are checked and dropped: nobody uses them but attackers.
const EXTENSION_BYTES_MAX: u32 = 256;
/// Most hexadecimal digits of a chunk size: what fits in 60 bits.
const SIZE_DIGITS_MAX: u8 = 15;

/// Takes a chunked body apart, in any number of pieces.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// The trailer section so far, raw, with its final empty line.
    trailers: Vec<u8>,
    /// They are not to be passed on.
    pub drops_trailers: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { value: u64, digits: u8 },
    Extension { value: u64, len: u32, at: Extension },
    SizeLf { value: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailers,
    Done,
}

/// Where in `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` the extensions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// Blanks before a `;`: one must follow.
    Before,
    /// After the `;`.
    Start,
    Name,
    /// Blanks after the name.
    Named,
    /// After the `=`.
    Equals,
    Token,
    Quoted,
    /// After a backslash within quotes.
    Escaped,
    /// After the closing quote.
    Unquoted,
}

impl Extension {
    fn step(self, b: u8) -> Option<Extension> {
        use Extension::*;
        let (blank, token) = (b == b' ' || b == b'\t', super::field::is_token_byte(b));
        Some(match (self, b) {
            (Before | Start | Named | Equals, _) if blank => self,
            (Name, _) if blank => Named,
            (Token | Unquoted, _) if blank => Before,
            (Before | Name | Named | Token | Unquoted, b';') => Start,
            (Start | Name, _) if token => Name,
            (Name | Named, b'=') => Equals,
            (Equals, b'"') => Quoted,
            (Equals | Token, _) if token => Token,
            (Quoted, b'"') => Unquoted,
            (Quoted, b'\\') => Escaped,
            (Quoted, _) if b == b'\t' || b >= 0x20 && b != 0x7f => Quoted,
            (Escaped, _) if b == b'\t' || b >= 0x20 && b != 0x7f => Quoted,
            _ => return None,
        })
    }

    /// The line may end here.
    fn is_whole(self) -> bool {
        matches!(self, Extension::Name | Extension::Token | Extension::Unquoted)
    }
}

impl Default for State {
    fn default() -> Self {
        State::Size { value: 0, digits: 0 }
    }
}

/// The bytes are not a valid chunked body.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// What comes next in a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'b> {
    /// Bytes of the body.
    Data(&'b [u8]),
    /// The input is used up.
    More,
    /// The body is whole; the rest of the input belongs to the next message.
    End,
}

impl Decoder {
    /// The next piece of `input`, which is advanced past it.
    pub fn next<'b>(&mut self, input: &mut &'b [u8]) -> Result<Piece<'b>, Malformed> {
        loop {
            if self.state == State::Done {
                return Ok(Piece::End);
            }
            if let State::Data { left } = self.state {
                if input.is_empty() {
                    return Ok(Piece::More);
                }
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                let (data, rest) = input.split_at(n);
                *input = rest;
                let left = left - n as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                return Ok(Piece::Data(data));
            }
            let Some((&b, rest)) = input.split_first() else { return Ok(Piece::More) };
            *input = rest;
            self.state = self.step(b)?;
        }
    }

    fn step(&mut self, b: u8) -> Result<State, Malformed> {
        Ok(match (self.state, b) {
            (State::Size { value, digits }, b) if b.is_ascii_hexdigit() && digits < SIZE_DIGITS_MAX => {
                let digit = (b as char).to_digit(16).unwrap_or(0);
                State::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
            }
            (State::Size { value, digits: 1.. }, b'\r') => State::SizeLf { value },
            (State::Size { value, digits: 1.. }, b' ' | b'\t' | b';') => {
                let at = Extension::Before.step(b).ok_or(Malformed)?;
                State::Extension { value, len: 1, at }
            }
            (State::Extension { value, at, .. }, b'\r') if at.is_whole() => State::SizeLf { value },
            (State::Extension { value, len, at }, b) if len < EXTENSION_BYTES_MAX => {
                State::Extension { value, len: len + 1, at: at.step(b).ok_or(Malformed)? }
            }
            (State::SizeLf { value: 0 }, b'\n') => State::Trailers,
            (State::SizeLf { value }, b'\n') => State::Data { left: value },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::default(),
            (State::Trailers, b) => return self.trailer_byte(b),
            _ => return Err(Malformed),
        })
    }

    fn trailer_byte(&mut self, b: u8) -> Result<State, Malformed> {
        if self.trailers.len() >= TRAILER_BYTES_MAX {
            return Err(Malformed);
        }
        let bare_lf = b == b'\n' && self.trailers.last() != Some(&b'\r');
        if bare_lf {
            return Err(Malformed);
        }
        self.trailers.push(b);
        let done = self.trailers == b"\r\n" || self.trailers.ends_with(b"\r\n\r\n");
        Ok(if done { State::Done } else { State::Trailers })
    }

    /// The whole body and its trailers have been taken.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The raw trailer section with its final empty line, once the body is whole.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }
}

/// Appends one chunk that holds `data`; an empty piece is no chunk, since that would end the body.
pub fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    write_size(data.len(), out);
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

fn write_size(size: usize, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for i in (0..digits).rev() {
        out.push(HEX[size >> (4 * i) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes pieces of `input` cut at `cut`; the body, and what is left over.
    fn decode(input: &[u8], cut: usize) -> Result<(Vec<u8>, Vec<u8>, bool), Malformed> {
        let mut d = Decoder::default();
        let (mut body, mut left) = (Vec::new(), Vec::new());
        let (a, b) = input.split_at(cut.min(input.len()));
        for mut piece in [a, b] {
            loop {
                match d.next(&mut piece)? {
                    Piece::Data(data) => body.extend_from_slice(data),
                    Piece::More => break,
                    Piece::End => {
                        left.extend_from_slice(piece);
                        break;
                    }
                }
            }
        }
        Ok((body, left, d.is_done()))
    }

    #[test]
    fn a_body_is_the_same_wherever_it_is_cut() {
        let input = b"5\r\nhello\r\n6;a=\"b c\"\r\n world\r\n0\r\nX-T: 1\r\n\r\nGET";
        for cut in 0..=input.len() {
            assert_eq!(decode(input, cut), Ok((b"hello world".to_vec(), b"GET".to_vec(), true)), "cut at {cut}");
        }
    }

    #[test]
    fn bad_framing_is_refused_wherever_it_is_cut() {
        for bad in [
            "0x5\r\nhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5;\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5\nhello\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhelloX\r\n",
            "5\r\nhello0\r\n\r\n",
            "\r\nhello",
            "ffffffffffffffff1\r\n",
            "1234567890abcdef1\r\n",
            "5;a\nb\r\nhello\r\n",
            "5;a\0\r\nhello\r\n",
            "0\r\n\n",
            "0\r\nX: a\n\r\n",
            "g\r\n",
        ] {
            for cut in 0..=bad.len() {
                assert_eq!(decode(bad.as_bytes(), cut), Err(Malformed), "{bad:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn well_formed_extensions_are_dropped() {
        for good in ["5;a", "5;a=b", "5; some; parameters=stuff", "5 ;\ta = \"x;\\\"y\" ;b", "5;a=\"\""] {
            let input = format!("{good}\r\nhello\r\n0\r\n\r\n");
            for cut in 0..=input.len() {
                assert_eq!(
                    decode(input.as_bytes(), cut),
                    Ok((b"hello".to_vec(), Vec::new(), true)),
                    "{good} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(257));
        assert_eq!(decode(long.as_bytes(), 0), Err(Malformed));
        let long = format!("0\r\nX: {}\r\n\r\n", "a".repeat(TRAILER_BYTES_MAX));
        assert_eq!(decode(long.as_bytes(), 0), Err(Malformed));
    }

    #[test]
    fn an_unfinished_body_is_not_done() {
        for part in ["", "5", "5\r\nhel", "5\r\nhello\r\n", "0\r\n", "0\r\nX: 1\r\n"] {
            assert!(!decode(part.as_bytes(), 0).is_ok_and(|(.., done)| done), "{part:?}");
        }
    }

    #[test]
    fn chunks_read_back_as_they_were_written() {
        for len in [1, 9, 15, 16, 255, 256, 4096, 65_535, 65_536] {
            let mut out = Vec::new();
            write_chunk(&vec![b'x'; len], &mut out);
            write_chunk(b"", &mut out);
            out.extend_from_slice(b"0\r\n\r\n");
            assert_eq!(decode(&out, 3).map(|(b, _, done)| (b.len(), done)), Ok((len, true)));
        }
    }
}
