//! One request at an origin, as far as it has been read, and the answer that its target asks for.

use std::time::{Duration, Instant};

use crate::answer::shown;
use crate::framing::{Framing, write_chunk};
use crate::pattern::Pattern;

/// Header lines of a request; gateways add a few to what clients send.
const HEADERS_MAX: usize = 48;

/// Bytes of a head before it counts as garbage.
const HEAD_BYTES_MAX: usize = 32 * 1024;

#[derive(Default)]
pub struct Request {
    head: Vec<u8>,
    body: Option<(Wishes, Framing, Pattern)>,
}

/// What the origin is to answer.
#[derive(Clone, Default)]
pub struct Wishes {
    pub number: u64,
    pub post: bool,
    /// Switch protocols, and send back what comes.
    pub upgrade: bool,
    length: usize,
    chunked: bool,
    /// Before the head.
    wait: Duration,
    /// The body comes in so many parts, with a pause before each.
    parts: usize,
    pause: Duration,
}

pub enum Received {
    Part,
    Whole {
        wishes: Wishes,
        /// So many of the bytes taken last belong to it.
        used: usize,
    },
    Wrong(String),
}

impl Request {
    /// The number of a POST whose head has come.
    pub fn begun_post(&self) -> Option<u64> {
        self.body.as_ref().filter(|(wishes, ..)| wishes.post).map(|(wishes, ..)| wishes.number)
    }

    pub fn take(&mut self, bytes: &[u8]) -> Received {
        if self.body.is_some() {
            return self.take_body(bytes);
        }
        let held = self.head.len();
        self.head.extend_from_slice(bytes);
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut lines);
        let head_bytes = match request.parse(&self.head) {
            Ok(httparse::Status::Complete(count)) => count,
            Ok(httparse::Status::Partial) if self.head.len() < HEAD_BYTES_MAX => return Received::Part,
            Ok(httparse::Status::Partial) => return Received::Wrong("a head without an end".into()),
            Err(error) => return Received::Wrong(format!("no request ({error}): {}", shown(&self.head))),
        };
        match wishes_of(&request) {
            Ok((wishes, framing)) => {
                let pattern = Pattern::of(wishes.number);
                self.body = Some((wishes, framing, pattern));
            }
            Err(why) => return Received::Wrong(format!("{why}: {}", shown(&self.head))),
        }
        let rest = self.head.split_off(head_bytes);
        match self.take_body(&rest) {
            Received::Whole { wishes, used } => Received::Whole { wishes, used: head_bytes + used - held },
            other => other,
        }
    }

    fn take_body(&mut self, bytes: &[u8]) -> Received {
        let Some((wishes, framing, pattern)) = &mut self.body else { return Received::Part };
        match framing.take(bytes, |data| pattern.passes(data)) {
            None => Received::Wrong(format!("a body that is not {}'s own: {}", wishes.number, shown(bytes))),
            Some(taken) if taken.whole => Received::Whole { wishes: wishes.clone(), used: taken.used },
            Some(_) => Received::Part,
        }
    }
}

fn wishes_of(request: &httparse::Request<'_, '_>) -> Result<(Wishes, Framing), String> {
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let number = path.rsplit('/').next().and_then(|word| word.parse().ok()).ok_or("no number in the path")?;
    let mut wishes = Wishes { number, post: request.method == Some("POST"), parts: 1, ..Wishes::default() };
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value: u64 = value.parse().map_err(|_| format!("`{key}` is no number"))?;
        match key {
            "length" => wishes.length = value as usize,
            "chunked" => wishes.chunked = true,
            "wait" => wishes.wait = Duration::from_millis(value),
            "parts" => wishes.parts = (value as usize).max(1),
            "pause" => wishes.pause = Duration::from_millis(value),
            _ => {}
        }
    }
    let mut framing = Framing::Length(0);
    for line in &*request.headers {
        let value = std::str::from_utf8(line.value).unwrap_or_default();
        match line.name.to_ascii_lowercase().as_str() {
            "content-length" => framing = Framing::Length(value.parse().map_err(|_| "a bad length")?),
            "transfer-encoding" => framing = Framing::chunked(),
            "upgrade" => wishes.upgrade = true,
            "x-number" if value != wishes.number.to_string() => return Err("a header of another request".into()),
            _ => {}
        }
    }
    Ok((wishes, framing))
}

impl Wishes {
    /// The answer's parts with their instants, the first one last.
    pub fn answer(&self, origin: usize, now: Instant) -> Vec<(Instant, Vec<u8>)> {
        if self.upgrade {
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            return vec![(now, head.into())];
        }
        let Wishes { number, length, .. } = self;
        let framing = match self.chunked {
            true => "Transfer-Encoding: chunked".to_owned(),
            false => format!("Content-Length: {length}"),
        };
        let method = if self.post { "POST" } else { "GET" };
        let mut bytes = Vec::with_capacity(256 + length);
        bytes.extend_from_slice(
            format!(
                "HTTP/1.1 200 OK\r\n{framing}\r\nX-Number: {number}\r\nX-Method: {method}\r\nX-Origin: {origin}\r\n\r\n"
            )
            .as_bytes(),
        );
        let mut pattern = Pattern::of(*number);
        let mut parts = Vec::with_capacity(self.parts);
        let mut due = now + self.wait;
        for nth in 1..=self.parts {
            let count = length * nth / self.parts - pattern.passed();
            if self.chunked && count > 0 {
                let mut data = Vec::with_capacity(count);
                pattern.write(count, &mut data);
                write_chunk(&data, &mut bytes);
            } else {
                pattern.write(count, &mut bytes);
            }
            if nth == self.parts && self.chunked {
                write_chunk(b"", &mut bytes);
            }
            parts.push((due, std::mem::take(&mut bytes)));
            due += self.pause;
        }
        parts.reverse();
        parts
    }
}
