//! Trial: requests during reloads that really change the table. None may fail.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::arguments::Arguments;
use crate::gateway::Gateway;
use crate::load::Load;
use crate::origin::Origins;
use crate::peer::{Kind, Peer};
use crate::place::Place;
use crate::probe;
use crate::record::Executions;
use crate::script::Mixed;
use crate::table::{GENERATION, Generation, ORIGINS, PREFIXES};
use crate::tally::{Tally, grouped};
use crate::verdict::Verdict;

/// How long a reload may take before it counts as lost.
const RELOAD_PATIENCE: Duration = Duration::from_secs(10);

/// Lost reloads after which the trial gives up.
const LOST_MAX: usize = 3;

const REQUESTS: u64 = 1_000_000;
const RELOADS: u64 = 1_000;

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    let place = Place::new("reloads", arguments.keep)?;
    let table = |number| Generation::new(number, &place);
    let yaml = |number| table(number).wharf(&place, arguments.access_log(), arguments.listeners);
    let gateway = Gateway::start(program, &place, &yaml(0))?;
    let reload = |number: u64| {
        // By file change and signal alternately, and a changed file in both ways of changing it.
        match number % 4 {
            0 => gateway.replace_file(&yaml(number)),
            2 => gateway.write_file(&yaml(number)),
            _ => gateway.replace_file(&yaml(number)).and_then(|()| gateway.signal(Signal::HUP)),
        }
    };
    let outcome = drive(&place, arguments, reload)?;
    let (obeyed, refused) = gateway.reloads();
    let how = format!("half by file change, half by HUP; {refused} times a half-written file refused");
    outcome.tell("reloads", &how, verdict);
    verdict.nothing_failed("reloads", &outcome.tally);
    verdict.holds(outcome.lost.is_empty(), || {
        format!("reloads that did not take effect: {:?}\n{}", outcome.lost, gateway.last_words())
    });
    let last = probe::metric(place.admin(), "wharf_config_last_reload_successful")?;
    verdict.holds(last == 1.0, || format!("the last reload counts as failed\n{}", gateway.last_words()));
    verdict.holds(obeyed >= outcome.reloads as f64, || format!("only {obeyed} reloads counted as obeyed"));
    let executions = Executions::read(&place.record())?;
    let repeated = executions.begun_again();
    verdict.holds(repeated.is_empty(), || format!("POSTs that reached an origin twice: {repeated:?}"));
    drop(gateway);
    if arguments.peers {
        for kind in [Kind::Nginx, Kind::Haproxy] {
            compare(kind, arguments, verdict)?;
        }
    }
    Ok(())
}

/// The same for another gateway, whose failures break no promise of ours.
fn compare(kind: Kind, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    let place = Place::new(kind.name(), arguments.keep)?;
    let Some(peer) = Peer::start(kind, &place, &Generation::new(0, &place))? else {
        verdict.figure(format!("reloads of {}: it is not installed", kind.name()));
        return Ok(());
    };
    let outcome = drive(&place, arguments, |number| peer.reload(&Generation::new(number, &place)))?;
    outcome.tell(&format!("reloads of {}", kind.name()), "by signal", verdict);
    verdict.show(&outcome.tally.failures());
    Ok(())
}

struct Outcome {
    tally: std::sync::Arc<Tally>,
    reloads: u64,
    lost: Vec<u64>,
    took: Duration,
    slowest: Duration,
}

impl Outcome {
    fn tell(&self, what: &str, how: &str, verdict: &mut Verdict) {
        let Outcome { tally, reloads, lost, took, slowest } = self;
        verdict.figure(format!(
            "{what}: {} during {} reloads ({how}; {} lost) in {:.0} s: failed {}; {}, slowest reload {} ms; \
             {} connections told to close, {} closed while idle",
            tally.sent_in_words(),
            grouped(*reloads),
            lost.len(),
            took.as_secs_f64(),
            tally.failed_by_kind(),
            tally.longest_in_words(),
            slowest.as_millis(),
            tally.count(&tally.told_to_close),
            tally.count(&tally.closed_idle),
        ));
    }
}

/// Sends and reloads, both evenly, until there were enough of both.
fn drive(place: &Place, arguments: &Arguments, reload: impl Fn(u64) -> io::Result<()>) -> io::Result<Outcome> {
    let (requests, reloads) = (arguments.requests.unwrap_or(REQUESTS), arguments.reloads.unwrap_or(RELOADS));
    let addresses: Vec<_> = (0..ORIGINS).map(|nth| place.origin(nth)).collect();
    Origins::bind(0, &addresses, &place.record())?.serve_beside()?;
    let front = place.listener(0);
    if probe::until_body(front, GENERATION, "0", RELOAD_PATIENCE).is_none() {
        return Err(io::Error::other("the first table is not served"));
    }
    let start = Instant::now();
    let load = Load::start(Mixed { in_flight: arguments.in_flight, ..Mixed::new(vec![front], &PREFIXES) })?;
    let mut outcome = Outcome {
        tally: std::sync::Arc::clone(&load.tally),
        reloads: 0,
        lost: Vec::new(),
        took: Duration::ZERO,
        slowest: Duration::ZERO,
    };
    for number in 1..=reloads {
        let share = number * requests / reloads;
        load.wait_for(Duration::from_secs(60), "its share of requests", |tally| tally.count(&tally.sent) >= share)?;
        reload(number)?;
        let answer = Generation::new(number, place).answer();
        match probe::until_body(front, GENERATION, &answer, RELOAD_PATIENCE) {
            Some(took) => outcome.slowest = outcome.slowest.max(took),
            None => outcome.lost.push(number),
        }
        outcome.reloads += 1;
        if outcome.lost.len() >= LOST_MAX {
            break;
        }
    }
    load.finish()?;
    outcome.took = start.elapsed();
    Ok(outcome)
}
