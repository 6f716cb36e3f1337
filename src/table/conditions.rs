//! What a route demands of a request beside its host and path: its method, headers, parts of its query.

use crate::config::MatchConfig;
use crate::config::rank::takes;
use crate::http::field::is_claim;
use crate::http::method::Method;
use crate::http::request::RequestHead;
use crate::tls::Challenges;
use crate::value::{FieldName, FieldPattern};
use std::borrow::Cow;
use std::sync::Arc;

/// The demands. A route without any has none of these.
#[derive(Debug)]
pub struct Conditions {
    /// In capitals; `None` is all.
    methods: Option<Box<[Box<str>]>>,
    headers: Box<[(FieldName, FieldPattern)]>,
    query: Box<[(Box<str>, FieldPattern)]>,
    /// The path asks for a proof that is there.
    proof: Option<Arc<Challenges>>,
}

/// What of its demands a request fails first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet<'c> {
    /// All others are met.
    Method,
    Header(&'c FieldName),
    Query(&'c str),
    Proof,
}

impl Conditions {
    /// The demands of a route, if it has any.
    pub fn of(matches: &MatchConfig) -> Option<Box<Conditions>> {
        let MatchConfig { host: _, path: _, methods, headers, query } = matches;
        let any = methods.is_some() || !headers.is_empty() || !query.is_empty();
        any.then(|| {
            let (methods, headers, query) = (methods.clone(), headers.clone(), query.clone());
            Box::new(Conditions { methods, headers, query, proof: None })
        })
    }

    /// The demand that a request asks for one of these proofs. What asks for another one is for the routes.
    pub(super) fn of_proofs(challenges: &Arc<Challenges>) -> Box<Conditions> {
        let proof = Some(Arc::clone(challenges));
        Box::new(Conditions { methods: None, headers: Box::default(), query: Box::default(), proof })
    }

    /// Whether a request meets them. Who the client is said to be counts only where the peer is `trusted` to say so.
    pub fn check(&self, head: &RequestHead<'_, '_>, trusted: bool) -> Result<(), Unmet<'_>> {
        let Conditions { methods, headers, query, proof } = self;
        if let Some(challenges) = proof {
            return match challenges.answer_to(head.target.path()) {
                Some(_) if matches!(head.method, Method::Get | Method::Head) => Ok(()),
                _ => Err(Unmet::Proof),
            };
        }
        for (name, pattern) in headers {
            if !header(head, name, trusted).is_some_and(|value| pattern.matches(&value)) {
                return Err(Unmet::Header(name));
            }
        }
        for (name, pattern) in query {
            if !head.target.query_part(name).is_some_and(|value| pattern.matches(value)) {
                return Err(Unmet::Query(name));
            }
        }
        match methods {
            Some(methods) if !takes(methods, head.method_token) => Err(Unmet::Method),
            _ => Ok(()),
        }
    }

    /// The methods it takes, if it does not take all.
    pub fn methods(&self) -> Option<&[Box<str>]> {
        self.methods.as_deref()
    }
}

/// The value of a header; several lines of it are one list (RFC 9110 section 5.3).
fn header<'b>(head: &RequestHead<'_, 'b>, name: &FieldName, trusted: bool) -> Option<Cow<'b, [u8]>> {
    let said = head.fields().filter(|(class, ..)| trusted || !is_claim(*class));
    let mut lines = said.filter(|(_, field, _)| name.is(field)).map(|(.., value)| value);
    let first = Cow::Borrowed(lines.next()?);
    Some(lines.fold(first, |list, line| Cow::Owned([&*list, b", ", line].concat())))
}
