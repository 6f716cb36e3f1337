//! SRV records as endpoints (RFC 2782): who serves, who backs up, and with which shares.

use super::found::Found;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// The lowest there is serves.
    pub priority: u16,
    /// The share of its target, among those of the same priority.
    pub weight: u16,
    /// Where it answers.
    pub port: u16,
    /// The host, lower-case and without its final dot; empty for `.`: the service is decidedly not there.
    pub target: Box<str>,
}

/// The largest weight that is made of SRV's: a larger one would take too many places on a hash ring, and says no more.
const WEIGHT_MAX: u64 = 256;
/// More endpoints than this are not made of one name's records.
const ENDPOINTS_MAX: usize = 1024;
/// Divides well, so that a target's share can be split among its addresses: a multiple of all numbers up to 16.
const PARTS: u64 = 720_720;

/// The endpoints of records whose targets have these addresses. The lowest priority that has any address serves, all others are backups.
pub(super) fn endpoints(records: &[(Service, Vec<IpAddr>)]) -> Vec<Found> {
    let usable = || records.iter().filter(|(service, addresses)| service.port != 0 && !addresses.is_empty());
    let Some(first) = usable().map(|(service, _)| service.priority).min() else { return Vec::new() };
    let mut shares: [BTreeMap<SocketAddr, (u64, &str)>; 2] = Default::default();
    for (service, addresses) in usable() {
        // 0 is the least there can be beside others: by RFC 2782's own way to choose it gets one part of (sum + 1), as 1 does here
        let share = u64::from(service.weight.max(1)) * PARTS / addresses.len() as u64;
        let tier = &mut shares[usize::from(service.priority != first)];
        for ip in addresses {
            // two records that lead to one place: it is to have what both are to have
            tier.entry(SocketAddr::new(*ip, service.port)).or_insert((0, &service.target)).0 += share;
        }
    }
    let [serving, backups] = &mut shares;
    backups.retain(|address, _| !serving.contains_key(address));
    let tiers = [(serving, false), (backups, true)];
    tiers.into_iter().flat_map(|(tier, backup)| weighed(tier, backup)).take(ENDPOINTS_MAX).collect()
}

/// The shares in lowest terms: name servers that say "100 / how many there are" then change nothing when one more comes.
fn weighed(tier: &BTreeMap<SocketAddr, (u64, &str)>, backup: bool) -> Vec<Found> {
    let divisor = tier.values().fold(0, |divisor, (share, _)| greatest_common(divisor, *share)).max(1);
    let largest = tier.values().map(|(share, _)| share / divisor).max().unwrap_or(1);
    let weight = |share: u64| {
        let share = share / divisor;
        let fits = if largest > WEIGHT_MAX { (share * WEIGHT_MAX + largest / 2) / largest } else { share };
        u16::try_from(fits).unwrap_or(u16::MAX).max(1)
    };
    let found = |(address, (share, target)): (&SocketAddr, &(u64, &str))| Found {
        address: *address,
        weight: weight(*share),
        backup,
        name: (*target).into(),
        leaving: false,
        healthy: None,
    };
    tier.iter().map(found).collect()
}

fn greatest_common(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PRIORITY WEIGHT TARGET ADDRESS…`, all at port 80.
    fn found(records: &[&str]) -> Vec<String> {
        let read = |text: &&str| {
            let words: Vec<&str> = text.split(' ').collect();
            let number = |n: usize| words[n].parse().expect("a number");
            let service = Service { priority: number(0), weight: number(1), port: 80, target: words[2].into() };
            (service, words[3..].iter().map(|ip| ip.parse().expect("an address")).collect())
        };
        let records: Vec<_> = records.iter().map(read).collect();
        let shown = |f: Found| format!("{}={}{}", f.address.ip(), f.weight, if f.backup { " backup" } else { "" });
        endpoints(&records).into_iter().map(shown).collect()
    }

    #[test]
    fn the_lowest_priority_serves_and_all_others_are_backups() {
        let records = ["10 1 a 10.0.0.1", "20 3 b 10.0.0.2", "30 1 c 10.0.0.3"];
        assert_eq!(found(&records), ["10.0.0.1=1", "10.0.0.2=3 backup", "10.0.0.3=1 backup"]);
        // one without an address cannot serve: the next does
        assert_eq!(found(&["10 1 a", records[1], records[2]]), ["10.0.0.2=1", "10.0.0.3=1 backup"]);
        assert!(found(&["10 1 a"]).is_empty() && found(&[]).is_empty());
    }

    #[test]
    fn weights_are_kept_in_lowest_terms() {
        assert_eq!(found(&["0 75 a 10.0.0.1", "0 25 b 10.0.0.2"]), ["10.0.0.1=3", "10.0.0.2=1"]);
        for share in ["50", "33", "0"] {
            let records = [format!("0 {share} a 10.0.0.1"), format!("0 {share} b 10.0.0.2")];
            assert_eq!(found(&records.each_ref().map(String::as_str)), ["10.0.0.1=1", "10.0.0.2=1"]);
        }
        let large = found(&["0 65535 a 10.0.0.1", "0 32767 b 10.0.0.2", "0 1 c 10.0.0.3"]);
        assert_eq!(large, ["10.0.0.1=256", "10.0.0.2=128", "10.0.0.3=1"]);
    }

    #[test]
    fn a_weight_of_0_is_the_least_beside_others() {
        assert_eq!(found(&["0 0 a 10.0.0.1", "0 10 b 10.0.0.2"]), ["10.0.0.1=1", "10.0.0.2=10"]);
    }

    #[test]
    fn a_targets_share_is_split_among_its_addresses() {
        let records = ["0 1 a 10.0.0.1 10.0.0.2 10.0.0.3", "0 1 b 10.0.0.4"];
        assert_eq!(found(&records), ["10.0.0.1=1", "10.0.0.2=1", "10.0.0.3=1", "10.0.0.4=3"]);
    }

    #[test]
    fn two_records_that_lead_to_one_place_are_one_endpoint() {
        let records = ["0 1 a 10.0.0.1", "0 2 b 10.0.0.1", "0 1 c 10.0.0.2", "5 9 d 10.0.0.1"];
        assert_eq!(found(&records), ["10.0.0.1=3", "10.0.0.2=1"]);
    }
}
