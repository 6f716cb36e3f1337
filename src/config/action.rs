//! What a route does with a request: hand it to an upstream or one of several, send the client elsewhere, or answer.

use super::declare::section;
use super::form::{self, Form, number};
use super::node::Kind;
use super::section::key_text;
use super::{Diagnostic, Spanned, SplitConfig};
use crate::value::{Complaint, Segment, Template, Variable, is_token};

/// What happens with a request. Exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ActionConfig {
    /// An endpoint of this upstream answers.
    Upstream(Spanned<Box<str>>),
    /// An endpoint of one of these upstreams answers.
    Split(Box<SplitConfig>),
    /// The client is sent elsewhere.
    Redirect(Box<RedirectConfig>),
    /// The gateway answers.
    Respond(Box<RespondConfig>),
}

impl ActionConfig {
    /// The upstreams that may answer.
    pub fn upstreams(&self) -> impl Iterator<Item = &Spanned<Box<str>>> {
        let (one, split) = match self {
            ActionConfig::Upstream(name) => (Some(name), None),
            ActionConfig::Split(split) => (None, Some(split)),
            ActionConfig::Redirect(_) | ActionConfig::Respond(_) => (None, None),
        };
        one.into_iter().chain(split.into_iter().flat_map(|split| split.to.iter().map(|choice| &choice.upstream)))
    }
}

/// Header names as written, and values.
pub type Headers = Box<[(Box<str>, Box<str>)]>;

section! { "`redirect`",
    /// Sends the client elsewhere.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct RedirectConfig {
        /// The `Location`: a URL, or a path that starts with `/`. May hold `{scheme}`, `{host}`, `{path}`, `{query}` and
        /// `{uri}` (the path, and `?` with the query where there is one). `{host}` has no port, and `{path}` is the whole
        /// path: what a pattern such as `/old/*` matched cannot be taken off, and without `{path}` or `{uri}` nothing of
        /// it is kept.
        "to" => to: Template, required(TO);
        /// The response's status. 308 and 307 keep the method and body, 301 and 302 may turn a POST into a GET, 303 does.
        "status" => status: u16, default(REDIRECT_STATUS, "308");
    }
    later []
}

section! { "`respond`",
    /// Answers without an endpoint.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct RespondConfig {
        /// The response's status.
        "status" => status: u16, default(RESPOND_STATUS, "200");
        /// The whole body, as it stands.
        "body" => body: Box<str>, default(form::TEXT, "\"\"");
        /// Headers of the response, as a map. Those that frame a message are the gateway's own.
        "headers" => headers: Headers, default(HEADERS, "{}");
    }
    later ["body_file"]
}

const TO: Form<Template> = Form {
    form: "text with variables",
    example: "\"https://new.example.com{path}\"",
    read: |node, reading| {
        reading.word(node, "a target", |text| {
            let template = Template::parse(text)?;
            check_target(text, &template)?;
            Ok(template)
        })
    },
};

/// A target must start in a way that no request can turn into another host, and hold nothing a header may not.
fn check_target(text: &str, template: &Template) -> Result<(), Complaint> {
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(
            Complaint::new(format!("a redirect's target holds no `{}`", odd.escape_debug())).hint("percent-encode it")
        );
    }
    let lead = template.leading_literal();
    let second = template.segments.get(1);
    let starts_well = match template.segments.first() {
        Some(Segment::Variable(Variable::Path | Variable::Uri)) => true,
        Some(Segment::Variable(Variable::Scheme)) => {
            matches!(second, Some(Segment::Literal(text)) if text.starts_with("://"))
        }
        Some(Segment::Literal(_)) => {
            let after_scheme = lead.strip_prefix("https://").or_else(|| lead.strip_prefix("http://"));
            match after_scheme {
                Some(host) => !host.starts_with('/') && (!host.is_empty() || second.is_some()),
                None => lead.starts_with('/') && !lead.starts_with("//"),
            }
        }
        _ => false,
    };
    if !starts_well {
        return Err(Complaint::new("a redirect leads to a URL, or to a path that starts with one `/`")
            .hint("write for example `\"https://new.example.com{path}\"` or `\"/new{path}\"`"));
    }
    for pair in template.segments.windows(2) {
        if let [Segment::Literal(before), Segment::Variable(variable @ (Variable::Path | Variable::Uri))] = pair
            && before.ends_with('/')
        {
            let name = variable.name();
            return Err(Complaint::new(format!("`{{{name}}}` starts with a slash of its own"))
                .hint(format!("write `{}`", text.replace(&format!("/{{{name}}}"), &format!("{{{name}}}")))));
        }
    }
    Ok(())
}

const REDIRECT_STATUS: Form<u16> =
    Form {
        form: "`301`, `302`, `303`, `307` or `308`",
        example: "302",
        read: |node, reading| {
            reading.word(node, "a status", |text| match number(text, 100, 999)? {
                status @ (301 | 302 | 303 | 307 | 308) => Ok(status),
                status => Err(Complaint::new(format!("{status} is no status of a redirect"))
                    .hint("write 301, 302, 303, 307 or 308")),
            })
        },
    };

const RESPOND_STATUS: Form<u16> = Form {
    form: "a number from 200 to 599",
    example: "403",
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

const HEADERS: Form<Headers> = Form {
    form: "a map of header names to text",
    example: "{ Content-Type: text/plain }",
    read: |node, reading| {
        let entries = match &node.kind {
            Kind::Map(entries) => entries.as_slice(),
            // The default, as the manual writes it.
            Kind::Text(text) if text == "{}" => &[],
            _ => {
                let message = format!("a map of headers is wanted here, not {}", node.what());
                reading
                    .tell(Diagnostic::error(node.at, message).hint("write for example `{ Content-Type: text/plain }`"));
                return None;
            }
        };
        let mut headers: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
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
        return Err(Complaint::new(format!("`{name}` is not a header name"))
            .hint("letters, digits and dashes make one up, without the colon"));
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
        return Err(Complaint::new("variables in a header's value are not built yet").hint("write a fixed text"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<(), Complaint> {
        check_target(text, &Template::parse(text).expect(text))
    }

    #[test]
    fn a_target_leads_to_a_url_or_a_path() {
        for text in [
            "https://a.example{path}",
            "http://{host}{uri}",
            "{scheme}://www.{host}{uri}",
            "/new{path}",
            "/",
            "{path}",
            "https://a.example/login?from={path}",
        ] {
            assert_eq!(target(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_target_that_a_request_could_turn_elsewhere_is_refused() {
        for text in
            ["", "//a.example", "a.example", "{host}/x", "ftp://a", "/{path}", "https:///x", "{query}", "https://a/ b"]
        {
            assert!(target(text).is_err(), "{text}");
        }
        assert_eq!(target("https://a/{uri}").unwrap_err().hint.as_deref(), Some("write `https://a{uri}`"));
    }

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
