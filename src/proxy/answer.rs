//! Answers the gateway makes itself: fixed ones, redirects, and the word for every failure.

use super::client::write_decimal;
use super::respond::connection;
use crate::failure::Failure;
use crate::http::field::{Class, members};
use crate::http::method::Method;
use crate::http::request::RequestHead;
use crate::policy::Page;
use crate::table::Answer;
use std::time::SystemTime;

/// Seconds after which a client may try again when no endpoint could take its request.
const RETRY_AFTER: &[u8] = b"Retry-After: 1\r\n";

/// The methods that are forwarded; others too, but for CONNECT and TRACE.
pub const METHODS: &str = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS";

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

/// What a client is told of an error.
pub struct ErrorAnswer<'a> {
    /// The error's own.
    pub status: u16,
    /// Nothing for an endpoint's response that a page takes the place of.
    pub failure: Option<Failure>,
    /// What the route has in place of it.
    pub page: Option<&'a Page>,
    /// The client prefers JSON.
    pub json: bool,
    pub request_id: &'a [u8],
    /// Further header lines.
    pub lines: &'a [u8],
}

impl ErrorAnswer<'_> {
    /// Appends the answer: the page, as far as there is one, else why the request failed, as JSON for a client that accepts
    /// it, else as text. Returns its status.
    pub fn write(&self, terms: Terms, out: &mut Vec<u8>) -> u16 {
        let status = self.page.and_then(|page| page.status).unwrap_or(self.status);
        let page_lines: &[u8] = self.page.map_or(b"", |page| &page.lines);
        let mut lines = Vec::new();
        let own;
        let body = match self.page.and_then(|page| page.body.as_deref()) {
            Some(body) => body,
            None => {
                let (kind, text) = self.own(status);
                if !has(page_lines, b"content-type") {
                    lines.extend_from_slice(kind);
                }
                own = text;
                own.as_bytes()
            }
        };
        lines.extend_from_slice(self.lines);
        lines.extend_from_slice(page_lines);
        if self.failure.is_some() && self.status == 503 && !has(page_lines, b"retry-after") {
            lines.extend_from_slice(RETRY_AFTER);
        }
        write(status, &lines, body, terms, out);
        status
    }

    /// What the gateway says by itself, and its type.
    fn own(&self, status: u16) -> (&'static [u8], String) {
        let id = String::from_utf8_lossy(self.request_id);
        let word = self.failure.map(Failure::word);
        if self.json {
            let error = word.map_or_else(String::new, |word| format!("\"error\":\"{word}\","));
            let body = format!("{{{error}\"status\":{status},\"request_id\":{}}}\n", quoted(&id));
            (b"Content-Type: application/json\r\n", body)
        } else {
            let body = format!("{status} {}\nrequest id: {id}\n", word.unwrap_or_else(|| phrase(status)));
            (b"Content-Type: text/plain; charset=utf-8\r\n", body)
        }
    }
}

/// Whether one of these lines has this name.
fn has(lines: &[u8], name: &[u8]) -> bool {
    lines.split(|b| *b == b'\n').any(|line| line.split(|b| *b == b':').next().unwrap_or(b"").eq_ignore_ascii_case(name))
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

/// The standard phrase of a status, empty for those without one.
pub fn phrase(status: u16) -> &'static str {
    ::http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("")
}

/// Where the body of a message begins.
pub fn body_start(message: &[u8]) -> usize {
    memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}
