//! How a client's connection ends, or goes on when its request was not read to the end.

use super::request::{Course, Request};
use super::wait_until;
use super::worker::Worker;
use crate::failure::Failure;
use crate::http::clock::Span;
use crate::http::transport::Downstream;
use crate::table::ClientLimits;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use tokio::io::ReadBuf;

/// How long a client that is told to go may keep sending before its connection is closed on it.
const LINGER: Span = Span(2_000_000_000);
/// Bytes read and dropped meanwhile.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// How long the rest of a body that nobody wants is waited for, so that the connection can be kept.
const DRAIN: Span = Span(10_000_000_000);

/// How a connection ends.
pub enum Farewell {
    /// It does not.
    None,
    /// With what is unread, if anything, read first.
    AtOnce,
    /// The client may still be sending: it is given the time to read what it was told.
    Slowly,
    /// So that the client sees that what it got is not all, or to be rid of what it does not take.
    Reset,
}

pub fn farewell(request: &Request<'_>, keep: bool) -> Farewell {
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
pub async fn has_more<C: Downstream>(client: &mut C, worker: &Worker) -> bool {
    poll_fn(|cx| {
        let mut scratch = worker.buffers.scratch();
        let mut buf = ReadBuf::new(&mut scratch[..]);
        let read = Pin::new(&mut *client).poll_read(cx, &mut buf);
        Poll::Ready(matches!(read, Poll::Ready(Ok(()))) && !buf.filled().is_empty())
    })
    .await
}

/// Reads and drops what is left of a request's body. False when that fails or takes too long.
pub async fn drain<C: Downstream>(
    client: &mut C,
    request: &mut Request<'_>,
    worker: &Worker,
    limits: &ClientLimits,
) -> bool {
    let until = client.now() + limits.body_timeout.min(DRAIN);
    poll_fn(|cx| {
        while !request.body.is_done() {
            let left = request.body.left().unwrap_or(0);
            let mut scratch = worker.buffers.scratch();
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(scratch.len());
            let mut buf = ReadBuf::new(&mut scratch[..room]);
            match Pin::new(&mut *client).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => request.body.pass_plain(buf.filled().len()),
                Poll::Ready(_) => return Poll::Ready(false),
                Poll::Pending => return wait_until(client, until, cx).map(|()| false),
            }
        }
        Poll::Ready(true)
    })
    .await
}

/// Lets the client read the answer before the connection goes: closing with bytes unread would reset it.
pub async fn linger<C: Downstream>(client: &mut C, worker: &Worker) {
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
