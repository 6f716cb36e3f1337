//! How names are asked for: by whom, how long, how often.

use std::net::SocketAddr;
use std::time::Duration;

/// What holds for every name that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsSettings {
    /// The name servers; those of the system where there is none here.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take, all name servers and repetitions together.
    pub timeout: Duration,
    /// An answer holds at least this long, whatever the name server says: a name is not asked for more often.
    pub min_ttl: Duration,
    /// And at most this long: Docker says ten minutes of a container that is gone the next.
    pub max_ttl: Duration,
}

impl DnsSettings {
    /// How long one name server may take before the next is asked.
    pub(super) fn share(&self) -> Duration {
        self.timeout / 3
    }

    /// How long an answer is relied on that says it holds for `said`.
    pub fn holds(&self, said: Duration) -> Duration {
        said.max(self.min_ttl).min(self.max_ttl)
    }
}

impl Default for DnsSettings {
    fn default() -> Self {
        DnsSettings {
            servers: Vec::new(),
            timeout: Duration::from_secs(3),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(15),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_a_second_at_least_and_a_quarter_of_a_minute_at_most_unless_written_otherwise() {
        let settings = DnsSettings::default();
        for (said, held) in [(0, 1), (1, 1), (7, 7), (15, 15), (600, 15)] {
            assert_eq!(settings.holds(Duration::from_secs(said)), Duration::from_secs(held));
        }
        assert_eq!(settings.holds(Duration::MAX), Duration::from_secs(15));
    }
}
