//! The origins: one thread that answers on many addresses, checks every request, and records every POST.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use crate::readiness::Readiness;
use crate::record::Record;
use crate::request::{Received, Request, Wishes};
use crate::tally::ORIGINS_MAX;

const READ_BYTES: usize = 64 * 1024;

/// Connections that may wait to be accepted.
const QUEUE: i32 = 4096;

/// Origins that listen, and have not begun to answer.
pub struct Origins {
    listeners: Vec<TcpListener>,
    first: usize,
    record: Record,
}

impl Origins {
    /// They call themselves `first` and on, in their responses.
    pub fn bind(first: usize, addresses: &[SocketAddr], record: &Path) -> io::Result<Origins> {
        let listeners = addresses.iter().map(TcpListener::bind).collect::<io::Result<Vec<_>>>()?;
        for listener in &listeners {
            listener.set_nonblocking(true)?;
            // A thousand connections at once must not be lost in a short queue, and come again a second later.
            rustix::net::listen(listener, QUEUE)?;
        }
        assert!(first + listeners.len() <= ORIGINS_MAX, "so many origins are not told apart");
        Ok(Origins { listeners, first, record: Record::open(record)? })
    }

    /// In a thread that ends with the program.
    pub fn serve_beside(self) -> io::Result<()> {
        std::thread::Builder::new().name("origins".into()).spawn(move || {
            if let Err(error) = self.serve() {
                eprintln!("trials: the origins stopped: {error}");
                std::process::exit(2);
            }
        })?;
        Ok(())
    }

    pub fn serve(self) -> io::Result<()> {
        let Origins { listeners, first, record } = self;
        let mut readiness = Readiness::new()?;
        for (token, listener) in listeners.iter().enumerate() {
            readiness.add_listener(listener, token)?;
        }
        let mut table =
            Table { slots: Vec::new(), free: Vec::new(), due: BinaryHeap::new(), record, first_token: listeners.len() };
        let mut scratch = vec![0; READ_BYTES];
        loop {
            let wait = table.due.peek().map(|Reverse((due, _))| due.saturating_duration_since(Instant::now()));
            for ready in readiness.wait(wait)? {
                match ready.token.checked_sub(table.first_token) {
                    Some(slot) => table.turn(slot, &mut scratch)?,
                    None => table.accept_all(&listeners[ready.token], first + ready.token, &readiness)?,
                }
            }
            let now = Instant::now();
            while let Some(Reverse((due, slot))) = table.due.peek().copied() {
                if due > now {
                    break;
                }
                table.due.pop();
                table.turn(slot, &mut scratch)?;
            }
        }
    }
}

struct Table {
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// When which connection has a part of an answer to send.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    record: Record,
    first_token: usize,
}

impl Table {
    fn accept_all(&mut self, listener: &TcpListener, origin: usize, readiness: &Readiness) -> io::Result<()> {
        loop {
            match listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(true)?;
                    socket.set_nodelay(true)?;
                    let slot = self.free.pop().unwrap_or_else(|| {
                        self.slots.push(None);
                        self.slots.len() - 1
                    });
                    readiness.add_edges(&socket, self.first_token + slot)?;
                    self.slots[slot] = Some(Connection::new(socket, origin));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn turn(&mut self, slot: usize, scratch: &mut [u8]) -> io::Result<()> {
        let Some(connection) = &mut self.slots[slot] else { return Ok(()) };
        match connection.turn(&mut self.record, scratch) {
            Ok(Some(due)) => self.due.push(Reverse((due, slot))),
            Ok(None) => {}
            // A record that cannot be written makes the trial worthless; all else is this connection's end.
            Err(Ending::Record(error)) => return Err(error),
            Err(Ending::Connection) => {
                self.slots[slot] = None;
                self.free.push(slot);
            }
        }
        Ok(())
    }
}

enum Ending {
    Connection,
    Record(io::Error),
}

impl From<io::Error> for Ending {
    fn from(_: io::Error) -> Ending {
        Ending::Connection
    }
}

struct Connection {
    socket: TcpStream,
    origin: usize,
    request: Request,
    /// Bytes after the request being answered.
    ahead: Vec<u8>,
    /// Parts of the answer that are not due yet, the next one last.
    later: Vec<(Instant, Vec<u8>)>,
    /// What the socket did not take.
    unsent: Vec<u8>,
    /// Sends back what it gets.
    echoes: bool,
}

impl Connection {
    fn new(socket: TcpStream, origin: usize) -> Connection {
        Connection {
            socket,
            origin,
            request: Request::default(),
            ahead: Vec::new(),
            later: Vec::new(),
            unsent: Vec::new(),
            echoes: false,
        }
    }

    /// Does what can be done without waiting; when to come back.
    fn turn(&mut self, record: &mut Record, scratch: &mut [u8]) -> Result<Option<Instant>, Ending> {
        self.send_due()?;
        loop {
            if !self.later.is_empty() || !self.unsent.is_empty() {
                // Its end is noticed meanwhile, so that nobody answers a proxy that has gone.
                return match self.socket.peek(&mut scratch[..1]) {
                    Ok(0) => Err(Ending::Connection),
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(Ending::Connection),
                    _ => Ok(self.later.last().map(|(due, _)| *due)),
                };
            }
            if !self.ahead.is_empty() {
                let bytes = std::mem::take(&mut self.ahead);
                self.take(&bytes, record)?;
                continue;
            }
            match self.socket.read(scratch) {
                Ok(0) => return Err(Ending::Connection),
                Ok(count) => self.take(&scratch[..count], record)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(_) => return Err(Ending::Connection),
            }
        }
    }

    fn take(&mut self, bytes: &[u8], record: &mut Record) -> Result<(), Ending> {
        if self.echoes {
            self.unsent.extend_from_slice(bytes);
            return Ok(self.flush()?);
        }
        let before = self.request.begun_post();
        let received = self.request.take(bytes);
        let begun = self.request.begun_post();
        match received {
            Received::Part => match (before, begun) {
                (None, Some(number)) => record.begun(number).map_err(Ending::Record),
                _ => Ok(()),
            },
            Received::Whole { wishes, used } => {
                self.ahead.extend_from_slice(&bytes[used..]);
                self.request = Request::default();
                match (before, wishes.post) {
                    (Some(number), _) => record.ended(number).map_err(Ending::Record)?,
                    (None, true) => record.executed(wishes.number).map_err(Ending::Record)?,
                    (None, false) => {}
                }
                self.answer(&wishes)
            }
            Received::Wrong(why) => {
                let body = format!("the origin says: {why}\n");
                let head = format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = self.socket.write_all((head + &body).as_bytes());
                Err(Ending::Connection)
            }
        }
    }

    fn answer(&mut self, wishes: &Wishes) -> Result<(), Ending> {
        self.echoes = wishes.upgrade;
        self.later = wishes.answer(self.origin, Instant::now());
        self.send_due()
    }

    fn send_due(&mut self) -> Result<(), Ending> {
        self.flush()?;
        while self.later.last().is_some_and(|(due, _)| *due <= Instant::now()) {
            if let Some((_, part)) = self.later.pop() {
                self.unsent.extend_from_slice(&part);
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
