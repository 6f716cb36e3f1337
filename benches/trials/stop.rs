//! Trial: TERM with much in flight, with something that never ends, and with nothing to do.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::arguments::Arguments;
use crate::gateway::Gateway;
use crate::load::Load;
use crate::origin::Origins;
use crate::place::Place;
use crate::probe::Probe;
use crate::process;
use crate::script::{Script, Step};
use crate::shot::Shot;
use crate::verdict::Verdict;

/// Requests in flight when it is told to stop.
const IN_FLIGHT: u64 = 1_000;
const TUNNELS: u64 = 10;

/// How long the tunnels talk on, and the download goes on.
const TALK: Duration = Duration::from_secs(4);
const DOWNLOAD: Duration = Duration::from_secs(6);
const DOWNLOAD_BYTES: usize = 4 << 20;

/// How late a stop may come after the last that it waits for, or after its deadline.
const LATE: Duration = Duration::from_millis(700);

/// Times that an idle stop is timed.
const TIMED: usize = 10;
const KEPT: usize = 100;

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    busy(program, arguments, verdict)?;
    endless(program, arguments, verdict)?;
    idle(program, arguments, 0, verdict)?;
    idle(program, arguments, KEPT, verdict)
}

fn configuration(place: &Place, arguments: &Arguments, shutdown_timeout: u64) -> String {
    format!(
        "version: 1\nshutdown_timeout: {shutdown_timeout}s\nadmin: {{ address: \"{}\" }}\nlisteners:\n  \
         web: {{ address: \"{}\" }}\nupstreams:\n  app: {{ endpoints: [\"{}\"] }}\nroutes:\n  \
         - {{ match: {{ path: /app/* }}, upstream: app }}\n{}\n",
        place.admin(),
        place.listener(0),
        place.origin(0),
        arguments.access_log()
    )
}

fn begin<'p>(program: &Path, arguments: &Arguments, place: &'p Place, timeout: u64) -> io::Result<Gateway<'p>> {
    Origins::bind(0, &[place.origin(0)], &place.record())?.serve_beside()?;
    Gateway::start(program, place, &configuration(place, arguments, timeout))
}

/// All of these can finish in time, so all of them must.
fn busy(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    let place = Place::new("stop", arguments.keep)?;
    let gateway = begin(program, arguments, &place, 9)?;
    let front = place.listener(0);
    let load = Load::start(Burst { address: front, sent: 0, download: true })?;
    let until = Instant::now() + TALK;
    let tunnels = (0..TUNNELS).map(|nth| talk(front, nth, until)).collect::<io::Result<Vec<_>>>()?;
    wait_for_in_flight(&gateway, (IN_FLIGHT + 1 + TUNNELS) as f64)?;
    gateway.signal(Signal::TERM)?;
    let told = Instant::now();
    let refused = until_refused(front);
    let end = process::wait_for_end(gateway.pid, Duration::from_secs(20));
    let after = told.elapsed();
    let tally = load.finish()?;
    let broken: Vec<String> =
        tunnels.into_iter().filter_map(|tunnel| tunnel.join().ok()?.err()).map(|error| error.to_string()).collect();
    verdict.figure(format!(
        "stop: TERM with {} requests, a download of {} s and {TUNNELS} tunnels in flight: failed {}, tunnels cut {}; \
         new connections refused after {} ms; ended after {:.1} s",
        IN_FLIGHT,
        DOWNLOAD.as_secs(),
        tally.failed_by_kind(),
        broken.len(),
        refused.map_or("never".into(), |after| after.as_millis().to_string()),
        after.as_secs_f64()
    ));
    verdict.nothing_failed("stop", &tally);
    verdict.holds(broken.is_empty(), || format!("stop: tunnels that could end were cut: {broken:?}"));
    verdict.holds(refused.is_some(), || "stop: new connections are still taken".into());
    verdict.holds(end.is_some_and(|end| end.status == Some(0)), || format!("stop: ended with {end:?}, not with 0"));
    verdict.holds(after < DOWNLOAD + LATE, || "stop: it went on when all was done".into());
    Ok(())
}

