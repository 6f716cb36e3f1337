//! One response, as far as it has been read, and whether it is the one that its request was to get.

use crate::framing::Framing;
use crate::pattern::Pattern;
use crate::shot::Shot;

/// Header lines of a response; gateways write far fewer.
const HEADERS_MAX: usize = 48;

/// Bytes of a head before it counts as garbage.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Bytes of a wrong response that are shown.
const SHOWN: usize = 300;

pub struct Answer {
    number: u64,
    method: &'static str,
    length: usize,
    head: Vec<u8>,
    body: Option<Body>,
}

struct Body {
    framing: Framing,
    pattern: Pattern,
    close: bool,
    origin: u8,
}

/// What reading a response came to.
pub enum Progress {
    More,
    /// It is whole, and its request's own. `close`: the connection ends with it.
    Done {
        close: bool,
        /// Which origin gave it.
        origin: u8,
    },
    /// What is wrong with it.
    Wrong(String),
}

impl Answer {
    pub fn to(shot: &Shot) -> Answer {
        Answer { number: shot.number, method: shot.method(), length: shot.length, head: Vec::new(), body: None }
    }

    /// Whether a byte of it has come.
    pub fn has_begun(&self) -> bool {
        !self.head.is_empty()
    }

    /// What had come when the connection ended.
    pub fn so_far(&self) -> String {
        match &self.body {
            None if self.head.is_empty() => "no byte of a response".into(),
            None => format!("a part of a head: {}", shown(&self.head)),
            Some(body) => format!("a head and {} of {} bytes", body.pattern.passed(), self.length),
        }
    }

    pub fn take(&mut self, bytes: &[u8]) -> Progress {
        if let Some(body) = &mut self.body {
            return body.take(bytes, self.length);
        }
        self.head.extend_from_slice(bytes);
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut lines);
        let head_bytes = match response.parse(&self.head) {
            Ok(httparse::Status::Complete(count)) => count,
            Ok(httparse::Status::Partial) if self.head.len() < HEAD_BYTES_MAX => return Progress::More,
            Ok(httparse::Status::Partial) => return Progress::Wrong("a head without an end".into()),
            Err(error) => return Progress::Wrong(format!("no head ({error}): {}", shown(&self.head))),
        };
        let status = response.code.unwrap_or(0);
        if (100..200).contains(&status) && status != 101 {
            self.head.drain(..head_bytes);
            return if self.head.is_empty() { Progress::More } else { self.take(&[]) };
        }
        if status != 200 {
            return Progress::Wrong(shown(&self.head));
        }
        let body = match self.body_of(response.headers) {
            Ok(body) => body,
            Err(wrong) => return Progress::Wrong(format!("{wrong}: {}", shown(&self.head))),
        };
        let rest = self.head.split_off(head_bytes);
        self.body.insert(body).take(&rest, self.length)
    }

    /// What the head says of the body, if the head is this request's own.
    fn body_of(&self, lines: &[httparse::Header<'_>]) -> Result<Body, String> {
        let (mut length, mut chunked, mut close, mut origin) = (None, false, false, 0);
        let (mut number, mut method) = (Vec::new(), Vec::new());
        for line in lines {
            let value = std::str::from_utf8(line.value).unwrap_or_default().trim();
            match line.name.to_ascii_lowercase().as_str() {
                "content-length" if length.is_some() => return Err("two lengths".into()),
                "content-length" => length = Some(value.parse::<usize>().map_err(|_| "a bad length")?),
                "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
                "connection" => close |= value.to_ascii_lowercase().contains("close"),
                "x-number" => number.push(value.to_owned()),
                "x-method" => method.push(value.to_owned()),
                "x-origin" => origin = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        if number != [self.number.to_string()] || method != [self.method] {
            return Err(format!("the response to {method:?} {number:?}, not to {} {}", self.method, self.number));
        }
        let framing = match (length, chunked) {
            (Some(length), false) if length == self.length => Framing::Length(length),
            (None, true) => Framing::chunked(),
            _ => return Err(format!("framed by {length:?}, chunked {chunked}; {} bytes were due", self.length)),
        };
        Ok(Body { framing, pattern: Pattern::of(self.number), close, origin })
    }
}

impl Body {
    fn take(&mut self, bytes: &[u8], length: usize) -> Progress {
        let pattern = &mut self.pattern;
        let Some(taken) = self.framing.take(bytes, |data| pattern.passes(data)) else {
            return Progress::Wrong(format!("a body that is not this request's own: {}", shown(bytes)));
        };
        if taken.used < bytes.len() {
            return Progress::Wrong(format!("bytes after the response: {}", shown(&bytes[taken.used..])));
        }
        match (taken.whole, self.pattern.passed()) {
            (true, passed) if passed == length => Progress::Done { close: self.close, origin: self.origin },
            (true, passed) => Progress::Wrong(format!("a body of {passed} bytes; {length} were due")),
            (false, _) => Progress::More,
        }
    }
}

/// The start of some bytes, readable on one line.
pub fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN)];
    format!("\"{}\"{}", cut.escape_ascii(), if cut.len() < bytes.len() { "…" } else { "" })
}
