//! The scrape: merges the workers' cells and writes them as Prometheus text.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily};

use crate::failure::Failure;

use super::catalogue::{self as families, Family};
use super::histogram::{BUCKETS_S, Observed};
use super::listener::VERSIONS;
use super::{
    ConnectionState, EndpointStats, HandshakeResult, ListenerStats, ProgramStats, Rejection, RouteStats, Sink,
    UpstreamStats,
};

/// What a scrape shows: the parts of the table in force, each with its counts. What is not in the scene is not shown.
#[derive(Debug)]
pub struct Scene<'a> {
    pub program: &'a ProgramStats,
    pub listeners: Vec<ListenerScene<'a>>,
    /// Each route's name with its counts; requests without a route are under `_none`.
    pub routes: Vec<(&'a str, &'a RouteStats)>,
    pub upstreams: Vec<UpstreamScene<'a>>,
    /// What the certificates that are presented are called, and when they expire. Several may have one name.
    pub certificates: Vec<(Box<str>, SystemTime)>,
    /// The sources that find endpoints.
    pub sources: Vec<SourceScene>,
}

/// A source of endpoints in a [`Scene`].
#[derive(Debug)]
pub struct SourceScene {
    pub source: &'static str,
    /// It answers.
    pub up: bool,
    /// When it answered last, in seconds since 1970; 0 for never.
    pub last_success_s: f64,
}

/// A listener in a [`Scene`].
#[derive(Debug)]
pub struct ListenerScene<'a> {
    /// What [`super::Finished::listener`] calls it.
    pub id: u16,
    pub name: &'a str,
    /// Its clients speak TLS.
    pub secure: bool,
    pub stats: &'a ListenerStats,
    /// Listeners of this name at earlier addresses: the connections they still have count here, and nothing else of them. So a count only
    /// falls once, when a listener moves.
    pub former: Vec<&'a ListenerStats>,
}

/// An upstream in a [`Scene`].
#[derive(Debug)]
pub struct UpstreamScene<'a> {
    pub name: &'a str,
    pub stats: &'a UpstreamStats,
    pub endpoints: Vec<EndpointScene<'a>>,
    /// Where its endpoints are found: how many hold, and sets that came to hold so far.
    pub found: Option<(usize, u64)>,
}

/// An endpoint in an [`UpstreamScene`].
#[derive(Debug)]
pub struct EndpointScene<'a> {
    pub address: &'a str,
    pub stats: &'a EndpointStats,
    /// Requests and tunnels it serves now.
    pub in_flight: i64,
    /// Whether it may take requests.
    pub up: bool,
}

/// The label value for what exceeded the limit of series.
const OTHER: &str = "_OTHER";

/// The whole scrape in Prometheus' text format (`prometheus::TEXT_FORMAT`).
pub fn encode(scene: &Scene<'_>) -> String {
    let Scene { program, listeners, routes, upstreams, certificates, sources } = scene;
    let mut page = Page::default();
    encode_routes(&mut page, listeners, routes);
    encode_upstreams(&mut page, upstreams);
    encode_discovery(&mut page, sources, upstreams);
    encode_listeners(&mut page, listeners);
    encode_certificates(&mut page, certificates);
    encode_program(&mut page, program);
    page.text
}

