//! Connections kept to endpoints between requests: one stack per worker thread and endpoint, last in first out.

use super::connection::Connection;
use super::endpoint::Endpoint;
use crate::http::clock::{Moment, Span};
use crate::tls::Mark;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Context;

/// A request that may not be sent twice takes only connections idle for less than this.
const SURELY_ALIVE: Span = Span(1_000_000_000);

/// Hands out the places in worker threads' tables where an endpoint's idle connections are.
#[derive(Default)]
pub struct Slots {
    free: Mutex<(Vec<u32>, u32)>,
}

impl Slots {
    pub(super) fn take(&self) -> u32 {
        let mut guard = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (free, next) = &mut *guard;
        free.pop().unwrap_or_else(|| {
            *next += 1;
            *next - 1
        })
    }

    pub(super) fn give(&self, slot: u32) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).0.push(slot);
    }
}

/// A connection between two requests.
pub struct IdleConnection {
    pub stream: Connection,
    /// Requests it has carried.
    pub requests: u32,
    pub opened: Moment,
    pub idle_since: Moment,
}

/// How long and how many idle connections are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// Per endpoint and worker thread.
    pub idle: usize,
    pub idle_timeout: Span,
    /// Requests on one connection before it is closed.
    pub requests: u32,
    pub max_age: Span,
}

struct Stack {
    /// Whose connections these are: a slot may have been another endpoint's before.
    owner: Weak<Endpoint>,
    idle_timeout: Span,
    connections: Vec<IdleConnection>,
    on_close: Box<dyn Fn()>,
}

/// One worker thread's idle connections.
#[derive(Default)]
pub struct IdleConnections {
    stacks: Vec<Option<Stack>>,
}

impl Stack {
    fn is_of(&self, endpoint: &Arc<Endpoint>) -> bool {
        std::ptr::eq(self.owner.as_ptr(), Arc::as_ptr(endpoint))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.connections.iter().for_each(|_| (self.on_close)());
    }
}

impl IdleConnections {
    /// The connection to `endpoint` used last that is still good and was made as `mark` says; those that are not are closed on the way. A
    /// request that may be sent `once` only takes none that its endpoint might be about to close.
    pub fn take(
        &mut self,
        endpoint: &Arc<Endpoint>,
        now: Moment,
        once: bool,
        mark: Mark,
        cx: &mut Context<'_>,
    ) -> Option<IdleConnection> {
        let stack = self.stacks.get_mut(endpoint.slot as usize)?.as_mut()?;
        if !stack.is_of(endpoint) || once && endpoint.is_hasty(now) {
            return None;
        }
        while let Some(idle) = stack.connections.last_mut() {
            if once && idle.idle_since + SURELY_ALIVE <= now {
                return None;
            }
            let silent = idle.stream.is_silent(cx) && !(once && idle.stream.has_spoken());
            if !silent {
                endpoint.closed_one(idle.idle_since, now);
            }
            let good = silent && idle.stream.mark() == mark && idle.idle_since + stack.idle_timeout > now;
            let idle = stack.connections.pop()?;
            if good {
                return Some(idle);
            }
            (stack.on_close)();
        }
        None
    }

    /// Keeps a connection for the next request. When there is no room the ones idle the longest are closed. `on_close` is called for each
    /// connection of this endpoint that is closed while idle.
    pub fn give(
        &mut self,
        endpoint: &Arc<Endpoint>,
        idle: IdleConnection,
        keepalive: &Keepalive,
        on_close: impl FnOnce() -> Box<dyn Fn()>,
    ) {
        let slot = endpoint.slot as usize;
        if self.stacks.len() <= slot {
            self.stacks.resize_with(slot + 1, || None);
        }
        let stack = match &mut self.stacks[slot] {
            Some(stack) if stack.is_of(endpoint) => stack,
            other => other.insert(Stack {
                owner: Arc::downgrade(endpoint),
                idle_timeout: keepalive.idle_timeout,
                connections: Vec::new(),
                on_close: on_close(),
            }),
        };
        stack.idle_timeout = keepalive.idle_timeout;
        let surplus = (stack.connections.len() + 1).saturating_sub(keepalive.idle.max(1));
        if surplus > 0 {
            stack.connections.drain(..surplus).for_each(|_| (stack.on_close)());
        }
        stack.connections.push(idle);
    }

    /// Closes what is idle for too long, was closed by its endpoint, or belongs to an endpoint that is gone.
    pub fn sweep(&mut self, now: Moment, cx: &mut Context<'_>) {
        for entry in &mut self.stacks {
            let Some(stack) = entry else { continue };
            let Some(owner) = stack.owner.upgrade() else {
                *entry = None;
                continue;
            };
            let (timeout, before) = (stack.idle_timeout, stack.connections.len());
            stack.connections.retain_mut(|idle| {
                let silent = idle.stream.is_silent(cx);
                if !silent {
                    owner.closed_one(idle.idle_since, now);
                }
                silent && idle.idle_since + timeout > now
            });
            for _ in stack.connections.len()..before {
                (stack.on_close)();
            }
        }
    }

    /// Closes them all.
    pub fn clear(&mut self) {
        self.stacks.clear();
    }
}
