//! What a run is asked for, on the command line.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

/// Puts the promises on trial: nothing is lost by reloads, kills, timeouts, upgrades and stops.
#[derive(Parser)]
#[command(name = "trials")]
pub struct Arguments {
    /// The trials, in the order to run them
    pub names: Vec<Trial>,
    /// The program on trial [default: target/release/wharf]
    #[arg(long, value_name = "BIN")]
    pub gateway: Option<PathBuf>,
    /// Requests of `reloads` (1000000), and of `keepalive` at each origin (100000)
    #[arg(long)]
    pub requests: Option<u64>,
    /// Documents that `mutations` reads (100000)
    #[arg(long)]
    pub mutants: Option<u64>,
    /// Swaps of `certificates` (1000), with a reload to every tenth
    #[arg(long)]
    pub swaps: Option<u64>,
    /// Reloads of `reloads`, of `storm` while memory is watched (1000), and of `mutations` (10000)
    #[arg(long)]
    pub reloads: Option<u64>,
    /// In `reloads`: nginx and HAProxy too, to compare
    #[arg(long)]
    pub peers: bool,
    /// In `reloads`: a listener comes and goes as well
    #[arg(long)]
    pub listeners: bool,
    /// Kills of `kills` in each of its ways
    #[arg(long, default_value_t = 100)]
    pub kills: u64,
    /// Ways of `kills`, each in turn: what the pool says of passive health; `soak` takes the last
    #[arg(long, value_delimiter = ',', default_value = "short,off", value_name = "WAY")]
    pub passive: Vec<Passive>,
    /// Origins of `keepalive`
    #[arg(long, value_delimiter = ',', default_value = "gunicorn,uvicorn,node", value_name = "ORIGIN")]
    pub origins: Vec<RealOrigin>,
    /// Connections of `keepalive` that each pause for themselves
    #[arg(long, default_value_t = 1500)]
    pub cells: u32,
    /// Routes of `storm`
    #[arg(long, default_value_t = 10_000)]
    pub routes: usize,
    /// Milliseconds that a new route of `storm` may take to answer
    #[arg(long, default_value_t = 250)]
    pub live_within: u64,
    /// Upgrades of `upgrades`
    #[arg(long, default_value_t = 100)]
    pub upgrades: u64,
    /// Listeners of `upgrades`
    #[arg(long, default_value_t = 40)]
    pub listener_count: u16,
    /// Milliseconds that an idle gateway may take to stop in `stop`
    #[arg(long, default_value_t = 200)]
    pub stop_within: u64,
    /// Containers of `containers`, at most 240
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(3..=240))]
    pub containers: u8,
    /// Minutes of `soak` and `containers`
    #[arg(long, default_value_t = 5.0)]
    pub minutes: f64,
    /// Requests in flight at a time, in trials that send as fast as they are answered
    #[arg(long, default_value_t = 24)]
    pub in_flight: usize,
    /// Let the gateway write an access log into the trial's folder
    #[arg(long)]
    pub access_log: bool,
    /// Keep each trial's folder with configuration and logs
    #[arg(long)]
    pub keep: bool,
    /// What cargo bench adds
    #[arg(long, hide = true)]
    pub bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Trial {
    /// Requests during reloads that change the table
    Reloads,
    /// An endpoint killed and restarted under load
    Kills,
    /// Connections used just when real services close them
    Keepalive,
    /// Large tables, and more reloads than can be obeyed
    Storm,
    /// New binaries on the same sockets
    Upgrades,
    /// TERM with much in flight, and with nothing
    Stop,
    /// Damaged configurations, read and reloaded
    Mutations,
    /// Certificates swapped under TLS clients, tables reloaded meanwhile
    Certificates,
    /// Containers of a real Docker engine that come and go, with an engine that does
    Containers,
    /// Everything at a time, and nothing left over
    Soak,
}

/// What a pool says of passive health in `kills`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Passive {
    /// Nothing, so one failure takes an endpoint out for ten seconds; a kill waits until the victim is back
    Default,
    /// One failure takes it out for a second
    Short,
    /// `max_fails: 0`
    Off,
}

/// A service that users run, with its own idea of when to close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RealOrigin {
    Gunicorn,
    Uvicorn,
    Node,
}

impl Passive {
    /// What a pool says.
    pub fn line(self) -> &'static str {
        match self {
            Passive::Default => "",
            Passive::Short => "passive: { max_fails: 1, fail_timeout: 1s }",
            Passive::Off => "passive: { max_fails: 0 }",
        }
    }
}

impl Arguments {
    /// The one way of passive health where a trial has only one pool to hurt.
    pub fn last_passive(&self) -> Passive {
        self.passive.last().copied().unwrap_or(Passive::Off)
    }

    pub fn gateway(&self) -> Result<PathBuf, String> {
        let path = match &self.gateway {
            Some(path) => path.clone(),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/wharf"),
        };
        path.canonicalize().map_err(|error| format!("{}: {error} (cargo build --release)", path.display()))
    }

    /// The line of a configuration about access logs.
    pub fn access_log(&self) -> &'static str {
        if self.access_log {
            "observability: { access_log: { format: json, output: access.log } }"
        } else {
            "observability: { access_log: { output: none } }"
        }
    }
}
