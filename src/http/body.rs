//! A body on its way through: taken apart by the framing it came with, put together by the framing it leaves with.

use super::chunked::{self, Decoder, Piece};
use super::framing::Framing;
use super::trailers;

/// How a body is written to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Its bytes as they are: a length was announced, or the end is the end of the connection.
    Raw,
    /// In chunks.
    Chunked,
}

/// The state of one body between its two sides.
#[derive(Debug)]
pub struct Body {
    source: Source,
    encoding: Encoding,
    /// Bytes of payload that have passed.
    pub passed: u64,
}

#[derive(Debug)]
enum Source {
    Done,
    Length(u64),
    // boxed: chunked bodies are the rare case, and every exchange holds two bodies
    Chunked(Box<Decoder>),
    UntilClose,
}

/// A body that is not what its framing says.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl Body {
    pub fn new(framing: Framing, encoding: Encoding) -> Body {
        let source = match framing {
            Framing::None | Framing::Length(0) => Source::Done,
            Framing::Length(n) => Source::Length(n),
            Framing::Chunked => Source::Chunked(Box::default()),
            Framing::UntilClose => Source::UntilClose,
        };
        Body { source, encoding, passed: 0 }
    }

    /// What follows it goes nowhere: it could say again what was taken out of the head.
    pub fn drop_trailers(&mut self) {
        if let Source::Chunked(decoder) = &mut self.source {
            decoder.drops_trailers = true;
        }
    }

    /// All of the body has been taken.
    pub fn is_done(&self) -> bool {
        matches!(self.source, Source::Done)
    }

    /// Bytes that can pass as they are, without a look at them: all up to this many belong to the body. Zero when each must be looked at.
    pub fn plain_bytes(&self) -> u64 {
        match (&self.source, self.encoding) {
            (Source::Length(n), Encoding::Raw) => *n,
            (Source::UntilClose, Encoding::Raw) => u64::MAX,
            _ => 0,
        }
    }

    /// Notes that `n` bytes, at most [`Body::plain_bytes`], passed as they are.
    pub fn pass_plain(&mut self, n: usize) {
        self.passed += n as u64;
        if let Source::Length(left) = &mut self.source {
            *left = left.saturating_sub(n as u64);
            if *left == 0 {
                self.source = Source::Done;
            }
        }
    }

    /// Takes what belongs to the body from the front of `input` and appends it to `out` in the outgoing encoding. Returns how many
    /// bytes of `input` were the body's.
    pub fn take(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let encoding = self.encoding;
        let mut put = |data: &[u8]| match encoding {
            Encoding::Raw => out.extend_from_slice(data),
            Encoding::Chunked => chunked::write_chunk(data, out),
        };
        match &mut self.source {
            Source::Done => Ok(0),
            Source::Length(_) | Source::UntilClose => {
                let n = match self.source {
                    Source::Length(left) => usize::try_from(left).unwrap_or(usize::MAX).min(input.len()),
                    _ => input.len(),
                };
                put(&input[..n]);
                self.pass_plain(n);
                Ok(n)
            }
            Source::Chunked(decoder) => {
                let mut rest = input;
                loop {
                    match decoder.next(&mut rest).map_err(|_| Malformed)? {
                        Piece::Data(data) => {
                            self.passed += data.len() as u64;
                            put(data);
                        }
                        Piece::More => return Ok(input.len()),
                        Piece::End => break,
                    }
                }
                match encoding {
                    Encoding::Chunked if !decoder.drops_trailers => {
                        out.extend_from_slice(b"0\r\n");
                        trailers::write(decoder.trailers(), out).map_err(|_| Malformed)?;
                    }
                    // they are still checked
                    Encoding::Chunked => {
                        trailers::write(decoder.trailers(), &mut Vec::new()).map_err(|_| Malformed)?;
                        out.extend_from_slice(b"0\r\n\r\n");
                    }
                    // trailers have no place in this encoding
                    Encoding::Raw => trailers::write(decoder.trailers(), &mut Vec::new()).map_err(|_| Malformed)?,
                }
                self.source = Source::Done;
                Ok(input.len() - rest.len())
            }
        }
    }

    /// The sender closed. True when that is a proper end, which is then written to `out`.
    pub fn close(&mut self, out: &mut Vec<u8>) -> bool {
        match self.source {
            Source::Done => true,
            Source::UntilClose => {
                self.source = Source::Done;
                if self.encoding == Encoding::Chunked {
                    out.extend_from_slice(b"0\r\n\r\n");
                }
                true
            }
            Source::Length(_) | Source::Chunked(_) => false,
        }
    }

    /// Bytes still to come when that is known.
    pub fn left(&self) -> Option<u64> {
        match self.source {
            Source::Done => Some(0),
            Source::Length(n) => Some(n),
            Source::Chunked(_) | Source::UntilClose => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` cut in two; what came out, and the bytes that were not the body's.
    fn through(framing: Framing, encoding: Encoding, input: &[u8], cut: usize) -> (Vec<u8>, usize, bool) {
        let mut body = Body::new(framing, encoding);
        let (mut out, mut used) = (Vec::new(), 0);
        for part in [&input[..cut], &input[cut..]] {
            used += body.take(part, &mut out).expect("valid");
        }
        (out, input.len() - used, body.is_done())
    }

    #[test]
    fn every_framing_gives_the_same_body_wherever_it_is_cut() {
        let chunks = b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\nNEXT";
        for cut in 0..=chunks.len() {
            let (out, left, done) = through(Framing::Chunked, Encoding::Raw, chunks, cut);
            assert_eq!((&out[..], left, done), (&b"abcde"[..], 4, true), "cut at {cut}");
            let (out, left, done) = through(Framing::Chunked, Encoding::Chunked, chunks, cut);
            assert!(out.ends_with(b"0\r\nX-T: 1\r\n\r\n") && left == 4 && done, "cut at {cut}");
        }
        for cut in 0..=9 {
            let (out, left, done) = through(Framing::Length(5), Encoding::Raw, b"abcdeNEXT", cut);
            assert_eq!((&out[..], left, done), (&b"abcde"[..], 4, true), "cut at {cut}");
        }
    }

    #[test]
    fn only_a_close_delimited_body_may_end_with_the_connection() {
        let mut out = Vec::new();
        assert!(Body::new(Framing::UntilClose, Encoding::Chunked).close(&mut out));
        assert_eq!(out, b"0\r\n\r\n");
        assert!(!Body::new(Framing::Length(1), Encoding::Raw).close(&mut out));
        assert!(!Body::new(Framing::Chunked, Encoding::Raw).close(&mut out));
        assert!(Body::new(Framing::None, Encoding::Raw).close(&mut out));
    }
}
