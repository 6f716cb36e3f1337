//! From the client's bytes to a request that knows where it goes: read the head, find the route, admit or answer.

use super::answer;
use super::arrival::Arrival;
use super::asked::{Asked, key_of};
use super::buffers::READ_BYTES;
use super::client::{Client, Peer, given_request_id};
use super::exchange::RequestId;
use super::head::{self, Origin};
use super::request::{Course, Request};
use super::shape::{Facts, Shape};
use super::wait_until;
use super::worker::{Snapshot, Worker};
use crate::failure::Failure;
use crate::http::clock::Moment;
use crate::http::framing::Framing;
use crate::http::method::Method;
use crate::http::request::{Expect, Parsed, RequestHead, Space};
use crate::http::transport::Downstream;
use crate::http::{HeadLimits, ends_in};
use crate::table::{Action, Found, Listener, Table, UNMATCHED};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::ReadBuf;

/// A rest of a body up to this size is read and dropped, so that the connection can be kept; beyond, it is closed.
pub const DRAIN_BYTES_MAX: u64 = 64 * 1024;

/// What is read between two requests of a connection.
pub struct Reading {
    /// Bytes of the next request that came already.
    pub held: Vec<u8>,
    /// `held` has not been looked at since it grew.
    pub fresh: bool,
    /// When the head must be whole; set with its first byte.
    pub deadline: Option<Moment>,
    /// Requests that this connection has begun.
    pub served: u32,
}

/// What came of reading.
pub enum Received {
    /// Nothing to read, nothing held: the connection waits for its next request.
    Idle,
    /// The client closed.
    Gone,
    /// A request, which is where the caller wanted it.
    Request,
}

impl Reading {
    /// Reads until a head is whole, and makes a request of it in `slot`: it is large, and made where it stays.
    pub fn poll<'w, C: Downstream>(
        &mut self,
        client: &mut C,
        peer: &Peer,
        worker: &'w Worker,
        slot: &mut Option<Request<'w>>,
        cx: &mut Context<'_>,
    ) -> Poll<Received> {
        let snapshot = worker.snapshot();
        let Some(listener) = snapshot.table.listener(peer.listener) else {
            return Poll::Ready(Received::Gone);
        };
        let mut scratch = worker.buffers.scratch();
        loop {
            let held = self.held.len();
            scratch[..held].copy_from_slice(&self.held);
            let mut len = held;
            let fresh = std::mem::take(&mut self.fresh);
            if !fresh {
                let mut buf = ReadBuf::new(&mut scratch[held..held + READ_BYTES]);
                match Pin::new(&mut *client).poll_read(cx, &mut buf) {
                    Poll::Ready(Ok(())) if !buf.filled().is_empty() => len += buf.filled().len(),
                    Poll::Ready(_) => return Poll::Ready(Received::Gone),
                    Poll::Pending if held == 0 => return Poll::Ready(Received::Idle),
                    Poll::Pending => {
                        return self
                            .wait(client, listener, cx)
                            .map(|()| self.give_up(client, peer, worker, listener, &snapshot, slot));
                    }
                }
            }
            let bytes = &scratch[..len];
            let seen = if fresh { 0 } else { held };
            if seen == 0 || ends_in(bytes, seen) || len >= listener.limits.head.size {
                let secured = if listener.secure { client.secured() } else { None };
                let arrival = Arrival { peer, listener, secured: secured.as_ref() };
                parse(bytes, &arrival, worker, &snapshot, self, slot);
                if slot.is_some() {
                    return Poll::Ready(Received::Request);
                }
            }
            self.hold(bytes);
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.held.clear();
        self.held.extend_from_slice(bytes);
    }

    /// Part of a head is there: the rest must come in time.
    fn wait<C: Downstream>(&mut self, client: &mut C, listener: &Listener, cx: &Context<'_>) -> Poll<()> {
        let deadline = *self.deadline.get_or_insert_with(|| client.now() + listener.limits.header_timeout);
        wait_until(client, deadline, cx)
    }

    /// The rest of the head did not come.
    #[cold]
    fn give_up<'w, C: Downstream>(
        &self,
        client: &C,
        peer: &Peer,
        worker: &'w Worker,
        listener: &Listener,
        snapshot: &Rc<Snapshot>,
        slot: &mut Option<Request<'w>>,
    ) -> Received {
        // empty lines alone are no request that an answer could be to; some clients send one behind a body
        if self.held.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            return Received::Gone;
        }
        let secured = client.secured();
        let arrival = Arrival { peer, listener, secured: secured.as_ref() };
        refuse(Failure::ClientTimeout, &arrival, worker, snapshot, slot);
        Received::Request
    }
}

