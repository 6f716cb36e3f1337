//! One attempt at one endpoint: a connection, the request up, the response down, and a word on how the endpoint did.

use super::connect::{Active, Connector, Refusal};
use super::dispatch::Errand;
use super::relay::{Bounds, Outbound, Outcome, Relay};
use super::request::{Course, Request};
use crate::failure::Failure;
use crate::http::clock::{Moment, Span};
use crate::http::transport::Downstream;
use crate::policy::Policies;
use crate::upstream::Connection;
use crate::upstream::pool::{News, Verdict};
use std::future::poll_fn;
use std::time::Duration;

/// How an attempt came out.
pub enum Attempt {
    /// The client has the response, whole or cut.
    Done { keep: bool },
    /// Both connections are a tunnel now.
    Switched(Box<Connection>),
    /// The response's status was one to try again for, and another endpoint is ready to; or the route has a page in place of it.
    Declined,
}

/// Nothing of a response went to the client.
pub enum Setback {
    /// Another endpoint may do better.
    Again(Failure),
    Final(Failure),
}

/// One attempt's surroundings.
pub struct Step<'a> {
    pub connector: Connector<'a>,
    pub policies: Option<&'a Policies>,
}

impl Step<'_> {
    /// Makes the attempt. `decline` is asked when a response begins whose status calls for another attempt: whether there is one now.
    pub async fn attempt<C: Downstream>(
        &self,
        client: &mut C,
        request: &mut Request<'_>,
        ahead: &mut Vec<u8>,
        decline: &mut dyn FnMut(Moment) -> bool,
    ) -> Result<Attempt, Setback> {
        let Errand { worker, upstream, retries, .. } = self.connector.errand;
        let asked = client.now();
        let replayable = request.body.is_done();
        // what may not be sent twice is answered with what came
        let may_repeat = replayable && (request.exchange.method.is_idempotent() || retries.non_idempotent);
        let mut kept = self.connector.take_kept(client.now(), may_repeat).await;
        loop {
            let reused = kept.is_some();
            request.exchange.reused = reused;
            let mut connection = match kept.take() {
                Some(kept) => kept,
                None => {
                    // boxed: most requests find a connection, and every task holds the largest of its branches
                    let opened = Box::pin(self.connector.open(client, replayable, ahead)).await;
                    let opened = opened.map_err(|refusal| self.refused(refusal, asked, client.now()))?;
                    request.exchange.connected_in = Some(client.now().since(opened.opened));
                    opened
                }
            };
            let active = Active { stats: &upstream.stats, worker: worker.number };
            let began = client.now();
            let max_body = request.exchange.route().rules.max_body;
            let mut answers = |status: u16, now: Moment| {
                self.judge_status(status, now);
                may_repeat && !retries.statuses.is_empty() && retries.statuses.contains(&status) && decline(now)
                    || self.policies.is_some_and(|policies| policies.intercepts(status))
            };
            let Course::Forward { expects_continue } = &mut request.course else {
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
                draining: &worker.draining,
                extras: request.extras.as_deref(),
                policies: self.policies,
                expects_continue,
                max_body,
                answers: &mut answers,
            };
            worker.panic_on_purpose(outbound.message);
            let Errand { timeouts, limits, deadline, .. } = *self.connector.errand;
            let bounds = Bounds { timeouts, limits, deadline };
            let mut relay = Relay::new(client, &mut connection.stream, &worker.buffers, bounds, outbound);
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
                upstream.stats.answered(worker.number, client.now().since(began));
                self.connector.endpoint.entry.stats.answered(worker.number, status);
            }
            let failure = match outcome {
                Ok(Outcome::Delivered) => {
                    exchange.status = status;
                    // an endpoint may answer before it has taken the request: the rest still stands in the message, and the next request on
                    // this connection would be read as part of it
                    let whole = request.body.is_done();
                    self.connector.keep_or_close(connection, active, !spoiled && whole, client.now());
                    let keep =
                        keep && (whole || Box::pin(super::farewell::drain(client, request, worker, limits)).await);
                    return Ok(Attempt::Done { keep });
                }
                Ok(Outcome::Switched) => {
                    exchange.status = status;
                    active.pass_on();
                    return Ok(Attempt::Switched(Box::new(connection.stream)));
                }
                Ok(Outcome::Declined) => return Ok(Attempt::Declined),
                Err(failure) => failure,
            };
            drop(active);
            if !unanswered {
                exchange.status = status;
                exchange.failure = Some(failure);
                return Ok(Attempt::Done { keep: false });
            }
            // in TLS 1.3 an endpoint may refuse the gateway's certificate, or that there is none, only now: it has taken nothing
            if failure == Failure::UpstreamReset
                && !heard
                && let Some(why) = connection.stream.refused()
            {
                let refused = Refusal::Endpoint(self.connector.untrusted(client.now(), why));
                let setback = self.refused(refused, asked, client.now());
                return Err(if replayable { setback } else { Setback::Final(Failure::UpstreamTls) });
            }
            let safe = sent == 0 || exchange.method.is_idempotent() || retries.non_idempotent;
            // a kept connection that the endpoint closed meanwhile: nobody's failure, and tried again where that is safe
            if reused && !heard && failure == Failure::UpstreamReset {
                if safe && replayable {
                    continue;
                }
                return Err(Setback::Final(failure));
            }
            if failure == Failure::RequestTimeout && request.body.is_done() {
                self.judge_overdue(asked, client.now());
            }
            if failure.is_endpoints() {
                self.judge(Verdict::Failed, failure.word(), client.now());
                if safe && replayable {
                    return Err(Setback::Again(failure));
                }
            }
            return Err(Setback::Final(failure));
        }
    }

    fn refused(&self, refusal: Refusal, asked: Moment, now: Moment) -> Setback {
        match refusal {
            Refusal::Endpoint(failure) => {
                self.judge(Verdict::Failed, failure.word(), now);
                Setback::Again(failure)
            }
            Refusal::Other(failure) => {
                if failure == Failure::RequestTimeout {
                    self.judge_overdue(asked, now);
                }
                Setback::Final(failure)
            }
        }
    }

    fn judge_status(&self, status: u16, now: Moment) {
        let statuses = &self.connector.errand.retries.statuses;
        // nearly every response
        if statuses.is_empty() && self.connector.endpoint.fails() == 0 {
            return;
        }
        // 403 and 404 may be tried elsewhere, but say nothing against the endpoint
        if statuses.contains(&status) && !matches!(status, 403 | 404) {
            self.judge(Verdict::Failed, &format!("status {status}"), now);
        } else {
            self.judge(Verdict::Succeeded, "", now);
        }
    }

    /// The time for the whole exchange ran out. That speaks against the endpoint only if it had the better part of it.
    fn judge_overdue(&self, asked: Moment, now: Moment) {
        if now >= asked + Span(self.connector.errand.timeouts.request.0 / 2) {
            self.judge(Verdict::Failed, Failure::RequestTimeout.word(), now);
        }
    }

    fn judge(&self, verdict: Verdict, why: &str, now: Moment) {
        let Connector { errand, endpoint } = self.connector;
        let pool = &errand.upstream.pool;
        match pool.judge(endpoint, verdict, now) {
            None => {}
            Some(News::Ejected) => {
                endpoint.entry.stats.ejected();
                let pause = Duration::from_nanos(pool.rules.passive.fail_timeout);
                let failed = match pool.rules.passive.max_fails {
                    1 => "1 request".to_owned(),
                    fails => format!("{fails} requests"),
                };
                log::warn!(
                    "endpoint {endpoint} of {} is ejected for {pause:?}: {failed} failed, the last one with {why}",
                    pool.name
                );
            }
            Some(News::Back) => log::info!("endpoint {endpoint} of {} answers again", pool.name),
        }
    }
}
