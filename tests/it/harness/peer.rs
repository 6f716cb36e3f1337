//! The origin's end of one connection: reads requests with the oracle, answers as its script says, keeps every byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fields::Grammar;
use super::oracle::{self, Reading, Request};

/// What one connection brought.
#[derive(Debug, Default)]
pub struct Recording {
    pub received: Vec<u8>,
    /// From here on the bytes are no HTTP: the connection became a tunnel, or its script reads them itself.
    pub http_until: Option<usize>,
    /// When each whole request was read.
    pub arrivals: Vec<Instant>,
    /// Whether the gateway has ended it, by a close or a reset.
    pub ended: bool,
    /// A second handle while the script runs, to wake it at the end of the test.
    pub handle: Option<TcpStream>,
}

/// A connection as its script sees it.
pub struct Peer {
    pub stream: TcpStream,
    recording: Arc<Mutex<Recording>>,
    /// Bytes before here were handed out.
    read: usize,
}

impl Peer {
    pub fn new(stream: TcpStream, recording: Arc<Mutex<Recording>>) -> Peer {
        stream.set_nodelay(true).ok();
        Peer { stream, recording, read: 0 }
    }

    /// The next whole request; `None` at the end, or when what came is not valid.
    pub fn request(&mut self) -> Option<Request> {
        self.next(false)
    }

    /// The next request as soon as its head is there; its body stays to be read raw.
    pub fn head(&mut self) -> Option<Request> {
        self.next(true)
    }

    fn next(&mut self, head_only: bool) -> Option<Request> {
        let mut continued = false;
        loop {
            let reading = {
                let recording = self.recording.lock().unwrap();
                oracle::read_one(&recording.received[self.read..], Grammar::Strict)
            };
            match reading {
                Reading::Whole(request, length) => {
                    self.read += length;
                    self.recording.lock().unwrap().arrivals.push(Instant::now());
                    return Some(*request);
                }
                Reading::Partial(Some(request)) if head_only => return Some(*request),
                Reading::Partial(Some(request)) if !continued && request.headers.lists("expect", "100-continue") => {
                    continued = true;
                    if !self.send(b"HTTP/1.1 100 Continue\r\n\r\n") {
                        return None;
                    }
                }
                Reading::Partial(_) => {
                    if self.fill() == 0 {
                        return None;
                    }
                }
                Reading::Violation(..) => return None,
            }
        }
    }

    /// Sends all of it, or says that the other side has gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// From here on the bytes are the script's own: none of them is judged as HTTP.
    pub fn tunnel(&mut self) {
        self.recording.lock().unwrap().http_until.get_or_insert(self.read);
    }

    /// Switches with this answer, then sends back what comes until the other side ends.
    pub fn echo(&mut self, switch: impl AsRef<[u8]>) {
        self.tunnel();
        self.send(switch);
        loop {
            let bytes = self.bytes();
            if bytes.is_empty() || !self.send(bytes) {
                return;
            }
        }
    }

    /// Bytes as they come, in a tunnel; empty at the end.
    pub fn bytes(&mut self) -> Vec<u8> {
        if self.recording.lock().unwrap().received.len() == self.read && self.fill() == 0 {
            return Vec::new();
        }
        let recording = self.recording.lock().unwrap();
        let bytes = recording.received[self.read..].to_vec();
        self.read = recording.received.len();
        bytes
    }

    /// Reads on until the gateway ends the connection.
    pub fn until_end(&mut self) {
        while self.fill() > 0 {}
    }

    /// Reads and forgets, for bodies too large to keep: the number of bytes until the end or until `enough`.
    pub fn swallow(&mut self, enough: usize) -> usize {
        self.tunnel();
        let kept = self.recording.lock().unwrap().received.len() - self.read;
        let mut total = kept;
        let mut chunk = vec![0; 256 * 1024];
        while total < enough {
            match self.stream.read(&mut chunk) {
                Ok(n) if n > 0 => total += n,
                _ => break,
            }
        }
        total
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).ok();
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).ok();
        self.recording.lock().unwrap().handle = None;
    }

    fn fill(&mut self) -> usize {
        let mut chunk = [0; 65536];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    self.recording.lock().unwrap().ended = true;
                    return 0;
                }
                Ok(n) => {
                    self.recording.lock().unwrap().received.extend_from_slice(&chunk[..n]);
                    return n;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.recording.lock().unwrap().ended = true;
                    return 0;
                }
            }
        }
    }
}
