//! Trial: reloads, kills, tunnels and clients that go away, all at a time; in the end nothing may be left over.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::arguments::Arguments;
use crate::gateway::Gateway;
use crate::load::Load;
use crate::origin::Origins;
use crate::place::Place;
use crate::probe::Probe;
use crate::record::Executions;
use crate::rest::Rest;
use crate::script::Mixed;
use crate::verdict::Verdict;
use crate::victims::Victims;

const VICTIMS: usize = 3;

/// The part of the time that goes by before anything is measured.
const WARM_SHARE: f64 = 0.2;

/// Numbers of one load before those of the next begin.
const FURTHER: u64 = 1_000_000_000;

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    let place = Place::new("soak", arguments.keep)?;
    let mut victims = Victims::start((0..VICTIMS).map(|nth| place.origin(nth)).collect(), &place.record())?;
    Origins::bind(VICTIMS, &[place.origin(VICTIMS)], &place.file("steady"))?.serve_beside()?;
    let gateway = Gateway::start(program, &place, &configuration(&place, 0, arguments))?;
    let whole = Duration::from_secs_f64(arguments.minutes * 60.0);
    let mut phases = Phases { gateway: &gateway, place: &place, arguments, reloads: 0, numbers: 0 };
    phases.go_on(whole.mul_f64(WARM_SHARE), &mut victims, verdict)?;
    let before = Rest::come_to(&gateway, &place)?;
    phases.go_on(whole.mul_f64(1.0 - WARM_SHARE), &mut victims, verdict)?;
    let after = Rest::come_to(&gateway, &place)?;
    let (obeyed, refused) = gateway.reloads();
    verdict.figure(format!(
        "soak: {:.1} min, {} kills, {} reloads asked for, {obeyed} obeyed, {refused} refused: {} before, {} after",
        arguments.minutes,
        victims.kills(),
        phases.reloads,
        before.words(),
        after.words()
    ));
    verdict.holds(after.in_flight == 0.0, || "soak: requests still count as in flight".into());
    verdict.holds(after.connections == 0.0, || "soak: connections still count as open".into());
    verdict.holds(!after.has_leaked_since(&before), || "soak: descriptors are left over".into());
    verdict.holds(!after.has_grown_since(&before), || "soak: memory grows".into());
    verdict.holds(refused == 0.0, || format!("soak: reloads refused\n{}", gateway.last_words()));
    for record in [place.record(), place.file("steady")] {
        let again = Executions::read(&record)?.begun_again();
        verdict.holds(again.is_empty(), || format!("soak: POSTs sent to an endpoint twice: {again:?}"));
    }
    Ok(())
}

fn configuration(place: &Place, number: u64, arguments: &Arguments) -> String {
    let victims: Vec<String> = (0..VICTIMS).map(|nth| format!("\"{}\"", place.origin(nth))).collect();
    format!(
        "version: 1\nadmin: {{ address: \"{}\" }}\nlisteners:\n  web: {{ address: \"{}\" }}\nupstreams:\n  app:\n    \
         endpoints: [{}]\n    {}\n    keepalive: {{ idle_timeout: 2s }}\n  steady:\n    \
         endpoints: [\"{}\"]\n    keepalive: {{ idle_timeout: 2s }}\nroutes:\n  - {{ match: {{ path: /app/* }}, upstream: app }}\n  \
         - {{ match: {{ path: /steady/* }}, upstream: steady }}\n  \
         - {{ match: {{ path: /passing-{number}/* }}, upstream: steady }}\n{}\n",
        place.admin(),
        place.listener(0),
        victims.join(", "),
        arguments.last_passive().line(),
        place.origin(VICTIMS),
        arguments.access_log()
    )
}

struct Phases<'a> {
    gateway: &'a Gateway<'a>,
    place: &'a Place,
    arguments: &'a Arguments,
    reloads: u64,
    /// Where the next load's numbers begin.
    numbers: u64,
}

