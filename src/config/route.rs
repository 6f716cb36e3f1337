//! `routes`: which requests go where.

use super::action::{self, ActionConfig, RedirectConfig};
use super::declare::section;
use super::error_pages::{ERRORS, ErrorPageConfig, WrittenErrorPage};
use super::expand::expand;
use super::form::{self, Choice, Form, NAME, choices};
use super::node::{Kind, Node};
use super::reading::Reading;
use super::respond::{RESPOND, RespondConfig, WrittenRespond};
use super::rewrite::{REWRITE, RewriteConfig, WrittenRewrite};
use super::scope::{Purpose, Scope};
use super::section::Sectioned;
use super::shape::Shape;
use super::split::SPLIT;
use super::{
    DefaultsConfig, Diagnostic, HeadersConfig, MatchConfig, RequestConfig, RetriesConfig, RouteRetriesConfig, Span,
    Spanned, SplitConfig, TimeoutsConfig,
};
use crate::value::{Complaint, Limit, PathPattern, Size};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// One route: what it matches, and what happens then. Routes are equal wherever they stand.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// Where the route stands.
    pub at: Span,
    /// Its name in logs and metrics, if written; see [`RouteConfig::name`].
    pub name: Option<Spanned<Box<str>>>,
    /// Which requests it takes.
    pub matches: MatchConfig,
    /// Among routes for the same host, a higher one is asked first.
    pub priority: i32,
    /// Listeners whose requests it takes; `None` is all of them.
    pub listeners: Option<Box<[Spanned<Box<str>>]>>,
    /// What happens with a request.
    pub action: ActionConfig,
    /// What path is forwarded in place of the client's.
    pub rewrite: Option<Box<RewriteConfig>>,
    /// What is changed in heads.
    pub headers: Option<Box<HeadersConfig>>,
    /// What clients get in place of errors; no status is in two of them.
    pub errors: Box<[ErrorPageConfig]>,
    /// Own timeouts, over the defaults'.
    pub timeouts: RouteTimeoutsConfig,
    /// Own retries, over the defaults'.
    pub retries: RouteRetriesConfig,
    /// Own request limits, over the defaults'.
    pub request: RouteRequestConfig,
    /// Protocols a client may switch to; empty refuses every upgrade.
    pub upgrade: Box<[Upgrade]>,
    /// Whether its text was without fault, so that it can be compared with others.
    pub(super) sound: bool,
}

