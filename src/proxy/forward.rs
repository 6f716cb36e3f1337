//! The way up: choose an endpoint, take or open a connection, relay; and again elsewhere while that is safe.

use super::receive::{Course, Request};
use super::relay::{Bounds, Outbound, Outcome, Relay, watch_client};
use super::tunnel::Tunnel;
use super::worker::{Snapshot, Worker};
use crate::failure::Failure;
use crate::http::clock::{Moment, Span};
use crate::http::transport::Downstream;
use crate::table::{ClientLimits, Timeouts, Upstream};
use crate::telemetry::{ConnectionState, UpstreamStats};
use crate::upstream::pool::Tried;
use crate::upstream::{Connection, Endpoint, IdleConnection, InFlight};
use rustix::io::Errno;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::ReadBuf;

/// Endpoints tried for one request.
const ATTEMPTS_MAX: u32 = 3;
/// How often the log says that an endpoint cannot be reached.
const COMPLAINTS: Span = Span(10_000_000_000);
/// A request that may not be sent twice takes only connections idle for less than this.
const SURELY_ALIVE: Span = Span(1_000_000_000);
/// How long a connection waits for a descriptor before it is tried again.
const REST: Duration = Duration::from_millis(50);
/// How long the rest of a body that nobody wants is waited for, so that the connection can be kept.
const DRAIN: Span = Span(10_000_000_000);

/// Sends the request up and its response down. `Ok` tells whether the client's connection can be used again; an error is a failure that can
/// still be answered.
pub async fn forward<C: Downstream>(
    client: &mut C,
    request: &mut Request<'_>,
    worker: &Worker,
    snapshot: Rc<Snapshot>,
    limits: &ClientLimits,
    ahead: &mut Vec<u8>,
) -> Result<bool, Failure> {
    let Some(upstream) = request.exchange.upstream().map(Arc::clone) else { return Err(Failure::NoRoute) };
    let timeouts = request.exchange.route().timeouts;
    let deadline = client.now() + timeouts.request;
    let mut tried = Tried::default();
    let mut failed = None;
    while request.exchange.attempts < ATTEMPTS_MAX {
        // the one tried last stays known, but is not counted any more
        request.exchange.endpoint.iter_mut().for_each(InFlight::leave);
        let Some(in_flight) = upstream.pool.pick(&tried) else { break };
        let endpoint = Arc::clone(in_flight.endpoint());
        request.exchange.endpoint = Some(in_flight);
        request.exchange.attempts += 1;
        if let Some(failure) = failed {
            upstream.stats.retried(worker.number, failure);
        }
        let step = Step { worker, upstream: &upstream, endpoint: &endpoint, timeouts: &timeouts, limits, deadline };
        match step.attempt(client, request, ahead).await {
            Ok(Attempt::Done { keep }) => return Ok(keep),
            Ok(Attempt::Switched(connection)) => {
                request.exchange.leave_table();
                let stats = Arc::clone(&upstream.stats);
                let _active = Active { stats: &stats, worker: worker.number };
                drop(snapshot);
                drop(upstream);
                tunnel(client, connection, request, worker, timeouts.read, ahead).await;
                return Ok(false);
            }
            Err(Setback::Elsewhere(failure)) => {
                upstream.pool.mark(&mut tried, &endpoint);
                failed = Some(failure);
            }
            Err(Setback::Final(failure)) => return Err(failure),
        }
    }
    Err(failed.unwrap_or(Failure::NoEndpoint))
}

enum Attempt {
    Done { keep: bool },
    Switched(Box<Connection>),
}

enum Setback {
    /// Another endpoint may do better, and nothing was sent.
    Elsewhere(Failure),
    Final(Failure),
}

/// Counts a connection as active, whatever way the request with it ends, until it is dropped.
struct Active<'s> {
    stats: &'s UpstreamStats,
    worker: usize,
}

impl Active<'_> {
    /// Leaves the count as it is: somebody else counts the connection from here on.
    fn pass_on(self) {
        std::mem::forget(self);
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.stats.closed(self.worker, ConnectionState::Active);
    }
}

/// One attempt's surroundings.
struct Step<'a> {
    worker: &'a Worker,
    upstream: &'a Arc<Upstream>,
    endpoint: &'a Arc<Endpoint>,
    timeouts: &'a Timeouts,
    limits: &'a ClientLimits,
    deadline: Moment,
}

