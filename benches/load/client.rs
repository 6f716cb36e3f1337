//! The load generator: one thread that keeps many connections busy, in a closed loop or at a fixed rate.
//!
//! It opens its connections and warms them up, says `ready`, waits for a line, measures, prints the outcome and keeps
//! all open until stdin closes: so a proxy's CPU clock and memory can be read with nothing but the measured in between.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use crate::answer::{Answer, Progress};
use crate::plan::{Outcome, Plan};
use crate::readiness::Readiness;

const READ_BYTES: usize = 128 * 1024;

/// How long requests in flight are waited for when the time is up.
const LAST_ANSWER: Duration = Duration::from_secs(10);

/// Connects after a failed one, a millisecond more apart each.
const CONNECT_ATTEMPTS: u64 = 50;

pub fn run(plan: Plan) -> io::Result<()> {
    // Timers of 50 µs slack, the kernel's default, would shift the instants of an open loop.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let mut load = Load::open(plan)?;
    let each_once = if load.plan.rate.is_none() { load.plan.connections as u64 } else { 0 };
    load.drive(load.plan.warm_seconds, each_once, u64::MAX)?;
    let warm = &load.outcome;
    if warm.errors() > 0 || warm.completed < each_once {
        let counts = format!("{} of at least {each_once} answers, {} errors", warm.completed, warm.errors());
        return Err(io::Error::other(format!("the warm-up failed: {counts}")));
    }
    println!("ready");
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        return Ok(());
    }
    load.forget();
    load.drive(load.plan.seconds, 0, load.plan.requests.unwrap_or(u64::MAX))?;
    println!("{}", serde_json::to_string(&load.outcome())?);
    io::stdin().read_line(&mut line)?;
    Ok(())
}

/// When to stop sending.
struct Limits {
    stop: Instant,
    /// So many even when the time is up.
    at_least: u64,
    at_most: u64,
}

impl Limits {
    fn allow(&self, sent: u64, now: Instant) -> bool {
        sent < self.at_most && (now < self.stop || sent < self.at_least)
    }
}

struct Connection {
    socket: TcpStream,
    /// None: idle.
    busy: Option<Busy>,
}

/// A request in flight.
struct Busy {
    due: Instant,
    /// The part of the message that the socket has not taken.
    unsent: Vec<u8>,
    answer: Answer,
}

struct Load {
    plan: Plan,
    readiness: Readiness,
    messages: Vec<Vec<u8>>,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    /// Instants of an open loop's requests that found no idle connection.
    overdue: VecDeque<Instant>,
    limits: Limits,
    /// Requests of an open loop that have become due.
    due_count: u64,
    sent: u64,
    latencies_ns: Vec<u32>,
    outcome: Outcome,
}

impl Load {
    fn open(plan: Plan) -> io::Result<Load> {
        let readiness = Readiness::new()?;
        let mut connections = Vec::with_capacity(plan.connections);
        for slot in 0..plan.connections {
            connections.push(Connection { socket: connect(&plan, &readiness, slot)?, busy: None });
        }
        Ok(Load {
            messages: plan.messages(),
            idle: (0..plan.connections).collect(),
            overdue: VecDeque::new(),
            limits: Limits { stop: Instant::now(), at_least: 0, at_most: 0 },
            due_count: 0,
            sent: 0,
            latencies_ns: Vec::with_capacity(1 << 20),
            outcome: Outcome::default(),
            plan,
            readiness,
            connections,
        })
    }

    /// Sends by the limits, then waits until every request has its response.
    fn drive(&mut self, seconds: f64, at_least: u64, at_most: u64) -> io::Result<()> {
        let mut scratch = vec![0; READ_BYTES];
        let start = Instant::now();
        self.limits = Limits { stop: start + Duration::from_secs_f64(seconds), at_least, at_most };
        self.due_count = 0;
        let mut now = start;
        loop {
            let wait = self.send_due(start, now)?;
            let quiet = self.idle.len() == self.connections.len() && self.overdue.is_empty();
            if quiet && !self.limits.allow(self.sent, now) {
                break;
            }
            if now > self.limits.stop + LAST_ANSWER {
                self.outcome.failed += (self.connections.len() - self.idle.len() + self.overdue.len()) as u64;
                break;
            }
            for ready in self.readiness.wait(Some(wait))? {
                self.turn(ready.token, ready.hangup, &mut scratch)?;
            }
            now = Instant::now();
        }
        self.outcome.elapsed_s = start.elapsed().as_secs_f64();
        Ok(())
    }

