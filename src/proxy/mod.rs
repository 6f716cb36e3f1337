//! The life of one request, step by step: receive the head, find the route, answer or forward, finish.

mod answer;
mod arrival;
mod asked;
mod attempt;
mod buffers;
mod client;
mod connect;
mod dispatch;
mod exchange;
mod fail;
mod farewell;
mod forward;
pub mod head;
mod receive;
mod request;
pub mod rehearse;
mod relay;
mod respond;
mod shape;
mod tunnel;
mod worker;

#[cfg(test)]
mod tests;

pub use client::{Client, Peer};
pub use worker::{Clock, Snapshot, Worker};

use crate::failure::Failure;
use crate::http::clock::Moment;
use crate::http::transport::Downstream;
use crate::table::ClientLimits;
use crate::upstream::InFlight;
pub use farewell::linger;
use farewell::{Farewell, drain, farewell, has_more};
use receive::{Reading, Received};
use request::{Course, Request};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

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
        let mut slot = None;
        match poll_fn(|cx| reading.poll(client, &peer, worker, &mut slot, cx)).await {
            Received::Idle => {
                (standing.served, standing.deadline) = (reading.served, reading.deadline);
                return After::Park;
            }
            Received::Gone => return After::Close,
            Received::Request => {}
        }
        let Some(request) = &mut slot else { return After::Close };
        let began_with = request.exchange.in_table();
        let Some(limits) = began_with.and_then(|(s, _)| s.table.listener(peer.listener).map(|l| l.limits)) else {
            return After::Close;
        };
        let mut keep = false;
        if let Course::Forward { .. } = request.course {
            let held = &mut reading.held;
            let outcome = {
                let mut forward = pin!(forward::forward(client, request, worker, &limits, held));
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
            keep = answer_client(client, request, worker, &limits).await;
        }
        let farewell = farewell(request, keep);
        worker.buffers.give(std::mem::take(&mut request.message));
        request.exchange.over = true;
        drop(slot);
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
    request.exchange.keep && drain(client, request, worker, limits).await
}

/// Pending until `until`, then ready: what ends the wait of a read or a write that is pending itself.
fn wait_until<C: Downstream>(client: &mut C, until: Moment, cx: &Context<'_>) -> Poll<()> {
    if until <= client.now() {
        return Poll::Ready(());
    }
    client.set_deadline(until, cx);
    Poll::Pending
}
