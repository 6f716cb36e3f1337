//! The handshake of a client's connection: before its first request, within its time, off the worker's thread where it is costly.

use super::socket::Socket;
use crate::http::clock::Moment;
use crate::http::transport::Downstream;
use crate::proxy::{Worker, linger};
use crate::telemetry::HandshakeResult;
use crate::tls::{ACME, Progress, ServerTls, Session};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What one read takes in.
const READ_BYTES: usize = 16 * 1024;
/// The first byte of whoever speaks TLS.
const HANDSHAKE_RECORD: u8 = 22;
/// The answer to who speaks HTTP to a listener with TLS.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 49\r\n\
    Connection: close\r\n\r\nThis port speaks TLS. Write https:// in the URL.\n";
/// What is said to who names a host that nobody presents a certificate for: the alert `unrecognized_name`, where rustls has
/// `access_denied`.
const UNKNOWN_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// What came of a read.
enum Came {
    Progress(Result<Progress, rustls::Error>),
    /// To be looked at elsewhere.
    Bytes(Vec<u8>),
    Nothing(HandshakeResult),
}

/// Makes the handshake, by `until`. Where that is good the connection is secured; else it is not to be used.
pub async fn shake_hands(socket: &mut Socket, tls: &ServerTls, worker: &Worker, until: Moment) -> HandshakeResult {
    match attempt(socket, tls, worker, until).await {
        Ok(good) => good,
        Err(bad) => bad,
    }
}

async fn attempt(
    socket: &mut Socket,
    tls: &ServerTls,
    worker: &Worker,
    until: Moment,
) -> Result<HandshakeResult, HandshakeResult> {
    let mut session = Box::new(Session::new(tls).map_err(|_| HandshakeResult::Failed)?);
    let mut first = true;
    // whichever step it is: a hello in pieces costs as much as one that comes whole
    let elsewhere = tls.is_costly();
    loop {
        let came = poll_fn(|cx| read(socket, &mut session, first, elsewhere, worker, until, cx)).await;
        let progress = match came {
            Came::Progress(progress) => progress,
            Came::Nothing(HandshakeResult::PlainHttp) => {
                say(socket, NOT_TLS.to_vec(), until).await;
                linger(socket, worker).await;
                return Err(HandshakeResult::PlainHttp);
            }
            Came::Nothing(failed) => return Err(failed),
            Came::Bytes(bytes) => {
                // a signature by RSA takes a millisecond: others are served meanwhile
                let turn = tokio::task::spawn_blocking(move || {
                    let progress = session.advance(&bytes);
                    (session, progress)
                });
                let progress;
                (session, progress) = turn.await.map_err(|_| HandshakeResult::Failed)?;
                progress
            }
        };
        first = false;
        match progress {
            Ok(Progress::Waits) => {
                if !say(socket, session.take_outgoing(), until).await {
                    return Err(if socket.now() < until { HandshakeResult::Closed } else { HandshakeResult::Timeout });
                }
            }
            // what the last step has to say leaves with the first answer, or when there is nothing to read
            Ok(Progress::Done) => {
                let resumed = session.is_resumed();
                // who came for a proof has it
                let proof = session.protocol() == Some(ACME);
                socket.secure(session);
                return match resumed {
                    _ if proof => Err(HandshakeResult::Closed),
                    true => Ok(HandshakeResult::Resumed),
                    false => Ok(HandshakeResult::Full),
                };
            }
            Err(error) => {
                let reason = reason(&error);
                let said = match reason {
                    HandshakeResult::UnknownName => UNKNOWN_NAME.to_vec(),
                    _ => session.take_outgoing(),
                };
                if say(socket, said, until).await {
                    linger(socket, worker).await;
                }
                return Err(reason);
            }
        }
    }
}

fn read(
    socket: &mut Socket,
    session: &mut Session,
    first: bool,
    elsewhere: bool,
    worker: &Worker,
    until: Moment,
    cx: &mut Context<'_>,
) -> Poll<Came> {
    let mut scratch = worker.buffers.scratch();
    let mut buf = ReadBuf::new(&mut scratch[..READ_BYTES]);
    match Pin::new(&mut *socket).poll_read(cx, &mut buf) {
        Poll::Ready(Ok(())) => {}
        Poll::Ready(Err(_)) => return Poll::Ready(Came::Nothing(HandshakeResult::Closed)),
        Poll::Pending if until <= socket.now() => return Poll::Ready(Came::Nothing(HandshakeResult::Timeout)),
        Poll::Pending => {
            socket.set_deadline(until, cx);
            return Poll::Pending;
        }
    }
    Poll::Ready(match buf.filled() {
        [] => Came::Nothing(HandshakeResult::Closed),
        [byte, ..] if first && *byte != HANDSHAKE_RECORD => Came::Nothing(HandshakeResult::PlainHttp),
        bytes if elsewhere => Came::Bytes(bytes.to_vec()),
        bytes => Came::Progress(session.advance(bytes)),
    })
}

/// Writes all of it. False when the client does not take it in time.
async fn say(socket: &mut Socket, bytes: Vec<u8>, until: Moment) -> bool {
    let mut said = 0;
    poll_fn(|cx| {
        while said < bytes.len() {
            match Pin::new(&mut *socket).poll_write(cx, &bytes[said..]) {
                Poll::Ready(Ok(n)) if n > 0 => said += n,
                Poll::Ready(_) => return Poll::Ready(false),
                Poll::Pending if until <= socket.now() => return Poll::Ready(false),
                Poll::Pending => {
                    socket.set_deadline(until, cx);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(true)
    })
    .await
}

fn reason(error: &rustls::Error) -> HandshakeResult {
    match error {
        rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_) => {
            HandshakeResult::ClientCertificate
        }
        // what rustls says when nobody presents a certificate for the host
        rustls::Error::General(text) if text.contains("no server certificate chain resolved") => {
            HandshakeResult::UnknownName
        }
        _ => HandshakeResult::Failed,
    }
}
