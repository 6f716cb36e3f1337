//! Address ranges: `10.0.0.0/8`, `fd00::/8`, or one address. IPv4-mapped addresses count as IPv4.

use super::Complaint;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Reads `ADDRESS/PREFIX`, or an address for that one alone.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(Complaint::new(format!("`{text}` is not an address range"))
                .hint("write for example `10.0.0.0/8`, `fd00::/8` or `192.0.2.1`"));
        };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => match prefix.parse::<u8>() {
                Ok(n) if n <= bits && (prefix.len() == 1 || !prefix.starts_with(['0', '+'])) => n,
                _ => {
                    return Err(Complaint::new(format!("`/{prefix}` is not a prefix length"))
                        .hint(format!("write a number from 0 to {bits}"))
                        .part(format!("/{prefix}")));
                }
            },
        };
        let network = mask(address, prefix);
        if network != address {
            return Err(Complaint::new(format!("`{text}` has bits set beyond its prefix"))
                .hint(format!("write `{network}/{prefix}` for the range or `{address}` for the one address")));
        }
        // A mapped range is the IPv4 range it maps, since every address is unmapped before it is compared.
        if let IpAddr::V6(v6) = network
            && let Some(v4) = v6.to_ipv4_mapped()
            && prefix >= 96
        {
            return Ok(Cidr { network: v4.into(), prefix: prefix - 96 });
        }
        Ok(Cidr { network, prefix })
    }

    /// Whether it holds more than a network of one owner: it is wider than `10.0.0.0/8`, or in IPv6 than `fc00::/7`.
    pub fn is_wide(&self) -> bool {
        self.prefix < if self.network.is_ipv4() { 8 } else { 7 }
    }

    /// Whether the address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && mask(address, self.prefix) == self.network
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(range: &str, address: &str) -> bool {
        Cidr::parse(range).expect(range).contains(address.parse().expect(address))
    }

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("192.0.2.1", "192.0.2.1"));
        assert!(!holds("192.0.2.1", "192.0.2.2"));
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fdff::1"));
        assert!(!holds("::/0", "8.8.8.8"));
    }

    #[test]
    fn mapped_addresses_count_as_ipv4_on_both_sides() {
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
    }

    #[test]
    fn mistakes_are_refused() {
        assert_eq!(
            Cidr::parse("10.0.0.1/8").unwrap_err().hint.as_deref(),
            Some("write `10.0.0.0/8` for the range or `10.0.0.1` for the one address")
        );
        for text in ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/", "10.0.0/8", "::/129", "a/8"] {
            assert!(Cidr::parse(text).is_err(), "{text}");
        }
    }
}
