//! What is counted for one listener: the connections it holds and those it turned away.

use super::cells::{Count, Level, PerWorker};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The counts of one listener. They outlive a reload that keeps the listener.
#[derive(Debug)]
pub struct ListenerStats {
    cells: PerWorker<ListenerCells>,
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

#[derive(Debug, Default)]
struct ListenerCells {
    connections: Level,
    rejected: [Count; Rejection::ALL.len()],
}

impl ListenerStats {
    /// Nothing counted yet, with room for workers `0..workers`.
    pub fn new(workers: usize) -> ListenerStats {
        ListenerStats { cells: PerWorker::new(workers), accepting: AtomicUsize::new(0) }
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

    /// Connections open now, on all workers.
    pub fn connections(&self) -> i64 {
        self.cells.iter().map(|cells| cells.connections.get()).sum()
    }

    pub(super) fn rejected_total(&self, reason: Rejection) -> u64 {
        self.cells.iter().map(|cells| cells.rejected[reason as usize].get()).sum()
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
