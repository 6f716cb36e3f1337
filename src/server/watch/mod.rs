//! Notices that a file of the configuration changed, whatever way an editor or a tool replaces it.
//!
//! The kernel's news of the directories say it at once; beside that the files are looked at twice a second, so that what is missed (a
//! network file system, a directory that was removed with its watch) is found all the same.

mod directories;
mod list;
mod settling;
mod signature;
mod trail;

use super::{Gateway, Reloads};
use crate::table::Why;
use directories::{Directories, Event};
pub use list::{WatchList, Watched};
use settling::{GONE, Settling};
pub use signature::Signatures;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trail::Step;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Files that changed and have stayed the same for this long are read, whatever else happens.
const STEADY: Duration = Duration::from_millis(250);
/// Between two answers to news: what else happens in a busy directory costs little.
const REST: Duration = Duration::from_millis(5);
/// It is longer where an answer takes long, up to this.
const REST_MAX: Duration = Duration::from_millis(100);

/// Starts the thread that watches, for as long as the process lives.
pub fn start(gateway: &Gateway) {
    let list = Arc::clone(&gateway.watched);
    if list.get().files.is_empty() {
        return;
    }
    let reloads = gateway.reloads.clone();
    let spawned =
        std::thread::Builder::new().name("watch".into()).spawn(move || Watch::new(&list).run(&list, &reloads));
    if let Err(e) = spawned {
        log::warn!("changes of the configuration are not noticed, SIGHUP reloads it: {e}");
    }
}

struct Watch {
    watched: Arc<Watched>,
    seen: Signatures,
    /// When they came to be so.
    since: Instant,
    /// As they were when a reload was asked for.
    asked: Option<Signatures>,
    steps: BTreeSet<Step>,
    directories: Option<Directories>,
    settling: Settling,
    next_look: Instant,
    /// What was said of the watch, so that it is said once.
    problem: Option<String>,
    left_behind: bool,
}

impl Watch {
    fn new(list: &WatchList) -> Watch {
        let watched = list.get();
        let mut watch = Watch {
            seen: Signatures::of(&watched),
            watched,
            since: Instant::now(),
            asked: None,
            steps: BTreeSet::new(),
            directories: None,
            settling: Settling::default(),
            next_look: Instant::now(),
            problem: None,
            left_behind: false,
        };
        watch.left_behind = watch.seen.left_behind().is_some();
        watch.follow();
        // what changed since the start read it
        watch.settling.note(Event::Other, Instant::now());
        watch
    }

    fn run(&mut self, list: &WatchList, reloads: &Reloads) {
        loop {
            let due = self.due();
            let until = due.map_or(self.next_look, |due| due.min(self.next_look));
            match &mut self.directories {
                Some(directories) => directories.wait(until),
                None => std::thread::sleep(until.saturating_duration_since(Instant::now())),
            }
            let start = Instant::now();
            self.hear();
            let looked = start >= self.next_look;
            if looked {
                self.look(list);
            }
            let due = self.due().is_some_and(|due| due <= Instant::now());
            if due && self.is_quiet() || looked && self.is_steady() {
                self.settling.forget();
                self.asked = Some(self.seen.clone());
                reloads.ask(Why::File);
            }
            std::thread::sleep((start.elapsed() * 4).clamp(REST, REST_MAX));
        }
    }

    fn due(&self) -> Option<Instant> {
        let alone = self.watched.files.len() == 1 && self.watched.patterns.is_empty();
        self.settling.due(alone, self.seen.lack_a_file())
    }

    /// Takes the kernel's news.
    fn hear(&mut self) {
        let news = self.directories.as_mut().map(Directories::news).unwrap_or_default();
        if news.is_empty() {
            return;
        }
        let now = Instant::now();
        let moved = news.iter().any(|event| !matches!(event, Event::Written(_) | Event::Closed(_)));
        if news.contains(&Event::Lost) {
            // a directory that takes the place of another may even have its number
            self.directories = None;
        }
        for event in news {
            self.settling.note(event, now);
        }
        self.see();
        if moved {
            self.follow();
        }
    }

    /// Looks at the files themselves.
    fn look(&mut self, list: &WatchList) {
        self.next_look = Instant::now() + LOOK;
        let watched = list.get();
        let other = watched != self.watched;
        self.watched = watched;
        if self.see() || other {
            self.settling.note(Event::Other, Instant::now());
            self.follow();
        }
        self.say_if_left_behind();
    }

    /// Has nothing changed since the last news, which may have been the first of several that the kernel did not tell?
    fn is_quiet(&mut self) -> bool {
        let changed = self.see();
        if changed {
            self.settling.note(Event::Other, Instant::now());
        }
        !changed
    }

    /// Have files changed that nobody seems to write to any more? That is so also while other names make news all the time.
    fn is_steady(&self) -> bool {
        let steady = if self.seen.lack_a_file() { GONE } else { STEADY };
        self.since.elapsed() >= steady && self.seen.changed_whole(self.asked.as_ref(), self.settling.open())
    }

    /// Asks the system for the signatures; whether they are other ones.
    fn see(&mut self) -> bool {
        let now = Signatures::of(&self.watched);
        let changed = now != self.seen;
        if changed {
            self.seen = now;
            self.since = Instant::now();
        }
        changed
    }

    /// Watches the directories through which the files are reached now.
    fn follow(&mut self) {
        let steps = trail::follow(&self.watched.files, &self.watched.directories());
        if steps == self.steps && self.directories.is_some() {
            return;
        }
        let problem = match Directories::watch(&steps) {
            Ok((watch, problem)) => {
                self.directories = Some(watch);
                problem
            }
            Err(e) => {
                self.directories = None;
                Some(e.to_string())
            }
        };
        self.steps = steps;
        self.settling.moved();
        if let Some(problem) = problem.as_ref().filter(|_| self.problem != problem) {
            log::warn!(
                "changes of the configuration are found by looking every {LOOK:?}, since it cannot be watched: {problem}"
            );
        }
        self.problem = problem;
        // what happened while nobody watched
        self.is_quiet();
    }

    fn say_if_left_behind(&mut self) {
        let left_behind = self.seen.left_behind();
        if let Some(path) = left_behind.filter(|_| !self.left_behind) {
            log::warn!(
                "{} is mounted by itself, and what was mounted was replaced outside: the file seen here never changes again\n\
                 hint: mount the directory that holds the file, and restart",
                path.display()
            );
        }
        self.left_behind = left_behind.is_some();
    }
}
