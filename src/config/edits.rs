//! `headers` of a route: what is changed in the heads of requests and responses.

use super::declare::section;
use super::foreign_variable;
use super::form::Form;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::scope::{Purpose, Scope};
use super::section::{Fields, key_text};
use super::shape::{self, Shape};
use super::slip;
use super::{Diagnostic, Span};
use crate::http::host;
use crate::value::{Complaint, FieldName, Segment, Template};

/// Names, each once, and values.
pub type Edits = Box<[(FieldName, Template)]>;

section! { "`headers` of a route",
    /// What is changed in the heads of requests and responses. Within each, `remove` comes first, then `set`, then `add`.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct HeadersConfig {
        /// In the request, as the upstream gets it, after the gateway's own `X-Forwarded-*`, `X-Real-IP` and `X-Request-Id`. An
        /// error beside `redirect` and `respond`.
        "request" => request: EditsConfig, section(EditsConfig);
        /// In every response to a request of this route, the gateway's own too.
        "response" => response: EditsConfig, section(EditsConfig);
    }
    later []
    checked by some_edit
}

section! { "`request` or `response` of `headers`",
    /// Edits of a head. Headers of the connection and of the message's framing cannot be edited: the gateway writes them
    /// itself. A line whose value comes out empty is not sent: so `set` takes a header out.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct EditsConfig {
        /// Headers that take the place of all of the same name, as a map with variables: `{ X-Real-IP: "{client_ip}" }`. In
        /// requests, `Host` can be set too.
        "set" => set: Edits, default(SET, "{}");
        /// Headers that are added beside those of the same name.
        "add" => add: Edits, default(ADD, "{}");
        /// Headers that are taken out.
        "remove" => remove: Box<[FieldName]>, default(REMOVE, "[]");
    }
    later []
    checked by each_name_once
}

impl EditsConfig {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

fn some_edit(config: &HeadersConfig, fields: &Fields<'_, '_>) {
    if config.request.is_empty() && config.response.is_empty() && fields.are_sound() {
        let diagnostic = Diagnostic::error(fields.owner, "`headers` changes nothing");
        fields
            .reading
            .tell(diagnostic.hint("write for example `{ response: { remove: [Server] } }`, or leave the key out"));
    }
}

/// One edit a name; only what is set may be added to.
fn each_name_once(config: &EditsConfig, fields: &Fields<'_, '_>) {
    if !fields.are_sound() {
        return;
    }
    let places = |key: &str| -> Vec<Span> {
        match fields.get(key).map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries.iter().map(|(key, _)| key.at).collect(),
            Some(Kind::List(items)) => items.iter().map(|item| item.at).collect(),
            _ => Vec::new(),
        }
    };
    for (name, at) in config.remove.iter().zip(places("remove")) {
        for (key, edits) in [("set", &config.set), ("add", &config.add)] {
            if let Some((_, other)) = edits.iter().zip(places(key)).find(|((edited, _), _)| edited == name) {
                let message = format!("`{name}` is removed, and in `{key}` as well");
                fields.reading.tell(Diagnostic::error(at, message).other(other, "here").hint(match key {
                    "set" => "leave it out here: `set` replaces what is there",
                    _ => "leave it out here, and write it in `set`: that replaces what is there",
                }));
            }
        }
    }
}

impl HeadersConfig {
    /// Complains about variables that say nothing on this route; `node` is where this was read from.
    pub(super) fn check(&self, node: &Node<'_>, scope: &Scope<'_>, reading: &Reading<'_>) {
        for (part, purpose, config) in
            [("request", Purpose::Request, &self.request), ("response", Purpose::Response, &self.response)]
        {
            for (key, edits) in [("set", &config.set), ("add", &config.add)] {
                for (name, template) in edits {
                    let map = node.within(part).and_then(|part| part.within(key));
                    let at = map.and_then(|map| map.within(name.as_str())).map_or(node.at, |value| value.at);
                    let host = purpose == Purpose::Request && name.is("host");
                    let fits = if host { check_host(template) } else { Ok(()) };
                    if let Err(complaint) = scope.check(purpose, template.variables()).and(fits) {
                        reading.tell(Diagnostic::complaint(at, complaint));
                    }
                    scope.warn_of_groups(purpose, template, at, reading);
                }
            }
        }
    }
}

/// A `Host` with which every request would be refused.
fn check_host(template: &Template) -> Result<(), Complaint> {
    let is_odd = |c: char| !c.is_ascii_alphanumeric() && !"-._~:[]".contains(c);
    let odd = template.segments.iter().find_map(|segment| match segment {
        Segment::Literal(text) => text.contains(is_odd).then_some(&**text),
        Segment::Variable(_) => None,
    });
    let wrong = match template.fixed() {
        Some(text) => host::parse(text.as_bytes()).is_none().then_some(text),
        None => odd,
    };
    let Some(wrong) = wrong else { return Ok(()) };
    let written = template.to_string();
    let bare = written.split_once("://").map_or(&*written, |(_, rest)| rest);
    let bare = bare.split(['/', '?', '#']).next().unwrap_or(bare);
    let port = bare
        .rsplit_once(':')
        .filter(|(name, port)| port.bytes().all(|b| b.is_ascii_digit()) && host::parse(name.as_bytes()).is_some());
    let is_good = |text: &str| match Template::parse(text) {
        Ok(template) if template.fixed().is_some() => host::parse(text.as_bytes()).is_some(),
        Ok(_) => !text.contains(|c| is_odd(c) && c != '{' && c != '}'),
        Err(_) => false,
    };
    let complaint = Complaint::new(match wrong {
        "" => "`Host` is empty: every request would be refused".to_owned(),
        _ if template.fixed().is_some() => format!("`{wrong}` is no host: every request would be refused"),
        _ => format!("no host holds `{wrong}`: every request would be refused"),
    });
    Err(complaint.hint(match (foreign_variable::nginx_variable(&written), port) {
        (Some((_, here)), _) => format!("write `{{{here}}}`"),
        (None, _) if bare != written && is_good(bare) => format!("write `{bare}`"),
        (None, Some(_)) => "a port is a number up to 65535".to_owned(),
        (None, None) => "write a name or an address, such as `x.internal` or `x.internal:8080`".to_owned(),
    }))
}

