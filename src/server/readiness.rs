//! Descriptors watched by tokio.

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches `descriptor` for something to read.
///
/// tokio deprecates this constructor in favour of an `unsafe` one, since a type could lie about its descriptor or close it early. An `OwnedFd`
/// does neither, so the safe constructor is kept and `unsafe` stays out.
#[allow(deprecated)]
pub fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
