//! What is counted for one listener: the connections it holds, those it turned away, and how handshakes end.

use super::cells::{Count, Level, PerWorker};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The counts of one listener. They outlive a reload that keeps the listener.
#[derive(Debug)]
pub struct ListenerStats {
    cells: PerWorker<ListenerCells>,
    handshakes: PerWorker<Handshakes>,
    /// Those who accept connections for it.
    accepting: AtomicUsize,
}

/// Says that connections may still come in, until it is dropped.
#[derive(Debug)]
pub struct Accepting(Arc<ListenerStats>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.accepting.fetch_sub(1, Ordering::Release);
    }
}

/// Why a client's connection was turned away before its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The listener is at `limits.connections`.
    Connections,
    /// The process has no file descriptor left.
    Descriptors,
}

impl Rejection {
    /// All of them.
    pub const ALL: [Rejection; 2] = [Rejection::Connections, Rejection::Descriptors];

    /// The `reason` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rejection::Connections => "connections",
            Rejection::Descriptors => "descriptors",
        }
    }
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeResult {
    /// With a new session.
    Full,
    /// With a session of before, which spares both sides most of the work.
    Resumed,
    /// It took longer than `tls.handshake_timeout`.
    Timeout,
    /// The client named no host that a certificate is for, and `tls.strict_sni` refuses that.
    UnknownName,
    /// The client has no certificate, or one that is not believed.
    ClientCertificate,
    /// The client spoke plain HTTP.
    PlainHttp,
    /// The client closed the connection.
    Closed,
    /// The client spoke no TLS, or none that both sides understand.
    Failed,
}

impl HandshakeResult {
    /// All of them.
    pub const ALL: [HandshakeResult; 8] = [
        HandshakeResult::Full,
        HandshakeResult::Resumed,
        HandshakeResult::Timeout,
        HandshakeResult::UnknownName,
        HandshakeResult::ClientCertificate,
        HandshakeResult::PlainHttp,
        HandshakeResult::Closed,
        HandshakeResult::Failed,
    ];

    /// The `result` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            HandshakeResult::Full => "full",
            HandshakeResult::Resumed => "resumed",
            HandshakeResult::Timeout => "timeout",
            HandshakeResult::UnknownName => "unknown_name",
            HandshakeResult::ClientCertificate => "client_certificate",
            HandshakeResult::PlainHttp => "plain_http",
            HandshakeResult::Closed => "closed",
            HandshakeResult::Failed => "failed",
        }
    }

    /// Whether the connection can be used.
    pub const fn is_good(self) -> bool {
        matches!(self, HandshakeResult::Full | HandshakeResult::Resumed)
    }
}

/// The `version` labels; the last one is for a handshake that ended before a version was agreed on.
pub(super) const VERSIONS: [&str; 3] = ["1.2", "1.3", "none"];

/// By result and version.
type Handshakes = [[Count; VERSIONS.len()]; HandshakeResult::ALL.len()];

#[derive(Debug, Default)]
struct ListenerCells {
    connections: Level,
    rejected: [Count; Rejection::ALL.len()],
}

impl ListenerStats {
    /// Nothing counted yet, with room for workers `0..workers`.
    pub fn new(workers: usize) -> ListenerStats {
        ListenerStats {
            cells: PerWorker::new(workers),
            handshakes: PerWorker::new(workers),
            accepting: AtomicUsize::new(0),
        }
    }

    /// Somebody accepts connections for this listener.
    pub fn accepts(self: &Arc<ListenerStats>) -> Accepting {
        self.accepting.fetch_add(1, Ordering::Relaxed);
        Accepting(Arc::clone(self))
    }

    /// Connections are open, or may still come in. Once false of a listener that is removed it stays so.
    pub fn in_use(&self) -> bool {
        // in this order: a connection is counted before the one who accepted it lets go
        self.accepting.load(Ordering::Acquire) > 0 || self.connections() > 0
    }

    /// A client connected. `closed` follows on the same worker.
    pub fn opened(&self, worker: usize) {
        self.cells.get(worker).connections.add(1);
    }

    /// A client's connection is gone.
    pub fn closed(&self, worker: usize) {
        self.cells.get(worker).connections.add(-1);
    }

    /// A connection was turned away; it was never `opened`.
    pub fn rejected(&self, worker: usize, reason: Rejection) {
        self.cells.get(worker).rejected[reason as usize].add(1);
    }

    /// A TLS handshake ended so; `version` is what both sides speak, if they agreed on that.
    pub fn handshake(&self, worker: usize, result: HandshakeResult, version: Option<&str>) {
        let last = VERSIONS.len() - 1;
        let place = VERSIONS.iter().position(|known| version == Some(*known)).unwrap_or(last);
        self.handshakes.get(worker)[result as usize][place].add(1);
    }

    /// Connections open now, on all workers.
    pub fn connections(&self) -> i64 {
        self.cells.iter().map(|cells| cells.connections.get()).sum()
    }

    pub(super) fn rejected_total(&self, reason: Rejection) -> u64 {
        self.cells.iter().map(|cells| cells.rejected[reason as usize].get()).sum()
    }

    /// Handshakes that ended so, by version in the order of [`VERSIONS`].
    pub(super) fn handshakes_total(&self, result: HandshakeResult) -> [u64; VERSIONS.len()] {
        std::array::from_fn(|version| self.handshakes.iter().map(|cells| cells[result as usize][version].get()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_all_workers_add_up_and_return_to_none() {
        let stats = ListenerStats::new(2);
        stats.opened(0);
        stats.opened(1);
        assert_eq!(stats.connections(), 2);
        stats.closed(1);
        stats.closed(0);
        assert_eq!(stats.connections(), 0);
    }

    #[test]
    fn a_listener_is_in_use_while_somebody_accepts_for_it_or_has_a_connection() {
        let stats = Arc::new(ListenerStats::new(1));
        assert!(!stats.in_use());
        let accepting = stats.accepts();
        stats.opened(0);
        drop(accepting);
        assert!(stats.in_use());
        stats.closed(0);
        assert!(!stats.in_use());
    }
}
