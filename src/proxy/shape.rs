//! What a route's policies make of a request, worked out while its head is at hand.

use super::asked::Asked;
use super::client::{Client, Peer};
use crate::failure::Failure;
use crate::http::request::RequestHead;
use crate::http::secured::Secured;
use crate::http::spelled_path::SpelledPath;
use crate::policy::{self, Asking, Captures, Edits, Forwarded, Hsts, Lines, Policies};
use crate::table::{Route, Upstream};
use crate::value::Template;
use std::sync::Arc;

/// What only some requests have on their way.
#[derive(Default)]
pub struct Extras {
    /// The protocol to switch to, where the route allows it.
    pub upgrade: Option<Box<[u8]>>,
    /// What decides which endpoint the request goes to, where the pool wants to know.
    pub asked: Option<Asked>,
    /// The line that binds the client to its endpoint.
    pub cookie: Vec<u8>,
    /// What is written into the head of the answer, where its route edits that.
    pub response: Option<Lines>,
    /// What its listener promises in each answer, unless the route decides about that.
    pub hsts: Option<Arc<Hsts>>,
}

/// Who asks, and where it goes.
pub struct Facts<'a> {
    pub head: &'a RequestHead<'a, 'a>,
    pub client: &'a Client,
    pub peer: &'a Peer,
    /// What is known of the client's TLS, where it speaks that.
    pub secured: Option<&'a Secured<'a>>,
    pub route: &'a Route,
    pub upstream: Option<&'a Arc<Upstream>>,
}

/// What becomes of a request and its answer.
pub struct Shape {
    forwarded: Option<Forwarded>,
    host: Option<Vec<u8>>,
    request: Option<Lines>,
    pub response: Option<Lines>,
    /// Whether the request can be forwarded so.
    pub fits: Result<(), Failure>,
}

impl Shape {
    /// Works out what a route makes of a request. Not inlined: most routes make nothing of theirs.
    #[inline(never)]
    pub fn of(policies: &Policies, facts: &Facts<'_>, request_id: &[u8]) -> Box<Shape> {
        let Policies { captures, rewrite, request, response, pages: _ } = policies;
        let spelled = facts.spelled(captures.is_some() || rewrite.is_some());
        let mut asking = facts.asking(request_id, captures.as_ref(), spelled.as_ref());
        let mut fits = Ok(());
        let forwarded = rewrite.as_ref().and_then(|rewrite| {
            let path = spelled.as_ref().ok_or(Failure::BadRequest);
            path.and_then(|path| rewrite.forwarded(path, &asking)).unwrap_or_else(|failure| {
                fits = Err(failure);
                None
            })
        });
        if let Some(forwarded) = &forwarded {
            (asking.path, asking.query) = (forwarded.path(), forwarded.query());
        }
        let host = request.as_ref().and_then(|edits| {
            edits.host(&asking).unwrap_or_else(|failure| {
                fits = fits.and(Err(failure));
                None
            })
        });
        let request = request.as_ref().map(|edits| edits.lines(&asking));
        let response = response.as_ref().map(|edits| edits.lines(&asking));
        Box::new(Shape { host, request, response, fits, forwarded })
    }

    /// The target that goes upstream.
    pub fn target<'s>(&'s self, own: &'s [u8]) -> &'s [u8] {
        self.forwarded.as_ref().map_or(own, |forwarded| &forwarded.path_and_query)
    }

    /// Edits the head that goes upstream, which `message` is so far.
    #[inline(never)]
    pub fn edit(&self, policies: &Policies, message: &mut Vec<u8>) {
        if let (Some(edits), Some(lines)) = (&policies.request, &self.request) {
            edits.apply_to_request(message, self.host.as_deref(), lines);
        }
    }
}

impl<'a> Facts<'a> {
    fn spelled(&self, wanted: bool) -> Option<SpelledPath<'a>> {
        if wanted { SpelledPath::of(self.head.target.path()).ok() } else { None }
    }

    /// The view of it that texts are written from.
    pub fn asking<'s>(
        &'s self,
        request_id: &'s [u8],
        captures: Option<&'s Captures>,
        spelled: Option<&'s SpelledPath<'s>>,
    ) -> Asking<'s> {
        let Facts { head, client, peer, secured, route, upstream } = *self;
        Asking {
            head,
            client_ip: client.ip,
            client_port: Some(peer.port).filter(|port| client.ip == peer.ip && *port != 0),
            trusted: client.trusted,
            secured,
            request_id,
            route: route.name(),
            upstream: upstream.map_or("", |upstream| &upstream.pool.name),
            captures,
            spelled,
            path: head.target.path(),
            query: head.target.query(),
        }
    }

    /// The target of a redirect.
    #[inline(never)]
    pub fn location(&self, to: &Template, request_id: &[u8]) -> Result<Vec<u8>, Failure> {
        let captures = self.route.policies.as_ref().and_then(|policies| policies.captures.as_ref());
        let spelled = self.spelled(captures.is_some());
        policy::location(to, &self.asking(request_id, captures, spelled.as_ref()))
    }
}

impl Extras {
    /// What is done to the head of a response of a route with these policies, if anything is.
    pub fn edits<'a>(&'a self, policies: Option<&'a Policies>) -> Option<Retouch<'a>> {
        let edits = self.response.as_ref().and_then(|lines| Some((policies?.response.as_ref()?, lines)));
        let hsts = self.hsts.as_deref();
        (edits.is_some() || hsts.is_some()).then_some(Retouch { edits, hsts })
    }
}

/// What is done to the head of a response before it leaves.
pub struct Retouch<'a> {
    edits: Option<(&'a Edits, &'a Lines)>,
    hsts: Option<&'a Hsts>,
}

impl Retouch<'_> {
    /// Does it to the head that stands at `start` of `out`. `more` are further whole lines of it.
    #[inline(never)]
    pub fn apply(&self, out: &mut Vec<u8>, start: usize, status: u16, more: &[u8]) {
        match self.edits {
            Some((edits, lines)) => edits.apply(out, start, lines, status, more),
            None => Edits::default().apply(out, start, &Lines::default(), status, more),
        }
        if let Some(hsts) = self.hsts {
            hsts.apply(out, start);
        }
    }
}
