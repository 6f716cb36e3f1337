//! A client's connection as it is held: its socket, and its TLS if it speaks that.

use crate::tls::Session;
use rustix::net::{RecvFlags, SendFlags};
use std::os::fd::OwnedFd;

/// A client's connection. Dropping it closes it, and says so first where TLS has a word for that.
pub struct Line {
    pub socket: OwnedFd,
    pub tls: Option<Box<Session>>,
}

impl Line {
    /// A connection that has not spoken.
    pub fn new(socket: OwnedFd) -> Line {
        Line { socket, tls: None }
    }

    /// The kernel has bytes of its client.
    pub fn has_unread(&self) -> bool {
        let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        rustix::net::recv(&self.socket, &mut [0; 1], peek).is_ok_and(|(n, _)| n > 0)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // a session in whose midst something gave way is asked nothing more: a second panic would end the process
        if std::thread::panicking() {
            return;
        }
        if let Some(tls) = &mut self.tls {
            // best effort: a client that does not read misses only that the end is meant
            let _ = rustix::net::send(&self.socket, &tls.farewell(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }
}
