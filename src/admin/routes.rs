//! The routes in force, written piece by piece as the client takes them: there may be a hundred thousand.

use super::View;
use super::answer::json_headers;
use crate::http::clock::Span;
use crate::table::{Action, Route, Rules, Table, Timeouts};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as Frames, Bytes, Frame};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A piece holds about so many bytes.
const PIECE: usize = 16 << 10;

pub async fn routes(State(view): State<Arc<dyn View>>) -> Response {
    (json_headers(), Body::new(List { table: view.table(), next: Some(0) })).into_response()
}

/// The list as a body. It keeps its table until it is sent.
struct List {
    table: Arc<Table>,
    /// The route that is written next; `None` when all is.
    next: Option<usize>,
}

impl Frames for List {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(mut next) = self.next else { return Poll::Ready(None) };
        let mut piece = Vec::with_capacity(PIECE + 1024);
        if next == 0 {
            piece.push(b'[');
        }
        while piece.len() < PIECE {
            let Some(route) = self.table.routes.get(next) else {
                piece.extend_from_slice(b"]\n");
                self.next = None;
                return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
            };
            if next > 0 {
                piece.extend_from_slice(b",\n");
            }
            // strings and numbers can always be written
            let _ = serde_json::to_writer(&mut piece, &RouteStatus::of(route));
            next += 1;
        }
        self.next = Some(next);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }
}

/// A route.
#[derive(Serialize)]
struct RouteStatus<'t> {
    name: &'t str,
    r#match: Match<'t>,
    /// `upstream`, `split`, `redirect` or `respond`.
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<Vec<Side<'t>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<Redirect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    respond: Option<Respond>,
    timeouts: Limits,
    attempts: u32,
    /// Bytes; null for no limit.
    max_body: Option<u64>,
    websocket: bool,
}

#[derive(Serialize)]
struct Match<'t> {
    /// Null for every host.
    host: Option<&'t str>,
    path: &'t str,
}

#[derive(Serialize)]
struct Side<'t> {
    upstream: &'t str,
    weight: u64,
}

#[derive(Serialize)]
struct Redirect {
    to: String,
    status: u16,
}

#[derive(Serialize)]
struct Respond {
    status: u16,
}

/// In seconds; null for no limit.
#[derive(Serialize)]
struct Limits {
    connect: Option<f64>,
    read: Option<f64>,
    write: Option<f64>,
    request: Option<f64>,
}

impl<'t> RouteStatus<'t> {
    fn of(route: &'t Route) -> RouteStatus<'t> {
        let Route { action, rules, .. } = route;
        let Rules { timeouts, retries, max_body, websocket } = &**rules;
        let written = route.pattern();
        let slash = written.find('/').unwrap_or(0);
        let (host, path) = written.split_at(slash);
        let mut status = RouteStatus {
            name: route.name(),
            r#match: Match { host: (!host.is_empty()).then_some(host), path },
            action: "none",
            upstream: None,
            split: None,
            redirect: None,
            respond: None,
            timeouts: Limits::of(timeouts),
            attempts: retries.attempts,
            max_body: (*max_body != u64::MAX).then_some(*max_body),
            websocket: *websocket,
        };
        match action {
            Action::Forward(upstream) => {
                status.action = "upstream";
                status.upstream = Some(&upstream.pool.name);
            }
            Action::Split(split) => {
                status.action = "split";
                let sides = split.sides.iter().zip(split.weights.each());
                status.split = Some(sides.map(|(u, weight)| Side { upstream: &u.pool.name, weight }).collect());
            }
            Action::Redirect { to, status: code } => {
                status.action = "redirect";
                status.redirect = Some(Redirect { to: to.to_string(), status: *code });
            }
            Action::Respond(answer) => {
                status.action = "respond";
                status.respond = Some(Respond { status: answer.status });
            }
            Action::Challenge(_) | Action::Nothing => {}
        }
        status
    }
}

impl Limits {
    fn of(timeouts: &Timeouts) -> Limits {
        let Timeouts { connect, read, write, request } = *timeouts;
        let seconds = |span: Span| (span != Span::UNLIMITED).then(|| Duration::from_nanos(span.0).as_secs_f64());
        Limits { connect: seconds(connect), read: seconds(read), write: seconds(write), request: seconds(request) }
    }
}
