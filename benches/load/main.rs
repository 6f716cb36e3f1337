//! Measures wharf, nginx and HAProxy beside each other, with equivalent configurations and one origin, in one run.
//!
//! `docs/benchmarks.md` explains the method and how to read the tables.

mod answer;
mod arguments;
mod client;
mod counts;
mod gate;
mod memory;
mod origin;
mod peers;
mod plan;
mod process;
mod readiness;
mod report;
mod routes;
mod scenarios;
mod stage;
mod wire;

use std::io;
use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, Parser};
use serde_json::json;

use crate::arguments::{Arguments, Part};
use crate::peers::{Peer, Route};
use crate::report::Report;
use crate::scenarios::Effort;
use crate::stage::{Server, Stage};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        // The parts of this program that it starts itself.
        Some("become") => process::become_pinned(&words[1], &words[2..]).map(|never| match never {}),
        Some("origin") => as_origin(&words[1..]),
        Some("client") => serde_json::from_str(&words[1]).map_err(io::Error::from).and_then(client::run),
        _ => return measure(&Arguments::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{}: {error}", words.join(" "))),
    }
}

fn as_origin(addresses: &[String]) -> io::Result<()> {
    let parsed: Result<Vec<_>, _> = addresses.iter().map(|address| address.parse()).collect();
    origin::run(&parsed.map_err(io::Error::other)?)
}

fn measure(arguments: &Arguments) -> ExitCode {
    if !arguments.ask_for_something() {
        // So a plain `cargo bench`, or `cargo test --benches`, does not load the machine.
        println!("{}", Arguments::command().render_help());
        return ExitCode::SUCCESS;
    }
    let gateways = match arguments.find_wharf() {
        Ok(found) => found,
        Err(sentence) => return fail(&sentence),
    };
    let against = ["nginx", "haproxy"]
        .map(String::from)
        .into_iter()
        .chain(gateways.iter().skip(1).map(|_| gateways[0].name.clone()).take(1));
    let mut report = Report::new(against.collect());
    let start = Instant::now();
    let crossed = match run(arguments, gateways, &mut report) {
        Ok(crossed) => crossed,
        Err(error) => return fail(&error.to_string()),
    };
    report.note(&format!("{:.0} s in all.", start.elapsed().as_secs_f64()));
    println!("{}", report.text());
    if !crossed.is_empty() {
        return fail(&format!("crossed: {}", crossed.join(", ")));
    }
    if report.errors > 0 {
        return fail(&format!("{} requests failed: these numbers do not compare", report.errors));
    }
    ExitCode::SUCCESS
}

fn run(arguments: &Arguments, gateways: Vec<Peer>, report: &mut Report) -> io::Result<Vec<&'static str>> {
    let (parts, effort) = (arguments.parts(), arguments.effort());
    let stage = Stage::set(arguments.threads.max(1), arguments.access_logs)?;
    let routes = fixed_routes();
    let mut crossed = Vec::new();
    if arguments.gate {
        for peer in &gateways {
            crossed.extend(gate::run(&stage, peer, &routes, report));
        }
    }
    let peers: Vec<Peer> =
        if parts.is_empty() { gateways } else { gateways.into_iter().chain(Peer::installed()).collect() };
    if peers.is_empty() {
        return Err(io::Error::other("there is nothing to measure"));
    }
    if parts.iter().any(|part| matches!(part, Part::Rounds(_))) {
        // All at once: the idle ones cost nothing, and a round then sees the same machine.
        let servers = peers.iter().map(|peer| stage.start(peer, &routes)).collect::<io::Result<Vec<Server>>>()?;
        for part in &parts {
            if let Part::Rounds(scenario) = part {
                scenarios::run(*scenario, &stage, &servers, effort, report)?;
            }
        }
    }
    for part in &parts {
        match part {
            Part::Rounds(_) => {}
            Part::Memory => {
                let counts: &[usize] = if arguments.quick { &[1_000] } else { &[1_000, 10_000] };
                memory::run(&stage, &peers, &routes, counts, report)?;
            }
            Part::Routes => {
                let effort = Effort { rounds: effort.rounds.div_ceil(2), ..effort };
                routes::run(&stage, &peers, &arguments.route_counts(), effort, report)?;
            }
            Part::Syscalls => counts::run_system_calls(&stage, &peers, &routes, report)?,
            Part::Instructions => counts::run_instructions(&stage, &peers, &routes, report)?,
        }
    }
    if let Some(file) = &arguments.json {
        let programs: Vec<_> = peers.iter().map(|peer| json!({ "name": peer.name, "path": peer.program() })).collect();
        let run = json!({
            "gateways": programs, "rounds": effort.rounds, "seconds": effort.seconds, "rate": effort.rate,
            "threads": stage.threads, "access_logs": stage.access_log,
            "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        });
        report.write_json(file, run)?;
    }
    Ok(crossed)
}

/// The table of every part but `routes`.
fn fixed_routes() -> Vec<Route> {
    let route = |(host, prefix): (&str, &str)| Route { host: host.into(), prefix: prefix.into() };
    [("bench.local", "/api/"), ("bench.local", "/static/"), ("www.bench.local", "/")].map(route).into()
}

fn fail(sentence: &str) -> ExitCode {
    eprintln!("load: {sentence}");
    ExitCode::FAILURE
}
