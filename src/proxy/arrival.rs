//! How a request came in: from whom, by which listener, over which TLS. And what only some of these ways make of a request.

use super::answer;
use super::client::Peer;
use super::request::Request;
use crate::failure::Failure;
use crate::http::request::RequestHead;
use crate::http::secured::Secured;
use crate::table::Listener;
use crate::tls::Challenges;
use std::sync::Arc;

/// How a request came in.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    pub peer: &'a Peer,
    pub listener: &'a Listener,
    /// What is known of the client's TLS, where it speaks that.
    pub secured: Option<&'a Secured<'a>>,
}

impl Arrival<'_> {
    /// What was found for a request, unless its connection is not for that host: the client named another one when it connected, who
    /// has another certificate (RFC 9110 section 7.4). What cannot be read stays unreadable.
    #[inline(never)]
    pub fn check(&self, found: Result<u32, Failure>, head: &RequestHead<'_, '_>) -> Result<u32, Failure> {
        if self.listener.surpassed {
            return Err(Failure::MisdirectedRequest);
        }
        let Some(tls) = self.listener.tls.as_ref().map(|tls| &tls.server) else { return found };
        // clients have to prove something else by now, or had nothing to prove since the listener did not speak TLS
        let Some(secured) = self.secured.filter(|secured| secured.terms == tls.number) else {
            return Err(Failure::MisdirectedRequest);
        };
        let Some(named) = secured.server_name else { return found };
        if head.host.name.is_empty() || head.host.name.eq_ignore_ascii_case(named.as_bytes()) {
            return found;
        }
        let host = String::from_utf8_lossy(head.host.name).to_ascii_lowercase();
        match found {
            Err(Failure::BadRequest) => found,
            _ if tls.same_certificate(named, &host) => found,
            _ => Err(Failure::MisdirectedRequest),
        }
    }
}

impl Request<'_> {
    /// Has the listener's promise made in the answer, unless the route decides about that.
    #[inline(never)]
    pub fn promise(&mut self, listener: &Listener) {
        let Some(hsts) = &listener.hsts else { return };
        let policies = self.exchange.route().policies.as_ref();
        let edits = policies.and_then(|policies| policies.response.as_ref());
        if !edits.is_some_and(|edits| hsts.is_left_to(edits)) {
            self.extras.get_or_insert_default().hsts = Some(Arc::clone(hsts));
        }
    }

    /// Answers an authority that asks whether a host is ours.
    #[cold]
    pub fn prove(&mut self, challenges: &Challenges, head: &RequestHead<'_, '_>) {
        match challenges.answer_to(head.target.path()) {
            Some(proof) => {
                let line = b"Content-Type: text/plain\r\n";
                answer::write(200, line, proof.as_bytes(), self.terms(), &mut self.message);
                self.exchange.status = 200;
                self.edit_answer();
            }
            // it was there when the route was found
            None => self.fail(Failure::NoRoute),
        }
    }
}
