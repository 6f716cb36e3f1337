//! `routes`: which requests go where.

use super::action::{ActionConfig, RedirectConfig, RespondConfig};
use super::declare::section;
use super::form::{self, Choice, Form, NAME, choices};
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::{Sectioned, key_text};
use super::split::SPLIT;
use super::{
    DefaultsConfig, Diagnostic, RequestConfig, RetriesConfig, RouteRetriesConfig, Span, Spanned, SplitConfig,
    TimeoutsConfig,
};
use crate::value::{Complaint, HostPattern, Limit, PathPattern, Size};
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
    /// Listeners whose requests it takes; `None` is all of them.
    pub listeners: Option<Box<[Spanned<Box<str>>]>>,
    /// What happens with a request.
    pub action: ActionConfig,
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
    /// full name before `*.` patterns, the longest of these first, before routes without `host`; only where no path of a
    /// host's routes matches is the next one asked. Among the paths of one host an exact one comes first, then the
    /// longest, and of `/x/*` and `/x*` the former.
    pub struct WrittenRoute {
        /// What logs and metrics call it. Left out, it is the route's host and path.
        "name" => name: Option<Spanned<Box<str>>>, optional(NAME);
        /// Which requests it takes: those that match all of it.
        "match" => matches: Option<MatchConfig>, needed_section(MatchConfig, "{ path: /* }");
        /// Listeners whose requests it takes. Left out: all.
        "listeners" => listeners: Option<Box<[Spanned<Box<str>>]>>, optional(LISTENERS);
        /// The upstream that answers. A route needs exactly one of `upstream`, `split`, `redirect` and `respond`.
        "upstream" => upstream: Option<Spanned<Box<str>>>, optional(NAME);
        /// Divides the requests among upstreams, in place of `upstream`.
        "split" => split: Option<SplitConfig>, optional_within(SPLIT, SplitConfig);
        /// Sends the client elsewhere, in place of `upstream`.
        "redirect" => redirect: Option<RedirectConfig>, optional_section(RedirectConfig);
        /// Answers without an endpoint, in place of `upstream`.
        "respond" => respond: Option<RespondConfig>, optional_section(RespondConfig);
        /// Own timeouts, field by field over `defaults`. An error beside `redirect` and `respond`, as are the next
        /// three.
        "timeouts" => timeouts: Option<RouteTimeoutsConfig>, optional_section(RouteTimeoutsConfig);
        /// Own retries, field by field over `defaults`.
        "retries" => retries: Option<RouteRetriesConfig>, optional_section(RouteRetriesConfig);
        /// Own request limits, field by field over `defaults`.
        "request" => request: Option<RouteRequestConfig>, optional_section(RouteRequestConfig);
        /// Protocols a client may switch its connection to; `[]` refuses every upgrade. Left out: `[websocket]`.
        "upgrade" => upgrade: Option<Vec<Upgrade>>, optional(UPGRADE);
    }
    later [
        "enqueue", "priority", "rewrite", "headers", "response", "compression", "errors", "policies",
    ]
}

section! { "`match`",
    /// Which requests a route takes: those that match all of it.
    #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct MatchConfig {
        /// The host asked for, without port, in any case: a name, or `*.` and a name for all names below it, however
        /// deep, but not for that name itself. Left out: every host.
        "host" => host: Option<HostPattern>, optional(form::HOST);
        /// The path: `/x` exactly, `/x/*` for `/x` and all below it, `/x*` for all that starts so. Compared with the
        /// request's path in its normal form.
        "path" => path: PathPattern, default(form::PATH, "/*");
    }
    later ["methods", "headers", "query"]
}

section! { "`timeouts` of a route",
    /// A route's own timeouts; what is left out is inherited from `defaults`.
    #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
    pub struct RouteTimeoutsConfig {
        /// Longest time to open a connection to an endpoint.
        "connect" => connect: Option<Duration>, optional(form::CONNECT);
        /// Longest silence from the endpoint, before and within its response.
        "read" => read: Option<Limit<Duration>>, optional(form::DURATION_OR_UNLIMITED);
        /// Longest time the endpoint may take no byte of the request.
        "write" => write: Option<Limit<Duration>>, optional(form::DURATION_OR_UNLIMITED);
        /// Longest time for the whole exchange.
        "request" => request: Option<Limit<Duration>>, optional(form::DURATION_OR_UNLIMITED);
    }
    later []
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

const LISTENERS: Form<Box<[Spanned<Box<str>>]>> = Form {
    form: "a list of listeners",
    example: "[web]",
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
        let RouteConfig { at: _, name, matches, listeners, action, timeouts, retries, request, upgrade, sound: _ } =
            self;
        (name, matches, listeners, action, timeouts, retries, request, upgrade)
    }

    /// Reads one item of the list.
    pub(super) fn read(node: &Node<'_>, reading: &Reading<'_>) -> Option<Self> {
        let complaints = reading.complaints();
        let WrittenRoute {
            name,
            matches,
            listeners,
            upstream,
            split,
            redirect,
            respond,
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
        check_actions(node, reading);
        let action = upstream
            .map(ActionConfig::Upstream)
            .or_else(|| split.map(|split| ActionConfig::Split(Box::new(split))))
            .or_else(|| redirect.map(|redirect| ActionConfig::Redirect(Box::new(redirect))))
            .or_else(|| respond.map(|respond| ActionConfig::Respond(Box::new(respond))))?;
        Some(RouteConfig {
            at: node.at,
            sound: reading.complaints() == complaints,
            name,
            matches: matches?,
            listeners,
            action,
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

const ACTIONS: [&str; 4] = ["upstream", "split", "redirect", "respond"];
const ACTIONS_TO_COME: [&str; 1] = ["enqueue"];

/// Exactly one action, and nothing beside it that only another action would obey.
fn check_actions(node: &Node<'_>, reading: &Reading<'_>) {
    let present: Vec<_> = ACTIONS.iter().chain(&ACTIONS_TO_COME).filter_map(|name| key(node, name)).collect();
    match present.as_slice() {
        [] => reading.tell(
            Diagnostic::error(reading.first_line(node.at), "a route needs an action")
                .hint("write one of `upstream`, `split`, `redirect` and `respond`"),
        ),
        [only] => {
            let action = key_text(only, reading).unwrap_or_default();
            if matches!(action, "redirect" | "respond") {
                for name in ["timeouts", "retries", "request", "upgrade"] {
                    if let Some(useless) = key(node, name) {
                        reading.tell(
                            Diagnostic::error(useless.at, format!("`{name}` has no effect beside `{action}`"))
                                .other(only.at, "no endpoint is asked on this route")
                                .hint("leave it out"),
                        );
                    }
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

/// A route without a condition would take everything; whoever wants that says so.
fn check_match(node: &Node<'_>, reading: &Reading<'_>) {
    const HINT: &str = "write `match: { path: /* }` to take every request";
    let Kind::Map(entries) = &node.kind else { return };
    match entries.iter().find(|(key, _)| matches!(&key.kind, Kind::Text(text) if text == "match")) {
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

fn key<'n, 's>(node: &'n Node<'s>, name: &str) -> Option<&'n Node<'s>> {
    let Kind::Map(entries) = &node.kind else { return None };
    entries.iter().map(|(key, _)| key).find(|key| matches!(&key.kind, Kind::Text(text) if text == name))
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
