//! Trial: real services that close idle connections by their own clock, and requests that come just then.

use std::fmt::Write;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::arguments::{Arguments, RealOrigin};
use crate::gateway::Gateway;
use crate::load::Load;
use crate::place::Place;
use crate::probe;
use crate::process;
use crate::record::Executions;
use crate::script::{PauseLengths, Paused};
use crate::tally::grouped;
use crate::verdict::Verdict;

const REQUESTS: u64 = 100_000;
const START_PATIENCE: Duration = Duration::from_secs(20);
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Most pauses end so long before an origin's timeout, or so long after it.
const BEFORE: Duration = Duration::from_millis(20);
const AFTER: Duration = Duration::from_millis(40);

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    for origin in &arguments.origins {
        let name = format!("{origin:?}").to_lowercase();
        match process::find_program(&name) {
            Some(service) => run_one(*origin, &service, program, arguments, verdict)?,
            None => verdict.holds(false, || format!("keepalive: {name} is not on the PATH, so nothing is shown of it")),
        }
    }
    Ok(())
}

fn run_one(
    origin: RealOrigin,
    service: &Path,
    program: &Path,
    arguments: &Arguments,
    verdict: &mut Verdict,
) -> io::Result<()> {
    let place = Place::new("keepalive", arguments.keep)?;
    let address = place.origin(0);
    let _service = Service::start(origin, service, &place, address)?;
    let gateway = Gateway::start(program, &place, &configuration(&place, address, arguments))?;
    let timeout = origin.idle_timeout();
    let pause = PauseLengths { from: timeout - BEFORE, to: timeout + AFTER };
    let requests = arguments.requests.unwrap_or(REQUESTS);
    let start = Instant::now();
    let load = Load::start(Paused::new(place.listener(0), arguments.cells, requests, pause))?;
    let patience = timeout * 4 + timeout * (requests / u64::from(arguments.cells)) as u32 * 2;
    load.wait_for(patience, "its last request", |tally| {
        tally.count(&tally.completed) + tally.count(&tally.failed) == requests
    })?;
    let tally = load.finish()?;
    let count = |begins: &str| probe::metric(place.admin(), begins);
    let opened = count("wharf_upstream_connections_opened_total")?;
    let reused = count("wharf_upstream_connections_reused_total")?;
    let executions = Executions::read(&place.record())?;
    let what = format!("keepalive, {origin:?} ({} s)", timeout.as_secs());
    verdict.figure(format!(
        "{what}: {} requests, {} POST, in {:.0} s, {} upstream connections opened, {} reused, {} of \
         them gone just then: failed {}; \
         POSTs executed {}, twice {}; {}",
        grouped(tally.count(&tally.sent)),
        grouped(tally.count(&tally.posts)),
        start.elapsed().as_secs_f64(),
        grouped(opened as u64),
        grouped(reused as u64),
        grouped((opened + reused) as u64 - requests.min((opened + reused) as u64)),
        tally.failed_by_kind(),
        executions.total(),
        executions.repeated().len(),
        tally.longest_in_words()
    ));
    verdict.nothing_failed(&what, &tally);
    verdict.holds(executions.repeated().is_empty(), || format!("{what}: POSTs were executed twice"));
    verdict.holds(gateway.in_flight()? == 0.0, || format!("{what}: requests still count as in flight"));
    Ok(())
}

/// A pool for each cell, so that each meets the connection that it used last.
fn configuration(place: &Place, origin: SocketAddr, arguments: &Arguments) -> String {
    let mut text = format!(
        "version: 1\nadmin: {{ address: \"{}\" }}\nlisteners:\n  web: {{ address: \"{}\", keepalive: {{ requests: 1000000 }} }}\n{}\nupstreams:\n",
        place.admin(),
        place.listener(0),
        arguments.access_log()
    );
    for cell in 0..arguments.cells {
        let _ = writeln!(text, "  c{cell}: {{ endpoints: [\"{origin}\"] }}");
    }
    text.push_str("routes:\n");
    for cell in 0..arguments.cells {
        let _ = writeln!(text, "  - {{ match: {{ path: /c{cell}/* }}, upstream: c{cell} }}");
    }
    text
}

impl RealOrigin {
    /// When it closes an idle connection.
    fn idle_timeout(self) -> Duration {
        Duration::from_secs(if self == RealOrigin::Gunicorn { 2 } else { 5 })
    }

    /// To be given in the folder of the applications.
    fn command(self, program: &Path, address: SocketAddr) -> Vec<String> {
        let (host, port) = (address.ip(), address.port());
        let words = match self {
            RealOrigin::Gunicorn => format!(
                "--bind {address} --worker-class gthread --workers 2 --threads 8 --keep-alive 2 \
                 --worker-connections 4000 --log-level warning wsgi:app"
            ),
            RealOrigin::Uvicorn => format!(
                "--host {host} --port {port} --timeout-keep-alive 5 --no-access-log --log-level warning asgi:app"
            ),
            RealOrigin::Node => format!("server.js {host} {port}"),
        };
        let program = program.display().to_string();
        [program].into_iter().chain(words.split_whitespace().map(String::from)).collect()
    }
}

/// A real service that runs beside the trial.
struct Service(Child);

impl Service {
    fn start(origin: RealOrigin, program: &Path, place: &Place, address: SocketAddr) -> io::Result<Service> {
        let apps = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/trials/origins");
        let environment =
            [("RECORD", place.record().display().to_string()), ("PYTHONDONTWRITEBYTECODE", "1".to_owned())];
        let log = place.file("origin.log");
        let child = process::start(&origin.command(program, address), &environment, &apps, &log)?;
        let service = Service(child);
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if start.elapsed() > START_PATIENCE {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(io::Error::other(format!("{origin:?} does not listen: {said}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = process::signal(self.0.id(), Signal::TERM);
        if process::wait_for_end(self.0.id(), STOP_PATIENCE).is_none() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
