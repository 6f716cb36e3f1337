//! Trial: a large table that changes, and more reloads than can be obeyed, under load on a route that stays.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::arguments::Arguments;
use crate::gateway::Gateway;
use crate::load::Load;
use crate::origin::Origins;
use crate::place::Place;
use crate::probe;
use crate::process;
use crate::script::Mixed;
use crate::tally::grouped;
use crate::verdict::Verdict;

/// Times that each way of reloading is timed.
const TIMED: usize = 20;

/// How long a reload may take before it counts as lost.
const RELOAD_PATIENCE: Duration = Duration::from_secs(10);

/// How fast the load is: enough to notice what is dropped, and no more than leaves room for a reload.
const RATE: f64 = 2_000.0;

const STORM: Duration = Duration::from_secs(10);
const BETWEEN_SIGNALS: Duration = Duration::from_millis(1);
const BETWEEN_FILES: Duration = Duration::from_millis(250);

/// How long after the storm its last file may take to be live.
const CALM_PATIENCE: Duration = Duration::from_secs(5);

/// Reloads after which memory is read for the first time, and how many in all.
const SETTLED: u64 = 100;
const RELOADS: u64 = 1_000;

/// Growth of memory that is no growth: a tenth, and so much.
const SLACK_KIB: u64 = 4 * 1024;

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    let place = Place::new("storm", arguments.keep)?;
    Origins::bind(0, &[place.origin(0)], &place.record())?.serve_beside()?;
    let large = Large { place: &place, arguments };
    let gateway = Gateway::start(program, &place, &large.table(0))?;
    let load =
        Load::start(Mixed { rate: Some(RATE), in_flight: 64, ..Mixed::new(vec![place.listener(0)], &["/load/"]) })?;
    let limit = Duration::from_millis(arguments.live_within);
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    for way in [Way::CloseWrite, Way::Signal, Way::BesideNoise] {
        let noise = (way == Way::BesideNoise).then(|| Noise::start(&place)).transpose()?;
        // One that is lost counts as late as it was waited for.
        let mut times: Vec<Duration> = Vec::new();
        while times.len() < TIMED && times.last().is_none_or(|last| *last < RELOAD_PATIENCE) {
            times.push(large.time_one(&gateway, way, next())?.unwrap_or(RELOAD_PATIENCE));
        }
        drop(noise);
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        verdict.figure(format!(
            "storm: {} routes, {}: live after {} ms (median of {}), {} ms at worst",
            grouped(arguments.routes as u64),
            way.words(),
            median.as_millis(),
            times.len(),
            worst.as_millis()
        ));
        verdict.holds(worst <= limit, || {
            format!("storm, {}: {} ms, not {} ms", way.words(), worst.as_millis(), limit.as_millis())
        });
    }
    blow(&gateway, &large, &mut next, verdict)?;
    grow(&gateway, &large, &mut next, arguments.reloads.unwrap_or(RELOADS), verdict)?;
    let tally = load.finish()?;
    verdict.figure(format!(
        "storm: {} meanwhile: failed {}; {}",
        tally.sent_in_words(),
        tally.failed_by_kind(),
        tally.longest_in_words()
    ));
    verdict.nothing_failed("storm", &tally);
    Ok(())
}

/// What makes the gateway reload.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    CloseWrite,
    Signal,
    /// As the first, while another file in the same folder is written to again and again.
    BesideNoise,
}

impl Way {
    fn words(self) -> &'static str {
        match self {
            Way::CloseWrite => "from close-write",
            Way::Signal => "from HUP",
            Way::BesideNoise => "from close-write beside a busy file",
        }
    }
}

struct Large<'a> {
    place: &'a Place,
    arguments: &'a Arguments,
}

