//! How the part of a request that `hash` and `by` go by is written.

use super::form::Form;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::key_text;
use super::shape::{self, Shape};
use super::{Diagnostic, suggest};
use crate::value::{Complaint, RequestKey};

/// The keys that want a name.
const NAMED: [&str; 3] = ["header", "cookie", "query"];

pub(super) const REQUEST_KEY: Form<RequestKey> = Form {
    form: "`{ header: NAME }`, `{ cookie: NAME }`, `{ query: NAME }`, `path`, `uri` or `client_ip`",
    example: "{ header: X-Tenant }",
    shape: Shape::OneOf(&[
        Shape::Choice(|| RequestKey::WORDS.iter().map(|(word, _)| *word).collect()),
        Shape::OneKey(&[
            ("header", Shape::Word(shape::TOKEN)),
            ("cookie", Shape::Word(shape::TOKEN)),
            ("query", Shape::Word(shape::QUERY)),
        ]),
    ]),
    read: |node, reading| match &node.kind {
        Kind::Map(entries) => named(node, entries, reading),
        _ => reading.word(node, "a part of a request", word),
    },
};

fn word(text: &str) -> Result<RequestKey, Complaint> {
    if let Some((_, key)) = RequestKey::WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(key.clone());
    }
    if NAMED.contains(&text) {
        let name = if text == "header" { "X-Tenant" } else { "tenant" };
        return Err(Complaint::new(format!("`{text}` needs a name")).hint(format!("write `{{ {text}: {name} }}`")));
    }
    let complaint = Complaint::new(format!("`{text}` is not a part of a request"));
    let near = match text {
        "ip" | "$remote_addr" | "$binary_remote_addr" | "remote_addr" | "source" => Some("client_ip"),
        "$request_uri" | "$uri" | "url" => Some("uri"),
        _ => suggest::nearest(text, RequestKey::WORDS.iter().map(|(word, _)| *word)),
    };
    Err(match near {
        Some(near) => complaint.hint(format!("did you mean `{near}`?")),
        None => complaint.hint("write `path`, `uri`, `client_ip`, or a name: `{ header: X-Tenant }`"),
    })
}

/// One of the keys with a name.
fn named(node: &Node<'_>, entries: &[(Node<'_>, Node<'_>)], reading: &Reading<'_>) -> Option<RequestKey> {
    let [(key, value)] = entries else {
        let at = entries.get(1).map_or(node.at, |(second, _)| second.at);
        let message = "exactly one part of the request is wanted here";
        reading.tell(Diagnostic::error(at, message).hint("write for example `{ header: X-Tenant }`"));
        return None;
    };
    match key_text(key, reading)? {
        "header" => reading.word(value, "a header's name", RequestKey::header),
        "cookie" => reading.word(value, "a cookie's name", RequestKey::cookie),
        "query" => reading.word(value, "a name in the query", RequestKey::query),
        other => {
            let message = format!("`{other}` is not a part of a request with a name");
            let mut diagnostic = Diagnostic::error(key.at, message);
            diagnostic.hint = match RequestKey::WORDS.iter().any(|(word, _)| *word == other) {
                true => Some(format!("write `{other}` alone")),
                false => suggest::hint(other, NAMED),
            };
            reading.tell(diagnostic);
            None
        }
    }
}
