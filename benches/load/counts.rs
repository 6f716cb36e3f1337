//! Numbers that repeat: instructions in user space and system calls, per small GET in steady state.
//!
//! A gateway is run under a tracer for N requests and again for 2N. The difference is N requests without the start, the
//! connections' opening and the stop, all of which happened in both.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use serde_json::json;

use crate::peers::{Peer, Route, find_program};
use crate::plan::Plan;
use crate::report::{Report, Table, rounded};
use crate::stage::{Server, Stage};

const INSTRUCTION_REQUESTS: u64 = 2_000;
const INSTRUCTION_CONNECTIONS: usize = 8;
/// No proxy reads and writes two messages for less.
const INSTRUCTIONS_MIN: f64 = 1_000.0;

const SYSCALL_REQUESTS: u64 = 5_000;
const SYSCALL_CONNECTIONS: usize = 32;

/// Longest time for a run's requests under a tracer.
const SECONDS_MAX: f64 = 120.0;

/// Instructions in user space per request, by callgrind.
pub fn instructions(stage: &Stage, peer: &Peer, routes: &[Route]) -> io::Result<f64> {
    installed("valgrind")?;
    let tracer = |directory: &std::path::Path| {
        let file = format!("--callgrind-out-file={}/callgrind.%p", directory.display());
        vec!["valgrind".into(), "--tool=callgrind".into(), file]
    };
    let total = |requests| {
        let server = traced(stage, peer, routes, &tracer, requests, INSTRUCTION_CONNECTIONS)?;
        let log = fs::read_to_string(server.directory.join("log"))?;
        let totals = log.lines().filter_map(|line| line.split_once("Collected :"));
        let last = totals.filter_map(|(_, number)| number.trim().parse::<f64>().ok()).next_back();
        last.ok_or_else(|| io::Error::other(format!("callgrind told no total for {}", peer.name)))
    };
    let count = (total(2 * INSTRUCTION_REQUESTS)? - total(INSTRUCTION_REQUESTS)?) / INSTRUCTION_REQUESTS as f64;
    if count < INSTRUCTIONS_MIN {
        return Err(io::Error::other(format!(
            "callgrind saw {count:.0} instructions a request: it watched another process"
        )));
    }
    Ok(count)
}

/// System calls per request, by name, by strace.
pub fn system_calls(stage: &Stage, peer: &Peer, routes: &[Route]) -> io::Result<BTreeMap<String, f64>> {
    installed("strace")?;
    let tracer = |directory: &std::path::Path| {
        let file = format!("{}/strace", directory.display());
        ["strace", "-c", "-f", "-I", "2", "-o", &file].map(String::from).to_vec()
    };
    let counts = |requests| {
        let server = traced(stage, peer, routes, &tracer, requests, SYSCALL_CONNECTIONS)?;
        Ok::<_, io::Error>(calls(&fs::read_to_string(server.directory.join("strace"))?))
    };
    let (once, twice) = (counts(SYSCALL_REQUESTS)?, counts(2 * SYSCALL_REQUESTS)?);
    if twice.is_empty() {
        return Err(io::Error::other(format!("strace told nothing of {}", peer.name)));
    }
    let names = once.keys().chain(twice.keys());
    let difference = |name: &String| twice.get(name).unwrap_or(&0.0) - once.get(name).unwrap_or(&0.0);
    Ok(names.map(|name| (name.clone(), difference(name) / SYSCALL_REQUESTS as f64)).collect())
}

/// One run from start to stop; returns the stopped server, for what the tracer has written.
fn traced(
    stage: &Stage,
    peer: &Peer,
    routes: &[Route],
    tracer: &dyn Fn(&std::path::Path) -> Vec<String>,
    requests: u64,
    connections: usize,
) -> io::Result<Server> {
    let mut server = stage.start_under(tracer, peer, routes)?;
    let plan =
        Plan { requests: Some(requests), ..Plan::small(server.address, SECONDS_MAX).with_connections(connections) };
    let (outcome, client) = stage.client(&Plan { warm_seconds: 0.0, ..plan })?.go()?;
    drop(client);
    server.running.stop_traced();
    if outcome.completed != requests || outcome.errors() > 0 {
        return Err(io::Error::other(format!(
            "{} of {requests} requests done, {} errors",
            outcome.completed,
            outcome.errors()
        )));
    }
    Ok(server)
}

/// The table that `strace -c` writes: share, seconds, microseconds per call, calls, errors if any, name.
fn calls(table: &str) -> BTreeMap<String, f64> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = *words.last()?;
        words.first()?.parse::<f64>().ok()?;
        (name != "total").then_some((name.to_owned(), words.get(3)?.parse().ok()?))
    };
    table.lines().filter_map(row).collect()
}

fn installed(tracer: &str) -> io::Result<()> {
    find_program(tracer).map(drop).ok_or_else(|| io::Error::other(format!("{tracer} is not installed")))
}

pub fn run_instructions(stage: &Stage, peers: &[Peer], routes: &[Route], report: &mut Report) -> io::Result<()> {
    let mut found = BTreeMap::new();
    for peer in peers {
        let count = instructions(stage, peer, routes)?;
        eprintln!("  instructions {}: {count:.0}", peer.name);
        found.insert(peer.name.clone(), count);
    }
    let mut table = Table::new(&["gateway", "instructions"]);
    table.head.extend(report.ratio_columns());
    for peer in peers {
        let mut row = vec![peer.name.clone(), rounded(found[&peer.name], 0)];
        row.extend(
            report.ratio_cells("instructions", &peer.name, |name| found.get(name).copied().into_iter().collect()),
        );
        table.rows.push(row);
    }
    report.add("instructions", "user space, per small GET (callgrind)", table, json!(found));
    Ok(())
}

pub fn run_system_calls(stage: &Stage, peers: &[Peer], routes: &[Route], report: &mut Report) -> io::Result<()> {
    let mut table = Table::new(&["gateway", "calls", "by name"]);
    let mut found = BTreeMap::new();
    for peer in peers {
        let calls = system_calls(stage, peer, routes)?;
        let total: f64 = calls.values().sum();
        let mut named: Vec<(&String, &f64)> = calls.iter().filter(|(_, count)| **count >= 0.01).collect();
        named.sort_by(|a, b| b.1.total_cmp(a.1));
        let by_name = named.iter().map(|(name, count)| format!("{name} {count:.2}")).collect::<Vec<_>>().join(", ");
        eprintln!("  syscalls {}: {total:.2}", peer.name);
        table.rows.push(vec![peer.name.clone(), rounded(total, 2), by_name]);
        found.insert(peer.name.clone(), calls);
    }
    report.add("syscalls", "system calls per small GET (strace, 32 connections)", table, json!(found));
    Ok(())
}
