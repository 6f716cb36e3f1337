//! The worker threads as the rest of the process sees them: how many accept connections, and whether each still makes its turns.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// What the workers tell of themselves.
pub struct Pulse {
    /// Those that accept connections.
    serving: AtomicUsize,
    /// A count for each, which it raises while it lives.
    turns: Box<[AtomicU32]>,
}

impl Pulse {
    pub fn new(workers: usize) -> Pulse {
        Pulse { serving: AtomicUsize::new(0), turns: (0..workers).map(|_| AtomicU32::new(0)).collect() }
    }

    /// A worker accepts connections from now on.
    pub fn begins(&self) {
        self.serving.fetch_add(1, Ordering::AcqRel);
    }

    /// A worker has drained.
    pub fn ends(&self) {
        self.serving.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many accept connections, or drain.
    pub fn serving(&self) -> usize {
        self.serving.load(Ordering::Acquire)
    }

    /// This worker lives.
    pub fn beat(&self, worker: usize) {
        if let Some(count) = self.turns.get(worker) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether all have lived since `seen` was taken, which is taken anew then.
    pub fn all_beat(&self, seen: &mut Vec<u32>) -> bool {
        let now: Vec<u32> = self.turns.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let beat = now.len() != seen.len() || now.iter().zip(seen.iter()).all(|(now, seen)| now != seen);
        if beat {
            *seen = now;
        }
        beat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_that_hangs_is_noticed_among_others_that_live() {
        let (pulse, mut seen) = (Pulse::new(2), Vec::new());
        assert!(pulse.all_beat(&mut seen), "nothing was seen before");
        pulse.beat(0);
        assert!(!pulse.all_beat(&mut seen));
        pulse.beat(0);
        pulse.beat(1);
        assert!(pulse.all_beat(&mut seen));
        assert!(!pulse.all_beat(&mut seen));
        // a number that is none of theirs is nobody's
        pulse.beat(2);
        assert!(!pulse.all_beat(&mut seen));
    }
}
