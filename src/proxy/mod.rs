//! The life of one request, step by step: receive the head, find the route, answer or forward, finish.

mod answer;
mod buffers;
mod client;
mod exchange;
mod forward;
pub mod head;
mod receive;
mod relay;
mod respond;
mod tunnel;
mod worker;

#[cfg(test)]
mod tests;

pub use client::{Client, Peer};
pub use worker::{Clock, Snapshot, Worker};

use crate::failure::Failure;
use crate::http::clock::{Moment, Span};
use crate::http::transport::Downstream;
use crate::table::ClientLimits;
use crate::upstream::InFlight;
use receive::{Course, Reading, Received, Request};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::ReadBuf;

/// How long a client that is told to go may keep sending before its connection is closed on it.
const LINGER: Span = Span(2_000_000_000);
/// Bytes read and dropped meanwhile.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// What becomes of a client's connection.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    /// It waits for its next request, and needs no task until then.
    Park,
    Close,
}

/// A client's connection between its requests.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    pub peer: Peer,
    /// Requests it has made.
    pub served: u32,
    /// When its first head must be whole; later heads count from their first byte.
    pub deadline: Option<Moment>,
}

/// Serves the requests of a connection until nothing is left to read.
pub async fn serve<C: Downstream>(client: &mut C, standing: &mut Standing, worker: &Worker) -> After {
    let peer = standing.peer;
    let mut reading =
        Reading { held: Vec::new(), fresh: false, deadline: standing.deadline.take(), served: standing.served };
    loop {
        let mut request = match poll_fn(|cx| reading.poll(client, &peer, worker, cx)).await {
            Received::Idle => {
                (standing.served, standing.deadline) = (reading.served, reading.deadline);
                return After::Park;
            }
            Received::Gone => return After::Close,
            Received::Request(request) => request,
        };
        let snapshot = worker.snapshot();
        let Some(limits) = snapshot.table.listeners.get(usize::from(peer.listener)).map(|l| l.limits) else {
            return After::Close;
        };
        let mut keep = false;
        if let Course::Forward { .. } = request.course {
            let held = &mut reading.held;
            let outcome = {
                let mut forward = pin!(forward::forward(client, &mut request, worker, snapshot, &limits, held));
                // a defect in one request must not take the others with it
                poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| forward.as_mut().poll(cx))) {
                    Ok(poll) => poll,
                    Err(_) => Poll::Ready(Err(Failure::Internal)),
                })
                .await
            };
            reading.fresh = !reading.held.is_empty();
            // the endpoint has done its part, however long the client takes to hear of it
            request.exchange.endpoint.iter_mut().for_each(InFlight::leave);
            match outcome {
                Ok(kept) => keep = kept,
                Err(Failure::ClientClosed) => request.exchange.failure = Some(Failure::ClientClosed),
                Err(failure) if request.exchange.status == 0 => request.fail(failure),
                Err(failure) => request.exchange.failure = Some(failure),
            }
        }
        if let (Course::Answer, true) = (&request.course, request.exchange.status != 0) {
            keep = answer_client(client, &mut request, worker, &limits).await;
        }
        let farewell = farewell(&request, keep);
        worker.buffers.give(std::mem::take(&mut request.message));
        drop(request);
        match farewell {
            Farewell::None => continue,
            Farewell::Reset => client.reset_on_close(),
            Farewell::AtOnce => {
                if !reading.held.is_empty() || has_more(client, worker).await {
                    Box::pin(linger(client, worker)).await;
                }
            }
            Farewell::Slowly => Box::pin(linger(client, worker)).await,
        }
        return After::Close;
    }
}

/// How a connection ends.
enum Farewell {
    /// It does not.
    None,
    /// With what is unread, if anything, read first.
    AtOnce,
    /// The client may still be sending: it is given the time to read what it was told.
    Slowly,
    /// So that the client sees that what it got is not all, or to be rid of what it does not take.
    Reset,
}

fn farewell(request: &Request<'_>, keep: bool) -> Farewell {
    let cut = matches!(request.course, Course::Forward { .. });
    match request.exchange.failure {
        _ if keep => Farewell::None,
        Some(Failure::ClientClosed) => Farewell::AtOnce,
        Some(Failure::ClientTimeout) if cut => Farewell::Reset,
        // for HTTP/1.0 the end of the connection may be the end of the response
        Some(_) if cut && request.exchange.minor == 0 => Farewell::Reset,
        None if request.body.is_done() => Farewell::AtOnce,
        _ => Farewell::Slowly,
    }
}

/// Has the client sent more than was read? Costs no system call when it has not.
async fn has_more<C: Downstream>(client: &mut C, worker: &Worker) -> bool {
    poll_fn(|cx| {
        let mut scratch = worker.buffers.scratch();
        let mut buf = ReadBuf::new(&mut scratch[..]);
        let read = Pin::new(&mut *client).poll_read(cx, &mut buf);
        Poll::Ready(matches!(read, Poll::Ready(Ok(()))) && !buf.filled().is_empty())
    })
    .await
}

/// Writes the gateway's own answer and drops what is left of the request's body. True when the connection can be used again.
async fn answer_client<C: Downstream>(
    client: &mut C,
    request: &mut Request<'_>,
    worker: &Worker,
    limits: &ClientLimits,
) -> bool {
    let message = &request.message;
    let mut sent = 0;
    let until = client.now() + limits.send_timeout;
    let written = poll_fn(|cx| {
        while sent < message.len() {
            match Pin::new(&mut *client).poll_write(cx, &message[sent..]) {
                Poll::Ready(Ok(n)) if n > 0 => sent += n,
                Poll::Ready(_) => return Poll::Ready(false),
                Poll::Pending => return wait_until(client, until, cx).map(|()| false),
            }
        }
        Poll::Ready(true)
    })
    .await;
    request.exchange.bytes_in = request.body.passed;
    request.exchange.bytes_out = (message.len() - answer::body_start(message).min(message.len())) as u64;
    if !written {
        request.exchange.failure.get_or_insert(Failure::ClientClosed);
        return false;
    }
    request.exchange.keep && forward::drain(client, request, worker, limits).await
}

/// Pending until `until`, then ready: what ends the wait of a read or a write that is pending itself.
fn wait_until<C: Downstream>(client: &mut C, until: Moment, cx: &Context<'_>) -> Poll<()> {
    if until <= client.now() {
        return Poll::Ready(());
    }
    client.set_deadline(until, cx);
    Poll::Pending
}

/// Lets the client read the answer before the connection goes: closing with bytes unread would reset it.
async fn linger<C: Downstream>(client: &mut C, worker: &Worker) {
    let until = client.now() + LINGER;
    let mut read = 0;
    let mut told = false;
    poll_fn(|cx| {
        if !told {
            told = true;
            if Pin::new(&mut *client).poll_shutdown(cx).is_pending() {
                told = false;
            }
        }
        loop {
            let mut scratch = worker.buffers.scratch();
            let mut buf = ReadBuf::new(&mut scratch[..]);
            match Pin::new(&mut *client).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() && read < LINGER_BYTES_MAX => {
                    read += buf.filled().len()
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return wait_until(client, until, cx),
            }
        }
    })
    .await;
}
