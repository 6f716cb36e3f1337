//! Trial: new binaries on the same sockets, one after the other, under load on many listeners.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::arguments::Arguments;
use crate::gateway::Gateway;
use crate::load::Load;
use crate::origin::Origins;
use crate::place::Place;
use crate::probe::{Probe, Tunnel};
use crate::process;
use crate::record::Executions;
use crate::script::Mixed;
use crate::tally::Kind;
use crate::verdict::Verdict;

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a new process may take until it serves.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(15);

/// How late the old one may end after its deadline.
const LATE: Duration = Duration::from_secs(1);

/// A tunnel is open during every tenth upgrade, and goes on for so long after it.
const TUNNEL_EVERY: u64 = 10;
const TUNNEL_LASTS: Duration = Duration::from_secs(1);

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    // An old process whose parent has ended becomes this program's child: its end can be noted.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let place = Place::new("upgrades", arguments.keep)?;
    Origins::bind(0, &[place.origin(0), place.origin(1)], &place.record())?.serve_beside()?;
    let yaml = configuration(&place, arguments);
    let mut gateway = Gateway::start(program, &place, &yaml)?;
    let fronts: Vec<_> = (0..arguments.listener_count).map(|nth| place.listener(nth)).collect();
    let lanes = 2 * u32::from(arguments.listener_count);
    let load = Load::start(Mixed {
        slow: true,
        lanes,
        in_flight: arguments.in_flight,
        ..Mixed::new(fronts.clone(), &["/app/"])
    })?;
    let mut seen = Seen::default();
    let start = Instant::now();
    let mut came_to_an_end = Ok(());
    for nth in 0..arguments.upgrades {
        let front = fronts[nth as usize % fronts.len()];
        let tunnel = (nth % TUNNEL_EVERY == 0).then(|| open_tunnel(front, nth)).transpose()?;
        came_to_an_end = upgrade(&mut gateway, tunnel, &mut seen);
        if came_to_an_end.is_err() {
            break;
        }
    }
    let took = start.elapsed();
    if came_to_an_end.is_ok() {
        refuse_broken(&gateway, &yaml, verdict)?;
    }
    let tally = load.finish()?;
    seen.starts.sort();
    seen.drains.sort();
    let median = |times: &[Duration]| times.get(times.len() / 2).map_or(0, Duration::as_millis);
    let worst = |times: &[Duration]| times.last().map_or(0, Duration::as_millis);
    let refused = tally.failures().iter().filter(|failure| failure.kind == Kind::Refused).count();
    verdict.figure(format!(
        "upgrades: {} upgrades with {} listeners in {:.0} s, {}: failed {}, of them refused {refused}; {} tunnels went on; \
         a new one serves after {} ms ({} at worst), an old one ends {} ms later ({} at worst); {} connections told to close, {} closed \
         while idle; {}",
        seen.starts.len(),
        arguments.listener_count,
        took.as_secs_f64(),
        tally.sent_in_words(),
        tally.failed_by_kind(),
        seen.tunnels,
        median(&seen.starts),
        worst(&seen.starts),
        median(&seen.drains),
        worst(&seen.drains),
        tally.count(&tally.told_to_close),
        tally.count(&tally.closed_idle),
        tally.longest_in_words()
    ));
    verdict.nothing_failed("upgrades", &tally);
    verdict.holds(seen.cut_tunnels.is_empty(), || format!("upgrades: tunnels were cut: {:?}", seen.cut_tunnels));
    verdict.holds(seen.stayed.is_empty(), || format!("upgrades: old processes did not end: {:?}", seen.stayed));
    let repeated = Executions::read(&place.record())?.begun_again();
    verdict.holds(repeated.is_empty(), || format!("upgrades: POSTs that reached an origin twice: {repeated:?}"));
    let left = gateway.processes();
    verdict.holds(left == [gateway.pid], || format!("upgrades: processes in the end: {left:?}"));
    came_to_an_end
}

