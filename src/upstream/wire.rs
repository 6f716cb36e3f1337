//! A socket to an endpoint: TCP or Unix.

use super::endpoint::Target;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// How long the first of two addresses is tried alone.
const HEAD_START: Duration = Duration::from_millis(250);

/// A socket to an endpoint.
pub enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    /// Connects to an endpoint.
    pub async fn open(target: &Target) -> io::Result<Wire> {
        let stream = match target {
            Target::Socket(address) => TcpStream::connect(address).await?,
            Target::Either(first, second) => connect_either(first, second).await?,
            Target::Unix(path) => return Ok(Wire::Unix(UnixStream::connect(path).await?)),
        };
        stream.set_nodelay(true)?;
        Ok(Wire::Tcp(stream))
    }

    /// No byte and no end has come from the endpoint: an idle one that is not silent was closed, or speaks out of turn.
    /// Costs no system call unless the runtime saw an event.
    #[inline(always)]
    pub fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        let ready = match self {
            Wire::Tcp(s) => s.poll_read_ready(cx),
            Wire::Unix(s) => s.poll_read_ready(cx),
        };
        if ready.is_pending() {
            return true;
        }
        let mut byte = [0u8; 1];
        let read = match self {
            Wire::Tcp(s) => s.try_read(&mut byte),
            Wire::Unix(s) => s.try_read(&mut byte),
        };
        matches!(read, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// A byte, an end or an error has come, also if the runtime has not seen the event yet. Costs a system call.
    pub fn has_spoken(&self) -> bool {
        let mut byte = [0u8; 1];
        let look = recv(self, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(look, Err(Errno::AGAIN | Errno::INTR))
    }
}

/// Connects to one of two addresses, the first unless it refuses or is slow to answer (RFC 8305).
async fn connect_either(first: &SocketAddr, second: &SocketAddr) -> io::Result<TcpStream> {
    let mut one = pin!(TcpStream::connect(first));
    let refused = match tokio::time::timeout(HEAD_START, &mut one).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(refused)) => Some(refused),
        Err(_) => None,
    };
    let mut other = pin!(TcpStream::connect(second));
    if let Some(refused) = refused {
        // what the first one says is what both mean
        return other.await.map_err(|_| refused);
    }
    tokio::select! {
        answer = &mut one => match answer {
            Ok(stream) => Ok(stream),
            Err(refused) => other.await.map_err(|_| refused),
        },
        answer = &mut other => match answer {
            Ok(stream) => Ok(stream),
            Err(_) => one.await,
        },
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Wire::Tcp(s) => s.as_fd(),
            Wire::Unix(s) => s.as_fd(),
        }
    }
}

impl AsRawFd for Wire {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Wire::Tcp(s) => s.as_raw_fd(),
            Wire::Unix(s) => s.as_raw_fd(),
        }
    }
}

macro_rules! either {
    ($self:expr, $s:ident => $call:expr) => {
        match $self.get_mut() {
            Wire::Tcp($s) => $call,
            Wire::Unix($s) => $call,
        }
    };
}

impl AsyncRead for Wire {
    #[inline(always)]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    #[inline(always)]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, s => Pin::new(s).poll_write(cx, data))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, s => Pin::new(s).poll_shutdown(cx))
    }

    #[inline(always)]
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
