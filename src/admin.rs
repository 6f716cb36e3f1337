//! What is true now, over HTTP: alive, ready, metrics.

use crate::table::Table;
use crate::telemetry;
use crate::telemetry::{EndpointScene, ListenerScene, Scene, UpstreamScene};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What the admin address shows of a running gateway.
pub trait View: Send + Sync {
    fn is_ready(&self) -> bool;
    fn table(&self) -> Arc<Table>;
    fn program(&self) -> &telemetry::ProgramStats;
}

type Shared = State<Arc<dyn View>>;

/// Serves the admin address on a socket that is bound and listens.
pub async fn serve(socket: OwnedFd, view: Arc<dyn View>) -> io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn(check_host))
        .with_state(view);
    let is_unix = matches!(rustix::net::sockopt::socket_domain(&socket)?, rustix::net::AddressFamily::UNIX);
    if is_unix {
        axum::serve(tokio::net::UnixListener::from_std(socket.into())?, routes).await
    } else {
        axum::serve(tokio::net::TcpListener::from_std(socket.into())?, routes).await
    }
}

async fn ready(State(view): Shared) -> Response {
    if view.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

async fn metrics(State(view): Shared) -> Response {
    // a large table takes a while: other answers need not wait for it
    let text = tokio::task::spawn_blocking(move || scrape(&*view)).await;
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Everything that is counted, as Prometheus reads it.
fn scrape(view: &dyn View) -> String {
    let table = view.table();
    let listeners = table.listeners.iter().enumerate();
    let routes = table.routes.iter().map(|r| (&*r.name, &*r.stats));
    telemetry::encode(&Scene {
        program: view.program(),
        listeners: listeners.map(|(id, l)| ListenerScene { id: id as u16, name: &l.name, stats: &l.stats }).collect(),
        routes: routes.chain([(&*table.unmatched.name, &*table.unmatched.stats)]).collect(),
        upstreams: table
            .upstreams
            .iter()
            .map(|u| UpstreamScene {
                name: &u.pool.name,
                stats: &u.stats,
                endpoints: u
                    .pool
                    .endpoints
                    .iter()
                    .map(|e| EndpointScene {
                        id: e.number,
                        address: &e.address,
                        in_flight: e.in_flight().into(),
                        up: e.is_up(),
                    })
                    .collect(),
            })
            .collect(),
    })
}

/// A page in a browser may reach this address under a name of its own (DNS rebinding): only addresses and `localhost` are answered.
async fn check_host(headers: HeaderMap, request: Request, next: Next) -> Response {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("");
    let name = crate::http::host::parse(host.as_bytes()).map(|h| String::from_utf8_lossy(h.name).to_ascii_lowercase());
    let allowed = name.is_some_and(|name| {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || bare.parse::<IpAddr>().is_ok()
    });
    if allowed {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "the Host must be an IP address or localhost\n").into_response()
}
