//! By the client's network: the first three octets of an IPv4 address or the whole IPv6 address, as nginx's `ip_hash`.

use super::{Choice, turns};
use crate::upstream::endpoint::Endpoint;
use std::net::IpAddr;
use std::sync::Arc;

/// Endpoints that are tried, one after the other, before the request goes to any that can take it. As many as nginx tries.
const TRIES: usize = 21;

/// The endpoint for the client's network. When that one cannot take the request, the network is hashed on.
pub(super) fn choose<'p>(choice: &Choice<'_, 'p>) -> Option<&'p Arc<Endpoint>> {
    let mut network = [0u8; 16];
    let network = match choice.asker.client_ip {
        Some(IpAddr::V4(ip)) => {
            network[..3].copy_from_slice(&ip.octets()[..3]);
            &network[..3]
        }
        Some(IpAddr::V6(ip)) => {
            network = ip.octets();
            &network[..]
        }
        None => return turns::choose(choice),
    };
    let total: u64 = choice.tier.iter().map(|e| u64::from(e.weight())).sum();
    let mut hash: u64 = 89;
    for _ in 0..TRIES {
        hash = network.iter().fold(hash, |hash, octet| (hash * 113 + u64::from(*octet)) % 6271);
        let mut at = hash.checked_rem(total)?;
        for e in choice.tier {
            let weight = u64::from(e.weight());
            if at < weight {
                if choice.is_open(e) {
                    return Some(e);
                }
                break;
            }
            at -= weight;
        }
    }
    turns::choose(choice)
}
