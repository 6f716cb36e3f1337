//! What a load sends, and when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::shot::{Shot, length_for};

/// What is to be done next.
pub enum Step {
    Send(Shot),
    /// Nothing before this instant.
    Wait(Instant),
    /// Nothing before a response has come.
    Room,
    /// Nothing more at all.
    End,
}

pub trait Script: Send {
    fn next(&mut self, now: Instant, in_flight: usize) -> Step;

    /// A request has ended, well or badly.
    fn ended(&mut self, _lane: Option<u32>, _now: Instant) {}
}

/// Half on kept connections, half on new ones, a fifth POST; as fast as they are answered, or at a rate.
pub struct Mixed {
    pub targets: Vec<SocketAddr>,
    /// Taken in turn, with their slashes.
    pub prefixes: Vec<String>,
    pub in_flight: usize,
    /// Kept connections.
    pub lanes: u32,
    /// Requests a second, at most.
    pub rate: Option<f64>,
    /// Some answers take a while, and come in pieces.
    pub slow: bool,
    /// Numbers from here on: several loads of one run must not share any.
    pub first: u64,
    /// Requests so far.
    pub sent: u64,
    /// When the next one is due, at a rate.
    pub due: Option<Instant>,
}

impl Mixed {
    pub fn new(targets: Vec<SocketAddr>, prefixes: &[&str]) -> Mixed {
        Mixed {
            targets,
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            in_flight: 24,
            lanes: 64,
            rate: None,
            slow: false,
            first: 1,
            sent: 0,
            due: None,
        }
    }

    fn shot(&mut self) -> Shot {
        let (nth, number) = (self.sent, self.first + self.sent);
        self.sent += 1;
        let half = nth / 2;
        let lane = (nth % 2 == 0).then_some((half % u64::from(self.lanes)) as u32);
        let target = lane.map_or(half, u64::from) as usize % self.targets.len();
        let mut wishes = String::new();
        if number % 3 == 1 {
            wishes.push_str("&chunked=1");
        }
        if self.slow {
            match nth % 20 {
                3 | 10 => wishes.push_str("&wait=20"),
                7 => wishes.push_str("&parts=3&pause=10"),
                _ => {}
            }
        }
        Shot {
            number,
            address: self.targets[target],
            lane,
            post: (nth % 10 == 4 || nth % 10 == 5).then(|| length_for(number / 3)),
            prefix: self.prefixes[fastrand::usize(..self.prefixes.len())].clone(),
            length: length_for(number),
            wishes,
        }
    }
}

impl Script for Mixed {
    fn next(&mut self, now: Instant, in_flight: usize) -> Step {
        if in_flight >= self.in_flight {
            return Step::Room;
        }
        if let Some(rate) = self.rate {
            let due = *self.due.get_or_insert(now);
            if due > now {
                return Step::Wait(due);
            }
            // What could not be sent in time is not made up for later than a tenth of a second.
            let oldest = now.checked_sub(Duration::from_millis(100)).unwrap_or(now);
            self.due = Some(due.max(oldest) + Duration::from_secs_f64(1.0 / rate));
        }
        Step::Send(self.shot())
    }
}

/// Cells that each send one request after the other, with pauses around a given length between them.
pub struct Paused {
    address: SocketAddr,
    total: u64,
    sent: u64,
    post_every: u64,
    pause: PauseLengths,
    /// When each cell sends next.
    due: BinaryHeap<Reverse<(Instant, u32)>>,
}

/// How long a cell pauses.
#[derive(Clone, Copy, Debug)]
pub struct PauseLengths {
    /// Within this window most pauses lie: around an origin's own timeout.
    pub from: Duration,
    pub to: Duration,
}

impl PauseLengths {
    /// Three in four within the window, the others anything shorter.
    fn draw(&self) -> Duration {
        let share = fastrand::f64();
        if fastrand::u8(..4) > 0 { self.from + (self.to - self.from).mul_f64(share) } else { self.from.mul_f64(share) }
    }
}

impl Paused {
    pub fn new(address: SocketAddr, cells: u32, total: u64, pause: PauseLengths) -> Paused {
        let now = Instant::now();
        // The first ones spread out, so that no origin gets all its connections at once.
        let due = (0..cells).map(|cell| Reverse((now + pause.from.mul_f64(fastrand::f64()), cell))).collect();
        Paused { address, total, sent: 0, post_every: 5, pause, due }
    }
}

impl Script for Paused {
    fn next(&mut self, now: Instant, _: usize) -> Step {
        if self.sent == self.total {
            return Step::End;
        }
        let Some(Reverse((due, cell))) = self.due.peek().copied() else { return Step::Room };
        if due > now {
            return Step::Wait(due);
        }
        self.due.pop();
        self.sent += 1;
        Step::Send(Shot {
            number: self.sent,
            address: self.address,
            lane: Some(cell),
            post: self.sent.is_multiple_of(self.post_every).then_some(100),
            prefix: format!("/c{cell}/"),
            length: 200,
            wishes: "&plain=1".into(),
        })
    }

    fn ended(&mut self, lane: Option<u32>, now: Instant) {
        if let Some(cell) = lane {
            self.due.push(Reverse((now + self.pause.draw(), cell)));
        }
    }
}
