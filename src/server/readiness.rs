//! Descriptors watched by tokio.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches `descriptor` for something to read.
///
/// tokio deprecates this constructor in favour of an `unsafe` one, since a type could lie about its descriptor or close it early. An `OwnedFd` and
/// what wraps one do neither, so the safe constructor is kept and `unsafe` stays out.
#[allow(deprecated)]
pub fn readable<T: AsFd + AsRawFd>(descriptor: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
