//! `respond`: an answer without an endpoint.

use super::Diagnostic;
use super::body_file::{BODY_FILE, BodyFile};
use super::declare::section;
use super::foreign_variable;
use super::form::{self, Form, number};
use super::node::Kind;
use super::route_lints::LITERAL_VARIABLE;
use super::section::{Fields, Sectioned, key_text};
use super::shape::{self, Shape};
use super::slip;
use crate::value::{Complaint, is_token, not_a_name};
use std::sync::Arc;

/// Header names as written, and values.
pub type Headers = Box<[(Box<str>, Box<str>)]>;

/// An answer without an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RespondConfig {
    /// The response's status.
    pub status: u16,
    /// The whole body. Of a file, shared by all that name it.
    pub body: Arc<[u8]>,
    /// Headers of the response. Of a body from a file, its type is among them.
    pub headers: Headers,
}

section! { "`respond`",
    /// Answers without an endpoint.
    pub struct WrittenRespond {
        /// The response's status.
        "status" => status: u16, default(STATUS, "200");
        /// The whole body, as it stands. Left out, and without `body_file`, the body is empty.
        "body" => body: Option<Box<str>>, optional(form::TEXT);
        /// A file whose text is the whole body: at most 1 MiB of UTF-8, read with the document and part of it, so that a change of
        /// the file is a change of the configuration. Its path counts from the directory of the file in which it is written. Unless
        /// `headers` say otherwise, `Content-Type` follows from its name's end: `html`, `json`, `txt`, `xml`, `svg`, `css`, else
        /// `application/octet-stream`.
        "body_file" => body_file: Option<BodyFile>, optional(BODY_FILE);
        /// Headers of the response, as a map of fixed texts. Those that frame a message are the gateway's own.
        "headers" => headers: Headers, default(HEADERS, "{}");
    }
    later []
    checked by one_body
}

/// One body, and none where the status ends at its head.
fn one_body(config: &WrittenRespond, fields: &Fields<'_, '_>) {
    let WrittenRespond { status, body, body_file, headers: _ } = config;
    check_body(*status, body.as_deref(), body_file.as_ref(), fields);
}

/// One body, and none where the status ends at its head.
pub(super) fn check_body(status: u16, body: Option<&str>, file: Option<&BodyFile>, fields: &Fields<'_, '_>) {
    if let (Some(text), Some(node)) = (body, fields.get("body"))
        && let Some(variable) = foreign_variable::variable_in_plain_text(text)
    {
        fields.reading.tell(
            Diagnostic::warning(&LITERAL_VARIABLE, node.at, format!("`{variable}` stands for itself in a body"))
                .label("nothing is inserted")
                .hint("write it in a header, below `headers.response` of the route"),
        );
    }
    if let (Some(body), Some(file)) = (fields.place("body"), fields.place("body_file")) {
        fields.reading.tell(
            Diagnostic::error(file, "a response has exactly one body")
                .label("a second one")
                .other(body, "the first one")
                .hint("leave one of the two out"),
        );
    } else if matches!(status, 204 | 205 | 304) && (body.is_some_and(|body| !body.is_empty()) || file.is_some()) {
        let name = if body.is_some() { "body" } else { "body_file" };
        let at = fields.place(name).unwrap_or(fields.owner);
        fields.reading.tell(
            Diagnostic::error(at, format!("a response with status {status} has no body"))
                .hint(format!("leave `{name}` out, or write another status")),
        );
    }
}

impl WrittenRespond {
    fn finish(self) -> RespondConfig {
        let WrittenRespond { status, body, body_file, headers } = self;
        let (body, headers) = body_of(body, body_file, headers);
        RespondConfig { status, body: body.unwrap_or_else(|| [].into()), headers }
    }
}

/// A body, wherever it comes from, and the headers with its type.
pub(super) fn body_of(
    body: Option<Box<str>>,
    file: Option<BodyFile>,
    headers: Headers,
) -> (Option<Arc<[u8]>>, Headers) {
    let Some(BodyFile { bytes, content_type }) = file else {
        return (body.map(|body| body.as_bytes().into()), headers);
    };
    if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        return (Some(bytes), headers);
    }
    let headers = headers.into_iter().chain([("Content-Type".into(), content_type.into())]).collect();
    (Some(bytes), headers)
}

pub(super) const RESPOND: Form<RespondConfig> = Form {
    form: "section",
    example: "{ … }",
    shape: Shape::Section(&WrittenRespond::SECTION),
    read: |node, reading| WrittenRespond::read(node, node.at, reading).map(WrittenRespond::finish),
};

pub(super) const STATUS: Form<u16> = Form {
    form: "a number from 200 to 599",
    example: "403",
    shape: Shape::Number(200, 599),
    read: |node, reading| reading.word(node, "a status", |text| number(text, 200, 599)),
};

/// Headers the gateway writes itself, since a wrong one would break the message or the connection.
const OWN_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) const HEADERS: Form<Headers> = Form {
    form: "a map of header names to text",
    example: "{ Content-Type: text/plain }",
    shape: Shape::Map(shape::TOKEN, &Shape::Text, 0),
    read: |node, reading| {
        let entries = match &node.kind {
            Kind::Map(entries) => entries.as_slice(),
            _ => {
                let message = format!("a map of headers is wanted here, not {}", node.what());
                reading
                    .tell(Diagnostic::error(node.at, message).hint("write for example `{ Content-Type: text/plain }`"));
                return None;
            }
        };
        let mut headers: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(entries.len());
        let mut listed = 0;
        for (at, (key, value)) in entries.iter().enumerate() {
            if at < listed {
                continue;
            }
            if let Some((diagnostic, next)) = slip::text_with_commas(entries, at, reading) {
                reading.tell(diagnostic);
                listed = next;
                continue;
            }
            let Some(name) = key_text(key, reading) else { continue };
            if let Err(complaint) = check_header_name(name) {
                reading.tell(Diagnostic::complaint(key.at, complaint));
            } else if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                reading.tell(Diagnostic::error(key.at, format!("the header `{name}` is written twice")));
            }
            if let Some(value) = reading.word(value, "a header's value", check_header_value) {
                headers.push((name.into(), value));
            }
        }
        Some(headers.into())
    },
};

fn check_header_name(name: &str) -> Result<(), Complaint> {
    if !is_token(name) {
        return Err(not_a_name(name));
    }
    if OWN_HEADERS.contains(&&*name.to_ascii_lowercase()) {
        return Err(Complaint::new(format!("the gateway writes `{name}` itself")).hint("leave it out"));
    }
    Ok(())
}

fn check_header_value(text: &str) -> Result<Box<str>, Complaint> {
    if let Some(odd) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(Complaint::new(format!("a header's value holds no `{}`", odd.escape_debug())));
    }
    if text.trim() != text {
        return Err(Complaint::new("a header's value neither starts nor ends with a blank"));
    }
    // Text such as `{"group":"x"}` is no variable, and stays what it is.
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).any(|(name, _)| word(name)) {
        return Err(Complaint::new("the headers of `respond` are fixed texts, without variables")
            .hint("write it below `headers: { response: { set: … } }` of the route: there they are inserted"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_frame_a_message_are_refused() {
        for name in ["Content-Length", "transfer-encoding", "Connection", "", "a b", "a:", "ø"] {
            assert!(check_header_name(name).is_err(), "{name}");
        }
        assert_eq!(check_header_name("Content-Type"), Ok(()));
        assert!(check_header_value("a\r\nb").is_err());
        assert!(check_header_value("from {client_ip}").is_err());
        assert!(check_header_value("{\"group\":\"x\"}").is_ok());
    }
}
