//! An upstream's response head, parsed strictly from borrowed bytes.

use super::field::{is_hop_by_hop, members};
use super::framing::{Framing, FramingFields};
use super::request::Parsed;
use super::stretch::Stretch;
use super::{FIELDS_MAX, HeadLimits};
use crate::http::method::Method;
use std::mem::MaybeUninit;

/// The tokenised header lines of a response. Lives on the stack of whoever parses.
pub struct Space<'b>([MaybeUninit<httparse::Header<'b>>; FIELDS_MAX]);

impl Space<'_> {
    pub fn new() -> Self {
        Space([const { MaybeUninit::uninit() }; FIELDS_MAX])
    }
}

impl Default for Space<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// A response head. Borrows the bytes it was parsed from.
pub struct ResponseHead<'s, 'b> {
    pub status: u16,
    pub reason: &'b str,
    /// How the body of this response to that request is framed.
    pub framing: Framing,
    /// The endpoint keeps the connection open.
    pub keep_alive: bool,
    /// The protocol switched to, in a 101.
    pub upgrade: Option<&'b [u8]>,
    lines: &'s [httparse::Header<'b>],
    /// A `Connection` field names further header lines.
    nominates: bool,
    /// Exactly one Content-Length line, of digits: it can go as it came.
    plain_length: bool,
    source: &'b [u8],
    pub len: usize,
}

