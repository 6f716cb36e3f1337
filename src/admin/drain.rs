//! Draining an endpoint: it gets no further request, and those in flight end as they would.

use super::View;
use super::answer::{Problem, body, json};
use super::endpoints::{Called, called, named, parts};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The longest body, in bytes. It is one short word.
const BODY_MAX: usize = 64 << 10;

/// What the operator wants of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    Up,
    Drained,
}

/// The body of the request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub state: Wanted,
}

pub async fn drain(
    State(view): State<Arc<dyn View>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let (upstream, endpoint) = parts(path)?;
    let bytes = body(request, BODY_MAX).await?;
    let Order { state } = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not understood: {error}"))
            .hint("send `{\"state\": \"drained\"}` or `{\"state\": \"up\"}`".to_owned())
    })?;
    loop {
        let table = view.table();
        let found = named(&table, &upstream)?;
        let news = found.pool.drain(&endpoint, state == Wanted::Drained, view.now());
        let endpoints = called(found, &endpoint)?;
        // a reload meanwhile may have made endpoints that have not heard of it
        if Arc::ptr_eq(&table, &view.table()) {
            if news.is_some() {
                let word = if state == Wanted::Drained { "drained" } else { "taken back" };
                log::info!("endpoint {endpoint} of {upstream} is {word} by the operator");
            }
            return Ok(json(&Called { upstream, endpoints }));
        }
    }
}
