//! Everything that is counted, as Prometheus reads it.

use super::answer::Problem;
use super::certificates;
use super::status;
use super::{Admin, View};
use crate::discovery::Standing;
use crate::table::Table;
use crate::telemetry::{self, EndpointScene, ListenerScene, Scene, SourceScene, UpstreamScene};
use crate::upstream::{Entry, Pool, State as EndpointState};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use std::collections::HashMap;
use std::sync::Arc;

pub async fn metrics(State(admin): State<Admin>) -> Result<Response, Problem> {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let view = admin.view;
    admin.texts.text(HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]), move || scrape(&*view)).await
}

fn scrape(view: &dyn View) -> String {
    let table = view.table();
    let routes = table.routes.iter().map(|r| (r.name(), &r.stats));
    // what was found is another list the next moment
    let listed: Vec<_> = table.upstreams.iter().map(|u| (u, u.pool.listed())).collect();
    telemetry::encode(&Scene {
        program: view.program(),
        listeners: listeners(&table),
        routes: routes.chain(table.own.iter().map(|r| (r.name(), &r.stats))).collect(),
        upstreams: listed
            .iter()
            .map(|(u, listed)| UpstreamScene {
                name: &u.pool.name,
                stats: &u.stats,
                endpoints: listed.iter().map(|listed| endpoint_scene(&listed.entry, &u.pool)).collect(),
                found: u.pool.origin.as_ref().map(|origin| {
                    let Standing { endpoints, changes, .. } = origin.board.standing(&origin.sought);
                    (endpoints, changes)
                }),
            })
            .collect(),
        certificates: certificates::expiries(&table),
        sources: status::sources(&table)
            .iter()
            .map(|s| SourceScene { source: s.source.word(), up: s.up, last_success_s: s.last_success_s })
            .collect(),
    })
}

/// An entry as metrics show it: all its addresses together.
fn endpoint_scene<'a>(entry: &'a Arc<Entry>, pool: &Pool) -> EndpointScene<'a> {
    let members = pool.members();
    let own = || members.iter().filter(|e| Arc::ptr_eq(&e.entry, entry));
    EndpointScene {
        address: &entry.address,
        stats: &entry.stats,
        in_flight: own().map(|e| i64::from(e.in_flight())).sum(),
        up: own().any(|e| pool.state(e) == EndpointState::Up),
    }
}

/// The listeners by name: one that moved to another address counts anew, but for the connections it still has at the old one. What is removed
/// and out of use is not shown.
fn listeners(table: &Table) -> Vec<ListenerScene<'_>> {
    let mut scenes: Vec<ListenerScene<'_>> = Vec::with_capacity(table.listeners.len());
    let mut places: HashMap<&str, usize> = HashMap::new();
    let retired = table.retired.iter().filter(|l| l.stats.in_use());
    for listener in table.listeners.iter().chain(retired) {
        let (name, stats) = (&*listener.name, &*listener.stats);
        match places.get(name) {
            Some(place) => scenes[*place].former.push(stats),
            None => {
                places.insert(name, scenes.len());
                let (id, secure) = (listener.number.get(), listener.secure);
                scenes.push(ListenerScene { id, name, secure, stats, former: Vec::new() });
            }
        }
    }
    scenes
}
