//! One attempt at one endpoint: the request goes up, the response comes down, both at once and each at the pace of its slower side.
//!
//! Generic over both connections, so that tests run it over pipes in memory. Everything that can be done in a turn of the event loop is
//! done, then the earliest deadline is set and the task sleeps.

mod deadline;
mod deliver;
mod download;
mod upload;

use super::buffers::Buffers;
use super::shape::Extras;
use crate::failure::Failure;
use crate::http::body::Body;
use crate::http::clock::Moment;
use crate::http::method::Method;
use crate::http::transport::Downstream;
use crate::policy::Policies;
use crate::table::{ClientLimits, Timeouts};
use crate::upstream::InFlight;
use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes a client may send ahead of its next request's turn.
const AHEAD_BYTES_MAX: usize = 8 * 1024;
/// Rounds of reading and writing before other tasks get a turn.
const ROUNDS_MAX: usize = 16;

/// The request as it goes up, and what is known of the client.
pub struct Outbound<'a> {
    /// The head as rewritten, then what of the body was there with it.
    pub message: &'a mut Vec<u8>,
    /// The rest of the body.
    pub body: &'a mut Body,
    /// What the client sent beyond this request.
    pub ahead: &'a mut Vec<u8>,
    /// Where the request is counted until its response is whole.
    pub in_flight: Option<&'a mut InFlight>,
    pub method: Method,
    /// The client speaks HTTP/1.`minor`.
    pub minor: u8,
    /// The client's connection may be used again.
    pub keep: bool,
    /// The gateway stops: this response is the connection's last.
    pub draining: &'a Cell<bool>,
    /// What only some requests have.
    pub extras: Option<&'a Extras>,
    /// What the route does to its responses; nothing on most.
    pub policies: Option<&'a Policies>,
    /// The client waits for a 100 before it sends the body; false once it has got one.
    pub expects_continue: &'a mut bool,
    pub max_body: u64,
    /// Told the status of the response before anything of it is delivered: true gives the response up for another attempt.
    pub answers: &'a mut dyn FnMut(u16, Moment) -> bool,
}

/// What bounds the exchange in time.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    pub timeouts: &'a Timeouts,
    pub limits: &'a ClientLimits,
    /// The end of the whole exchange.
    pub deadline: Moment,
}

/// How an attempt came out.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The response was delivered whole.
    Delivered,
    /// The endpoint switched protocols; both connections are a tunnel now.
    Switched,
    /// The response is not delivered: another attempt is made.
    Declined,
}

/// The state of one attempt. Its public fields are what is known afterwards, whatever the outcome.
pub struct Relay<'a, C, U> {
    client: &'a mut C,
    upstream: &'a mut U,
    buffers: &'a Buffers,
    bounds: Bounds<'a>,
    out: Outbound<'a>,
    /// Bytes of `out.message` that the endpoint has taken.
    pub sent: usize,
    /// The endpoint takes no more of the request.
    upload_failed: bool,
    /// It did not take all at once.
    blocked: bool,
    /// Bytes came from the endpoint that were no part of this exchange, or its connection is at its end.
    pub spoiled: bool,
    /// The status delivered, 0 before.
    pub status: u16,
    /// When the final response's head came.
    pub head_at: Option<Moment>,
    /// Something of the response went to the client.
    pub begun: bool,
    /// A byte came from the endpoint.
    pub heard: bool,
    /// The client's connection may be used again.
    pub keep: bool,
    informational: u8,
    /// An incomplete head.
    held: Vec<u8>,
    response: Option<Body>,
    /// What the client has not taken yet.
    pending: Vec<u8>,
    delivered: usize,
    switched: bool,
    declined: bool,
    upstream_active: Moment,
    client_sent: Moment,
    client_took: Moment,
    rate_since: Moment,
    rate_bytes: u64,
}

impl<'a, C: Downstream, U: AsyncRead + AsyncWrite + Unpin> Relay<'a, C, U> {
    pub fn new(
        client: &'a mut C,
        upstream: &'a mut U,
        buffers: &'a Buffers,
        bounds: Bounds<'a>,
        out: Outbound<'a>,
    ) -> Self {
        let now = client.now();
        let keep = out.keep;
        Relay {
            client,
            upstream,
            buffers,
            bounds,
            out,
            sent: 0,
            upload_failed: false,
            blocked: false,
            spoiled: false,
            status: 0,
            head_at: None,
            begun: false,
            heard: false,
            keep,
            informational: 0,
            held: Vec::new(),
            response: None,
            pending: Vec::new(),
            delivered: 0,
            switched: false,
            declined: false,
            upstream_active: now,
            client_sent: now,
            client_took: now,
            rate_since: now,
            rate_bytes: 0,
        }
    }

    /// Nothing of a final response, and no part of another message, has gone to the client: the gateway can still answer.
    pub fn is_unanswered(&self) -> bool {
        !self.begun && self.pending.is_empty()
    }

    /// Bytes of the response's body that went to the client or wait for it.
    pub fn bytes_out(&self) -> u64 {
        self.response.as_ref().map_or(0, |body| body.passed)
    }

    /// Does what can be done now.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Outcome, Failure>> {
        for _ in 0..ROUNDS_MAX {
            let up = self.upload(cx)?;
            let down = self.download(cx)?;
            if self.declined {
                return Poll::Ready(Ok(Outcome::Declined));
            }
            if self.pending.is_empty() {
                let unsent = self.sent < self.out.message.len();
                if self.switched && (!unsent || self.upload_failed) {
                    return Poll::Ready(Ok(Outcome::Switched));
                }
                if self.is_answered() {
                    // the endpoint would read the next request on this connection as the rest of this one
                    self.spoiled |= unsent;
                    return Poll::Ready(Ok(Outcome::Delivered));
                }
            }
            if !up && !down {
                if self.out.body.is_done() && !self.switched {
                    watch_client(self.client, self.buffers, self.out.ahead, cx)?;
                } else if !self.switched && self.client.has_left() {
                    // its body is not read on while the endpoint takes no more of it
                    return Poll::Ready(Err(Failure::ClientClosed));
                }
                self.wait(cx)?;
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The response is whole, or has begun on a connection that ends with it: the rest of the request is not waited for.
    fn is_answered(&self) -> bool {
        self.response.as_ref().is_some_and(Body::is_done)
    }
}

impl<C, U> Drop for Relay<'_, C, U> {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.pending));
    }
}

/// With its request sent, a client has nothing to say but its next request; if it closes, nobody waits for the response.
pub fn watch_client<C: Downstream>(
    client: &mut C,
    buffers: &Buffers,
    ahead: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Result<(), Failure> {
    while ahead.len() < AHEAD_BYTES_MAX {
        let mut scratch = buffers.scratch();
        let mut buf = ReadBuf::new(&mut scratch[..AHEAD_BYTES_MAX - ahead.len()]);
        match Pin::new(&mut *client).poll_read(cx, &mut buf) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => ahead.extend_from_slice(buf.filled()),
            Poll::Ready(_) => return Err(Failure::ClientClosed),
        }
    }
    if client.has_left() { Err(Failure::ClientClosed) } else { Ok(()) }
}
