//! A client that sends the bytes it is given and reads what comes back, never waiting for ever.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::patience::PATIENCE;
use super::response::{self, Reading, Response};

/// One connection.
pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

/// Why no whole response came.
#[derive(Debug)]
pub enum Trouble {
    /// The connection ended first. What had come of the response, if its head had.
    Closed(Option<Box<Response>>),
    /// It was reset first.
    Reset(Option<Box<Response>>),
    /// Nothing more came in time.
    Silent(Option<Box<Response>>),
    /// What came is no HTTP/1.1 response.
    Malformed(String),
}

impl Client {
    /// Connects.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the gateway accepts connections");
        stream.set_nodelay(true).unwrap();
        Client { stream, buffer: Vec::new() }
    }

    /// Sends all of it.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the gateway takes the bytes");
    }

    /// Sends as much as the other side takes; an error says that it has gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a request and reads its response.
    #[track_caller]
    pub fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Response {
        let head = bytes.as_ref().starts_with(b"HEAD ");
        self.send(bytes);
        self.response_to(if head { "HEAD" } else { "GET" })
    }

    /// As [`Client::ask`], for a `GET` that may fail.
    pub fn try_ask(&mut self, request: &str) -> Result<Response, Trouble> {
        self.try_send(request).ok();
        self.try_response("GET", PATIENCE)
    }

    /// `GET` of a target.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: example.com\r\n\r\n"))
    }

    /// The next response.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// The next response, to a request of this method.
    #[track_caller]
    pub fn response_to(&mut self, method: &str) -> Response {
        match self.try_response(method, PATIENCE) {
            Ok(response) => response,
            Err(trouble) => panic!("no response: {trouble:?}"),
        }
    }

    /// The next response, or what came instead.
    pub fn try_response(&mut self, method: &str, within: Duration) -> Result<Response, Trouble> {
        let start = Instant::now();
        loop {
            let (partial, until_close) = match response::read(&self.buffer, method) {
                Reading::Whole(response, length) => {
                    self.buffer.drain(..length);
                    return Ok(*response);
                }
                Reading::Violation(why) => return Err(Trouble::Malformed(why)),
                Reading::Partial(partial) => (partial, false),
                Reading::UntilClose(partial) => (Some(partial), true),
            };
            match self.fill(within.saturating_sub(start.elapsed())) {
                Ok(0) if until_close => {
                    self.buffer.clear();
                    return Ok(*partial.unwrap());
                }
                Ok(0) => return Err(Trouble::Closed(partial)),
                Ok(_) => {}
                Err(ErrorKind::WouldBlock) => return Err(Trouble::Silent(partial)),
                Err(_) => return Err(Trouble::Reset(partial)),
            }
        }
    }

    /// Bytes as they come, whatever they mean, until there are `count`.
    #[track_caller]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let start = Instant::now();
        while self.buffer.len() < count {
            match self.fill(PATIENCE.saturating_sub(start.elapsed())) {
                Ok(n) if n > 0 => {}
                other => panic!("{} of {count} bytes, then {other:?}", self.buffer.len()),
            }
        }
        self.buffer.drain(..count).collect()
    }

    /// The head of the next response, as text; its body stays to be read raw.
    #[track_caller]
    pub fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                return super::fields::latin1(&self.bytes(at + 4));
            }
            let come = self.fill(PATIENCE).expect("a head comes");
            assert!(come > 0, "the connection ended before a head: {}", super::fields::show(&self.buffer));
        }
    }

    /// Throws away what has come and what comes next: the number of bytes.
    #[track_caller]
    pub fn skip(&mut self) -> usize {
        if self.buffer.is_empty() {
            let come = self.fill(PATIENCE).expect("more bytes come");
            assert!(come > 0, "the connection ended");
        }
        std::mem::take(&mut self.buffer).len()
    }

    /// Everything until the connection ends, or `None` if it does not in time.
    pub fn rest(&mut self, within: Duration) -> Option<Vec<u8>> {
        let start = Instant::now();
        loop {
            match self.fill(within.saturating_sub(start.elapsed())) {
                Ok(0) => return Some(std::mem::take(&mut self.buffer)),
                Ok(_) => {}
                Err(ErrorKind::WouldBlock) => return None,
                Err(_) => return Some(std::mem::take(&mut self.buffer)),
            }
        }
    }

    /// Waits for the end of the connection, which must bring no further byte.
    #[track_caller]
    pub fn expect_closed(&mut self, within: Duration) {
        let rest = self.rest(within).unwrap_or_else(|| panic!("still open after {within:?}"));
        assert!(rest.is_empty(), "before the end came {}", super::fields::show(&rest));
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Drops the connection with a reset.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }

    fn fill(&mut self, within: Duration) -> Result<usize, ErrorKind> {
        let mut chunk = [0; 65536];
        self.stream.set_read_timeout(Some(within.max(Duration::from_millis(1)))).unwrap();
        loop {
            match self.stream.read(&mut chunk) {
                Ok(n) => {
                    self.buffer.extend_from_slice(&chunk[..n]);
                    return Ok(n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.kind()),
            }
        }
    }
}
