//! From the document to the table. What the table before had counted and measured lives on in the new one.

use super::index::{Host, Path, RouteIndex, RouteIndexBuilder};
use super::listeners::{Listeners, Routes, compile_listeners};
use super::number::{Exhausted, Numbers};
use super::split::Weights;
use super::{Action, Answer, Outline, Retries, Route, Split, Table, Timeouts, Upstream, pools};
use crate::config::{
    ActionConfig, Document, RespondConfig, RetriesConfig, RetryOn, RouteConfig, SplitChoice, TimeoutsConfig,
};
use crate::http::clock::{Moment, Span};
use crate::telemetry::RouteStats;
use crate::upstream::idle::Slots;
use crate::value::{HostPattern, Limit, PathKind};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Kinds of retries that are looked through for a route's own.
const SHARED_MAX: usize = 32;

/// What a table is made with beside the document.
pub struct Parts {
    /// Worker threads.
    pub workers: usize,
    pub slots: Arc<Slots>,
    pub numbers: Arc<Numbers>,
    /// What [`Moment`]s count from.
    pub start: Instant,
}

impl Parts {
    pub fn now(&self) -> Moment {
        Moment(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Compiles a checked document. Endpoints, routes, upstreams and listeners that `before` has too keep their counts. It fails, and has then
/// changed nothing, when so many removed listeners are in use that there is no number for a new one.
pub fn compile(document: &Document, parts: &Parts, before: Option<&Table>) -> Result<Table, Exhausted> {
    let Listeners { current, retired, numbered, indexes } = compile_listeners(document, parts, before)?;
    let known: HashMap<&str, &Arc<Upstream>> =
        before.iter().flat_map(|t| t.upstreams.iter()).map(|u| (&*u.pool.name, u)).collect();
    let upstreams: Box<[Arc<Upstream>]> = document
        .upstreams
        .iter()
        .map(|(name, config)| Arc::new(pools::upstream(name, config, parts, known.get(name).copied())))
        .collect();
    let counted: HashMap<&str, &Arc<RouteStats>> =
        before.iter().flat_map(|t| t.routes.iter()).map(|r| (&*r.name, &r.stats)).collect();
    let stats = |name: &str| match counted.get(name) {
        Some(stats) => Arc::clone(stats),
        None => Arc::new(RouteStats::new(parts.workers)),
    };
    let mut shared = Vec::new();
    let routes = document
        .routes
        .iter()
        .map(|config| {
            let name = config.name();
            let stats = stats(&name);
            Arc::new(route(&name, config, document, &upstreams, stats, &mut shared))
        })
        .collect();
    let unmatched = match before {
        Some(table) => Arc::clone(&table.unmatched),
        None => Arc::new(unmatched(document, parts)),
    };
    let trusted_proxies = document.trusted_proxies.iter().cloned().collect();
    Ok(Table {
        listeners: current,
        retired,
        numbered,
        routes,
        upstreams,
        trusted_proxies,
        unmatched,
        outline: Outline::of(document),
        indexes,
    })
}

fn route(
    name: &str,
    config: &RouteConfig,
    document: &Document,
    upstreams: &[Arc<Upstream>],
    stats: Arc<RouteStats>,
    shared: &mut Vec<Arc<Retries>>,
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
    Route {
        name: name.into(),
        pattern: config.name.is_some().then(|| config.pattern().into()),
        action,
        timeouts: timeouts(&config.timeouts(&document.defaults)),
        retries: share(retries(&config.retries(&document.defaults)), shared),
        max_body: config.request(&document.defaults).max_body.get().map_or(u64::MAX, |size| size.bytes()),
        websocket: !config.upgrade.is_empty(),
        stats,
    }
}

fn unmatched(document: &Document, parts: &Parts) -> Route {
    Route {
        name: "_none".into(),
        pattern: None,
        action: Action::Nothing,
        timeouts: timeouts(&document.defaults.timeouts),
        retries: Arc::new(retries(&document.defaults.retries)),
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

/// Most routes say the same: they share it.
fn share(retries: Retries, shared: &mut Vec<Arc<Retries>>) -> Arc<Retries> {
    match shared.iter().find(|known| ***known == retries) {
        Some(known) => Arc::clone(known),
        None => {
            let new = Arc::new(retries);
            // with so many different ones there is little to share
            if shared.len() < SHARED_MAX {
                shared.push(Arc::clone(&new));
            }
            new
        }
    }
}

fn answer(config: &RespondConfig) -> Answer {
    let mut lines = Vec::new();
    for (name, value) in &config.headers {
        lines.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    Answer { status: config.status, lines: lines.into(), body: config.body.as_bytes().into() }
}

/// Finds the routes that a listener has.
pub(super) fn index(document: &Document, routes: Routes<'_>) -> RouteIndex {
    let mut builder = RouteIndexBuilder::default();
    for (id, route) in document.routes.iter().enumerate() {
        let wanted = match (&route.listeners, routes) {
            (None, _) | (_, Routes::All) => true,
            (Some(names), Routes::Of(name)) => names.iter().any(|n| *n.value == *name),
            (Some(_), Routes::OfNobody) => false,
        };
        if !wanted {
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
