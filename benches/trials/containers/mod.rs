//! Trial: containers of a real Docker engine that come and go, and at times nobody can ask the engine. What is served is to be alive.

mod alive;
mod book;
mod fleet;
mod watch;

use std::io;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use alive::become_container;

use crate::arguments::Arguments;
use crate::docker::{Door, Engine};
use crate::gateway::Gateway;
use crate::load::Load;
use crate::place::Place;
use crate::record::Executions;
use crate::rest::Rest;
use crate::script::Mixed;
use crate::tally::{Failure, Tally};
use crate::verdict::Verdict;
use book::{Book, Way};
use fleet::Fleet;
use watch::{LATE, Seen, Series, Served};

/// Containers belong to one of so many services.
const SERVICES: usize = 3;

/// Requests a second for each service.
const RATE: f64 = 100.0;

/// The part of the time that goes by before anything is measured.
const WARM_SHARE: f64 = 0.2;

/// When the engine's socket goes, and when the engine is killed, in shares of the rest.
const SOCKET_GOES: f64 = 0.3;
const ENGINE_DIES: f64 = 0.7;

/// How long the socket is gone, in a trial that lasts long enough: five times so long.
const SOCKET_GONE: Duration = Duration::from_secs(30);

/// How long the engine is down before somebody starts it again.
const ENGINE_DOWN: Duration = Duration::from_secs(3);

/// How long it may take until all containers that run are served.
const ALL_UP_PATIENCE: Duration = Duration::from_secs(60);

/// Series of a service beyond those before: the ways to fail that were not seen until then.
const WAYS_TO_FAIL: usize = 12;

/// Numbers of one load before those of the next begin.
const FURTHER: u64 = 1_000_000_000;

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    if let Some(lacks) = Engine::lacks() {
        return Err(io::Error::other(lacks));
    }
    let place = Place::new("containers", arguments.keep)?;
    let engine = Engine::start(0, &[])?;
    let door_socket = engine.folder().join("door.sock");
    let door = Door::open_at(&door_socket, &engine.socket())?;
    let book = Book::new();
    let fleet = Fleet::start(engine, arguments.containers, &book)?;
    let gateway = Gateway::start(program, &place, &configuration(&place, &door_socket, arguments))?;
    all_served(&place, arguments.containers)?;
    let stop = AtomicBool::new(false);
    let mut run = Run { place: &place, fleet: &fleet, door, count: arguments.containers, numbers: 0, gone: Vec::new() };
    let (figures, seen) = std::thread::scope(|scope| {
        let watching = std::thread::Builder::new().name("watch".into());
        let (folder, admin, pid) = (fleet.folder(), place.admin(), gateway.pid);
        let (book, stop) = (&book, &stop);
        let watching = watching.spawn_scoped(scope, move || watch::watch(&folder, admin, pid, book, stop))?;
        let figures = run.all(&gateway, Duration::from_secs_f64(arguments.minutes * 60.0));
        stop.store(true, Ordering::Release);
        let seen = watching.join().map_err(|_| io::Error::other("the watch panicked"))?;
        io::Result::Ok((figures?, seen?))
    })?;
    judge(&figures, &seen, &fleet, arguments, verdict);
    let again = Executions::read(&fleet.record())?.begun_again();
    verdict.holds(again.is_empty(), || format!("containers: POSTs that reached an endpoint twice: {again:?}"));
    Ok(())
}

fn service(nth: usize) -> String {
    format!("s{nth}")
}

fn configuration(place: &Place, socket: &Path, arguments: &Arguments) -> String {
    let each = |line: &dyn Fn(&str) -> String| (0..SERVICES).map(|nth| line(&service(nth))).collect::<String>();
    format!(
        "version: 1\nadmin: {{ address: \"{}\" }}\nlisteners:\n  web: {{ address: \"{}\" }}\n{}\n\
         discovery: {{ docker: {{ endpoint: \"unix://{}\" }} }}\nupstreams:\n{}routes:\n{}",
        place.admin(),
        place.listener(0),
        arguments.access_log(),
        socket.display(),
        each(&|name| {
            let wait = "wait: { size: 200, timeout: 10s }, keepalive: { idle_timeout: 2s }";
            format!("  {name}: {{ discover: {{ docker: {name} }}, {wait} }}\n")
        }),
        each(&|name| format!("  - {{ match: {{ path: /{name}/* }}, upstream: {name} }}\n"))
    )
}

/// Waits until all containers get requests.
fn all_served(place: &Place, count: usize) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let served = Served::ask(place.admin())?;
        if served.up.len() == count {
            return Ok(());
        }
        if start.elapsed() > ALL_UP_PATIENCE {
            return Err(io::Error::other(format!(
                "{} of {count} containers are served: {:?}",
                served.up.len(),
                served.up
            )));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

struct Run<'a> {
    place: &'a Place,
    fleet: &'a Fleet<'a>,
    door: Door,
    count: usize,
    numbers: u64,
    /// When the engine could not be asked, until shortly after its return.
    gone: Vec<(Instant, Instant)>,
}

