//! The accept loop of one listener on one worker.

use super::bind::{BACKLOG, Bound};
use super::listeners::Door;
use super::reactor::Reactor;
use crate::proxy::Peer;
use crate::table::Listener;
use crate::telemetry::Rejection;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Connections taken before other tasks get a turn.
const BATCH: usize = 64;
/// How long accepting rests when the process has no descriptor left: it must not spin.
const REST: Duration = Duration::from_millis(50);
/// Idle connections closed then, to make room.
const EVICT: usize = 8;
/// The answer to a connection beyond `limits.connections`, or when descriptors run out.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Accepts until `closed`, or until the socket fails. Those who wait when the socket closes for good are accepted one last time.
pub async fn accept(reactor: Rc<Reactor>, door: Arc<Door>, closed: impl Future<Output = ()>) -> io::Result<()> {
    let socket = super::readiness::readable(Arc::clone(&door.socket))?;
    let mut closed = std::pin::pin!(closed);
    loop {
        let mut ready = tokio::select! {
            biased;
            () = &mut closed => break,
            ready = socket.readable() => ready?,
        };
        if take(&reactor, socket.get_ref(), door.listener(), BATCH).await? {
            ready.clear_ready();
        }
        tokio::task::yield_now().await;
    }
    drop(socket);
    if door.socket.closes_soon() {
        last_call(&reactor, &door.socket, door.listener()).await?;
        // the others may have left since: whoever is last accepts right before the close
        let number = door.listener();
        if let Some(socket) = Arc::into_inner(door).and_then(|door| Arc::into_inner(door.socket)) {
            last_call(&reactor, &socket, number).await?;
        }
    }
    Ok(())
}

/// Accepts those who wait, and no more than can have waited.
async fn last_call(reactor: &Reactor, socket: &Bound, listener: u16) -> io::Result<()> {
    for _ in 0..usize::from(BACKLOG).div_ceil(BATCH) {
        if take(reactor, socket, listener, BATCH).await? {
            break;
        }
    }
    Ok(())
}

/// Accepts up to `most` connections. True when no more wait.
async fn take(reactor: &Reactor, socket: &Bound, listener: u16, most: usize) -> io::Result<bool> {
    for _ in 0..most {
        match rustix::net::acceptfrom_with(socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok((client, address)) => {
                let address = address.and_then(|a| SocketAddr::try_from(a).ok());
                if reactor.worker.reserve.leaves_enough(&client) || make_room(reactor).await {
                    admit(reactor, client, address, listener);
                } else {
                    with_listener(reactor, listener, |l| refuse(reactor, l, &client, Rejection::Descriptors));
                }
            }
            Err(Errno::AGAIN) => return Ok(true),
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                with_listener(reactor, listener, |l| {
                    l.stats.rejected(reactor.worker.number, Rejection::Descriptors);
                });
                make_room(reactor).await;
            }
            // the client gave up, or a firewall said no: the next one may do better
            Err(Errno::CONNABORTED | Errno::INTR | Errno::PERM | Errno::PROTO) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(false)
}

/// Closes what is idle, now or in a moment. False when nothing is.
async fn make_room(reactor: &Reactor) -> bool {
    reactor.worker.idle.borrow_mut().clear();
    if reactor.close_some_idle(EVICT) > 0 {
        return true;
    }
    tokio::time::sleep(REST).await;
    reactor.close_some_idle(EVICT) > 0
}

fn refuse(reactor: &Reactor, listener: &Listener, client: &OwnedFd, why: Rejection) {
    listener.stats.rejected(reactor.worker.number, why);
    // best effort: the socket's buffer is empty, so this does not block
    let _ = rustix::net::send(client, FULL, SendFlags::NOSIGNAL);
}

fn admit(reactor: &Reactor, client: OwnedFd, address: Option<SocketAddr>, number: u16) {
    with_listener(reactor, number, |listener| {
        let worker = &reactor.worker;
        if listener.stats.connections() >= i64::from(listener.limits.connections) {
            return refuse(reactor, listener, &client, Rejection::Connections);
        }
        let peer = match address {
            Some(address) => Peer::new(address, number),
            None => Peer::local(number),
        };
        let first = listener.tls.as_ref().map_or(listener.limits.header_timeout, |tls| tls.handshake_timeout);
        let deadline = worker.clock.now() + first;
        match reactor.add(client, peer, deadline) {
            Ok(()) => listener.stats.opened(worker.number),
            Err(_) => listener.stats.rejected(worker.number, Rejection::Descriptors),
        }
    });
}

fn with_listener(reactor: &Reactor, number: u16, f: impl FnOnce(&Listener)) {
    if let Some(listener) = reactor.worker.snapshot().table.listener(number) {
        f(listener);
    }
}
