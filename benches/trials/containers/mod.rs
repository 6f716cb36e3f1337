//! Trial: containers of a real Docker engine that come and go, and at times nobody can ask the engine. What is served is to be alive.

mod alive;
mod book;
mod fleet;
mod judge;
mod phases;
mod watch;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use alive::become_container;

use crate::arguments::Arguments;
use crate::docker::{Door, Engine};
use crate::gateway::Gateway;
use crate::place::Place;
use crate::record::Executions;
use crate::verdict::Verdict;
use book::Book;
use fleet::Fleet;
use phases::Phases;
use watch::Served;

/// Containers belong to one of so many services.
const SERVICES: usize = 3;

/// How long it may take until all containers that run are served.
const ALL_UP_PATIENCE: Duration = Duration::from_secs(60);

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    if let Some(lacks) = Engine::lacks() {
        return Err(io::Error::other(lacks));
    }
    let count = usize::from(arguments.containers);
    let place = Place::new("containers", arguments.keep)?;
    let engine = Engine::start(0, &[])?;
    let door_socket = engine.folder().join("door.sock");
    let door = Door::open_at(&door_socket, &engine.socket())?;
    let book = Book::new();
    let fleet = Fleet::start(engine, count, &book)?;
    let gateway = Gateway::start(program, &place, &configuration(&place, &door_socket, arguments))?;
    all_served(&place, count)?;
    let phases = Phases::new(&place, &fleet, door, count);
    let stop = AtomicBool::new(false);
    let (figures, seen) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch::watch(&fleet.folder(), place.admin(), gateway.pid, &book, &stop));
        let figures = phases.all(&gateway, Duration::from_secs_f64(arguments.minutes * 60.0));
        stop.store(true, Ordering::Release);
        let seen = watching.join().map_err(|_| io::Error::other("the watch panicked"))?;
        io::Result::Ok((figures?, seen?))
    })?;
    judge::judge(&figures, &seen, &fleet, count, verdict);
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
