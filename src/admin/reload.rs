//! Reloads: asking for one, and what came of the last ones.

use super::View;
use super::answer::{json, json_with};
use crate::config::{Finding, Findings};
use crate::table::{Attempt, Changes, Names};
use crate::telemetry::rfc3339;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names that are listed of one kind of change; the others are counted.
const NAMES_MAX: usize = 1000;

/// What a reload that was taken answers.
#[derive(Serialize)]
struct Done {
    ok: bool,
    generation: u64,
    config_hash: String,
    changes: ChangesStatus,
    /// Field by field, if what was served before can still be told.
    details: Option<Arc<str>>,
}

/// What one that was refused answers.
#[derive(Serialize)]
struct Refused<'r> {
    ok: bool,
    error: &'r str,
    /// What is wrong with the document, if that is the reason.
    errors: Vec<Finding>,
}

#[derive(Serialize)]
struct ChangesStatus {
    /// One line.
    summary: String,
    routes: NamesStatus,
    upstreams: NamesStatus,
    listeners: NamesStatus,
    /// Of upstreams that both have and whose endpoints differ.
    endpoints: BTreeMap<String, NamesStatus>,
    /// Other keys that differ.
    settings: Vec<Box<str>>,
    /// Files, such as certificates, that say something else now.
    files: Vec<Box<str>>,
    /// What that does to connections, a sentence each.
    connections: Vec<String>,
}

#[derive(Serialize)]
struct NamesStatus {
    added: Vec<Box<str>>,
    removed: Vec<Box<str>>,
    changed: Vec<Box<str>>,
    /// How many more there are than are listed.
    more: usize,
}

impl ChangesStatus {
    fn of(changes: &Changes) -> ChangesStatus {
        let Changes { routes, upstreams, listeners, endpoints, settings, files, effects } = changes;
        ChangesStatus {
            summary: changes.to_string(),
            routes: NamesStatus::of(routes),
            upstreams: NamesStatus::of(upstreams),
            listeners: NamesStatus::of(listeners),
            endpoints: endpoints
                .iter()
                .take(NAMES_MAX)
                .map(|(name, names)| (name.to_string(), NamesStatus::of(names)))
                .collect(),
            settings: settings.clone(),
            files: files.clone(),
            connections: effects.sentences(),
        }
    }
}

impl NamesStatus {
    fn of(names: &Names) -> NamesStatus {
        let Names { added, removed, changed } = names;
        let first = |names: &[Box<str>]| names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>();
        let more = [added, removed, changed].iter().map(|names| names.len().saturating_sub(NAMES_MAX)).sum();
        NamesStatus { added: first(added), removed: first(removed), changed: first(changed), more }
    }
}

pub async fn reload(State(view): State<Arc<dyn View>>) -> Response {
    match &*view.reload().await {
        Ok(outcome) => json(&Done {
            ok: true,
            generation: outcome.generation,
            config_hash: outcome.config_hash.clone(),
            changes: ChangesStatus::of(&outcome.changes),
            details: outcome.details.clone(),
        }),
        Err(refusal) => {
            let errors = refusal.report.as_deref().map(|report| Findings::from(report).errors).unwrap_or_default();
            json_with(StatusCode::UNPROCESSABLE_ENTITY, &Refused { ok: false, error: &refusal.text, errors })
        }
    }
}

/// One try to put a table in force.
#[derive(Serialize)]
struct Tried {
    at: String,
    /// `start`, `file`, `signal` or `api`.
    why: &'static str,
    ok: bool,
    changes: Option<String>,
    /// Field by field, of the last few.
    details: Option<Arc<str>>,
    error: Option<String>,
}

/// The last tries, the newest first.
pub async fn reloads(State(view): State<Arc<dyn View>>) -> Response {
    let tries = view.history().recent().into_iter().rev().map(|Attempt { at, why, result, details }| {
        let (changes, error) = match result {
            Ok(changes) => (Some(changes), None),
            Err(error) => (None, Some(error)),
        };
        Tried { at: rfc3339(at), why: why.as_str(), ok: error.is_none(), changes, details, error }
    });
    json(&tries.collect::<Vec<_>>())
}
