//! What holds in a document, key by key, every default filled in. Two documents that say the same in other words have the same facts.

use super::form::word;
use super::{
    AccessLogConfig, AccessLogOutput, ActionConfig, ActiveConfig, AdminConfig, Balance, ClientKeepaliveConfig,
    ClientLimitsConfig, DefaultsConfig, DiscoveryConfig, DnsConfig, DockerConfig, Document, EditsConfig,
    EndpointConfig, ErrorAnswerConfig, ErrorPageConfig, HeadersConfig, LabelledConfig, ListenerConfig, LogConfig,
    MatchConfig, ObservabilityConfig, PassiveConfig, Probe, RedirectConfig, RequestConfig, RespondConfig,
    RetriesConfig, RetryOn, RewriteConfig, RouteConfig, SplitChoice, SplitConfig, StickyConfig, Threads,
    TimeoutsConfig, UpstreamConfig, UpstreamKeepaliveConfig, WaitConfig,
};
use crate::value::{Limit, display_duration};
use std::fmt::{Arguments, Display};
use std::time::Duration;

/// Takes a key and what holds there. Keys are as written: `timeouts.read`, `endpoints[app-1:3000]`.
pub type Sink<'s> = &'s mut dyn FnMut(Arguments<'_>, Arguments<'_>);

/// Hands facts on: a key as a literal or a format, and a value.
macro_rules! fact {
    ($out:ident, $key:literal $(($($part:expr),*))?, $value:expr) => {
        $out(format_args!($key $($(, $part)*)?), format_args!("{}", $value))
    };
}

mod secured;

/// The facts of a route. What it inherits is among them.
pub fn route(route: &RouteConfig, defaults: &DefaultsConfig, out: Sink<'_>) {
    let RouteConfig {
        at: _,
        name: _,
        matches,
        priority,
        listeners,
        action,
        rewrite,
        headers,
        errors,
        timeouts: _,
        request: _,
        retries: _,
        upgrade,
        sound: _,
    } = route;
    let MatchConfig { host, path, methods, headers: header_matches, query } = matches;
    if let Some(host) = host {
        fact!(out, "match.host", host);
    }
    fact!(out, "match.path", path);
    if let Some(methods) = methods {
        fact!(out, "match.methods", list(methods));
    }
    for (name, pattern) in header_matches {
        fact!(out, "match.headers[{}]"(name.as_str().to_ascii_lowercase()), pattern);
    }
    for (name, pattern) in query {
        fact!(out, "match.query[{}]"(name), pattern);
    }
    fact!(out, "priority", priority);
    if let Some(listeners) = listeners {
        fact!(out, "listeners", list(listeners.iter().map(|name| &name.value)));
    }
    let forwards = match action {
        ActionConfig::Upstream(name) => {
            fact!(out, "upstream", name.value);
            true
        }
        ActionConfig::Split(split) => {
            let SplitConfig { by, to } = &**split;
            if let Some(by) = by {
                fact!(out, "split.by", by);
            }
            for SplitChoice { upstream, weight } in to {
                fact!(out, "split.to[{}]"(upstream.value), format_args!("weight: {weight}"));
            }
            true
        }
        ActionConfig::Redirect(redirect) => {
            let RedirectConfig { to, status } = &**redirect;
            fact!(out, "redirect.to", to);
            fact!(out, "redirect.status", status);
            false
        }
        ActionConfig::Respond(respond) => {
            let RespondConfig { status, body, headers } = &**respond;
            fact!(out, "respond.status", status);
            fact!(out, "respond.body", String::from_utf8_lossy(body));
            for (name, value) in headers {
                fact!(out, "respond.headers[{}]"(name), value);
            }
            false
        }
    };
    if let Some(rewrite) = rewrite {
        self::rewrite(rewrite, out);
    }
    if let Some(headers) = headers {
        let HeadersConfig { request, response } = &**headers;
        edits("request", request, out);
        edits("response", response, out);
    }
    for page in errors {
        error_page(page, out);
    }
    // nothing obeys them otherwise
    if forwards {
        timeouts(&route.timeouts(defaults), out);
        let RequestConfig { max_body } = route.request(defaults);
        fact!(out, "request.max_body", max_body);
        retries(&route.retries(defaults), out);
        fact!(out, "upgrade", list(upgrade.iter().map(|upgrade| word(upgrade))));
    }
}

fn rewrite(config: &RewriteConfig, out: Sink<'_>) {
    match config {
        RewriteConfig::StripPrefix(prefix) => fact!(out, "rewrite.strip_prefix", prefix),
        RewriteConfig::ReplacePrefix(prefix) => fact!(out, "rewrite.replace_prefix", prefix),
        RewriteConfig::Path(path) => fact!(out, "rewrite.path", path),
        RewriteConfig::Regex { regex, to } => {
            fact!(out, "rewrite.regex", regex);
            fact!(out, "rewrite.to", to);
        }
    }
}

