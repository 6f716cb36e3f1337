//! What an idle client costs: memory of a fresh gateway, and with so many kept connections that did one request each.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::peers::{Peer, Route};
use crate::plan::Plan;
use crate::report::{Report, Table, rounded};
use crate::stage::Stage;

/// Lets a gateway finish what it does after its last answer before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);

/// The memory of one gateway.
pub struct Memory {
    pub fresh_bytes: u64,
    /// For each number of connections: bytes with them held.
    pub held_bytes: Vec<(usize, u64)>,
}

impl Memory {
    /// Bytes above a fresh gateway, per connection.
    pub fn per_connection(&self, connections: usize) -> f64 {
        let held = self.held_bytes.iter().find(|(count, _)| *count == connections);
        held.map_or(f64::NAN, |(_, bytes)| (*bytes as f64 - self.fresh_bytes as f64) / connections as f64)
    }
}

/// Starts the gateway, reads its memory, and again with each of these numbers of connections.
pub fn of(stage: &Stage, peer: &Peer, routes: &[Route], counts: &[usize]) -> io::Result<Memory> {
    let server = stage.start(peer, routes)?;
    sleep(SETTLE);
    let fresh_bytes = server.running.pss_bytes();
    let mut held_bytes = Vec::new();
    for &count in counts {
        let plan =
            Plan { in_flight: 32, warm_seconds: 0.0, ..Plan::small(server.address, 0.0).with_connections(count) };
        let client = stage.client(&plan)?;
        sleep(SETTLE);
        held_bytes.push((count, server.running.pss_bytes()));
        drop(client);
        sleep(SETTLE);
    }
    Ok(Memory { fresh_bytes, held_bytes })
}

pub fn run(stage: &Stage, peers: &[Peer], routes: &[Route], counts: &[usize], report: &mut Report) -> io::Result<()> {
    let mut found = Vec::new();
    for peer in peers {
        let memory = of(stage, peer, routes, counts)?;
        eprintln!("  memory {}: {} bytes fresh, then {:?}", peer.name, memory.fresh_bytes, memory.held_bytes);
        found.push((peer.name.clone(), memory));
    }
    let mut table = Table::new(&["gateway", "fresh MiB"]);
    for count in counts {
        table.head.extend([format!("{count} idle MiB"), "bytes each".into()]);
        table.head.extend(report.ratio_columns());
    }
    let mut data = json!({});
    for (name, memory) in &found {
        let mut row = vec![name.clone(), mib(memory.fresh_bytes)];
        let mut each = json!({});
        for &(count, bytes) in &memory.held_bytes {
            row.extend([mib(bytes), rounded(memory.per_connection(count), 0)]);
            let part = format!("memory_{count}");
            row.extend(report.ratio_cells(&part, name, |name| {
                found
                    .iter()
                    .filter(|(other, _)| other == name)
                    .map(|(_, memory)| memory.per_connection(count))
                    .collect()
            }));
            each[count.to_string()] =
                json!({ "pss_bytes": bytes, "bytes_per_connection": memory.per_connection(count) });
        }
        data[name] = json!({ "fresh_pss_bytes": memory.fresh_bytes, "held": each });
        table.rows.push(row);
    }
    report.add(
        "memory",
        "PSS of the process tree with idle connections, one request done on each",
        table,
        data as Value,
    );
    Ok(())
}

pub fn mib(bytes: u64) -> String {
    rounded(bytes as f64 / f64::from(1 << 20), 1)
}