/// Parses and prepares the request in `slot`; nothing is there when the head is not whole.
#[inline(never)] // one body, with all that it calls in it, for who serves and for who rehearses
pub(super) fn parse<'w>(
    bytes: &[u8],
    arrival: &Arrival<'_>,
    worker: &'w Worker,
    snapshot: &Rc<Snapshot>,
    reading: &mut Reading,
    slot: &mut Option<Request<'w>>,
) {
    let mut space = Space::new();
    let listener = arrival.listener;
    let limits: HeadLimits = listener.limits.head;
    match RequestHead::parse(bytes, &mut space, limits) {
        Ok(Parsed::Partial) => {}
        Ok(Parsed::Whole(head)) => {
            reading.served += 1;
            reading.deadline = None;
            let rest = &bytes[head.len..];
            let last = reading.served >= listener.limits.keepalive_requests || listener.limits.keepalive_timeout.0 == 0;
            let keep = head.keep_alive && !last && !worker.draining.get();
            let used = prepare(&head, rest, keep, arrival, worker, snapshot, slot);
            reading.held.clear();
            reading.held.extend_from_slice(&rest[used..]);
            reading.fresh = !reading.held.is_empty();
        }
        Err(failure) => {
            reading.held.clear();
            refuse(failure, arrival, worker, snapshot, slot);
        }
    }
}

/// A head that cannot be read: answered, and the connection closed, since nobody knows where the next request begins.
fn refuse<'w>(
    failure: Failure,
    arrival: &Arrival<'_>,
    worker: &'w Worker,
    snapshot: &Rc<Snapshot>,
    slot: &mut Option<Request<'w>>,
) {
    let Arrival { peer, listener, secured } = *arrival;
    let request = slot.insert(Request::begin(worker, snapshot, UNMATCHED, peer, Framing::None));
    request.exchange.note_peer(peer, secured);
    request.exchange.request_id = RequestId::Own(worker.request_id());
    request.promise(listener);
    request.fail(failure);
}

/// Makes the request in `slot` and decides what becomes of it. Returns how many bytes of `rest` belong to it.
fn prepare<'w>(
    head: &RequestHead<'_, '_>,
    rest: &[u8],
    mut keep: bool,
    arrival: &Arrival<'_>,
    worker: &'w Worker,
    snapshot: &Rc<Snapshot>,
    slot: &mut Option<Request<'w>>,
) -> usize {
    let Arrival { peer, listener, secured } = *arrival;
    let table = &snapshot.table;
    let client = Client::of(peer, head, |ip| table.trusts(ip));
    let mut found = find(head, listener, snapshot, client.trusted);
    if listener.secure || listener.surpassed {
        found = arrival.check(found, head);
        // the client comes again on a connection of its own
        keep &= found != Err(Failure::MisdirectedRequest);
    }
    let place = if let Ok(place) = found { place } else { UNMATCHED };
    let request = slot.insert(Request::begin(worker, snapshot, place, peer, head.framing));
    let exchange = &mut request.exchange;
    exchange.method = head.method;
    exchange.minor = head.minor;
    exchange.keep = keep;
    let given = if client.trusted { given_request_id(head) } else { None };
    exchange.request_id = match given {
        Some(id) => RequestId::Given(id.into()),
        None => RequestId::Own(worker.request_id()),
    };
    exchange.note_head(head, client.ip, secured);
    if secured.is_some() {
        request.promise(listener);
    }
    let route = table.route(place);
    if let Action::Split(split) = &route.action {
        let key = split.by.as_ref().map(|key| key_of(key, head, client.ip));
        request.exchange.side = split.choose(key.as_deref().filter(|key| !key.is_empty()), &worker.random);
    }
    let upstream = route.upstream(request.exchange.side);
    let facts = Facts { head, client: &client, peer, secured, route, upstream };
    let mut admitted = found.and_then(|_| admit(head, route.rules.max_body));
    let mut shape = None;
    if let Some(policies) = &route.policies {
        let mut made = Shape::of(policies, &facts, request.exchange.request_id.as_bytes());
        admitted = admitted.and(made.fits);
        if let Some(lines) = made.response.take() {
            request.extras.get_or_insert_default().response = Some(lines);
        }
        if policies.request.is_some() {
            request.body.drop_trailers();
        }
        shape = Some((made, policies));
    }
    match (upstream, admitted) {
        (Some(upstream), Ok(())) => {
            let upgrade = head.upgrade.filter(|_| route.rules.websocket && wants_websocket(head));
            let origin = Origin {
                client: &client,
                peer,
                arrival: &listener.arrival,
                request_id: request.exchange.request_id.as_bytes(),
                default_host: &upstream.pool.name,
                target: shape
                    .as_ref()
                    .map_or(head.target.path_and_query, |(s, _)| s.target(head.target.path_and_query)),
                upgrade,
            };
            head::write(head, &origin, &mut request.message);
            if let Some((shape, policies)) = &shape {
                shape.edit(policies, &mut request.message);
            }
            let used = request.take_body(rest);
            let expects_continue = head.expect == Expect::Continue && head.minor == 1 && rest.is_empty();
            let asked = Asked::of(head, client.ip, upstream);
            if upgrade.is_some() || asked.is_some() {
                let extras = request.extras.get_or_insert_default();
                (extras.upgrade, extras.asked) = (upgrade.map(Into::into), asked);
            }
            request.course = Course::Forward { expects_continue };
            request.json = answer::accepts_json(head);
            match used {
                Ok(used) if request.body.passed <= route.rules.max_body => return used,
                Ok(_) => request.fail(Failure::BodyTooLarge),
                Err(failure) => request.fail(failure),
            }
            rest.len()
        }
        (_, admitted) => {
            // what came of the body is dropped
            let used = request.take_body(rest);
            request.message.clear();
            request.json = answer::accepts_json(head);
            let waits = head.expect != Expect::Nothing && !request.body.is_done();
            // what follows a CONNECT may be meant for the tunnel that there is not
            let tunnels = head.method == Method::Connect;
            if waits || tunnels || request.body.left().is_none_or(|left| left > DRAIN_BYTES_MAX) {
                request.exchange.keep = false;
            }
            match (&route.action, admitted, &used) {
                (_, _, Err(failure)) => request.fail(*failure),
                (_, Err(Failure::MethodNotAllowed), _) => {
                    request.refuse_method(&allowed(head, listener, table, client.trusted))
                }
                (_, Err(failure), _) => request.fail(failure),
                (Action::Respond(fixed), ..) => {
                    answer::write_fixed(fixed, request.terms(), &mut request.message);
                    request.exchange.status = fixed.status;
                    request.edit_answer();
                }
                (Action::Redirect { to, status }, ..) => {
                    match facts.location(to, request.exchange.request_id.as_bytes()) {
                        Ok(location) => {
                            let line = [b"Location: ", &*location, b"\r\n"].concat();
                            answer::write(*status, &line, b"", request.terms(), &mut request.message);
                            request.exchange.status = *status;
                            request.edit_answer();
                        }
                        Err(failure) => request.fail(failure),
                    }
                }
                (Action::Challenge(challenges), ..) => request.prove(challenges, head),
                (Action::Nothing, ..) if head.method == Method::Options && head.target.path() == b"*" => {
                    let allow = format!("Allow: {}\r\n", answer::METHODS);
                    answer::write(204, allow.as_bytes(), b"", request.terms(), &mut request.message);
                    request.exchange.status = 204;
                    request.edit_answer();
                }
                (Action::Nothing | Action::Forward(_) | Action::Split(_), ..) => request.fail(Failure::NoRoute),
            }
            used.unwrap_or(rest.len())
        }
    }
}

