//! The judge: is what was sent upstream, byte for byte, a run of valid HTTP/1.1 requests, and of which?
//!
//! It shares no line with the gateway, so that the two cannot be wrong in the same way.

use super::chunks::{self, Chunks};
use super::fields::{self, Fields, Grammar, decimal, is_token, latin1, show};

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// 1 for HTTP/1.1.
    pub minor: u8,
    pub headers: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    pub chunked: bool,
}

impl Request {
    /// The value of the only header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.one(name)
    }
}

/// The first request of a run of bytes.
#[derive(Debug)]
pub enum Reading {
    /// All of it, and its length.
    Whole(Box<Request>, usize),
    /// Valid so far; the request when its head is complete.
    Partial(Option<Box<Request>>),
    /// No valid request, and why; the request when only its body is wrong.
    Violation(String, Option<Box<Request>>),
}

/// All requests of a connection.
#[derive(Debug, Default)]
pub struct Conversation {
    pub requests: Vec<Request>,
    /// A last request whose head is valid, but whose body never came to its end.
    pub unfinished: Option<Request>,
    /// What is wrong with the bytes after these requests, if anything is; a torn head is.
    pub violation: Option<String>,
}

/// Reads everything one connection carried.
pub fn read_all(mut bytes: &[u8], grammar: Grammar) -> Conversation {
    let mut seen = Conversation::default();
    loop {
        if bytes.is_empty() || (grammar == Grammar::AsSent && bytes.iter().all(|b| b"\r\n".contains(b))) {
            return seen;
        }
        match read_one(bytes, grammar) {
            Reading::Whole(request, length) => {
                seen.requests.push(*request);
                bytes = &bytes[length..];
            }
            Reading::Partial(Some(request)) => {
                seen.unfinished = Some(*request);
                return seen;
            }
            Reading::Partial(None) => {
                seen.violation = Some(format!("left over: {}", show(bytes)));
                return seen;
            }
            Reading::Violation(why, head) => {
                seen.unfinished = head.map(|request| *request);
                seen.violation = Some(format!("{why}, in {}", show(bytes)));
                return seen;
            }
        }
    }
}

/// Reads the first request.
pub fn read_one(bytes: &[u8], grammar: Grammar) -> Reading {
    match one(bytes, grammar) {
        Ok(reading) => reading,
        Err(why) => Reading::Violation(why, None),
    }
}

fn one(bytes: &[u8], grammar: Grammar) -> Result<Reading, String> {
    let Some((lines, length)) = fields::head_lines(bytes, grammar)? else { return Ok(Reading::Partial(None)) };
    let mut request = request_line(lines[0], grammar)?;
    request.headers = fields::fields(&lines[1..])?;
    host(&request, grammar)?;
    let rest = &bytes[length..];
    match framing(&request, grammar)? {
        Framing::Length(n) if rest.len() < n => {
            request.body = rest.to_vec();
            Ok(Reading::Partial(Some(Box::new(request))))
        }
        Framing::Length(n) => {
            request.body = rest[..n].to_vec();
            Ok(Reading::Whole(Box::new(request), length + n))
        }
        Framing::Chunked => {
            request.chunked = true;
            let body = match chunks::read(rest, grammar) {
                Ok(body) => body,
                Err(why) => return Ok(Reading::Violation(why, Some(Box::new(request)))),
            };
            match body {
                Chunks::Partial { body } => {
                    request.body = body;
                    Ok(Reading::Partial(Some(Box::new(request))))
                }
                Chunks::Whole { body, trailers, length: n, .. } => {
                    if grammar == Grammar::Strict {
                        allowed_trailers(&trailers)?;
                    }
                    request.body = body;
                    request.trailers = trailers;
                    Ok(Reading::Whole(Box::new(request), length + n))
                }
            }
        }
    }
}

fn request_line(line: &[u8], grammar: Grammar) -> Result<Request, String> {
    let parts: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let [method, target, version] = parts[..] else {
        return Err(format!("not `method SP target SP version`: {}", show(line)));
    };
    if !is_token(method) {
        return Err(format!("method is no token: {}", show(method)));
    }
    let minor = match (version, grammar) {
        (b"HTTP/1.1", _) => 1,
        (b"HTTP/1.0", Grammar::AsSent) => 0,
        _ => return Err(format!("version {}", show(version))),
    };
    let form = match target {
        [b'/', ..] => true,
        b"*" => method == b"OPTIONS",
        _ => grammar == Grammar::AsSent && (target.starts_with(b"http://") || target.starts_with(b"https://")),
    };
    if !form || !target.iter().all(|b| b.is_ascii_graphic() && !b"\"<>#".contains(b)) {
        return Err(format!("target {}", show(target)));
    }
    if method == b"CONNECT" {
        return Err("CONNECT".into());
    }
    Ok(Request { method: latin1(method), target: latin1(target), minor, ..Request::default() })
}

