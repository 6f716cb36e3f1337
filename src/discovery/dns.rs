//! Names and their addresses, asked of `/etc/hosts` and the system's name servers.

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts};
use hickory_resolver::lookup_ip::LookupIp;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant, SystemTime};

/// How long one question may take, all name servers and repetitions together.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one name server may take before the next is asked.
const SERVER_PATIENCE: Duration = Duration::from_secs(1);
/// How long addresses of one family wait for those of the other. Some name servers never answer when asked for IPv6 addresses.
const FAMILY_PATIENCE: Duration = Duration::from_secs(1);
/// When one of the families is not known, the name is asked again this soon.
const OPEN_FOR: Duration = Duration::from_secs(2);
/// More addresses than this are not taken of one name.
const ADDRESSES_MAX: usize = 256;
/// What the answers depend on beside the name servers.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Asks for addresses. Reads the system's settings when it is made, and again when they change.
pub struct Dns {
    hosts: Hosts,
    resolvers: Result<Resolvers, String>,
    read: [Option<SystemTime>; FILES.len()],
}

/// One for each family, so that each has an end of its own.
#[derive(Clone)]
struct Resolvers {
    four: TokioResolver,
    six: TokioResolver,
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
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Sorted, none twice, at least one.
    pub addresses: Vec<IpAddr>,
    /// How long they hold, as the name server says.
    pub valid_for: Duration,
    /// The family of which nothing was learned: what was known of it still holds.
    pub open: Option<Family>,
}

impl Dns {
    /// With the system's settings.
    pub fn new() -> Dns {
        // without the file there are no names in it
        let hosts = Hosts::from_system().unwrap_or_default();
        Dns { read: changed_at(), hosts, resolvers: resolvers() }
    }

    /// Reads the system's settings again if they changed.
    pub fn follow_system(&mut self) {
        if self.read != changed_at() {
            *self = Dns::new();
        }
    }

    /// The question, as a future of its own that needs nothing of `self` any more.
    pub fn look_up(&self, host: &str) -> impl Future<Output = Result<Answer, String>> + Send + use<> {
        let fixed = if is_localhost(host) { LOOPBACK.to_vec() } else { self.written(host) };
        let (resolvers, host) = (self.resolvers.clone(), host.to_owned());
        async move {
            if !fixed.is_empty() {
                return Ok(Answer { addresses: tidy(fixed), valid_for: Duration::MAX, open: None });
            }
            let Resolvers { four, six } = resolvers?;
            let (mut four, mut six) = (pin!(ask(four, &host)), pin!(ask(six, &host)));
            let (four, six) = tokio::select! {
                first = &mut four => {
                    let second = other(&first, six).await;
                    (first, second)
                }
                first = &mut six => {
                    let second = other(&first, four).await;
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

impl Default for Dns {
    fn default() -> Self {
        Dns::new()
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
    Found(LookupIp),
    /// There is no such name, or it has no address of this family.
    Nothing(&'static str),
    /// Nobody knows.
    Failed(String),
}

async fn ask(resolver: TokioResolver, host: &str) -> Reply {
    match tokio::time::timeout(PATIENCE, resolver.lookup_ip(host)).await {
        Ok(Ok(found)) if found.iter().next().is_some() => Reply::Found(found),
        Ok(Ok(_)) => Reply::Nothing("it has no address"),
        Ok(Err(e)) if e.is_nx_domain() => Reply::Nothing("there is no such name"),
        Ok(Err(e)) if e.is_no_records_found() => Reply::Nothing("it has no address"),
        Err(_) | Ok(Err(NetError::Timeout)) => Reply::Failed("no name server answers in time".into()),
        Ok(Err(e)) => Reply::Failed(e.to_string()),
    }
}

/// The reply about the other family: waited for less patiently where there are addresses already.
async fn other(first: &Reply, second: Pin<&mut impl Future<Output = Reply>>) -> Reply {
    let Reply::Found(_) = first else { return second.await };
    let late = |_| Reply::Failed("no answer in time".into());
    tokio::time::timeout(FAMILY_PATIENCE, second).await.unwrap_or_else(late)
}

fn merge(four: Reply, six: Reply) -> Result<Answer, String> {
    let (found, open) = match (four, six) {
        // each was found below another search domain: these are two things
        (Reply::Found(four), Reply::Found(six)) if four.query().name() != six.query().name() => (vec![four], None),
        (Reply::Found(four), Reply::Found(six)) => (vec![four, six], None),
        (Reply::Found(one), Reply::Nothing(_)) | (Reply::Nothing(_), Reply::Found(one)) => (vec![one], None),
        (Reply::Found(four), Reply::Failed(_)) => (vec![four], Some(Family::V6)),
        (Reply::Failed(_), Reply::Found(six)) => (vec![six], Some(Family::V4)),
        (Reply::Failed(why), _) | (_, Reply::Failed(why)) => return Err(why),
        (Reply::Nothing(why), Reply::Nothing(_)) => return Err(why.into()),
    };
    let ends = found.iter().map(LookupIp::valid_until).min();
    let valid_for = ends.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()));
    Ok(Answer {
        addresses: tidy(found.iter().flat_map(LookupIp::iter).collect()),
        valid_for: if open.is_some() { valid_for.min(OPEN_FOR) } else { valid_for },
        open,
    })
}

/// Sorted, none twice, not too many, and without those that this machine has no way to.
fn tidy(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = addresses.into_iter().map(|ip| ip.to_canonical()).collect();
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

fn resolvers() -> Result<Resolvers, String> {
    Ok(Resolvers { four: resolver(LookupIpStrategy::Ipv4Only)?, six: resolver(LookupIpStrategy::Ipv6Only)? })
}

fn resolver(strategy: LookupIpStrategy) -> Result<TokioResolver, String> {
    let said = |e: &dyn std::fmt::Display| format!("the system's resolver settings cannot be used: {e}");
    let mut builder = TokioResolver::builder_tokio().map_err(|e| said(&e))?;
    let options = builder.options_mut();
    // when to ask again is the caller's business, and so is the file
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = strategy;
    options.timeout = options.timeout.min(SERVER_PATIENCE);
    builder.build().map_err(|e| said(&e))
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
