//! `balance`: which endpoint of a pool takes the next request.

use super::declare::section;
use super::form::{Choice, Form, built, choose};
use super::node::{Kind, Node};
use super::reading::Reading;
use super::request_key::REQUEST_KEY;
use super::section::{Sectioned, key_text};
use super::shape::Shape;
use super::{Diagnostic, suggest};
use crate::value::{Complaint, RequestKey};

/// Which endpoint takes the next request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Balance {
    /// The one with the fewest requests in flight for its weight; among equals, in turn by weight.
    LeastConn,
    /// In turn by weight.
    RoundRobin,
    /// Any, by weight.
    Random,
    /// Of two picked by weight, the one with fewer requests in flight for its weight.
    P2c,
    /// The one that the client's network has.
    IpHash,
    /// The one that this part of the request has, by consistent hashing.
    Hash(RequestKey),
}

impl Choice for Balance {
    const WHAT: &'static str = "a way to balance";
    const WORDS: &'static [(&'static str, Option<Self>)] = &[
        ("least_conn", Some(Balance::LeastConn)),
        ("round_robin", Some(Balance::RoundRobin)),
        ("random", Some(Balance::Random)),
        ("p2c", Some(Balance::P2c)),
        ("ip_hash", Some(Balance::IpHash)),
    ];
}

section! { "`balance`",
    /// The form with settings.
    pub struct WrittenBalance {
        /// What the hash is made of.
        "hash" => hash: RequestKey, required(REQUEST_KEY);
    }
    later []
}

pub(super) const BALANCE: Form<Balance> = Form {
    form: "`least_conn`, `round_robin`, `random`, `p2c`, `ip_hash`, or `{ hash: KEY }`",
    example: "round_robin",
    shape: Shape::OneOf(&[Shape::Choice(built::<Balance>), Shape::Section(&WrittenBalance::SECTION)]),
    read: |node, reading| match &node.kind {
        Kind::Map(entries) => settings(node, entries, reading),
        _ => reading.word(node, Balance::WHAT, |text| match text {
            "hash" => Err(Complaint::new("`hash` needs the part of a request that it goes by")
                .hint("write for example `{ hash: { header: X-Tenant } }` or `{ hash: path }`")),
            _ => choose(text).map_err(|complaint| match suggest::nearest(text, words()) {
                Some(_) => complaint,
                None => complaint.hint(format!("write {}", BALANCE.form)),
            }),
        }),
    },
};

fn words() -> impl Iterator<Item = &'static str> {
    Balance::WORDS.iter().map(|(word, _)| *word)
}

/// The form with settings: only `hash` has any.
fn settings(node: &Node<'_>, entries: &[(Node<'_>, Node<'_>)], reading: &Reading<'_>) -> Option<Balance> {
    if let [(key, _)] = entries {
        let word = key_text(key, reading)?;
        if words().any(|known| known == word) {
            let diagnostic = Diagnostic::error(key.at, format!("`{word}` has no settings"));
            reading.tell(diagnostic.hint(format!("write `balance: {word}`")));
            return None;
        }
    }
    WrittenBalance::read(node, node.at, reading).map(|written| Balance::Hash(written.hash))
}
