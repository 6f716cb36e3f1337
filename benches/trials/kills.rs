//! Trial: one of three endpoints is killed and restarted, again and again, under load.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::arguments::{Arguments, Passive};
use crate::gateway::Gateway;
use crate::load::Load;
use crate::place::Place;
use crate::record::Executions;
use crate::script::Mixed;
use crate::verdict::Verdict;
use crate::victims::Victims;

const ENDPOINTS: usize = 3;

/// Responses that each endpoint has to give before the next kill, so that the kill is one.
const SERVED: u64 = 20;

/// How long an endpoint that is back may stay without requests: longer than any `fail_timeout` here.
const BACK_PATIENCE: Duration = Duration::from_secs(30);

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    arguments.passive.iter().try_for_each(|way| run_one(*way, program, arguments, verdict))
}

fn run_one(way: Passive, program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    let what = format!("kills, passive {way:?}").to_lowercase();
    let place = Place::new("kills", arguments.keep)?;
    let addresses: Vec<_> = (0..ENDPOINTS).map(|nth| place.origin(nth)).collect();
    let mut victims = Victims::start(addresses, &place.record())?;
    let gateway = Gateway::start(program, &place, &configuration(&place, way, arguments))?;
    let load = Load::start(Mixed {
        slow: true,
        in_flight: arguments.in_flight,
        ..Mixed::new(vec![place.listener(0)], &["/app/"])
    })?;
    let start = Instant::now();
    let ended = kill_on(&mut victims, &load, arguments.kills);
    let took = start.elapsed();
    let tally = load.finish()?;
    let executions = Executions::read(&place.record())?;
    let lost = victims.judge(&what, &tally, verdict);
    let (twice, begun_again) = (executions.repeated(), executions.begun_again());
    verdict.figure(format!(
        "{what}: {} kills in {:.0} s, {}: {lost}; POSTs executed {}, twice {}; {}",
        victims.kills(),
        took.as_secs_f64(),
        tally.sent_in_words(),
        executions.total(),
        twice.len(),
        tally.longest_in_words()
    ));
    verdict.holds(twice.is_empty(), || format!("{what}: POSTs executed twice: {twice:?}"));
    verdict.holds(begun_again.is_empty(), || format!("{what}: POSTs sent to an endpoint twice: {begun_again:?}"));
    let left = gateway.in_flight()?;
    verdict.holds(left == 0.0, || format!("{what}: {left} requests still count as in flight"));
    ended
}

fn configuration(place: &Place, way: Passive, arguments: &Arguments) -> String {
    let passive = way.line();
    let endpoints: Vec<String> = (0..ENDPOINTS).map(|nth| format!("\"{}\"", place.origin(nth))).collect();
    format!(
        "version: 1\nadmin: {{ address: \"{}\" }}\nlisteners:\n  web: {{ address: \"{}\" }}\nupstreams:\n  app:\n    \
         endpoints: [{}]\n    {passive}\nroutes:\n  - match: {{ path: /app/* }}\n    upstream: app\n{}\n",
        place.admin(),
        place.listener(0),
        endpoints.join(", "),
        arguments.access_log()
    )
}

/// Kills them in turn. The next one only when all are at work again: there is always somebody to take a request.
fn kill_on(victims: &mut Victims, load: &Load, kills: u64) -> io::Result<()> {
    let tally = Arc::clone(&load.tally);
    for nth in 0..kills as usize {
        for origin in 0..ENDPOINTS {
            let before = tally.count(&tally.by_origin[origin]);
            let what = format!("requests at endpoint {origin} again, after {nth} kills");
            load.wait_for(BACK_PATIENCE, &what, |tally| tally.count(&tally.by_origin[origin]) >= before + SERVED)?;
        }
        std::thread::sleep(Duration::from_millis(fastrand::u64(..50)));
        let victim = nth % ENDPOINTS;
        victims.kill(victim, &tally)?;
        std::thread::sleep(Duration::from_millis(fastrand::u64(10..100)));
        victims.restart(victim)?;
    }
    Ok(())
}