/// What does not end is cut at the deadline, and not before.
fn endless(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    let deadline = Duration::from_secs(6);
    let place = Place::new("stop-endless", arguments.keep)?;
    let gateway = begin(program, arguments, &place, deadline.as_secs())?;
    let front = place.listener(0);
    let mut tunnel = Probe::connect(front)?.into_tunnel("/app/1")?;
    let mut waiting = Probe::connect(front)?;
    waiting.send(&format!("GET /app/2?length=1&wait=60000 HTTP/1.1\r\nHost: {front}\r\n\r\n"))?;
    let load = Load::start(Burst { address: front, sent: 0, download: false })?;
    wait_for_in_flight(&gateway, (IN_FLIGHT + 2) as f64)?;
    gateway.signal(Signal::TERM)?;
    let end = process::wait_for_end(gateway.pid, Duration::from_secs(20));
    let tally = load.finish()?;
    let after = end.map_or(0.0, |end| end.after.as_secs_f64());
    let cut = waiting.reply().is_err();
    verdict.figure(format!(
        "stop: TERM with a tunnel and a request that do not end, shutdown_timeout {} s: ended after {after:.1} s, the other {} \
         requests: failed {}",
        deadline.as_secs(),
        IN_FLIGHT,
        tally.failed_by_kind()
    ));
    let in_time =
        end.is_some_and(|end| end.after + Duration::from_millis(50) >= deadline && end.after <= deadline + LATE);
    verdict.holds(in_time, || "stop: it did not end at its deadline".into());
    verdict.holds(end.is_some_and(|end| end.status == Some(0)), || format!("stop: ended with {end:?}, not with 0"));
    verdict.holds(cut && tunnel.ends_within(Duration::from_secs(1)), || "stop: what was cut did not see it".into());
    verdict.nothing_failed("stop at the deadline", &tally);
    Ok(())
}

/// A gateway without requests, perhaps with connections that wait for their next one.
fn idle(program: &Path, arguments: &Arguments, kept: usize, verdict: &mut Verdict) -> io::Result<()> {
    let mut times = Vec::new();
    for _ in 0..TIMED {
        let place = Place::new("stop-idle", arguments.keep)?;
        let gateway = begin(program, arguments, &place, 9)?;
        let connections = (0..kept).map(|_| Probe::connect(place.listener(0))).collect::<io::Result<Vec<_>>>()?;
        let mut served = Vec::new();
        for (nth, mut connection) in connections.into_iter().enumerate() {
            connection.get(&format!("/app/{}?length=10", nth + 1))?;
            served.push(connection);
        }
        gateway.signal(Signal::TERM)?;
        match process::wait_for_end(gateway.pid, Duration::from_secs(20)) {
            Some(end) if end.status == Some(0) => times.push(end.after),
            other => verdict.holds(false, || format!("stop: an idle gateway ended with {other:?}, not with 0")),
        }
    }
    times.sort();
    let (Some(median), Some(worst)) = (times.get(times.len() / 2), times.last()) else { return Ok(()) };
    verdict.figure(format!(
        "stop: idle with {kept} kept connections: {} ms (median of {TIMED}), {} ms at worst",
        median.as_millis(),
        worst.as_millis()
    ));
    let limit = Duration::from_millis(arguments.stop_within);
    verdict.holds(*worst < limit, || format!("stop: {} ms, idle with {kept} kept connections", worst.as_millis()));
    Ok(())
}

/// A thousand requests at once, half on connections that could be kept, and perhaps a long download.
struct Burst {
    address: SocketAddr,
    sent: u64,
    download: bool,
}

impl Script for Burst {
    fn next(&mut self, _: Instant, _: usize) -> Step {
        let total = IN_FLIGHT + u64::from(self.download);
        if self.sent == total {
            return Step::Room;
        }
        self.sent += 1;
        let number = self.sent + TUNNELS;
        let (length, wishes) = if self.sent > IN_FLIGHT {
            (DOWNLOAD_BYTES, format!("&parts=41&pause={}", DOWNLOAD.as_millis() / 40))
        } else {
            (1_000, format!("&wait={}", 2_500 + (number * 7) % 2_000))
        };
        Step::Send(Shot {
            number,
            address: self.address,
            lane: number.is_multiple_of(2).then_some(number as u32),
            post: number.is_multiple_of(5).then_some(100),
            prefix: "/app/".into(),
            length,
            wishes,
        })
    }
}

/// A tunnel that talks until then, and ends by itself.
fn talk(front: SocketAddr, nth: u64, until: Instant) -> io::Result<JoinHandle<io::Result<()>>> {
    let mut tunnel = Probe::connect(front)?.into_tunnel(&format!("/app/{}", nth + 1))?;
    tunnel.echoes()?;
    std::thread::Builder::new().name("tunnel".into()).spawn(move || {
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(100));
            tunnel.echoes()?;
        }
        Ok(())
    })
}

fn wait_for_in_flight(gateway: &Gateway, count: f64) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let found = gateway.in_flight()?;
        if found >= count {
            return Ok(());
        }
        if start.elapsed() > Duration::from_millis(2_400) {
            return Err(io::Error::other(format!("{found} requests in flight, not {count}: this machine is too slow")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How long a gateway that is to stop still takes new connections.
fn until_refused(front: SocketAddr) -> Option<Duration> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        if std::net::TcpStream::connect(front).is_err() {
            return Some(start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}
