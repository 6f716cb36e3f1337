//! What all orders of one authority did lately, which its limits are about.

use super::record::note;
use super::{DAY, HOUR, Record, Seconds};
use std::collections::HashMap;

/// The orders of one authority, of the last hours and days.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    /// When orders were begun.
    pub(super) begun: Vec<Seconds>,
    /// The same for each host.
    pub(super) hosts: HashMap<String, Vec<Seconds>>,
    /// When certificates came that count, for each domain that somebody registered.
    pub(super) domains: HashMap<String, Vec<Seconds>>,
}

impl Crowd {
    /// Adds what is remembered of an order.
    pub fn recall(&mut self, record: &Record) {
        for at in &record.begun {
            insert(&mut self.begun, *at);
            for host in &record.hosts {
                insert(self.hosts.entry(host.clone()).or_default(), *at);
            }
        }
        for at in &record.issued {
            for domain in domains(&record.hosts) {
                insert(self.domains.entry(domain).or_default(), *at);
            }
        }
    }

    /// An order is begun.
    pub fn begun(&mut self, hosts: &[String], now: Seconds) {
        note(&mut self.begun, now, 3 * HOUR);
        for host in hosts {
            note(self.hosts.entry(host.clone()).or_default(), now, HOUR);
        }
    }

    /// It was not, after all.
    pub fn not_begun(&mut self, hosts: &[String], at: Seconds) {
        take(&mut self.begun, at);
        for host in hosts {
            self.hosts.entry(host.clone()).and_modify(|moments| take(moments, at));
        }
    }

    /// A certificate came that counts.
    pub fn issued(&mut self, hosts: &[String], now: Seconds) {
        for domain in domains(hosts) {
            note(self.domains.entry(domain).or_default(), now, 7 * DAY);
        }
    }
}

fn insert(moments: &mut Vec<Seconds>, at: Seconds) {
    let place = moments.partition_point(|other| *other <= at);
    moments.insert(place, at);
}

fn take(moments: &mut Vec<Seconds>, at: Seconds) {
    if let Some(place) = moments.iter().rposition(|other| *other == at) {
        moments.remove(place);
    }
}

/// The domains of hosts that somebody registered, as near as it can be told without the list of public suffixes: two labels, or three
/// below a country's `co.uk` and the like.
fn domains(hosts: &[String]) -> Vec<String> {
    let mut domains: Vec<String> = hosts.iter().map(|host| domain(host)).collect();
    domains.sort_unstable();
    domains.dedup();
    domains
}

pub(super) fn domain(host: &str) -> String {
    let labels: Vec<&str> = host.rsplitn(4, '.').take(3).collect();
    let count = match labels.as_slice() {
        [country, second, _] if country.len() == 2 && second.len() <= 3 => 3,
        _ => 2,
    };
    labels.iter().take(count).rev().copied().collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_belong_to_the_domain_that_was_registered() {
        for (host, of) in [
            ("example.com", "example.com"),
            ("a.b.example.com", "example.com"),
            ("*.example.com", "example.com"),
            ("a.example.co.uk", "example.co.uk"),
            ("example.de", "example.de"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(domain(host), of, "{host}");
        }
    }
}