/// What was counted.
struct Figures {
    took: Duration,
    before: Rest,
    after: Rest,
    series: (usize, usize),
    /// Of each service.
    tallies: Vec<std::sync::Arc<Tally>>,
    /// Requests that another service answered, and of those the ones while the engine could not be asked.
    strayed: (u64, u64),
    gone: Vec<(Instant, Instant)>,
}

impl Run<'_> {
    fn all(&mut self, gateway: &Gateway, time: Duration) -> io::Result<Figures> {
        let start = Instant::now();
        let warm = self.phase(time.mul_f64(WARM_SHARE), false)?;
        let before = Rest::come_to(gateway, self.place)?;
        let series_before = Series::count(self.place.admin())?.all;
        let whole = self.phase(time.mul_f64(1.0 - WARM_SHARE), true)?;
        let after = Rest::come_to(gateway, self.place)?;
        let series_after = Series::count(self.place.admin())?.all;
        let tallies = warm.0.into_iter().chain(whole.0).collect();
        let strayed = (warm.1.0 + whole.1.0, warm.1.1 + whole.1.1);
        let (series, took, gone) = ((series_before, series_after), start.elapsed(), std::mem::take(&mut self.gone));
        Ok(Figures { took, before, after, series, tallies, strayed, gone })
    }

    /// Churn under load for so long, and at last all containers are up.
    fn phase(&mut self, time: Duration, engine_goes: bool) -> io::Result<(Vec<std::sync::Arc<Tally>>, (u64, u64))> {
        let loads = (0..SERVICES).map(|nth| self.load(nth)).collect::<io::Result<Vec<Load>>>()?;
        let tallies: Vec<_> = loads.iter().map(|load| std::sync::Arc::clone(&load.tally)).collect();
        let stop = AtomicBool::new(false);
        let fleet = self.fleet;
        let mut while_gone = 0;
        std::thread::scope(|scope| {
            let churning = scope.spawn(|| fleet.churn(&stop));
            let done = self.events(time, engine_goes, &tallies, &mut while_gone);
            stop.store(true, Ordering::Release);
            let churned = churning.join().map_err(|_| io::Error::other("the churn panicked"));
            done.and(churned)
        })?;
        fleet.bring_all_up(&fleet.engine())?;
        all_served(self.place, self.count)?;
        loads.into_iter().try_for_each(|load| load.finish().map(drop))?;
        let strayed = strayed(&tallies);
        Ok((tallies, (strayed, while_gone)))
    }

    fn load(&mut self, nth: usize) -> io::Result<Load> {
        self.numbers += 1;
        let prefix = format!("/{}/", service(nth));
        Load::start(Mixed {
            first: self.numbers * FURTHER,
            slow: true,
            lanes: 16,
            rate: Some(RATE),
            ..Mixed::new(vec![self.place.listener(0)], &[&prefix])
        })
    }

    /// What happens to the engine, at its times.
    fn events(
        &mut self,
        time: Duration,
        engine_goes: bool,
        tallies: &[std::sync::Arc<Tally>],
        while_gone: &mut u64,
    ) -> io::Result<()> {
        let start = Instant::now();
        let wait_until = |share: f64| std::thread::sleep(time.mul_f64(share).saturating_sub(start.elapsed()));
        if engine_goes {
            wait_until(SOCKET_GOES);
            self.while_gone(tallies, while_gone, |run| {
                run.door.shut();
                std::thread::sleep(SOCKET_GONE.min(time / 5));
                run.door.open()?;
                run.fleet.book.way_is(Way::OpenSince(Instant::now()));
                Ok(())
            })?;
            wait_until(ENGINE_DIES);
            // from when nobody does anything to containers any more
            let fleet = self.fleet;
            let mut engine = fleet.engine.write().unwrap_or_else(PoisonError::into_inner);
            self.while_gone(tallies, while_gone, |run| {
                engine.kill()?;
                std::thread::sleep(ENGINE_DOWN);
                fleet.book.all_fit();
                engine.start_again()?;
                run.fleet.book.way_is(Way::OpenSince(Instant::now()));
                // it has ended most of them
                fleet.bring_all_up(&engine)?;
                all_served(run.place, run.count)
            })?;
            drop(engine);
        }
        wait_until(1.0);
        Ok(())
    }

    /// Does something while which the engine cannot be asked, until it is asked again.
    fn while_gone(
        &mut self,
        tallies: &[std::sync::Arc<Tally>],
        while_gone: &mut u64,
        work: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let before = strayed(tallies);
        let start = Instant::now();
        self.fleet.book.way_is(Way::GoneSince(start));
        work(self)?;
        std::thread::sleep(LATE);
        self.gone.push((start, Instant::now()));
        *while_gone += strayed(tallies) - before;
        Ok(())
    }
}

