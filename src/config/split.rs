//! `split`: an action that divides a route's requests among upstreams.

use super::declare::section;
use super::form::{self, Form, NAME};
use super::node::{Kind, Node};
use super::reading::Reading;
use super::request_key::REQUEST_KEY;
use super::section::Sectioned;
use super::shape::Shape;
use super::{Diagnostic, Span, Spanned};
use crate::value::RequestKey;
use std::collections::HashMap;

section! { "`split`",
    /// Divides the requests among upstreams by weight. The list alone is enough: `[{ upstream: app, weight: 95 }, { upstream:
    /// canary, weight: 5 }]`. A request that fails is retried within the upstream it was given to.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct SplitConfig {
        /// Keeps requests with the same key on the same side, as long as the weights stay. Left out, every request is
        /// drawn anew, so that one client meets both sides.
        "by" => by: Option<RequestKey>, optional(REQUEST_KEY);
        /// The upstreams, each once, with their weights; at least one weight is not 0. At most 1000.
        "to" => to: Box<[SplitChoice]>, list(CHOICES, SplitChoice);
    }
    later []
}

section! { "an item of `split`",
    /// One side of a split.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct SplitChoice {
        /// The upstream that answers.
        "upstream" => upstream: Spanned<Box<str>>, required(NAME);
        /// Its share of the requests, beside the others' weights; `0` gives it none.
        "weight" => weight: u32, required(form::SHARE);
    }
    later []
}

/// The most upstreams of one split.
const SIDES_MAX: usize = 1000;

const EXAMPLE: &str = "[{ upstream: app, weight: 95 }, { upstream: canary, weight: 5 }]";

pub(super) const SPLIT: Form<SplitConfig> = Form {
    form: "section, or only the list that is its `to`",
    example: EXAMPLE,
    shape: Shape::SectionOr(&SplitConfig::SECTION, "to"),
    read: |node, reading| match node.kind {
        Kind::Map(_) => SplitConfig::read(node, node.at, reading),
        _ => (CHOICES.read)(node, reading).map(|to| SplitConfig { by: None, to }),
    },
};

const CHOICES: Form<Box<[SplitChoice]>> = Form {
    form: "a list of upstreams with weights",
    example: EXAMPLE,
    shape: Shape::List(&Shape::Section(&SplitChoice::SECTION), 1),
    read: |node, reading| {
        let Kind::List(items) = &node.kind else {
            let message = format!("a list of upstreams with weights is wanted here, not {}", node.what());
            reading.tell(Diagnostic::error(node.at, message).hint(format!("write for example `{EXAMPLE}`")));
            return None;
        };
        let complaints = reading.complaints();
        let choices: Box<[SplitChoice]> =
            items.iter().filter_map(|item| SplitChoice::read(item, item.at, reading)).collect();
        if reading.complaints() == complaints {
            check(node, &choices, reading);
        }
        Some(choices)
    },
};

fn check(node: &Node<'_>, choices: &[SplitChoice], reading: &Reading<'_>) {
    let at = reading.first_line(node.at);
    if choices.is_empty() {
        let diagnostic = Diagnostic::error(at, "a split needs at least one upstream");
        reading.tell(diagnostic.hint(format!("write for example `{EXAMPLE}`")));
    } else if choices.iter().all(|choice| choice.weight == 0) {
        let diagnostic = Diagnostic::error(at, "every weight is 0: no upstream would take a request");
        reading.tell(diagnostic.hint("give at least one of them a weight from 1"));
    } else if choices.len() > SIDES_MAX {
        let diagnostic = Diagnostic::error(at, format!("a split among more than {SIDES_MAX} upstreams"));
        reading.tell(diagnostic.hint("write several routes, or one upstream with more endpoints"));
    }
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for choice in choices {
        if let Some(first) = seen.insert(&choice.upstream, choice.upstream.at) {
            reading.tell(
                Diagnostic::error(choice.upstream.at, format!("the upstream `{}` is listed twice", *choice.upstream))
                    .other(first, "the first time")
                    .hint("write it once, with the sum of the weights"),
            );
        }
    }
}
