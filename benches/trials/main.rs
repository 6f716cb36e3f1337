//! Puts the promises on trial against the built binary: nothing is lost by reloads, kills, timeouts, upgrades and stops.
//!
//! `docs/benchmarks.md` explains how to run it. Every request carries a number of its own, every response is checked to
//! be that request's, and every POST is recorded where it is executed.

mod answer;
mod arguments;
mod certificates;
mod containers;
#[path = "../../tests/docker/mod.rs"]
mod docker;
mod framing;
mod gateway;
mod keepalive;
mod kills;
mod load;
#[path = "../../tests/mutants/mod.rs"]
mod mutants;
mod mutations;
mod origin;
mod pattern;
mod peer;
mod place;
mod probe;
mod process;
#[path = "../load/readiness.rs"]
mod readiness;
mod record;
mod reloads;
mod request;
mod rest;
mod script;
mod shot;
mod soak;
mod stop;
mod storm;
mod table;
mod tally;
mod upgrades;
mod verdict;
mod victims;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::arguments::{Arguments, Trial};
use crate::verdict::Verdict;

fn main() -> ExitCode {
    process::raise_descriptor_limit();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        // The parts of this program that it starts itself.
        Some("become") => process::become_command(&words[1..]).map(|never| match never {}),
        Some("origin") => victims::become_origin(&words[1..]),
        Some("container") => containers::become_container(&words[1..]),
        _ => return judge(&Arguments::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{}: {error}", words.join(" "))),
    }
}

fn judge(arguments: &Arguments) -> ExitCode {
    if arguments.names.is_empty() {
        // So a plain `cargo bench`, or `cargo test --benches`, does not load the machine.
        println!("{}", Arguments::command().render_help());
        return ExitCode::SUCCESS;
    }
    let program = match arguments.gateway() {
        Ok(program) => program,
        Err(sentence) => return fail(&sentence),
    };
    let mut verdict = Verdict::default();
    for name in &arguments.names {
        let ran = match name {
            Trial::Reloads => reloads::run(&program, arguments, &mut verdict),
            Trial::Kills => kills::run(&program, arguments, &mut verdict),
            Trial::Keepalive => keepalive::run(&program, arguments, &mut verdict),
            Trial::Storm => storm::run(&program, arguments, &mut verdict),
            Trial::Upgrades => upgrades::run(&program, arguments, &mut verdict),
            Trial::Stop => stop::run(&program, arguments, &mut verdict),
            Trial::Mutations => mutations::run(&program, arguments, &mut verdict),
            Trial::Certificates => certificates::run(&program, arguments, &mut verdict),
            Trial::Containers => containers::run(&program, arguments, &mut verdict),
            Trial::Soak => soak::run(&program, arguments, &mut verdict),
        };
        if let Err(error) = ran {
            verdict.holds(false, || format!("{name:?} came to no end: {error}"));
        }
    }
    if verdict.broken().is_empty() {
        ExitCode::SUCCESS
    } else {
        fail(&format!("{} promises broken", verdict.broken().len()))
    }
}

fn fail(sentence: &str) -> ExitCode {
    eprintln!("trials: {sentence}");
    ExitCode::FAILURE
}
