//! A response as a strict client reads it.

use super::chunks::{self, Chunks};
use super::fields::{self, Fields, Grammar, decimal, latin1, show};

/// One final response, with the informational ones that came before it.
#[derive(Clone, Default)]
pub struct Response {
    pub status: u16,
    pub minor: u8,
    pub headers: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    pub chunked: bool,
    /// Ended by the end of the connection, for want of a length.
    pub until_close: bool,
    /// 1xx responses before this one.
    pub informational: Vec<Response>,
}

impl Response {
    /// The value of the only header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.one(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the response says that its connection ends with it.
    pub fn says_close(&self) -> bool {
        self.headers.lists("connection", "close")
    }
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} with {} bytes {}", self.status, self.headers.0, self.body.len(), show(&self.body))?;
        for before in &self.informational {
            write!(f, ", after {before:?}")?;
        }
        Ok(())
    }
}

/// How far a response has come.
#[derive(Debug)]
pub enum Reading {
    Whole(Box<Response>, usize),
    /// Valid so far; the response when its final head is complete.
    Partial(Option<Box<Response>>),
    /// Only the end of the connection ends it.
    UntilClose(Box<Response>),
    Violation(String),
}

/// Reads the final response to a request of this method.
pub fn read(bytes: &[u8], method: &str) -> Reading {
    let mut informational = Vec::new();
    let mut at = 0;
    loop {
        match one(&bytes[at..], method) {
            Ok(Reading::Whole(response, length)) if response.status < 200 && response.status != 101 => {
                informational.push(*response);
                at += length;
            }
            Ok(Reading::Whole(mut response, length)) => {
                response.informational = informational;
                return Reading::Whole(response, at + length);
            }
            Ok(Reading::Partial(Some(mut response))) => {
                response.informational = informational;
                return Reading::Partial(Some(response));
            }
            Ok(Reading::UntilClose(mut response)) => {
                response.informational = informational;
                return Reading::UntilClose(response);
            }
            Ok(other) => return other,
            Err(why) => return Reading::Violation(why),
        }
    }
}

fn one(bytes: &[u8], method: &str) -> Result<Reading, String> {
    let Some((lines, length)) = fields::head_lines(bytes, Grammar::Strict)? else { return Ok(Reading::Partial(None)) };
    let mut response = status_line(lines[0])?;
    response.headers = fields::fields(&lines[1..])?;
    let rest = &bytes[length..];
    let lengths = response.headers.all("content-length");
    let codings = response.headers.all("transfer-encoding");
    let bodiless = response.status < 200 || response.status == 204;
    if bodiless && !(lengths.is_empty() && codings.is_empty()) {
        return Err(format!("{} with Content-Length {lengths:?}, Transfer-Encoding {codings:?}", response.status));
    }
    let wanted = match (&lengths[..], &codings[..]) {
        ([], []) => None,
        ([n], []) => Some(decimal(n).ok_or_else(|| format!("Content-Length {n:?}"))?),
        ([], [coding]) if *coding == "chunked" => None,
        _ => return Err(format!("framing: Content-Length {lengths:?}, Transfer-Encoding {codings:?}")),
    };
    let chunked = !codings.is_empty();
    if bodiless || response.status == 304 || method == "HEAD" {
        return Ok(Reading::Whole(Box::new(response), length));
    }
    if chunked {
        response.chunked = true;
        return match chunks::read(rest, Grammar::Strict)? {
            Chunks::Partial { body } => {
                response.body = body;
                Ok(Reading::Partial(Some(Box::new(response))))
            }
            Chunks::Whole { body, trailers, length: n, .. } => {
                response.body = body;
                response.trailers = trailers;
                Ok(Reading::Whole(Box::new(response), length + n))
            }
        };
    }
    response.body = rest[..rest.len().min(wanted.unwrap_or(usize::MAX))].to_vec();
    Ok(match wanted {
        None => {
            response.until_close = true;
            Reading::UntilClose(Box::new(response))
        }
        Some(n) if rest.len() < n => Reading::Partial(Some(Box::new(response))),
        Some(n) => Reading::Whole(Box::new(response), length + n),
    })
}

fn status_line(line: &[u8]) -> Result<Response, String> {
    let text = latin1(line);
    let bad = || format!("status line {}", show(line));
    let rest = text.strip_prefix("HTTP/1.").ok_or_else(bad)?;
    let minor = match rest.as_bytes() {
        [b'0', b' ', ..] => 0,
        [b'1', b' ', ..] => 1,
        _ => return Err(bad()),
    };
    let (status, reason) = rest[2..].split_once(' ').ok_or_else(bad)?;
    if status.len() != 3 || reason.bytes().any(|b| b < 0x20) {
        return Err(bad());
    }
    let status = decimal(status).filter(|s| (100..1000).contains(s)).ok_or_else(bad)?;
    Ok(Response { status: status as u16, minor, ..Response::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn informational_responses_come_before_the_final_one() {
        let bytes = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!";
        let Reading::Whole(response, length) = read(bytes, "GET") else { panic!() };
        assert_eq!((response.status, &response.body[..], length), (200, &b"hi"[..], bytes.len() - 1));
        assert_eq!(response.informational[0].header("link"), Some("a"));
    }

    #[test]
    fn invalid_responses_are_condemned() {
        for bad in [
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        ] {
            assert!(matches!(read(bad.as_bytes(), "GET"), Reading::Violation(_)), "{bad:?}");
        }
    }
}