/// The place of the request's route in the table.
fn find(head: &RequestHead<'_, '_>, listener: &Listener, snapshot: &Snapshot, trusted: bool) -> Result<u32, Failure> {
    if matches!(head.method, Method::Connect | Method::Trace) {
        return Err(Failure::MethodNotAllowed);
    }
    let lower;
    let host = if head.host.upper {
        lower = head.host.name.to_ascii_lowercase();
        &lower[..]
    } else {
        head.host.name
    };
    if head.target.path() == b"*" {
        // about the gateway itself: no route has this path
        return Ok(UNMATCHED);
    }
    match snapshot.table.find(listener, host, head, trusted) {
        Found::Route(place) => Ok(place),
        Found::None => Err(Failure::NoRoute),
        Found::OtherMethods => Err(Failure::MethodNotAllowed),
        Found::Ambiguous | Found::Malformed => Err(Failure::BadRequest),
    }
}

/// The methods that would do: the routes' own, where some match but for the method; else all that are ever forwarded.
fn allowed(head: &RequestHead<'_, '_>, listener: &Listener, table: &Table, trusted: bool) -> String {
    match head.method {
        Method::Connect | Method::Trace => answer::METHODS.to_owned(),
        _ => table.allowed(listener, &head.host.name.to_ascii_lowercase(), head, trusted),
    }
}

/// May the request pass, as far as its head tells?
fn admit(head: &RequestHead<'_, '_>, max_body: u64) -> Result<(), Failure> {
    if head.expect == Expect::Unknown {
        return Err(Failure::ExpectationFailed);
    }
    match head.framing {
        Framing::Length(n) if n > max_body => Err(Failure::BodyTooLarge),
        _ => Ok(()),
    }
}

/// A whole WebSocket handshake, and no body that would run into the tunnel. Anything less is a plain request.
fn wants_websocket(head: &RequestHead<'_, '_>) -> bool {
    head.method == Method::Get
        && head.websocket_key
        && head.upgrade.is_some_and(|p| p.eq_ignore_ascii_case(b"websocket"))
        && matches!(head.framing, Framing::None | Framing::Length(0))
}