impl Step<'_> {
    async fn attempt<C: Downstream>(
        &self,
        client: &mut C,
        request: &mut Request<'_>,
        ahead: &mut Vec<u8>,
    ) -> Result<Attempt, Setback> {
        let replayable = request.body.is_done();
        let mut kept = self.take_kept(client.now(), request.exchange.method.is_idempotent() && replayable).await;
        loop {
            let reused = kept.is_some();
            request.exchange.reused = reused;
            let mut connection = match kept.take() {
                Some(kept) => kept,
                None => {
                    // boxed: most requests find a connection, and every task holds the largest of its branches
                    let opened = Box::pin(self.open(client, replayable, ahead)).await?;
                    request.exchange.connected_in = Some(client.now().since(opened.opened));
                    opened
                }
            };
            let active = Active { stats: &self.upstream.stats, worker: self.worker.number };
            let began = client.now();
            let max_body = request.exchange.route().max_body;
            let Course::Forward { upgrade, expects_continue } = &mut request.course else {
                return Err(Setback::Final(Failure::Internal));
            };
            let outbound = Outbound {
                message: &mut request.message,
                body: &mut request.body,
                ahead: &mut *ahead,
                in_flight: request.exchange.endpoint.as_mut(),
                method: request.exchange.method,
                minor: request.exchange.minor,
                keep: request.exchange.keep,
                draining: &self.worker.draining,
                upgrade: upgrade.as_deref(),
                expects_continue,
                max_body,
            };
            self.worker.panic_on_purpose(outbound.message);
            let bounds = Bounds { timeouts: self.timeouts, limits: self.limits, deadline: self.deadline };
            let mut relay = Relay::new(client, &mut connection.stream, &self.worker.buffers, bounds, outbound);
            let outcome = poll_fn(|cx| relay.poll(cx)).await;

            let (sent, heard, spoiled, keep) = (relay.sent, relay.heard, relay.spoiled, relay.keep);
            let (status, head_at, bytes_out) = (relay.status, relay.head_at, relay.bytes_out());
            let unanswered = relay.is_unanswered();
            drop(relay);
            let exchange = &mut request.exchange;
            exchange.bytes_in = request.body.passed;
            exchange.bytes_out = bytes_out;
            exchange.header_in = head_at.map(|at| at.since(began));
            if status != 0 {
                exchange.upstream_status = Some(status);
                let lasted = client.now().since(began);
                self.upstream.stats.exchanged(self.worker.number, self.endpoint.number, status, lasted);
            }
            let failure = match outcome {
                Ok(Outcome::Delivered) => {
                    exchange.status = status;
                    // an endpoint may answer before it has taken the request: the rest still stands in the message, and the next request on
                    // this connection would be read as part of it
                    let whole = request.body.is_done();
                    self.keep_or_close(connection, active, !spoiled && whole, client.now());
                    let keep = keep && (whole || Box::pin(drain(client, request, self.worker, self.limits)).await);
                    return Ok(Attempt::Done { keep });
                }
                Ok(Outcome::Switched) => {
                    exchange.status = status;
                    active.pass_on();
                    return Ok(Attempt::Switched(Box::new(connection.stream)));
                }
                Err(failure) => failure,
            };
            drop(active);
            if !unanswered {
                exchange.status = status;
                exchange.failure = Some(failure);
                return Ok(Attempt::Done { keep: false });
            }
            // a kept connection that the endpoint closed meanwhile: nobody's failure, and tried again where that is safe
            let safe = sent == 0 || exchange.method.is_idempotent();
            let stale = reused && !heard && failure == Failure::UpstreamReset;
            if !(stale && safe && replayable) {
                return Err(Setback::Final(failure));
            }
        }
    }

    /// A kept connection: for a request that may not be sent twice only one that is surely alive.
    async fn take_kept(&self, now: Moment, repeatable: bool) -> Option<IdleConnection> {
        let not_before = if repeatable { Moment(0) } else { Moment(now.0.saturating_sub(SURELY_ALIVE.0)) };
        let take = |cx: &mut std::task::Context<'_>| {
            Poll::Ready(self.worker.idle.borrow_mut().take(self.endpoint, now, not_before, cx))
        };
        let kept = poll_fn(take).await?;
        self.upstream.stats.reused(self.worker.number);
        Some(kept)
    }

    /// Opens a connection, while watching whether the client still waits.
    async fn open<C: Downstream>(
        &self,
        client: &mut C,
        request_whole: bool,
        ahead: &mut Vec<u8>,
    ) -> Result<IdleConnection, Setback> {
        let began = client.now();
        let until = (began + self.timeouts.connect).min(self.deadline);
        let starved = Cell::new(false);
        let mut opening = std::pin::pin!(async {
            loop {
                match Connection::open(self.endpoint).await {
                    Ok(opened) if self.worker.reserve.leaves_some(&opened) => break Ok(opened),
                    Err(e) if !is_out_of_descriptors(&e) => break Err(e),
                    scarce => drop(scarce),
                }
                starved.set(true);
                self.worker.idle.borrow_mut().clear();
                tokio::time::sleep(REST).await;
            }
        });
        let opened = poll_fn(|cx| {
            if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
                return Poll::Ready(opened.map_err(|e| {
                    self.complain(began, &e.to_string());
                    Setback::Elsewhere(Failure::ConnectRefused)
                }));
            }
            if until <= client.now() {
                return Poll::Ready(Err(if until == self.deadline {
                    Setback::Final(Failure::RequestTimeout)
                } else if starved.get() {
                    Setback::Final(Failure::NoEndpoint)
                } else {
                    self.complain(began, "no connection in time");
                    Setback::Elsewhere(Failure::ConnectTimeout)
                }));
            }
            if request_whole {
                watch_client(client, &self.worker.buffers, ahead, cx).map_err(Setback::Final)?;
            } else if client.has_left() {
                return Poll::Ready(Err(Setback::Final(Failure::ClientClosed)));
            }
            client.set_deadline(until, cx);
            Poll::Pending
        })
        .await?;
        self.upstream.stats.connected(self.worker.number, client.now().since(began));
        Ok(IdleConnection { stream: opened, requests: 0, opened: began, idle_since: began })
    }

    /// Tells the operator which endpoint cannot be reached, at most every ten seconds for each.
    fn complain(&self, now: Moment, why: &str) {
        if self.endpoint.may_complain(now, COMPLAINTS) {
            log::warn!("endpoint {} of {} cannot be reached: {why}", self.endpoint.address, self.upstream.pool.name);
        }
    }

    /// Keeps a connection for the next request if it can carry one.
    fn keep_or_close(&self, mut connection: IdleConnection, active: Active<'_>, reusable: bool, now: Moment) {
        let rules = &self.upstream.pool.keepalive;
        connection.requests += 1;
        let young = connection.opened + rules.max_age > now && connection.requests < rules.requests;
        let affordable = rules.idle > 0 && self.worker.reserve.leaves_enough(&connection.stream);
        if !(reusable && young && affordable) || self.worker.draining.get() {
            return;
        }
        connection.idle_since = now;
        active.pass_on();
        self.upstream.stats.parked(self.worker.number);
        self.worker.idle.borrow_mut().give(self.endpoint, connection, rules, || {
            let (stats, worker) = (Arc::clone(&self.upstream.stats), self.worker.number);
            Box::new(move || stats.closed(worker, ConnectionState::Idle))
        });
    }
}

/// The process has no descriptor left: none of the endpoint's doing, and soon over.
fn is_out_of_descriptors(e: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::MFILE | Errno::NFILE))
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
    let ended = poll_fn(|cx| tunnel.poll(cx)).await;
    (request.exchange.bytes_in, request.exchange.bytes_out) = tunnel.moved();
    request.exchange.failure = ended.err();
}

/// Reads and drops what is left of a request's body. False when that fails or takes too long.
pub async fn drain<C: Downstream>(
    client: &mut C,
    request: &mut Request<'_>,
    worker: &Worker,
    limits: &ClientLimits,
) -> bool {
    let until = client.now() + limits.body_timeout.min(DRAIN);
    poll_fn(|cx| {
        while !request.body.is_done() {
            let left = request.body.left().unwrap_or(0);
            let mut scratch = worker.buffers.scratch();
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(scratch.len());
            let mut buf = ReadBuf::new(&mut scratch[..room]);
            match Pin::new(&mut *client).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => request.body.pass_plain(buf.filled().len()),
                Poll::Ready(_) => return Poll::Ready(false),
                Poll::Pending => return super::wait_until(client, until, cx).map(|()| false),
            }
        }
        Poll::Ready(true)
    })
    .await
}
