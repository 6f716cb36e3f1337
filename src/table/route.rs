//! A route, compiled: where its requests go and how long that may take.

use super::words::Words;
use super::{Conditions, Split, Upstream};
use crate::failure::Failure;
use crate::http::clock::Span;
use crate::policy::Policies;
use crate::telemetry::RouteStats;
use crate::tls::Challenges;
use crate::value::Template;
use std::sync::Arc;

/// Where requests go. A table may have a hundred thousand: what is long or seldom is shared or boxed.
pub struct Route {
    words: Words,
    /// What it demands beside host and path; nothing for most routes.
    pub conditions: Option<Box<Conditions>>,
    pub action: Action,
    /// What is done to requests and their answers; nothing on most routes.
    pub policies: Option<Box<Policies>>,
    /// Shared by all routes that say the same.
    pub rules: Arc<Rules>,
    /// Outlive a reload that keeps the route's name.
    pub stats: RouteStats,
}

/// What a request on a route may take.
#[derive(Debug)]
pub struct Rules {
    pub timeouts: Timeouts,
    pub retries: Retries,
    /// Largest request body in bytes.
    pub max_body: u64,
    /// Clients may switch to WebSocket.
    pub websocket: bool,
}

/// What is done with a request. Exactly one.
pub enum Action {
    Forward(Arc<Upstream>),
    Split(Box<Split>),
    Redirect {
        to: Box<Template>,
        status: u16,
    },
    Respond(Box<Answer>),
    /// Proves to an authority that a host is ours.
    Challenge(Arc<Challenges>),
    /// No route matched: 404.
    Nothing,
}

impl Route {
    pub(super) fn new(words: Words, action: Action, rules: Arc<Rules>, stats: RouteStats) -> Route {
        Route { words, conditions: None, action, policies: None, rules, stats }
    }

    /// What logs and metrics call it.
    pub fn name(&self) -> &str {
        self.words.name()
    }

    /// Its host, if it has one, and its path, as written.
    pub fn pattern(&self) -> &str {
        self.words.pattern()
    }

    /// What is left of it for a request that is on its way and outlives the table; `side` is what [`Split::choose`] chose.
    pub fn apart(&self, side: u16) -> Route {
        let action = self.upstream(side).map_or(Action::Nothing, |upstream| Action::Forward(Arc::clone(upstream)));
        Route {
            words: Words::alone(self.name()),
            conditions: None,
            action,
            policies: None,
            rules: Arc::clone(&self.rules),
            stats: self.stats.clone(),
        }
    }

    /// The upstream that answers, if one does; `side` is what [`Split::choose`] chose.
    pub fn upstream(&self, side: u16) -> Option<&Arc<Upstream>> {
        match &self.action {
            Action::Forward(upstream) => Some(upstream),
            Action::Split(split) => split.side(side),
            Action::Redirect { .. } | Action::Respond(_) | Action::Challenge(_) | Action::Nothing => None,
        }
    }
}

/// When a request may be sent again elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts in all, the first one too.
    pub attempts: u32,
    /// After a refused or broken connection.
    pub error: bool,
    pub timeout: bool,
    /// After a response that is not valid.
    pub invalid_header: bool,
    /// After these statuses, where nothing of the response has been delivered.
    pub statuses: Box<[u16]>,
    /// Also what may have been carried out already.
    pub non_idempotent: bool,
    /// Share of a pool's recent requests that may be sent again, in percent.
    pub budget: u8,
}

impl Retries {
    /// Whether this failure is one to try again after.
    pub fn covers(&self, failure: Failure) -> bool {
        match failure {
            Failure::ConnectRefused | Failure::UpstreamTls | Failure::UpstreamReset => self.error,
            Failure::ConnectTimeout | Failure::UpstreamTimeout => self.timeout,
            Failure::BadResponse => self.invalid_header,
            _ => false,
        }
    }
}

/// A fixed answer.
pub struct Answer {
    pub status: u16,
    /// Header lines, each with its CRLF.
    pub lines: Box<[u8]>,
    pub body: Box<[u8]>,
}

/// How long the steps of an exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Span,
    /// Longest silence from the endpoint.
    pub read: Span,
    /// Longest time the endpoint may take no byte.
    pub write: Span,
    /// The whole exchange.
    pub request: Span,
}
