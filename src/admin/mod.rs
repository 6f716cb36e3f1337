//! What is true now, over HTTP: alive, ready, metrics, and an API to see and change the running gateway.

mod answer;
mod check;
mod drain;
mod endpoints;
mod guard;
mod metrics;
mod patience;
mod reload;
mod routes;
mod serve;
mod status;
mod texts;

pub use drain::{Order, Wanted};
pub use endpoints::{Called, EndpointStatus, UpstreamStatus};
pub use guard::{FORGERY_HEADER, Guard};
pub use serve::serve;
pub use status::{LastReload, ListenerStatus, Status};
pub use texts::Texts;

use crate::http::clock::Moment;
use crate::table::{History, Outcome, Refusal, Table};
use crate::telemetry;
use answer::{Problem, Turns};
use axum::Router;
use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
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

/// Everything the admin address answers.
fn router(view: Arc<dyn View>) -> Router {
    let admin = Admin { view, texts: Turns::texts(), checks: Turns::checks() };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/listeners", get(status::listeners))
        .route("/api/v1/upstreams", get(endpoints::upstreams))
        .route("/api/v1/upstreams/{upstream}", get(endpoints::upstream))
        .route("/api/v1/upstreams/{upstream}/endpoints/{endpoint}", get(endpoints::endpoint).put(drain::drain))
        .route("/api/v1/routes", get(routes::routes))
        .route("/api/v1/config", get(texts::config))
        .route("/api/v1/reloads", get(reload::reloads))
        .route("/api/v1/reload", post(reload::reload))
        .route("/api/v1/check", post(check::check))
        .route("/api/v1/certificates", get(|| async { not_built("TLS is", "certificates") }))
        .route("/api/v1/explain", post(|| async { not_built("`explain` is", "explanations") }))
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

fn not_built(part: &str, things: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("{part} not built yet: there are no {things}"))
}