fn edits(part: &str, config: &EditsConfig, out: Sink<'_>) {
    let EditsConfig { set, add, remove } = config;
    for (name, value) in set {
        fact!(out, "headers.{}.set[{}]"(part, name), value);
    }
    for (name, value) in add {
        fact!(out, "headers.{}.add[{}]"(part, name), value);
    }
    if !remove.is_empty() {
        fact!(out, "headers.{}.remove"(part), list(remove));
    }
}

/// Status by status, since no two pages have one in common.
fn error_page(config: &ErrorPageConfig, out: Sink<'_>) {
    let ErrorPageConfig { status: statuses, intercept, respond } = config;
    let ErrorAnswerConfig { status: answered, body, headers } = respond;
    for status in statuses {
        fact!(out, "errors[{}].intercept"(status), intercept);
        fact!(out, "errors[{}].respond.status"(status), answered.unwrap_or(*status));
        if let Some(body) = body {
            fact!(out, "errors[{}].respond.body"(status), String::from_utf8_lossy(body));
        }
        for (name, value) in headers {
            fact!(out, "errors[{}].respond.headers[{}]"(status, name), value);
        }
    }
}

fn timeouts(config: &TimeoutsConfig, out: Sink<'_>) {
    let TimeoutsConfig { connect, read, write, request } = config;
    fact!(out, "timeouts.connect", display_duration(*connect));
    fact!(out, "timeouts.read", limited(*read));
    fact!(out, "timeouts.write", limited(*write));
    fact!(out, "timeouts.request", limited(*request));
}

fn retries(config: &RetriesConfig, out: Sink<'_>) {
    let RetriesConfig { attempts, retry_on, non_idempotent, budget } = config;
    let RetryOn { error, timeout, invalid_header, statuses } = retry_on;
    let words = [("error", error), ("timeout", timeout), ("invalid_header", invalid_header)];
    let words = words.into_iter().filter(|(_, on)| **on).map(|(word, _)| word.to_owned());
    fact!(out, "retries.attempts", attempts);
    fact!(out, "retries.retry_on", list(words.chain(statuses.iter().map(u16::to_string))));
    fact!(out, "retries.non_idempotent", non_idempotent);
    fact!(out, "retries.budget", budget);
}

/// The facts of an upstream.
pub fn upstream(upstream: &UpstreamConfig, out: Sink<'_>) {
    let UpstreamConfig {
        balance,
        endpoints,
        discover,
        protocol,
        keepalive,
        passive,
        active,
        slow_start,
        wait,
        sticky,
        tls,
    } = upstream;
    match balance {
        Balance::Hash(key) => fact!(out, "balance", format_args!("{{ hash: {key} }}")),
        other => fact!(out, "balance", word(other)),
    }
    for EndpointConfig { address, weight, max_conns, backup } in endpoints {
        let most = max_conns.map_or_else(String::new, |most| format!(", max_conns: {most}"));
        let backup = if *backup { ", backup: true" } else { "" };
        fact!(out, "endpoints[{}]"(address.value), format_args!("weight: {weight}{most}{backup}"));
    }
    if let Some(discover) = discover {
        let sought = discover.sought();
        fact!(out, "discover.{}"(sought.source.word()), sought.service);
    }
    fact!(out, "protocol", word(protocol));
    let UpstreamKeepaliveConfig { idle, idle_timeout, requests, max_age } = keepalive;
    fact!(out, "keepalive.idle", idle);
    fact!(out, "keepalive.idle_timeout", display_duration(*idle_timeout));
    fact!(out, "keepalive.requests", requests);
    fact!(out, "keepalive.max_age", display_duration(*max_age));
    let PassiveConfig { max_fails, fail_timeout } = passive;
    fact!(out, "passive.max_fails", max_fails);
    fact!(out, "passive.fail_timeout", display_duration(*fail_timeout));
    if let Some(ActiveConfig { check, interval, timeout, rise, fall, start }) = active {
        match check {
            Probe::Http { path, expect } => {
                fact!(out, "active.path", path);
                fact!(out, "active.expect", expect);
            }
            Probe::Tcp => fact!(out, "active.tcp", true),
        }
        fact!(out, "active.interval", display_duration(*interval));
        fact!(out, "active.timeout", display_duration(*timeout));
        fact!(out, "active.rise", rise);
        fact!(out, "active.fall", fall);
        fact!(out, "active.start", word(start));
    }
    if let Some(slow_start) = slow_start {
        fact!(out, "slow_start", display_duration(*slow_start));
    }
    if let Some(WaitConfig { size, timeout }) = wait {
        fact!(out, "wait.size", size);
        fact!(out, "wait.timeout", display_duration(*timeout));
    }
    if let Some(StickyConfig { cookie }) = sticky {
        fact!(out, "sticky.cookie", cookie);
    }
    if let Some(tls) = tls {
        secured::upstream(tls, out);
    }
}

