//! Who may take the last descriptors: clients leave some to connections to endpoints, and those some to everything else.

use rustix::process::{Resource, getrlimit};
use std::os::fd::{AsRawFd, RawFd};

/// Descriptors that clients leave: one in eight, and at most this many. Half of them is left by connections to endpoints too: the admin
/// address must answer, and files be opened, while requests wait for an endpoint.
const RESERVE_MAX: u64 = 64;

/// Descriptor numbers from which on the process is short of them. The kernel gives the lowest free number, so a high one says how few are left.
#[derive(Clone, Copy, Debug)]
pub struct Reserve {
    clients: RawFd,
    endpoints: RawFd,
}

impl Reserve {
    /// That of a process which may open this many descriptors.
    pub fn of(limit: u64) -> Reserve {
        let reserve = (limit / 8).min(RESERVE_MAX);
        let roof = |kept: u64| RawFd::try_from(limit - kept).unwrap_or(RawFd::MAX);
        Reserve { clients: roof(reserve), endpoints: roof(reserve / 2) }
    }

    /// This process's, by the limit that holds now.
    pub fn of_process() -> Reserve {
        Reserve::of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }

    /// May a client's connection, or one that is only kept for later, have this descriptor?
    pub fn leaves_enough(&self, descriptor: &impl AsRawFd) -> bool {
        descriptor.as_raw_fd() < self.clients
    }

    /// May a connection to an endpoint have it while a request uses it?
    pub fn leaves_some(&self, descriptor: &impl AsRawFd) -> bool {
        descriptor.as_raw_fd() < self.endpoints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_limit_is_shared_and_a_large_one_hardly_touched() {
        assert_eq!((Reserve::of(64).clients, Reserve::of(64).endpoints), (56, 60));
        assert_eq!((Reserve::of(20_000).clients, Reserve::of(20_000).endpoints), (19_936, 19_968));
        assert_eq!(Reserve::of(u64::MAX).clients, RawFd::MAX);
    }
}
