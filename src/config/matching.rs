//! `match`: which requests a route takes.

use super::Diagnostic;
use super::advice;
use super::declare::section;
use super::form::{self, Form};
use super::node::{Kind, Node};
use super::reading::Reading;
use super::route_lints::{COLON_SEGMENT, UNKNOWN_METHOD};
use super::section::{Fields, key_text};
use super::shape::{self, Shape};
use crate::value::{Complaint, FieldName, FieldPattern, HostPattern, PathPattern, RequestKey, is_identifier, suggest};

/// Names, sorted, each once, and what their values must be.
pub type Conditions<N> = Box<[(N, FieldPattern)]>;

section! { "`match`",
    /// Which requests a route takes: those that match all of it.
    #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct MatchConfig {
        /// The host asked for, without port, in any case: a name, or `*.` and a name for all names below it, however
        /// deep, but not for that name itself. Left out: every host.
        "host" => host: Option<HostPattern>, optional(form::HOST);
        /// The path: `/x` exactly; `/x/*` for `/x` and all below it; `/x*` for all that starts so; `/x/{id}/y` with one
        /// segment of any name in place of `{id}`, which `{capture.id}` inserts elsewhere; `~ ^/x/(?<id>[0-9]+)$`, in single
        /// quotes, for all in which a regular expression finds something. Compared with the request's path in its normal form.
        "path" => path: PathPattern, default(form::PATH, "/*");
        /// The methods, in capitals; `GET` is `HEAD` too. A path that has routes, but none for the request's method, is
        /// answered 405, with those that would do in `Allow`.
        /// `CONNECT` and `TRACE` are never forwarded. Left out: every method.
        "methods" => methods: Option<Box<[Box<str>]>>, optional(METHODS);
        /// Headers that the request has, at most 16, each with what its value is: text for exactly this, `*` for any, `~ `
        /// and a regular expression for what it finds. The name's case does not matter, the value's does. Several lines of
        /// one name are one value, joined by `, `. What says who the client is (`X-Forwarded-*`, `X-Real-IP` and the like) is
        /// not there unless one of the `trusted_proxies` sent it.
        "headers" => headers: Conditions<FieldName>, default(HEADERS, "{}");
        /// Parts of the query, at most 16, each with what its value is, as for `headers`. Compared as the client wrote them,
        /// percent-encoded where they were; of a part that is repeated, the first one. Neither headers nor the query guard
        /// anything: a client can write them in other ways that its service reads alike. Guard with the path.
        "query" => query: Conditions<Box<str>>, default(QUERY, "{}");
    }
    later []
    checked by some_condition
}

/// An empty map looks as if it said something.
fn some_condition(config: &MatchConfig, fields: &Fields<'_, '_>) {
    if let Some(path) = fields.get("path") {
        colon_segment(&config.path, path, fields.reading);
        advice::path_of_route(&config.path, path.at, fields.reading);
    }
    for (name, example) in [("headers", HEADERS.example), ("query", QUERY.example)] {
        if let Some(node) = fields.get(name)
            && matches!(&node.kind, Kind::Map(entries) if entries.is_empty())
        {
            let diagnostic = Diagnostic::error(node.at, format!("an empty `{name}` sets no condition"));
            fields.reading.tell(diagnostic.hint(format!("write for example `{example}`, or leave the key out")));
        }
    }
}

fn colon_segment(path: &PathPattern, node: &Node<'_>, reading: &Reading<'_>) {
    let name = |segment: &&str| segment.strip_prefix(':').is_some_and(is_identifier);
    if let Some(segment) = path.segments().find(name) {
        let right = format!("/{{{}}}", segment.trim_start_matches(':'));
        reading.tell(
            Diagnostic::warning(&COLON_SEGMENT, node.at, format!("`{segment}` stands for itself"))
                .label("only a path with this colon matches")
                .hint(format!("write `{}`", path.to_string().replacen(&format!("/{segment}"), &right, 1))),
        );
    }
}

/// The most headers or parts of the query of one route.
const CONDITIONS_MAX: usize = 16;