section! { "a route",
    /// Which requests go where. Their order means nothing: the most specific match wins. The host is compared first: a
    /// full name before `*.` patterns, the longest of these first, before routes without `host`; only where no route of a
    /// host matches the whole request is the next one asked. Among the routes of one host the higher `priority` comes
    /// first; then the path, segment by segment: a literal before `{x}` before `/x*` before `/*`, a regular expression
    /// last; then a route with `methods` before one without; then the one with more `headers`, then with more `query`.
    /// Two routes between which this leaves no rule, and which one request could match, are an error.
    pub struct WrittenRoute {
        /// What logs and metrics call it. Left out, it is the route's host and path.
        "name" => name: Option<Spanned<Box<str>>>, optional(NAME);
        /// Which requests it takes: those that match all of it.
        "match" => matches: Option<MatchConfig>, needed_section(MatchConfig, "{ path: /* }");
        /// Which of several routes for the same host is asked first, before their paths are compared: the one with the higher
        /// number. Two regular expressions that one path can match need different ones.
        "priority" => priority: i32, default(PRIORITY, "0");
        /// Listeners whose requests it takes. Left out: all.
        "listeners" => listeners: Option<Box<[Spanned<Box<str>>]>>, optional(LISTENERS);
        /// The upstream that answers. A route needs exactly one of `upstream`, `split`, `redirect` and `respond`.
        "upstream" => upstream: Option<Spanned<Box<str>>>, optional(NAME);
        /// Divides the requests among upstreams, in place of `upstream`.
        "split" => split: Option<SplitConfig>, optional_within(SPLIT, SplitConfig);
        /// Sends the client elsewhere, in place of `upstream`.
        "redirect" => redirect: Option<RedirectConfig>, optional_section(RedirectConfig);
        /// Answers without an endpoint, in place of `upstream`.
        "respond" => respond: Option<RespondConfig>, optional_within(RESPOND, WrittenRespond);
        /// What path is forwarded in place of the client's. An error beside `redirect` and `respond`.
        "rewrite" => rewrite: Option<WrittenRewrite>, optional_within(REWRITE, WrittenRewrite);
        /// What is changed in the heads of requests and responses.
        "headers" => headers: Option<HeadersConfig>, optional_section(HeadersConfig);
        /// What a client gets in place of errors with some statuses. An error beside `redirect` and `respond`, as are the
        /// next four.
        "errors" => errors: Option<Box<[ErrorPageConfig]>>, optional_within(ERRORS, WrittenErrorPage);
        /// Own timeouts, field by field over `defaults`.
        "timeouts" => timeouts: Option<RouteTimeoutsConfig>, optional_section(RouteTimeoutsConfig);
        /// Own retries, field by field over `defaults`.
        "retries" => retries: Option<RouteRetriesConfig>, optional_section(RouteRetriesConfig);
        /// Own request limits, field by field over `defaults`.
        "request" => request: Option<RouteRequestConfig>, optional_section(RouteRequestConfig);
        /// Protocols a client may switch its connection to; `[]` refuses every upgrade. Left out: `[websocket]`.
        "upgrade" => upgrade: Option<Vec<Upgrade>>, optional(UPGRADE);
    }
    later ["enqueue", "response", "compression", "policies"]
    exactly one of ["upstream", "split", "redirect", "respond"]
}

section! { "`timeouts` of a route",
    /// A route's own timeouts; what is left out is inherited from `defaults`.
    #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
    pub struct RouteTimeoutsConfig {
        /// Longest time to open a connection to an endpoint, the TLS handshake included.
        "connect" => connect: Option<Duration>, optional(form::CONNECT);
        /// Longest silence from the endpoint, before and within its response.
        "read" => read: Option<Limit<Duration>>, optional(form::DURATION_OR_UNLIMITED);
        /// Longest time the endpoint may take no byte of the request.
        "write" => write: Option<Limit<Duration>>, optional(form::DURATION_OR_UNLIMITED);
        /// Longest time for the whole exchange.
        "request" => request: Option<Limit<Duration>>, optional(form::DURATION_OR_UNLIMITED);
    }
    later []
    checked by super::advice::timeouts_of_route
}

section! { "`request` of a route",
    /// A route's own request limits; what is left out is inherited from `defaults`.
    #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
    pub struct RouteRequestConfig {
        /// Largest body.
        "max_body" => max_body: Option<Limit<Size>>, optional(form::SIZE_OR_UNLIMITED);
    }
    later ["mode", "buffer"]
}

/// A protocol a client may switch its connection to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upgrade {
    /// WebSocket.
    Websocket,
}

impl Choice for Upgrade {
    const WHAT: &'static str = "a protocol to switch to";
    const WORDS: &'static [(&'static str, Option<Self>)] = &[("websocket", Some(Upgrade::Websocket))];
}

const UPGRADE: Form<Vec<Upgrade>> = choices("`[websocket]` or `[]`", "[]");

const PRIORITY: Form<i32> = Form {
    form: "a number from -1000 to 1000",
    example: "10",
    shape: Shape::Number(-1000, 1000),
    read: |node, reading| {
        reading.word(node, "a number", |text| match text.parse::<i32>() {
            Ok(number @ -1000..=1000) if !text.starts_with('+') => Ok(number),
            parsed => Err(match parsed {
                Ok(_) => Complaint::new(format!("{text} is out of range")),
                Err(_) => Complaint::new(format!("`{text}` is not a number")),
            }
            .hint("write a number from -1000 to 1000; a higher one is asked first")),
        })
    },
};