impl Phases<'_> {
    /// All of it for so long.
    fn go_on(&mut self, time: Duration, victims: &mut Victims, verdict: &mut Verdict) -> io::Result<()> {
        let front = self.place.listener(0);
        let hurt = Load::start(self.load(&["/app/"]))?;
        let steady = Load::start(self.load(&["/steady/"]))?;
        self.numbers += 1;
        let rude = Rude::start(front, self.numbers * FURTHER)?;
        let start = Instant::now();
        let mut turn = 0;
        let mut dead = None;
        while start.elapsed() < time {
            std::thread::sleep(Duration::from_millis(500));
            turn += 1;
            self.reload()?;
            match (turn % 4, dead) {
                (1, None) => {
                    let victim = turn / 4 % VICTIMS;
                    victims.kill(victim, &hurt.tally)?;
                    dead = Some(victim);
                }
                (2, Some(victim)) => {
                    victims.restart(victim)?;
                    dead = None;
                }
                _ => {}
            }
        }
        if let Some(victim) = dead {
            victims.restart(victim)?;
        }
        let tunnels = rude.stop();
        let (hurt, steady) = (hurt.finish()?, steady.finish()?);
        let lost = victims.judge("soak", &hurt, verdict);
        verdict.figure(format!("soak: {} at endpoints that are killed: {lost}", hurt.sent_in_words()));
        verdict.figure(format!(
            "soak: {} at one that is not, beside {tunnels} tunnels: failed {}",
            steady.sent_in_words(),
            steady.failed_by_kind()
        ));
        verdict.nothing_failed("soak", &steady);
        Ok(())
    }

    fn load(&mut self, prefixes: &[&str]) -> Mixed {
        self.numbers += 1;
        Mixed {
            first: self.numbers * FURTHER,
            slow: true,
            rate: Some(2_000.0),
            in_flight: self.arguments.in_flight,
            ..Mixed::new(vec![self.place.listener(0)], prefixes)
        }
    }

    fn reload(&mut self) -> io::Result<()> {
        self.reloads += 1;
        self.gateway.replace_file(&configuration(self.place, self.reloads, self.arguments))?;
        if self.reloads.is_multiple_of(2) { self.gateway.signal(Signal::HUP) } else { Ok(()) }
    }
}

/// Clients that open tunnels, and clients that go away in the middle of everything.
struct Rude {
    stop: std::sync::Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Rude {
    /// `first`: its numbers begin here.
    fn start(front: std::net::SocketAddr, first: u64) -> io::Result<Rude> {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("rude".into()).spawn(move || {
            let (mut tunnels, mut open) = (0, Vec::new());
            let mut turn = first;
            while !stopped.load(Ordering::Acquire) {
                turn += 1;
                // What becomes of them is the gateway's to count; this side only makes the mess.
                let half = match turn % 4 {
                    0 => format!("GET /steady/{turn}?length=100000&wait=300 HTTP/1.1\r\nHost: trial\r\n\r\n"),
                    1 => format!("GET /steady/{turn}?length=4000000&parts=10&pause=50 HTTP/1.1\r\nHost: trial\r\n\r\n"),
                    2 => {
                        let line = format!("POST /steady/{turn}?length=10 HTTP/1.1");
                        format!("{line}\r\nHost: trial\r\nContent-Length: 1000\r\n\r\n000")
                    }
                    _ => format!("GET /steady/{turn}?length=1"),
                };
                let _ = Probe::connect(front).and_then(|mut client| client.send(&half));
                if turn.is_multiple_of(5) {
                    open.extend(Probe::connect(front).and_then(|client| client.into_tunnel("/steady/1")));
                    tunnels += 1;
                }
                if open.len() > 10 {
                    open.remove(0);
                }
                open.iter_mut().for_each(|tunnel| drop(tunnel.echoes()));
                std::thread::sleep(Duration::from_millis(20));
            }
            tunnels
        })?;
        Ok(Rude { stop, thread })
    }

    /// How many tunnels there were.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap_or(0)
    }
}