const METHODS: Form<Box<[Box<str>]>> = Form {
    form: "a list of methods",
    example: "[GET, POST]",
    shape: Shape::Set(&Shape::Word(r"^[^a-z\s]+$"), 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of methods")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::error(node.at, "a route for no method takes no request");
            reading.tell(diagnostic.hint("name a method, or leave the key out for all of them"));
        }
        let mut methods: Vec<Box<str>> = Vec::with_capacity(items.len());
        for item in items {
            let Some(method) = reading.word(item, "a method", method) else { continue };
            if methods.contains(&method) {
                let diagnostic = Diagnostic::error(item.at, format!("`{method}` is listed twice"));
                reading.tell(diagnostic.hint("leave one of the two out"));
            } else {
                if !KNOWN.contains(&&*method)
                    && let Some(near) = suggest::nearest(&method, KNOWN)
                {
                    let message = format!("no usual method is called `{method}`");
                    let warning = Diagnostic::warning(&UNKNOWN_METHOD, item.at, message);
                    reading.tell(warning.hint(format!("did you mean `{near}`?")));
                }
                methods.push(method);
            }
        }
        methods.sort_unstable();
        Some(methods.into())
    },
};

/// Methods that are mostly meant: what is spelt nearly so is probably a slip.
const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fn method(text: &str) -> Result<Box<str>, Complaint> {
    if text == "*" || text.eq_ignore_ascii_case("any") || text.eq_ignore_ascii_case("all") {
        return Err(Complaint::new(format!("`{text}` is not a method")).hint("leave `methods` out for all of them"));
    }
    // tokens may hold more, but no method that anybody knows does
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
        let words: Vec<String> = text.split(['|', ',', ' ']).map(|word| word.trim().to_ascii_uppercase()).collect();
        let several = words.len() > 1 && words.iter().all(|word| word.bytes().all(|b| b.is_ascii_uppercase()));
        return Err(Complaint::new(format!("`{text}` is not a method")).hint(match several {
            true => format!("write them one by one: `{}`", words.join(", ")),
            false => "write for example `GET`".to_owned(),
        }));
    }
    let upper = text.to_ascii_uppercase();
    if upper == "CONNECT" || upper == "TRACE" {
        return Err(Complaint::new(format!("{upper} is never forwarded")).hint("leave it out"));
    }
    match upper == text {
        true => Ok(text.into()),
        false => Err(Complaint::new("methods are written in capitals").hint(format!("write `{upper}`"))),
    }
}

const HEADERS: Form<Conditions<FieldName>> = Form {
    form: "a map of header names to values",
    example: "{ X-Canary: \"1\" }",
    shape: Shape::Map(shape::TOKEN, &Shape::Text, 1),
    read: |node, reading| conditions(node, reading, "{ X-Canary: \"1\" }", header_name, header_value),
};

const QUERY: Form<Conditions<Box<str>>> = Form {
    form: "a map of names in the query to values",
    example: "{ v: \"2\" }",
    shape: Shape::Map(shape::QUERY, &Shape::Text, 1),
    read: |node, reading| conditions(node, reading, "{ v: \"2\" }", query_name, query_value),
};

