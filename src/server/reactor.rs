//! The worker's clients: one edge-triggered epoll set, one small slot a connection, one deadline each.
//!
//! A connection is not a task. Between requests it is a slot and nothing else; when it becomes readable a task is made for its request,
//! which ends when the request does. The epoll set itself is watched by tokio like any descriptor, so both wait in one place.

use super::line::Line;
use super::socket::Socket;
use crate::http::clock::{Moment, Span};
use crate::proxy::{Peer, Standing, Worker};
use crate::telemetry::HandshakeResult;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// Deadlines are kept to within this much, and a thousandth of it for each connection.
const GRANULARITY: Span = Span(20_000_000);

/// The worker's clients.
pub struct Reactor {
    epoll: AsyncFd<OwnedFd>,
    slots: RefCell<Slots>,
    pub worker: Rc<Worker>,
    /// Connections that are open.
    open: Cell<usize>,
    emptied: Notify,
    /// How long a connection may wait for its next request, whatever its own deadline; set when the gateway stops.
    grace: Cell<Option<Span>>,
    /// When deadlines are looked at next.
    next_sweep: Cell<Moment>,
    earlier: Notify,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// One connection. Small: ten thousand idle ones are what a gateway holds.
struct Slot {
    /// The connection while it is parked; its task has it otherwise.
    parked: Option<Line>,
    waker: Option<Waker>,
    deadline: Moment,
    peer: Peer,
    served: u32,
    readable: bool,
    /// The client has closed its side, or the connection failed: reading leads to the end.
    ended: bool,
    used: bool,
}

impl Reactor {
    pub fn new(worker: Rc<Worker>) -> io::Result<Reactor> {
        Ok(Reactor {
            epoll: super::readiness::readable(epoll::create(CreateFlags::CLOEXEC)?)?,
            slots: RefCell::default(),
            worker,
            open: Cell::new(0),
            emptied: Notify::new(),
            grace: Cell::new(None),
            next_sweep: Cell::new(Moment::NEVER),
            earlier: Notify::new(),
        })
    }

    /// Takes over a new connection. Its first head must be whole by `deadline`.
    pub fn add(&self, socket: OwnedFd, peer: Peer, deadline: Moment) -> io::Result<()> {
        let mut slots = self.slots.borrow_mut();
        let index = match slots.free.last() {
            Some(index) => *index,
            None => slots.slots.len() as u32,
        };
        let deadline = deadline.min(self.parting());
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(self.epoll.get_ref(), &socket, EventData::new_u64(u64::from(index)), flags)?;
        let slot = Slot {
            parked: Some(Line::new(socket)),
            waker: None,
            deadline,
            peer,
            served: 0,
            readable: false,
            ended: false,
            used: true,
        };
        if slots.free.pop().is_some() {
            slots.slots[index as usize] = slot;
        } else {
            slots.slots.push(slot);
        }
        drop(slots);
        self.open.set(self.open.get() + 1);
        self.expect(deadline);
        Ok(())
    }

