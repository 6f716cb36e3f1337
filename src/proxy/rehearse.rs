//! A request rehearsed: the very steps that serve one, up to where an endpoint would be chosen. Nothing is sent.

use super::arrival::Arrival;
use super::client::{Client, Peer};
use super::receive::{Reading, parse};
use super::request::Course;
use super::shape::Facts;
use super::worker::Worker;
use crate::failure::Failure;
use crate::http::request::{Parsed, RequestHead, Space};
use crate::http::secured::Secured;
use crate::http::spelled_path::SpelledPath;
use crate::http::{HeadLimits, target};
use crate::policy::Captures;
use crate::table;
use crate::value::{PathPattern, Variable};

/// What would become of a request.
#[derive(Debug)]
pub struct Rehearsal {
    /// Its route's place in the table, if it has one.
    pub place: Option<u32>,
    /// The place of the gateway's own route that takes it.
    pub own: Option<u32>,
    /// Which of a split's upstreams it is for.
    pub side: u16,
    /// The message is for an endpoint, not for the client.
    pub is_forwarded: bool,
    /// The head for the upstream, or the whole answer.
    pub message: Vec<u8>,
    /// Of the answer.
    pub status: u16,
    /// Why it is refused.
    pub failure: Option<Failure>,
    pub request_id: Vec<u8>,
}

/// What the variables of a text stand for, in a request whose head is `bytes` and whose rehearsal this is, on a route with this path. Those
/// that are empty are left out.
#[cold]
pub fn variables(
    bytes: &[u8],
    peer: &Peer,
    secured: Option<&Secured<'_>>,
    worker: &Worker,
    rehearsal: &Rehearsal,
    pattern: &PathPattern,
) -> Vec<(Variable, String)> {
    let mut space = Space::new();
    let Ok(Parsed::Whole(head)) = RequestHead::parse_again(bytes, &mut space, HeadLimits::RESPONSE) else {
        return Vec::new();
    };
    let snapshot = worker.snapshot();
    let route = snapshot.table.route(rehearsal.place.unwrap_or(u32::MAX));
    let client = Client::of(peer, &head, |ip| snapshot.table.trusts(ip));
    let facts = Facts { head: &head, client: &client, peer, secured, route, upstream: route.upstream(rehearsal.side) };
    let captures = Captures::of(pattern);
    let spelled = SpelledPath::of(head.target.path()).ok();
    let mut asking = facts.asking(&rehearsal.request_id, captures.as_ref(), spelled.as_ref());
    let forwarded = if rehearsal.is_forwarded { rehearsal.message.split(|b| *b == b' ').nth(1) } else { None };
    if let Some(target) = forwarded.and_then(|target| target::parse(target, false)) {
        (asking.path, asking.query) = (target.path(), target.query());
    }
    let names = pattern.captures().into_iter().map(|name| Variable::Capture(name.into()));
    let known = Variable::plain().chain(names);
    let values = known.map(|variable| {
        let value = String::from_utf8_lossy(&asking.value(&variable)).into_owned();
        (variable, value)
    });
    values.filter(|(_, value)| !value.is_empty()).collect()
}

/// Rehearses the request whose head is `bytes`; `None` when the head is not whole. The worker is nobody else's: it counts the request.
#[cold]
pub fn rehearse(bytes: &[u8], peer: &Peer, secured: Option<&Secured<'_>>, worker: &Worker) -> Option<Rehearsal> {
    let snapshot = worker.snapshot();
    let listener = snapshot.table.listener(peer.listener)?;
    let mut reading = Reading { held: Vec::new(), fresh: false, deadline: None, served: 0 };
    let mut request = None;
    parse(bytes, &Arrival { peer, listener, secured }, worker, &snapshot, &mut reading, &mut request);
    let mut request = request?;
    let exchange = &mut request.exchange;
    exchange.over = true;
    let place = exchange.in_table().map(|(_, place)| place);
    let own = place.filter(|place| matches!(*place, table::HTTPS | table::PROOFS));
    let place = place.filter(|place| (*place as usize) < snapshot.table.routes.len());
    Some(Rehearsal {
        place,
        own,
        side: exchange.side,
        is_forwarded: matches!(request.course, Course::Forward { .. }),
        status: exchange.status,
        failure: exchange.failure,
        request_id: exchange.request_id.as_bytes().to_vec(),
        message: std::mem::take(&mut request.message),
    })
}
