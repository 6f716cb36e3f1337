//! A listener, compiled: an address that accepts clients, and what one of them may take.

use super::number::Number;
use crate::http::HeadLimits;
use crate::http::clock::Span;
use crate::policy::Hsts;
use crate::telemetry::ListenerStats;
use crate::tls::ServerTls;
use crate::value::ListenAddress;
use std::sync::Arc;

/// An address that accepts clients, and what one of them may take.
pub struct Listener {
    /// The same as long as a listener of this name and address is there, or one of its connections.
    pub number: Arc<Number>,
    pub name: Box<str>,
    pub address: ListenAddress,
    /// How its clients came in, as the header lines that tell upstreams.
    pub arrival: Box<[u8]>,
    /// Its clients speak TLS. A listener that begins or ceases to is another one, so that this holds for each of its connections.
    pub secure: bool,
    /// It is removed, and the listener in its place demands of clients what those of this one did not prove: none of them is served.
    pub surpassed: bool,
    /// The files of the certificates that it presents, each at its place among them; nothing for an ordered one.
    pub files: Box<[Box<str>]>,
    /// It sends every request to HTTPS.
    pub redirects: bool,
    /// What it promises in each answer.
    pub hsts: Option<Arc<Hsts>>,
    pub limits: ClientLimits,
    /// `None` in plain text.
    pub tls: Option<Box<ListenerTls>>,
    pub stats: Arc<ListenerStats>,
    /// The place of its routes among the table's indexes.
    pub(super) index: usize,
}

/// What a listener speaks TLS with, and for how long.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    pub server: Arc<ServerTls>,
    /// Longest time from the connection to the end of the handshake.
    pub handshake_timeout: Span,
}

/// What one client of a listener may take.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Connections at one time, over all clients.
    pub connections: u32,
    pub head: HeadLimits,
    /// Longest time for a whole head.
    pub header_timeout: Span,
    /// Longest silence within a body.
    pub body_timeout: Span,
    /// Slowest pace of a body, in bytes a second; 0 for none.
    pub body_min_rate: u64,
    /// Longest time a client may take no byte.
    pub send_timeout: Span,
    /// Longest wait between two requests; zero closes after each.
    pub keepalive_timeout: Span,
    /// Requests on one connection; each is the last where the listener is removed.
    pub keepalive_requests: u32,
}
