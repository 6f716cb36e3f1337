//! What a route does to its requests and their answers: the path that is forwarded, edits of heads, pages in place of errors.
//!
//! All of it is computed from the request's head, before anything is sent; what depends on the answer is left open.

mod captures;
pub mod edits;
mod hsts;
pub mod pages;
mod rewrite;
mod texts;
mod uri;
mod variables;

pub use captures::Captures;
pub use edits::{Edits, Lines};
pub use hsts::Hsts;
pub use pages::{Page, Pages};
pub use rewrite::{Forwarded, Prefix, Rewrite, is_broken, is_clean};
pub use uri::location;
pub use variables::Asking;

/// A route's policies. Most routes have none at all.
#[derive(Default)]
pub struct Policies {
    /// What its path captures, where a text asks for it.
    pub captures: Option<Captures>,
    pub rewrite: Option<Rewrite>,
    /// Edits of the request's head.
    pub request: Option<Edits>,
    /// Edits of the head of every final answer, the gateway's own too.
    pub response: Option<Edits>,
    pub pages: Option<Pages>,
}

impl Policies {
    /// Whether a page takes the place of an endpoint's response with this status.
    pub fn intercepts(&self, status: u16) -> bool {
        self.pages.as_ref().is_some_and(|pages| pages.of_response(status).is_some())
    }

    /// Whether they do nothing.
    pub fn is_empty(&self) -> bool {
        let Policies { captures, rewrite, request, response, pages } = self;
        captures.is_none() && rewrite.is_none() && request.is_none() && response.is_none() && pages.is_none()
    }
}

#[cfg(test)]
mod tests {
    //! A request to write texts about.

    use super::*;
    use crate::http::HeadLimits;
    use crate::http::request::{Parsed, RequestHead, Space};
    use crate::http::spelled_path::SpelledPath;
    use crate::value::PathPattern;
    use proptest::prelude::ProptestConfig;
    use proptest::test_runner::RngSeed;
    use std::net::IpAddr;

    /// The same cases each time.
    pub fn cases() -> ProptestConfig {
        let rng_seed = RngSeed::Fixed(1);
        ProptestConfig { rng_seed, cases: 1000, failure_persistence: None, ..ProptestConfig::default() }
    }

    /// Shows `look` the request of this head on a route with this path.
    pub fn asking<R>(head: &str, pattern: &str, look: impl FnOnce(&Asking<'_>) -> R) -> R {
        let mut space = Space::new();
        let Ok(Parsed::Whole(head)) = RequestHead::parse(head.as_bytes(), &mut space, HeadLimits::RESPONSE) else {
            panic!("{head:?} is no head")
        };
        let captures = Captures::of(&PathPattern::parse(pattern).expect(pattern));
        let spelled = SpelledPath::of(head.target.path()).expect("a path");
        look(&Asking {
            head: &head,
            client_ip: IpAddr::from([10, 0, 0, 1]),
            client_port: Some(4711),
            trusted: false,
            secured: None,
            request_id: b"id",
            route: "a route",
            upstream: "app",
            captures: captures.as_ref(),
            spelled: Some(&spelled),
            path: head.target.path(),
            query: head.target.query(),
        })
    }
}
