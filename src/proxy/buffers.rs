//! The worker's buffers: one to read into, and a stock of vectors to write from. Idle connections hold none.

use crate::http::HEAD_BYTES_MAX;
use std::cell::{RefCell, RefMut};

/// What one read takes in at most, beyond what is held of a head.
pub const READ_BYTES: usize = 64 * 1024;
/// Vectors kept for reuse.
const SPARE_MAX: usize = 64;
/// A vector that grew beyond this is not kept.
const SPARE_BYTES_MAX: usize = 32 * 1024;
/// What a new vector has room for: a head of usual size and a small body.
const SPARE_BYTES: usize = 4 * 1024;

/// One worker's buffers.
pub struct Buffers {
    scratch: RefCell<Box<[u8]>>,
    spare: RefCell<Vec<Vec<u8>>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Buffers {
            scratch: RefCell::new(vec![0; HEAD_BYTES_MAX + READ_BYTES].into()),
            spare: RefCell::new(Vec::with_capacity(SPARE_MAX)),
        }
    }
}

impl Buffers {
    /// The buffer to read into. Borrowed within one poll only, never across an await.
    pub fn scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.borrow_mut()
    }

    /// An empty vector with room.
    pub fn take(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(SPARE_BYTES))
    }

    /// Gives a vector back for reuse.
    pub fn give(&self, mut vector: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX && (1..=SPARE_BYTES_MAX).contains(&vector.capacity()) {
            vector.clear();
            spare.push(vector);
        }
    }
}
