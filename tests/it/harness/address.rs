//! A loopback address for each thing that listens, so that ports never clash between tests or runs.

use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

/// Ports that no program is given by chance: below those for outgoing connections.
const FIRST_PORT: u16 = 22_600;
const PORTS: u16 = 40;

/// The next address of 127.0.0.0/8 that belongs to this process alone.
pub fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(n < 250 * 250, "a run never needs this many addresses");
    Ipv4Addr::new(127, own_number(), (n / 250) as u8, (1 + n % 250) as u8)
}

/// The next port that belongs to this process alone, for what listens on addresses that are everybody's.
pub fn own_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(n < PORTS, "a run never needs this many ports");
    FIRST_PORT + u16::from(own_number()) * PORTS + n
}

/// A number from 16 to 239 that no other run has as long as this one lasts: whoever holds the socket of that name has it.
fn own_number() -> u8 {
    static HELD: OnceLock<(u8, UnixListener)> = OnceLock::new();
    let (number, _) = HELD.get_or_init(|| {
        let first = std::process::id() % 224;
        let held = (0..224).find_map(|step| {
            let number = (16 + (first + step) % 224) as u8;
            let name = SocketAddr::from_abstract_name(format!("wharf-it-127.{number}")).ok()?;
            Some((number, UnixListener::bind_addr(&name).ok()?))
        });
        held.expect("fewer than 224 runs at one time")
    });
    *number
}

#[test]
fn no_two_listeners_get_the_same_address() {
    assert_ne!(own_address(), own_address());
    assert!(own_address().is_loopback());
    assert_ne!(own_port(), own_port());
}
