//! How many requests an endpoint has in flight, and no more than it may have.

use super::sync::{AtomicU32, Ordering};

/// A count that every worker adds to and takes from.
#[derive(Default)]
pub struct Count(AtomicU32);

impl Count {
    /// More than this is never refused: there is no limit.
    pub const UNLIMITED: u32 = u32::MAX;

    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more, unless there are `most` already.
    pub fn enter(&self, most: u32) -> bool {
        if most == Count::UNLIMITED {
            self.0.fetch_add(1, Ordering::SeqCst);
            return true;
        }
        let mut count = self.0.load(Ordering::Relaxed);
        while count < most {
            match self.0.compare_exchange(count, count + 1, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    /// One fewer. In one order with what those who wait for a place see ([`super::waiting`]).
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
