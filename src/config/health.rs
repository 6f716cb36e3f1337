//! `passive` and `active`: how an upstream learns that an endpoint fails.

use super::declare::section;
use super::form::{self, Choice, Form, choice};
use super::lints::CHECK_OUTLASTS_INTERVAL;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::{Fields, Section, Sectioned};
use super::shape::Shape;
use super::{Diagnostic, Span};
use crate::value::{Complaint, StatusSet};
use std::time::Duration;

section! { "`passive`",
    /// Requests that fail count against their endpoint, as in nginx. After `max_fails` of them the endpoint gets none for
    /// `fail_timeout`, then one request as a trial: success brings it back, failure costs another `fail_timeout`. Every
    /// failure begins the time anew, and only a success after it clears the count. Failures are those that
    /// `retries.retry_on` names; errors, timeouts and malformed responses count even where it does not name them, 403 and 404
    /// never. The only endpoint of a pool is never taken out. More in
    /// [health and retries](../explanation/health-and-retries.md).
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct PassiveConfig {
        /// Failures after which the endpoint gets no requests; `0` switches this off.
        "max_fails" => max_fails: u32, default(MAX_FAILS, "1");
        /// How long a failure is remembered, and how long the endpoint then gets no requests.
        "fail_timeout" => fail_timeout: Duration, default(form::DURATION, "10s");
    }
    later []
    checked by passive
}

const MAX_FAILS: Form<u32> = Form { example: "3", ..form::COUNT_OR_ZERO };

fn passive(config: &PassiveConfig, fields: &Fields<'_, '_>) {
    if config.max_fails == 0 && fields.are_sound() {
        fields.useless("fail_timeout", "max_fails", "max_fails: 0", "no failure counts");
    }
}

/// Checks that the gateway makes by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActiveConfig {
    /// What is done, and what counts as success.
    pub check: Probe,
    /// From the start of one check to the start of the next, for each endpoint.
    pub interval: Duration,
    /// Longest time a check may take.
    pub timeout: Duration,
    /// Successes in a row that bring an endpoint back.
    pub rise: u32,
    /// Failures in a row that take an endpoint out.
    pub fall: u32,
    /// What a new endpoint is before its first check.
    pub start: ActiveStart,
}

/// One check of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// `GET` of this path is answered with one of these statuses.
    Http {
        /// With its query, if it has one.
        path: Box<str>,
        /// The statuses of success.
        expect: StatusSet,
    },
    /// A connection opens.
    Tcp,
}

/// What a new endpoint is before its first check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActiveStart {
    /// Takes requests at once.
    Up,
    /// Takes requests once the checks have brought it up.
    Down,
}

impl Choice for ActiveStart {
    const WHAT: &'static str = "a state to start in";
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("up", Some(ActiveStart::Up)), ("down", Some(ActiveStart::Down))];
}

section! { "`active`",
    /// Checks that the gateway makes by itself, for each endpoint, whether or not there are requests. Exactly one of `path`
    /// and `tcp` says what a check is. Off unless written.
    pub struct WrittenActive {
        /// A check is a `GET` of this path, with the pool's `protocol`, in its `tls`, and on a connection of its own. It may have a
        /// query.
        "path" => path: Option<Box<str>>, optional(PROBE_PATH);
        /// From one check of an endpoint to the next, a tenth more or less by chance.
        "interval" => interval: Duration, default(form::DURATION, "5s");
        /// A check is a TCP connection that opens, with `tls` too. It says that something listens, not that it works: prefer `path`.
        "tcp" => tcp: Option<bool>, optional(TCP);
        /// Longest time of a check, connecting included. The checks of an endpoint never overlap: one that takes longer than
        /// `interval` delays the next.
        "timeout" => timeout: Duration, default(form::DURATION, "2s");
        /// Successes in a row that bring an endpoint back.
        "rise" => rise: u32, default(IN_A_ROW, "2");
        /// Failures in a row that take an endpoint out.
        "fall" => fall: u32, default(IN_A_ROW, "3");
        /// Statuses of success: one, a range, or a list of these. Redirects are not followed. An error beside `tcp`.
        "expect" => expect: StatusSet, default(EXPECT, "200-399");
        /// What a new endpoint is: `up` takes requests at once, `down` only after `rise` successes.
        "start" => start: ActiveStart, default(START, "up");
    }
    later ["grpc"]
    exactly one of ["path", "tcp"]
    checked by active
}

