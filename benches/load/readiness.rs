//! Which sockets have something to do: an edge-triggered epoll set and a wait that is exact to microseconds.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 512;

/// A set of sockets, each under a number of its owner's choice.
pub struct Readiness {
    set: OwnedFd,
    events: Vec<epoll::Event>,
}

/// One socket that became readable or writable, or was closed by its peer.
#[derive(Clone, Copy)]
pub struct Ready {
    pub token: usize,
    /// The peer has closed: a read that comes up short is not the last one.
    pub hangup: bool,
}

impl Readiness {
    pub fn new() -> io::Result<Readiness> {
        Ok(Readiness { set: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Reports every change of a socket, in either direction, until it is closed.
    pub fn add_edges(&self, socket: impl AsFd, token: usize) -> io::Result<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        Ok(epoll::add(&self.set, socket, epoll::EventData::new_u64(token as u64), flags)?)
    }

    /// Reports a listening socket for as long as somebody waits to be accepted.
    pub fn add_listener(&self, socket: impl AsFd, token: usize) -> io::Result<()> {
        Ok(epoll::add(&self.set, socket, epoll::EventData::new_u64(token as u64), epoll::EventFlags::IN)?)
    }

    /// Waits for events, at most for so long. epoll's own timeout counts in milliseconds, too coarse for a request that
    /// is due in 160 µs, so a short wait is a poll of the set itself.
    pub fn wait(&mut self, at_most: Option<Duration>) -> io::Result<impl Iterator<Item = Ready> + use<>> {
        let mut timeout = at_most.map(timespec);
        if let Some(short) = timeout.as_mut().filter(|timeout| timeout.tv_sec == 0 && timeout.tv_nsec < COARSE_NS) {
            retry(|| poll(&mut [PollFd::new(&self.set, PollFlags::IN)], Some(short)))?;
            short.tv_nsec = 0;
        }
        self.events.clear();
        retry(|| epoll::wait(&self.set, spare_capacity(&mut self.events), timeout.as_ref()))?;
        let ready: Vec<Ready> = self.events.iter().map(ready).collect();
        Ok(ready.into_iter())
    }
}

/// Waits at least this long are left to epoll and its milliseconds.
const COARSE_NS: i64 = 10_000_000;

fn timespec(duration: Duration) -> Timespec {
    let whole = if duration.as_nanos() < COARSE_NS as u128 { 1 } else { 1_000_000 };
    Timespec { tv_sec: duration.as_secs() as i64, tv_nsec: i64::from(duration.subsec_nanos()) / whole * whole }
}

fn ready(event: &epoll::Event) -> Ready {
    let (flags, data) = (event.flags, event.data);
    let gone = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
    Ready { token: data.u64() as usize, hangup: flags.intersects(gone) }
}

/// A signal is no reason to give up a wait.
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