pub(super) const LISTENERS: Form<Box<[Spanned<Box<str>>]>> = Form {
    form: "a list of listeners",
    example: "[web]",
    shape: Shape::Set(&Shape::Text, 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of listeners")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::error(node.at, "a route on no listener takes no request");
            reading.tell(diagnostic.hint("name a listener, or leave the key out for all of them"));
        }
        Some(items.iter().filter_map(|item| (NAME.read)(item, reading)).collect())
    },
};

/// The routes, which were read one by one while they streamed by.
pub(super) const ROUTES: Form<Vec<RouteConfig>> = Form {
    form: "a list of routes",
    example: "[{ match: { path: /* }, upstream: app }]",
    shape: Shape::List(&Shape::Section(&WrittenRoute::SECTION), 1),
    read: |node, reading| match node.kind {
        Kind::Streamed => Some(reading.routes.take()),
        Kind::List(_) => {
            let diagnostic = Diagnostic::error(node.at, "`routes` is empty: every request would be answered 404");
            reading.tell(diagnostic.hint("write at least one route"));
            None
        }
        _ => {
            let message = format!("`routes` is a list, not {}", node.what());
            reading.tell(Diagnostic::error(node.at, message).hint("start every route with `- `"));
            None
        }
    },
};

impl RouteConfig {
    /// What makes it the route it is: not its place, and not how it was read.
    fn facts(&self) -> impl Eq + Hash {
        let RouteConfig {
            at: _,
            name,
            matches,
            priority,
            listeners,
            action,
            rewrite,
            headers,
            errors,
            timeouts,
            retries,
            request,
            upgrade,
            sound: _,
        } = self;
        let what = (name, matches, priority, listeners, action);
        (what, rewrite, headers, errors, timeouts, retries, request, upgrade)
    }

    /// Reads one item of the list.
    pub(super) fn read(node: &Node<'_>, reading: &Reading<'_>) -> Option<Self> {
        let complaints = reading.complaints();
        let WrittenRoute {
            name,
            matches,
            priority,
            listeners,
            upstream,
            split,
            redirect,
            respond,
            rewrite,
            headers,
            errors,
            timeouts,
            retries,
            request,
            upgrade,
        } = WrittenRoute::read(node, node.at, reading)?;
        if let Some(name) = &name
            && let Err(complaint) = check_name(name)
        {
            reading.tell(Diagnostic::complaint(name.at, complaint));
        }
        check_match(node, reading);
        action::check(node, reading);
        let action = upstream
            .map(ActionConfig::Upstream)
            .or_else(|| split.map(|split| ActionConfig::Split(Box::new(split))))
            .or_else(|| redirect.map(|redirect| ActionConfig::Redirect(Box::new(redirect))))
            .or_else(|| respond.map(|respond| ActionConfig::Respond(Box::new(respond))));
        let path = matches.as_ref().map(|matches| &matches.path);
        let scope = Scope {
            // what a wrong path was to be is not known
            path: path.filter(|_| reading.complaints() == complaints || has_good_path(node, reading)),
            forwards: action.as_ref().is_none_or(ActionConfig::forwards),
        };
        let rewrite = rewrite.and_then(|rewrite| rewrite.on(&scope, reading)).map(Box::new);
        if let (Some(headers), Some(node)) = (&headers, node.within("headers")) {
            headers.check(node, &scope, reading);
        }
        if let (Some(ActionConfig::Redirect(redirect)), Some(to)) =
            (&action, node.within("redirect").and_then(|redirect| redirect.within("to")))
        {
            if let Err(complaint) = scope.check(Purpose::Redirect, redirect.to.variables()) {
                reading.tell(Diagnostic::complaint(to.at, complaint));
            }
            scope.warn_of_groups(Purpose::Redirect, &redirect.to, to.at, reading);
        }
        Some(RouteConfig {
            at: node.at,
            sound: reading.complaints() == complaints,
            name,
            matches: matches?,
            priority,
            listeners,
            action: action?,
            rewrite,
            headers: headers.map(Box::new),
            errors: errors.unwrap_or_default(),
            timeouts: timeouts.unwrap_or_default(),
            retries: retries.unwrap_or_default(),
            request: request.unwrap_or_default(),
            upgrade: upgrade.map_or_else(|| [Upgrade::Websocket].into(), Into::into),
        })
    }

