//! An allocator that counts what the gateway's threads ask for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The system's allocator, with a count of the requests made by threads that are not [`exempt`].
pub struct Counting;

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Without a destructor and made without code, so that the allocator can read it at any time of a thread's life.
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

/// What this thread allocates from now on is not counted: it plays the gateway's surroundings.
pub fn exempt() {
    EXEMPT.set(true);
}

/// Allocations and reallocations so far.
pub fn requests() -> u64 {
    REQUESTS.load(Relaxed)
}

/// Bytes that all threads hold.
pub fn held() -> u64 {
    HELD.load(Relaxed)
}

fn count() {
    if !EXEMPT.get() {
        REQUESTS.fetch_add(1, Relaxed);
    }
}

// SAFETY: every method hands its arguments unchanged to `System`, which is a correct allocator, and returns what that returns; so each
// promise that the caller makes and that the trait makes in turn is kept by `System`. What is done besides, reading a thread-local
// that needs no initialisation and adding to atomics, neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        HELD.fetch_add(layout.size() as u64, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        HELD.fetch_add(layout.size() as u64, Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        HELD.fetch_add((size as u64).wrapping_sub(layout.size() as u64), Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as u64, Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}
