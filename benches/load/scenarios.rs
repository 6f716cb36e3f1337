//! What is measured in rounds: each gateway once a round, in rotated order, and the rounds' medians.

use std::collections::BTreeMap;
use std::io;

use serde_json::json;

use crate::plan::{Method, Outcome, Plan};
use crate::report::{Report, Table, median, rounded};
use crate::stage::{Sample, Server, Stage};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    Small,
    Fixed,
    Headers,
    Big,
    Post,
    Churn,
    Turns,
}

/// Rounds of a scenario, by gateway: the nth of each is of the nth round.
pub type Rounds = BTreeMap<String, Vec<Sample>>;

impl Scenario {
    fn title(self) -> &'static str {
        match self {
            Scenario::Small => "GET 1 KiB, closed loop, 32 connections",
            Scenario::Fixed => "GET 1 KiB, open loop at a fixed rate, 32 connections",
            Scenario::Headers => "GET 1 KiB with a browser's headers, closed loop, 32 connections",
            Scenario::Big => "GET 100 KiB, closed loop, 16 connections",
            Scenario::Post => "POST 10 KiB and get it back, closed loop, 16 connections",
            Scenario::Churn => "GET 1 KiB, a new connection for each request, 16 at a time",
            Scenario::Turns => "GET 1 KiB, 10,000 kept connections used in turn, 32 requests in flight",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Small => "small",
            Scenario::Fixed => "fixed",
            Scenario::Headers => "headers",
            Scenario::Big => "big",
            Scenario::Post => "post",
            Scenario::Churn => "churn",
            Scenario::Turns => "turns",
        }
    }

    fn plan(self, stage: &Stage, seconds: f64, rate: f64) -> Plan {
        let small = Plan::small(stage.direct(), seconds);
        match self {
            Scenario::Small => small,
            Scenario::Fixed => Plan { rate: Some(rate), ..small },
            Scenario::Headers => Plan { browser_headers: true, ..small },
            Scenario::Big => Plan { path: "/api/100k".into(), ..small.with_connections(16) },
            Scenario::Post => {
                let method = Method::Post { body_bytes: 10 * 1024 };
                Plan { path: "/api/echo".into(), method, ..small.with_connections(16) }
            }
            Scenario::Churn => Plan { kept: false, ..small.with_connections(16) },
            Scenario::Turns => Plan { in_flight: 32, ..small.with_connections(10_000) },
        }
    }
}

/// How long and how often.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub seconds: f64,
    /// Requests per second of the open loop.
    pub rate: f64,
}

pub fn run(
    scenario: Scenario,
    stage: &Stage,
    servers: &[Server],
    effort: Effort,
    report: &mut Report,
) -> io::Result<()> {
    let plan = scenario.plan(stage, effort.seconds, effort.rate);
    let mut direct = Vec::new();
    let rounds = in_rounds(scenario.name(), stage, servers, &plan, effort.rounds, || {
        if scenario == Scenario::Fixed {
            direct.push(stage.client(&plan)?.go()?.0);
        }
        Ok(())
    })?;
    let fixed = scenario == Scenario::Fixed;
    let mut table = Table::new(&["gateway", "CPU µs/req", "range"]);
    table.head.extend(report.ratio_columns());
    table.head.extend(["busy", "req/s"].map(String::from));
    if fixed {
        table.head.extend(["p50 µs", "p99 µs", "p50 added", "p99 added"].map(String::from));
    }
    table.head.push("errors".into());
    for server in servers {
        let samples = &rounds[&server.peer.name];
        let of = |value: fn(&Sample) -> f64| samples.iter().map(value).collect::<Vec<_>>();
        let cpu = of(|sample| sample.cpu_us);
        let (low, high) = cpu.iter().fold((f64::MAX, f64::MIN), |(low, high), &us| (low.min(us), high.max(us)));
        let mut row = vec![server.peer.name.clone(), rounded(median(&cpu), 1), format!("{low:.1}-{high:.1}")];
        row.extend(report.ratio_cells(scenario.name(), &server.peer.name, |name| series(&rounds, name)));
        row.push(format!("{:.0}%", 100.0 * median(&of(|sample| sample.busy))));
        row.push(rounded(median(&of(|sample| sample.outcome.per_second())), 0));
        if fixed {
            let (p50, p99) = (of(|sample| sample.outcome.p50_us), of(|sample| sample.outcome.p99_us));
            let added = |with: &[f64], without: fn(&Outcome) -> f64| {
                let pairs = with.iter().zip(&direct).map(|(with, outcome)| with - without(outcome));
                format!("{:+.0}", median(&pairs.collect::<Vec<_>>()))
            };
            row.extend([rounded(median(&p50), 0), rounded(median(&p99), 0)]);
            row.extend([added(&p50, |outcome| outcome.p50_us), added(&p99, |outcome| outcome.p99_us)]);
        }
        let errors: u64 = samples.iter().map(|sample| sample.outcome.errors()).sum();
        report.errors += errors;
        row.push(errors.to_string());
        table.rows.push(row);
    }
    let rate = if fixed { format!(" ({}/s)", effort.rate) } else { String::new() };
    report.add(
        scenario.name(),
        &format!("{}{rate}", scenario.title()),
        table,
        json!({ "rounds": rounds, "direct": direct }),
    );
    Ok(())
}

/// Measures every server once a round. Who is first differs from round to round, so that a drift favours nobody.
pub fn in_rounds(
    name: &str,
    stage: &Stage,
    servers: &[Server],
    plan: &Plan,
    count: usize,
    mut after_each: impl FnMut() -> io::Result<()>,
) -> io::Result<Rounds> {
    let mut rounds = Rounds::new();
    for round in 0..count {
        let mut said = format!("  {name} {}/{count}:", round + 1);
        for turn in 0..servers.len() {
            let server = &servers[(turn + round) % servers.len()];
            let sample = stage.measure(server, plan)?;
            said.push_str(&format!("  {} {:.1} µs", server.peer.name, sample.cpu_us));
            rounds.entry(server.peer.name.clone()).or_default().push(sample);
        }
        after_each()?;
        eprintln!("{said}");
    }
    Ok(rounds)
}

/// A gateway's CPU time per request, round by round.
pub fn series(rounds: &Rounds, name: &str) -> Vec<f64> {
    rounds.get(name).map_or_else(Vec::new, |samples| samples.iter().map(|sample| sample.cpu_us).collect())
}
