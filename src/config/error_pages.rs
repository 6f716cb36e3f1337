//! `errors`: what a client gets in place of an error.

use super::body_file::{BODY_FILE, BodyFile};
use super::declare::section;
use super::form::{self, Form, number};
use super::node::Kind;
use super::reading::Reading;
use super::respond::{self, Headers, body_of, check_body};
use super::route_lints::UNUSED_ERROR_PAGE;
use super::section::{Fields, Sectioned};
use super::shape::Shape;
use super::{Diagnostic, Span};
use std::collections::HashMap;
use std::sync::Arc;

/// What takes the place of errors with some statuses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorPageConfig {
    /// Which; sorted, each once, and in one page of a route only.
    pub status: Box<[u16]>,
    /// Also responses of endpoints, not only the gateway's own.
    pub intercept: bool,
    /// What the client gets.
    pub respond: ErrorAnswerConfig,
}

/// What is answered in place of an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorAnswerConfig {
    /// Its status; `None` is the error's.
    pub status: Option<u16>,
    /// Its whole body; `None` is the one that the gateway gives its errors.
    pub body: Option<Arc<[u8]>>,
    /// Headers of the response. Of a body from a file, its type is among them.
    pub headers: Headers,
}

section! { "an item of `errors`",
    /// What a client of this route gets in place of errors with some statuses.
    pub struct WrittenErrorPage {
        /// The errors' statuses, from 400 to 599; each in one item only.
        "status" => status: Box<[u16]>, required(STATUSES);
        /// Whether it also takes the place of an endpoint's response with such a status, whose body is then thrown away: nginx's
        /// `proxy_intercept_errors`. Otherwise only the gateway's own errors are replaced.
        "intercept" => intercept: bool, default(form::BOOL, "false");
        /// What the client gets.
        "respond" => respond: Option<WrittenErrorAnswer>, needed_section(WrittenErrorAnswer, "{ body_file: sorry.html }");
    }
    later []
    checked by answered
}

section! { "`respond` of an item of `errors`",
    /// What the client gets in place of the error.
    pub struct WrittenErrorAnswer {
        /// The response's status. Left out, it is the error's.
        "status" => status: Option<u16>, optional(respond::STATUS);
        /// The whole body, as it stands. Left out, and without `body_file`, it is what the gateway says about its errors.
        "body" => body: Option<Box<str>>, optional(form::TEXT);
        /// A file whose text is the whole body, as in `respond` of a route.
        "body_file" => body_file: Option<BodyFile>, optional(BODY_FILE);
        /// Headers of the response, as a map of fixed texts. Those that frame a message are the gateway's own.
        "headers" => headers: Headers, default(respond::HEADERS, "{}");
    }
    later []
    checked by something
}

/// Statuses of the gateway's own errors once a route is found.
const OWN: [u16; 8] = [400, 408, 413, 417, 500, 502, 503, 504];

fn answered(page: &WrittenErrorPage, fields: &Fields<'_, '_>) {
    fields.missing("respond", "{ body_file: sorry.html }");
    if let (Some(at), [status, ..]) = (fields.place("status"), &*page.status)
        && !page.intercept
        && page.status.iter().all(|status| !OWN.contains(status))
    {
        let message = format!("the gateway itself never answers {status} on this route, so the page is not shown");
        fields.reading.tell(
            Diagnostic::warning(&UNUSED_ERROR_PAGE, at, message)
                .label("an endpoint's response goes through untouched")
                .hint("write `intercept: true` beside it"),
        );
    }
}

fn something(config: &WrittenErrorAnswer, fields: &Fields<'_, '_>) {
    let WrittenErrorAnswer { status, body, body_file, headers: _ } = config;
    check_body(status.unwrap_or(500), body.as_deref(), body_file.as_ref(), fields);
    let keys = ["status", "body", "body_file", "headers"];
    if fields.are_sound() && keys.iter().all(|name| fields.place(name).is_none()) {
        let diagnostic = Diagnostic::error(fields.owner, "`respond` changes nothing about the error");
        fields.reading.tell(diagnostic.hint("write `body`, `body_file`, `status` or `headers`"));
    }
}

impl WrittenErrorPage {
    fn finish(self) -> Option<ErrorPageConfig> {
        let WrittenErrorPage { status, intercept, respond } = self;
        let WrittenErrorAnswer { status: new_status, body, body_file, headers } = respond?;
        let (body, headers) = body_of(body, body_file, headers);
        Some(ErrorPageConfig { status, intercept, respond: ErrorAnswerConfig { status: new_status, body, headers } })
    }
}

pub(super) const ERRORS: Form<Box<[ErrorPageConfig]>> = Form {
    form: "a list of error pages",
    example: "[{ status: [502, 503, 504], respond: { status: 503, body: \"sorry\\n\" } }]",
    shape: Shape::List(&Shape::Section(&WrittenErrorPage::SECTION), 1),
    read: |node, reading| {
        let Kind::List(items) = &node.kind else {
            let message = format!("a list of error pages is wanted here, not {}", node.what());
            let hint = "write for example `[{ status: [502, 503], respond: { body_file: sorry.html } }]`";
            reading.tell(Diagnostic::error(node.at, message).hint(hint));
            return None;
        };
        if items.is_empty() {
            reading.tell(Diagnostic::error(node.at, "`errors` is empty").hint("write a page, or leave the key out"));
        }
        let complaints = reading.complaints();
        let pages = items
            .iter()
            .filter_map(|item| WrittenErrorPage::read(item, item.at, reading)?.finish().map(|page| (page, item.at)));
        let pages: Vec<(ErrorPageConfig, Span)> = pages.collect();
        if reading.complaints() == complaints {
            one_page_a_status(&pages, reading);
        }
        Some(pages.into_iter().map(|(page, _)| page).collect())
    },
};

fn one_page_a_status(pages: &[(ErrorPageConfig, Span)], reading: &Reading<'_>) {
    let mut seen: HashMap<u16, Span> = HashMap::new();
    for (page, at) in pages {
        let at = reading.first_line(*at);
        for status in &page.status {
            if let Some(first) = seen.insert(*status, at) {
                reading.tell(
                    Diagnostic::error(at, format!("two error pages for status {status}"))
                        .other(first, "the first one")
                        .hint("leave it out of one of them"),
                );
                break;
            }
        }
    }
}

const STATUSES: Form<Box<[u16]>> = Form {
    form: "a list of statuses from 400 to 599",
    example: "[502, 503, 504]",
    shape: Shape::Set(&Shape::Number(400, 599), 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of statuses")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::error(node.at, "a page for no status is never shown");
            reading.tell(diagnostic.hint("write for example `[502, 503, 504]`"));
        }
        let mut statuses = Vec::with_capacity(items.len());
        for item in items {
            let Some(status) = reading.word(item, "a status", |text| number::<u16>(text, 400, 599)) else { continue };
            if statuses.contains(&status) {
                let diagnostic = Diagnostic::error(item.at, format!("{status} is listed twice"));
                reading.tell(diagnostic.hint("leave one of the two out"));
            } else {
                statuses.push(status);
            }
        }
        statuses.sort_unstable();
        Some(statuses.into())
    },
};
