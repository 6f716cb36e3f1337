//! Active health checks: for each endpoint of an upstream with `active` a task that asks again and again.

use crate::http::clock::Moment;
use crate::table::compile::Parts;
use crate::table::{ActiveCheck, Upstream};
use crate::tls::{ClientTls, Mark};
use crate::upstream::Endpoint;
use crate::upstream::probe::probe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Checks at one time, over all pools.
const CHECKS_MAX: usize = 64;
/// The longest pause between the first checks of an endpoint that starts down: requests may be waiting for it.
const SOON: Duration = Duration::from_millis(100);

/// The checks that run.
pub struct Checks {
    running: Vec<Running>,
    turns: Arc<Semaphore>,
}

struct Running {
    endpoint: Arc<Endpoint>,
    check: ActiveCheck,
    mark: Mark,
    task: AbortHandle,
}

impl Default for Checks {
    fn default() -> Self {
        Checks { running: Vec::new(), turns: Arc::new(Semaphore::new(CHECKS_MAX)) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Checks {
    /// Starts the checks that are missing, ends those of endpoints that are gone or are checked otherwise now.
    pub fn turn(&mut self, upstreams: &[Arc<Upstream>], parts: &Parts) {
        let mut before = std::mem::take(&mut self.running);
        for upstream in upstreams {
            let members = upstream.pool.members();
            let Some(check) = &upstream.active else {
                // nobody says any more that it is down
                for endpoint in members.iter() {
                    endpoint.set_down(false, parts.now());
                }
                continue;
            };
            let mark = upstream.pool.mark();
            let same = |r: &Running| r.check == *check && r.mark == mark;
            for endpoint in members.iter() {
                let known = before.iter().position(|r| Arc::ptr_eq(&r.endpoint, endpoint) && same(r));
                self.running.push(match known {
                    Some(at) => before.swap_remove(at),
                    None => self.start(endpoint, check, upstream, parts.start),
                });
            }
        }
    }

    fn start(&self, endpoint: &Arc<Endpoint>, check: &ActiveCheck, upstream: &Upstream, start: Instant) -> Running {
        let watched = Watched {
            endpoint: Arc::clone(endpoint),
            check: check.clone(),
            tls: upstream.pool.rules.tls.clone(),
            pool: upstream.pool.name.clone(),
        };
        let task = tokio::spawn(watch(watched, start, Arc::clone(&self.turns))).abort_handle();
        Running { endpoint: Arc::clone(endpoint), check: check.clone(), mark: upstream.pool.mark(), task }
    }
}

/// What is checked, and how.
struct Watched {
    endpoint: Arc<Endpoint>,
    check: ActiveCheck,
    tls: Option<Arc<ClientTls>>,
    pool: Box<str>,
}

/// Checks an endpoint for ever. One that starts down is checked again soon for as long as its first checks pass.
async fn watch(watched: Watched, start: Instant, turns: Arc<Semaphore>) {
    let Watched { endpoint, check, tls, pool } = watched;
    let now = || Moment::after(start);
    let mut tally = Tally { is_down: endpoint.is_down(), in_a_row: 0 };
    loop {
        let Ok(turn) = turns.acquire().await else { return };
        let began = tokio::time::Instant::now();
        let answer = probe(&endpoint, &check.check, tls.as_ref(), check.timeout).await;
        drop(turn);
        endpoint.entry.stats.checked(answer.is_ok());
        if answer.is_err() {
            endpoint.entry.doubt();
            endpoint.judged();
        }
        if let Some(is_down) = tally.count(answer.is_ok(), &check) {
            endpoint.set_down(is_down, now());
            match answer {
                Ok(()) => log::info!("endpoint {endpoint} of {pool} is up: {} passed", checks(check.rise)),
                Err(why) => {
                    let failed = checks(check.fall);
                    log::warn!("endpoint {endpoint} of {pool} is down: {failed} failed, the last one with {why}");
                }
            }
        }
        let pause = if endpoint.is_starting() { SOON.min(check.interval / 10) } else { check.interval };
        tokio::time::sleep_until(began + jittered(pause)).await;
    }
}

fn checks(count: u32) -> String {
    if count == 1 { "1 check".to_owned() } else { format!("{count} checks") }
}

/// Checks of many endpoints do not all fall into one moment: a tenth more or less.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(fastrand::f64().mul_add(0.2, 0.9))
}

/// How an endpoint's last checks went.
struct Tally {
    is_down: bool,
    /// Checks in a row that say otherwise than what holds.
    in_a_row: u32,
}

impl Tally {
    /// Notes a check. What holds from now on, if that is news.
    fn count(&mut self, passed: bool, check: &ActiveCheck) -> Option<bool> {
        if passed != self.is_down {
            self.in_a_row = 0;
            return None;
        }
        self.in_a_row += 1;
        let wanted = if self.is_down { check.rise } else { check.fall };
        if self.in_a_row < wanted {
            return None;
        }
        (self.is_down, self.in_a_row) = (!self.is_down, 0);
        Some(self.is_down)
    }
}
