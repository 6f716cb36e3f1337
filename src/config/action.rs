//! What a route does with a request: hand it to an upstream or one of several, send the client elsewhere, or answer.

use super::declare::section;
use super::form::{Form, number};
use super::node::Node;
use super::reading::Reading;
use super::route::WrittenRoute;
use super::section::{Sectioned, key_text};
use super::shape::Shape;
use super::{Diagnostic, RespondConfig, Spanned, SplitConfig};
use crate::value::{Complaint, Segment, Template, Variable};

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
    /// Whether an upstream answers.
    pub fn forwards(&self) -> bool {
        matches!(self, ActionConfig::Upstream(_) | ActionConfig::Split(_))
    }

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

const ACTIONS: [&str; 4] = ["upstream", "split", "redirect", "respond"];
const ACTIONS_TO_COME: [&str; 1] = ["enqueue"];

/// Exactly one action, and nothing beside it that only another action would obey.
pub(super) fn check(node: &Node<'_>, reading: &Reading<'_>) {
    let present: Vec<_> = ACTIONS.iter().chain(&ACTIONS_TO_COME).filter_map(|name| node.key(name)).collect();
    match present.as_slice() {
        [] if WrittenRoute::SECTION.misspells(node, &ACTIONS) => {}
        [] => reading.tell(
            Diagnostic::error(reading.first_line(node.at), "a route needs an action")
                .hint("write one of `upstream`, `split`, `redirect` and `respond`"),
        ),
        [only] => {
            let action = key_text(only, reading).unwrap_or_default();
            if matches!(action, "redirect" | "respond") {
                let request = node.within("headers").and_then(|headers| headers.key("request"));
                let names = ["rewrite", "errors", "timeouts", "retries", "request", "upgrade"];
                let useless = names.into_iter().filter_map(|name| Some((name, node.key(name)?)));
                for (name, useless) in useless.chain(request.map(|request| ("headers.request", request))) {
                    reading.tell(
                        Diagnostic::error(useless.at, format!("`{name}` has no effect beside `{action}`"))
                            .other(only.at, "no endpoint is asked on this route")
                            .hint("leave it out"),
                    );
                }
            }
        }
        [first, second, ..] => reading.tell(
            Diagnostic::error(second.at, "a route has exactly one action")
                .label("a second one")
                .other(first.at, "the first one")
                .hint("make two routes of it, or leave one out"),
        ),
    }
}

section! { "`redirect`",
    /// Sends the client elsewhere.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct RedirectConfig {
        /// The `Location`: a URL, or a path that starts with `/`. May hold every variable but `{status}` and `{upstream}`, the
        /// host no other than `{host}`. `{host}` has no port, and `{path}` is the whole path: what a pattern such as `/old/*`
        /// matched cannot be taken off (write the path as `/old/{page}`, and `{capture.page}` here). Without `{path}` or
        /// `{uri}` (the path, and `?` with the query where there is one) nothing of it is kept.
        "to" => to: Template, required(TO);
        /// The response's status. 308 and 307 keep the method and body, 301 and 302 may turn a POST into a GET, 303 does.
        "status" => status: u16, default(REDIRECT_STATUS, "308");
    }
    later []
}

const TO: Form<Template> = Form {
    form: "text with variables",
    example: "\"https://new.example.com{path}\"",
    shape: Shape::Word(r"^(/|https?://|\{(path|uri|scheme)\})[!-~]*$"),
    read: |node, reading| {
        reading.template(node, "a target", |text| {
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
    check_host(template)?;
    for pair in template.segments.windows(2) {
        if let [Segment::Literal(before), Segment::Variable(variable @ (Variable::Path | Variable::Uri))] = pair
            && before.ends_with('/')
        {
            let words = variable.to_string();
            return Err(Complaint::new(format!("`{words}` starts with a slash of its own"))
                .hint(format!("write `{}`", text.replace(&format!("/{words}"), &words))));
        }
    }
    Ok(())
}

/// Nothing that a client sends may choose the host it is sent to, but the host that it asked for.
fn check_host(template: &Template) -> Result<(), Complaint> {
    const FREE: char = '\0';
    let is_free =
        |variable: &Variable| !matches!(variable, Variable::Path | Variable::Uri | Variable::Host | Variable::Scheme);
    // the shape of what may come out
    let mut shape = String::new();
    for segment in &template.segments {
        match segment {
            Segment::Literal(text) => shape.push_str(text),
            Segment::Variable(Variable::Path | Variable::Uri) => shape.push('/'),
            Segment::Variable(variable) => shape.push(if is_free(variable) { FREE } else { 'x' }),
        }
    }
    let deciding = match (shape.strip_prefix('/'), shape.split_once("://")) {
        // a second slash, or what browsers take for one, would start a host
        (Some(rest), _) => rest.get(..1).unwrap_or(""),
        (None, Some((_, rest))) => rest.split(['/', '?', '#']).next().unwrap_or(""),
        (None, None) => "",
    };
    match template.variables().find(|variable| is_free(variable)) {
        Some(variable) if deciding.contains(FREE) => {
            Err(Complaint::new(format!("with `{variable}` there, a client could choose the host"))
                .hint("put a fixed text before it, such as `https://new.example.com/` or `/new/`"))
        }
        _ => Ok(()),
    }
}

const REDIRECT_STATUS: Form<u16> =
    Form {
        form: "`301`, `302`, `303`, `307` or `308`",
        example: "302",
        shape: Shape::Choice(|| vec!["301", "302", "303", "307", "308"]),
        read: |node, reading| {
            reading.word(node, "a status", |text| match number(text, 100, 999)? {
                status @ (301 | 302 | 303 | 307 | 308) => Ok(status),
                status => Err(Complaint::new(format!("{status} is no status of a redirect"))
                    .hint("write 301, 302, 303, 307 or 308")),
            })
        },
    };

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
            "https://a.example/{query.page}",
            "https://a.example?{query}",
            "https://{host}/{header.X-Tenant}",
            "/new/{capture.id}",
            "/new{query}",
        ] {
            assert_eq!(target(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_target_that_a_request_could_turn_elsewhere_is_refused() {
        for text in [
            "",
            "//a.example",
            "a.example",
            "{host}/x",
            "ftp://a",
            "/{path}",
            "https:///x",
            "{query}",
            "https://a/ b",
            "https://{header.X-Tenant}.example.com/",
            "{scheme}://a.example{query}",
            "https://a.example:{capture.port}/",
            "/{query.to}",
            "{path}{header.X}",
        ] {
            assert!(target(text).is_err(), "{text}");
        }
        assert_eq!(target("https://a/{uri}").unwrap_err().hint.as_deref(), Some("write `https://a{uri}`"));
    }
}
