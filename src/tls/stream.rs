//! Reading and writing through a session: ciphertext on the socket's side, plain bytes on the other.
//!
//! The memory for both belongs to the thread, not to the connection.

use super::Session;
use super::session::OVERHEAD_BYTES;
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest record there is, with its header.
const RECORD_BYTES_MAX: usize = 5 + (1 << 14) + 2048;
/// What one read takes in at most.
const READ_BYTES: usize = 64 * 1024;
/// Plain bytes taken in one write.
const WRITE_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// What comes from a socket and is decrypted in place.
    static RAW: RefCell<Box<[u8]>> = RefCell::new(vec![0; RECORD_BYTES_MAX + READ_BYTES].into());
    /// What goes to a socket.
    static SEALED: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(WRITE_BYTES_MAX + 2 * OVERHEAD_BYTES));
}

impl Session {
    /// Reads plain bytes. None is the end: the client said so, or its connection is at its end.
    pub fn poll_read<S>(&mut self, socket: &mut S, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if !self.left.is_empty() {
            let n = buf.remaining().min(self.left.len());
            buf.put_slice(&self.left[..n]);
            self.left.drain(..n);
            if self.left.is_empty() {
                self.left = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        RAW.with_borrow_mut(|raw| {
            while !self.ended {
                let held = self.partial.len();
                if held > RECORD_BYTES_MAX {
                    // nothing that a client has to say after the handshake is that long
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                raw[..held].copy_from_slice(&self.partial);
                let mut into = ReadBuf::new(&mut raw[held..held + READ_BYTES]);
                match Pin::new(&mut *socket).poll_read(cx, &mut into) {
                    Poll::Ready(read) => read?,
                    Poll::Pending => {
                        // tickets and the like wait for the next answer, but not longer than there is something to do
                        if !self.outgoing.is_empty() {
                            let _ = self.poll_flush(socket, cx)?;
                        }
                        return Poll::Pending;
                    }
                }
                let n = into.filled().len();
                if n == 0 {
                    self.ended = true;
                    break;
                }
                self.open(&mut raw[..held + n], buf).inspect_err(|_| {
                    // the client is told what was wrong, if it listens
                    let _ = self.poll_flush(socket, cx);
                })?;
                if !buf.filled().is_empty() {
                    break;
                }
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Decrypts what came into `buf`; what finds no room there is kept, and so is the front of a record.
    fn open(&mut self, raw: &mut [u8], buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut left = Vec::new();
        let used = self.process(raw, |plain| {
            let (now, later) = plain.split_at(plain.len().min(buf.remaining()));
            buf.put_slice(now);
            left.extend_from_slice(later);
        });
        let used = used.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.left = left;
        if used == raw.len() {
            if self.partial.capacity() > 0 {
                self.partial = Vec::new();
            }
        } else {
            self.partial.clear();
            self.partial.extend_from_slice(&raw[used..]);
        }
        Ok(())
    }

    /// Writes plain bytes. It is ready once the socket has taken all that they became: who is told to wait comes again with the same bytes.
    pub fn poll_write<S>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>
    where
        S: AsyncWrite + Unpin,
    {
        if self.promised > 0 {
            ready!(self.poll_flush(socket, cx))?;
            return Poll::Ready(Ok(std::mem::take(&mut self.promised)));
        }
        SEALED.with_borrow_mut(|sealed| {
            sealed.clear();
            let taken = self.seal_some(parts, sealed)?;
            let mut written = 0;
            while written < sealed.len() {
                match Pin::new(&mut *socket).poll_write(cx, &sealed[written..]) {
                    Poll::Ready(n) => written += some(n?)?,
                    Poll::Pending => {
                        self.outgoing.extend_from_slice(&sealed[written..]);
                        self.promised = taken;
                        return Poll::Pending;
                    }
                }
            }
            Poll::Ready(Ok(taken))
        })
    }

    /// Encrypts the front of `parts`, as much as one write takes. How many plain bytes that are.
    fn seal_some(&mut self, parts: &[IoSlice<'_>], sealed: &mut Vec<u8>) -> io::Result<usize> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        if total <= WRITE_BYTES_MAX {
            self.seal(parts, sealed)?;
            return Ok(total);
        }
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
        let first = &first[..first.len().min(WRITE_BYTES_MAX)];
        self.seal(&[IoSlice::new(first)], sealed)?;
        Ok(first.len())
    }

    /// Writes what is encrypted and waits.
    pub fn poll_flush<S: AsyncWrite + Unpin>(&mut self, socket: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut written = 0;
        let flushed = loop {
            if written == self.outgoing.len() {
                self.outgoing = Vec::new();
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut *socket).poll_write(cx, &self.outgoing[written..]) {
                Poll::Ready(n) => written += some(n?)?,
                Poll::Pending => break Poll::Pending,
            }
        };
        self.outgoing.drain(..written);
        flushed
    }

    /// Says that nothing more is written, and ends the socket's side.
    pub fn poll_shutdown<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.close();
        ready!(self.poll_flush(socket, cx))?;
        Pin::new(socket).poll_shutdown(cx)
    }

    /// What is left to send before the socket closes: that nothing more is written.
    pub fn farewell(&mut self) -> Vec<u8> {
        self.close();
        self.take_outgoing()
    }
}

/// A socket that takes nothing is none.
fn some(n: usize) -> io::Result<usize> {
    if n == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(n) }
}
