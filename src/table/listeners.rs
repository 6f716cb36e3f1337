//! The listeners of a table: those of the document, and those that are removed and still have connections.

use super::index::RouteIndex;
use super::listener::{ClientLimits, Listener};
use super::number::{Exhausted, Number};
use super::{Table, compile};
use crate::config::{Document, ListenerConfig};
use crate::http::HeadLimits;
use crate::telemetry::ListenerStats;
use crate::value::ListenAddress;
use std::collections::{BTreeMap, HashMap, HashSet};
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
}

/// What lives on of a listener when the document changes.
struct Kept {
    number: Arc<Number>,
    stats: Arc<ListenerStats>,
}

pub(super) fn compile_listeners(
    document: &Document,
    parts: &compile::Parts,
    before: Option<&Table>,
) -> Result<Listeners, Exhausted> {
    // one that was removed and is out of use counts for nothing any more
    let removed = before.iter().flat_map(|table| &table.retired).filter(|l| l.stats.in_use());
    let known = before.iter().flat_map(|table| &table.listeners).chain(removed);
    let known: HashMap<(&str, &ListenAddress), &Arc<Listener>> = known.map(|l| ((&*l.name, &l.address), l)).collect();
    let mut sorted: Vec<_> = document.listeners.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut indexes = Indexes::of(document);
    let current: Box<[Arc<Listener>]> = sorted
        .into_iter()
        .map(|(name, config)| {
            let kept = match known.get(&(name, &config.address.value)) {
                Some(same) => Kept { number: Arc::clone(&same.number), stats: Arc::clone(&same.stats) },
                None => Kept { number: parts.numbers.take()?, stats: Arc::new(ListenerStats::new(parts.workers)) },
            };
            Ok(Arc::new(listener(name, config, kept, indexes.of_listener(name))))
        })
        .collect::<Result<_, _>>()?;
    let retired = retired(&current, before, &mut indexes);
    let all = || current.iter().chain(&retired);
    let last = all().map(|l| l.number.get()).max();
    let mut numbered = vec![None; last.map_or(0, |last| usize::from(last) + 1)];
    for listener in all() {
        numbered[usize::from(listener.number.get())] = Some(Arc::clone(listener));
    }
    Ok(Listeners { numbered: numbered.into(), indexes: indexes.built.into(), current, retired })
}

fn listener(name: &str, config: &ListenerConfig, kept: Kept, index: usize) -> Listener {
    let Kept { number, stats } = kept;
    let arrival = arrival_lines(port(&config.address));
    Listener {
        number,
        name: name.into(),
        address: config.address.value.clone(),
        arrival,
        limits: limits(config),
        stats,
        index,
    }
}

/// The listeners of `before` that are no more but in use. They stay as they were, but each request is its connection's last, and the routes
/// are those of today: of the listener that has the address now, else of the one that has the name, else those that name no listener.
fn retired(current: &[Arc<Listener>], before: Option<&Table>, indexes: &mut Indexes<'_>) -> Box<[Arc<Listener>]> {
    let numbers: HashSet<u16> = current.iter().map(|l| l.number.get()).collect();
    let by_address: HashMap<&ListenAddress, usize> = current.iter().map(|l| (&l.address, l.index)).collect();
    let by_name: HashMap<&str, usize> = current.iter().map(|l| (&*l.name, l.index)).collect();
    let olds = before.iter().flat_map(|table| table.all_listeners());
    let olds = olds.filter(|old| !numbers.contains(&old.number.get()) && old.stats.in_use());
    olds.map(|old| {
        let heirs = by_address.get(&old.address).or_else(|| by_name.get(&*old.name));
        Arc::new(Listener {
            number: Arc::clone(&old.number),
            name: old.name.clone(),
            address: old.address.clone(),
            arrival: old.arrival.clone(),
            limits: ClientLimits { keepalive_requests: 0, ..old.limits },
            stats: Arc::clone(&old.stats),
            index: heirs.copied().unwrap_or_else(|| indexes.of_nobody()),
        })
    })
    .collect()
}

/// The indexes made so far.
struct Indexes<'d> {
    document: &'d Document,
    /// Some route names the listeners that have it.
    limited: bool,
    places: BTreeMap<Routes<'d>, usize>,
    built: Vec<RouteIndex>,
}

impl<'d> Indexes<'d> {
    fn of(document: &'d Document) -> Indexes<'d> {
        let limited = document.routes.iter().any(|r| r.listeners.is_some());
        Indexes { document, limited, places: BTreeMap::new(), built: Vec::new() }
    }

    fn of_listener(&mut self, name: &'d str) -> usize {
        self.of_routes(Routes::Of(name))
    }

    fn of_nobody(&mut self) -> usize {
        self.of_routes(Routes::OfNobody)
    }

    fn of_routes(&mut self, routes: Routes<'d>) -> usize {
        let routes = if self.limited { routes } else { Routes::All };
        *self.places.entry(routes).or_insert_with(|| {
            self.built.push(compile::index(self.document, routes));
            self.built.len() - 1
        })
    }
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
