//! A connection to an endpoint: its bytes as they are, or in TLS.

use super::endpoint::Endpoint;
use super::entry::Place;
use super::wire::Wire;
use crate::tls::{ClientStream, ClientTls, Mark, Refused};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes looked at in one go for what is no speech.
const LOOK_BYTES: usize = 4 * 1024;

/// A connection to an endpoint.
pub enum Connection {
    Plain(Wire),
    Tls(Box<ClientStream<Wire>>),
}

impl Connection {
    /// Makes the TLS handshake with an endpoint.
    pub async fn secure(wire: Wire, tls: &Arc<ClientTls>, endpoint: &Endpoint) -> Result<Connection, Refused> {
        let host = match &endpoint.entry.place {
            Place::Name { host, .. } => Some(&**host),
            Place::Socket(_) | Place::Unix(_) => None,
        };
        let address = match &endpoint.entry.place {
            Place::Socket(address) => Some(address.ip()),
            Place::Name { .. } | Place::Unix(_) => None,
        };
        let name = tls.name(host, address).ok_or_else(Refused::nameless)?;
        Ok(Connection::Tls(Box::new(ClientStream::connect(wire, tls, name).await?)))
    }

    /// What it is made on.
    pub fn mark(&self) -> Mark {
        match self {
            Connection::Plain(_) => Mark::default(),
            Connection::Tls(stream) => stream.mark(),
        }
    }

    /// Why the endpoint has refused it before it took anything that was sent, if it has.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Connection::Plain(_) => None,
            Connection::Tls(stream) => stream.refused(),
        }
    }

    /// No byte and no end has come from the endpoint: an idle connection that is not silent was closed, or speaks out of turn.
    /// Costs no system call unless the runtime saw an event.
    pub fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Connection::Plain(wire) => wire.is_silent(cx),
            Connection::Tls(stream) => stream.is_silent(cx),
        }
    }

    /// A byte, an end or an error has come, also if the runtime has not seen the event yet. Costs a system call.
    pub fn has_spoken(&mut self) -> bool {
        match self {
            Connection::Plain(wire) => wire.has_spoken(),
            Connection::Tls(stream) => has_spoken(stream),
        }
    }
}

/// As [`Connection::has_spoken`]. What is there is taken: only then is known whether it is speech.
fn has_spoken(stream: &mut ClientStream<Wire>) -> bool {
    let mut space = [0u8; LOOK_BYTES];
    loop {
        match recv(stream.below(), &mut space, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return true,
            Ok((n, _)) if stream.is_speech(&space[..n]) => return true,
            Ok(_) => {}
            Err(Errno::AGAIN | Errno::INTR) => return false,
            Err(_) => return true,
        }
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Connection::Plain(wire) => wire.as_raw_fd(),
            Connection::Tls(stream) => stream.below().as_raw_fd(),
        }
    }
}

macro_rules! either {
    ($self:expr, $s:ident => $call:expr) => {
        match $self.get_mut() {
            Connection::Plain($s) => $call,
            Connection::Tls($s) => $call,
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

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, s => Pin::new(s).poll_flush(cx))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plain_connections_never_need_takes_no_room_in_them() {
        assert_eq!(size_of::<Connection>(), size_of::<Wire>());
    }
}
