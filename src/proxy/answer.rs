//! Answers the gateway makes itself: fixed ones, redirects, and the word for every failure.

use super::client::write_decimal;
use super::respond::connection;
use crate::failure::Failure;
use crate::http::field::{Class, members};
use crate::http::method::Method;
use crate::http::request::RequestHead;
use crate::table::Answer;
use crate::value::{Segment, Template, Variable};
use std::time::SystemTime;

/// Seconds after which a client may try again when no endpoint could take its request.
const RETRY_AFTER: &[u8] = b"Retry-After: 1\r\n";

/// The methods that are forwarded; others too, but for CONNECT and TRACE.
pub const ALLOW: &[u8] = b"Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS\r\n";

/// How an answer leaves.
#[derive(Clone, Copy)]
pub struct Terms {
    pub method: Method,
    pub minor: u8,
    pub keep: bool,
}

/// Appends an answer of the gateway's own. `lines` are whole header lines.
pub fn write(status: u16, lines: &[u8], body: &[u8], terms: Terms, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(u64::from(status), out);
    out.push(b' ');
    out.extend_from_slice(phrase(status).as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(lines);
    let bodiless = matches!(status, 100..=199 | 204 | 304);
    if !bodiless {
        out.extend_from_slice(b"Content-Length: ");
        write_decimal(body.len() as u64, out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(connection(terms.minor, terms.keep));
    out.extend_from_slice(b"\r\n");
    if !bodiless && terms.method != Method::Head {
        out.extend_from_slice(body);
    }
}

/// Appends a route's fixed answer.
pub fn write_fixed(answer: &Answer, terms: Terms, out: &mut Vec<u8>) {
    write(answer.status, &answer.lines, &answer.body, terms, out);
}

/// Appends the answer that says why a request failed: JSON for a client that accepts it, else text.
pub fn write_failure(failure: Failure, json: bool, request_id: &[u8], terms: Terms, out: &mut Vec<u8>) {
    let (status, word, id) = (failure.status(), failure.word(), String::from_utf8_lossy(request_id));
    let (kind, body) = if json {
        let body = format!("{{\"error\":\"{word}\",\"status\":{status},\"request_id\":{}}}\n", quoted(&id));
        ("Content-Type: application/json\r\n", body)
    } else {
        ("Content-Type: text/plain; charset=utf-8\r\n", format!("{status} {word}\nrequest id: {id}\n"))
    };
    let mut lines = kind.as_bytes().to_vec();
    if status == 503 {
        lines.extend_from_slice(RETRY_AFTER);
    }
    if failure == Failure::MethodNotAllowed {
        lines.extend_from_slice(ALLOW);
    }
    write(status, &lines, body.as_bytes(), terms, out);
}

/// Request ids are visible ASCII; quotes and backslashes are escaped.
fn quoted(id: &str) -> String {
    format!("\"{}\"", id.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Does the client ask for JSON by name?
pub fn accepts_json(head: &RequestHead<'_, '_>) -> bool {
    head.fields().filter(|(c, ..)| *c == Class::Accept).flat_map(|(.., v)| members(v)).any(|range| {
        let mut parts = range.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let kind = parts.next().unwrap_or(b"");
        let refused = parts.any(|p| matches!(p, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"));
        let json = kind.eq_ignore_ascii_case(b"application/json")
            || kind.len() > 5 && kind[kind.len() - 5..].eq_ignore_ascii_case(b"+json");
        json && !refused
    })
}

/// The target of a redirect, its variables filled in from the request. Never starts with a second `/`, which browsers read as another host.
pub fn location(template: &Template, head: &RequestHead<'_, '_>) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in &template.segments {
        match segment {
            Segment::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Segment::Variable(v) => match v {
                Variable::Path => out.extend_from_slice(head.target.path()),
                Variable::Query => out.extend_from_slice(head.target.query().unwrap_or(b"")),
                Variable::Host => out.extend_from_slice(head.host.name),
                Variable::Scheme => out.extend_from_slice(b"http"),
                Variable::Uri => out.extend_from_slice(head.target.path_and_query),
            },
        }
    }
    let slashes = out.iter().take_while(|b| **b == b'/').count();
    if slashes > 1 {
        out.drain(..slashes - 1);
    }
    out
}

/// The standard phrase of a status, empty for those without one.
pub fn phrase(status: u16) -> &'static str {
    ::http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("")
}

/// Where the body of a message begins.
pub fn body_start(message: &[u8]) -> usize {
    memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}
