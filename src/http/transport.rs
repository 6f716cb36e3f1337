//! What an exchange needs of a client's connection beyond reading and writing: the time, and one deadline.

use super::clock::Moment;
use super::secured::Secured;
use std::task::Context;
use tokio::io::{AsyncRead, AsyncWrite};

/// A client's connection. The gateway's sockets implement it, and so does a pipe in memory.
pub trait Downstream: AsyncRead + AsyncWrite + Unpin {
    /// The time at the start of this turn of the event loop.
    fn now(&self) -> Moment;

    /// Wakes the task of `cx` soon after `at`, once; replaces the deadline before.
    fn set_deadline(&mut self, at: Moment, cx: &Context<'_>);

    /// The client has closed its side, or the connection has failed, as far as that was noticed without reading. For while nothing is read.
    fn has_left(&self) -> bool {
        false
    }

    /// What is known of its TLS; `None` in plain text.
    fn secured(&self) -> Option<Secured<'_>> {
        None
    }

    /// Makes the close that follows a reset, so that a client which reads until the end sees that it is cut.
    fn reset_on_close(&mut self);
}