    /// Sends what is due by now; returns how long nothing else will be.
    fn send_due(&mut self, start: Instant, now: Instant) -> io::Result<Duration> {
        let until_stop = self.limits.stop.saturating_duration_since(now);
        let mut wait = if until_stop.is_zero() { LAST_ANSWER } else { until_stop };
        let Some(rate) = self.plan.rate else {
            let wanted = self.plan.in_flight.min(self.connections.len());
            while self.connections.len() - self.idle.len() < wanted && self.limits.allow(self.sent, now) {
                self.send_next(now)?;
            }
            return Ok(wait);
        };
        loop {
            let due = start + Duration::from_secs_f64(self.due_count as f64 / rate);
            if due >= self.limits.stop || self.due_count >= self.limits.at_most {
                break;
            }
            if due > now {
                wait = due - now;
                break;
            }
            self.due_count += 1;
            self.overdue.push_back(due);
        }
        while let Some(due) = self.overdue.front().copied() {
            if !self.send_next(due)? {
                break;
            }
            self.overdue.pop_front();
        }
        Ok(wait)
    }

    /// Sends on the connection that has been idle longest; false: there is none.
    fn send_next(&mut self, due: Instant) -> io::Result<bool> {
        let slot = self.idle.pop_front();
        slot.map_or(Ok(false), |slot| self.send(slot, due).map(|()| true))
    }

    fn send(&mut self, slot: usize, due: Instant) -> io::Result<()> {
        let message = &self.messages[self.sent as usize % self.messages.len()];
        self.sent += 1;
        let connection = &mut self.connections[slot];
        let taken = match connection.socket.write(message) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return self.fail(slot),
        };
        let unsent = message[taken..].to_vec();
        connection.busy = Some(Busy { due, unsent, answer: Answer::new() });
        Ok(())
    }

    /// Does what one connection can do now.
    fn turn(&mut self, slot: usize, hangup: bool, scratch: &mut [u8]) -> io::Result<()> {
        let connection = &mut self.connections[slot];
        let Some(busy) = &mut connection.busy else {
            // Nothing is expected on an idle connection: the edge of a socket that can be written, or its end.
            return if hangup { self.reopen(slot) } else { Ok(()) };
        };
        while !busy.unsent.is_empty() {
            match connection.socket.write(&busy.unsent) {
                Ok(count) => drop(busy.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.fail(slot),
            }
        }
        loop {
            let count = match connection.socket.read(scratch) {
                Ok(0) => return self.fail(slot),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return self.fail(slot),
            };
            match busy.answer.take(&scratch[..count]) {
                Progress::Done { status, close } => return self.finish(slot, status, close || hangup),
                Progress::Broken => return self.fail(slot),
                Progress::More if count < scratch.len() && !hangup => return Ok(()),
                Progress::More => {}
            }
        }
    }

    fn finish(&mut self, slot: usize, status: u16, close: bool) -> io::Result<()> {
        let now = Instant::now();
        if let Some(busy) = self.connections[slot].busy.take() {
            let latency = now.duration_since(busy.due).as_nanos();
            self.latencies_ns.push(u32::try_from(latency).unwrap_or(u32::MAX));
        }
        self.outcome.completed += 1;
        if !(200..300).contains(&status) {
            *self.outcome.bad_status.entry(status).or_default() += 1;
        }
        if close || !self.plan.kept {
            self.reopen(slot)?;
        }
        self.idle.push_back(slot);
        // At once, not when all responses of this turn are read: clients do not wait for each other.
        if self.plan.rate.is_none() && self.limits.allow(self.sent, now) {
            self.send_next(now)?;
        }
        Ok(())
    }

    fn fail(&mut self, slot: usize) -> io::Result<()> {
        self.outcome.failed += 1;
        self.connections[slot].busy = None;
        self.reopen(slot)?;
        self.idle.push_back(slot);
        Ok(())
    }

    fn reopen(&mut self, slot: usize) -> io::Result<()> {
        self.connections[slot].socket = connect(&self.plan, &self.readiness, slot)?;
        Ok(())
    }

    /// Forgets what was counted so far: it was the warm-up.
    fn forget(&mut self) {
        self.latencies_ns.clear();
        self.outcome = Outcome::default();
        self.sent = 0;
    }

    fn outcome(mut self) -> Outcome {
        self.latencies_ns.sort_unstable();
        let last = self.latencies_ns.len().saturating_sub(1);
        let at = |part: f64| {
            let nth = (self.latencies_ns.len() as f64 * part) as usize;
            self.latencies_ns.get(nth.min(last)).map_or(0.0, |&ns| f64::from(ns) / 1e3)
        };
        Outcome { p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0), ..self.outcome }
    }
}

/// A connection to the target. Connecting over loopback takes no waiting, so it blocks.
fn connect(plan: &Plan, readiness: &Readiness, slot: usize) -> io::Result<TcpStream> {
    let mut attempt = 0;
    let socket = loop {
        match TcpStream::connect(plan.target) {
            Ok(socket) => break socket,
            Err(error) if attempt == CONNECT_ATTEMPTS => return Err(error),
            Err(_) => {
                attempt += 1;
                std::thread::sleep(Duration::from_millis(attempt));
            }
        }
    };
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    readiness.add_edges(&socket, slot)?;
    Ok(socket)
}
