//! A connection to the endpoint: one that was kept, or a new one.

use super::dispatch::Errand;
use super::relay::watch_client;
use crate::failure::Failure;
use crate::http::clock::{Moment, Span};
use crate::http::transport::Downstream;
use crate::telemetry::{ConnectionState, UpstreamStats};
use crate::tls::Refused;
use crate::upstream::{Connection, Endpoint, IdleConnection, Wire};
use rustix::io::Errno;
use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How often the log says that an endpoint cannot be reached.
const COMPLAINTS: Span = Span(10_000_000_000);
/// How long a connection waits for a descriptor before it is tried again.
const REST: Duration = Duration::from_millis(50);

/// Counts a connection as active, whatever way the request with it ends, until it is dropped.
pub struct Active<'s> {
    pub stats: &'s UpstreamStats,
    pub worker: usize,
}

impl Active<'_> {
    /// Leaves the count as it is: somebody else counts the connection from here on.
    pub fn pass_on(self) {
        std::mem::forget(self);
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.stats.closed(self.worker, ConnectionState::Active);
    }
}

/// Why there is no connection.
pub enum Refusal {
    /// The endpoint's doing.
    Endpoint(Failure),
    /// The client's, the gateway's, or the time is up.
    Other(Failure),
}

/// Why a connection was not made.
enum Unopened {
    Unreachable(std::io::Error),
    Refused(Refused),
}

/// Where connections come from in one attempt.
#[derive(Clone, Copy)]
pub struct Connector<'a> {
    pub errand: &'a Errand<'a>,
    pub endpoint: &'a Arc<Endpoint>,
}

impl Connector<'_> {
    /// A kept connection: for a request that may not be sent twice only one that is surely alive.
    pub async fn take_kept(&self, now: Moment, repeatable: bool) -> Option<IdleConnection> {
        let mark = self.errand.upstream.pool.mark();
        let take = |cx: &mut std::task::Context<'_>| {
            Poll::Ready(self.errand.worker.idle.borrow_mut().take(self.endpoint, now, !repeatable, mark, cx))
        };
        let kept = poll_fn(take).await?;
        self.errand.upstream.stats.reused(self.errand.worker.number);
        Some(kept)
    }

    /// Opens a connection, while watching whether the client still waits.
    pub async fn open<C: Downstream>(
        &self,
        client: &mut C,
        request_whole: bool,
        ahead: &mut Vec<u8>,
    ) -> Result<IdleConnection, Refusal> {
        let began = client.now();
        let until = (began + self.errand.timeouts.connect).min(self.errand.deadline);
        let (starved, greeted) = (Cell::new(false), Cell::new(false));
        let mut opening = std::pin::pin!(async {
            loop {
                match Wire::open(&self.endpoint.target).await {
                    Ok(wire) if self.errand.worker.reserve.leaves_some(&wire) => {
                        let Some(tls) = &self.errand.upstream.pool.rules.tls else {
                            break Ok(Connection::Plain(wire));
                        };
                        greeted.set(true);
                        break Connection::secure(wire, tls, self.endpoint).await.map_err(Unopened::Refused);
                    }
                    Err(e) if !is_out_of_descriptors(&e) => break Err(Unopened::Unreachable(e)),
                    scarce => drop(scarce),
                }
                starved.set(true);
                self.errand.worker.idle.borrow_mut().clear();
                tokio::time::sleep(REST).await;
            }
        });
        let opened = poll_fn(|cx| {
            if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
                return Poll::Ready(opened.map_err(|unopened| match unopened {
                    Unopened::Unreachable(e) => {
                        self.complain(began, &e.to_string());
                        Refusal::Endpoint(Failure::ConnectRefused)
                    }
                    Unopened::Refused(why) => Refusal::Endpoint(self.untrusted(began, &why)),
                }));
            }
            if until <= client.now() {
                return Poll::Ready(Err(if until == self.errand.deadline {
                    Refusal::Other(Failure::RequestTimeout)
                } else if greeted.get() {
                    Refusal::Endpoint(self.untrusted(began, &Refused::stalled()))
                } else if starved.get() {
                    Refusal::Other(Failure::NoEndpoint)
                } else {
                    self.complain(began, "no connection in time");
                    Refusal::Endpoint(Failure::ConnectTimeout)
                }));
            }
            if request_whole {
                watch_client(client, &self.errand.worker.buffers, ahead, cx).map_err(Refusal::Other)?;
            } else if client.has_left() {
                return Poll::Ready(Err(Refusal::Other(Failure::ClientClosed)));
            }
            client.set_deadline(until, cx);
            Poll::Pending
        })
        .await?;
        // who died while it was waited for may have left its address to a container of another service
        if !self.errand.upstream.pool.has(self.endpoint) {
            return Err(Refusal::Endpoint(Failure::ConnectRefused));
        }
        self.errand.upstream.stats.connected(self.errand.worker.number, client.now().since(began));
        Ok(IdleConnection { stream: opened, requests: 0, opened: began, idle_since: began })
    }

    /// There is no TLS with the endpoint. The operator is told which one that is and why, at most every ten seconds for each.
    pub fn untrusted(&self, now: Moment, why: &Refused) -> Failure {
        self.endpoint.entry.doubt();
        if self.endpoint.entry.may_complain(now, COMPLAINTS) {
            log::warn!("no TLS with endpoint {} of {}: {why}", self.endpoint, self.errand.upstream.pool.name);
        }
        Failure::UpstreamTls
    }

    /// Tells the operator which endpoint cannot be reached, at most every ten seconds for each.
    fn complain(&self, now: Moment, why: &str) {
        self.endpoint.entry.doubt();
        if self.endpoint.entry.may_complain(now, COMPLAINTS) {
            log::warn!("endpoint {} of {} cannot be reached: {why}", self.endpoint, self.errand.upstream.pool.name);
        }
    }

    /// Keeps a connection for the next request if it can carry one.
    pub fn keep_or_close(&self, mut connection: IdleConnection, active: Active<'_>, reusable: bool, now: Moment) {
        let rules = &self.errand.upstream.pool.rules.keepalive;
        connection.requests += 1;
        let young = connection.opened + rules.max_age > now && connection.requests < rules.requests;
        let affordable = rules.idle > 0 && self.errand.worker.reserve.leaves_enough(&connection.stream);
        if !(reusable && young && affordable) || self.errand.worker.draining.get() {
            return;
        }
        connection.idle_since = now;
        active.pass_on();
        self.errand.upstream.stats.parked(self.errand.worker.number);
        self.errand.worker.idle.borrow_mut().give(self.endpoint, connection, rules, || {
            let (stats, worker) = (Arc::clone(&self.errand.upstream.stats), self.errand.worker.number);
            Box::new(move || stats.closed(worker, ConnectionState::Idle))
        });
    }
}

/// The process has no descriptor left: none of the endpoint's doing, and soon over.
fn is_out_of_descriptors(e: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(e), Some(Errno::MFILE | Errno::NFILE))
}
