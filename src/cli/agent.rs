//! `wharf agent docker`: finds containers for a gateway that is to have no way to the engine.

use super::ending::told_to_end;
use super::engine::EngineArgs;
use super::{FAILED, Failure};
use crate::discovery::docker::{Network, Settings, hand_out};
use crate::telemetry;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct AgentArgs {
    /// The file to keep endpoints in, for a gateway with `discovery: { docker: { endpoint: file:///PATH } }`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
    /// The network on which the gateway reaches containers, or `published` for their published ports
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
}

/// Runs until it is stopped.
pub fn agent(args: &AgentArgs) -> Result<(), Failure> {
    let (engine, tls) = args.engine.engine()?;
    let network = match args.network.as_deref() {
        None => Network::Shared,
        Some("published") => Network::Published,
        Some(name) => Network::Named(name.into()),
    };
    telemetry::log::init(log::LevelFilter::Info);
    let failed = |e: std::io::Error| {
        Failure::new(
            FAILED,
            format!("error: {} cannot be written: {e}", args.out.display()),
            "name a file in a directory of the agent's own, which is there and which it may write to",
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    log::info!("endpoints of {engine} are kept in {}", args.out.display());
    let settings = Settings { engine, tls, network, all: true, routes: true };
    runtime.block_on(async {
        let told = told_to_end()
            .map_err(|e| Failure::new(FAILED, format!("error: signals cannot be listened to: {e}"), ""))?;
        tokio::select! {
            ended = hand_out(settings, &args.out) => ended.map_err(failed),
            () = told => Ok(()),
        }
    })
}
