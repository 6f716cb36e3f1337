//! Looks all the time whether what is served is alive.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::alive::{Alive, At, alive};
use super::book::{Book, Entries, Way};
use super::{SERVICES, service};
use crate::probe;
use crate::process;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(30);

/// How long something may be served that does not live, or be missed that does.
pub const LATE: Duration = Duration::from_secs(1);

/// How soon after memory and series were looked at they are looked at again.
const MEASURE_EVERY: Duration = Duration::from_millis(500);

/// What is served: by service and address, the name that it is shown with; and whether its list is kept without being sure of it.
pub struct Served {
    /// Those that get requests.
    pub up: BTreeMap<At, String>,
    /// All that are known.
    pub found: BTreeMap<At, String>,
    pub stale: usize,
}

impl Served {
    pub fn ask(admin: SocketAddr) -> io::Result<Served> {
        let status = probe::get(admin, "/api/v1/status")?;
        let status: serde_json::Value = serde_json::from_str(&status.body)?;
        let mut served = Served { up: BTreeMap::new(), found: BTreeMap::new(), stale: 0 };
        for nth in 0..SERVICES {
            let upstream = &status["upstreams"][service(nth)];
            served.stale += usize::from(upstream["discovery"]["state"] == "stale");
            for endpoint in upstream["endpoints"].as_array().into_iter().flatten() {
                let word = |key: &str| endpoint[key].as_str().unwrap_or_default();
                let address = word("address").parse().map_err(io::Error::other)?;
                served.found.insert((nth, address), word("name").to_owned());
                if word("state") == "up" {
                    served.up.insert((nth, address), word("name").to_owned());
                }
            }
        }
        Ok(served)
    }
}

/// What was seen over a trial.
#[derive(Default)]
pub struct Seen {
    pub looks: u64,
    /// The longest pause between two looks: the machine had other things to do.
    pub longest_pause: Duration,
    pub dead_served: Delays,
    pub alive_missed: Delays,
    pub wrong_name: Delays,
    /// From the moment when the engine was gone until all lists were said to be kept only, and from its return until none was.
    pub stale_after: Vec<Duration>,
    pub sure_after: Vec<Duration>,
    pub rss_kib_most: u64,
    pub series_most: usize,
    pub endpoints_most: usize,
}

/// How long something was not as it is to be.
#[derive(Default)]
pub struct Delays {
    since: BTreeMap<At, Instant>,
    told: BTreeSet<(At, Instant)>,
    pub longest: Duration,
    /// Those that took too long, in words.
    pub late: Vec<String>,
    /// How many ended in time.
    pub ended: u64,
}

impl Delays {
    /// These are not as they are to be, now. Nothing counts before `open`.
    fn note(&mut self, now: Instant, open: Instant, wrong: BTreeMap<At, String>) {
        let before = self.since.len();
        self.since.retain(|at, _| wrong.contains_key(at));
        self.ended += (before - self.since.len()) as u64;
        for (at, who) in wrong {
            let since = *self.since.entry(at).or_insert(now);
            let took = now.saturating_duration_since(since.max(open));
            if took > LATE && self.told.insert((at, since)) {
                self.late.push(format!("{who} at {} of {}", at.1, service(at.0)));
            }
            self.longest = self.longest.max(took);
        }
    }

    pub fn words(&self) -> String {
        format!("{} ms at worst of {}", self.longest.as_millis(), self.ended)
    }
}

/// Looks until it is told to stop.
pub fn watch(folder: &Path, admin: SocketAddr, pid: u32, book: &Book, stop: &AtomicBool) -> io::Result<Seen> {
    let mut seen = Seen::default();
    let (mut last, mut measured) = (Instant::now(), None::<Instant>);
    let mut knows_it_is_gone = false;
    while !stop.load(Ordering::Acquire) {
        let way = book.way();
        let (alive, entries) = (alive(folder)?, book.entries());
        let served = Served::ask(admin)?;
        let now = Instant::now();
        seen.longest_pause = seen.longest_pause.max(now - last);
        last = now;
        seen.looks += 1;
        match way {
            Way::OpenSince(open) => {
                seen.compare(now, open, &served, &alive, &entries);
                if knows_it_is_gone && served.stale == 0 {
                    seen.sure_after.push(now - open);
                    knows_it_is_gone = false;
                }
            }
            Way::GoneSince(gone) => {
                if !knows_it_is_gone && served.stale == SERVICES {
                    seen.stale_after.push(now - gone);
                    knows_it_is_gone = true;
                }
            }
        }
        if measured.is_none_or(|at| now - at > MEASURE_EVERY) {
            measured = Some(now);
            seen.rss_kib_most = seen.rss_kib_most.max(process::rss_kib(pid));
            let series = Series::count(admin)?;
            seen.series_most = seen.series_most.max(series.all);
            seen.endpoints_most = seen.endpoints_most.max(series.endpoints);
        }
        std::thread::sleep(LOOK);
    }
    Ok(seen)
}

impl Seen {
    /// What is served beside what is alive, while the engine can be asked since `open`.
    fn compare(&mut self, now: Instant, open: Instant, served: &Served, alive: &Alive, entries: &Entries) {
        let fit = alive.iter().filter_map(|(first, at)| {
            let entry = entries.get(first).filter(|entry| !entry.paused)?;
            Some((*at, (first, &entry.name)))
        });
        let fit: BTreeMap<At, (&String, &String)> = fit.collect();
        let dead = served.up.iter().filter(|(at, _)| !fit.contains_key(at));
        self.dead_served.note(now, open, dead.map(|(at, name)| (*at, name.clone())).collect());
        let missed = fit.iter().filter(|(at, _)| !served.found.contains_key(at));
        self.alive_missed.note(now, open, missed.map(|(at, (first, _))| (*at, (*first).clone())).collect());
        let misnamed = fit.iter().filter(|(at, (_, name))| served.found.get(at).is_some_and(|shown| shown != *name));
        self.wrong_name.note(now, open, misnamed.map(|(at, (_, name))| (*at, (*name).clone())).collect());
    }
}

/// How many series the gateway has, and how many endpoints they name.
pub struct Series {
    pub all: usize,
    pub endpoints: usize,
}

impl Series {
    pub fn count(admin: SocketAddr) -> io::Result<Series> {
        let page = probe::get(admin, "/metrics")?.body;
        let lines = || page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let named = lines().filter_map(|line| line.split_once("endpoint=\"")?.1.split('"').next());
        Ok(Series { all: lines().count(), endpoints: named.collect::<BTreeSet<&str>>().len() })
    }
}
