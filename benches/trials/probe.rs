//! Single exchanges beside the load: a request and its answer, the admin address, a tunnel.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a probe waits for bytes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came back to a probe.
pub struct Reply {
    pub status: u16,
    pub body: String,
}

/// A connection that asks one thing after the other.
pub struct Probe {
    socket: TcpStream,
    host: SocketAddr,
}

impl Probe {
    pub fn connect(address: SocketAddr) -> io::Result<Probe> {
        let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Probe { socket, host: address })
    }

    pub fn get(&mut self, target: &str) -> io::Result<Reply> {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host))?;
        self.reply()
    }

    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.socket.write_all(text.as_bytes())
    }

    /// A response framed by its length, or by the end of the connection.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut bytes = Vec::new();
        let (status, length, head_bytes) = loop {
            if let Some(found) = head(&bytes)? {
                break found;
            }
            self.read_more(&mut bytes)?;
        };
        while length.is_none_or(|length| bytes.len() < head_bytes + length) {
            match self.read_more(&mut bytes) {
                Err(error) if length.is_none() && error.kind() == io::ErrorKind::UnexpectedEof => break,
                other => other?,
            }
        }
        Ok(Reply { status, body: String::from_utf8_lossy(&bytes[head_bytes..]).into_owned() })
    }

    fn read_more(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut scratch = [0; 16 * 1024];
        match self.socket.read(&mut scratch)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                bytes.extend_from_slice(&scratch[..count]);
                Ok(())
            }
        }
    }

    /// Turns the connection into a tunnel.
    pub fn into_tunnel(mut self, target: &str) -> io::Result<Tunnel> {
        let host = self.host;
        self.send(&format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ))?;
        let mut bytes = Vec::new();
        loop {
            match head(&bytes)? {
                Some((101, ..)) => return Ok(Tunnel(self.socket)),
                Some((status, ..)) => return Err(io::Error::other(format!("no tunnel: status {status}"))),
                None => self.read_more(&mut bytes)?,
            }
        }
    }
}

/// Status, length of the body and bytes of the head, once the head is whole.
fn head(bytes: &[u8]) -> io::Result<Option<(u16, Option<usize>, usize)>> {
    let mut lines = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut lines);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(count)) => {
            let length = response.headers.iter().find(|line| line.name.eq_ignore_ascii_case("content-length"));
            let length = length.and_then(|line| std::str::from_utf8(line.value).ok()?.parse().ok());
            Ok(Some((response.code.unwrap_or(0), length, count)))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(io::Error::other(format!("no response: {error}"))),
    }
}

/// One answer on a connection of its own.
pub fn get(address: SocketAddr, target: &str) -> io::Result<Reply> {
    let asked = Probe::connect(address).and_then(|mut probe| probe.get(target));
    asked.map_err(|error| io::Error::new(error.kind(), format!("{target} at {address}: {error}")))
}

/// Asks on connections of its own until the body is this one; how long that took, or `None` when it never was.
pub fn until_body(address: SocketAddr, target: &str, body: &str, patience: Duration) -> Option<Duration> {
    let start = Instant::now();
    while start.elapsed() < patience {
        if get(address, target).is_ok_and(|reply| reply.status == 200 && reply.body == body) {
            return Some(start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

/// A tunnel whose other end sends back what it gets.
pub struct Tunnel(TcpStream);

impl Tunnel {
    /// Whether some bytes go there and come back.
    pub fn echoes(&mut self) -> io::Result<()> {
        let message = b"there and back again";
        self.0.write_all(message)?;
        let mut back = [0; 20];
        self.0.read_exact(&mut back)?;
        if back == *message { Ok(()) } else { Err(io::Error::other("other bytes came back")) }
    }

    /// Waits for its end.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        let _ = self.0.set_read_timeout(Some(patience));
        match self.0.read(&mut [0; 1]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

/// The sum of the samples of a metric whose line begins so.
pub fn metric(admin: SocketAddr, begins: &str) -> io::Result<f64> {
    let page = get(admin, "/metrics")?.body;
    let lines = page.lines().filter(|line| line.starts_with(begins));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}