/// A map of names with patterns, sorted by name.
fn conditions<N: Ord>(
    node: &Node<'_>,
    reading: &Reading<'_>,
    example: &str,
    name: fn(&str) -> Result<N, Complaint>,
    value: fn(&str) -> Result<FieldPattern, Complaint>,
) -> Option<Conditions<N>> {
    let entries = match &node.kind {
        Kind::Map(entries) => entries,
        _ => {
            let message = format!("a map of names to values is wanted here, not {}", node.what());
            reading.tell(Diagnostic::error(node.at, message).hint(format!("write for example `{example}`")));
            return None;
        }
    };
    if let Some((key, _)) = entries.get(CONDITIONS_MAX) {
        let diagnostic =
            Diagnostic::error(key.at, format!("a route has at most {CONDITIONS_MAX} conditions of a kind"));
        reading.tell(diagnostic.hint("leave out what the others imply"));
    }
    let mut conditions: Vec<(N, FieldPattern)> = Vec::with_capacity(entries.len());
    for (key, pattern) in entries {
        let Some(text) = key_text(key, reading) else { continue };
        let name = match name(text) {
            Ok(name) => Some(name),
            Err(complaint) => {
                reading.tell(Diagnostic::complaint(key.at, complaint));
                None
            }
        };
        let pattern = match &pattern.kind {
            Kind::Empty => {
                let diagnostic = Diagnostic::error(key.at, format!("`{text}` has no value"));
                reading.tell(
                    diagnostic
                        .label("nothing after it")
                        .hint("write `\"*\"` for any value, or `\"\"` for an empty one"),
                );
                None
            }
            _ => reading.word(pattern, "a value", value),
        };
        if let Some(name) = name {
            if conditions.iter().any(|(other, _)| *other == name) {
                let diagnostic = Diagnostic::error(key.at, format!("`{text}` is written twice"));
                reading.tell(diagnostic.hint("several values of one name are one expression: `~ ^(a|b)$`"));
            } else if let Some(pattern) = pattern {
                conditions.push((name, pattern));
            }
        }
    }
    conditions.sort_unstable();
    Some(conditions.into())
}

/// Headers that speak of the connection, not of the request.
const OF_THE_CONNECTION: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

fn header_name(text: &str) -> Result<FieldName, Complaint> {
    let name = FieldName::parse(text)?;
    if name.is("host") {
        return Err(Complaint::new("the host is no header to match").hint("write it as `host`, beside `path`"));
    }
    if OF_THE_CONNECTION.iter().any(|other| name.is(other)) {
        return Err(
            Complaint::new(format!("`{text}` speaks of the connection, not of the request")).hint("leave it out")
        );
    }
    Ok(name)
}

fn header_value(text: &str) -> Result<FieldPattern, Complaint> {
    if let Some(odd) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(Complaint::new(format!("a header's value holds no `{}`", odd.escape_debug())));
    }
    if text.trim_matches([' ', '\t']) != text {
        return Err(Complaint::new("a header's value neither starts nor ends with a blank")
            .hint(format!("write `{}`", text.trim())));
    }
    FieldPattern::parse(text)
}

fn query_name(text: &str) -> Result<Box<str>, Complaint> {
    RequestKey::query(text).map(|_| text.into())
}

fn query_value(text: &str) -> Result<FieldPattern, Complaint> {
    let pattern = FieldPattern::parse(text)?;
    if let FieldPattern::Exact(value) = &pattern
        && let Some(odd) = value.chars().find(|c| !c.is_ascii_graphic() || "&#".contains(*c))
    {
        let mut utf8 = [0; 4];
        let escaped: String = odd.encode_utf8(&mut utf8).bytes().map(|b| format!("%{b:02X}")).collect();
        return Err(Complaint::new(format!("`{}` arrives percent-encoded in a query", odd.escape_debug()))
            .hint(format!("write `{}`", value.replace(odd, &escaped))));
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_tokens_in_capitals_that_are_forwarded() {
        assert_eq!(method("GET").as_deref(), Ok("GET"));
        assert_eq!(method("M-SEARCH").as_deref(), Ok("M-SEARCH"));
        for (text, hint) in [
            ("get", "write `GET`"),
            ("*", "leave `methods` out for all of them"),
            ("TRACE", "leave it out"),
            ("connect", "leave it out"),
            ("GET POST", "write them one by one: `GET, POST`"),
            ("get|put", "write them one by one: `GET, PUT`"),
            ("G/T", "write for example `GET`"),
            ("", "write for example `GET`"),
        ] {
            assert_eq!(method(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
    }

    #[test]
    fn conditions_that_no_request_can_meet_are_refused() {
        for name in ["Host", "connection", "TE", "a b", ""] {
            assert!(header_name(name).is_err(), "{name}");
        }
        for value in ["a ", "\na"] {
            assert!(header_value(value).is_err(), "{value}");
        }
        assert_eq!(query_value("a b").unwrap_err().hint.as_deref(), Some("write `a%20b`"));
        assert!(query_value("~ a b").is_ok());
        assert!(query_name("a=b").is_err());
    }
}