fn host(request: &Request, grammar: Grammar) -> Result<(), String> {
    let hosts = request.headers.all("host");
    match hosts[..] {
        [host] if is_host(host) => Ok(()),
        [] if request.minor == 0 && grammar == Grammar::AsSent => Ok(()),
        _ => Err(format!("Host {hosts:?}")),
    }
}

/// A host and perhaps a port: a name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(value: &str) -> bool {
    let (name, port) = match value.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (value, None),
    };
    let named = match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&b)),
    };
    named && port.is_none_or(|p| p.is_empty() || decimal(p).is_some_and(|p| p <= 65535))
}

enum Framing {
    Length(usize),
    Chunked,
}

fn framing(request: &Request, grammar: Grammar) -> Result<Framing, String> {
    let mut lengths = request.headers.all("content-length");
    if grammar == Grammar::AsSent {
        // The same length said twice may be accepted as one.
        lengths =
            lengths.iter().flat_map(|value| value.split(',')).map(|value| value.trim_matches([' ', '\t'])).collect();
        lengths.dedup();
    }
    let codings = request.headers.all("transfer-encoding");
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) => decimal(length).map(Framing::Length).ok_or_else(|| format!("Content-Length {length:?}")),
        ([], [coding]) if request.minor == 1 && coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        _ => Err(format!("framing: Content-Length {lengths:?}, Transfer-Encoding {codings:?}")),
    }
}

/// Fields that change a message's framing, route, or credentials have no place after its body (RFC 9110 section 6.5.1).
pub const FORBIDDEN_TRAILERS: [&str; 14] = [
    "content-length",
    "transfer-encoding",
    "host",
    "authorization",
    "content-type",
    "content-encoding",
    "content-range",
    "trailer",
    "connection",
    "te",
    "cookie",
    "set-cookie",
    "x-forwarded-for",
    "x-real-ip",
];

fn allowed_trailers(trailers: &Fields) -> Result<(), String> {
    match FORBIDDEN_TRAILERS.iter().find(|name| !trailers.all(name).is_empty()) {
        Some(name) => Err(format!("`{name}` among the trailers")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(bytes: &str) -> String {
        match read_one(bytes.as_bytes(), Grammar::Strict) {
            Reading::Violation(why, _) => why,
            other => panic!("{bytes:?} was read as {other:?}"),
        }
    }

    #[test]
    fn two_requests_on_one_connection_are_told_apart_by_their_framing() {
        let bytes = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /POST /b?c HTTP/1.1\r\nHost: h:1\r\n\
            Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: v\r\n\r\n";
        let seen = read_all(bytes, Grammar::Strict);
        assert_eq!((seen.requests.len(), seen.violation), (2, None));
        assert_eq!((seen.requests[0].target.as_str(), &seen.requests[0].body[..]), ("/a", &b"GET /"[..]));
        assert_eq!((seen.requests[1].target.as_str(), &seen.requests[1].body[..]), ("/b?c", &b"hi"[..]));
        assert_eq!(seen.requests[1].trailers.one("x-t"), Some("v"));
        assert!(seen.unfinished.is_none());
    }

    #[test]
    fn invalid_requests_are_condemned() {
        for bad in [
            "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /\u{1} HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET a HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
            "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: h\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX: a\u{0}b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: evil\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\n\r\n",
        ] {
            violation(bad);
        }
    }

    #[test]
    fn a_body_that_stops_short_is_unfinished_and_a_torn_head_is_an_error() {
        let seen = read_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf", Grammar::Strict);
        assert_eq!(seen.unfinished.unwrap().body, b"half");
        assert!(read_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HT", Grammar::Strict).violation.is_some());
        assert!(read_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n\r\n", Grammar::Strict).violation.is_some());
    }

    #[test]
    fn what_a_client_may_send_is_a_little_more() {
        for good in [
            &b"\r\n\r\nGET / HTTP/1.1\nHost: h\n\n"[..],
            b"GET / HTTP/1.0\r\n\r\n",
            b"GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nHost: t\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\nContent-Length: 1\r\n\r\na",
        ] {
            let seen = read_all(good, Grammar::AsSent);
            assert_eq!((seen.requests.len(), seen.violation), (1, None), "{}", show(good));
        }
        let smuggled = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let seen = read_all(smuggled, Grammar::AsSent);
        assert!(seen.requests.is_empty() && seen.violation.is_some());
    }
}
