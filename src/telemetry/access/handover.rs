//! How lines pass from one worker to the writer: two swapped pointers, no lock, and no allocation once it runs.

use std::fmt;

use crossbeam_utils::atomic::AtomicCell;

use super::WAITING_BYTES_MAX;

/// A buffer that grew past this in a burst is cut back to it afterwards.
const KEPT_BYTES: usize = 64 * 1024;

/// Whole lines, each ended by a newline.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    pub(super) count: u64,
}

impl Lines {
    fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

/// Where one worker leaves its lines. The worker fills `waiting` and empties `spare`; the writer does the reverse.
#[derive(Default)]
pub(super) struct Slot {
    waiting: AtomicCell<Option<Box<Lines>>>,
    spare: AtomicCell<Option<Box<Lines>>>,
}

impl Slot {
    /// The worker's step: leaves `lines` empty. Returns how many lines found no room.
    pub(super) fn hand_over(&self, lines: &mut Box<Lines>) -> u64 {
        let mut lost = 0;
        let waiting = match self.waiting.take() {
            None => std::mem::replace(lines, self.spare.take().unwrap_or_default()),
            Some(mut waiting) => {
                if waiting.bytes.len() + lines.bytes.len() <= WAITING_BYTES_MAX {
                    waiting.bytes.extend_from_slice(&lines.bytes);
                    waiting.count += lines.count;
                } else {
                    lost = lines.count;
                }
                lines.clear();
                waiting
            }
        };
        self.waiting.store(Some(waiting));
        lost
    }

    /// The writer's first step: what waits, if anything.
    pub(super) fn take(&self) -> Option<Box<Lines>> {
        self.waiting.take()
    }

    /// The writer's second step: the buffer goes back to the worker.
    pub(super) fn give_back(&self, mut lines: Box<Lines>) {
        if lines.bytes.len() < KEPT_BYTES {
            lines.bytes.shrink_to(KEPT_BYTES);
        }
        lines.clear();
        self.spare.store(Some(lines));
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Box<Lines> {
        Box::new(Lines { bytes: text.as_bytes().to_vec(), count: text.lines().count() as u64 })
    }

    #[test]
    fn a_handover_takes_no_lock() {
        assert!(AtomicCell::<Option<Box<Lines>>>::is_lock_free());
    }

    #[test]
    fn what_the_writer_has_not_taken_yet_is_added_to() {
        let slot = Slot::default();
        assert_eq!(slot.hand_over(&mut lines("a\n")), 0);
        assert_eq!(slot.hand_over(&mut lines("b\nc\n")), 0);
        let taken = slot.take().expect("lines wait");
        assert_eq!((taken.bytes.as_slice(), taken.count), (&b"a\nb\nc\n"[..], 3));
        assert!(slot.take().is_none());
    }

    #[test]
    fn a_written_buffer_is_used_again() {
        let slot = Slot::default();
        let mut mine = lines("a\n");
        slot.hand_over(&mut mine);
        let taken = slot.take().expect("lines wait");
        let buffer = taken.bytes.as_ptr();
        slot.give_back(taken);
        mine.bytes.extend_from_slice(b"b\n");
        mine.count = 1;
        slot.hand_over(&mut mine);
        assert_eq!(mine.bytes.as_ptr(), buffer);
        assert!(mine.bytes.is_empty());
        assert_eq!(mine.count, 0);
    }

    #[test]
    fn what_waits_is_bounded_and_the_rest_is_counted() {
        let slot = Slot::default();
        let text = "x".repeat(1023) + "\n";
        let mut lost = 0;
        for _ in 0..WAITING_BYTES_MAX / 1024 + 10 {
            lost += slot.hand_over(&mut lines(&text));
        }
        assert_eq!(lost, 10);
        assert_eq!(slot.take().expect("lines wait").bytes.len(), WAITING_BYTES_MAX);
    }

    #[test]
    fn a_buffer_grown_in_a_burst_is_cut_back() {
        let slot = Slot::default();
        slot.give_back(Box::new(Lines { bytes: Vec::with_capacity(1 << 20), count: 0 }));
        let mut mine = lines("a\n");
        slot.hand_over(&mut mine);
        assert!(mine.bytes.capacity() <= KEPT_BYTES);
    }
}
