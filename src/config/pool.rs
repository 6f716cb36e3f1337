//! What the keys of one upstream mean for each other: those that contradict, and those that could do nothing.

use super::lints::{IDLE_BEYOND_AGE, LONE_ENDPOINT};
use super::section::Fields;
use super::tls_lints::PLAIN_TO_443;
use super::upstream::ENDPOINTS;
use super::{Balance, Diagnostic, EndpointConfig, Span, UpstreamConfig, UpstreamKeepaliveConfig};
use crate::upstream::balance::ring::WEIGHT_MAX;
use crate::value::EndpointAddress;

/// Complains about keys of one upstream that contradict each other, and warns of those that could do nothing.
pub(super) fn check(upstream: &UpstreamConfig, fields: &Fields<'_, '_>) {
    // What could not be read has its complaint, and would only look like another mistake.
    if !fields.are_sound() {
        return;
    }
    if ways(fields) {
        return;
    }
    backups(upstream, fields);
    hashes(upstream, fields);
    encryption(upstream, fields);
    if let [only] = upstream.endpoints.as_slice()
        && !matches!(*only.address, EndpointAddress::Name { .. })
        && fields.are_sound()
    {
        alone(upstream, only, fields);
    }
}

/// Complains unless the endpoints are either written or found. True when it did.
fn ways(fields: &Fields<'_, '_>) -> bool {
    match (fields.place("endpoints"), fields.place("discover")) {
        (Some(written), Some(found)) => fields.reading.tell(
            Diagnostic::error(found, "the endpoints of an upstream are either written or found")
                .label("found")
                .other(written, "written")
                .hint("leave `endpoints` or `discover` out, or make two upstreams of it"),
        ),
        (None, None) => fields.missing("endpoints", ENDPOINTS.example),
        _ => return false,
    }
    true
}

/// A pool of backups alone would have nobody to back up.
fn backups(upstream: &UpstreamConfig, fields: &Fields<'_, '_>) {
    if let [first, ..] = upstream.endpoints.as_slice()
        && upstream.endpoints.iter().all(|endpoint| endpoint.backup)
    {
        fields.reading.tell(
            Diagnostic::error(first.address.at, "every endpoint of the pool is a backup")
                .label("a backup of nothing")
                .hint("leave `backup` out of the endpoints that are to serve first"),
        );
    }
}

/// Where the request decides which endpoint it belongs to, some keys have no say.
fn hashes(upstream: &UpstreamConfig, fields: &Fields<'_, '_>) {
    let by = match upstream.balance {
        Balance::IpHash => "ip_hash",
        Balance::Hash(_) => "hash",
        Balance::LeastConn | Balance::RoundRobin | Balance::Random | Balance::P2c => return,
    };
    let balance = fields.place("balance").unwrap_or_default();
    let because = "requests belong to their endpoint, whatever its share";
    fields.useless("slow_start", "balance", by, because);
    for endpoint in &upstream.endpoints {
        if endpoint.backup {
            fields.reading.tell(
                Diagnostic::error(endpoint.address.at, format!("`backup` has no effect beside `{by}`"))
                    .label("a backup")
                    .other(balance, "requests go to the next endpoint of their hash, never to a backup")
                    .hint("leave `backup` out, or balance in another way"),
            );
        }
        if matches!(upstream.balance, Balance::Hash(_)) && endpoint.weight > WEIGHT_MAX {
            let message = format!("the weight {} is too large for `hash`", endpoint.weight);
            fields.reading.tell(
                Diagnostic::error(endpoint.address.at, message)
                    .label("of this endpoint")
                    .other(balance, "every unit of weight takes 160 places on the hash ring")
                    .hint(format!("write weights from 1 to {WEIGHT_MAX}, in the same proportions")),
            );
        }
    }
}

/// Endpoints that mostly want TLS where there is none, and such as have no name to prove.
fn encryption(upstream: &UpstreamConfig, fields: &Fields<'_, '_>) {
    if let Some(target) = upstream.discover.as_ref().and_then(|discover| discover.dns.as_ref())
        && target.value.port == 443
        && upstream.tls.is_none()
    {
        fields.reading.tell(
            Diagnostic::warning(&PLAIN_TO_443, target.at, format!("`{}` is spoken to in plain text", target.value))
                .label("443 is the port of HTTPS")
                .hint("write `tls: {}` beside `discover`"),
        );
    }
    for EndpointConfig { address, .. } in &upstream.endpoints {
        let port = match &address.value {
            EndpointAddress::Ip(ip) => Some(ip.port()),
            EndpointAddress::Name { port, .. } => Some(*port),
            EndpointAddress::Unix(_) => None,
        };
        match &upstream.tls {
            None if port == Some(443) => fields.reading.tell(
                Diagnostic::warning(
                    &PLAIN_TO_443,
                    address.at,
                    format!("`{}` is spoken to in plain text", address.value),
                )
                .label("443 is the port of HTTPS")
                .hint("write `tls: {}` beside `endpoints`"),
            ),
            Some(tls) if tls.verify && tls.sni.is_none() && port.is_none() => {
                let diagnostic = Diagnostic::error(address.at, "a Unix socket has no name that it could prove to have");
                let diagnostic = match fields.place("tls") {
                    Some(at) => diagnostic.other(at, "every endpoint proves who it is"),
                    None => diagnostic,
                };
                fields.reading.tell(diagnostic.hint("write the name that it proves: `tls: { sni: app.internal }`"));
            }
            _ => {}
        }
    }
}

/// Kept connections: none at all, or such as are too old before they have been idle for too long.
pub(super) fn keepalive(keepalive: &UpstreamKeepaliveConfig, fields: &Fields<'_, '_>) {
    let UpstreamKeepaliveConfig { idle, idle_timeout, max_age, requests: _ } = *keepalive;
    if !fields.are_sound() {
        return;
    }
    if idle == 0 {
        for name in ["idle_timeout", "requests", "max_age"] {
            fields.useless(name, "idle", "idle: 0", "no connection is kept");
        }
    } else if idle_timeout > max_age
        && let Some(at) = fields.place("idle_timeout")
    {
        let message = "`idle_timeout` is longer than `max_age`: it never runs out";
        let mut diagnostic = Diagnostic::warning(&IDLE_BEYOND_AGE, at, message);
        if let Some(age) = fields.place("max_age") {
            diagnostic = diagnostic.other(age, "closes the connection before");
        }
        fields.reading.tell(diagnostic.hint("write less than `max_age`, or leave it out"));
    }
}

/// The only endpoint of a pool gets every request, whatever its state.
fn alone(upstream: &UpstreamConfig, only: &EndpointConfig, fields: &Fields<'_, '_>) {
    let warn = |name: &str, at: Option<Span>, because: &str| {
        if let Some(at) = at {
            let message = format!("`{name}` has no effect in a pool of one address");
            let diagnostic = Diagnostic::warning(&LONE_ENDPOINT, at, message).label(because);
            fields.reading.tell(diagnostic.hint("leave it out, or add an endpoint"));
        }
    };
    let everything = "it gets every request anyway";
    warn("sticky", fields.place("sticky"), "every client is on it anyway");
    warn("slow_start", fields.place("slow_start"), everything);
    warn("weight", Some(only.address.at).filter(|_| only.weight > 1), everything);
    if upstream.passive.max_fails > 0 {
        let because = "with no other to turn to, the only endpoint is never taken out";
        warn("passive", fields.place("passive"), because);
    }
}
