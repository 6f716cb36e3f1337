//! The load: one thread that sends what a script says over many connections, and checks every response.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::answer::{Answer, Progress};
use crate::readiness::Readiness;
use crate::script::{Script, Step};
use crate::shot::Shot;
use crate::tally::{Failure, Kind, ORIGINS_MAX, Tally};

const READ_BYTES: usize = 64 * 1024;

/// How long a response is waited for: longer than any timeout of a gateway's own under trial.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often the load looks whether it is to end, and for responses that do not come.
const LOOK: Duration = Duration::from_millis(50);

/// A load that runs in a thread of its own.
pub struct Load {
    pub tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<()>>,
}

impl Load {
    pub fn start(script: impl Script + 'static) -> io::Result<Load> {
        let (tally, stop) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let (shared, stopped) = (Arc::clone(&tally), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("load".into()).spawn(move || {
            let mut connections = Connections {
                readiness: Readiness::new()?,
                slots: Vec::new(),
                free: Vec::new(),
                idle: HashMap::new(),
                in_flight: 0,
                script: Box::new(script),
                tally: shared,
            };
            connections.run(&stopped)
        })?;
        Ok(Load { tally, stop, thread })
    }

    /// Sends nothing more, and waits for what is in flight.
    pub fn finish(self) -> io::Result<Arc<Tally>> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| io::Error::other("the load's thread panicked"))??;
        Ok(self.tally)
    }

    /// The script has come to its end, or a failure of the program's own.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until a count has come so far; an error: it did not in time.
    pub fn wait_for(&self, patience: Duration, what: &str, reached: impl Fn(&Tally) -> bool) -> io::Result<()> {
        let start = Instant::now();
        while !reached(&self.tally) {
            if start.elapsed() > patience || self.is_finished() {
                return Err(io::Error::other(format!("the load did not come to: {what}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// How long the load rests when nobody listens.
const REST: Duration = Duration::from_millis(1);

struct Connection {
    socket: TcpStream,
    served: u64,
    lane: Option<u32>,
    /// None: idle.
    busy: Option<Busy>,
}

struct Busy {
    shot: Shot,
    sent: Instant,
    /// What the socket has not taken.
    unsent: Vec<u8>,
    answer: Answer,
}

struct Connections {
    readiness: Readiness,
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Idle connections of each lane, the one used last at the end.
    idle: HashMap<u32, Vec<usize>>,
    in_flight: usize,
    script: Box<dyn Script>,
    tally: Arc<Tally>,
}

impl Connections {
    fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut scratch = vec![0; READ_BYTES];
        let mut looked = Instant::now();
        let mut over = false;
        loop {
            let mut now = Instant::now();
            over |= stop.load(Ordering::Acquire);
            let mut wait = LOOK;
            while !over {
                match self.script.next(now, self.in_flight) {
                    Step::Send(shot) => {
                        if !self.send(shot, &mut scratch)? {
                            wait = REST;
                            break;
                        }
                    }
                    Step::Wait(until) => {
                        wait = wait.min(until.saturating_duration_since(now));
                        break;
                    }
                    Step::Room => break,
                    Step::End => over = true,
                }
            }
            if over && self.in_flight == 0 {
                return Ok(());
            }
            let asleep = Instant::now();
            let ready = self.readiness.wait(Some(wait))?;
            let late = asleep.elapsed().saturating_sub(wait).as_micros();
            self.tally.held_up_us.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            for ready in ready {
                self.turn(ready.token, ready.hangup, &mut scratch);
            }
            now = Instant::now();
            if now.duration_since(looked) > LOOK {
                looked = now;
                self.give_up(now);
            }
        }
    }

    /// False: there was no connection to be had.
    fn send(&mut self, shot: Shot, scratch: &mut [u8]) -> io::Result<bool> {
        let tally = &self.tally;
        tally.sent.fetch_add(1, Ordering::Relaxed);
        let way = if shot.lane.is_some() { &tally.kept } else { &tally.new };
        way.fetch_add(1, Ordering::Relaxed);
        if shot.post.is_some() {
            tally.posts.fetch_add(1, Ordering::Relaxed);
            tally.posts_in_flight.fetch_add(1, Ordering::Relaxed);
        }
        self.in_flight += 1;
        let sent = Instant::now();
        let idle = shot.lane.and_then(|lane| self.idle.get_mut(&lane)?.pop());
        let slot = match idle {
            Some(slot) => slot,
            None => match connect(shot.address) {
                Ok(socket) => {
                    let slot = self.free.pop().unwrap_or_else(|| {
                        self.slots.push(None);
                        self.slots.len() - 1
                    });
                    self.readiness.add_edges(&socket, slot)?;
                    self.slots[slot] = Some(Connection { socket, served: 0, lane: shot.lane, busy: None });
                    slot
                }
                Err(error) => {
                    let busy = Busy { answer: Answer::to(&shot), shot, sent, unsent: Vec::new() };
                    self.failed(busy, false, Kind::Refused, error.to_string());
                    return Ok(false);
                }
            },
        };
        let bytes = shot.bytes();
        if let Some(connection) = &mut self.slots[slot] {
            connection.busy = Some(Busy { answer: Answer::to(&shot), shot, sent, unsent: bytes });
        }
        self.turn(slot, false, scratch);
        Ok(self.slots[slot].is_some())
    }

    /// Does what one connection can do now.
    fn turn(&mut self, slot: usize, hangup: bool, scratch: &mut [u8]) {
        let Some(connection) = &mut self.slots[slot] else { return };
        let Some(busy) = &mut connection.busy else {
            if hangup && !matches!(connection.socket.read(scratch), Err(e) if e.kind() == io::ErrorKind::WouldBlock) {
                self.tally.closed_idle.fetch_add(1, Ordering::Relaxed);
                if let Some(idle) = connection.lane.and_then(|lane| self.idle.get_mut(&lane)) {
                    idle.retain(|other| *other != slot);
                }
                self.close(slot);
            }
            return;
        };
        let mut broken = None;
        while !busy.unsent.is_empty() && broken.is_none() {
            match connection.socket.write(&busy.unsent) {
                Ok(count) => drop(busy.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The answer may have come all the same.
                Err(error) => broken = Some(error),
            }
        }
        loop {
            let count = match connection.socket.read(scratch) {
                Ok(0) => return self.cut(slot, "end of the connection"),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match broken {
                    Some(error) => return self.cut(slot, &error.to_string()),
                    None => return,
                },
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return self.fail(slot, Kind::Refused, error.to_string());
                }
                Err(error) => return self.cut(slot, &error.to_string()),
            };
            match busy.answer.take(&scratch[..count]) {
                Progress::Done { close, origin } => return self.done(slot, close, origin),
                Progress::Wrong(seen) => {
                    let kind = match seen.strip_prefix("\"HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()) {
                        Some(status) if status != 200 => Kind::Status(status),
                        _ => Kind::NotItsOwn,
                    };
                    return self.fail(slot, kind, seen);
                }
                Progress::More => {}
            }
        }
    }

    fn done(&mut self, slot: usize, close: bool, origin: u8) {
        let Some(connection) = &mut self.slots[slot] else { return };
        let Some(busy) = connection.busy.take() else { return };
        connection.served += 1;
        let now = Instant::now();
        let took = u64::try_from(now.duration_since(busy.sent).as_micros()).unwrap_or(u64::MAX);
        self.tally.longest_us.fetch_max(took, Ordering::Relaxed);
        self.tally.completed.fetch_add(1, Ordering::Relaxed);
        self.tally.by_origin[usize::from(origin) % ORIGINS_MAX].fetch_add(1, Ordering::Relaxed);
        match busy.shot.lane {
            Some(lane) if !close => self.idle.entry(lane).or_default().push(slot),
            Some(_) => {
                self.tally.told_to_close.fetch_add(1, Ordering::Relaxed);
                self.close(slot);
            }
            None => self.close(slot),
        }
        self.over(&busy, now);
    }

    /// The connection ended before the response did.
    fn cut(&mut self, slot: usize, why: &str) {
        let busy = self.slots[slot].as_ref().and_then(|connection| connection.busy.as_ref());
        let Some(answer) = busy.map(|busy| &busy.answer) else { return };
        let kind = if answer.has_begun() { Kind::Truncated } else { Kind::Reset };
        let seen = format!("{why} after {}", answer.so_far());
        self.fail(slot, kind, seen);
    }

    fn fail(&mut self, slot: usize, kind: Kind, seen: String) {
        let Some(connection) = &mut self.slots[slot] else { return };
        let kept = connection.served > 0;
        let busy = connection.busy.take();
        self.close(slot);
        if let Some(busy) = busy {
            self.failed(busy, kept, kind, seen);
        }
    }

    fn failed(&mut self, busy: Busy, kept: bool, kind: Kind, seen: String) {
        let ended = Instant::now();
        let Busy { shot, sent, answer, .. } = &busy;
        self.tally.fail(Failure {
            number: shot.number,
            method: shot.method(),
            kind,
            kept,
            address: shot.address,
            sent: *sent,
            ended,
            begun: answer.has_begun() && !matches!(kind, Kind::Status(_)),
            seen,
        });
        self.over(&busy, ended);
    }

    fn over(&mut self, busy: &Busy, now: Instant) {
        self.in_flight -= 1;
        if busy.shot.post.is_some() {
            self.tally.posts_in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        self.script.ended(busy.shot.lane, now);
    }

    fn close(&mut self, slot: usize) {
        if self.slots[slot].take().is_some() {
            self.free.push(slot);
        }
    }

    /// Fails what has waited for too long.
    fn give_up(&mut self, now: Instant) {
        for slot in 0..self.slots.len() {
            let busy = self.slots[slot].as_ref().and_then(|connection| connection.busy.as_ref());
            if let Some(busy) = busy.filter(|busy| now.duration_since(busy.sent) > PATIENCE) {
                let seen = busy.answer.so_far();
                self.fail(slot, Kind::Timeout, seen);
            }
        }
    }
}

/// Begins to connect, without waiting: a listener whose queue is full must not hold up the others.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let socket = TcpStream::from(socket);
    socket.set_nodelay(true)?;
    Ok(socket)
}
