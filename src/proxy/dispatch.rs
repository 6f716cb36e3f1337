//! Which endpoint takes the request: the pool chooses; where none is free, the request may stand in line.

use super::asked::Asked;
use super::relay::watch_client;
use super::worker::Worker;
use crate::failure::Failure;
use crate::http::clock::{Moment, Span};
use crate::http::transport::Downstream;
use crate::table::{ClientLimits, Retries, Timeouts, Upstream};
use crate::upstream::pool::Tried;
use crate::upstream::{Asker, InFlight};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// How often the first in line looks by itself: an endpoint that was left alone for a while becomes free without anybody saying so.
const LOOK: Span = Span(100_000_000);

/// What stays the same in all attempts of one request.
pub struct Errand<'a> {
    pub worker: &'a Worker,
    pub upstream: &'a Arc<Upstream>,
    pub timeouts: &'a Timeouts,
    pub retries: &'a Retries,
    pub limits: &'a ClientLimits,
    /// When the request came.
    pub came: Moment,
    /// The end of the whole exchange.
    pub deadline: Moment,
    pub asked: Option<&'a Asked>,
}

impl Errand<'_> {
    /// The endpoint for the first attempt. Where requests may wait it can take a while to find one.
    pub async fn first<C: Downstream>(
        &self,
        client: &mut C,
        body_is_done: bool,
        ahead: &mut Vec<u8>,
    ) -> Result<InFlight, Failure> {
        let pool = &self.upstream.pool;
        let Some(wait) = pool.rules.wait else {
            return self.pick(&Tried::default(), client.now()).ok_or(Failure::NoEndpoint);
        };
        // who comes later does not overtake
        if pool.lasting.room.is_empty()
            && let Some(taken) = self.pick(&Tried::default(), client.now())
        {
            return Ok(taken);
        }
        let until = client.now() + wait.timeout;
        // boxed: most requests never wait
        Box::pin(self.stand_in_line(client, body_is_done, wait.size, Moment(0), until, ahead)).await
    }

    /// The endpoint for a request that none took: all refused the connection, or were not there, which `failure` says. Where requests may
    /// wait, one does so for an endpoint that comes back, as if it had not been tried yet.
    pub async fn again<C: Downstream>(
        &self,
        client: &mut C,
        body_is_done: bool,
        ahead: &mut Vec<u8>,
        failure: Failure,
    ) -> Result<InFlight, Failure> {
        let now = client.now();
        let Some(wait) = self.upstream.pool.rules.wait else { return Err(failure) };
        let until = self.came + wait.timeout;
        if self.retries.attempts == 1 || until <= now {
            return Err(failure);
        }
        Box::pin(self.stand_in_line(client, body_is_done, wait.size, now + LOOK, until, ahead)).await
    }

    /// An endpoint that was not tried, at once or not at all.
    pub fn pick(&self, tried: &Tried, now: Moment) -> Option<InFlight> {
        let random = &self.worker.random;
        let asker = match self.asked {
            Some(Asked { key, client_ip, prefers }) => {
                Asker { now, random, key, client_ip: *client_ip, prefers: *prefers }
            }
            None => Asker { now, random, key: b"", client_ip: None, prefers: None },
        };
        self.upstream.pool.pick(&asker, tried)
    }

    /// Another endpoint for a request that `attempts` were made for, if one more is allowed, one is free, and the budget bears it. A
    /// request that was never `sent` costs no budget: no endpoint had any work with it yet, so trying again adds no load.
    pub fn elsewhere(&self, attempts: u32, sent: bool, tried: &Tried, now: Moment) -> Option<InFlight> {
        if attempts >= self.retries.attempts {
            return None;
        }
        if !sent {
            return self.pick(tried, now);
        }
        let (budget, share) = (&self.upstream.pool.lasting.budget, self.retries.budget);
        let requests = self.upstream.stats.begun_total();
        // asked first: an endpoint that is tried after its failures is not chosen in vain
        if !budget.allow(now, share, requests) {
            return None;
        }
        let other = self.pick(tried, now);
        if other.is_none() {
            budget.give_back();
        }
        other
    }

    async fn stand_in_line<C: Downstream>(
        &self,
        client: &mut C,
        body_is_done: bool,
        size: usize,
        not_before: Moment,
        until: Moment,
        ahead: &mut Vec<u8>,
    ) -> Result<InFlight, Failure> {
        let Some(place) = self.upstream.pool.lasting.room.join(size) else { return Err(Failure::NoEndpoint) };
        let until = until.min(self.deadline);
        poll_fn(|cx| {
            let now = client.now();
            let first = place.is_first(cx.waker());
            if first
                && not_before <= now
                && let Some(taken) = self.pick(&Tried::default(), now)
            {
                return Poll::Ready(Ok(taken));
            }
            if until <= now {
                let failure = if until == self.deadline { Failure::RequestTimeout } else { Failure::NoEndpoint };
                return Poll::Ready(Err(failure));
            }
            if body_is_done {
                watch_client(client, &self.worker.buffers, ahead, cx)?;
            } else if client.has_left() {
                return Poll::Ready(Err(Failure::ClientClosed));
            }
            // the others are called when they are first
            client.set_deadline(if first { until.min(now + LOOK) } else { until }, cx);
            Poll::Pending
        })
        .await
    }
}
