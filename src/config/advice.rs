//! What a document may say and probably does not mean, where that takes a look at more than one section.

use super::lints::{
    CONNECT_OUTLASTS_REQUEST, OPEN_METRICS, READABLE_SECRET, SURPLUS_ATTEMPTS, TIMEOUT_BEYOND_REQUEST, UNUSED_LISTENER,
    UNUSED_UPSTREAM, WAIT_BEYOND_REQUEST,
};
use super::reading::Reading;
use super::route_lints::LONE_SLASH;
use super::section::Fields;
use super::tls_lints::UNUSED_AUTHORITY;
use super::{
    Diagnostic, Document, RouteRetriesConfig, RouteTimeoutsConfig, Span, Spanned, TimeoutsConfig, UpstreamConfig,
    WaitConfig, https,
};
use crate::value::{EndpointAddress, Limit, ListenAddress, PathKind, PathPattern, Secret};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// A key that was written, and can only be judged once the whole document is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Where the key stands.
    at: Span,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// `request` of `defaults`.
    Request,
    /// A timeout of a route without a `request` of its own.
    Timeout { key: &'static str, value: Duration },
    /// `attempts` of a route.
    Attempts,
    /// `timeout` of a waiting room.
    Wait,
    /// `path` of a route that ends in a slash.
    Slash,
}

/// Warns of what looks wrong in a document without errors.
pub(super) fn document(document: &Document, reading: &Reading<'_>) {
    let written = reading.written.take();
    unused_upstreams(document, reading);
    unused_listeners(document, reading);
    unused_authorities(document, reading);
    timeouts(document, &written, reading);
    attempts(document, &written, reading);
    waits(document, &written, reading);
    slashes(document, &written, reading);
}

fn unused_upstreams(document: &Document, reading: &Reading<'_>) {
    let used: HashSet<&str> =
        document.routes.iter().flat_map(|route| route.action.upstreams()).map(|name| &*name.value).collect();
    // containers may ask for routes to what they are found by
    let labelled = document.discovery.docker.routes.is_some();
    let asked = |upstream: &UpstreamConfig| labelled && upstream.discover.as_ref().is_some_and(|d| d.docker.is_some());
    for (name, upstream) in document.upstreams.entries() {
        if !used.contains(&*name.value) && !asked(upstream) {
            let message = format!("no route uses the upstream `{}`", name.value);
            let warning = Diagnostic::warning(&UNUSED_UPSTREAM, name.at, message);
            reading.tell(warning.hint(format!("write `upstream: {}` in a route, or leave it out", name.value)));
        }
    }
}

fn unused_listeners(document: &Document, reading: &Reading<'_>) {
    let mut used: HashSet<&str> = HashSet::new();
    let labelled = document.discovery.docker.routes.iter().map(|routes| &routes.listeners);
    for listeners in document.routes.iter().map(|route| &route.listeners).chain(labelled) {
        match listeners {
            Some(listeners) => used.extend(listeners.iter().map(|name| &*name.value)),
            None => return,
        }
    }
    for (name, listener) in document.listeners.entries() {
        if !listener.redirect_to_https && !used.contains(&*name.value) {
            reading.tell(
                Diagnostic::warning(&UNUSED_LISTENER, name.at, format!("no route is on the listener `{}`", name.value))
                    .label("every request here is answered 404")
                    .hint("add it to the `listeners` of a route, or leave `listeners` out there for all of them"),
            );
        }
    }
}

fn unused_authorities(document: &Document, reading: &Reading<'_>) {
    let used: HashSet<&str> = https::orders(document).map(|order| &*order.authority.value).collect();
    for (name, _) in document.acme.entries() {
        if !used.contains(&*name.value) {
            let message = format!("no certificate is ordered from the authority `{}`", name.value);
            let hint =
                format!("write `{{ acme: {}, hosts: [example.com] }}` in `certificates`, or leave it out", name.value);
            reading.tell(Diagnostic::warning(&UNUSED_AUTHORITY, name.at, message).hint(hint));
        }
    }
}

/// Notes the timeouts that a route writes, or compares them where it writes `request` too.
pub(super) fn timeouts_of_route(config: &RouteTimeoutsConfig, fields: &Fields<'_, '_>) {
    let RouteTimeoutsConfig { connect, read, write, request } = *config;
    let values = [("connect", connect.map(Limit::At)), ("read", read), ("write", write)];
    for (key, value) in values {
        let (Some(Limit::At(value)), Some(at)) = (value, fields.place(key)) else { continue };
        match request {
            Some(request) => outlasts((key, value, at), request, fields.place("request"), fields.reading),
            None => fields.reading.written.borrow_mut().push(Written { at, what: What::Timeout { key, value } }),
        }
    }
}

