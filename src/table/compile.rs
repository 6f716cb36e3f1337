//! From the document to the table. What the table before had counted and measured lives on in the new one.

use super::index::{Host, Path, RouteIndex, RouteIndexBuilder};
use super::{Action, Answer, ClientLimits, Listener, Route, Table, Timeouts, Upstream};
use crate::config::{
    ActionConfig, Document, ListenerConfig, RespondConfig, RouteConfig, TimeoutsConfig, UpstreamConfig,
};
use crate::http::HeadLimits;
use crate::http::clock::Span;
use crate::telemetry::{ListenerStats, RouteStats, UpstreamStats};
use crate::upstream::endpoint::Target;
use crate::upstream::idle::{Keepalive, Slots};
use crate::upstream::{Endpoint, Pool};
use crate::value::{EndpointAddress, HostPattern, Limit, ListenAddress, PathKind};
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What a table is made with beside the document.
pub struct Parts {
    /// Worker threads.
    pub workers: usize,
    pub slots: Arc<Slots>,
}

/// Compiles a checked document. Endpoints, routes, upstreams and listeners that `before` has too keep their counts.
pub fn compile(document: &Document, parts: &Parts, before: Option<&Table>) -> Table {
    let known: HashMap<&str, &Arc<Upstream>> =
        before.iter().flat_map(|t| t.upstreams.iter()).map(|u| (&*u.pool.name, u)).collect();
    let upstreams: Box<[Arc<Upstream>]> = document
        .upstreams
        .iter()
        .map(|(name, config)| Arc::new(upstream(name, config, parts, known.get(name).copied())))
        .collect();
    let counted: HashMap<&str, &Arc<RouteStats>> =
        before.iter().flat_map(|t| t.routes.iter()).map(|r| (&*r.name, &r.stats)).collect();
    let stats = |name: &str| match counted.get(name) {
        Some(stats) => Arc::clone(stats),
        None => Arc::new(RouteStats::new(parts.workers)),
    };
    let routes = document
        .routes
        .iter()
        .map(|config| {
            let name = config.name();
            let stats = stats(&name);
            Arc::new(route(&name, config, document, &upstreams, stats))
        })
        .collect();
    let (listeners, indexes) = listeners(document, parts, before);
    let unmatched = match before {
        Some(table) => Arc::clone(&table.unmatched),
        None => Arc::new(unmatched(document, parts)),
    };
    let trusted_proxies = document.trusted_proxies.iter().cloned().collect();
    Table { listeners, routes, upstreams, trusted_proxies, unmatched, indexes }
}

fn upstream(name: &str, config: &UpstreamConfig, parts: &Parts, before: Option<&Arc<Upstream>>) -> Upstream {
    let known: HashMap<&str, &Arc<Endpoint>> =
        before.iter().flat_map(|u| u.pool.endpoints.iter()).map(|e| (&*e.address, e)).collect();
    let mut numbered = before.map_or(0, |u| u.numbered);
    let endpoints = config
        .endpoints
        .iter()
        .map(|e| {
            let (address, weight) = (e.address.to_string(), u32::from(e.weight));
            match known.get(&*address) {
                Some(same) => {
                    same.set_weight(weight);
                    Arc::clone(same)
                }
                None => {
                    let number = numbered;
                    numbered = numbered.saturating_add(1);
                    Arc::new(Endpoint::new(&address, target(&e.address), weight, number, &parts.slots))
                }
            }
        })
        .collect();
    let kept = &config.keepalive;
    let keepalive = Keepalive {
        idle: kept.idle as usize,
        idle_timeout: kept.idle_timeout.into(),
        requests: kept.requests,
        max_age: kept.max_age.into(),
    };
    let stats = match before {
        Some(same) => Arc::clone(&same.stats),
        None => Arc::new(UpstreamStats::new(parts.workers)),
    };
    Upstream { pool: Pool { name: name.into(), endpoints, keepalive }, stats, numbered }
}

fn target(address: &EndpointAddress) -> Target {
    match address {
        EndpointAddress::Ip(address) => Target::Socket(*address),
        EndpointAddress::Unix(path) => Target::Unix(path.as_path().into()),
        EndpointAddress::Name { .. } => Target::Name(ArcSwap::default()),
    }
}

