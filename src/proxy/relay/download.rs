//! The way down: response heads, then the body as it comes.

use super::Relay;
use crate::failure::Failure;
use crate::http::body::{Body, Encoding};
use crate::http::framing::Framing;
use crate::http::request::Parsed;
use crate::http::response::{ResponseHead, Space};
use crate::http::transport::Downstream;
use crate::http::{HeadLimits, ends_in};
use crate::proxy::buffers::READ_BYTES;
use crate::proxy::receive::DRAIN_BYTES_MAX;
use crate::proxy::respond::{self, Departure};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Informational responses passed on before the final one.
const INFORMATIONAL_MAX: u8 = 16;

impl<'a, C: Downstream, U: AsyncRead + AsyncWrite + Unpin> Relay<'a, C, U> {
    /// Delivers what waits, reads a piece of the response. True when there may be more to do.
    pub(super) fn download(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        if !self.pending.is_empty() && !self.flush(cx)? {
            return Ok(false);
        }
        if self.switched || self.is_answered() {
            return Ok(false);
        }
        let buffers = self.buffers;
        let mut scratch = buffers.scratch();
        let held = self.held.len();
        scratch[..held].copy_from_slice(&self.held);
        let mut buf = ReadBuf::new(&mut scratch[held..held + READ_BYTES]);
        match Pin::new(&mut *self.upstream).poll_read(cx, &mut buf) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(_)) => return Err(Failure::UpstreamReset),
            Poll::Ready(Ok(())) => {}
        }
        let n = buf.filled().len();
        self.upstream_active = self.client.now();
        if n == 0 {
            return self.upstream_closed(cx);
        }
        self.heard = true;
        let bytes = &scratch[..held + n];
        if self.response.is_some() {
            self.pass(bytes, cx)?
        } else {
            self.take_heads(bytes, cx)?
        };
        Ok(true)
    }

    fn upstream_closed(&mut self, cx: &mut Context<'_>) -> Result<bool, Failure> {
        self.spoiled = true;
        let Some(body) = &mut self.response else { return Err(Failure::UpstreamReset) };
        let mut end = Vec::new();
        if !body.close(&mut end) {
            return Err(Failure::UpstreamReset);
        }
        self.deliver(end, b"", cx)?;
        Ok(true)
    }

    /// Takes response heads off the front of `bytes`: informational ones, then the final one with what of its body is there.
    fn take_heads(&mut self, mut bytes: &[u8], cx: &mut Context<'_>) -> Result<(), Failure> {
        let seen = self.held.len();
        if seen > 0 && !ends_in(bytes, seen) && bytes.len() < HeadLimits::RESPONSE.size {
            self.held.extend_from_slice(&bytes[seen..]);
            return Ok(());
        }
        let mut out = self.buffers.take();
        loop {
            let mut space = Space::new();
            let parsed = ResponseHead::parse(bytes, &mut space, self.out.method).map_err(|_| Failure::BadResponse)?;
            let Parsed::Whole(head) = parsed else {
                self.held.clear();
                self.held.extend_from_slice(bytes);
                return self.deliver(out, b"", cx);
            };
            let rest = &bytes[head.len..];
            match head.status {
                101 => {
                    let protocol = self.switch(&head)?;
                    respond::write_switch(&head, protocol, &mut out);
                    self.status = 101;
                    self.head_at = Some(self.upstream_active);
                    (self.out.answers)(101, self.upstream_active);
                    self.switched = true;
                    self.held = Vec::new();
                    return self.deliver(out, rest, cx);
                }
                100..=199 => {
                    self.informational += 1;
                    if self.informational > INFORMATIONAL_MAX {
                        return Err(Failure::BadResponse);
                    }
                    // a 100 is the gateway's own business; HTTP/1.0 knows none of them
                    if head.status != 100 && self.out.minor == 1 {
                        respond::write_informational(&head, &mut out);
                    }
                    bytes = rest;
                }
                _ => return self.begin(&head, rest, out, cx),
            }
        }
    }

    /// The protocol switched to, if the client asked for it.
    fn switch(&self, head: &ResponseHead<'_, '_>) -> Result<&'a [u8], Failure> {
        match (self.out.extras.and_then(|extras| extras.upgrade.as_deref()), head.upgrade) {
            (Some(asked), Some(got)) if asked.eq_ignore_ascii_case(got) => Ok(asked),
            _ => Err(Failure::BadResponse),
        }
    }

    /// Begins the final response.
    fn begin(
        &mut self,
        head: &ResponseHead<'_, '_>,
        rest: &[u8],
        mut out: Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Result<(), Failure> {
        self.status = head.status;
        self.head_at = Some(self.upstream_active);
        if (self.out.answers)(head.status, self.upstream_active) {
            self.declined = true;
            self.buffers.give(out);
            return Ok(());
        }
        // a short rest of the request is read and dropped afterwards; with more, the client had better stop sending
        let rest_is_short = self.out.body.left().is_some_and(|left| left <= DRAIN_BYTES_MAX);
        // without its 100 the client may leave the body out
        let rest_is_sure = rest_is_short && (self.out.body.is_done() || !*self.out.expects_continue);
        let keep = self.keep && rest_is_sure && !self.out.draining.get();
        let departure: Departure = respond::departure(head.framing, self.out.minor, keep);
        let start = out.len();
        let edits = self.out.extras.and_then(|extras| extras.edits(self.out.policies));
        let cookie: &[u8] = self.out.extras.map_or(b"", |extras| &extras.cookie);
        respond::write_head(head, self.out.minor, &departure, if edits.is_none() { cookie } else { b"" }, &mut out);
        if let Some(edits) = edits {
            edits.apply(&mut out, start, head.status, cookie);
        }
        self.keep = departure.keep;
        self.held = Vec::new();
        self.spoiled |= !head.keep_alive || head.framing == Framing::UntilClose;
        let mut body = Body::new(head.framing, departure.encoding);
        if departure.encoding == Encoding::Raw && !matches!(head.framing, Framing::Chunked) {
            let plain = usize::try_from(body.plain_bytes()).unwrap_or(usize::MAX).min(rest.len());
            body.pass_plain(plain);
            self.spoiled |= plain < rest.len();
            self.response = Some(body);
            self.deliver(out, &rest[..plain], cx)
        } else {
            let used = body.take(rest, &mut out).map_err(|_| Failure::BadResponse)?;
            self.spoiled |= used < rest.len();
            self.response = Some(body);
            self.deliver(out, b"", cx)
        }
    }

    /// Passes on a piece of the response's body.
    fn pass(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Result<(), Failure> {
        let Some(body) = &mut self.response else { return Ok(()) };
        let plain = body.plain_bytes();
        if plain > 0 {
            let n = usize::try_from(plain).unwrap_or(usize::MAX).min(bytes.len());
            body.pass_plain(n);
            self.spoiled |= n < bytes.len();
            return self.deliver(Vec::new(), &bytes[..n], cx);
        }
        let mut out = self.buffers.take();
        let used = body.take(bytes, &mut out).map_err(|_| Failure::BadResponse)?;
        self.spoiled |= used < bytes.len();
        self.deliver(out, b"", cx)
    }
}
