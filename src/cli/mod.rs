//! The commands.

mod agent;
mod check;
mod client;
mod completions;
mod config_print;
mod demo;
mod diff;
mod drain;
mod ending;
mod engine;
mod explain;
mod init;
mod man;
mod paint;
mod reference;
mod reload;
mod remote;
mod schema;
mod status;
mod surroundings;
mod test;

use crate::server::{self, Copies, Error, Hooks, Source};
use clap::{Args, Parser, Subcommand, ValueEnum};
use paint::colour;
pub use reference::reference;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Something failed while running.
const FAILED: u8 = 1;
/// The command line is wrong; most of it the parser of arguments says.
const USAGE: u8 = 2;
/// The configuration is invalid, or there is none.
const INVALID: u8 = 3;
/// Where `run --to` listens.
const LISTEN: &str = ":8080";
/// Where the configuration is looked for when the command line names none.
const PLACES: [&str; 2] = ["gateway.yaml", "/etc/wharf/gateway.yaml"];

/// What to do where there is none.
const NAME_ONE: &str = "name one: `wharf run FILE`; or forward everything: `wharf run --to HOST:PORT`";

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
    Check(check::CheckArgs),
    /// Show which route takes a request, why, and what becomes of it
    Explain(explain::ExplainArgs),
    /// Ask a configuration whether requests become what is expected
    Test(test::TestArgs),
    /// Show how the running gateway is
    Status(status::StatusArgs),
    /// Have the running gateway read its configuration again
    Reload(reload::ReloadArgs),
    /// Send an endpoint no more requests; those in flight end as they would
    Drain(drain::DrainArgs),
    /// Send a drained endpoint requests again
    Undrain(drain::UndrainArgs),
    /// Show what a reload from one configuration to another changes
    Diff(diff::DiffArgs),
    /// Find endpoints for a gateway that is to have no way to where they are found
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Write a configuration to start from, with comments
    Init(init::InitArgs),
    /// Look into a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the JSON Schema of gateway.yaml, with which editors complete, check and explain it
    Schema(schema::SchemaArgs),
    /// Print what makes a shell complete this program's commands
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man(man::ManArgs),
    /// Show the version
    Version,
}

#[derive(Subcommand)]
enum AgentCommand {
    /// Keep the containers of a Docker engine in a file
    Docker(agent::AgentArgs),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print what holds: every default filled in, included files merged
    Print(config_print::PrintArgs),
}

/// How a reading command shows what it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Why a command failed, as it is said on stderr, and the exit status that says it too.
struct Failure {
    exit: u8,
    /// Whole lines.
    said: String,
    /// What to do; may be empty.
    hint: String,
}

impl Failure {
    fn new(exit: u8, said: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { exit, said: said.into(), hint: hint.into() }
    }
}

#[derive(Args)]
struct RunArgs {
    /// The configuration (default: ./gateway.yaml, then /etc/wharf/gateway.yaml)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "file"])]
    config: Option<PathBuf>,
    /// The same
    #[arg(hide = true, conflicts_with = "to")]
    file: Option<PathBuf>,
    /// If the file is bad, serve the last good configuration that was kept of it, until the file is mended
    #[arg(long, conflicts_with = "to")]
    last_good: bool,
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
        Command::Check(args) => finish(check::check(args)),
        Command::Explain(args) => finish(explain::explain(args)),
        Command::Test(args) => finish(test::test(args)),
        Command::Status(args) => finish(status::status(&args)),
        Command::Reload(args) => finish(reload::reload(&args)),
        Command::Drain(args) => finish(drain::drain(&args)),
        Command::Undrain(args) => finish(drain::undrain(&args)),
        Command::Diff(args) => diff::diff(&args),
        Command::Agent(AgentCommand::Docker(args)) => finish(agent::agent(&args)),
        Command::Init(args) => finish(init::init(&args)),
        Command::Config(ConfigCommand::Print(args)) => finish(config_print::print(&args)),
        Command::Schema(args) => finish(schema::schema(&args)),
        Command::Completions(args) => finish(completions::completions(&args)),
        Command::Man(args) => finish(man::man(&args)),
        Command::Version => finish(show(concat!("wharf ", env!("CARGO_PKG_VERSION"), "\n"))),
    }
}

/// Writes what a command found to stdout.
fn show(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        // whoever reads may have seen enough
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(FAILED, format!("error: {e}"), "")),
        _ => Ok(()),
    }
}

fn finish(result: Result<(), Failure>) -> ExitCode {
    let Err(Failure { exit, said, hint }) = result else { return ExitCode::SUCCESS };
    if !said.is_empty() {
        eprintln!("{}", said.trim_end());
    }
    if !hint.is_empty() {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(exit)
}

fn run(args: RunArgs, give_back_memory: fn()) -> ExitCode {
    let source = match args.to {
        Some(to) => Source::Text(forward_everything(&to, args.listen.as_deref().unwrap_or(LISTEN))),
        None => match args.config.or(args.file).or_else(default_config) {
            Some(path) => Source::File(path),
            None => return finish(Err(no_config(NAME_ONE))),
        },
    };
    let copies = if args.last_good { Copies::Used } else { Copies::Kept };
    serve(source, copies, Hooks { give_back_memory, started: |_| () })
}

/// Serves until stopped; the exit status says how it went.
fn serve(source: Source, copies: Copies, hooks: Hooks) -> ExitCode {
    match server::run(source, copies, hooks) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Config(report)) => {
            eprint!("{}", report.render(colour()));
            ExitCode::from(INVALID)
        }
        Err(Error::NoCopy(report, note)) => {
            eprint!("{}\n{note}", report.render(colour()));
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

fn default_config() -> Option<PathBuf> {
    PLACES.iter().map(Path::new).find(|p| p.exists()).map(Path::to_path_buf)
}

fn no_config(hint: &str) -> Failure {
    let said = format!("error: there is no configuration: neither ./{} nor {} exists", PLACES[0], PLACES[1]);
    Failure::new(INVALID, said, hint)
}
