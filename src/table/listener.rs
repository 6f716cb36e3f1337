//! A listener, compiled: an address that accepts clients, and what one of them may take.

use super::number::Number;
use crate::http::HeadLimits;
use crate::http::clock::Span;
use crate::telemetry::ListenerStats;
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
    pub limits: ClientLimits,
    pub stats: Arc<ListenerStats>,
    /// The place of its routes among the table's indexes.
    pub(super) index: usize,
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
