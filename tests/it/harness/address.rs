//! A loopback address for each thing that listens, so that ports never clash between tests or runs.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

/// The next address of 127.0.0.0/8 that belongs to this process alone.
pub fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(n < 250 * 250, "a run never needs this many addresses");
    let process = 16 + std::process::id() % 224;
    Ipv4Addr::new(127, process as u8, (n / 250) as u8, (1 + n % 250) as u8)
}

#[test]
fn no_two_listeners_get_the_same_address() {
    assert_ne!(own_address(), own_address());
    assert!(own_address().is_loopback());
}
