//! The listeners of a table: those of the document, and those that are removed and still have connections.

use super::index::RouteIndex;
use super::listener::{ClientLimits, Listener};
use super::number::Number;
use super::secure::Secure;
use super::{ListenerTls, Table, Unbuildable, compile};
use crate::config::{CertificateConfig, ChallengeKind, Document, HstsConfig, ListenerConfig, Material};
use crate::http::HeadLimits;
use crate::policy::Hsts;
use crate::telemetry::ListenerStats;
use crate::value::{HostPattern, ListenAddress};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What a table knows of listeners.
pub(super) struct Listeners {
    /// Those of the document, in the order of their names.
    pub current: Box<[Arc<Listener>]>,
    /// Those that are removed and in use, the last removed first.
    pub retired: Box<[Arc<Listener>]>,
    /// All of them, each at its number.
    pub numbered: Box<[Option<Arc<Listener>>]>,
    /// One for each set of routes that some listeners share.
    pub indexes: Box<[RouteIndex]>,
}

/// The routes that a listener has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Routes<'d> {
    /// No route names a listener: all have all.
    All,
    /// Those that name this listener, or none.
    Of(&'d str),
    /// Those that name none.
    OfNobody,
    /// None but the way to HTTPS.
    Https,
}

/// What lives on of a listener when the document changes.
struct Kept {
    number: Arc<Number>,
    stats: Arc<ListenerStats>,
}

pub(super) fn compile_listeners(
    document: &Document,
    material: &Material,
    parts: &compile::Parts,
    before: Option<&Table>,
) -> Result<Listeners, Unbuildable> {
    // one that was removed and is out of use counts for nothing any more
    let removed = before.iter().flat_map(|table| &table.retired).filter(|l| l.stats.in_use());
    let known = before.iter().flat_map(|table| &table.listeners).chain(removed);
    // one that begins or ceases to speak TLS is another
    let known: HashMap<(&str, &ListenAddress, bool), &Arc<Listener>> =
        known.map(|l| ((&*l.name, &l.address, l.secure), l)).collect();
    let mut sorted: Vec<_> = document.listeners.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut indexes = Indexes::of(document);
    let mut secure = Secure::new(material, &parts.challenges, before);
    let current: Box<[Arc<Listener>]> = sorted
        .into_iter()
        .map(|(name, config)| {
            let same = known.get(&(name, &config.address.value, is_secure(config)));
            let tls = secure.listener(config, same.map(|same| &***same));
            let tls = tls.map_err(|why| Unbuildable::Tls { listener: name.into(), why })?;
            let kept = match same {
                Some(same) => Kept { number: Arc::clone(&same.number), stats: Arc::clone(&same.stats) },
                None => Kept { number: parts.numbers.take()?, stats: Arc::new(ListenerStats::new(parts.workers)) },
            };
            Ok(Arc::new(listener(name, config, kept, tls, indexes.of_listener(name, config))))
        })
        .collect::<Result<_, Unbuildable>>()?;
    let retired = retired(&current, before, &mut indexes);
    let all = || current.iter().chain(&retired);
    let last = all().map(|l| l.number.get()).max();
    let mut numbered = vec![None; last.map_or(0, |last| usize::from(last) + 1)];
    for listener in all() {
        numbered[usize::from(listener.number.get())] = Some(Arc::clone(listener));
    }
    Ok(Listeners { numbered: numbered.into(), indexes: indexes.built.into(), current, retired })
}

fn listener(name: &str, config: &ListenerConfig, kept: Kept, tls: Option<Box<ListenerTls>>, index: usize) -> Listener {
    let Kept { number, stats } = kept;
    let secure = is_secure(config);
    let arrival = arrival_lines(if secure { "https" } else { "http" }, port(&config.address));
    Listener {
        number,
        name: name.into(),
        address: config.address.value.clone(),
        arrival,
        limits: limits(config),
        secure,
        surpassed: false,
        files: files(config),
        redirects: redirects(config),
        hsts: hsts(config),
        tls,
        stats,
        index,
    }
}

/// The listeners of `before` that are no more but in use. They stay as they were, but each request is its connection's last, and the routes
/// are those of today: of the listener that has the address now, else of the one that has the name, else those that name no listener. Where
/// that one demands other proofs of its clients there is no last request either.
fn retired(current: &[Arc<Listener>], before: Option<&Table>, indexes: &mut Indexes<'_>) -> Box<[Arc<Listener>]> {
    let numbers: HashSet<u16> = current.iter().map(|l| l.number.get()).collect();
    let by_address: HashMap<&ListenAddress, &Listener> = current.iter().map(|l| (&l.address, &**l)).collect();
    let by_name: HashMap<&str, &Listener> = current.iter().map(|l| (&*l.name, &**l)).collect();
    let olds = before.iter().flat_map(|table| table.all_listeners());
    let olds = olds.filter(|old| !numbers.contains(&old.number.get()) && old.stats.in_use());
    olds.map(|old| {
        let heir = by_address.get(&old.address).or_else(|| by_name.get(&*old.name));
        let before = old.tls.as_ref().map(|tls| &*tls.server);
        let demands = |heir: &&&Listener| heir.tls.as_ref().is_some_and(|tls| tls.server.demands_other_than(before));
        Arc::new(Listener {
            number: Arc::clone(&old.number),
            name: old.name.clone(),
            address: old.address.clone(),
            arrival: old.arrival.clone(),
            limits: ClientLimits { keepalive_requests: 0, ..old.limits },
            secure: old.secure,
            surpassed: heir.filter(demands).is_some(),
            files: old.files.clone(),
            redirects: old.redirects,
            hsts: old.hsts.clone(),
            tls: old.tls.clone(),
            stats: Arc::clone(&old.stats),
            index: heir.map_or_else(|| indexes.of_nobody(), |heir| heir.index),
        })
    })
    .collect()
}

