//! A client's socket while a task serves it. It reads and writes straight from and to the kernel and keeps no buffer.

use super::reactor::Reactor;
use crate::http::clock::Moment;
use crate::http::transport::Downstream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's socket in the hands of its task. Dropping it closes the connection.
pub struct Socket {
    reactor: Rc<Reactor>,
    index: u32,
    /// `None` only once it is parked.
    socket: Option<OwnedFd>,
}

impl Socket {
    pub(super) fn new(reactor: Rc<Reactor>, index: u32, socket: OwnedFd) -> Socket {
        Socket { reactor, index, socket: Some(socket) }
    }

    /// Gives the socket back to the reactor until its next request, at most until `deadline`.
    pub fn park(mut self, served: u32, deadline: Moment) {
        if let Some(socket) = self.socket.take() {
            self.reactor.park(self.index, socket, served, deadline);
        }
    }

    fn parts(&self) -> io::Result<(&OwnedFd, &Reactor)> {
        match &self.socket {
            Some(socket) => Ok((socket, &self.reactor)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// What a write came to; a full socket wakes the task when it has room.
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
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            drop(socket);
            self.reactor.release(self.index);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (socket, reactor) = self.parts()?;
        if !reactor.is_readable(self.index) {
            reactor.wait(self.index, false, cx.waker());
            return Poll::Pending;
        }
        let room = buf.initialize_unfilled();
        let wanted = room.len();
        loop {
            match rustix::net::recv(socket, &mut *room, RecvFlags::empty()) {
                Ok((n, _)) => {
                    if n < wanted && n > 0 {
                        reactor.read_short(self.index);
                    }
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::AGAIN) => {
                    reactor.wait(self.index, true, cx.waker());
                    return Poll::Pending;
                }
                Err(Errno::INTR) => {}
                Err(e) => return Poll::Ready(Err(e.into())),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let (socket, _) = self.parts()?;
        self.written(rustix::net::send(socket, data, SendFlags::NOSIGNAL), cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (socket, _) = self.parts()?;
        self.written(rustix::io::writev(socket, parts), cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (socket, _) = self.parts()?;
        Poll::Ready(rustix::net::shutdown(socket, Shutdown::Write).map_err(Into::into))
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

    fn reset_on_close(&mut self) {
        if let Some(socket) = &self.socket {
            // only a matter of how the close looks; a socket that cannot be told is closed all the same
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
    }
}
