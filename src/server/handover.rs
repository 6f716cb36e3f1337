//! What a process hands to the one that takes over from it: a message, and the listening sockets behind it.
//!
//! On the wire: the length of the message in four bytes, the message as JSON, then the sockets in the order in which the message lists them,
//! a batch with each further byte. Last the new process answers with one byte: it is ready.

use super::estate::Estate;
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

/// Says that standard input is the socket of a process that hands over, and which version of this it speaks.
pub const ANNOUNCEMENT: &str = "WHARF_HANDOVER";
pub const VERSION: &str = "1";
/// Sockets that go with one byte; the kernel takes 253.
const BATCH: usize = 64;
/// Bytes of the longest message.
const MESSAGE_MAX: usize = 16 * 1024 * 1024;
/// Sockets of the longest message: those of all listeners, and the admin address.
const SOCKETS_MAX: usize = 4096;
/// What the new process answers.
const READY: u8 = b'R';

/// The message.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The addresses of the sockets, as configurations write them.
    pub sockets: Vec<String>,
    /// What is known of the upstreams.
    #[serde(flatten)]
    pub estate: Estate,
}

/// The old process's part: sends the message and its sockets.
pub async fn send(
    stream: &mut tokio::net::UnixStream,
    message: &Message,
    sockets: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&text).await?;
    for batch in sockets.chunks(BATCH) {
        stream.async_io(Interest::WRITABLE, || send_batch(stream, batch)).await?;
    }
    Ok(())
}

fn send_batch(stream: &tokio::net::UnixStream, batch: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(batch)) {
        return Err(io::Error::other("too many sockets for one message"));
    }
    rustix::net::sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The old process's part: until the new one says that it is ready.
pub async fn answer(stream: &mut tokio::net::UnixStream) -> io::Result<()> {
    match stream.read_u8().await? {
        READY => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The new process's part: the message and its sockets.
pub fn receive(stream: &mut UnixStream) -> io::Result<(Message, Vec<OwnedFd>)> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text)?;
    let message: Message = serde_json::from_slice(&text)?;
    if message.sockets.len() > SOCKETS_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut sockets = Vec::with_capacity(message.sockets.len());
    while sockets.len() < message.sockets.len() {
        receive_batch(stream, &mut sockets)?;
    }
    Ok((message, sockets))
}

fn receive_batch(stream: &UnixStream, sockets: &mut Vec<OwnedFd>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received =
        rustix::net::recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let before = sockets.len();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(batch) = message {
            sockets.extend(batch);
        }
    }
    if sockets.len() == before {
        return Err(io::Error::other("sockets are missing: the limit of open files may be too low"));
    }
    Ok(())
}

/// The new process's part: says that it is ready.
pub fn say_ready(stream: &UnixStream) -> io::Result<()> {
    io::Write::write_all(&mut &*stream, &[READY])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    #[tokio::test]
    async fn many_sockets_arrive_in_their_order_and_the_answer_comes_back() {
        let listeners: Vec<TcpListener> = (0..150).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let message = Message {
            sockets: listeners.iter().map(|l| l.local_addr().unwrap().to_string()).collect(),
            estate: Estate {
                drained: BTreeMap::from([("app".into(), vec!["127.0.0.1:1".into()])]),
                ..Estate::default()
            },
        };
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let new = std::thread::spawn(move || {
            let received = receive(&mut theirs).unwrap();
            say_ready(&theirs).unwrap();
            received
        });
        let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
        let sockets: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
        send(&mut ours, &message, &sockets).await.unwrap();
        answer(&mut ours).await.unwrap();
        let (received, descriptors) = new.join().unwrap();
        assert_eq!(received, message);
        let addresses: Vec<String> =
            descriptors.into_iter().map(|d| TcpListener::from(d).local_addr().unwrap().to_string()).collect();
        assert_eq!(addresses, message.sockets);
    }

    #[tokio::test]
    async fn an_old_process_that_goes_away_is_noticed_wherever_it_stops() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let message = Message { sockets: vec!["a".into(), "b".into()], ..Message::default() };
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
        send(&mut ours, &message, &[listener.as_fd()]).await.unwrap();
        drop(ours);
        assert_eq!(receive(&mut theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        drop(ours);
        assert_eq!(receive(&mut theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
