//! The origin behind every proxy: one thread, answers prepared beforehand, so that it is never what is measured.
//!
//! A target with `100k` in it is answered with 100 KiB, one with `echo` with the request's body, all else with 1 KiB of JSON.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::readiness::Readiness;
use crate::wire::{self, NoHead};

const JSON_BYTES: usize = 1024;
const BIG_BYTES: usize = 100 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// Answers on all addresses until it is killed. Says `ready` on stdout when it listens.
pub fn run(addresses: &[SocketAddr]) -> io::Result<()> {
    let listeners = addresses.iter().map(TcpListener::bind).collect::<io::Result<Vec<_>>>()?;
    let mut readiness = Readiness::new()?;
    for (token, listener) in listeners.iter().enumerate() {
        listener.set_nonblocking(true)?;
        readiness.add_listener(listener, token)?;
    }
    println!("ready");
    let answers = Answers::prepare();
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut scratch = vec![0; READ_BYTES];
    loop {
        for ready in readiness.wait(None)? {
            let Some(slot) = ready.token.checked_sub(listeners.len()) else {
                accept_all(&listeners[ready.token], listeners.len(), &readiness, &mut connections)?;
                continue;
            };
            let Some(connection) = &mut connections[slot] else { continue };
            if connection.turn(&answers, &mut scratch, ready.hangup).is_err() {
                connections[slot] = None;
            }
        }
    }
}

fn accept_all(
    listener: &TcpListener,
    first_token: usize,
    readiness: &Readiness,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(true)?;
                socket.set_nodelay(true)?;
                let slot = connections.iter().position(Option::is_none).unwrap_or(connections.len());
                readiness.add_edges(&socket, first_token + slot)?;
                let connection = Some(Connection { socket, input: Vec::new(), output: Vec::new() });
                if slot == connections.len() {
                    connections.push(connection);
                } else {
                    connections[slot] = connection;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

struct Connection {
    socket: TcpStream,
    /// The incomplete request read so far.
    input: Vec<u8>,
    /// What the socket did not take at once.
    output: Vec<u8>,
}

impl Connection {
    /// Does what can be done without blocking; an error ends the connection.
    fn turn(&mut self, answers: &Answers, scratch: &mut [u8], hangup: bool) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.output);
        self.send(&waiting)?;
        while self.output.is_empty() {
            let count = match self.socket.read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            if self.input.is_empty() {
                let used = self.serve(&scratch[..count], answers)?;
                self.input.extend_from_slice(&scratch[used..count]);
            } else {
                let mut input = std::mem::take(&mut self.input);
                input.extend_from_slice(&scratch[..count]);
                let used = self.serve(&input, answers)?;
                input.drain(..used);
                self.input = input;
            }
            if count < scratch.len() && !hangup {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Answers the whole requests in `bytes`; returns how many bytes they were.
    fn serve(&mut self, bytes: &[u8], answers: &Answers) -> io::Result<usize> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            let (head, target) = match wire::request_head(rest) {
                Ok(found) => found,
                Err(NoHead::Partial) => break,
                Err(NoHead::Malformed) => return Err(io::ErrorKind::InvalidData.into()),
            };
            let total = head.bytes + head.body_bytes.unwrap_or(0);
            if rest.len() < total {
                break;
            }
            if target.contains("100k") {
                self.send(&answers.big)?;
            } else if target.contains("echo") {
                self.send(&response("application/octet-stream", &rest[head.bytes..total]))?;
            } else {
                self.send(&answers.json)?;
            }
            used += total;
        }
        Ok(used)
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.output.is_empty() && !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.output.extend_from_slice(bytes);
        Ok(())
    }
}

struct Answers {
    json: Vec<u8>,
    big: Vec<u8>,
}

impl Answers {
    fn prepare() -> Answers {
        let frame = r#"{"id":1234567,"ok":true,"pad":""}"#;
        let pad = "x".repeat(JSON_BYTES - frame.len());
        let json = frame.replace(r#""pad":"""#, &format!(r#""pad":"{pad}""#));
        Answers {
            json: response("application/json", json.as_bytes()),
            big: response("application/octet-stream", &vec![b'y'; BIG_BYTES]),
        }
    }
}

/// A response with the headers that a small service sends.
fn response(content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Fri, 02 Jan 2026 12:00:00 GMT\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\nCache-Control: no-store\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
