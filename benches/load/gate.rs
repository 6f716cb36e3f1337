//! The numbers that repeat from run to run, and the limits they must keep: for CI, where CPU time says nothing.

use std::io;

use crate::peers::{Peer, Route};
use crate::report::{Report, Table, rounded};
use crate::stage::Stage;
use crate::{counts, memory};

/// Instructions in user space per small GET. nginx 1.22 takes 22,000; the kernel's part is the same for every proxy, so
/// this is what we have in hand.
const INSTRUCTIONS_MAX: f64 = 14_000.0;

/// System calls per small GET at 32 connections: two reads and two writes are needed, and a share of a wait.
const SYSTEM_CALLS_MAX: f64 = 4.8;

/// Bytes of memory per idle client, at [`IDLE_CLIENTS`] of them. nginx 1.22 takes 520.
const IDLE_BYTES_MAX: f64 = 512.0;

/// Idle clients held while memory is read. So many descriptors must be allowed, and some more.
const IDLE_CLIENTS: usize = 10_000;

/// Measures one gateway and compares. Returns the names of the limits that were crossed or could not be measured.
pub fn run(stage: &Stage, peer: &Peer, routes: &[Route], report: &mut Report) -> Vec<&'static str> {
    let calls = counts::system_calls(stage, peer, routes).map(|calls| calls.values().sum());
    let idle = memory::of(stage, peer, routes, &[IDLE_CLIENTS]).map(|memory| memory.per_connection(IDLE_CLIENTS));
    let rows: [(&str, f64, io::Result<f64>); 3] = [
        ("instructions", INSTRUCTIONS_MAX, counts::instructions(stage, peer, routes)),
        ("system calls", SYSTEM_CALLS_MAX, calls),
        ("idle client bytes", IDLE_BYTES_MAX, idle),
    ];
    let mut table = Table::new(&["limit", "at most", "measured", "verdict"]);
    let mut crossed = Vec::new();
    let mut data = serde_json::json!({});
    for (name, limit, measured) in rows {
        let (cell, kept) = match measured {
            Ok(value) => (rounded(value, 1), value > 0.0 && value <= limit),
            Err(error) => (error.to_string(), false),
        };
        if !kept {
            crossed.push(name);
        }
        data[name] = serde_json::json!({ "limit": limit, "measured": cell, "kept": kept });
        table.rows.push(vec![name.into(), limit.to_string(), cell, if kept { "kept" } else { "CROSSED" }.into()]);
    }
    report.add("gate", &format!("limits of {}, per small GET or idle client", peer.name), table, data);
    crossed
}
