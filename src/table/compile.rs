//! From the document to the table. What the table before had counted and measured lives on in the new one.

use super::index::{Host, RouteIndex};
use super::listeners::{Listeners, Routes, compile_listeners, https_port};
use super::number::Numbers;
use super::own;
use super::plant::RouteIndexBuilder;
use super::split::Weights;
use super::words::{Words, WordsBuilder};
use super::{
    Action, Answer, Conditions, Outline, OwnRoutes, Retries, Route, Rules, Split, Table, Timeouts, Unbuildable,
    Upstream, policies, pools,
};
use crate::config::rank::rank;
use crate::config::{
    ActionConfig, Document, Material, RequestConfig, RespondConfig, RetriesConfig, RetryOn, RouteConfig, SplitChoice,
    TimeoutsConfig,
};
use crate::discovery::Board;
use crate::http::clock::{Moment, Span};
use crate::telemetry::RouteStats;
use crate::tls::Challenges;
use crate::upstream::idle::Slots;
use crate::value::{HostPattern, Limit};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a table is made with beside the document.
pub struct Parts {
    /// Worker threads.
    pub workers: usize,
    pub slots: Arc<Slots>,
    pub numbers: Arc<Numbers>,
    /// The proofs that authorities may ask for.
    pub challenges: Arc<Challenges>,
    /// What the sources say that find endpoints.
    pub board: Arc<Board>,
    /// What [`Moment`]s count from.
    pub start: Instant,
}

impl Parts {
    pub fn now(&self) -> Moment {
        Moment::after(self.start)
    }
}

/// Compiles a checked document with what its files hold. Endpoints, routes, upstreams and listeners that `before` has too keep their
/// counts. When it fails it has changed nothing.
pub fn compile(
    document: &Document,
    material: &Material,
    parts: &Parts,
    before: Option<&Table>,
) -> Result<Table, Unbuildable> {
    let Listeners { current, retired, numbered, indexes } = compile_listeners(document, material, parts, before)?;
    let known: HashMap<&str, &Arc<Upstream>> =
        before.iter().flat_map(|t| t.upstreams.iter()).map(|u| (&*u.pool.name, u)).collect();
    let upstreams: Box<[Arc<Upstream>]> = document
        .upstreams
        .iter()
        .map(|(name, config)| Arc::new(pools::upstream(name, config, material, parts, known.get(name).copied())))
        .collect();
    let counted: HashMap<&str, &RouteStats> =
        before.iter().flat_map(|t| t.routes.iter()).map(|r| (r.name(), &r.stats)).collect();
    let mut fresh = RouteStats::many(parts.workers);
    let mut stats = |name: &str| {
        let known = counted.get(name).map(|stats| RouteStats::clone(stats)).or_else(|| fresh.next());
        known.unwrap_or_else(|| RouteStats::new(parts.workers))
    };
    let mut words = WordsBuilder::default();
    for config in &document.routes {
        words.add(&config.name(), config.name.is_some().then(|| config.pattern()).as_deref());
    }
    let mut shared = HashMap::new();
    let routes = document
        .routes
        .iter()
        .zip(words.build())
        .map(|(config, words)| {
            let stats = stats(words.name());
            route(words, config, document, &upstreams, stats, &mut shared)
        })
        .collect();
    let own = own_routes(document, parts, before);
    let trusted_proxies = document.trusted_proxies.iter().cloned().collect();
    Ok(Table {
        listeners: current,
        retired,
        numbered,
        routes,
        upstreams,
        trusted_proxies,
        dns: document.discovery.dns.settings(),
        board: Arc::clone(&parts.board),
        own,
        outline: Outline::of(document),
        indexes,
    })
}

