//! What is true now, over HTTP: alive, ready, metrics, and an API to see and change the running gateway.

mod answer;
mod certificates;
mod check;
mod drain;
mod endpoints;
mod explain;
mod guard;
mod metrics;
mod openapi;
mod patience;
mod reload;
mod routes;
mod schemas;
mod serve;
mod status;
mod texts;

pub use certificates::{CertificateStatus, OrderStatus};
pub use drain::{Order, Wanted};
pub use endpoints::{Called, DiscoveryStatus, EndpointStatus, UpstreamStatus};
pub use guard::{FORGERY_HEADER, Guard};
pub use openapi::document as openapi;
pub use serve::serve;
pub use status::{LastReload, ListenerStatus, SourceStatus, Status};
pub use texts::Texts;

use crate::acme::Progress;
use crate::http::clock::Moment;
use crate::table::{History, Outcome, Refusal, Table};
use crate::telemetry;
use answer::{Problem, Turns};
use axum::Router;
use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use std::pin::Pin;
use std::sync::Arc;

/// A reload under way, and what comes of it.
pub type Reloading<'v> = Pin<Box<dyn Future<Output = Arc<Result<Outcome, Refusal>>> + Send + 'v>>;

/// What the admin address shows of a running gateway.
pub trait View: Send + Sync {
    fn is_ready(&self) -> bool;
    /// It was told to stop, and finishes what is in flight.
    fn is_draining(&self) -> bool;
    fn table(&self) -> Arc<Table>;
    /// Which table that is, counted from the start.
    fn generation(&self) -> u64;
    fn now(&self) -> Moment;
    /// What came of the reloads.
    fn history(&self) -> &History;
    /// Reloads, and waits for what comes of it.
    fn reload(&self) -> Reloading<'_>;
    /// The configuration in force, as it was written.
    fn texts(&self) -> Arc<Texts>;
    fn program(&self) -> &telemetry::ProgramStats;
    /// How the orders of certificates stand.
    fn orders(&self) -> Arc<Vec<Progress>>;
    /// Who may ask.
    fn guard(&self) -> Arc<Guard>;
}

/// What all answers are made from.
#[derive(Clone)]
struct Admin {
    view: Arc<dyn View>,
    texts: Turns,
    checks: Turns,
}

impl FromRef<Admin> for Arc<dyn View> {
    fn from_ref(admin: &Admin) -> Self {
        Arc::clone(&admin.view)
    }
}

/// What each path answers. What they are asked and say is described in [`openapi`].
fn paths() -> Vec<(&'static str, MethodRouter<Admin>)> {
    vec![
        ("/healthz", get(|| async { "ok\n" })),
        ("/readyz", get(ready)),
        ("/metrics", get(metrics::metrics)),
        ("/api/v1/status", get(status::status)),
        ("/api/v1/listeners", get(status::listeners)),
        ("/api/v1/upstreams", get(endpoints::upstreams)),
        ("/api/v1/upstreams/{upstream}", get(endpoints::upstream)),
        ("/api/v1/upstreams/{upstream}/endpoints/{endpoint}", get(endpoints::endpoint).put(drain::drain)),
        ("/api/v1/routes", get(routes::routes)),
        ("/api/v1/config", get(texts::config)),
        ("/api/v1/reloads", get(reload::reloads)),
        ("/api/v1/reload", post(reload::reload)),
        ("/api/v1/check", post(check::check)),
        ("/api/v1/certificates", get(certificates::certificates)),
        ("/api/v1/explain", post(explain::explain)),
        ("/api/v1/openapi.json", get(openapi::openapi)),
    ]
}

/// Everything the admin address answers.
fn router(view: Arc<dyn View>) -> Router {
    let admin = Admin { view, texts: Turns::texts(), checks: Turns::checks() };
    paths()
        .into_iter()
        .fold(Router::new(), |router, (path, answers)| router.route(path, answers))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this path")
        })
        .layer(middleware::from_fn_with_state(admin.clone(), guard::check))
        .with_state(admin)
}

async fn ready(axum::extract::State(view): axum::extract::State<Arc<dyn View>>) -> Response {
    if view.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}
