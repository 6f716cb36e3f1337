//! The accept loop of one listener on one worker.

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

/// Accepts for ever, or until the socket fails.
pub async fn accept(reactor: Rc<Reactor>, socket: OwnedFd, listener: u16) -> io::Result<()> {
    let socket = super::readiness::readable(socket)?;
    loop {
        let mut ready = socket.readable().await?;
        for _ in 0..BATCH {
            match rustix::net::acceptfrom_with(socket.get_ref(), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((client, address)) => {
                    let address = address.and_then(|a| SocketAddr::try_from(a).ok());
                    if reactor.worker.reserve.leaves_enough(&client) || make_room(&reactor).await {
                        admit(&reactor, client, address, listener);
                    } else {
                        with_listener(&reactor, listener, |l| refuse(&reactor, l, &client, Rejection::Descriptors));
                    }
                }
                Err(Errno::AGAIN) => {
                    ready.clear_ready();
                    break;
                }
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    with_listener(&reactor, listener, |l| {
                        l.stats.rejected(reactor.worker.number, Rejection::Descriptors);
                    });
                    make_room(&reactor).await;
                }
                // the client gave up, or a firewall said no: the next one may do better
                Err(Errno::CONNABORTED | Errno::INTR | Errno::PERM | Errno::PROTO) => {}
                Err(e) => return Err(e.into()),
            }
        }
        tokio::task::yield_now().await;
    }
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
        let deadline = worker.clock.now() + listener.limits.header_timeout;
        match reactor.add(client, peer, deadline) {
            Ok(()) => listener.stats.opened(worker.number),
            Err(_) => listener.stats.rejected(worker.number, Rejection::Descriptors),
        }
    });
}

fn with_listener(reactor: &Reactor, number: u16, f: impl FnOnce(&Listener)) {
    if let Some(listener) = reactor.worker.snapshot().table.listeners.get(usize::from(number)) {
        f(listener);
    }
}