const SET: Form<Edits> = Form {
    form: "a map of header names to text with variables",
    example: "{ X-Real-IP: \"{client_ip}\" }",
    shape: Shape::Map(shape::TOKEN, &Shape::Text, 0),
    read: |node, reading| edits(node, reading, false),
};

const ADD: Form<Edits> = Form {
    form: "a map of header names to text with variables",
    example: "{ X-Via: wharf }",
    shape: Shape::Map(shape::TOKEN, &Shape::Text, 0),
    read: |node, reading| edits(node, reading, true),
};

const REMOVE: Form<Box<[FieldName]>> = Form {
    form: "a list of header names",
    example: "[Cookie]",
    shape: Shape::Set(&Shape::Word(shape::TOKEN), 0),
    read: |node, reading| {
        let items = reading.list(node, "a list of header names")?;
        let mut names: Vec<FieldName> = Vec::with_capacity(items.len());
        for item in items {
            let Some(name) = reading.word(item, "a header's name", |text| editable(text, true)) else { continue };
            if names.contains(&name) {
                let diagnostic = Diagnostic::error(item.at, format!("`{name}` is listed twice"));
                reading.tell(diagnostic.hint("leave one of the two out"));
            } else {
                names.push(name);
            }
        }
        Some(names.into())
    },
};

fn edits(node: &Node<'_>, reading: &Reading<'_>, adds: bool) -> Option<Edits> {
    let entries = match &node.kind {
        Kind::Map(entries) => entries,
        _ => {
            let message = format!("a map of headers is wanted here, not {}", node.what());
            reading
                .tell(Diagnostic::error(node.at, message).hint("write for example `{ X-Real-IP: \"{client_ip}\" }`"));
            return None;
        }
    };
    let mut edits: Vec<(FieldName, Template)> = Vec::with_capacity(entries.len());
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
        let Some(text) = key_text(key, reading) else { continue };
        let name = match editable(text, adds) {
            Ok(name) => Some(name),
            Err(complaint) => {
                reading.tell(Diagnostic::complaint(key.at, complaint));
                None
            }
        };
        let template = match &value.kind {
            Kind::Empty => {
                let diagnostic = Diagnostic::error(key.at, format!("`{text}` has no value")).label("nothing after it");
                reading.tell(diagnostic.hint("write a text, or its name below `remove`"));
                None
            }
            _ => reading.template(value, "a header's value", self::value),
        };
        let Some(name) = name else { continue };
        if edits.iter().any(|(other, _)| *other == name) {
            reading.tell(
                Diagnostic::error(key.at, format!("the header `{text}` is written twice"))
                    .hint("leave one of the two out: case does not tell names apart"),
            );
        } else if let Some(template) = template {
            edits.push((name, template));
        }
    }
    Some(edits.into())
}

/// Headers that the gateway writes itself, and why.
const OWN: [(&str, &str); 9] = [
    ("connection", "it speaks of one connection, and the gateway has two"),
    ("content-length", "it says where the body ends, which the gateway sees to"),
    ("expect", "the gateway answers it itself"),
    ("keep-alive", "it speaks of one connection, and the gateway has two"),
    ("proxy-connection", "it speaks of one connection, and the gateway has two"),
    ("te", "it speaks of one connection, and the gateway has two"),
    ("trailer", "it says how the message ends, which the gateway sees to"),
    ("transfer-encoding", "it says where the body ends, which the gateway sees to"),
    ("upgrade", "the route's `upgrade` says what a connection may become"),
];

/// A name that may be edited.
fn editable(text: &str, beside_set: bool) -> Result<FieldName, Complaint> {
    let name = FieldName::parse(text)?;
    if let Some((_, because)) = OWN.iter().find(|(own, _)| name.is(own)) {
        return Err(Complaint::new(format!("`{text}` cannot be edited: {because}")).hint("leave it out"));
    }
    if beside_set && name.is("host") {
        return Err(Complaint::new("a request has exactly one `Host`").hint("write it below `set` to replace it"));
    }
    Ok(name)
}

fn value(text: &str) -> Result<Template, Complaint> {
    if let Some(odd) = text.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(Complaint::new(format!("a header's value holds no `{}`", odd.escape_debug()))
            .hint("write every header as an entry of its own"));
    }
    if text.trim_matches([' ', '\t']) != text {
        return Err(Complaint::new("a header's value neither starts nor ends with a blank")
            .hint(format!("write `{}`", text.trim())));
    }
    Template::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_and_of_framing_stay() {
        for (own, _) in OWN {
            assert!(editable(own, false).is_err() && editable(&own.to_ascii_uppercase(), true).is_err(), "{own}");
        }
        assert!(editable("Host", false).is_ok() && editable("host", true).is_err());
        for name in ["X-Real-IP", "Cookie", "Server", "Date"] {
            assert!(editable(name, true).is_ok(), "{name}");
        }
    }

    #[test]
    fn values_hold_variables_and_nothing_that_ends_a_line() {
        for text in ["", "{client_ip}", "a\tb", "{{\"group\":\"x\"}}"] {
            assert!(value(text).is_ok(), "{text}");
        }
        for text in ["a\r\nb", " a", "{nope}", "{\"group\":\"x\"}"] {
            assert!(value(text).is_err(), "{text}");
        }
    }
}
