//! Upstreams compiled: what the pool before had, counted and learned of its endpoints lives on in the new one.

use super::compile::Parts;
use super::{ActiveCheck, Upstream};
use crate::config::{
    self, ActiveConfig, ActiveStart, EndpointConfig, FilePath, Material, Probe, Spanned, UpstreamConfig,
    UpstreamTlsConfig,
};
use crate::telemetry::{EndpointStats, UpstreamStats};
use crate::tls::{Authorities, ClientTerms, ClientTls};
use crate::upstream::balance::Balance;
use crate::upstream::count::Count;
use crate::upstream::entry::Place;
use crate::upstream::idle::Keepalive;
use crate::upstream::members::Listed;
use crate::upstream::passive;
use crate::upstream::pool::{Rules, Wait};
use crate::upstream::probe::Check;
use crate::upstream::{Entry, Lasting, Origin, Pool};
use crate::value::EndpointAddress;
use std::sync::Arc;

/// Compiles an upstream. Endpoints that `before` has too go on as they are.
pub fn upstream(
    name: &str,
    config: &UpstreamConfig,
    material: &Material,
    parts: &Parts,
    before: Option<&Arc<Upstream>>,
) -> Upstream {
    let lasting = before.map_or_else(Arc::<Lasting>::default, |u| Arc::clone(&u.pool.lasting));
    let entry = |config: &EndpointConfig| {
        let address = config.address.to_string();
        let make = || {
            let stats = EndpointStats::new(parts.workers);
            Entry::new(&address, place(&config.address), stats, &parts.slots, &lasting.room)
        };
        lasting.entry(&address, make)
    };
    let listed = config.endpoints.iter().map(|e| Listed {
        entry: entry(e),
        weight: e.weight.into(),
        max_conns: e.max_conns.unwrap_or(Count::UNLIMITED),
        backup: e.backup,
    });
    let stats = match before {
        Some(same) => Arc::clone(&same.stats),
        None => Arc::new(UpstreamStats::new(parts.workers)),
    };
    let active = config.active.as_ref().map(active);
    let known = before.and_then(|u| u.pool.rules.tls.as_ref());
    let found_host = config.discover.as_ref().and_then(|discover| discover.host());
    let tls = config.tls.as_ref().map(|config| {
        let mut terms = terms(config, material);
        terms.sni = terms.sni.or_else(|| found_host.map(Into::into));
        ClientTls::new(terms, known)
    });
    let (rules, now) = (rules(config, tls), parts.now());
    let pool = match &config.discover {
        Some(discover) => {
            let origin = Origin::new(discover.sought(), &parts.board, parts.workers, &parts.slots);
            Pool::of(name, origin, rules, Arc::clone(&lasting), now)
        }
        None => Pool::new(name, listed.collect(), rules, Arc::clone(&lasting), now),
    };
    Upstream { pool, stats, active }
}

fn rules(config: &UpstreamConfig, tls: Option<Arc<ClientTls>>) -> Rules {
    let (balance, key) = match &config.balance {
        config::Balance::LeastConn => (Balance::LeastConn, None),
        config::Balance::RoundRobin => (Balance::RoundRobin, None),
        config::Balance::Random => (Balance::Random, None),
        config::Balance::P2c => (Balance::P2c, None),
        config::Balance::IpHash => (Balance::IpHash, None),
        config::Balance::Hash(key) => (Balance::Hash, Some(key.clone())),
    };
    let kept = &config.keepalive;
    Rules {
        balance,
        key,
        passive: passive::Rule {
            max_fails: config.passive.max_fails,
            fail_timeout: u64::try_from(config.passive.fail_timeout.as_nanos()).unwrap_or(u64::MAX),
        },
        slow_start: config.slow_start.unwrap_or_default().into(),
        sticky: config.sticky.as_ref().map(|sticky| sticky.cookie.clone()),
        wait: config.wait.map(|wait| Wait { size: wait.size as usize, timeout: wait.timeout.into() }),
        keepalive: Keepalive {
            idle: kept.idle as usize,
            idle_timeout: kept.idle_timeout.into(),
            requests: kept.requests,
            max_age: kept.max_age.into(),
        },
        tls,
        starts_down: config.active.as_ref().is_some_and(|active| active.start == ActiveStart::Down),
    }
}

/// The terms of an upstream's TLS. Where a file was not read there is no authority in its place: nobody is believed.
pub fn terms(config: &UpstreamTlsConfig, material: &Material) -> ClientTerms {
    let UpstreamTlsConfig { sni, ca, cert: _, key: _, verify, min_version } = config;
    let nobody = || Arc::new(Authorities { roots: Arc::new(rustls::RootCertStore::empty()), print: [0; 32] });
    let believed = |file: &Spanned<FilePath>| material.authorities(file).cloned().unwrap_or_else(nobody);
    ClientTerms {
        min_version: *min_version,
        sni: sni.as_ref().map(|name| name.value.clone()),
        authorities: ca.as_ref().map(believed),
        certificate: material.client_certificate(config).cloned(),
        verify: *verify,
    }
}

fn active(config: &ActiveConfig) -> ActiveCheck {
    let ActiveConfig { check, interval, timeout, rise, fall, start: _ } = config;
    ActiveCheck {
        check: match check {
            Probe::Http { path, expect } => Check::Http { path: path.clone(), expect: expect.clone() },
            Probe::Tcp => Check::Tcp,
        },
        interval: *interval,
        timeout: *timeout,
        rise: *rise,
        fall: *fall,
    }
}

fn place(address: &EndpointAddress) -> Place {
    match address {
        EndpointAddress::Ip(address) => Place::Socket(*address),
        EndpointAddress::Unix(path) => Place::Unix(path.as_path().into()),
        EndpointAddress::Name { host, port } => {
            Place::Name { host: host.clone(), port: *port, addresses: Default::default() }
        }
    }
}