impl Large<'_> {
    /// A table of many routes with one that only this generation has.
    fn table(&self, number: u64) -> String {
        let Large { place, arguments } = self;
        let mut text = format!(
            "version: 1\nadmin: {{ address: \"{}\" }}\nlisteners:\n  web: {{ address: \"{}\" }}\n{}\nupstreams:\n  \
             app: {{ endpoints: [\"{}\"] }}\nroutes:\n  - {{ match: {{ path: /load/* }}, upstream: app }}\n  \
             - {{ match: {{ path: /generation-{number} }}, respond: {{ status: 200, body: \"{number}\" }} }}\n",
            place.admin(),
            place.listener(0),
            arguments.access_log(),
            place.origin(0)
        );
        for nth in 0..arguments.routes {
            // Ten prefixes on each host; a tenth of them is named otherwise in every generation.
            let (host, service) = (nth / 10, nth % 10);
            let version = if service == 0 { number } else { 0 };
            let _ = writeln!(
                text,
                "  - {{ match: {{ host: h{host}.trial.local, path: /v{version}/svc{service}/* }}, upstream: app }}"
            );
        }
        text
    }

    /// From the change, or the signal, until the route that is new answers; `None`: it never did.
    fn time_one(&self, gateway: &Gateway, way: Way, number: u64) -> io::Result<Option<Duration>> {
        let yaml = self.table(number);
        if way == Way::Signal {
            gateway.replace_file(&yaml)?;
            gateway.signal(Signal::HUP)?;
        } else {
            gateway.write_file(&yaml)?;
        }
        Ok(self.until_live(number, RELOAD_PATIENCE))
    }

    fn until_live(&self, number: u64, patience: Duration) -> Option<Duration> {
        probe::until_body(self.place.listener(0), &format!("/generation-{number}"), &number.to_string(), patience)
    }
}

/// A thousand signals a second for a while, and another file every now and then: the last one must be live in the end.
fn blow(gateway: &Gateway, large: &Large, next: &mut impl FnMut() -> u64, verdict: &mut Verdict) -> io::Result<()> {
    let (obeyed_before, refused_before) = gateway.reloads();
    let start = Instant::now();
    let (mut signals, mut files, mut last) = (0u32, 0u32, 0);
    while start.elapsed() < STORM {
        if start.elapsed() >= BETWEEN_FILES * files {
            last = next();
            files += 1;
            gateway.replace_file(&large.table(last))?;
        }
        gateway.signal(Signal::HUP)?;
        signals += 1;
        std::thread::sleep((BETWEEN_SIGNALS * signals).saturating_sub(start.elapsed()));
    }
    let blown = start.elapsed();
    let calm = large.until_live(last, CALM_PATIENCE);
    let (obeyed, refused) = gateway.reloads();
    verdict.figure(format!(
        "storm: {} HUPs and {files} files in {:.1} s: {} reloads, {} refused; the last file live {} after",
        grouped(signals.into()),
        blown.as_secs_f64(),
        obeyed - obeyed_before,
        refused - refused_before,
        calm.map_or("never".into(), |calm| format!("{} ms", calm.as_millis()))
    ));
    verdict.holds(calm.is_some(), || "storm: the last file did not come to be live".into());
    verdict.holds(refused == refused_before, || format!("storm: reloads refused\n{}", gateway.last_words()));
    Ok(())
}

/// Memory after many reloads against memory after some.
fn grow(
    gateway: &Gateway,
    large: &Large,
    next: &mut impl FnMut() -> u64,
    reloads: u64,
    verdict: &mut Verdict,
) -> io::Result<()> {
    let (mut settled, mut peak) = (0, 0);
    for nth in 1..=reloads {
        let number = next();
        if large.time_one(gateway, Way::Signal, number)?.is_none() {
            verdict.holds(false, || format!("storm: reload {number} was lost\n{}", gateway.last_words()));
            return Ok(());
        }
        peak = peak.max(process::rss_kib(gateway.pid));
        if nth == SETTLED.min(reloads) {
            settled = lowest_rss(gateway.pid);
        }
    }
    let after = lowest_rss(gateway.pid);
    verdict.figure(format!(
        "storm: {:.1} MiB after {} reloads, {:.1} MiB after {}; {:.1} MiB at most",
        settled as f64 / 1024.0,
        SETTLED.min(reloads),
        after as f64 / 1024.0,
        grouped(reloads),
        peak as f64 / 1024.0
    ));
    verdict.holds(after <= settled + settled / 10 + SLACK_KIB, || "storm: memory grows with reloads".into());
    Ok(())
}

/// Resident memory between two moments of work.
fn lowest_rss(pid: u32) -> u64 {
    let read = |_| {
        std::thread::sleep(Duration::from_millis(100));
        process::rss_kib(pid)
    };
    (0..10).map(read).min().unwrap_or(0)
}

/// A file beside the configuration that somebody writes to all the while, as a log is.
struct Noise {
    stop: std::sync::Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Noise {
    fn start(place: &Place) -> io::Result<Noise> {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let (stopped, file) = (std::sync::Arc::clone(&stop), place.configuration("busy.log"));
        let thread = std::thread::Builder::new().name("noise".into()).spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                let _ = std::fs::write(&file, "a line\n");
                std::thread::sleep(Duration::from_millis(20));
            }
        })?;
        Ok(Noise { stop, thread: Some(thread) })
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
