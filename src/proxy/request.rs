//! A request while the gateway has it.

use super::client::Peer;
use super::exchange::Exchange;
use super::shape::Extras;
use super::worker::{Snapshot, Worker};
use crate::failure::Failure;
use crate::http::body::{Body, Encoding};
use crate::http::framing::Framing;
use std::rc::Rc;

/// A request, ready to go up or to be answered.
pub struct Request<'w> {
    pub exchange: Exchange<'w>,
    /// The message for the upstream, or the answer for the client.
    pub message: Vec<u8>,
    /// The request's body, as far as it is not in `message`.
    pub body: Body,
    pub course: Course,
    /// `None` for nearly every request.
    pub extras: Option<Box<Extras>>,
    /// The client prefers JSON.
    pub json: bool,
}

/// Where a request goes.
pub enum Course {
    Forward {
        expects_continue: bool,
    },
    /// The message is the answer.
    Answer,
}

impl<'w> Request<'w> {
    /// A request that found the route at `place`, and as yet has no message.
    pub fn begin(
        worker: &'w Worker,
        snapshot: &Rc<Snapshot>,
        place: u32,
        peer: &Peer,
        framing: Framing,
    ) -> Request<'w> {
        let encoding = if framing == Framing::Chunked { Encoding::Chunked } else { Encoding::Raw };
        Request {
            exchange: Exchange::begin(worker, Rc::clone(snapshot), place, peer),
            message: worker.buffers.take(),
            body: Body::new(framing, encoding),
            course: Course::Answer,
            extras: None,
            json: false,
        }
    }

    /// Appends to the message what of the body is at the front of `rest`; how much of it that was.
    pub fn take_body(&mut self, rest: &[u8]) -> Result<usize, Failure> {
        self.body.take(rest, &mut self.message).map_err(|_| {
            self.exchange.keep = false;
            Failure::BadRequest
        })
    }
}
