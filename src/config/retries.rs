//! `retries`: when a request goes to another endpoint.

use super::declare::section;
use super::form::{self, Form, number};
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::Fields;
use super::shape::Shape;
use super::{Diagnostic, advice, suggest};
use crate::value::{Complaint, Percent};
use std::collections::HashSet;

section! { "`retries` of `defaults`",
    /// When a request that failed goes to another endpoint. Each endpoint gets a request once, and none does after a byte of a
    /// response has gone to the client, or once a body that is gone would have to be sent again.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct RetriesConfig {
        /// Endpoints that a request may go to, the first one included; `1` never retries. From 1 to 100.
        "attempts" => attempts: u32, default(form::ATTEMPTS, "3");
        /// What is retried. `error`: no connection, no TLS on it, or one that broke before the response's head. `timeout`:
        /// `connect`, `read` or `write` ran out before that. `invalid_header`: the response's head was malformed. A number: a
        /// response with this status, from 400 to 599. `[]`: nothing.
        "retry_on" => retry_on: RetryOn, default(RETRY_ON, "[error, timeout, invalid_header]");
        /// Whether a POST, PATCH or LOCK is retried even when the endpoint may have acted on it already. Write `true` only
        /// where doing it twice does no harm.
        "non_idempotent" => non_idempotent: bool, default(form::BOOL, "false");
        /// Most retries, as a share of the upstream's recent requests, so that retries do not drown a service that fails. Ten a
        /// second are always allowed, and a request that no endpoint took (`connect`) costs nothing.
        "budget" => budget: Percent, default(form::PERCENT, "20%");
    }
    later []
}

section! { "`retries` of a route",
    /// A route's own retries; what is left out is inherited from `defaults`.
    #[derive(Clone, Default, PartialEq, Eq, Hash)]
    pub struct RouteRetriesConfig {
        /// Endpoints that a request may go to, the first one included. `1` never retries, and is an error beside the next three.
        "attempts" => attempts: Option<u32>, optional(form::ATTEMPTS);
        /// What is retried.
        "retry_on" => retry_on: Option<RetryOn>, optional(RETRY_ON);
        /// Whether a POST, PATCH or LOCK is retried even when the endpoint may have acted on it already.
        "non_idempotent" => non_idempotent: Option<bool>, optional(form::BOOL);
        /// Most retries, as a share of the upstream's recent requests.
        "budget" => budget: Option<Percent>, optional(form::PERCENT);
    }
    later []
    checked by route
}

/// In `defaults` these keys still hold for routes with `attempts` of their own.
fn route(config: &RouteRetriesConfig, fields: &Fields<'_, '_>) {
    advice::attempts_of_route(config, fields);
    if config.retry_on.as_ref().is_some_and(|on| *on == RetryOn::default()) && fields.are_sound() {
        for name in ["attempts", "non_idempotent", "budget"] {
            fields.useless(name, "retry_on", "retry_on: []", "nothing is retried");
        }
    } else if config.attempts == Some(1) {
        for name in ["retry_on", "non_idempotent", "budget"] {
            fields.useless(name, "attempts", "attempts: 1", "nothing is retried");
        }
    }
}

impl RouteRetriesConfig {
    /// What holds: these, else those of `defaults`.
    pub(super) fn over(&self, defaults: &RetriesConfig) -> RetriesConfig {
        let RouteRetriesConfig { attempts, retry_on, non_idempotent, budget } = self;
        RetriesConfig {
            attempts: attempts.unwrap_or(defaults.attempts),
            retry_on: retry_on.as_ref().unwrap_or(&defaults.retry_on).clone(),
            non_idempotent: non_idempotent.unwrap_or(defaults.non_idempotent),
            budget: budget.unwrap_or(defaults.budget),
        }
    }
}

/// What is retried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RetryOn {
    /// No connection, or one that broke before the response's head.
    pub error: bool,
    /// Silence for too long, before the response's head.
    pub timeout: bool,
    /// A malformed head.
    pub invalid_header: bool,
    /// Responses with these statuses; sorted, each once.
    pub statuses: Box<[u16]>,
}

const WORDS: [&str; 3] = ["error", "timeout", "invalid_header"];

const RETRY_ON: Form<RetryOn> = Form {
    form: "a list of `error`, `timeout`, `invalid_header` and statuses from 400 to 599",
    example: "[error, timeout, 503]",
    shape: Shape::Set(&Shape::OneOf(&[Shape::Choice(|| WORDS.to_vec()), Shape::Number(400, 599)]), 0),
    read: |node, reading| match &node.kind {
        Kind::List(items) => Some(retry_on(items, reading)),
        _ => {
            let text = reading.text(node, "a list of what is retried")?;
            let message = "a list of what is retried is wanted here, not text";
            reading.tell(Diagnostic::error(node.at, message).hint(match &*text {
                "off" | "none" | "never" => "write `[]` to retry on nothing, or `attempts: 1`".to_owned(),
                _ => format!("write `[{}]`", reading.source.slice(node.at)),
            }));
            None
        }
    },
};

fn retry_on(items: &[Node<'_>], reading: &Reading<'_>) -> RetryOn {
    let mut on = RetryOn::default();
    let mut statuses = Vec::new();
    let mut seen = HashSet::new();
    for item in items {
        let Some(case) = reading.word(item, "what is retried", case) else { continue };
        if !seen.insert(case) {
            let message = format!("`{}` is listed twice", reading.source.slice(item.at));
            reading.tell(Diagnostic::error(item.at, message).hint("leave one of the two out"));
            continue;
        }
        match case {
            Case::Error => on.error = true,
            Case::Timeout => on.timeout = true,
            Case::InvalidHeader => on.invalid_header = true,
            Case::Status(status) => statuses.push(status),
        }
    }
    statuses.sort_unstable();
    RetryOn { statuses: statuses.into(), ..on }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Case {
    Error,
    Timeout,
    InvalidHeader,
    Status(u16),
}

fn case(text: &str) -> Result<Case, Complaint> {
    match text {
        "error" => return Ok(Case::Error),
        "timeout" => return Ok(Case::Timeout),
        "invalid_header" => return Ok(Case::InvalidHeader),
        _ => {}
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) && !text.ends_with(['x', 'X']) {
        return number(text, 400, 599).map(Case::Status);
    }
    let complaint = Complaint::new(format!("`{text}` is not something to retry on"));
    if let Some(status) = text.strip_prefix("http_").filter(|status| number::<u16>(status, 400, 599).is_ok()) {
        return Err(complaint.hint(format!("write `{status}`")));
    }
    Err(match text {
        "5xx" | "5XX" => complaint.hint("write the statuses one by one, such as `502, 503, 504`"),
        "non_idempotent" => complaint.hint("write `non_idempotent: true` beside `retry_on`"),
        "off" | "none" => complaint.hint("write `[]` to retry on nothing, or `attempts: 1`"),
        _ => match suggest::nearest(text, WORDS) {
            Some(near) => complaint.hint(format!("did you mean `{near}`?")),
            None => complaint.hint("write `error`, `timeout`, `invalid_header` or a status from 400 to 599"),
        },
    })
}
