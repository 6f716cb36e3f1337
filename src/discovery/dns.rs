//! Names and their addresses, asked of `/etc/hosts` and the system's name servers.

use super::resolver::{self, NO_NAME, Records, Resolver};
use super::settings::DnsSettings;
use hickory_resolver::Hosts;
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// When one of the families is not known, the name is asked again this soon.
const OPEN_FOR: Duration = Duration::from_secs(2);
/// More addresses than this are not taken of one name.
pub(super) const ADDRESSES_MAX: usize = 256;
/// What the answers depend on beside the name servers.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Asks for addresses. Reads the system's settings when it is made, and again when they change.
#[derive(Clone)]
pub struct Dns {
    settings: DnsSettings,
    hosts: Arc<Hosts>,
    resolver: Result<Arc<Resolver>, String>,
    read: [Option<SystemTime>; FILES.len()],
}

/// A kind of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn of(ip: IpAddr) -> Family {
        if ip.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// A name's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Sorted, none twice, at least one.
    pub addresses: Vec<IpAddr>,
    /// How long they hold, as the name server says.
    pub valid_for: Duration,
    /// The family of which nothing was learned: what was known of it still holds.
    pub open: Option<Family>,
}

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// A name server says that there is none.
    Nothing(&'static str),
    /// Nobody knows.
    Failed(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Nothing(why) => f.write_str(why),
            NoAnswer::Failed(why) => f.write_str(why),
        }
    }
}

impl Dns {
    /// With these settings, and the system's for what they leave open.
    pub fn new(settings: &DnsSettings) -> Dns {
        // without the file there are no names in it
        let hosts = Arc::new(Hosts::from_system().unwrap_or_default());
        let resolver = Resolver::new(settings).map(Arc::new);
        Dns { settings: settings.clone(), hosts, resolver, read: changed_at() }
    }

    /// Reads the system's settings again if they changed, and takes over these.
    pub fn follow(&mut self, settings: &DnsSettings) {
        if self.settings != *settings || self.read != changed_at() {
            *self = Dns::new(settings);
        }
    }

    /// How names are asked for.
    pub fn settings(&self) -> &DnsSettings {
        &self.settings
    }

    /// Who is asked for what is in no file.
    pub(super) fn resolver(&self) -> Result<&Arc<Resolver>, String> {
        self.resolver.as_ref().map_err(String::clone)
    }

    /// The question, as a future of its own that needs nothing of `self` any more.
    pub fn look_up(&self, host: &str) -> impl Future<Output = Result<Answer, NoAnswer>> + Send + use<> {
        let fixed = if is_localhost(host) { LOOPBACK.to_vec() } else { self.written(host) };
        let (resolver, host, patience) = (self.resolver.clone(), host.to_owned(), self.settings.share());
        async move {
            if !fixed.is_empty() {
                return Ok(Answer { addresses: tidy(fixed), valid_for: Duration::MAX, open: None });
            }
            let resolver = resolver.map_err(NoAnswer::Failed)?;
            let (mut four, mut six) =
                (pin!(ask(&resolver, &host, RecordType::A)), pin!(ask(&resolver, &host, RecordType::AAAA)));
            let (four, six) = tokio::select! {
                first = &mut four => {
                    let second = other(&first, six, patience).await;
                    (first, second)
                }
                first = &mut six => {
                    let second = other(&first, four, patience).await;
                    (second, first)
                }
            };
            merge(four, six)
        }
    }

    /// What `/etc/hosts` says of a name. If it says anything, nobody else is asked.
    fn written(&self, host: &str) -> Vec<IpAddr> {
        let Ok(name) = Name::from_utf8(host.to_ascii_lowercase()) else { return Vec::new() };
        let look = |kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        let found = [RecordType::A, RecordType::AAAA].into_iter().filter_map(look);
        found.flat_map(|found| LookupIp::from(found).iter().collect::<Vec<_>>()).collect()
    }
}