fn configuration(place: &Place, arguments: &Arguments) -> String {
    let mut text = format!(
        "version: 1\nshutdown_timeout: {}s\nadmin: {{ address: \"{}\" }}\n{}\nupstreams:\n  \
         app: {{ endpoints: [\"{}\", \"{}\"] }}\nroutes:\n  - {{ match: {{ path: /app/* }}, upstream: app }}\nlisteners:\n",
        SHUTDOWN_TIMEOUT.as_secs(),
        place.admin(),
        arguments.access_log(),
        place.origin(0),
        place.origin(1)
    );
    for nth in 0..arguments.listener_count {
        let _ = writeln!(text, "  web{nth}: {{ address: \"{}\" }}", place.listener(nth));
    }
    text
}

/// What was seen over all upgrades.
#[derive(Default)]
struct Seen {
    /// From the signal until the new process serves.
    starts: Vec<Duration>,
    /// From then until the old one is gone.
    drains: Vec<Duration>,
    tunnels: u64,
    cut_tunnels: Vec<String>,
    stayed: Vec<u32>,
}

fn open_tunnel(front: std::net::SocketAddr, nth: u64) -> io::Result<Tunnel> {
    let mut tunnel = Probe::connect(front)?.into_tunnel(&format!("/app/{}", u64::MAX / 2 + nth))?;
    tunnel.echoes()?;
    Ok(tunnel)
}

fn upgrade(gateway: &mut Gateway, tunnel: Option<Tunnel>, seen: &mut Seen) -> io::Result<()> {
    let old = gateway.pid;
    let start = Instant::now();
    gateway.signal(Signal::USR2)?;
    gateway.pid = successor(gateway, start)?;
    seen.starts.push(start.elapsed());
    let serving = Instant::now();
    if let Some(mut tunnel) = tunnel {
        let mut talk = || {
            while serving.elapsed() < TUNNEL_LASTS {
                tunnel.echoes()?;
                std::thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        };
        match talk() {
            Ok(()) => seen.tunnels += 1,
            Err(error) => {
                let error: io::Error = error;
                seen.cut_tunnels.push(error.to_string());
            }
        }
    }
    match process::wait_for_end(old, (SHUTDOWN_TIMEOUT + LATE).saturating_sub(serving.elapsed())) {
        Some(_) => seen.drains.push(serving.elapsed()),
        None => {
            seen.stayed.push(old);
            // So that there are never more than two of them.
            process::wait_for_end(old, UPGRADE_PATIENCE);
        }
    }
    Ok(())
}

/// The process that serves in place of the one that was told to make room.
fn successor(gateway: &Gateway, start: Instant) -> io::Result<u32> {
    let old = gateway.pid;
    loop {
        match gateway.serving_pid() {
            Some(pid) if pid != old => return Ok(pid),
            Some(_) => {}
            // A gateway that does not tell its process: the other one that has the same file, once it is ready.
            None => {
                let other = gateway.processes().into_iter().find(|pid| *pid != old);
                if let Some(pid) = other.filter(|_| gateway.is_ready()) {
                    return Ok(pid);
                }
            }
        }
        if gateway.processes().is_empty() {
            return Err(io::Error::other(format!("after USR2 there is no process left\n{}", gateway.last_words())));
        }
        if start.elapsed() > UPGRADE_PATIENCE {
            return Err(io::Error::other(format!("no new process serves after USR2\n{}", gateway.last_words())));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A new process that cannot start leaves the old one as it was.
fn refuse_broken(gateway: &Gateway, yaml: &str, verdict: &mut Verdict) -> io::Result<()> {
    gateway.replace_file("version: 1\nlisteners: {\n")?;
    gateway.signal(Signal::USR2)?;
    std::thread::sleep(Duration::from_secs(3));
    let left = gateway.processes();
    verdict.holds(left == [gateway.pid] && gateway.is_ready(), || {
        format!("upgrades: with a broken configuration {left:?} run, not {} alone", gateway.pid)
    });
    gateway.replace_file(yaml)
}
