//! TLS over a connection that the gateway has opened.
//!
//! Nobody flushes: a write that is told as done has gone to the connection below as a whole, and one that has not is pending, however much of
//! it is encrypted already. The caller comes back with the same bytes, or gives the connection up.

use super::refused::{Asked, Refused, is_of_certificate};
use super::{ClientTls, Mark};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Error, IoState};
use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of the caller's that are encrypted ahead of the connection below: one record.
const AHEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes read at a time: a record with its frame.
const READ_BYTES: usize = 16 * 1024 + 256;
/// Bytes read at a time during the handshake.
const HANDSHAKE_BYTES: usize = 4 * 1024;
/// Bytes from the endpoint that are kept to tell what it speaks.
const FIRST_BYTES: usize = 5;

/// TLS over a connection that the gateway has opened.
pub struct ClientStream<S: AsyncRead + AsyncWrite + Unpin> {
    below: S,
    session: ClientConnection,
    tls: Arc<ClientTls>,
    /// What has come and was not taken in yet: nothing while the connection waits.
    came: Vec<u8>,
    /// Bytes of the caller's that are encrypted, but not told as written.
    ahead: usize,
    /// The caller has closed its direction.
    closed: bool,
    /// What failed; bytes that came before it are read first.
    failed: Option<io::Error>,
    /// The endpoint does not accept what the gateway has proven, or misses it: in TLS 1.3 it says so after the handshake.
    refused: Option<Refused>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClientStream<S> {
    /// Makes the handshake with who must prove to be `name`.
    pub async fn connect(below: S, tls: &Arc<ClientTls>, name: ServerName<'static>) -> Result<Self, Refused> {
        let session = ClientConnection::new(tls.config.clone()?, name.clone())
            .map_err(|e| Refused::because(&e, &Asked { tls, name: &name, first: b"" }))?;
        let tls = Arc::clone(tls);
        let mut stream = ClientStream {
            below,
            session,
            tls,
            came: Vec::new(),
            ahead: 0,
            closed: false,
            failed: None,
            refused: None,
        };
        let mut first = Vec::new();
        poll_fn(|cx| stream.shake_hands(&name, &mut first, cx)).await?;
        Ok(stream)
    }

    fn shake_hands(
        &mut self,
        name: &ServerName<'static>,
        first: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Refused>> {
        loop {
            let written = self.flush(cx);
            if !self.session.is_handshaking() {
                return written.map_err(|e| Refused::lost(&e));
            }
            let mut space = [0; HANDSHAKE_BYTES];
            let mut buf = ReadBuf::new(&mut space);
            // what it said before it closed is read even if it takes no more
            ready!(Pin::new(&mut self.below).poll_read(cx, &mut buf)).map_err(|e| Refused::lost(&e))?;
            let bytes = buf.filled();
            first.extend(bytes.iter().take(FIRST_BYTES - first.len()));
            let asked = Asked { tls: &self.tls, name, first };
            if bytes.is_empty() {
                return Poll::Ready(Err(Refused::closed(&asked)));
            }
            let refused = match feed(&mut self.session, bytes) {
                Ok(state) if !state.peer_has_closed() => continue,
                Ok(_) => Refused::closed(&asked),
                Err(error) => Refused::because(&error, &asked),
            };
            // the endpoint's log may say it too
            let _ = self.flush(cx);
            return Poll::Ready(Err(refused));
        }
    }

    /// What it is made on.
    pub fn mark(&self) -> Mark {
        self.tls.mark
    }

    /// What TLS runs over.
    pub fn below(&self) -> &S {
        &self.below
    }

    /// The endpoint has refused the connection after the handshake, before it took anything that was sent.
    pub fn refused(&self) -> Option<&Refused> {
        self.refused.as_ref()
    }

    /// No byte and no end has come from the endpoint; what only TLS has to say, such as a ticket, is neither.
    #[inline(never)]
    pub fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        let mut at_rest = self.failed.is_none() && self.session.process_new_packets().is_ok_and(is_at_rest);
        while at_rest {
            at_rest = match self.fill(cx) {
                Poll::Pending => return true,
                Poll::Ready(Ok(n)) => n > 0 && self.session.process_new_packets().is_ok_and(is_at_rest),
                Poll::Ready(Err(_)) => false,
            };
        }
        false
    }

    /// Whether these bytes, taken off the connection below while it was silent, are speech.
    pub fn is_speech(&mut self, bytes: &[u8]) -> bool {
        !feed(&mut self.session, bytes).is_ok_and(is_at_rest)
    }

    /// Takes in what has come, up to the next bytes for the caller; 0 at the end. What fails shows when there is nothing more to be read.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut space);
        let came = std::mem::take(&mut self.came);
        let mut bytes = &came[..];
        if bytes.is_empty() {
            ready!(Pin::new(&mut self.below).poll_read(cx, &mut buf))?;
            bytes = buf.filled();
        }
        let n = bytes.len();
        // it takes nothing at the end, and what comes after an announced one is nobody's
        while self.session.read_tls(&mut bytes)? > 0 {
            match self.session.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() > 0 => {
                    self.came = bytes.to_vec();
                    break;
                }
                Ok(_) if bytes.is_empty() => break,
                Ok(_) => {}
                Err(error) => {
                    self.fail(error);
                    // the endpoint's log may say it too
                    let _ = self.flush(cx);
                    break;
                }
            }
        }
        Poll::Ready(Ok(n))
    }

    fn fail(&mut self, error: Error) {
        if let Error::AlertReceived(alert) = error
            && is_of_certificate(alert)
        {
            // its name matters only to what is said during the handshake
            let name = ServerName::IpAddress(IpAddr::from([0, 0, 0, 0]).into());
            self.refused = Some(Refused::because(&error, &Asked { tls: &self.tls, name: &name, first: b"" }));
        }
        self.failed = Some(io::Error::new(io::ErrorKind::InvalidData, error));
    }

    /// Writes out what is encrypted.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Below { stream: &mut self.below, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more will come, as far as that can be said now.
    fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.session.send_close_notify();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientStream<S> {
    // never inlined: most connections are plain, and their way shall be short
    #[inline(never)]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead == 0 {
            // what TLS answers by itself; that it cannot be sent shows when nothing more comes
            let _ = this.flush(cx);
        }
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            let ended = match this.session.reader().read(buf.initialize_unfilled()) {
                Ok(0) => Ok(()),
                Ok(n) => {
                    buf.advance(n);
                    continue;
                }
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
                Err(_) => match this.fill(cx) {
                    Poll::Ready(Ok(_)) => continue,
                    Poll::Ready(Err(e)) => Err(e),
                    Poll::Pending if buf.filled().len() == before => return Poll::Pending,
                    Poll::Pending => Ok(()),
                },
            };
            return Poll::Ready(match ended {
                Err(error) if buf.filled().len() > before => {
                    this.failed = Some(error);
                    Ok(())
                }
                ended => ended,
            });
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    #[inline(never)]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut told = 0;
        while told < data.len() {
            if this.ahead == 0 {
                let rest = &data[told..];
                this.ahead = this.session.writer().write(&rest[..rest.len().min(AHEAD_BYTES_MAX)])?;
            }
            match this.flush(cx) {
                Poll::Ready(Ok(())) => told += std::mem::take(&mut this.ahead),
                Poll::Ready(Err(e)) if told == 0 => return Poll::Ready(Err(e)),
                Poll::Pending if told == 0 => return Poll::Pending,
                // it will show again
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(told.min(data.len())))
    }

    #[inline(never)] // what has no TLS passes by it
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
        self.poll_write(cx, first)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.flush(cx))?;
        Pin::new(&mut this.below).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.close();
        ready!(this.flush(cx))?;
        Pin::new(&mut this.below).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for ClientStream<S> {
    /// An endpoint that is not told that this is the end drops the session, which could not be resumed then.
    fn drop(&mut self) {
        if !self.session.is_handshaking() {
            self.close();
            let _ = self.flush(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// Hands over what was read.
fn feed(session: &mut ClientConnection, mut bytes: &[u8]) -> Result<IoState, Error> {
    loop {
        let state = session.process_new_packets()?;
        // it takes no more while there is something to be read, or after an announced end: what that is nobody wants to know here
        if bytes.is_empty() || !session.read_tls(&mut bytes).is_ok_and(|n| n > 0) {
            return Ok(state);
        }
    }
}

fn is_at_rest(state: IoState) -> bool {
    state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed()
}

/// The connection below, as rustls wants it.
struct Below<'a, 'c, S> {
    stream: &'a mut S,
    cx: &'a mut Context<'c>,
}

impl<S: AsyncWrite + Unpin> Write for Below<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Pin::new(&mut *self.stream).poll_write(self.cx, bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match Pin::new(&mut *self.stream).poll_write_vectored(self.cx, parts) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
