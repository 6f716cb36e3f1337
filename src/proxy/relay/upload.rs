//! The way up: the request's head, then its body as it comes.

use super::Relay;
use crate::failure::Failure;
use crate::http::transport::Downstream;
use crate::proxy::buffers::READ_BYTES;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

impl<C: Downstream, U: AsyncRead + AsyncWrite + Unpin> Relay<'_, C, U> {
    /// Sends what of the request can be sent. True when there may be more to do.
    pub(super) fn upload(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        if self.upload_failed {
            return Ok(false);
        }
        if self.sent < self.out.message.len() {
            match Pin::new(&mut *self.upstream).poll_write(cx, &self.out.message[self.sent..]) {
                Poll::Pending => {
                    self.blocked = true;
                    return Ok(false);
                }
                Poll::Ready(Ok(n)) if n > 0 => {
                    self.sent += n;
                    self.upstream_active = self.client.now();
                    if self.sent < self.out.message.len() {
                        return Ok(true);
                    }
                    if std::mem::take(&mut self.blocked) {
                        // the endpoint was waited for; from here on it is the client again
                        self.client_sent = self.upstream_active;
                        self.rate_since = self.upstream_active;
                        self.rate_bytes = 0;
                    }
                }
                // the endpoint may have answered before it closed: what it said is read first
                Poll::Ready(_) => {
                    self.upload_failed = true;
                    self.spoiled = true;
                    return Ok(true);
                }
            }
        }
        if self.out.body.is_done() || self.is_answered() {
            return Ok(false);
        }
        if *self.out.expects_continue && self.response.is_none() {
            *self.out.expects_continue = false;
            let now: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
            self.deliver(Vec::new(), now, cx)?;
        }
        self.take_body(cx)
    }

    /// Reads a piece of the request's body and sends it on.
    fn take_body(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        let buffers = self.buffers;
        let mut scratch = buffers.scratch();
        // no further than the body goes, where that is known: what follows is the next request's
        let room = match self.out.body.plain_bytes() {
            0 => READ_BYTES,
            left => usize::try_from(left).unwrap_or(READ_BYTES).min(READ_BYTES),
        };
        let mut buf = ReadBuf::new(&mut scratch[..room]);
        match Pin::new(&mut *self.client).poll_read(cx, &mut buf) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(_)) => return Err(Failure::ClientClosed),
            Poll::Ready(Ok(())) if buf.filled().is_empty() => return Err(Failure::ClientClosed),
            Poll::Ready(Ok(())) => {}
        }
        let bytes = buf.filled();
        self.client_sent = self.client.now();
        self.rate_bytes += bytes.len() as u64;
        // the message has gone whole, and with bytes beyond it the request cannot be sent again
        self.out.message.clear();
        self.sent = 0;
        if self.out.body.plain_bytes() > 0 {
            self.out.body.pass_plain(bytes.len());
            self.check_size()?;
            let taken = match Pin::new(&mut *self.upstream).poll_write(cx, bytes) {
                Poll::Pending => 0,
                Poll::Ready(Ok(n)) if n > 0 => n,
                Poll::Ready(_) => {
                    self.upload_failed = true;
                    self.spoiled = true;
                    return Ok(true);
                }
            };
            self.upstream_active = self.client_sent;
            self.blocked = taken < bytes.len();
            self.out.message.extend_from_slice(&bytes[taken..]);
        } else {
            let used = self.out.body.take(bytes, self.out.message).map_err(|_| Failure::BadRequest)?;
            self.out.ahead.extend_from_slice(&bytes[used..]);
            self.check_size()?;
        }
        Ok(true)
    }

    fn check_size(&self) -> Result<(), Failure> {
        if self.out.body.passed > self.out.max_body { Err(Failure::BodyTooLarge) } else { Ok(()) }
    }
}