/// The facts of a listener.
pub fn listener(listener: &ListenerConfig, out: Sink<'_>) {
    let ListenerConfig { address, protocols, keepalive, limits, tls, redirect_to_https } = listener;
    fact!(out, "address", address.value);
    fact!(out, "protocols", list(protocols.iter().map(|protocol| word(protocol))));
    let ClientKeepaliveConfig { timeout, requests } = keepalive;
    fact!(out, "keepalive.timeout", display_duration(*timeout));
    fact!(out, "keepalive.requests", requests);
    let ClientLimitsConfig {
        connections,
        header_size,
        header_count,
        header_timeout,
        body_timeout,
        body_min_rate,
        send_timeout,
    } = limits;
    fact!(out, "limits.connections", connections);
    fact!(out, "limits.header_size", header_size);
    fact!(out, "limits.header_count", header_count);
    fact!(out, "limits.header_timeout", display_duration(*header_timeout));
    fact!(out, "limits.body_timeout", display_duration(*body_timeout));
    fact!(out, "limits.body_min_rate", body_min_rate);
    fact!(out, "limits.send_timeout", display_duration(*send_timeout));
    if let Some(tls) = tls {
        secured::listener(tls, out);
    }
    if *redirect_to_https {
        fact!(out, "redirect_to_https", redirect_to_https);
    }
}

/// The facts of all but routes, upstreams and listeners. `defaults` are facts of the routes.
pub fn settings(document: &Document, out: Sink<'_>) {
    let Document {
        version: _,
        include: _,
        threads,
        listeners: _,
        trusted_proxies,
        shutdown_timeout,
        readiness_delay,
        defaults: _,
        upstreams: _,
        discovery,
        acme,
        routes: _,
        admin,
        observability,
    } = document;
    match threads {
        Threads::Auto => fact!(out, "threads", "auto"),
        Threads::Count(count) => fact!(out, "threads", count),
    }
    fact!(out, "trusted_proxies", list(trusted_proxies));
    fact!(out, "shutdown_timeout", display_duration(*shutdown_timeout));
    fact!(out, "readiness_delay", display_duration(*readiness_delay));
    let DiscoveryConfig { docker, dns } = discovery;
    if docker.routes.is_some() || document.upstreams.iter().any(|(_, upstream)| upstream.discover.is_some()) {
        let DockerConfig { endpoint, network, tls, routes } = docker;
        fact!(out, "discovery.docker.endpoint", endpoint.value);
        if let Some(network) = network {
            fact!(out, "discovery.docker.network", network.value);
        }
        if let Some(tls) = tls {
            secured::upstream(tls, &mut |key, value| fact!(out, "discovery.docker.{}"(key), value));
        }
        if let Some(LabelledConfig { hosts, listeners }) = routes {
            fact!(
                out,
                "discovery.docker.routes.hosts",
                hosts.as_ref().map_or_else(|| "every host".into(), |h| list(h.iter().map(|h| &h.value)))
            );
            fact!(
                out,
                "discovery.docker.routes.listeners",
                listeners.as_ref().map_or_else(|| "all".into(), |l| list(l.iter().map(|l| &l.value)))
            );
        }
    }
    let DnsConfig { servers, timeout, min_ttl, max_ttl } = dns;
    fact!(out, "discovery.dns.servers", list(servers));
    fact!(out, "discovery.dns.timeout", display_duration(*timeout));
    fact!(out, "discovery.dns.min_ttl", display_duration(*min_ttl));
    fact!(out, "discovery.dns.max_ttl", display_duration(*max_ttl));
    for (name, authority) in acme.iter() {
        secured::authority(name, authority, out);
    }
    if let Some(AdminConfig { address, token, metrics_open }) = admin {
        fact!(out, "admin.address", address.value);
        if let Some(token) = token {
            fact!(out, "admin.token", token.value);
        }
        fact!(out, "admin.metrics_open", metrics_open);
    }
    let ObservabilityConfig { access_log, log } = observability;
    let AccessLogConfig { format, output } = access_log;
    fact!(out, "observability.access_log.format", format);
    match output {
        AccessLogOutput::Stdout => fact!(out, "observability.access_log.output", "stdout"),
        AccessLogOutput::Stderr => fact!(out, "observability.access_log.output", "stderr"),
        AccessLogOutput::None => fact!(out, "observability.access_log.output", "none"),
        AccessLogOutput::File(path) => fact!(out, "observability.access_log.output", path.display()),
    }
    let LogConfig { level, format } = log;
    fact!(out, "observability.log.level", word(level));
    fact!(out, "observability.log.format", word(format));
}

fn limited(limit: Limit<Duration>) -> Limit<String> {
    match limit {
        Limit::At(duration) => Limit::At(display_duration(duration)),
        Limit::Unlimited => Limit::Unlimited,
    }
}

fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}
