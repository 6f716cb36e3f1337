//! A client's connection as a pipe in memory, in the time of tokio's paused clock.

use crate::http::clock::Moment;
use crate::http::secured::Secured;
use crate::http::transport::Downstream;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// The gateway's end of a client's connection.
pub struct Client {
    io: DuplexStream,
    /// A byte that [`Client::readable`] took out.
    first: Option<u8>,
    alarm: Pin<Box<Sleep>>,
    start: Instant,
    /// The close that follows is to be a reset.
    pub reset: bool,
    /// What is known of its TLS.
    pub secured: Option<Secured<'static>>,
}

impl Client {
    pub fn new(io: DuplexStream) -> Client {
        Client {
            io,
            first: None,
            alarm: Box::pin(sleep(Duration::ZERO)),
            start: Instant::now(),
            reset: false,
            secured: None,
        }
    }

    /// Waits until there is something to read; false at the end.
    pub async fn readable(&mut self) -> bool {
        if self.first.is_none() {
            let mut byte = [0; 1];
            let mut buf = ReadBuf::new(&mut byte);
            let read = poll_fn(|cx| Pin::new(&mut self.io).poll_read(cx, &mut buf)).await;
            self.first = read.ok().and_then(|()| buf.filled().first().copied());
        }
        self.first.is_some()
    }
}

impl Downstream for Client {
    fn now(&self) -> Moment {
        Moment(self.start.elapsed().as_nanos() as u64)
    }

    fn set_deadline(&mut self, at: Moment, cx: &Context<'_>) {
        if at == Moment::NEVER {
            return;
        }
        self.alarm.as_mut().reset(self.start + Duration::from_nanos(at.0));
        if self.alarm.as_mut().poll(&mut Context::from_waker(cx.waker())).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn secured(&self) -> Option<Secured<'_>> {
        self.secured
    }

    fn reset_on_close(&mut self) {
        self.reset = true;
    }
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(byte) = self.first.take() {
            buf.put_slice(&[byte]);
            // the rest of what is there comes with it, as from a socket
            let _ = Pin::new(&mut self.io).poll_read(cx, buf)?;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