fn route(
    name: &str,
    config: &RouteConfig,
    document: &Document,
    upstreams: &[Arc<Upstream>],
    stats: Arc<RouteStats>,
) -> Route {
    let action = match &config.action {
        ActionConfig::Upstream(name) => {
            match document.upstreams.position(&name.value).and_then(|at| upstreams.get(at)) {
                Some(upstream) => Action::Forward(Arc::clone(upstream)),
                // cannot be: the document is checked
                None => Action::Nothing,
            }
        }
        ActionConfig::Redirect(r) => Action::Redirect { to: Box::new(r.to.clone()), status: r.status },
        ActionConfig::Respond(r) => Action::Respond(Box::new(answer(r))),
    };
    Route {
        name: name.into(),
        action,
        timeouts: timeouts(&config.timeouts(&document.defaults)),
        max_body: config.request(&document.defaults).max_body.get().map_or(u64::MAX, |size| size.bytes()),
        websocket: !config.upgrade.is_empty(),
        stats,
    }
}

fn unmatched(document: &Document, parts: &Parts) -> Route {
    Route {
        name: "_none".into(),
        action: Action::Nothing,
        timeouts: timeouts(&document.defaults.timeouts),
        max_body: 0,
        websocket: false,
        stats: Arc::new(RouteStats::new(parts.workers)),
    }
}

fn timeouts(config: &TimeoutsConfig) -> Timeouts {
    let span = |limit: Limit<Duration>| limit.get().map_or(Span::UNLIMITED, Span::from);
    let TimeoutsConfig { connect, read, write, request } = *config;
    Timeouts { connect: connect.into(), read: span(read), write: span(write), request: span(request) }
}

fn answer(config: &RespondConfig) -> Answer {
    let mut lines = Vec::new();
    for (name, value) in &config.headers {
        lines.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    Answer { status: config.status, lines: lines.into(), body: config.body.as_bytes().into() }
}

/// The listeners in the order of their names, and an index for each set of routes that they share.
fn listeners(document: &Document, parts: &Parts, before: Option<&Table>) -> (Box<[Listener]>, Box<[RouteIndex]>) {
    let mut sorted: Vec<_> = document.listeners.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let limited = document.routes.iter().any(|r| r.listeners.is_some());
    let mut sets: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut indexes = Vec::new();
    let listeners = sorted
        .into_iter()
        .map(|(name, config)| {
            // without routes of their own, all listeners share one index
            let index = *sets.entry(limited.then_some(name)).or_insert_with(|| {
                indexes.push(index(document, limited.then_some(name)));
                indexes.len() - 1
            });
            let same = before.and_then(|t| t.listeners.iter().find(|l| *l.name == *name));
            let stats = match same {
                Some(same) => Arc::clone(&same.stats),
                None => Arc::new(ListenerStats::new(parts.workers)),
            };
            Listener {
                name: name.into(),
                address: config.address.value.clone(),
                arrival: arrival_lines(port(&config.address)),
                limits: limits(config),
                stats,
                index,
            }
        })
        .collect();
    (listeners, indexes.into())
}

/// The lines that say how clients of a listener on `port` (0: none) came in.
fn arrival_lines(port: u16) -> Box<[u8]> {
    match port {
        0 => Box::from(&b"X-Forwarded-Proto: http\r\n"[..]),
        port => format!("X-Forwarded-Proto: http\r\nX-Forwarded-Port: {port}\r\n").into_bytes().into(),
    }
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

fn index(document: &Document, listener: Option<&str>) -> RouteIndex {
    let mut builder = RouteIndexBuilder::default();
    for (id, route) in document.routes.iter().enumerate() {
        let named = |wanted: &str| route.listeners.as_ref().is_none_or(|l| l.iter().any(|n| *n.value == *wanted));
        if listener.is_some_and(|wanted| !named(wanted)) {
            continue;
        }
        let host = match &route.matches.host {
            None => Host::Any,
            Some(HostPattern::Exact(name)) => Host::Exact(name),
            Some(HostPattern::Wildcard(suffix)) => Host::Wildcard(suffix),
        };
        let literal = &route.matches.path.literal;
        let path = match route.matches.path.kind {
            PathKind::Exact => Path::Exact(literal),
            PathKind::Subtree => Path::Subtree(literal),
            PathKind::Prefix => Path::Prefix(literal),
        };
        builder.add(host, path, id as u32);
    }
    builder.build()
}
