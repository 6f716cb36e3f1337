//! A tunnel: after a 101, bytes both ways until both sides have closed, or neither has spoken for too long.

use super::buffers::{Buffers, READ_BYTES};
use crate::failure::Failure;
use crate::http::clock::{Moment, Span};
use crate::http::transport::Downstream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Rounds before other tasks get a turn.
const ROUNDS_MAX: usize = 16;

/// Both directions of a tunnel.
pub struct Tunnel<'a, C, U> {
    client: &'a mut C,
    upstream: &'a mut U,
    buffers: &'a Buffers,
    /// Longest silence of both sides.
    idle: Span,
    up: Direction,
    down: Direction,
    active: Moment,
}

/// What one direction holds, and how far it has come.
#[derive(Default)]
struct Direction {
    pending: Vec<u8>,
    sent: usize,
    state: State,
    moved: u64,
}

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Open,
    /// The sender closed: what is held is written, then the receiver is told.
    Closing,
    Closed,
}

/// Whose connection failed, seen from one direction.
enum Lost {
    Sender,
    Receiver,
}

impl<'a, C: Downstream, U: AsyncRead + AsyncWrite + Unpin> Tunnel<'a, C, U> {
    /// A tunnel; `early` is what the client sent before the switch.
    pub fn new(client: &'a mut C, upstream: &'a mut U, buffers: &'a Buffers, idle: Span, early: Vec<u8>) -> Self {
        let active = client.now();
        let up = Direction { moved: early.len() as u64, pending: early, ..Direction::default() };
        Tunnel { client, upstream, buffers, idle, up, down: Direction::default(), active }
    }

    /// Bytes from the client and to it.
    pub fn moved(&self) -> (u64, u64) {
        (self.up.moved, self.down.moved)
    }

    /// Moves what can be moved now; ready when both sides have closed.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        for _ in 0..ROUNDS_MAX {
            let up = self.up.step(self.client, self.upstream, self.buffers, cx);
            let down = self.down.step(self.upstream, self.client, self.buffers, cx);
            let moved = match (up, down) {
                (Poll::Ready(Err(Lost::Sender)), _) | (_, Poll::Ready(Err(Lost::Receiver))) => {
                    return Poll::Ready(Err(Failure::ClientClosed));
                }
                (Poll::Ready(Err(Lost::Receiver)), _) | (_, Poll::Ready(Err(Lost::Sender))) => {
                    return Poll::Ready(Err(Failure::UpstreamReset));
                }
                (up, down) => up.is_ready() || down.is_ready(),
            };
            if self.up.state == State::Closed && self.down.state == State::Closed {
                return Poll::Ready(Ok(()));
            }
            if !moved {
                return self.wait(cx);
            }
            self.active = self.client.now();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wait(&mut self, cx: &Context<'_>) -> Poll<Result<(), Failure>> {
        let end = self.active + self.idle;
        if end <= self.client.now() {
            return Poll::Ready(Err(Failure::UpstreamTimeout));
        }
        self.client.set_deadline(end, cx);
        Poll::Pending
    }
}

impl Direction {
    /// One step: ready when something moved.
    fn step<R, W>(
        &mut self,
        from: &mut R,
        to: &mut W,
        buffers: &Buffers,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Lost>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.sent < self.pending.len() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.pending[self.sent..]));
            let n = written.ok().filter(|n| *n > 0).ok_or(Lost::Receiver)?;
            self.sent += n;
            return Poll::Ready(Ok(()));
        }
        if !self.pending.is_empty() {
            self.pending = Vec::new();
            self.sent = 0;
        }
        match self.state {
            State::Closed => Poll::Pending,
            State::Closing => {
                // the receiver may be gone already; then there is nothing to tell it
                let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                self.state = State::Closed;
                Poll::Ready(Ok(()))
            }
            State::Open => {
                let mut scratch = buffers.scratch();
                let mut buf = ReadBuf::new(&mut scratch[..READ_BYTES]);
                ready!(Pin::new(&mut *from).poll_read(cx, &mut buf)).map_err(|_| Lost::Sender)?;
                let bytes = buf.filled();
                if bytes.is_empty() {
                    self.state = State::Closing;
                    return Poll::Ready(Ok(()));
                }
                self.moved += bytes.len() as u64;
                let n = match Pin::new(&mut *to).poll_write(cx, bytes) {
                    Poll::Ready(Ok(n)) if n > 0 => n,
                    Poll::Pending => 0,
                    Poll::Ready(_) => return Poll::Ready(Err(Lost::Receiver)),
                };
                self.pending.extend_from_slice(&bytes[n..]);
                Poll::Ready(Ok(()))
            }
        }
    }
}
