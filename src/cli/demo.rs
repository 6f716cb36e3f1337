//! `wharf demo`: the repository's gateway.yaml in front of sample services that it starts itself.

use super::ending::told_to_end;
use super::{FAILED, serve};
use crate::server::{Copies, Gateway, Hooks, Source};
use crate::value::ListenAddress;
use axum::Router;
use axum::extract::Request;
use clap::Args;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The sample services that gateway.yaml names.
const SERVICES: [(&str, &str); 3] =
    [("user-1", "127.0.0.1:8001"), ("user-2", "127.0.0.1:8002"), ("cart-1", "127.0.0.1:8003")];
/// The table that is served where there is none.
const TABLE: &str = include_str!("../../gateway.yaml");

#[derive(Args)]
pub struct DemoArgs {
    /// The table to serve (default: ./gateway.yaml, else the one built in)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run one sample service of this name instead
    #[arg(long, value_name = "NAME", hide = true, requires = "listen")]
    service: Option<String>,
    /// Where that service listens
    #[arg(long, value_name = "ADDRESS", hide = true, requires = "service")]
    listen: Option<SocketAddr>,
}

/// Runs the demo, or one of its services.
pub fn demo(args: DemoArgs, give_back_memory: fn()) -> ExitCode {
    let failed = |e: io::Error| {
        eprintln!("error: {e}");
        ExitCode::from(FAILED)
    };
    if let (Some(name), Some(listen)) = (args.service, args.listen) {
        let ended = bind(listen).and_then(|socket| run_service(name, socket, Until::Told));
        return ended.map_or_else(failed, |()| ExitCode::SUCCESS);
    }
    if let Err(e) = start_services() {
        return failed(e);
    }
    let here = Path::new("gateway.yaml");
    let source = match args.config {
        Some(file) => Source::File(file),
        None if here.exists() => Source::File(here.into()),
        None => Source::Text(TABLE.into()),
    };
    serve(source, Copies::None, Hooks { give_back_memory, started: banner })
}

/// What to try, once everything is bound.
fn banner(gateway: &Gateway) {
    let table = gateway.live.load();
    let Some(listener) = table.listeners.first() else { return };
    let base = match &listener.address {
        ListenAddress::Any { port } => format!("http://127.0.0.1:{port}"),
        other => format!("http://{other}"),
    };
    eprintln!("\nwharf demo: two user services and one cart service behind {base}\n");
    eprintln!("  curl {base}/v1/user/42     # user-1 and user-2 take turns");
    eprintln!("  curl {base}/v1/cart/7      # the cart service, and the headers it was sent");
    eprintln!("  curl -i {base}/nowhere     # an error says why");
    if let Some(admin) = &gateway.admin {
        eprintln!("  curl http://{admin}/metrics        # what Prometheus scrapes");
    }
    if let Source::File(file) = &gateway.source {
        eprintln!("  edit {} and save      # the new table is live at once", file.display());
    }
    eprintln!("\nCtrl-C stops it.\n");
}

fn start_services() -> io::Result<()> {
    for (name, address) in SERVICES {
        let address: SocketAddr = address.parse().map_err(io::Error::other)?;
        let socket = bind(address)?;
        std::thread::Builder::new().name(name.into()).spawn(move || run_service(name.into(), socket, Until::Exit))?;
    }
    Ok(())
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(address).map_err(|e| {
        io::Error::new(
            e.kind(),
            format!("the sample service cannot listen on {address}: {e}\nhint: the demo needs ports 8001 to 8003"),
        )
    })?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How long a sample service runs.
enum Until {
    /// As long as the process: the gateway in front decides when that ends.
    Exit,
    /// Until it is told to end. It accepts no more then, and finishes what it has: as a service should.
    Told,
}

/// Answers every request with what it got.
fn run_service(name: String, socket: TcpListener, until: Until) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let routes = Router::new().fallback(move |request: Request| answer(name.clone(), request));
        let serving = axum::serve(tokio::net::TcpListener::from_std(socket)?, routes);
        match until {
            Until::Exit => serving.await,
            Until::Told => serving.with_graceful_shutdown(told_to_end()?).await,
        }
    })
}

async fn answer(name: String, request: Request) -> ([(&'static str, &'static str); 1], String) {
    let headers: serde_json::Map<String, serde_json::Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let mut body = serde_json::json!({
        "service": name,
        "method": request.method().as_str(),
        "path": request.uri().to_string(),
        "headers": headers,
    });
    // a container has one of its own, by which those of one service are told apart
    if let Ok(name) = std::env::var("HOSTNAME") {
        body["instance"] = name.into();
    }
    ([("content-type", "application/json")], format!("{body:#}\n"))
}
