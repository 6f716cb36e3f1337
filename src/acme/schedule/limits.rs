//! How much is asked of an authority at most: well below what it allows.

use super::record::fewer_at;
use super::{Crowd, DAY, HOUR, Life, MINUTE, Record, Seconds, crowd};

/// How much is asked of an authority at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Orders within three hours.
    pub orders: usize,
    /// Orders within a minute.
    pub orders_a_minute: usize,
    /// Orders for one host within an hour, as each may fail.
    pub host: usize,
    /// Certificates for the same hosts within a week, unless their life is so short that it takes more.
    pub same: usize,
    /// Certificates for one registered domain within a week, without those that the authority suggested.
    pub domain: Option<usize>,
}

impl Limits {
    /// Let's Encrypt allows 300 orders within three hours, 5 failures for a host within an hour, 5 certificates for the same hosts and
    /// 50 for a registered domain within a week.
    pub const LETS_ENCRYPT: Limits = Limits { orders: 150, orders_a_minute: 20, host: 4, same: 4, domain: Some(40) };
    /// Others say themselves when it is too much.
    pub const OTHERS: Limits = Limits { orders: 1000, orders_a_minute: 60, host: 4, same: 4, domain: None };

    /// Those for the authority with this directory.
    pub fn of(directory: &str) -> &'static Limits {
        static LETS_ENCRYPT: Limits = Limits::LETS_ENCRYPT;
        static OTHERS: Limits = Limits::OTHERS;
        let host = directory.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default();
        if host.ends_with(".letsencrypt.org") { &LETS_ENCRYPT } else { &OTHERS }
    }

    pub(super) fn pace_at(&self, crowd: &Crowd, now: Seconds) -> Seconds {
        let hours = fewer_at(&crowd.begun, self.orders, 3 * HOUR, now);
        hours.max(fewer_at(&crowd.begun, self.orders_a_minute, MINUTE, now))
    }

    pub(super) fn host_at(&self, crowd: &Crowd, hosts: &[String], now: Seconds) -> Seconds {
        let moments = hosts.iter().filter_map(|host| crowd.hosts.get(host));
        moments.map(|moments| fewer_at(moments, self.host, HOUR, now)).max().unwrap_or(0)
    }

    pub(super) fn same_at(&self, record: &Record, life: Option<Life>, now: Seconds) -> Seconds {
        let needed = life.map_or(0, |life| 2 + 7 * DAY * 3 / 2 / life.length().max(1));
        let most = self.same.max(usize::try_from(needed).unwrap_or(usize::MAX));
        fewer_at(&record.issued, most, 7 * DAY, now)
    }

    pub(super) fn domain_at(&self, crowd: &Crowd, hosts: &[String], now: Seconds) -> Seconds {
        let Some(most) = self.domain else { return 0 };
        let moments = hosts.iter().filter_map(|host| crowd.domains.get(&crowd::domain(host)));
        moments.map(|moments| fewer_at(moments, most, 7 * DAY, now)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_known_by_its_host() {
        assert_eq!(*Limits::of("https://acme-v02.api.letsencrypt.org/directory"), Limits::LETS_ENCRYPT);
        assert_eq!(*Limits::of("https://ca.example.com/letsencrypt.org"), Limits::OTHERS);
    }

    #[test]
    fn a_life_of_an_hour_takes_as_many_certificates_as_it_needs() {
        let record = Record { issued: (0..100).map(|n| n * 40 * MINUTE).collect(), ..Record::default() };
        let now = 100 * 40 * MINUTE;
        let life = |length| Some(Life { from: now, until: now + length });
        assert_eq!(Limits::LETS_ENCRYPT.same_at(&record, life(HOUR), now), 0);
        assert!(Limits::LETS_ENCRYPT.same_at(&record, life(90 * DAY), now) > now);
    }
}