/// The bytes are no valid response head.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'s, 'b> ResponseHead<'s, 'b> {
    /// Parses the head at the start of `bytes`, the answer to a request with `method`.
    pub fn parse(bytes: &'b [u8], space: &'s mut Space<'b>, method: Method) -> Result<Parsed<Self>, Malformed> {
        let limits = HeadLimits::RESPONSE;
        let mut raw = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let status = config
            .parse_response_with_uninit_headers(&mut raw, bytes, &mut space.0[..limits.count])
            .map_err(|_| Malformed)?;
        let httparse::Status::Complete(len) = status else {
            return if bytes.len() >= limits.size { Err(Malformed) } else { Ok(Parsed::Partial) };
        };
        let (Some(status), Some(minor)) = (raw.code, raw.version) else { return Err(Malformed) };
        if !(100..=999).contains(&status) || len > limits.size {
            return Err(Malformed);
        }
        let mut head = ResponseHead {
            status,
            reason: raw.reason.unwrap_or(""),
            framing: Framing::None,
            keep_alive: minor == 1,
            upgrade: None,
            lines: raw.headers,
            nominates: false,
            plain_length: false,
            source: bytes,
            len,
        };
        head.read_lines(minor, method)?;
        Ok(Parsed::Whole(head))
    }

    fn read_lines(&mut self, minor: u8, method: Method) -> Result<(), Malformed> {
        let mut framing = FramingFields::default();
        let (mut closes, mut keeps, mut lengths, mut digits) = (false, false, 0, false);
        for line in self.lines {
            let is = |lower: &str| line.name.eq_ignore_ascii_case(lower);
            match line.name.len() {
                14 if is("content-length") => {
                    framing.content_length(line.value).map_err(|_| Malformed)?;
                    lengths += 1;
                    digits = line.value.iter().all(u8::is_ascii_digit);
                }
                17 if is("transfer-encoding") => framing.transfer_encoding(line.value).map_err(|_| Malformed)?,
                10 if is("connection") => {
                    for option in members(line.value) {
                        closes |= option.eq_ignore_ascii_case(b"close");
                        keeps |= option.eq_ignore_ascii_case(b"keep-alive");
                    }
                    self.nominates = true;
                }
                7 if is("upgrade") => self.upgrade = Some(line.value),
                _ => {}
            }
        }
        self.keep_alive = !closes && (minor == 1 || keeps);
        self.plain_length = lengths == 1 && digits;
        let said = framing.finish(minor).map_err(|_| Malformed)?;
        let bodiless = method == Method::Head || matches!(self.status, 100..=199 | 204 | 304);
        self.framing = if bodiless { Framing::None } else { said.unwrap_or(Framing::UntilClose) };
        Ok(())
    }

    /// Appends the status line and the header lines that go to the client: all but the hop-by-hop ones and those that `Connection` names.
    /// True when the body's Content-Length is among them.
    pub fn write(&self, out: &mut Vec<u8>) -> bool {
        let mut lines = Stretch::new(self.source, out);
        let status = self.source.get(9..12).unwrap_or(b"");
        if self.source.starts_with(b"HTTP/1.1 ") && lines.start_line(status, self.reason.as_bytes(), b"\r\n") {
            lines.prepend(9);
        } else {
            let status = self.status.to_string();
            for part in [b"HTTP/1.1 ", status.as_bytes(), b" ", self.reason.as_bytes(), b"\r\n"] {
                lines.bytes(part);
            }
        }
        for line in self.lines.iter().filter(|l| !self.is_dropped(l.name.as_bytes())) {
            lines.line(line.name, line.value);
        }
        lines.flush();
        self.plain_length && matches!(self.framing, Framing::Length(_))
    }

    fn is_dropped(&self, name: &[u8]) -> bool {
        // a HEAD or 304 answer keeps its Content-Length: it describes the body that a GET would get
        let length = match self.framing {
            Framing::None => matches!(self.status, 100..=199 | 204),
            Framing::Length(_) => !self.plain_length,
            Framing::Chunked | Framing::UntilClose => true,
        };
        is_hop_by_hop(name)
            || length && name.len() == 14 && name.eq_ignore_ascii_case(b"content-length")
            || self.nominates && self.is_nominated(name)
    }

    /// Content-Length frames the body, whatever `Connection` says of it.
    fn is_nominated(&self, name: &[u8]) -> bool {
        self.lines
            .iter()
            .filter(|l| l.name.eq_ignore_ascii_case("connection"))
            .flat_map(|l| members(l.value))
            .any(|option| option.eq_ignore_ascii_case(name) && !option.eq_ignore_ascii_case(b"content-length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(head: &str, method: Method) -> Result<Framing, Malformed> {
        let mut space = Space::new();
        match ResponseHead::parse(head.as_bytes(), &mut space, method)? {
            Parsed::Whole(h) => Ok(h.framing),
            Parsed::Partial => panic!("partial: {head:?}"),
        }
    }

    #[test]
    fn the_body_ends_where_the_fields_say() {
        let get = Method::Get;
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", get), Ok(Framing::Length(2)));
        assert_eq!(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", get), Ok(Framing::Chunked));
        assert_eq!(framing("HTTP/1.1 200\r\n\r\n", get), Ok(Framing::UntilClose));
        assert_eq!(framing("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", get), Ok(Framing::None));
        assert_eq!(framing("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", get), Ok(Framing::None));
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Head), Ok(Framing::None));
    }

    #[test]
    fn malformed_heads_are_refused() {
        for bad in [
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 000 X\r\n\r\n",
            "HTTP/1.1 20 X\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nbadline\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: a\0b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: a\rb\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A : a\r\n\r\n",
            "\x16\x03\x01garbage\r\n\r\n",
            "<html>hello</html>",
        ] {
            assert_eq!(framing(bad, Method::Get), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn hop_by_hop_and_nominated_lines_stay_behind() {
        let head = b"HTTP/1.1 200 OK\r\nConnection: x-secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=9\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\n";
        let mut space = Space::new();
        let Ok(Parsed::Whole(h)) = ResponseHead::parse(head, &mut space, Method::Get) else { panic!("not parsed") };
        let mut out = Vec::new();
        assert!(h.write(&mut out));
        assert_eq!(out, b"HTTP/1.1 200 OK\r\nX-Kept: 1\r\nContent-Length: 2\r\n");
        assert!(h.keep_alive);
    }

    #[test]
    fn the_length_of_the_body_cannot_be_named_away() {
        let head = b"HTTP/1.1 200 OK\r\nConnection: content-length, X-A\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n";
        let mut space = Space::new();
        let Ok(Parsed::Whole(h)) = ResponseHead::parse(head, &mut space, Method::Get) else { panic!("not parsed") };
        let mut out = Vec::new();
        assert!(h.write(&mut out));
        assert_eq!(out, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n");
    }
}