/// Requests that a container of another service answered.
fn strayed(tallies: &[std::sync::Arc<Tally>]) -> u64 {
    let of = |(nth, tally): (usize, &std::sync::Arc<Tally>)| -> u64 {
        let others = tally.by_origin.iter().enumerate().filter(|(origin, _)| *origin != nth % SERVICES);
        others.map(|(_, count)| tally.count(count)).sum()
    };
    tallies.iter().enumerate().map(of).sum()
}

fn judge(figures: &Figures, seen: &Seen, fleet: &Fleet, arguments: &Arguments, verdict: &mut Verdict) {
    let Figures { before, after, series, strayed, .. } = figures;
    let count = |of: &dyn Fn(&Tally) -> u64| figures.tallies.iter().map(|tally| of(tally)).sum::<u64>();
    let ms = |times: &[Duration]| times.iter().map(|t| t.as_millis().to_string()).collect::<Vec<_>>().join(" and ");
    verdict.figure(format!(
        "containers: {:.0} s, {} containers of {SERVICES} services: {}",
        figures.took.as_secs_f64(),
        arguments.containers,
        fleet.words()
    ));
    verdict.figure(format!(
        "containers: served though dead, paused or stopping {}; alive and not found {}; shown with an old name {}; {} looks, {} ms apart at most",
        seen.dead_served.words(),
        seen.alive_missed.words(),
        seen.wrong_name.words(),
        seen.looks,
        seen.longest_pause.as_millis()
    ));
    verdict.figure(format!(
        "containers: the socket and then the engine gone: stale after {} ms, sure again {} ms after their return",
        ms(&seen.stale_after),
        ms(&seen.sure_after)
    ));
    let failures: Vec<Failure> = figures.tallies.iter().flat_map(|tally| tally.failures()).collect();
    let was_gone =
        |failure: &Failure| figures.gone.iter().any(|(start, end)| failure.ended >= *start && failure.sent <= *end);
    let (gone, others): (Vec<Failure>, Vec<Failure>) = failures.into_iter().partition(was_gone);
    let unbegun =
        |list: &[Failure]| list.iter().filter(|f| f.method == "GET" && !f.begun).cloned().collect::<Vec<Failure>>();
    let (gets, gets_gone) = (unbegun(&others), unbegun(&gone));
    verdict.figure(format!(
        "containers: {} requests, failed {} and {} more while the engine could not be asked; of them GETs whose response had not begun {} \
         and {}; answered by another service {} and {}",
        count(&|tally| tally.count(&tally.sent)),
        others.len(),
        gone.len(),
        gets.len(),
        gets_gone.len(),
        strayed.0 - strayed.1,
        strayed.1
    ));
    verdict.figure(format!(
        "containers: {} before, {} after, {:.1} MiB at most; series {} before, {} after, {} at most, of at most {} endpoints",
        before.words(),
        after.words(),
        seen.rss_kib_most as f64 / 1024.0,
        series.0,
        series.1,
        seen.series_most,
        seen.endpoints_most
    ));
    verdict.show(&gets);
    verdict.holds(gets.is_empty(), || format!("containers: {} GETs failed whose response had not begun", gets.len()));
    verdict.holds(strayed.0 == strayed.1, || "containers: a container of another service answered".into());
    let late = [
        (&seen.dead_served, "was served though it did not live any more"),
        (&seen.alive_missed, "lived and was not found"),
        (&seen.wrong_name, "was shown with an old name"),
    ];
    for (delays, what) in late {
        verdict.holds(delays.late.is_empty(), || format!("containers: for over a second {what}: {:?}", delays.late));
    }
    verdict.holds(seen.stale_after.len() == 2 && seen.sure_after.len() == 2, || {
        "containers: that the engine could not be asked was not told".into()
    });
    verdict.holds(seen.sure_after.iter().all(|after| *after <= LATE), || {
        "containers: the engine was back for over a second, and not asked".into()
    });
    verdict
        .holds(seen.endpoints_most <= arguments.containers, || "containers: series of endpoints are left over".into());
    verdict.holds(series.1 <= series.0 + SERVICES * WAYS_TO_FAIL, || "containers: series grow".into());
    verdict.holds(after.in_flight == 0.0, || "containers: requests still count as in flight".into());
    verdict.holds(!after.has_leaked_since(before), || "containers: descriptors are left over".into());
    verdict.holds(!after.has_grown_since(before), || "containers: memory grows".into());
}
