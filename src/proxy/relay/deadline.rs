//! How long each side is waited for.

use super::{Bounds, Relay};
use crate::failure::Failure;
use crate::http::clock::{Moment, Span};
use crate::http::transport::Downstream;
use std::task::Context;
use tokio::io::{AsyncRead, AsyncWrite};

/// Over this time a request body must keep its minimum rate.
const RATE_WINDOW: Span = Span(10_000_000_000);

impl<C: Downstream, U: AsyncRead + AsyncWrite + Unpin> Relay<'_, C, U> {
    /// Sets the earliest of the deadlines that hold now; an error when it has passed.
    pub(super) fn wait(&mut self, cx: &Context<'_>) -> Result<(), Failure> {
        let Bounds { timeouts, limits, deadline } = self.bounds;
        let now = self.client.now();
        let (mut at, mut why) = (deadline, Failure::RequestTimeout);
        let mut by = |moment: Moment, failure: Failure| {
            if moment < at {
                (at, why) = (moment, failure);
            }
        };
        let uploading = !self.upload_failed && self.sent < self.out.message.len();
        if !self.pending.is_empty() {
            by(self.client_took + limits.send_timeout, Failure::ClientTimeout);
        } else if self.upload_failed || self.out.body.is_done() && !uploading {
            by(self.upstream_active + timeouts.read, Failure::UpstreamTimeout);
        }
        if uploading {
            by(self.upstream_active + timeouts.write, Failure::UpstreamTimeout);
        } else if !self.upload_failed && !self.out.body.is_done() {
            by(self.client_sent + limits.body_timeout, Failure::ClientTimeout);
            if limits.body_min_rate > 0 {
                if self.rate_since + RATE_WINDOW <= now && self.rate_bytes >= limits.body_min_rate.saturating_mul(10) {
                    (self.rate_since, self.rate_bytes) = (now, 0);
                }
                by(self.rate_since + RATE_WINDOW, Failure::ClientTimeout);
            }
        }
        if at <= now {
            return Err(why);
        }
        self.client.set_deadline(at, cx);
        Ok(())
    }
}
