//! What a source has found: an endpoint, in the words that all sources share.

use super::sentence::sentence;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The most endpoints that are taken of one service; further ones are left out.
pub const ENDPOINTS_MAX: usize = 1000;

/// An endpoint that a source has found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Found {
    /// Where it answers.
    pub address: SocketAddr,
    /// Its share of the requests, from 1.
    pub weight: u16,
    /// Gets requests only while no other can take them: SRV's lower priorities.
    pub backup: bool,
    /// Who it is, in the source's own words: a container's name, an SRV record's target. For people; not part of its identity.
    pub name: Box<str>,
    /// The source says that it takes no new request any more, and finishes what it has (a container that was told to stop).
    pub leaving: bool,
    /// The source's own word for its health, where it has one (a container's health check): `Some(false)` gets no request.
    pub healthy: Option<bool>,
}

/// The endpoints of a service in order, each address once, and not too many: what two sets are compared by. Of those that share an
/// address, one that takes requests counts before one that does not. One without a port is none, and what else a source may not say
/// is made what it may.
pub fn tidy(mut found: Vec<Found>) -> Box<[Found]> {
    found.retain(|f| f.address.port() != 0 && !f.address.ip().is_unspecified());
    for f in &mut found {
        f.weight = f.weight.max(1);
        f.name = sentence(&f.name).into();
    }
    found.sort_by(|a, b| {
        let key = |f: &Found| (f.address, f.leaving, f.healthy == Some(false));
        key(a).cmp(&key(b)).then_with(|| a.cmp(b))
    });
    found.dedup_by_key(|f| f.address);
    found.truncate(ENDPOINTS_MAX);
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_once_by_who_takes_requests_there() {
        let of = |name: &str, leaving| Found {
            address: SocketAddr::from(([10, 0, 0, 1], 80)),
            weight: 1,
            backup: false,
            name: name.into(),
            leaving,
            healthy: None,
        };
        let tidied = tidy(vec![of("a", true), of("b", false), of("c", false)]);
        assert_eq!(&*tidied, [of("b", false)]);
    }

    #[test]
    fn what_an_agent_may_not_write_is_not_taken_at_its_word() {
        let of = |address: &str, weight, name: &str| Found {
            address: address.parse().unwrap(),
            weight,
            backup: false,
            name: name.into(),
            leaving: false,
            healthy: None,
        };
        let odd = vec![of("10.0.0.1:0", 1, "a"), of("0.0.0.0:80", 1, "a"), of("10.0.0.1:80", 0, "a\nb")];
        assert_eq!(&*tidy(odd), [of("10.0.0.1:80", 1, "a\\nb")]);
    }
}
