//! The gateway at a glance: which configuration holds since when, what came of the last reload, and how all endpoints are.

use super::answer::{Problem, json};
use super::endpoints::{self, UpstreamStatus};
use super::{Admin, View};
use crate::discovery::SourceStanding;
use crate::table::{Attempt, Listener, Standing, Table};
use crate::telemetry::rfc3339;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What `GET /api/v1/status` answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    /// Which table holds, counted from the start.
    pub generation: u64,
    /// Of the texts that it was made from.
    pub config_hash: String,
    /// Since when it holds.
    pub loaded_at: String,
    pub last_reload: LastReload,
    pub ready: bool,
    /// It was told to stop, and finishes what is in flight.
    pub draining: bool,
    pub listeners: Vec<ListenerStatus>,
    pub upstreams: BTreeMap<String, UpstreamStatus>,
    /// The sources that find endpoints, where some are sought.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discovery: Vec<SourceStatus>,
}

/// A source that finds endpoints.
#[derive(Debug, Serialize, Deserialize)]
pub struct SourceStatus {
    pub source: String,
    /// It answers.
    pub up: bool,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What is wrong with what it found.
    pub warnings: Vec<String>,
}

/// The sources of what this table seeks.
pub fn sources(table: &Table) -> Vec<SourceStanding> {
    table.board.sources()
}

/// What came of the last reload, or of the start if there was none.
#[derive(Debug, Serialize, Deserialize)]
pub struct LastReload {
    pub ok: bool,
    pub at: String,
    /// In one line.
    #[serde(default)]
    pub changes: Option<String>,
    /// Field by field.
    #[serde(default)]
    pub details: Option<String>,
    /// Why the table before stayed in force.
    pub error: Option<String>,
}

impl LastReload {
    fn of(last: Attempt) -> LastReload {
        let (changes, error) = match last.result {
            Ok(changes) => (Some(changes), None),
            Err(error) => (None, Some(error)),
        };
        let details = last.details.map(|details| details.to_string());
        LastReload { ok: error.is_none(), at: rfc3339(last.at), changes, details, error }
    }
}

/// An address that accepts clients.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListenerStatus {
    pub name: String,
    pub address: String,
    /// Open now.
    pub connections: i64,
    /// The configuration no longer has it; connections it accepted are still open.
    pub removed: bool,
    /// Its clients speak TLS.
    #[serde(default)]
    pub tls: bool,
}

impl SourceStatus {
    fn of(standing: SourceStanding) -> SourceStatus {
        let SourceStanding { source, up, error, warnings, .. } = standing;
        SourceStatus { source: source.word().to_owned(), up, error, warnings }
    }
}

impl Status {
    pub fn of(view: &dyn View) -> Status {
        let table = view.table();
        let Standing { loaded_at, config_hash, last } = view.history().standing();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            generation: view.generation(),
            config_hash,
            loaded_at: rfc3339(loaded_at),
            last_reload: LastReload::of(last),
            ready: view.is_ready(),
            draining: view.is_draining(),
            listeners: all_listeners(&table),
            upstreams: endpoints::all(&table),
            discovery: sources(&table).into_iter().map(SourceStatus::of).collect(),
        }
    }
}

fn all_listeners(table: &Table) -> Vec<ListenerStatus> {
    let status = |listener: &Listener, removed| ListenerStatus {
        name: listener.name.to_string(),
        address: listener.address.to_string(),
        connections: listener.stats.connections(),
        removed,
        tls: listener.secure,
    };
    let retired = table.retired.iter().filter(|listener| listener.stats.in_use());
    table.listeners.iter().map(|l| status(l, false)).chain(retired.map(|l| status(l, true))).collect()
}

pub async fn status(State(admin): State<Admin>) -> Result<Response, Problem> {
    let view = admin.view;
    admin.texts.json(move || Status::of(&*view)).await
}

pub async fn listeners(State(view): State<Arc<dyn View>>) -> Response {
    json(&all_listeners(&view.table()))
}