/// The same for the timeouts of `defaults`.
pub(super) fn timeouts_of_defaults(config: &TimeoutsConfig, fields: &Fields<'_, '_>) {
    let TimeoutsConfig { connect, read, write, request } = *config;
    let Some(place) = fields.place("request") else { return };
    fields.reading.written.borrow_mut().push(Written { at: place, what: What::Request });
    for (key, value) in [("connect", Limit::At(connect)), ("read", read), ("write", write)] {
        if let (Limit::At(value), Some(at)) = (value, fields.place(key)) {
            outlasts((key, value, at), request, Some(place), fields.reading);
        }
    }
}

fn timeouts(document: &Document, written: &[Written], reading: &Reading<'_>) {
    let request = written.iter().find(|written| matches!(written.what, What::Request)).map(|written| written.at);
    for Written { at, what } in written {
        if let What::Timeout { key, value } = what {
            outlasts((key, *value, *at), document.defaults.timeouts.request, request, reading);
        }
    }
}

/// Warns of a timeout that the time of the whole exchange makes useless.
fn outlasts(
    (key, value, at): (&str, Duration, Span),
    request: Limit<Duration>,
    other: Option<Span>,
    reading: &Reading<'_>,
) {
    let Limit::At(request) = request else { return };
    let diagnostic = match key {
        "connect" if value >= request => Diagnostic::warning(
            &CONNECT_OUTLASTS_REQUEST,
            at,
            "`connect` is as long as `request`: no time is left for another endpoint",
        )
        .hint("write a few seconds: a service that is there takes a connection at once"),
        "read" | "write" if value > request => Diagnostic::warning(
            &TIMEOUT_BEYOND_REQUEST,
            at,
            format!("`{key}` is longer than `request`: it never runs out"),
        )
        .hint("raise `request` as well, or leave this out"),
        _ => return,
    };
    reading.tell(match other {
        Some(other) => diagnostic.other(other, "ends the exchange before"),
        None => diagnostic,
    });
}

/// Notes where a route writes `attempts`.
pub(super) fn attempts_of_route(config: &RouteRetriesConfig, fields: &Fields<'_, '_>) {
    if let (Some(_), Some(at)) = (config.attempts, fields.place("attempts")) {
        fields.reading.written.borrow_mut().push(Written { at, what: What::Attempts });
    }
}

fn attempts(document: &Document, written: &[Written], reading: &Reading<'_>) {
    let places = places(written, |what| matches!(what, What::Attempts));
    for route in &document.routes {
        let Some(attempts) = route.retries.attempts.filter(|_| !places.is_empty()) else { continue };
        let pools: Option<Vec<usize>> = route.action.upstreams().map(|name| endpoints(document, name)).collect();
        let Some(most) = pools.and_then(|pools| pools.into_iter().max()) else { continue };
        if attempts as usize > most
            && let Some(at) = after(&places, route.at)
        {
            let endpoints = if most == 1 { "endpoint" } else { "endpoints" };
            reading.tell(
                Diagnostic::warning(&SURPLUS_ATTEMPTS, at, "there are more attempts than endpoints")
                    .label(format!("the pool has {most} {endpoints}, and each gets a request once"))
                    .hint(if most == 1 { "leave it out".to_owned() } else { format!("write at most `{most}`") }),
            );
        }
    }
}

/// How many endpoints a pool has, if that is known: a name may stand for several.
fn endpoints(document: &Document, upstream: &str) -> Option<usize> {
    let upstream = document.upstreams.get(upstream)?;
    if upstream.discover.is_some() {
        return None;
    }
    let endpoints = &upstream.endpoints;
    let named = endpoints.iter().any(|endpoint| matches!(*endpoint.address, EndpointAddress::Name { .. }));
    (!named).then_some(endpoints.len())
}

/// Notes where a waiting room writes its `timeout`.
pub(super) fn wait_of_upstream(_: &WaitConfig, fields: &Fields<'_, '_>) {
    let at = fields.place("timeout").unwrap_or(Span { end: fields.owner.start, ..fields.owner });
    fields.reading.written.borrow_mut().push(Written { at, what: What::Wait });
}

