//! The gateway when nobody asks anything of it: what is left over of all that was.

use std::io;
use std::time::{Duration, Instant};

use crate::gateway::Gateway;
use crate::place::Place;
use crate::probe;
use crate::process;

/// How long after the last request connections may still be open.
const CALM_PATIENCE: Duration = Duration::from_secs(15);

/// Growth of memory that is no growth: a sixth, and so much.
const SLACK_KIB: u64 = 8 * 1024;

/// Descriptors that may be open beyond those at the start: a name service's, a log's.
const SLACK_DESCRIPTORS: usize = 4;

pub struct Rest {
    pub in_flight: f64,
    pub connections: f64,
    pub descriptors: usize,
    pub rss_kib: u64,
}

impl Rest {
    /// Waits until no connection is open any more, as long as that may take.
    pub fn come_to(gateway: &Gateway, place: &Place) -> io::Result<Rest> {
        let start = Instant::now();
        loop {
            let rest = Rest {
                in_flight: gateway.in_flight()?,
                connections: probe::metric(place.admin(), "wharf_listener_connections")?,
                descriptors: process::descriptors(gateway.pid),
                rss_kib: process::rss_kib(gateway.pid),
            };
            let idle = probe::metric(place.admin(), "wharf_upstream_connections{")?;
            if (rest.in_flight + rest.connections + idle == 0.0) || start.elapsed() > CALM_PATIENCE {
                return Ok(rest);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Whether descriptors are left over since `before`.
    pub fn has_leaked_since(&self, before: &Rest) -> bool {
        self.descriptors > before.descriptors + SLACK_DESCRIPTORS
    }

    /// Whether it takes more memory than `before`, by more than chance.
    pub fn has_grown_since(&self, before: &Rest) -> bool {
        self.rss_kib > before.rss_kib + before.rss_kib / 6 + SLACK_KIB
    }

    pub fn words(&self) -> String {
        let Rest { in_flight, connections, descriptors, rss_kib } = self;
        let mib = *rss_kib as f64 / 1024.0;
        format!("{in_flight} in flight, {connections} connections, {descriptors} descriptors, {mib:.1} MiB")
    }
}