const IN_A_ROW: Form<u32> = Form { example: "5", ..form::COUNT };

const START: Form<ActiveStart> = choice("`up` or `down`", "down");

fn active(config: &WrittenActive, fields: &Fields<'_, '_>) {
    match (fields.place("path"), fields.place("tcp")) {
        (Some(path), Some(tcp)) => fields.reading.tell(
            Diagnostic::error(path.max(tcp), "a check is either `path` or `tcp`")
                .label("a second one")
                .other(path.min(tcp), "the first one")
                .hint("leave one of the two out: a path that answers shows a connection as well"),
        ),
        (None, None) if fields.place("grpc").is_none() => fields.reading.tell(
            Diagnostic::error(fields.reading.first_line(fields.owner), "`active` needs `path` or `tcp`")
                .hint("write for example `path: /healthz`, or `tcp: true`"),
        ),
        _ => {}
    }
    if config.timeout > config.interval
        && let Some(at) = fields.place("timeout")
    {
        let diagnostic = Diagnostic::warning(&CHECK_OUTLASTS_INTERVAL, at, "a check that hangs delays the next one")
            .label("longer than `interval`")
            .hint("write at most the `interval`: the checks of an endpoint never overlap");
        fields.reading.tell(match fields.place("interval") {
            Some(interval) => diagnostic.other(interval, "when the next one is due"),
            None => diagnostic,
        });
    }
    if config.tcp.is_some() && fields.place("path").is_none() {
        fields.useless("expect", "tcp", "tcp", "a connection has no status");
    }
}

impl Sectioned for ActiveConfig {
    const SECTION: Section = WrittenActive::SECTION;

    fn read(node: &Node<'_>, owner: Span, reading: &Reading<'_>) -> Option<Self> {
        let WrittenActive { path, interval, tcp, timeout, rise, fall, expect, start } =
            WrittenActive::read(node, owner, reading)?;
        let check = match (path, tcp) {
            (Some(path), _) => Probe::Http { path, expect },
            (None, Some(_)) => Probe::Tcp,
            (None, None) => return None,
        };
        Some(ActiveConfig { check, interval, timeout, rise, fall, start })
    }
}

const TCP: Form<bool> = Form {
    form: "`true`",
    example: "true",
    shape: Shape::Choice(|| vec!["true"]),
    read: |node, reading| {
        let tcp = (form::BOOL.read)(node, reading)?;
        if !tcp {
            reading.tell(
                Diagnostic::error(node.at, "`tcp: false` says what a check is not")
                    .hint("write `tcp: true`, or a `path` in its place"),
            );
        }
        Some(tcp)
    },
};

const PROBE_PATH: Form<Box<str>> = Form {
    form: "a path, also with a query",
    example: "/healthz",
    shape: Shape::Word("^/[!\"$-~]*$"),
    read: |node, reading| reading.word(node, "a path", probe_path),
};

fn probe_path(text: &str) -> Result<Box<str>, Complaint> {
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        return Err(Complaint::new("a check asks each endpoint at its own address: a path is wanted, not a URL")
            .hint(format!("write `{path}`")));
    }
    if !text.starts_with('/') {
        return Err(Complaint::new("a path starts with `/`").hint(format!("write `/{text}`")));
    }
    match text.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        Some('#') => {
            Err(Complaint::new("a path holds no fragment: it is never sent").hint("leave out what starts with `#`"))
        }
        Some(odd) => Err(Complaint::new(format!("a path holds no `{}`", odd.escape_debug())).hint("percent-encode it")),
        None => Ok(text.into()),
    }
}

const STATUS_SET: Shape = Shape::Word("^[2-5][0-9]{2}(-[2-5][0-9]{2})?$");

const EXPECT: Form<StatusSet> = Form {
    form: "a status, a range, or a list of these",
    example: "[200, 301-399]",
    shape: Shape::OneOf(&[STATUS_SET, Shape::List(&STATUS_SET, 1)]),
    read: |node, reading| match &node.kind {
        Kind::List(items) => {
            if items.is_empty() {
                let diagnostic = Diagnostic::error(node.at, "with no status at all no check would ever succeed");
                reading.tell(diagnostic.hint("write for example `200` or `[200, 301-399]`"));
                return None;
            }
            let sets: Vec<_> = items.iter().map(|item| reading.word(item, "a status", StatusSet::parse)).collect();
            Some(StatusSet::union(sets.into_iter().flatten()))
        }
        _ => reading.word(node, "a status", StatusSet::parse),
    },
};
