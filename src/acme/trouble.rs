//! Why an order failed, in words, and what to do about it.

use super::{Seconds, seconds};
use instant_acme::{Error, Problem};
use std::fmt;
use std::time::SystemTime;

/// The longest text of somebody else that goes to the log.
const TEXT_MAX: usize = 600;

/// Why an order failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What happened.
    pub what: String,
    /// What to do next.
    pub hint: Option<&'static str>,
    /// The authority wants to hear nothing before.
    pub barred_until: Option<Seconds>,
    /// The last word of the problem's type: `rateLimited`.
    pub kind: Option<String>,
    /// It says nothing of the order, which is taken up again with the next attempt.
    pub order_stands: bool,
}

impl Trouble {
    pub fn new(what: impl Into<String>) -> Trouble {
        Trouble { what: what.into(), hint: None, barred_until: None, kind: None, order_stands: false }
    }

    pub fn hint(mut self, hint: &'static str) -> Trouble {
        self.hint = Some(hint);
        self
    }

    /// Something that failed while this was done.
    pub fn while_doing(step: &str, error: Error, barred_until: Option<SystemTime>) -> Trouble {
        match error {
            Error::Api(problem) => {
                let mut trouble = Trouble::of(&problem);
                trouble.what = format!("{step}: {}", trouble.what);
                trouble.barred_until = barred_until.map(seconds);
                trouble
            }
            Error::Timeout(_) => Trouble::new(format!("{step}: the authority did not come to an end in time"))
                .hint("nothing: the same order is looked at again with the next attempt")
                .order_stands(),
            other => Trouble::new(format!("{step}: {}", chain(&other)))
                .hint("see that the gateway may reach the authority, and its `directory` and `ca`")
                .order_stands(),
        }
    }

    fn order_stands(self) -> Trouble {
        Trouble { order_stands: true, ..self }
    }

    /// What an authority says is wrong.
    pub fn of(problem: &Problem) -> Trouble {
        let kind = problem.r#type.as_deref().and_then(|kind| kind.rsplit(':').next()).unwrap_or("unknown");
        let mut what = format!("the authority says {kind}");
        for detail in problem.detail.iter().chain(problem.subproblems.iter().filter_map(|sub| sub.detail.as_ref())) {
            what += ": ";
            what += &tame(detail);
        }
        Trouble { hint: hint(kind), kind: Some(kind.to_owned()), ..Trouble::new(what) }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// What helps against a kind of problem (RFC 8555, 6.7).
fn hint(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "connection" => "see that the authority can reach this gateway: port 80 for http-01, port 443 for tls-alpn-01",
        "unauthorized" | "incorrectResponse" => {
            "see that the name leads to this gateway alone, and nothing before it answers for it"
        }
        "dns" => "see that the name has an address in the public DNS, or that the hook sets the record",
        "caa" => "the name's CAA records in the DNS allow other authorities only",
        "tls" => "see that the listener on port 443 is this gateway's, and nothing before it ends TLS",
        "rateLimited" => "nothing: it is asked again when it allows it",
        "rejectedIdentifier" | "unsupportedIdentifier" => {
            "the authority issues nothing for this host: take it from `hosts`"
        }
        "externalAccountRequired" => "this authority wants `external_account`, which its own pages hand out",
        "userActionRequired" => "the account needs something done by hand; the authority's text says where",
        "accountDoesNotExist" => "a new account is made with the next attempt",
        "invalidContact" | "unsupportedContact" => "see the `email` of the authority",
        "invalidProfile" => "see the `profile` of the authority: it has none of this name",
        "serverInternal" => "nothing: it is the authority's own trouble, and it is asked again",
        _ => return None,
    })
}

/// An error with all its causes, which say the most.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text += ": ";
            text += &more;
        }
        cause = next.source();
    }
    tame(&text)
}

/// Somebody else's text on one line of the log.
pub(super) fn tame(text: &str) -> String {
    let mut tame: String = text.chars().take(TEXT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(TEXT_MAX).is_some() {
        tame.push('…');
    }
    tame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_is_said_in_words_with_what_to_do() {
        let problem: Problem = serde_json::from_str(
            r#"{"type":"urn:ietf:params:acme:error:dns","detail":"NXDOMAIN looking up A\nfor a.test","status":400}"#,
        )
        .unwrap();
        let said = Trouble::while_doing("proving a.test", Error::Api(problem), None).to_string();
        assert!(
            said.starts_with("proving a.test: the authority says dns: NXDOMAIN looking up A for a.test; see"),
            "{said}"
        );
    }
}