fn route(
    words: Words,
    config: &RouteConfig,
    document: &Document,
    upstreams: &[Arc<Upstream>],
    stats: RouteStats,
    shared: &mut HashMap<RulesConfig, Arc<Rules>>,
) -> Route {
    let action = match &config.action {
        ActionConfig::Upstream(name) => {
            match document.upstreams.position(&name.value).and_then(|at| upstreams.get(at)) {
                Some(upstream) => Action::Forward(Arc::clone(upstream)),
                // cannot be: the document is checked
                None => Action::Nothing,
            }
        }
        ActionConfig::Split(split) => {
            let side =
                |choice: &SplitChoice| document.upstreams.position(&choice.upstream).and_then(|at| upstreams.get(at));
            Action::Split(Box::new(Split {
                by: split.by.clone(),
                weights: Weights::new(split.to.iter().map(|choice| choice.weight)),
                sides: split.to.iter().filter_map(side).cloned().collect(),
            }))
        }
        ActionConfig::Redirect(r) => Action::Redirect { to: Box::new(r.to.clone()), status: r.status },
        ActionConfig::Respond(r) => Action::Respond(Box::new(answer(r))),
    };
    let said = RulesConfig {
        timeouts: config.timeouts(&document.defaults),
        retries: config.retries(&document.defaults),
        request: config.request(&document.defaults),
        websocket: !config.upgrade.is_empty(),
    };
    let rules = match shared.get(&said) {
        Some(rules) => Arc::clone(rules),
        None => {
            let rules = Arc::new(rules(&said));
            shared.insert(said, Arc::clone(&rules));
            rules
        }
    };
    let mut route = Route::new(words, action, rules, stats);
    route.conditions = Conditions::of(&config.matches);
    route.policies = policies::policies(config);
    route
}

/// What makes rules: routes that agree in it share them.
#[derive(PartialEq, Eq, Hash)]
struct RulesConfig {
    timeouts: TimeoutsConfig,
    retries: RetriesConfig,
    request: RequestConfig,
    websocket: bool,
}

fn rules(config: &RulesConfig) -> Rules {
    let RulesConfig { timeouts: given, retries: again, request, websocket } = config;
    Rules {
        timeouts: timeouts(given),
        retries: retries(again),
        max_body: request.max_body.get().map_or(u64::MAX, |size| size.bytes()),
        websocket: *websocket,
    }
}

fn own_routes(document: &Document, parts: &Parts, before: Option<&Table>) -> OwnRoutes {
    let rules = |max_body| Rules {
        timeouts: timeouts(&document.defaults.timeouts),
        retries: retries(&document.defaults.retries),
        max_body,
        websocket: false,
    };
    let stats = || RouteStats::new(parts.workers);
    OwnRoutes::new(rules, https_port(document), &parts.challenges, stats, before)
}

fn timeouts(config: &TimeoutsConfig) -> Timeouts {
    let span = |limit: Limit<Duration>| limit.get().map_or(Span::UNLIMITED, Span::from);
    let TimeoutsConfig { connect, read, write, request } = *config;
    Timeouts { connect: connect.into(), read: span(read), write: span(write), request: span(request) }
}

fn retries(config: &RetriesConfig) -> Retries {
    let RetriesConfig { attempts, retry_on, non_idempotent, budget } = config;
    let RetryOn { error, timeout, invalid_header, statuses } = retry_on.clone();
    Retries {
        attempts: *attempts,
        error,
        timeout,
        invalid_header,
        statuses,
        non_idempotent: *non_idempotent,
        budget: budget.get(),
    }
}

fn answer(config: &RespondConfig) -> Answer {
    let lines = policies::lines(&config.headers);
    Answer { status: config.status, lines: lines.into(), body: config.body[..].into() }
}

/// Finds the routes that a listener has. Authorities may ask it whether one of the hosts of `proofs` is ours.
pub(super) fn index(document: &Document, routes: Routes<'_>, proofs: &[HostPattern]) -> RouteIndex {
    let wanted = |route: &RouteConfig| match (&route.listeners, routes) {
        (_, Routes::Https) => false,
        (None, _) | (_, Routes::All) => true,
        (Some(names), Routes::Of(name)) => names.iter().any(|n| *n.value == *name),
        (Some(_), Routes::OfNobody) => false,
    };
    let mut wanted: Vec<(usize, &RouteConfig)> =
        document.routes.iter().enumerate().filter(|(_, route)| wanted(route)).collect();
    // patterns that are alike are asked in the order in which they are added
    wanted.sort_by(|(_, a), (_, b)| rank(a, b));
    let mut builder = RouteIndexBuilder::default();
    own::add_proofs(&mut builder, proofs);
    if routes == Routes::Https {
        own::add_https(&mut builder);
    }
    for (id, route) in wanted {
        let host = match &route.matches.host {
            None => Host::Any,
            Some(HostPattern::Exact(name)) => Host::Exact(name),
            Some(HostPattern::Wildcard(suffix)) => Host::Wildcard(suffix),
        };
        builder.add(host, route.priority, &route.matches.path, id as u32);
    }
    builder.build()
}
