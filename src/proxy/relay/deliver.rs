//! To the client: what it takes now, and what waits until it takes more.

use super::Relay;
use crate::failure::Failure;
use crate::http::transport::Downstream;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// Bodies up to this size are copied behind the head to leave in one write; larger ones are gathered.
const COPY_BYTES_MAX: usize = 8 * 1024;

impl<C: Downstream, U: AsyncRead + AsyncWrite + Unpin> Relay<'_, C, U> {
    /// Writes `head` and `rest` to the client in one go; what it does not take waits.
    pub(super) fn deliver(&mut self, mut head: Vec<u8>, mut rest: &[u8], cx: &mut Context<'_>) -> Result<(), Failure> {
        if self.is_answered() {
            self.out.in_flight.iter_mut().for_each(|counted| counted.leave());
        }
        if rest.len() <= COPY_BYTES_MAX && !head.is_empty() {
            head.extend_from_slice(rest);
            rest = b"";
        }
        let mut taken = 0;
        // bytes that wait go first
        while self.pending.is_empty() && taken < head.len() + rest.len() {
            let written = if taken >= head.len() {
                Pin::new(&mut *self.client).poll_write(cx, &rest[taken - head.len()..])
            } else if rest.is_empty() {
                Pin::new(&mut *self.client).poll_write(cx, &head[taken..])
            } else {
                let parts = [IoSlice::new(&head[taken..]), IoSlice::new(rest)];
                Pin::new(&mut *self.client).poll_write_vectored(cx, &parts)
            };
            match written {
                Poll::Pending => break,
                Poll::Ready(Ok(n)) if n > 0 => taken += n,
                Poll::Ready(_) => return Err(Failure::ClientClosed),
            }
            self.begun |= self.status != 0;
        }
        if taken < head.len() + rest.len() {
            self.client_took = self.client.now();
            let in_head = taken.min(head.len());
            self.pending.extend_from_slice(&head[in_head..]);
            self.pending.extend_from_slice(&rest[taken - in_head..]);
        }
        if head.capacity() > 0 {
            self.buffers.give(head);
        }
        Ok(())
    }

    /// Writes what waits. True when nothing waits any more.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        while self.delivered < self.pending.len() {
            match Pin::new(&mut *self.client).poll_write(cx, &self.pending[self.delivered..]) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(n)) if n > 0 => {
                    self.delivered += n;
                    self.begun |= self.status != 0;
                    self.client_took = self.client.now();
                }
                Poll::Ready(_) => return Err(Failure::ClientClosed),
            }
        }
        self.pending.clear();
        self.delivered = 0;
        // the endpoint was not listened to meanwhile: its silence counts from here
        self.upstream_active = self.client.now();
        Ok(true)
    }
}
