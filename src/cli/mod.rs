//! The commands.

mod demo;

use crate::config;
use crate::server::{self, Error, Hooks, Source};
use clap::{Args, Parser, Subcommand};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Something failed while running.
const FAILED: u8 = 1;
/// The configuration is invalid, or there is none. (2 is a wrong command line, which the parser of arguments says.)
const INVALID: u8 = 3;
/// Where `run --to` listens.
const LISTEN: &str = ":8080";
/// Where the configuration is looked for when the command line names none.
const PLACES: [&str; 2] = ["gateway.yaml", "/etc/wharf/gateway.yaml"];

/// Reverse-proxy API gateway in front of Docker microservices
#[derive(Parser)]
#[command(name = "wharf", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve in the foreground
    Run(RunArgs),
    /// Serve gateway.yaml in front of sample services, and print what to try
    Demo(demo::DemoArgs),
    /// Show every error of configuration files at its place
    Check {
        /// Files to check (default: ./gateway.yaml, then /etc/wharf/gateway.yaml)
        files: Vec<PathBuf>,
        /// The same
        #[arg(long, value_name = "FILE", hide = true)]
        config: Vec<PathBuf>,
    },
    /// Show the version
    Version,
}

#[derive(Args)]
struct RunArgs {
    /// The configuration (default: ./gateway.yaml, then /etc/wharf/gateway.yaml)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "file"])]
    config: Option<PathBuf>,
    /// The same
    #[arg(hide = true, conflicts_with = "to")]
    file: Option<PathBuf>,
    /// Forward everything to this endpoint, without a file
    #[arg(long, value_name = "HOST:PORT")]
    to: Option<String>,
    /// Where to listen with --to (default: :8080, on all addresses)
    #[arg(long, value_name = "ADDRESS", requires = "to")]
    listen: Option<String>,
}

/// Runs the command of the process's command line. `give_back_memory` is called when much has just been freed.
pub fn main(give_back_memory: fn()) -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run(args, give_back_memory),
        Command::Demo(args) => demo::demo(args, give_back_memory),
        Command::Check { mut files, config } => {
            files.extend(config);
            check(files)
        }
        Command::Version => {
            println!("wharf {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
    }
}

fn run(args: RunArgs, give_back_memory: fn()) -> ExitCode {
    let source = match args.to {
        Some(to) => Source::Text(forward_everything(&to, args.listen.as_deref().unwrap_or(LISTEN))),
        None => match args.config.or(args.file).or_else(default_config) {
            Some(path) => Source::File(path),
            None => return no_config(),
        },
    };
    serve(source, Hooks { give_back_memory, started: |_| () })
}

/// Serves until stopped; the exit status says how it went.
fn serve(source: Source, hooks: Hooks) -> ExitCode {
    match server::run(source, hooks) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Config(report)) => {
            eprint!("{}", report.render(colour()));
            ExitCode::from(INVALID)
        }
        Err(Error::Start(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(FAILED)
        }
    }
}

/// The document of `run --to`.
fn forward_everything(to: &str, listen: &str) -> String {
    let document = serde_json::json!({
        "version": 1,
        "listeners": { "web": { "address": listen } },
        "upstreams": { "to": { "endpoints": [to] } },
        "routes": [{ "match": { "path": "/*" }, "upstream": "to" }],
    });
    // a value made of strings and numbers can always be written
    serde_yaml::to_string(&document).unwrap_or_default()
}

fn check(files: Vec<PathBuf>) -> ExitCode {
    let files = if files.is_empty() { default_config().into_iter().collect() } else { files };
    if files.is_empty() {
        return no_config();
    }
    let mut invalid = false;
    for file in files {
        match config::load(&file) {
            Ok(_) => println!("{}: ok", file.display()),
            Err(report) => {
                eprint!("{}", report.render(colour()));
                invalid = true;
            }
        }
    }
    if invalid { ExitCode::from(INVALID) } else { ExitCode::SUCCESS }
}

fn default_config() -> Option<PathBuf> {
    PLACES.iter().map(Path::new).find(|p| p.exists()).map(Path::to_path_buf)
}

fn no_config() -> ExitCode {
    eprintln!("error: there is no configuration: neither ./{} nor {} exists", PLACES[0], PLACES[1]);
    eprintln!("hint: name one: `wharf run FILE`; or forward everything: `wharf run --to HOST:PORT`");
    ExitCode::from(INVALID)
}

fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
