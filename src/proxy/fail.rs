//! A request that is not answered as its route says: what its client is told instead.

use super::answer::{ErrorAnswer, Terms};
use super::receive::DRAIN_BYTES_MAX;
use super::request::{Course, Request};
use crate::failure::Failure;

impl Request<'_> {
    pub fn terms(&self) -> Terms {
        Terms { method: self.exchange.method, minor: self.exchange.minor, keep: self.exchange.keep }
    }

    /// Refuses the request for its method; `allowed` are those that would do.
    pub fn refuse_method(&mut self, allowed: &str) {
        self.fail_with(Failure::MethodNotAllowed, format!("Allow: {allowed}\r\n").as_bytes());
    }

    /// Makes this request's answer the word for `failure`, or what its route has in place of that.
    pub fn fail(&mut self, failure: Failure) {
        self.fail_with(failure, b"");
    }

    /// The same with further header lines.
    fn fail_with(&mut self, failure: Failure, lines: &[u8]) {
        // after these, the rest of the connection's bytes cannot be trusted, or nobody waits for them
        let unreadable = matches!(
            failure,
            Failure::HeaderTooLarge
                | Failure::UriTooLong
                | Failure::VersionNotSupported
                | Failure::ClientTimeout
                | Failure::BodyTooLarge
                | Failure::Draining
                | Failure::Internal
        );
        self.exchange.keep &= !unreadable;
        self.exchange.failure = Some(failure);
        self.answer_error(failure.status(), Some(failure), lines);
    }

    /// Makes this request's answer the page that its route has in place of an endpoint's response with this status.
    pub fn intercept(&mut self, status: u16) {
        self.answer_error(status, None, b"");
    }

    fn answer_error(&mut self, status: u16, failure: Option<Failure>, lines: &[u8]) {
        // a client that waits for its 100 may leave the body out now: nobody knows what its next bytes are
        let waits = matches!(self.course, Course::Forward { expects_continue: true });
        let rest_is_short = self.body.left().is_some_and(|left| left <= DRAIN_BYTES_MAX);
        self.exchange.keep &= rest_is_short && (!waits || self.body.is_done());
        let terms = self.terms();
        let pages = self.exchange.route().policies.as_ref().and_then(|policies| policies.pages.as_ref());
        let page = pages.and_then(|pages| match failure {
            Some(_) => pages.of_failure(status),
            None => pages.of_response(status),
        });
        let request_id = self.exchange.request_id.as_bytes();
        let error = ErrorAnswer { status, failure, page, json: self.json, request_id, lines };
        self.message.clear();
        self.exchange.status = error.write(terms, &mut self.message);
        self.course = Course::Answer;
        self.edit_answer();
    }

    /// Edits the answer of the gateway's own, which the message is, as the route edits every answer.
    pub fn edit_answer(&mut self) {
        let Some(extras) = &self.extras else { return };
        if let Some(edits) = extras.edits(self.exchange.route().policies.as_deref()) {
            edits.apply(&mut self.message, 0, self.exchange.status, b"");
        }
    }
}
