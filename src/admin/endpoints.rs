//! Upstreams and their endpoints as the API shows them: one item for each address that requests can go to.

use super::answer::{Problem, json};
use super::{Admin, View};
use crate::config::suggestion;
use crate::discovery::Standing;
use crate::table::{Table, Upstream};
use crate::telemetry::rfc3339;
use crate::upstream::entry::Place;
use crate::upstream::members::Listed;
use crate::upstream::{Endpoint, Origin, State};
use axum::extract::rejection::PathRejection;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A pool and its endpoints.
#[derive(Debug, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// How endpoints are chosen.
    pub balance: String,
    /// Requests that wait for an endpoint.
    pub waiting: u32,
    /// In the order of the configuration, or of their addresses where they are found.
    pub endpoints: Vec<EndpointStatus>,
    /// How they are found, where they are not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<DiscoveryStatus>,
}

/// How the endpoints of an upstream are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveryStatus {
    pub source: String,
    /// What the source calls them.
    pub service: String,
    /// `waiting`, `ok`, `empty` or `stale`.
    pub state: String,
    /// Since when.
    pub since: String,
    /// Why it is stale, or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many were found.
    pub endpoints: usize,
}

impl DiscoveryStatus {
    fn of(origin: &Origin) -> DiscoveryStatus {
        let Standing { state, since, error, endpoints, changes: _ } = origin.board.standing(&origin.sought);
        DiscoveryStatus {
            source: origin.sought.source.word().to_owned(),
            service: origin.sought.service.to_string(),
            state: state.to_owned(),
            since: rfc3339(since),
            error,
            endpoints,
        }
    }
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// As written.
    pub address: String,
    /// Of a name, the address that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Of one that was found, what its source calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub state: String,
    /// Requests and tunnels.
    pub in_flight: u32,
    /// Failures that count now.
    pub fails: u32,
    pub weight: u32,
    pub backup: bool,
}

impl UpstreamStatus {
    pub fn of(upstream: &Upstream) -> UpstreamStatus {
        let pool = &upstream.pool;
        UpstreamStatus {
            balance: pool.rules.balance.word().to_owned(),
            waiting: pool.lasting.room.waiting(),
            endpoints: statuses(upstream),
            discovery: pool.origin.as_ref().map(DiscoveryStatus::of),
        }
    }
}

impl EndpointStatus {
    /// Whether it is called so: as written, or by its address.
    pub fn is_called(&self, name: &str) -> bool {
        let at = self.at.as_deref().unwrap_or_default();
        self.address == name
            || self.name.as_deref() == Some(name)
            || at == name
            || at.split(" or ").any(|one| one == name)
    }

    fn of(endpoint: &Endpoint, state: State, listed: &Listed) -> EndpointStatus {
        let is_name = matches!(listed.entry.place, Place::Name { .. });
        EndpointStatus {
            at: is_name.then(|| endpoint.target.to_string()),
            in_flight: endpoint.in_flight(),
            fails: endpoint.fails(),
            ..EndpointStatus::without_address(state, listed)
        }
    }

    fn without_address(state: State, listed: &Listed) -> EndpointStatus {
        EndpointStatus {
            address: listed.entry.address.to_string(),
            at: None,
            name: listed.entry.known_as().map(|name| name.to_string()),
            state: state.word().to_owned(),
            in_flight: 0,
            fails: 0,
            weight: listed.weight,
            backup: listed.backup,
        }
    }
}

fn statuses(upstream: &Upstream) -> Vec<EndpointStatus> {
    let pool = &upstream.pool;
    let (listed, members) = (pool.listed(), pool.members());
    let of = |listed: &Listed| {
        let own = members.iter().filter(|endpoint| Arc::ptr_eq(&endpoint.entry, &listed.entry));
        let mut found: Vec<_> = own.map(|e| EndpointStatus::of(e, pool.state(e), listed)).collect();
        if found.is_empty() {
            let state = if listed.entry.is_drained() { State::Drained } else { State::Unresolved };
            found.push(EndpointStatus::without_address(state, listed));
        }
        found
    };
    listed.iter().flat_map(of).collect()
}

/// All upstreams by name.
pub fn all(table: &Table) -> BTreeMap<String, UpstreamStatus> {
    table.upstreams.iter().map(|u| (u.pool.name.to_string(), UpstreamStatus::of(u))).collect()
}

/// The upstream of this name.
pub fn named<'t>(table: &'t Table, name: &str) -> Result<&'t Arc<Upstream>, Problem> {
    table.upstreams.iter().find(|upstream| *upstream.pool.name == *name).ok_or_else(|| {
        let names = table.upstreams.iter().map(|upstream| &*upstream.pool.name);
        Problem::new(StatusCode::NOT_FOUND, format!("there is no upstream `{}`", name.escape_debug()))
            .hint(suggestion(name, names))
    })
}

/// The endpoints of an upstream that are called so.
pub fn called(upstream: &Upstream, name: &str) -> Result<Vec<EndpointStatus>, Problem> {
    let all = statuses(upstream);
    let found: Vec<EndpointStatus> = all.iter().filter(|status| status.is_called(name)).cloned().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names =
        all.iter().flat_map(|status| [Some(&*status.address), status.name.as_deref(), status.at.as_deref()]).flatten();
    let said = format!("upstream `{}` has no endpoint `{}`", upstream.pool.name, name.escape_debug());
    Err(Problem::new(StatusCode::NOT_FOUND, said).hint(suggestion(name, names)))
}

/// What a path names, decoded.
pub fn parts<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    path.map(|Path(parts)| parts)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "a name in the path is not UTF-8, percent-encoded"))
}

type Viewed = extract::State<Arc<dyn View>>;

pub async fn upstreams(extract::State(admin): extract::State<Admin>) -> Result<Response, Problem> {
    let view = admin.view;
    admin.texts.json(move || all(&view.table())).await
}

pub async fn upstream(
    extract::State(view): Viewed,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let table = view.table();
    Ok(json(&UpstreamStatus::of(named(&table, &parts(path)?)?)))
}

/// The endpoints that one name stands for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Called {
    pub upstream: String,
    pub endpoints: Vec<EndpointStatus>,
}

pub async fn endpoint(
    extract::State(view): Viewed,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let (upstream, endpoint) = parts(path)?;
    let table = view.table();
    let endpoints = called(named(&table, &upstream)?, &endpoint)?;
    Ok(json(&Called { upstream, endpoints }))
}
