//! The primitives that threads share here. The model checker (`tests/model`) reads the same files with its own in their place.

pub use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
pub use std::sync::{Mutex, MutexGuard, PoisonError};