    /// Waits for events for ever: wakes the tasks they are for, and makes one for each parked connection that became readable.
    pub async fn run(self: Rc<Self>, mut start: impl FnMut(Socket, Standing)) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let mut ready = self.epoll.readable().await?;
            self.worker.clock.tick();
            loop {
                events.clear();
                let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
                let spare = rustix::buffer::spare_capacity(&mut events);
                match epoll::wait(self.epoll.get_ref(), spare, Some(&now)) {
                    Ok(_) => {}
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(e) => return Err(e.into()),
                }
                for event in &events {
                    let (index, flags) = (event.data.u64() as u32, event.flags);
                    if let Some((socket, standing)) = self.dispatch(index, flags) {
                        start(socket, standing);
                    }
                }
                if events.len() < EVENTS {
                    break;
                }
            }
            ready.clear_ready();
        }
    }

    /// Notes an event. The socket of a parked connection that has something to read.
    fn dispatch(self: &Rc<Self>, index: u32, flags: EventFlags) -> Option<(Socket, Standing)> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.slots.get_mut(index as usize)?;
        let end = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        slot.readable |= end || flags.contains(EventFlags::IN);
        slot.ended |= end;
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
        if !slot.readable {
            return None;
        }
        let line = slot.parked.take()?;
        // a first head that begins in the grace has as long as any other
        let deadline = (slot.served == 0 && self.grace.get().is_none()).then_some(slot.deadline);
        let standing = Standing { peer: slot.peer, served: slot.served, deadline };
        Some((Socket::new(Rc::clone(self), index, line), standing))
    }

    /// Connections that wait for a request wait this long at most from now on, also those that come to wait later.
    pub fn hurry(&self, grace: Span) {
        self.grace.set(Some(grace));
        self.worker.clock.tick();
        let parting = self.parting();
        for slot in self.slots.borrow_mut().slots.iter_mut().filter(|s| s.parked.is_some()) {
            slot.deadline = slot.deadline.min(parting);
        }
        self.expect(parting);
    }

    /// When a connection that waits from now on is closed at the latest.
    fn parting(&self) -> Moment {
        self.grace.get().map_or(Moment::NEVER, |grace| self.worker.clock.now() + grace)
    }

    /// Until no connection is open.
    pub async fn emptied(&self) {
        while self.open.get() > 0 {
            self.emptied.notified().await;
        }
    }

    pub(super) fn is_readable(&self, index: u32) -> bool {
        self.slots.borrow().slots.get(index as usize).is_some_and(|s| s.readable)
    }

    pub(super) fn has_ended(&self, index: u32) -> bool {
        self.slots.borrow().slots.get(index as usize).is_some_and(|s| s.ended)
    }

    /// Wakes `waker` with the next event. `drained`: what the kernel had has been read.
    pub(super) fn wait(&self, index: u32, drained: bool, waker: &Waker) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.slots.get_mut(index as usize) else { return };
        slot.readable &= !drained;
        slot.wake_with(waker);
    }

    /// Less came than was asked for: the kernel has no more, unless the end follows.
    pub(super) fn read_short(&self, index: u32) {
        if let Some(slot) = self.slots.borrow_mut().slots.get_mut(index as usize) {
            slot.readable = slot.ended;
        }
    }

    pub(super) fn set_deadline(&self, index: u32, at: Moment, waker: &Waker) {
        if let Some(slot) = self.slots.borrow_mut().slots.get_mut(index as usize) {
            slot.deadline = at;
            slot.wake_with(waker);
        }
        self.expect(at);
    }

    /// The connection waits for its next request until `deadline`.
    pub(super) fn park(&self, index: u32, line: Line, served: u32, deadline: Moment) {
        let deadline = deadline.min(self.parting());
        if let Some(slot) = self.slots.borrow_mut().slots.get_mut(index as usize) {
            (slot.parked, slot.waker, slot.served, slot.deadline) = (Some(line), None, served, deadline);
        }
        self.expect(deadline);
    }

    /// The connection's task is over, and its socket closed.
    pub(super) fn release(&self, index: u32) {
        let peer = self.slots.borrow_mut().free(index);
        self.count_closed(peer);
    }

    fn count_closed(&self, peer: Option<Peer>) {
        let Some(peer) = peer else { return };
        if let Some(listener) = self.worker.snapshot().table.listener(peer.listener) {
            listener.stats.closed(self.worker.number);
        }
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0 {
            self.emptied.notify_one();
        }
    }

    /// Closes the parked connections that `which` says, at most `most` of them. How many those were.
    fn close_parked(&self, most: usize, which: impl Fn(&Slot) -> bool) -> usize {
        let mut closed = Vec::new();
        let mut silent = Vec::new();
        {
            let mut slots = self.slots.borrow_mut();
            for index in 0..slots.slots.len() {
                if closed.len() == most {
                    break;
                }
                let slot = &mut slots.slots[index];
                if slot.parked.is_some() && which(slot) {
                    if slot.served == 0 && slot.parked.take().is_some_and(|line| line.tls.is_none()) {
                        silent.push(slot.peer.listener);
                    }
                    slot.parked = None;
                    closed.push(slots.free(index as u32));
                }
            }
        }
        for listener in silent {
            self.count_silent(listener);
        }
        closed.into_iter().map(|peer| self.count_closed(peer)).count()
    }

    /// A client has said nothing in its time; where the listener speaks TLS, that is how its handshake ended.
    fn count_silent(&self, listener: u16) {
        if let Some(listener) = self.worker.snapshot().table.listener(listener).filter(|listener| listener.secure) {
            listener.stats.handshake(self.worker.number, HandshakeResult::Timeout, None);
        }
    }

    /// Closes some connections that only wait for a next request, to make room for those that have one. How many.
    pub fn close_some_idle(&self, most: usize) -> usize {
        self.close_parked(most, |slot| slot.served > 0)
    }

    /// A deadline was set: look at it in time.
    fn expect(&self, deadline: Moment) {
        if deadline < self.next_sweep.get() {
            self.next_sweep.set(deadline);
            self.earlier.notify_one();
        }
    }

    /// Keeps the deadlines for ever: closes parked connections and wakes tasks whose time is up.
    pub async fn keep_deadlines(&self) {
        loop {
            let due = self.next_sweep.get();
            let wait = due.since(self.worker.clock.now()).max(Duration::from_nanos(self.granularity().0));
            if due == Moment::NEVER {
                self.earlier.notified().await;
                continue;
            }
            // a deadline that is set earlier meanwhile is kept a little late rather than with another timer
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.earlier.notified() => continue,
            }
            self.worker.clock.tick();
            self.sweep(self.worker.clock.now());
        }
    }

    fn granularity(&self) -> Span {
        if self.grace.get().is_some() {
            // nobody comes any more, and a stop is waited for
            return GRANULARITY;
        }
        Span(GRANULARITY.0 + self.slots.borrow().slots.len() as u64 * (GRANULARITY.0 / 1000))
    }

    fn sweep(&self, now: Moment) {
        let mut next = Moment::NEVER;
        for slot in self.slots.borrow_mut().slots.iter_mut().filter(|s| s.used) {
            if slot.deadline <= now && slot.parked.as_ref().is_some_and(Line::has_unread) {
                // closed now it would be reset: the request that came last is served, its event is on the way
                slot.deadline = now + GRANULARITY;
            }
            if slot.deadline > now {
                next = next.min(slot.deadline);
            } else if slot.parked.is_none() {
                slot.deadline = Moment::NEVER;
                if let Some(waker) = slot.waker.take() {
                    waker.wake();
                }
            }
        }
        self.next_sweep.set(next);
        self.close_parked(usize::MAX, |slot| slot.deadline <= now);
    }
}

impl Slot {
    fn wake_with(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }
}

impl Slots {
    fn free(&mut self, index: u32) -> Option<Peer> {
        let slot = self.slots.get_mut(index as usize).filter(|s| s.used)?;
        slot.used = false;
        slot.waker = None;
        self.free.push(index);
        Some(slot.peer)
    }
}
