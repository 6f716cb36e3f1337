//! What no section can see alone: names that are nowhere defined, addresses and routes that collide.

use super::reading::Reading;
use super::suggest::{self, shown};
use super::ties::{self, tie};
use super::{Diagnostic, Document, RouteConfig, Spanned, advice, https};
use crate::value::{EndpointAddress, ListenAddress};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// The most listeners. Each costs a descriptor, and every worker thread a task.
const LISTENERS_MAX: usize = 1000;

/// Complains about everything that is wrong between sections.
pub(super) fn document(document: &Document, reading: &Reading<'_>) {
    addresses(document, reading);
    endpoints(document, reading);
    names(document, reading);
    route_names(document, reading);
    https::document(document, reading);
    ties::routes(&document.routes, reading);
    // Beside errors, what looks unused is mostly what they made so.
    if reading.complaints() == 0 {
        advice::document(document, reading);
    }
}

fn addresses(document: &Document, reading: &Reading<'_>) {
    let listeners = document.listeners.entries();
    if let Some((name, _)) = listeners.get(LISTENERS_MAX) {
        reading.tell(Diagnostic::error(name.at, format!("there are more than {LISTENERS_MAX} listeners")));
        return;
    }
    let mut taken: Vec<(&str, &Spanned<ListenAddress>)> = Vec::with_capacity(listeners.len() + 1);
    let admin = document.admin.iter().map(|admin| ("admin", &admin.address));
    for (name, address) in listeners.iter().map(|(name, listener)| (&*name.value, &listener.address)).chain(admin) {
        match taken.iter().find(|(_, other)| other.collides_with(address)) {
            Some((other_name, other)) => reading.tell(
                Diagnostic::error(address.at, format!("`{}` is taken already", address.value))
                    .other(other.at, format!("by `{other_name}`"))
                    .hint("one address serves all hosts: leave one of the two out, or give it another port"),
            ),
            None => taken.push((name, address)),
        }
    }
}

fn endpoints(document: &Document, reading: &Reading<'_>) {
    for (_, upstream) in document.upstreams.iter() {
        let mut seen: HashMap<&EndpointAddress, &Spanned<EndpointAddress>> = HashMap::new();
        for endpoint in &upstream.endpoints {
            if let Some(first) = seen.insert(&endpoint.address.value, &endpoint.address) {
                let message = format!("the endpoint `{}` is listed twice", endpoint.address.value);
                reading.tell(
                    Diagnostic::error(endpoint.address.at, message)
                        .other(first.at, "the first time")
                        .hint("give it a `weight` to send it more requests"),
                );
            }
        }
    }
}

/// Every upstream and listener that a route names exists.
fn names(document: &Document, reading: &Reading<'_>) {
    for route in &document.routes {
        for name in route.action.upstreams().filter(|name| !document.upstreams.knows(name)) {
            let mut diagnostic = Diagnostic::error(name.at, format!("no upstream named `{}`", shown(name)))
                .label(format!("used by route `{}`", shown(&route.name())));
            if let Some(address) = address_of(name) {
                let tls = if name.starts_with("https://") { ", tls: {}" } else { "" };
                let hint = format!(
                    "define it: `upstreams: {{ NAME: {{ endpoints: [\"{address}\"]{tls} }} }}`, and write NAME here"
                );
                diagnostic.hint = Some(hint);
            } else if !reading.is_full() {
                diagnostic.hint = suggest::hint(name, document.upstreams.names());
            }
            reading.tell(match diagnostic.hint {
                None if document.upstreams.is_empty() => diagnostic.hint("define it below `upstreams:`"),
                _ => diagnostic,
            });
        }
        let user = || format!("used by route `{}`", shown(&route.name()));
        listeners(route.listeners.as_deref(), user, document, reading);
    }
    if let Some(routes) = &document.discovery.docker.routes {
        let user = || "used by routes that containers ask for".to_owned();
        listeners(routes.listeners.as_deref(), user, document, reading);
    }
}

fn listeners(
    named: Option<&[Spanned<Box<str>>]>,
    user: impl Fn() -> String,
    document: &Document,
    reading: &Reading<'_>,
) {
    let mut seen: HashSet<&str> = HashSet::new();
    for name in named.into_iter().flatten() {
        if !document.listeners.knows(name) {
            let mut diagnostic =
                Diagnostic::error(name.at, format!("no listener named `{}`", shown(name))).label(user());
            if !reading.is_full() {
                diagnostic.hint = suggest::hint(name, document.listeners.names());
            }
            reading.tell(diagnostic);
        } else if !seen.insert(name) {
            reading.tell(Diagnostic::error(name.at, format!("the listener `{}` is listed twice", name.value)));
        }
    }
}

/// The address of a service that stands where the name of an upstream belongs.
fn address_of(name: &str) -> Option<EndpointAddress> {
    let (scheme, rest) = name.split_once("://").unwrap_or(("", name));
    let host = rest.split('/').next()?;
    let address = match scheme {
        "" if name.starts_with("unix:") => name.to_owned(),
        "http" if !host.contains(':') => format!("{host}:80"),
        "https" if !host.contains(':') => format!("{host}:443"),
        _ if host.contains(':') => host.to_owned(),
        _ => return None,
    };
    EndpointAddress::parse(&address).ok()
}

/// Names tell routes apart in logs and metrics, so no two routes share one, written or not.
fn route_names(document: &Document, reading: &Reading<'_>) {
    // Sorted by a hash: names that are not written need not all lie in memory at once.
    let hash = BuildHasherDefault::<DefaultHasher>::default();
    let sound = document.routes.iter().filter(|route| route.sound);
    let mut routes: Vec<(u64, &RouteConfig)> = sound.map(|route| (hash.hash_one(route.name()), route)).collect();
    routes.sort_by_key(|(hash, _)| *hash);
    for pair in routes.windows(2) {
        let [(hash, other), (next_hash, route)] = *pair else { continue };
        if hash != next_hash || route.name() != other.name() || tie(route, other) {
            continue;
        }
        let place = |route: &RouteConfig| route.name.as_ref().map_or(reading.first_line(route.at), |name| name.at);
        reading.tell(
            Diagnostic::error(place(route), format!("two routes are called `{}`", shown(&route.name())))
                .other(place(other), "the other one")
                .hint("give one of them another `name`: logs and metrics tell routes apart by it"),
        );
    }
}
