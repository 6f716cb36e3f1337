//! Peers that follow a script: what both say in which pieces, and what they heard.

use super::stage::{Passed, Stage, pipes};
use crate::http::HeadLimits;
use crate::http::body::{Body, Encoding};
use crate::http::request::{Parsed, RequestHead, Space};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::sleep;

/// Larger than any message of these tests.
pub const ROOMY: usize = 1024 * 1024;

/// What both peers say, each piece once everything before it was taken and looked at.
#[derive(Clone, Debug)]
pub struct Script {
    pub request: Vec<Vec<u8>>,
    pub response: Vec<Vec<u8>>,
    /// Bytes that each pipe holds.
    pub room: usize,
    /// The origin closes after its response.
    pub closes: bool,
}

/// What both peers heard, and what the gateway knows.
pub struct Seen {
    pub up: Vec<u8>,
    pub down: Vec<u8>,
    pub passed: Passed,
}

impl Script {
    pub fn new(request: &[u8], response: &[u8]) -> Script {
        Script { request: vec![request.to_vec()], response: vec![response.to_vec()], room: ROOMY, closes: false }
    }

    /// The origin answers when it has the whole request and the client has said all; both listen to the end.
    pub async fn play(self, stage: &Stage) -> Seen {
        let (ends, mut inner) = pipes(self.room);
        let (hears, says) = split(ends.client);
        // once the pipes are full or all is said; each piece takes a moment
        let pause = Duration::from_millis(self.request.len() as u64 + 2);
        let asking = tokio::spawn(say(says, self.request, false));
        let listening = tokio::spawn(hear(hears));
        let answering = tokio::spawn(async move {
            let (mut hears, says) = split(ends.origin);
            let mut up = hear_request(&mut hears).await;
            sleep(pause).await;
            let saying = tokio::spawn(say(says, self.response, self.closes));
            up.extend(hear(hears).await);
            saying.await.expect("the origin speaks");
            up
        });
        let passed = stage.pass(&mut inner).await;
        drop(inner);
        asking.await.expect("the client speaks");
        let down = listening.await.expect("the client listens");
        Seen { up: answering.await.expect("the origin listens"), down, passed }
    }
}

/// Lets everything happen that can happen before time passes.
pub async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// Says `pieces` one by one to a peer that may be gone, and then closes if told to.
async fn say<W: AsyncWrite + Send + 'static>(mut to: WriteHalf<W>, pieces: Vec<Vec<u8>>, closes: bool) {
    for piece in pieces {
        if to.write_all(&piece).await.is_err() {
            return;
        }
        settle().await;
    }
    if closes {
        // the peer may have closed first
        let _ = to.shutdown().await;
    }
}

/// Everything until the peer closes.
async fn hear<R: AsyncRead>(mut from: ReadHalf<R>) -> Vec<u8> {
    let mut heard = Vec::new();
    from.read_to_end(&mut heard).await.expect("pipes do not fail");
    heard
}

/// What comes until it holds a whole request, or the peer closes.
pub async fn hear_request<R: AsyncRead + Unpin>(from: &mut R) -> Vec<u8> {
    let mut heard = Vec::with_capacity(4096);
    let (mut body, mut looked_at) = (None, 0);
    while !body.as_ref().is_some_and(Body::is_done) {
        if from.read_buf(&mut heard).await.expect("pipes do not fail") == 0 {
            break;
        }
        if body.is_none() {
            let mut space = Space::new();
            if let Ok(Parsed::Whole(head)) = RequestHead::parse(&heard, &mut space, HeadLimits::RESPONSE) {
                (body, looked_at) = (Some(Body::new(head.framing, Encoding::Raw)), head.len);
            }
        }
        if let Some(body) = &mut body {
            body.take(&heard[looked_at..], &mut Vec::new()).expect("what goes up is valid");
            looked_at = heard.len();
        }
    }
    heard
}

/// A message as its reader sees it: the chunks put together, which have no meaning of their own.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub head: String,
    pub body: String,
    pub trailers: String,
}

/// The messages in `bytes`, the last of which ends with them.
pub fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let head = until(&mut bytes, "\r\n\r\n");
        let lower = head.to_ascii_lowercase();
        let (mut body, mut trailers) = (Vec::new(), String::new());
        let bodiless = ["HTTP/1.1 1", "HTTP/1.1 204", "HTTP/1.1 304"].iter().any(|start| head.starts_with(start));
        if lower.contains("\r\ntransfer-encoding: chunked\r\n") {
            loop {
                let size = until(&mut bytes, "\r\n");
                let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk's size");
                if size == 0 {
                    break;
                }
                body.extend_from_slice(&bytes[..size]);
                assert_eq!(&bytes[size..size + 2], b"\r\n");
                bytes = &bytes[size + 2..];
            }
            while trailers != "\r\n" && !trailers.ends_with("\r\n\r\n") {
                trailers += &until(&mut bytes, "\r\n");
            }
        } else if let Some((_, rest)) = lower.split_once("\r\ncontent-length: ") {
            let length: usize = rest.split("\r\n").next().expect("a line").parse().expect("a length");
            // the length of what a HEAD would not get is no body either
            let length = if bodiless || bytes.is_empty() { 0 } else { length };
            body.extend_from_slice(&bytes[..length]);
            bytes = &bytes[length..];
        } else if head.starts_with("HTTP/") && !bodiless {
            body.extend_from_slice(std::mem::take(&mut bytes));
        }
        messages.push(Message { head, body: String::from_utf8_lossy(&body).into_owned(), trailers });
    }
    messages
}

/// Takes what is before `end`, and `end`, off the front.
fn until(bytes: &mut &[u8], end: &str) -> String {
    let at = memchr::memmem::find(bytes, end.as_bytes()).unwrap_or_else(|| panic!("no {end:?} in {bytes:?}"));
    let (front, rest) = bytes.split_at(at + end.len());
    *bytes = rest;
    String::from_utf8_lossy(front).into_owned()
}

/// All ways to cut `bytes` in two, then all of it byte by byte.
pub fn cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<Vec<u8>>> {
    let in_two = (1..bytes.len()).map(|at| vec![bytes[..at].to_vec(), bytes[at..].to_vec()]);
    in_two.chain([bytes.iter().map(|b| vec![*b]).collect()])
}