/// Both loopback addresses: a program that listens on "localhost" may have taken either.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Names that mean this machine whatever anybody says (RFC 6761).
fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// What came of a question about one family.
enum Reply {
    Found(Records),
    /// There is no such name, or it has no address of this family.
    Nothing(&'static str),
    /// Nobody knows.
    Failed(String),
}

async fn ask(resolver: &Resolver, host: &str, kind: RecordType) -> Reply {
    match resolver.ask(host, kind).await {
        resolver::Reply::Found(records) => Reply::Found(records),
        resolver::Reply::Nothing(why) if why == NO_NAME => Reply::Nothing(why),
        resolver::Reply::Nothing(_) => Reply::Nothing("it has no address"),
        resolver::Reply::Failed(why) => Reply::Failed(why),
    }
}

/// The reply about the other family: waited for less patiently where there are addresses already. Some name servers never answer when
/// asked for IPv6 addresses.
async fn other(first: &Reply, second: Pin<&mut impl Future<Output = Reply>>, patience: Duration) -> Reply {
    let Reply::Found(_) = first else { return second.await };
    let late = |_| Reply::Failed("no answer in time".into());
    tokio::time::timeout(patience, second).await.unwrap_or_else(late)
}

fn merge(four: Reply, six: Reply) -> Result<Answer, NoAnswer> {
    let (found, open) = match (four, six) {
        // each was found below another search domain: these are two things
        (Reply::Found(four), Reply::Found(six)) if four.name != six.name => (vec![four], None),
        (Reply::Found(four), Reply::Found(six)) => (vec![four, six], None),
        (Reply::Found(one), Reply::Nothing(_)) | (Reply::Nothing(_), Reply::Found(one)) => (vec![one], None),
        (Reply::Found(four), Reply::Failed(_)) => (vec![four], Some(Family::V6)),
        (Reply::Failed(_), Reply::Found(six)) => (vec![six], Some(Family::V4)),
        (Reply::Failed(why), _) | (_, Reply::Failed(why)) => return Err(NoAnswer::Failed(why)),
        (Reply::Nothing(why), Reply::Nothing(_)) => return Err(NoAnswer::Nothing(why)),
    };
    let valid_for = found.iter().map(|records| records.valid_for).min().unwrap_or(Duration::ZERO);
    let ips = found.iter().flat_map(|records| &records.data).filter_map(|data| data.ip_addr());
    let addresses = tidy(ips.collect());
    if addresses.is_empty() {
        return Err(NoAnswer::Failed("a name server answers with addresses that lead nowhere".into()));
    }
    Ok(Answer { addresses, valid_for: if open.is_some() { valid_for.min(OPEN_FOR) } else { valid_for }, open })
}

/// Sorted, none twice, not too many, and without those that lead nowhere, or that this machine has no way to.
pub(super) fn tidy(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    // 0.0.0.0 is what name servers say that block a name; a connection to it would lead to this machine
    let leads_somewhere = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast() && *ip != Ipv4Addr::BROADCAST;
    let mut addresses: Vec<IpAddr> =
        addresses.into_iter().map(|ip| ip.to_canonical()).filter(leads_somewhere).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    if addresses.first().map(IpAddr::is_ipv4) == addresses.last().map(IpAddr::is_ipv4) {
        return addresses;
    }
    // of two families one may be of no use here, as IPv6 in many containers; if all seems useless, the log had better tell
    let useful: Vec<IpAddr> = addresses.iter().copied().filter(|ip| has_route(*ip)).collect();
    if useful.is_empty() { addresses } else { useful }
}

/// Does this machine know a way there? Nothing is sent.
fn has_route(ip: IpAddr) -> bool {
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind(SocketAddr::new(any, 0)).and_then(|socket| socket.connect(SocketAddr::new(ip, 9))).is_ok()
}

fn changed_at() -> [Option<SystemTime>; FILES.len()] {
    FILES.map(|file| std::fs::metadata(Path::new(file)).and_then(|data| data.modified()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split(' ').map(|ip| ip.parse().expect("an address")).collect()
    }

    #[test]
    fn localhost_is_this_machine_by_both_families() {
        for (host, is_local) in
            [("localhost", true), ("LOCALHOST.", true), ("app.localhost", true), ("nolocalhost", false)]
        {
            assert_eq!(is_localhost(host), is_local, "{host}");
        }
    }

    #[test]
    fn addresses_are_sorted_told_apart_and_bounded() {
        assert_eq!(tidy(ips("127.0.0.9 ::ffff:127.0.0.2 127.0.0.9")), ips("127.0.0.2 127.0.0.9"));
        assert_eq!(tidy(ips("0.0.0.0 127.0.0.2 :: 224.0.0.1 255.255.255.255")), ips("127.0.0.2"));
        let many = (0..1000u32).map(|n| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n))).rev().collect();
        let kept = tidy(many);
        assert_eq!((kept.len(), kept[0]), (ADDRESSES_MAX, IpAddr::from([10, 0, 0, 0])));
    }

    #[test]
    fn addresses_without_a_route_are_left_out_where_others_have_one() {
        // a link-local address means nothing without its link
        assert_eq!(tidy(ips("127.0.0.1 fe80::1")), ips("127.0.0.1"));
        assert_eq!(tidy(ips("fe80::1 fe80::2")), ips("fe80::1 fe80::2"));
    }
}