/// The indexes made so far.
struct Indexes<'d> {
    document: &'d Document,
    /// Some route names the listeners that have it.
    limited: bool,
    /// What authorities may ask listeners without TLS about.
    proofs: Vec<HostPattern>,
    places: BTreeMap<(Routes<'d>, bool), usize>,
    built: Vec<RouteIndex>,
}

impl<'d> Indexes<'d> {
    fn of(document: &'d Document) -> Indexes<'d> {
        let limited = document.routes.iter().any(|r| r.listeners.is_some());
        Indexes { document, limited, proofs: proven_by_http(document), places: BTreeMap::new(), built: Vec::new() }
    }

    fn of_listener(&mut self, name: &'d str, config: &ListenerConfig) -> usize {
        match redirects(config) {
            true => self.of_routes(Routes::Https, true),
            false => self.of_routes(Routes::Of(name), !is_secure(config)),
        }
    }

    fn of_nobody(&mut self) -> usize {
        self.of_routes(Routes::OfNobody, false)
    }

    fn of_routes(&mut self, routes: Routes<'d>, proves: bool) -> usize {
        let routes = if self.limited || routes == Routes::Https { routes } else { Routes::All };
        let proofs: &[HostPattern] = if proves { &self.proofs } else { &[] };
        *self.places.entry((routes, !proofs.is_empty())).or_insert_with(|| {
            self.built.push(compile::index(self.document, routes, proofs));
            self.built.len() - 1
        })
    }
}

/// The lines that say how clients of a listener on `port` (0: none) came in.
fn arrival_lines(scheme: &str, port: u16) -> Box<[u8]> {
    let port = if port == 0 { String::new() } else { format!("X-Forwarded-Port: {port}\r\n") };
    format!("X-Forwarded-Proto: {scheme}\r\n{port}").into_bytes().into()
}

/// Whether its clients speak TLS.
fn is_secure(config: &ListenerConfig) -> bool {
    config.tls.is_some()
}

/// The files of its certificates.
fn files(config: &ListenerConfig) -> Box<[Box<str>]> {
    let certificates = config.tls.iter().flat_map(|tls| &tls.certificates);
    let file = |certificate: &CertificateConfig| match certificate {
        CertificateConfig::Files(files) => files.cert.path.display().to_string().into(),
        CertificateConfig::Ordered(_) => "".into(),
    };
    certificates.map(file).collect()
}

/// Whether it sends every request to HTTPS.
fn redirects(config: &ListenerConfig) -> bool {
    config.redirect_to_https
}

/// What it promises in each answer.
fn hsts(config: &ListenerConfig) -> Option<Arc<Hsts>> {
    let HstsConfig { max_age, include_subdomains, preload } = config.tls.as_ref()?.hsts?;
    let mut value = format!("max-age={}", max_age.as_secs());
    for (wanted, word) in [(include_subdomains, "; includeSubDomains"), (preload, "; preload")] {
        value += if wanted { word } else { "" };
    }
    Some(Arc::new(Hsts::new(&value)))
}

/// The hosts that authorities ask about over HTTP.
fn proven_by_http(document: &Document) -> Vec<HostPattern> {
    let by_http =
        |name: &str| document.acme.get(name).is_some_and(|authority| authority.challenge == ChallengeKind::Http01);
    let certificates = document.listeners.iter().filter_map(|(_, config)| config.tls.as_ref());
    let certificates = certificates.flat_map(|tls| &tls.certificates);
    let ordered = certificates.filter_map(|certificate| match certificate {
        CertificateConfig::Ordered(ordered) if by_http(&ordered.authority) => Some(&ordered.hosts),
        CertificateConfig::Ordered(_) | CertificateConfig::Files(_) => None,
    });
    let hosts: BTreeSet<&HostPattern> = ordered.flatten().map(|host| &host.value).collect();
    hosts.into_iter().cloned().collect()
}

/// The port that requests for HTTPS are sent to: the usual one if a listener with TLS has it, else that of the first.
pub(super) fn https_port(document: &Document) -> u16 {
    let secure = document.listeners.iter().filter(|(_, config)| is_secure(config));
    let ports: Vec<u16> = secure.map(|(_, config)| port(&config.address)).filter(|port| *port != 0).collect();
    if ports.contains(&443) { 443 } else { ports.first().copied().unwrap_or(443) }
}

/// The port clients connect to; 0 for a Unix socket.
fn port(address: &ListenAddress) -> u16 {
    match address {
        ListenAddress::Any { port } | ListenAddress::Name { port, .. } => *port,
        ListenAddress::Ip(address) => address.port(),
        ListenAddress::Unix(_) => 0,
    }
}

fn limits(config: &ListenerConfig) -> ClientLimits {
    let limits = &config.limits;
    ClientLimits {
        connections: limits.connections,
        head: HeadLimits { size: limits.header_size.bytes() as usize, count: limits.header_count as usize },
        header_timeout: limits.header_timeout.into(),
        body_timeout: limits.body_timeout.into(),
        body_min_rate: limits.body_min_rate.per_second(),
        send_timeout: limits.send_timeout.into(),
        keepalive_timeout: config.keepalive.timeout.into(),
        keepalive_requests: config.keepalive.requests,
    }
}
