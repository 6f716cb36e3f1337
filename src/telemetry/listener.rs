//! What is counted for one listener: the connections it holds and those it turned away.

use super::cells::{Count, Level, PerWorker};

/// The counts of one listener. They outlive a reload that keeps the listener.
#[derive(Debug)]
pub struct ListenerStats {
    cells: PerWorker<ListenerCells>,
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
        ListenerStats { cells: PerWorker::new(workers) }
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
}
