//! A client's connection while a task serves it. In plain text it reads and writes straight from and to the kernel and keeps no buffer;
//! with TLS a session stands in between.

use super::line::Line;
use super::reactor::Reactor;
use crate::http::clock::Moment;
use crate::http::secured::Secured;
use crate::http::transport::Downstream;
use crate::tls::Session;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's connection in the hands of its task. Dropping it closes the connection.
pub struct Socket {
    reactor: Rc<Reactor>,
    index: u32,
    /// `None` only once it is parked.
    line: Option<Line>,
}

/// Its socket alone: what comes and goes as it is on the wire.
struct Raw<'a> {
    reactor: &'a Reactor,
    index: u32,
    socket: &'a OwnedFd,
}

impl Socket {
    pub(super) fn new(reactor: Rc<Reactor>, index: u32, line: Line) -> Socket {
        Socket { reactor, index, line: Some(line) }
    }

    /// Gives the connection back to the reactor until its next request, at most until `deadline`.
    pub fn park(mut self, served: u32, deadline: Moment) {
        if let Some(line) = self.line.take() {
            self.reactor.park(self.index, line, served, deadline);
        }
    }

    /// No handshake was made on it.
    pub fn is_plain(&self) -> bool {
        self.plain().is_some()
    }

    /// From now on what comes and goes passes through this session.
    pub fn secure(&mut self, session: Box<Session>) {
        if let Some(line) = &mut self.line {
            line.tls = Some(session);
        }
    }

    /// The socket of a connection without TLS.
    fn plain(&self) -> Option<Raw<'_>> {
        match &self.line {
            Some(Line { socket, tls: None }) => Some(Raw { reactor: &self.reactor, index: self.index, socket }),
            _ => None,
        }
    }

    fn session(&mut self) -> io::Result<(&mut Session, Raw<'_>)> {
        match &mut self.line {
            Some(Line { socket, tls: Some(session) }) => {
                Ok((session, Raw { reactor: &self.reactor, index: self.index, socket }))
            }
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    #[inline(never)]
    fn read_sealed(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (session, mut raw) = self.session()?;
        session.poll_read(&mut raw, cx, buf)
    }

    #[inline(never)]
    fn write_sealed(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let (session, mut raw) = self.session()?;
        session.poll_write(&mut raw, cx, parts)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            drop(line);
            self.reactor.release(self.index);
        }
    }
}

impl Raw<'_> {
    #[inline(always)] // with TLS it has a second caller
    fn read(&self, cx: &Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Raw { reactor, index, socket } = *self;
        if !reactor.is_readable(index) {
            reactor.wait(index, false, cx.waker());
            return Poll::Pending;
        }
        let room = buf.initialize_unfilled();
        let wanted = room.len();
        loop {
            match rustix::net::recv(socket, &mut *room, RecvFlags::empty()) {
                Ok((n, _)) => {
                    if n < wanted && n > 0 {
                        reactor.read_short(index);
                    }
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::AGAIN) => {
                    reactor.wait(index, true, cx.waker());
                    return Poll::Pending;
                }
                Err(Errno::INTR) => {}
                Err(e) => return Poll::Ready(Err(e.into())),
            }
        }
    }

    #[inline(always)] // with TLS it has a second caller
    fn write(&self, cx: &Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.written(rustix::net::send(self.socket, data, SendFlags::NOSIGNAL), cx)
    }

    /// What a write came to; a full socket wakes the task when it has room.
    #[inline(always)]
    fn written(&self, result: rustix::io::Result<usize>, cx: &Context<'_>) -> Poll<io::Result<usize>> {
        match result {
            Ok(n) => Poll::Ready(Ok(n)),
            Err(Errno::AGAIN) => {
                self.reactor.wait(self.index, false, cx.waker());
                Poll::Pending
            }
            Err(e) => Poll::Ready(Err(e.into())),
        }
    }

    fn shutdown(&self) -> io::Result<()> {
        rustix::net::shutdown(self.socket, Shutdown::Write).map_err(Into::into)
    }
}

impl AsyncRead for Raw<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.read(cx, buf)
    }
}

impl AsyncWrite for Raw<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown())
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        match me.plain() {
            Some(raw) => raw.read(cx, buf),
            None => me.read_sealed(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        match me.plain() {
            Some(raw) => raw.write(cx, data),
            None => me.write_sealed(cx, &[IoSlice::new(data)]),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        match me.plain() {
            Some(raw) => raw.written(rustix::io::writev(raw.socket, parts), cx),
            None => me.write_sealed(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // a write is ready once the kernel has all of it
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if let Some(raw) = me.plain() {
            return Poll::Ready(raw.shutdown());
        }
        let (session, mut raw) = me.session()?;
        session.poll_shutdown(&mut raw, cx)
    }
}

impl Downstream for Socket {
    fn now(&self) -> Moment {
        self.reactor.worker.clock.now()
    }

    fn set_deadline(&mut self, at: Moment, cx: &Context<'_>) {
        self.reactor.set_deadline(self.index, at, cx.waker());
    }

    fn has_left(&self) -> bool {
        self.reactor.has_ended(self.index)
    }

    fn secured(&self) -> Option<Secured<'_>> {
        self.line.as_ref()?.tls.as_ref().map(|session| session.secured())
    }

    fn reset_on_close(&mut self) {
        if let Some(line) = &mut self.line {
            // the end is not one that was meant
            line.tls = None;
            // only a matter of how the close looks; a socket that cannot be told is closed all the same
            let _ = rustix::net::sockopt::set_socket_linger(&line.socket, Some(Duration::ZERO));
        }
    }
}
