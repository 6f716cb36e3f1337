//! The containers of a trial, to which everything happens that happens to containers.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::alive::{PORT, SHARED};
use super::book::Book;
use super::{SERVICES, service};
use crate::docker::{Engine, SHELL_IMAGE};
use crate::process;

/// Who does something to a container at a time, and how long each takes for one thing and its rest.
const HANDS: u32 = 6;
const TURN: Duration = Duration::from_secs(2);

/// Every fourth container is started again by the engine when it dies, every tenth has a health check. So each service has some of both.
const RESTARTED: usize = 4;
const CHECKED: usize = 10;

/// How often the engine may refuse to have one run that is to.
const REFUSED_MAX: u32 = 5;

/// How long one is paused, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 300..2000;

pub struct Fleet<'b> {
    /// Nobody does anything to containers while it is written to: while the engine is away.
    pub engine: RwLock<Engine>,
    pub book: &'b Book,
    shared: PathBuf,
    slots: Vec<Mutex<Slot>>,
    /// How often what was done.
    done: Mutex<BTreeMap<&'static str, u64>>,
    /// What the engine would not do.
    refused: AtomicU64,
}

struct Slot {
    nth: usize,
    first_name: String,
    name: String,
    state: State,
    renamed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Stopped,
    Running,
}

impl<'b> Fleet<'b> {
    /// So many containers, in turn of each service.
    pub fn start(engine: Engine, count: usize, book: &'b Book) -> io::Result<Fleet<'b>> {
        let shared = engine.folder().join("shared");
        std::fs::create_dir_all(shared.join("alive"))?;
        engine.say(&["network", "create", "shop"])?;
        // a network with hardly more addresses than containers, so that they are soon another's
        let format = "{{(index .IPAM.Config 0).Subnet}}";
        let subnet = engine.say(&["network", "inspect", "--format", format, "shop"])?;
        let base = subnet.split('/').next().unwrap_or_default();
        let bits = 32 - (count + 8).next_power_of_two().trailing_zeros();
        engine.say(&["network", "rm", "shop"])?;
        engine.say(&["network", "create", "--subnet", &format!("{base}/{bits}"), "shop"])?;
        let slots = (0..count).map(|nth| {
            let name = format!("c{nth}");
            Mutex::new(Slot { nth, first_name: name.clone(), name, state: State::Absent, renamed: 0 })
        });
        let (slots, engine) = (slots.collect(), RwLock::new(engine));
        let fleet = Fleet { engine, book, shared, slots, done: Mutex::default(), refused: AtomicU64::new(0) };
        // one that belongs to nothing, and one whose label is wrong, beside those that serve
        let strangers = [("stranger", "wharf.service=nobody"), ("wrong", "wharf.port=http")];
        for (name, label) in strangers {
            let run = ["run", "--detach", "--name", name, "--network", "shop", "--label", "wharf.service=s0"];
            fleet.engine().say(&[&run[..], &["--label", label, SHELL_IMAGE, "/bin/sleep", "100000"]].concat())?;
        }
        fleet.bring_all_up(&fleet.engine())?;
        Ok(fleet)
    }

    /// Who holds a lock there lives.
    pub fn folder(&self) -> PathBuf {
        self.shared.join("alive")
    }

    /// Where all note the POSTs that they get.
    pub fn record(&self) -> PathBuf {
        self.shared.join("record")
    }

    /// Does something to one after the other until it is told to stop.
    pub fn churn(&self, stop: &AtomicBool) {
        std::thread::scope(|scope| {
            for hand in 0..HANDS {
                scope.spawn(move || {
                    std::thread::sleep(TURN * hand / HANDS);
                    while !stop.load(Ordering::Acquire) {
                        let start = Instant::now();
                        // while the engine is away nothing can be done, and no container is anybody's
                        let engine = self.engine();
                        if let Ok(mut slot) = self.slots[fastrand::usize(..self.slots.len())].try_lock() {
                            self.turn(&engine, &mut slot);
                        }
                        drop(engine);
                        std::thread::sleep(TURN.saturating_sub(start.elapsed()));
                    }
                });
            }
        });
    }

    /// Has all of them run.
    pub fn bring_all_up(&self, engine: &Engine) -> io::Result<()> {
        let next = AtomicU64::new(0);
        let up = || {
            while let Some(slot) = self.slots.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                self.bring_up(engine, &mut slot.lock().unwrap_or_else(PoisonError::into_inner))?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(up)).collect();
            hands.into_iter().try_for_each(|hand| hand.join().map_err(|_| io::Error::other("a hand panicked"))?)
        })
    }

    /// Has one run. An engine that was killed may know of a process that it cannot start beside: then there is to be another container.
    fn bring_up(&self, engine: &Engine, slot: &mut Slot) -> io::Result<()> {
        let mut refused = 0;
        loop {
            self.look(engine, slot)?;
            let done = match slot.state {
                State::Running => return Ok(()),
                State::Stopped => self.start_one(engine, slot),
                State::Absent => self.create(engine, slot),
            };
            match done {
                Ok(()) => return Ok(()),
                Err(error) if refused == REFUSED_MAX => return Err(error),
                Err(_) => refused += 1,
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            let _ = engine.say(&["rm", "--force", &slot.name]);
        }
    }

    /// What was done to them, in words.
    pub fn words(&self) -> String {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<String> = done.iter().map(|(what, count)| format!("{count} {what}")).collect();
        format!("{}; {} refused by the engine", words.join(", "), self.refused.load(Ordering::Relaxed))
    }

    /// The engine, which stays as long as somebody has this.
    pub fn engine(&self) -> RwLockReadGuard<'_, Engine> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to one. What the engine refuses, since it was just doing something itself, is done to another another time.
    fn turn(&self, engine: &Engine, slot: &mut Slot) {
        let what = match slot.state {
            State::Absent => "created",
            State::Stopped if fastrand::u8(..4) == 0 => "removed",
            State::Stopped => "started",
            State::Running => {
                let all = ["stopped", "killed", "died", "paused", "restarted", "renamed", "removed"];
                all[fastrand::usize(..all.len())]
            }
        };
        let result = match what {
            "created" => self.create(engine, slot),
            "started" => self.start_one(engine, slot),
            "stopped" => self.end(engine, slot, &["stop", "--time", "1"], State::Stopped),
            "killed" => self.end(engine, slot, &["kill"], State::Stopped),
            "removed" => self.end(engine, slot, &["rm", "--force"], State::Absent),
            "died" => self.die(engine, slot),
            "paused" => self.pause(engine, slot),
            "restarted" => self.restart(engine, slot),
            _ => self.rename(engine, slot),
        };
        match result {
            Ok(()) => *self.done.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1,
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let _ = self.look(engine, slot);
            }
        }
    }

    /// Asks the engine how one is.
    fn look(&self, engine: &Engine, slot: &mut Slot) -> io::Result<()> {
        let filter = format!("name=^{}$", slot.name);
        let state = engine.say(&["ps", "--all", "--filter", &filter, "--format", "{{.State}}"])?;
        slot.state = match &*state {
            "" => State::Absent,
            "running" | "restarting" => {
                self.book.note(&slot.first_name, &slot.name, false);
                State::Running
            }
            "paused" => {
                self.book.note(&slot.first_name, &slot.name, false);
                engine.say(&["unpause", &slot.name])?;
                State::Running
            }
            _ => State::Stopped,
        };
        Ok(())
    }

    fn create(&self, engine: &Engine, slot: &mut Slot) -> io::Result<()> {
        let service = slot.nth % SERVICES;
        slot.name = slot.first_name.clone();
        self.book.note(&slot.first_name, &slot.name, false);
        let label = format!("wharf.service={}", self::service(service));
        let port = format!("wharf.port={PORT}");
        let mut arguments = vec!["run", "--detach", "--name", &slot.name, "--network", "shop"];
        arguments.extend(["--label", &label, "--label", &port]);
        if slot.nth.is_multiple_of(RESTARTED) {
            arguments.extend(["--restart", "always"]);
        }
        let check = format!("wget -q -O /dev/null http://127.0.0.1:{PORT}/health/1?length=1");
        if slot.nth % CHECKED == 1 {
            arguments.extend(["--health-cmd", &check, "--health-interval", "1s"]);
        }
        // this very program, with the libraries that it has here
        let program = std::env::current_exe()?;
        let libraries = ["/lib", "/lib64"].into_iter().filter(|folder| Path::new(folder).exists());
        let mut volumes: Vec<String> = libraries.map(|folder| format!("{folder}:{folder}:ro")).collect();
        volumes.push(format!("{}:/trials:ro", program.display()));
        volumes.push(format!("{}:{SHARED}", self.shared.display()));
        volumes.iter().for_each(|volume| arguments.extend(["--volume", volume]));
        let number = service.to_string();
        arguments.extend([SHELL_IMAGE, "/trials", "container", &number, &slot.first_name]);
        engine.say(&arguments)?;
        slot.state = State::Running;
        Ok(())
    }

    fn start_one(&self, engine: &Engine, slot: &mut Slot) -> io::Result<()> {
        self.book.note(&slot.first_name, &slot.name, false);
        engine.say(&["start", &slot.name])?;
        slot.state = State::Running;
        Ok(())
    }

    fn end(&self, engine: &Engine, slot: &mut Slot, command: &[&str], after: State) -> io::Result<()> {
        engine.say(&[command, &[&*slot.name]].concat())?;
        slot.state = after;
        Ok(())
    }

    /// Its process dies, and nobody told the engine.
    fn die(&self, engine: &Engine, slot: &mut Slot) -> io::Result<()> {
        let pid = engine.say(&["inspect", "--format", "{{.State.Pid}}", &slot.name])?;
        let pid = pid.parse().ok().filter(|pid| *pid > 0).ok_or(io::ErrorKind::NotFound)?;
        process::signal(pid, Signal::KILL)?;
        slot.state = if slot.nth.is_multiple_of(RESTARTED) { State::Running } else { State::Stopped };
        Ok(())
    }

    fn pause(&self, engine: &Engine, slot: &Slot) -> io::Result<()> {
        engine.say(&["pause", &slot.name])?;
        self.book.note(&slot.first_name, &slot.name, true);
        std::thread::sleep(Duration::from_millis(fastrand::u64(PAUSE_MS)));
        self.book.note(&slot.first_name, &slot.name, false);
        engine.say(&["unpause", &slot.name]).map(drop)
    }

    fn restart(&self, engine: &Engine, slot: &Slot) -> io::Result<()> {
        engine.say(&["restart", "--time", "1", &slot.name]).map(drop)
    }

    fn rename(&self, engine: &Engine, slot: &mut Slot) -> io::Result<()> {
        slot.renamed += 1;
        let name = format!("{}-{}", slot.first_name, slot.renamed);
        engine.say(&["rename", &slot.name, &name])?;
        slot.name = name;
        self.book.note(&slot.first_name, &slot.name, false);
        Ok(())
    }
}
