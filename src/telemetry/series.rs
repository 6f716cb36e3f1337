//! Counts by key, in a list that never shrinks: its one writer appends without a lock, readers walk it at any time. The place of a key
//! that is gone is used again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cells::Count;

/// How many keys one list holds. What comes after is counted together, so that an origin that makes up status codes
/// can neither fill the memory nor lengthen the walk without end.
pub(crate) const KEYS_MAX: usize = 128;

/// Keys per chunk: with the link a chunk is one cache line.
const CHUNK: usize = 3;

/// Stands in the place of a key that was dropped, until another takes it.
const FREE: u64 = 1;

/// Counts by key, spread over `LISTS` lists to keep each short. Keys are never 0 or 1.
#[derive(Debug)]
pub(crate) struct Series<const LISTS: usize> {
    lists: [OnceLock<Box<Chunk>>; LISTS],
    overflow: Count,
}

#[derive(Debug, Default)]
struct Chunk {
    slots: [Slot; CHUNK],
    next: OnceLock<Box<Chunk>>,
}

#[derive(Debug, Default)]
struct Slot {
    key: AtomicU64,
    count: Count,
}

impl<const LISTS: usize> Default for Series<LISTS> {
    fn default() -> Self {
        Series { lists: [const { OnceLock::new() }; LISTS], overflow: Count::default() }
    }
}

impl<const LISTS: usize> Series<LISTS> {
    /// Counts one more of `key`, which lives in the list `hint % LISTS`.
    pub(crate) fn count(&self, hint: usize, key: u64) {
        let mut link = &self.lists[hint % LISTS];
        let mut free = None;
        for _ in 0..KEYS_MAX.div_ceil(CHUNK) {
            let chunk = link.get_or_init(Box::default);
            for slot in &chunk.slots {
                match slot.key.load(Ordering::Relaxed) {
                    found if found == key => return slot.count.add(1),
                    0 => return free.unwrap_or(slot).begin(key),
                    FREE => free = free.or(Some(slot)),
                    _ => {}
                }
            }
            link = &chunk.next;
        }
        match free {
            Some(slot) => slot.begin(key),
            None => self.overflow.add(1),
        }
    }

    /// Drops the keys that `keep` does not want. Only the writer may; a reader that is under way may still see one of them, and then perhaps
    /// with the first counts of its successor.
    pub(crate) fn retain(&self, keep: impl Fn(u64) -> bool) {
        for slot in self.slots() {
            let key = slot.key.load(Ordering::Relaxed);
            if key != FREE && !keep(key) {
                slot.key.store(FREE, Ordering::Relaxed);
            }
        }
    }

    /// Every key with its count; no key twice.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.slots().filter_map(|slot| {
            let key = slot.key.load(Ordering::Acquire);
            (key != FREE).then(|| (key, slot.count.get()))
        })
    }

    /// The places that have or had a key.
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.lists.iter().flat_map(|list| {
            let chunks = std::iter::successors(list.get(), |chunk| chunk.next.get());
            chunks.flat_map(|chunk| &chunk.slots).take_while(|slot| slot.key.load(Ordering::Relaxed) != 0)
        })
    }

    /// What found no place among the keys.
    pub(crate) fn overflow(&self) -> u64 {
        self.overflow.get()
    }
}

impl Slot {
    /// The first count of `key`.
    fn begin(&self, key: u64) {
        self.count.restart(1);
        // Published last: whoever sees the key sees its first count.
        self.key.store(key, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_one_cache_line() {
        assert_eq!(size_of::<Chunk>(), 64);
    }

    #[test]
    fn each_key_is_counted_apart() {
        let series = Series::<4>::default();
        for round in 2..=21u64 {
            for key in 2..=round {
                series.count(key as usize, key);
            }
        }
        let mut seen: Vec<_> = series.iter().collect();
        seen.sort_unstable();
        assert_eq!(seen, (2..=21).map(|key| (key, 22 - key)).collect::<Vec<_>>());
        assert_eq!(series.overflow(), 0);
    }

    #[test]
    fn keys_beyond_the_limit_are_counted_together_and_known_keys_go_on() {
        let series = Series::<1>::default();
        for key in 2..=1_001 {
            series.count(0, key);
        }
        series.count(0, 2);
        let kept = series.iter().count();
        assert!((KEYS_MAX..KEYS_MAX + CHUNK).contains(&kept));
        assert_eq!(series.overflow(), 1_000 - kept as u64);
        assert_eq!(series.iter().next(), Some((2, 2)));
    }

    #[test]
    fn the_place_of_a_dropped_key_is_used_again_and_begins_at_none() {
        let series = Series::<1>::default();
        for key in 2..=1_001 {
            series.count(0, key);
            series.retain(|k| k > key.saturating_sub(10));
        }
        assert_eq!((series.iter().count(), series.overflow()), (10, 0));
        assert!(series.iter().all(|(key, count)| key > 991 && count == 1));
        assert!(series.slots().count() <= 12);
    }

    #[test]
    fn a_reader_never_sees_a_key_without_its_count() {
        let series = Series::<2>::default();
        std::thread::scope(|scope| {
            scope.spawn(|| (2..=101).for_each(|key| series.count(key as usize, key)));
            while series.iter().count() < 100 {
                assert!(series.iter().all(|(_, count)| count == 1));
            }
        });
    }
}
