//! What a large table costs: CPU per request, start and memory with many routes, and a reload under load.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::memory::mib;
use crate::peers::{Peer, Route};
use crate::plan::{Outcome, Plan};
use crate::report::{Report, Table, median, rounded};
use crate::scenarios::{self, Effort};
use crate::stage::{Server, Stage};

/// Prefixes on each host.
const PREFIXES: usize = 10;

/// Past so many routes a reload is not timed: nginx needs most of a minute.
const RELOAD_ROUTES_MAX: usize = 10_000;

const RELOAD_RATE: f64 = 4_000.0;
const RELOAD_PATIENCE: Duration = Duration::from_secs(30);

struct Reload {
    /// From the signal to the new route's first answer.
    effect: Option<Duration>,
    /// What the clients saw meanwhile.
    outcome: Outcome,
}

/// Ten prefixes on each of a tenth as many hosts.
fn spread(count: usize) -> Vec<Route> {
    let route =
        |nth| Route { host: format!("h{}.bench.local", nth / PREFIXES), prefix: format!("/svc{}/", nth % PREFIXES) };
    (0..count).map(route).collect()
}

pub fn run(stage: &Stage, peers: &[Peer], counts: &[usize], effort: Effort, report: &mut Report) -> io::Result<()> {
    let mut table = Table::new(&["routes", "gateway", "CPU µs/req"]);
    table.head.extend(report.ratio_columns());
    table.head.extend(
        ["start s", "PSS MiB", "bytes/route", "errors", "reload ms", "failed", "p99 ms", "max ms"].map(String::from),
    );
    let mut data = json!({});
    let mut smallest: Vec<(String, u64)> = Vec::new();
    for &count in counts {
        let routes = spread(count);
        let servers = peers.iter().map(|peer| stage.start(peer, &routes)).collect::<io::Result<Vec<Server>>>()?;
        let memory: Vec<u64> = servers.iter().map(|server| server.running.pss_bytes()).collect();
        let plan = Plan {
            host: "h{i}.bench.local".into(),
            path: "/svc7/items?id={i}".into(),
            spread: count / PREFIXES,
            ..Plan::small(stage.direct(), effort.seconds)
        };
        let part = format!("routes_{count}");
        let rounds = scenarios::in_rounds(&part, stage, &servers, &plan, effort.rounds, || Ok(()))?;
        for (server, pss) in servers.iter().zip(memory) {
            let name = &server.peer.name;
            let cpu = scenarios::series(&rounds, name);
            let errors: u64 = rounds[name].iter().map(|sample| sample.outcome.errors()).sum();
            report.errors += errors;
            let per_route = smallest.iter().find(|(other, _)| other == name);
            let per_route = per_route.map(|(_, least)| (pss as f64 - *least as f64) / (count - counts[0]) as f64);
            let mut row = vec![count.to_string(), name.clone(), rounded(median(&cpu), 1)];
            row.extend(report.ratio_cells(&part, name, |name| scenarios::series(&rounds, name)));
            row.extend([
                rounded(server.start_s, 2),
                mib(pss),
                per_route.map_or("-".into(), |bytes| rounded(bytes, 0)),
                errors.to_string(),
            ]);
            let mut entry = json!({ "cpu_us": cpu, "start_s": server.start_s, "pss_bytes": pss, "bytes_per_route": per_route, "errors": errors });
            if count == counts.iter().copied().filter(|&count| count <= RELOAD_ROUTES_MAX).max().unwrap_or(0) {
                let reload = reload(stage, server, &routes)?;
                let effect_ms = reload.effect.map(|effect| effect.as_secs_f64() * 1e3);
                row.push(effect_ms.map_or("never".into(), |ms| rounded(ms, 0)));
                row.push(reload.outcome.errors().to_string());
                row.extend([reload.outcome.p99_us, reload.outcome.max_us].map(|us| rounded(us / 1e3, 1)));
                entry["reload"] = json!({ "effect_ms": effect_ms, "outcome": reload.outcome });
            } else {
                row.extend(["-"; 4].map(String::from));
            }
            data[count.to_string()][name] = entry;
            table.rows.push(row);
            if count == counts[0] {
                smallest.push((name.clone(), pss));
            }
        }
    }
    let title = format!("cost of the table's size; a reload under {RELOAD_RATE} requests a second");
    report.add("routes", &title, table, data);
    Ok(())
}

/// Adds a route and reloads while requests come in at a fixed rate.
fn reload(stage: &Stage, server: &Server, routes: &[Route]) -> io::Result<Reload> {
    let plan = Plan {
        target: server.address,
        rate: Some(RELOAD_RATE),
        host: routes[0].host.clone(),
        path: format!("{}x", routes[0].prefix),
        ..Plan::small(server.address, 6.0)
    };
    let added = Route { host: "added.bench.local".into(), prefix: "/added/".into() };
    let more: Vec<Route> = routes.iter().chain([&added]).cloned().collect();
    let mut client = stage.client(&plan)?;
    client.begin()?;
    sleep(Duration::from_secs(1));
    stage.rewrite(server, &more)?;
    let start = Instant::now();
    server.running.signal(server.peer.reload_signal());
    let mut effect = None;
    while effect.is_none() && start.elapsed() < RELOAD_PATIENCE {
        if server.answers(&added) {
            effect = Some(start.elapsed());
        } else {
            sleep(Duration::from_millis(5));
        }
    }
    Ok(Reload { effect, outcome: client.outcome()? })
}