fn encode_routes(page: &mut Page, listeners: &[ListenerScene<'_>], routes: &[(&str, &RouteStats)]) {
    let listeners: HashMap<u16, &str> = listeners.iter().map(|listener| (listener.id, listener.name)).collect();
    // A table may have 100,000 routes: those without traffic are sorted out once.
    let used: Vec<_> = routes.iter().filter(|(_, stats)| !stats.is_unused()).collect();

    let mut requests = Samples::of(&families::HTTP_REQUESTS);
    for (route, stats) in &used {
        let (counts, overflow) = stats.requests();
        for (key, count) in counts {
            // A listener that a reload removed takes its series along.
            let Some(listener) = listeners.get(&key.listener) else { continue };
            requests.counter([listener, route, key.method.as_str(), &key.code.to_string()], count);
        }
        if overflow > 0 {
            requests.counter([OTHER, route, OTHER, OTHER], overflow);
        }
    }
    page.write(requests);

    let mut durations = Samples::of(&families::HTTP_REQUEST_DURATION);
    let mut in_flight = Samples::of(&families::HTTP_REQUESTS_IN_FLIGHT);
    let mut bytes_in = Samples::of(&families::HTTP_REQUEST_BYTES);
    let mut bytes_out = Samples::of(&families::HTTP_RESPONSE_BYTES);
    let mut failures = Samples::of(&families::HTTP_FAILURES);
    for (route, stats) in &used {
        durations.histogram([route], &stats.duration());
        in_flight.gauge([route], stats.in_flight() as f64);
        bytes_in.counter([route], stats.bytes_in());
        bytes_out.counter([route], stats.bytes_out());
        for failure in Failure::ALL {
            failures.counter_if_any([route, failure.word()], stats.failed(failure));
        }
    }
    [durations, in_flight, bytes_in, bytes_out, failures].into_iter().for_each(|samples| page.write(samples));
}

fn encode_upstreams(page: &mut Page, upstreams: &[UpstreamScene<'_>]) {
    let mut requests = Samples::of(&families::UPSTREAM_REQUESTS);
    let mut durations = Samples::of(&families::UPSTREAM_REQUEST_DURATION);
    let mut connects = Samples::of(&families::UPSTREAM_CONNECT_DURATION);
    let mut in_flight = Samples::of(&families::UPSTREAM_IN_FLIGHT);
    let mut connections = Samples::of(&families::UPSTREAM_CONNECTIONS);
    let mut opened = Samples::of(&families::UPSTREAM_CONNECTIONS_OPENED);
    let mut reused = Samples::of(&families::UPSTREAM_CONNECTIONS_REUSED);
    let mut up = Samples::of(&families::UPSTREAM_ENDPOINT_UP);
    let mut checks = Samples::of(&families::UPSTREAM_HEALTH_CHECKS);
    let mut retries = Samples::of(&families::UPSTREAM_RETRIES);
    let mut ejections = Samples::of(&families::UPSTREAM_EJECTIONS);
    for UpstreamScene { name, stats, endpoints, found: _ } in upstreams {
        for EndpointScene { address, stats, in_flight: count, up: is_up } in endpoints {
            in_flight.gauge([name, address], *count as f64);
            up.gauge([name, address], f64::from(u8::from(*is_up)));
            let (codes, overflow) = stats.codes();
            for (code, count) in codes {
                requests.counter([name, address, &code.to_string()], count);
            }
            if overflow > 0 {
                requests.counter([name, address, OTHER], overflow);
            }
            checks.counter_if_any([name, address, "pass"], stats.checks_total(true));
            checks.counter_if_any([name, address, "fail"], stats.checks_total(false));
            ejections.counter([name, address], stats.ejections_total());
        }
        if stats.is_unused() {
            continue;
        }
        durations.histogram([name], &stats.duration());
        connects.histogram([name], &stats.connect());
        for state in ConnectionState::ALL {
            connections.gauge([name, state.as_str()], stats.connections(state) as f64);
        }
        opened.counter([name], stats.opened_total());
        reused.counter([name], stats.reused_total());
        for failure in Failure::ALL {
            retries.counter_if_any([name, failure.word()], stats.retries(failure));
        }
        retries.counter_if_any([name, "status"], stats.retries_for_status());
    }
    [requests, durations, connects, in_flight, connections, opened, reused, up, checks, retries, ejections]
        .into_iter()
        .for_each(|samples| page.write(samples));
}

fn encode_discovery(page: &mut Page, sources: &[SourceScene], upstreams: &[UpstreamScene<'_>]) {
    let mut up = Samples::of(&families::DISCOVERY_UP);
    let mut success_at = Samples::of(&families::DISCOVERY_LAST_SUCCESS);
    for SourceScene { source, up: is_up, last_success_s } in sources {
        up.gauge([source], f64::from(u8::from(*is_up)));
        success_at.gauge([source], *last_success_s);
    }
    let mut endpoints = Samples::of(&families::DISCOVERY_ENDPOINTS);
    let mut changed = Samples::of(&families::DISCOVERY_CHANGES);
    for UpstreamScene { name, found, .. } in upstreams {
        if let Some((count, changes)) = found {
            endpoints.gauge([name], *count as f64);
            changed.counter([name], *changes);
        }
    }
    [up, success_at, endpoints, changed].into_iter().for_each(|samples| page.write(samples));
}

fn encode_listeners(page: &mut Page, listeners: &[ListenerScene<'_>]) {
    let mut connections = Samples::of(&families::LISTENER_CONNECTIONS);
    let mut rejected = Samples::of(&families::LISTENER_REJECTED);
    let mut handshakes = Samples::of(&families::TLS_HANDSHAKES);
    for ListenerScene { id: _, name, secure, stats, former } in listeners {
        let held = stats.connections() + former.iter().map(|stats| stats.connections()).sum::<i64>();
        connections.gauge([name], held as f64);
        for reason in Rejection::ALL {
            rejected.counter([name, reason.as_str()], stats.rejected_total(reason));
        }
        for result in HandshakeResult::ALL.into_iter().filter(|_| *secure) {
            for (version, count) in VERSIONS.into_iter().zip(stats.handshakes_total(result)) {
                // both good ends are there from the start, so that rates are
                if result.is_good() && version != VERSIONS[2] {
                    handshakes.counter([name, result.as_str(), version], count);
                } else {
                    handshakes.counter_if_any([name, result.as_str(), version], count);
                }
            }
        }
    }
    [connections, rejected, handshakes].into_iter().for_each(|samples| page.write(samples));
}

fn encode_certificates(page: &mut Page, certificates: &[(Box<str>, SystemTime)]) {
    let mut first: BTreeMap<&str, SystemTime> = BTreeMap::new();
    for (subject, expires) in certificates {
        first.entry(subject).and_modify(|first| *first = (*first).min(*expires)).or_insert(*expires);
    }
    let mut expiries = Samples::of(&families::TLS_CERTIFICATE_EXPIRY);
    for (subject, expires) in first {
        let since = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        expiries.gauge([subject], since.as_secs_f64());
    }
    page.write(expiries);
}

fn encode_program(page: &mut Page, program: &ProgramStats) {
    let mut reloads = Samples::of(&families::CONFIG_RELOADS);
    let (succeeded, failed) = program.reloads_total();
    reloads.counter(["success"], succeeded);
    reloads.counter(["failure"], failed);
    let mut successful = Samples::of(&families::CONFIG_LAST_RELOAD_SUCCESSFUL);
    successful.gauge([], f64::from(u8::from(program.last_reload_successful())));
    let mut success_at = Samples::of(&families::CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP);
    success_at.gauge([], program.last_success_s());
    let mut dropped = Samples::of(&families::LOG_DROPPED);
    for sink in Sink::ALL {
        dropped.counter([sink.as_str()], program.dropped_total(sink));
    }
    let mut panics = Samples::of(&families::PANICS);
    panics.counter([], program.panics_total());
    let mut build = Samples::of(&families::BUILD_INFO);
    build.gauge([program.version, program.revision], 1.0);
    [reloads, successful, success_at, dropped, panics, build].into_iter().for_each(|samples| page.write(samples));
    page.append(&program.process());
}

/// The text written so far. Families are written one by one, so that the whole scrape is never held twice.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn write(&mut self, samples: Samples) {
        if samples.metrics.is_empty() {
            return;
        }
        let Samples { family, metrics } = samples;
        let mut out = MetricFamily::default();
        out.set_name(family.name.to_owned());
        out.set_help(family.help.to_owned());
        out.set_field_type(family.kind);
        out.set_metric(metrics);
        self.append(&[out]);
    }

    fn append(&mut self, families: &[MetricFamily]) {
        if let Err(error) = TextEncoder::new().encode_utf8(families, &mut self.text) {
            // Only a family without samples or name is refused; the rest of the page is still of use.
            log::error!("metrics: {error}");
        }
    }
}

/// The samples of one family, while they are gathered.
struct Samples {
    family: &'static Family,
    metrics: Vec<Metric>,
}

impl Samples {
    fn of(family: &'static Family) -> Samples {
        Samples { family, metrics: Vec::new() }
    }

    fn counter<const N: usize>(&mut self, labels: [&str; N], value: u64) {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        self.metric(labels).set_counter(counter);
    }

    /// For counters with many possible labels, few of which ever count.
    fn counter_if_any<const N: usize>(&mut self, labels: [&str; N], value: u64) {
        if value > 0 {
            self.counter(labels, value);
        }
    }

    fn gauge<const N: usize>(&mut self, labels: [&str; N], value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        self.metric(labels).set_gauge(gauge);
    }

    fn histogram<const N: usize>(&mut self, labels: [&str; N], observed: &Observed) {
        let buckets = BUCKETS_S.iter().zip(observed.cumulative).map(|(&bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(observed.count);
        histogram.set_sample_sum(observed.sum_s);
        self.metric(labels).set_histogram(histogram);
    }

    fn metric<const N: usize>(&mut self, values: [&str; N]) -> &mut Metric {
        debug_assert_eq!(N, self.family.labels.len(), "{}", self.family.name);
        let labels = self.family.labels.iter().zip(values).map(|(name, value)| {
            let mut label = LabelPair::default();
            label.set_name((*name).to_owned());
            label.set_value(value.to_owned());
            label
        });
        self.metrics.push(Metric::from_label(labels.collect()));
        let last = self.metrics.len() - 1;
        &mut self.metrics[last]
    }
}

#[cfg(test)]
mod tests;
