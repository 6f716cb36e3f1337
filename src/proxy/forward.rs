//! The way up: choose an endpoint, make an attempt, and again elsewhere while that is safe and worth it.

use super::asked::{Asked, cookie_line};
use super::attempt::{Attempt, Setback, Step};
use super::connect::{Active, Connector};
use super::dispatch::Errand;
use super::request::Request;
use super::tunnel::Tunnel;
use super::worker::Worker;
use crate::failure::Failure;
use crate::http::clock::Span;
use crate::http::transport::Downstream;
use crate::table::{ClientLimits, Upstream};
use crate::upstream::pool::Tried;
use crate::upstream::{Connection, Endpoint, InFlight};
use std::future::poll_fn;
use std::sync::Arc;

/// Sends the request up and its response down. `Ok` tells whether the client's connection can be used again; an error is a failure that can
/// still be answered.
pub async fn forward<C: Downstream>(
    client: &mut C,
    request: &mut Request<'_>,
    worker: &Worker,
    limits: &ClientLimits,
    ahead: &mut Vec<u8>,
) -> Result<bool, Failure> {
    let Some((snapshot, place)) = request.exchange.in_table() else { return Err(Failure::Internal) };
    let route = snapshot.table.route(place);
    let Some(upstream) = route.upstream(request.exchange.side) else { return Err(Failure::NoRoute) };
    upstream.stats.begun(worker.number);
    let asked = request.extras.as_mut().and_then(|extras| extras.asked.take());
    let errand = Errand {
        worker,
        upstream,
        timeouts: &route.rules.timeouts,
        retries: &route.rules.retries,
        limits,
        came: client.now(),
        deadline: client.now() + route.rules.timeouts.request,
        asked: asked.as_ref(),
    };
    let (mut tried, mut was_sent, mut waited) = (Tried::default(), false, false);
    let mut next = errand.first(client, request.body.is_done(), ahead).await?;
    loop {
        let endpoint = Arc::clone(next.endpoint());
        if let Some(extras) = &mut request.extras {
            extras.cookie = cookie(upstream, asked.as_ref(), &endpoint);
        }
        request.exchange.begin_attempt(next);
        let attempts = request.exchange.attempts;
        let policies = route.policies.as_deref();
        let step = Step { connector: Connector { errand: &errand, endpoint: &endpoint }, policies };
        // found before a response is given up: one that nobody can better is delivered
        let mut other = None;
        let mut decline = |now| {
            tried.add(&endpoint);
            other = errand.elsewhere(attempts, true, &tried, now);
            other.is_some()
        };
        let came = step.attempt(client, request, ahead, &mut decline).await;
        next = match came {
            Ok(Attempt::Done { keep }) => return Ok(keep),
            Ok(Attempt::Switched(connection)) => {
                request.exchange.leave_table();
                let stats = Arc::clone(&upstream.stats);
                let _active = Active { stats: &stats, worker: worker.number };
                let idle = route.rules.timeouts.read;
                drop(snapshot);
                Box::pin(tunnel(client, connection, request, worker, idle, ahead)).await;
                return Ok(false);
            }
            Ok(Attempt::Declined) => {
                let Some(other) = other else {
                    request.intercept(request.exchange.upstream_status.unwrap_or(0));
                    return Ok(false);
                };
                was_sent = true;
                upstream.stats.retried_for_status(worker.number);
                other
            }
            Err(Setback::Again(failure)) if errand.retries.covers(failure) => {
                // the one tried last stays known, but is not counted any more
                request.exchange.endpoint.iter_mut().for_each(InFlight::leave);
                tried.add(&endpoint);
                let unsent =
                    matches!(failure, Failure::ConnectRefused | Failure::ConnectTimeout | Failure::UpstreamTls);
                let sent = !unsent;
                was_sent |= sent;
                let other = match errand.elsewhere(attempts, sent, &tried, client.now()) {
                    Some(other) => other,
                    None if was_sent => return Err(failure),
                    None => {
                        tried = Tried::default();
                        // who has stood in line is told so, also where the time runs out in an attempt
                        let late = if waited { Failure::NoEndpoint } else { failure };
                        waited = true;
                        errand.again(client, request.body.is_done(), ahead, late).await?
                    }
                };
                upstream.stats.retried(worker.number, failure);
                other
            }
            Err(Setback::Again(failure) | Setback::Final(failure)) => return Err(failure),
        };
    }
}

/// The line that binds the client to its endpoint, unless its cookie says so already.
fn cookie(upstream: &Upstream, asked: Option<&Asked>, endpoint: &Endpoint) -> Vec<u8> {
    match (&upstream.pool.rules.sticky, asked) {
        (Some(name), Some(asked)) if asked.prefers != Some(endpoint.id) => cookie_line(name, endpoint.id),
        _ => Vec::new(),
    }
}

/// Runs a tunnel to its end.
async fn tunnel<C: Downstream>(
    client: &mut C,
    mut connection: Box<Connection>,
    request: &mut Request<'_>,
    worker: &Worker,
    idle: Span,
    ahead: &mut Vec<u8>,
) {
    let early = std::mem::take(ahead);
    let mut tunnel = Tunnel::new(client, &mut *connection, &worker.buffers, idle, early);
    let ended = poll_fn(|cx| {
        let ended = tunnel.poll(cx);
        // noted as they pass: a tunnel may be cut when the gateway stops
        (request.exchange.bytes_in, request.exchange.bytes_out) = tunnel.moved();
        ended
    })
    .await;
    request.exchange.failure = ended.err();
}
