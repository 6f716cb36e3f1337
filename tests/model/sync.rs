//! The model checker's primitives, under the names that `src/upstream` has for its own.

pub use loom::sync::atomic::{AtomicU64, Ordering, fence};
pub use loom::sync::{Mutex, MutexGuard};
pub use std::sync::PoisonError;

/// A number whose loads in sequential order are just that: loom knows that order only of fences, and takes such a load for one that
/// acquires. A fence before it makes up for that. Changes need none: what is to be in order with what comes after them is a load.
#[derive(Default)]
pub struct AtomicU32(loom::sync::atomic::AtomicU32);

impl AtomicU32 {
    pub fn load(&self, order: Ordering) -> u32 {
        if order == Ordering::SeqCst {
            fence(Ordering::SeqCst);
        }
        self.0.load(order)
    }

    pub fn fetch_add(&self, n: u32, order: Ordering) -> u32 {
        self.0.fetch_add(n, order)
    }

    pub fn fetch_sub(&self, n: u32, order: Ordering) -> u32 {
        self.0.fetch_sub(n, order)
    }

    pub fn compare_exchange(&self, known: u32, new: u32, won: Ordering, lost: Ordering) -> Result<u32, u32> {
        self.0.compare_exchange(known, new, won, lost)
    }
}