fn waits(document: &Document, written: &[Written], reading: &Reading<'_>) {
    let places = places(written, |what| matches!(what, What::Wait));
    if places.is_empty() {
        return;
    }
    // the longest exchange on any route to an upstream
    let mut longest: HashMap<&str, Option<Duration>> = HashMap::new();
    for route in &document.routes {
        let request = route.timeouts(&document.defaults).request.get();
        for name in route.action.upstreams() {
            let longest = longest.entry(&name.value).or_insert(request);
            *longest = longest.zip(request).map(|(a, b)| a.max(b));
        }
    }
    for (name, upstream) in document.upstreams.entries() {
        if let Some(wait) = upstream.wait
            && let Some(Some(request)) = longest.get(&*name.value)
            && wait.timeout >= *request
            && let Some(at) = after(&places, name.at).filter(|at| at.start < at.end)
        {
            let message = "the wait is as long as `request` of every route to this upstream";
            reading.tell(
                Diagnostic::warning(&WAIT_BEYOND_REQUEST, at, message)
                    .label("who waits so long has no time left for an answer")
                    .hint("write less than the `request` of the routes to this upstream"),
            );
        }
    }
}

/// Notes a path that ends in a slash.
pub(super) fn path_of_route(path: &PathPattern, at: Span, reading: &Reading<'_>) {
    if path.kind == PathKind::Exact && path.literal.len() > 1 && path.literal.ends_with('/') {
        reading.written.borrow_mut().push(Written { at, what: What::Slash });
    }
}

/// Warns of such a path as the only one of its kind: elsewhere it would take all below it.
fn slashes(document: &Document, written: &[Written], reading: &Reading<'_>) {
    let places = places(written, |what| matches!(what, What::Slash));
    if places.is_empty() {
        return;
    }
    // all paths in order, so that those that start alike stand together
    let mut paths: Vec<&str> = document.routes.iter().map(|route| &*route.matches.path.literal).collect();
    paths.sort_unstable();
    paths.dedup();
    // whoever has thousands need not be told what a path is
    let expressions: Vec<&str> = paths.iter().copied().filter(|path| !path.starts_with('/')).take(1000).collect();
    for route in &document.routes {
        let path = &route.matches.path;
        let Some(above) = path.literal.strip_suffix('/').filter(|above| !above.is_empty()) else { continue };
        if path.kind != PathKind::Exact || !route.action.forwards() {
            continue;
        }
        let from = paths.partition_point(|other| *other < above);
        let alike = paths.iter().skip(from).take_while(|other| other.starts_with(above)).take(2).count();
        if alike < 2
            && !expressions.iter().any(|expression| expression.contains(above))
            && let Some(at) = after(&places, route.at)
        {
            let message = format!("`{path}` is this one path, and nothing below it");
            reading.tell(
                Diagnostic::warning(&LONE_SLASH, at, message).hint(format!("write `{path}*` for all below it as well")),
            );
        }
    }
}

/// Where keys of one kind stand, in order.
fn places(written: &[Written], kind: impl Fn(&What) -> bool) -> Vec<Span> {
    let mut places: Vec<Span> =
        written.iter().filter(|written| kind(&written.what)).map(|written| written.at).collect();
    places.sort();
    places
}

/// The first of the places that is not before what starts at `from`.
fn after(places: &[Span], from: Span) -> Option<Span> {
    let first = places.partition_point(|place| (place.file, place.start) < (from.file, from.start));
    places.get(first).copied().filter(|place| place.file == from.file)
}

/// Warns of metrics that need no token where strangers may ask for them; `at` is where that is written.
pub(super) fn open_metrics(address: &ListenAddress, at: Span, reading: &Reading<'_>) {
    let is_open = match address {
        ListenAddress::Any { .. } => true,
        ListenAddress::Ip(address) => !is_private(address.ip().to_canonical()),
        ListenAddress::Name { .. } | ListenAddress::Unix(_) => false,
    };
    if is_open {
        reading.tell(
            Diagnostic::warning(&OPEN_METRICS, at, "the metrics are open to everyone who reaches the machine")
                .hint("write a private address, or leave `metrics_open` out and give Prometheus the token"),
        );
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let carrier = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || carrier
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Warns of secrets in files that everyone on this machine may read.
pub(super) fn secrets(document: &Document, reading: &Reading<'_>) {
    for secret in document.secrets() {
        if let Secret::File(path) = &**secret
            && let Some(mode) = readable_by_all(path)
        {
            readable(secret, mode, path, reading);
        }
    }
}

/// The mode of a file that everyone on this machine may read, unless it is a container's own.
pub(super) fn readable_by_all(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    if ["/run/secrets", "/var/run/secrets"].iter().any(|own| path.starts_with(Path::new(own))) {
        return None;
    }
    let metadata = std::fs::metadata(path).ok().filter(|metadata| metadata.is_file())?;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o004 != 0).then_some(mode)
}

fn readable(secret: &Spanned<Secret>, mode: u32, path: &Path, reading: &Reading<'_>) {
    let shown = path.display();
    reading.tell(
        Diagnostic::warning(&READABLE_SECRET, secret.at, "every user of this machine can read the secret")
            .label(format!("its mode is {mode:04o}"))
            .hint(format!("run `chmod o= {shown}`")),
    );
}
