//! The little HTTP/1.1 that both ends of a measurement speak: heads framed by Content-Length, nothing else.

use memchr::memmem;

/// Header lines looked at in a head; proxies under measurement write far fewer.
const HEADERS_MAX: usize = 64;

/// Bytes a head may have before it counts as garbage.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What the reader of a message has to know of its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes up to and with the empty line.
    pub bytes: usize,
    /// 0 for a request.
    pub status: u16,
    /// None: no valid Content-Length.
    pub body_bytes: Option<usize>,
    /// The sender closes the connection after this message.
    pub close: bool,
}

/// Why there is no head yet.
#[derive(Debug, PartialEq, Eq)]
pub enum NoHead {
    /// More bytes are needed.
    Partial,
    Malformed,
}

/// The head of a response at the start of `bytes`.
pub fn response_head(bytes: &[u8]) -> Result<Head, NoHead> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut lines);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Ok(framing(length, response.code.unwrap_or(0), response.headers)),
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => Err(NoHead::Partial),
        _ => Err(NoHead::Malformed),
    }
}

/// The head of a request at the start of `bytes`, and its target.
pub fn request_head(bytes: &[u8]) -> Result<(Head, &str), NoHead> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            Ok((framing(length, 0, request.headers), request.path.unwrap_or("/")))
        }
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => Err(NoHead::Partial),
        _ => Err(NoHead::Malformed),
    }
}

fn framing(bytes: usize, status: u16, lines: &[httparse::Header<'_>]) -> Head {
    let mut head = Head { bytes, status, body_bytes: None, close: false };
    for line in lines {
        if line.name.eq_ignore_ascii_case("content-length") {
            head.body_bytes = std::str::from_utf8(line.value).ok().and_then(|number| number.trim().parse().ok());
        } else if line.name.eq_ignore_ascii_case("connection") {
            head.close = memmem::find(&line.value.to_ascii_lowercase(), b"close").is_some();
        }
    }
    head
}
