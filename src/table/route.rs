//! A route, compiled: where its requests go and how long that may take.

use super::Upstream;
use crate::http::clock::Span;
use crate::telemetry::RouteStats;
use crate::value::Template;
use std::sync::Arc;

/// Where requests go.
pub struct Route {
    pub name: Box<str>,
    pub action: Action,
    pub timeouts: Timeouts,
    /// Largest request body in bytes.
    pub max_body: u64,
    /// Clients may switch to WebSocket.
    pub websocket: bool,
    /// Outlive a reload that keeps the route's name.
    pub stats: Arc<RouteStats>,
}

/// What is done with a request. Exactly one.
pub enum Action {
    Forward(Arc<Upstream>),
    Redirect {
        to: Box<Template>,
        status: u16,
    },
    Respond(Box<Answer>),
    /// No route matched: 404.
    Nothing,
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