    /// The route's name: the one written, else its host and path.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.name {
            Some(name) => Cow::Borrowed(&name.value),
            None => Cow::Owned(self.pattern()),
        }
    }

    /// Its host, where it has one, and its path.
    pub fn pattern(&self) -> String {
        match &self.matches.host {
            Some(host) => format!("{host}{}", self.matches.path),
            None => self.matches.path.to_string(),
        }
    }

    /// The timeouts that hold for this route: its own, else the defaults'.
    pub fn timeouts(&self, defaults: &DefaultsConfig) -> TimeoutsConfig {
        let RouteTimeoutsConfig { connect, read, write, request } = self.timeouts;
        TimeoutsConfig {
            connect: connect.unwrap_or(defaults.timeouts.connect),
            read: read.unwrap_or(defaults.timeouts.read),
            write: write.unwrap_or(defaults.timeouts.write),
            request: request.unwrap_or(defaults.timeouts.request),
        }
    }

    /// The retries that hold for this route: its own, else the defaults'.
    pub fn retries(&self, defaults: &DefaultsConfig) -> RetriesConfig {
        self.retries.over(&defaults.retries)
    }

    /// The request limits that hold for this route: its own, else the defaults'.
    pub fn request(&self, defaults: &DefaultsConfig) -> RequestConfig {
        let RouteRequestConfig { max_body } = self.request;
        RequestConfig { max_body: max_body.unwrap_or(defaults.request.max_body) }
    }
}

impl PartialEq for RouteConfig {
    fn eq(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }
}

impl Eq for RouteConfig {}

impl Hash for RouteConfig {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.facts().hash(state);
    }
}

/// A route without a condition would take everything; whoever wants that says so.
fn check_match(node: &Node<'_>, reading: &Reading<'_>) {
    const HINT: &str = "write `match: { path: /* }` to take every request";
    let Kind::Map(entries) = &node.kind else { return };
    match entries.iter().find(|(key, _)| matches!(&key.kind, Kind::Text(text) if text == "match")) {
        // whoever took everything in their place would open what they were to close
        None if ["path", "host", "location", "methods", "server_name"].iter().any(|name| node.key(name).is_some()) => {}
        None => {
            reading.tell(Diagnostic::error(reading.first_line(node.at), "a route needs `match`").hint(HINT));
        }
        Some((key, value)) => {
            if let Kind::Map(conditions) = &value.kind
                && conditions.is_empty()
            {
                reading.tell(Diagnostic::error(key.at, "`match` is empty").hint(HINT));
            }
        }
    }
}

/// Whether the path was read as it is written, not taken for the default.
fn has_good_path(node: &Node<'_>, reading: &Reading<'_>) -> bool {
    match node.within("match").and_then(|matches| matches.within("path")).map(|path| &path.kind) {
        None => true,
        Some(Kind::Text(text)) => expand(text, reading.environment).is_ok_and(|text| PathPattern::parse(&text).is_ok()),
        Some(_) => false,
    }
}

/// Route names may hold a host and a path, but nothing that would break a line of a log.
fn check_name(name: &str) -> Result<(), Complaint> {
    const LONGEST: usize = 200;
    if name.is_empty() || name.chars().count() > LONGEST {
        return Err(Complaint::new(format!("a route's name has 1 to {LONGEST} characters")));
    }
    if let Some(odd) = name.chars().find(|c| c.is_control()) {
        return Err(Complaint::new(format!("`{}` cannot stand in a name", odd.escape_debug())));
    }
    if name.starts_with('_') {
        return Err(Complaint::new("names that start with `_` are the gateway's own"));
    }
    Ok(())
}
