//! A connection to an endpoint, over TCP or a Unix socket.

use super::endpoint::{Endpoint, Target};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection to an endpoint.
pub enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    /// Connects to `endpoint`; a name's addresses are tried in order.
    pub async fn open(endpoint: &Endpoint) -> io::Result<Connection> {
        let tcp = |stream: TcpStream| stream.set_nodelay(true).map(|()| Connection::Tcp(stream));
        match endpoint.target() {
            Target::Socket(address) => tcp(TcpStream::connect(address).await?),
            Target::Unix(path) => Ok(Connection::Unix(UnixStream::connect(path).await?)),
            Target::Name(addresses) => {
                let addresses = addresses.load_full();
                let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
                for address in addresses.iter() {
                    match TcpStream::connect(address).await {
                        Ok(stream) => return tcp(stream),
                        Err(e) => last = e,
                    }
                }
                Err(last)
            }
        }
    }

    /// No byte and no end has come from the endpoint: an idle connection that is not silent was closed, or speaks out of turn.
    /// Costs no system call unless the runtime saw an event.
    pub fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        let ready = match self {
            Connection::Tcp(s) => s.poll_read_ready(cx),
            Connection::Unix(s) => s.poll_read_ready(cx),
        };
        if ready.is_pending() {
            return true;
        }
        let mut byte = [0u8; 1];
        let read = match self {
            Connection::Tcp(s) => s.try_read(&mut byte),
            Connection::Unix(s) => s.try_read(&mut byte),
        };
        matches!(read, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Connection::Tcp(s) => s.as_raw_fd(),
            Connection::Unix(s) => s.as_raw_fd(),
        }
    }
}

macro_rules! either {
    ($self:expr, $s:ident => $call:expr) => {
        match $self.get_mut() {
            Connection::Tcp($s) => $call,
            Connection::Unix($s) => $call,
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, s => Pin::new(s).poll_write(cx, data))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, s => Pin::new(s).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, s => Pin::new(s).poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
