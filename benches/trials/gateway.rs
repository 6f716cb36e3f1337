//! The gateway under trial: its configuration, its process, and what it says of itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::place::Place;
use crate::probe;
use crate::process;

/// How long a gateway may take to start.
const START_PATIENCE: Duration = Duration::from_secs(15);

/// How long one that the program is done with may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(12);

pub struct Gateway<'p> {
    /// The process that serves; an upgrade changes it.
    pub pid: u32,
    pub file: PathBuf,
    place: &'p Place,
}

impl<'p> Gateway<'p> {
    /// Starts `wharf run` with this configuration, and waits until it is ready.
    pub fn start(program: &Path, place: &'p Place, yaml: &str) -> io::Result<Gateway<'p>> {
        let file = place.configuration("gateway.yaml");
        fs::write(&file, yaml)?;
        let command = [program, Path::new("run"), Path::new("--config"), &file].map(|word| word.display().to_string());
        let environment = [("STATE_DIRECTORY", place.file("state").display().to_string()), ("NO_COLOR", "1".into())];
        let child = process::start(&command, &environment, place.folder(), &place.file("log"))?;
        let gateway = Gateway { pid: child.id(), file, place };
        let start = Instant::now();
        while !gateway.is_ready() {
            if !process::lives(gateway.pid) || start.elapsed() > START_PATIENCE {
                return Err(io::Error::other(format!("the gateway did not start\n{}", gateway.last_words())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(gateway)
    }

    pub fn is_ready(&self) -> bool {
        probe::get(self.place.admin(), "/readyz").is_ok_and(|reply| reply.status == 200)
    }

    /// Replaces the file as an editor does: a new one takes its name.
    pub fn replace_file(&self, yaml: &str) -> io::Result<()> {
        let fresh = self.place.configuration("gateway.yaml.new");
        fs::write(&fresh, yaml)?;
        fs::rename(fresh, &self.file)
    }

    /// Writes the file in its place. Returns right after it was closed.
    pub fn write_file(&self, yaml: &str) -> io::Result<()> {
        let mut file = File::create(&self.file)?;
        file.write_all(yaml.as_bytes())
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        process::signal(self.pid, signal)
    }

    /// The process that answers on the admin address, as far as it says so.
    pub fn serving_pid(&self) -> Option<u32> {
        let status = probe::get(self.place.admin(), "/api/v1/status").ok().filter(|reply| reply.status == 200)?;
        let status: serde_json::Value = serde_json::from_str(&status.body).ok()?;
        status["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }

    /// All its processes: those that were given its configuration.
    pub fn processes(&self) -> Vec<u32> {
        process::with_argument(&self.file.display().to_string())
    }

    /// Requests and tunnels that it counts as in flight at its endpoints.
    pub fn in_flight(&self) -> io::Result<f64> {
        probe::metric(self.place.admin(), "wharf_upstream_in_flight")
    }

    /// How many reloads were obeyed, and how many refused.
    pub fn reloads(&self) -> (f64, f64) {
        let count = |begins: &str| probe::metric(self.place.admin(), begins).unwrap_or(f64::NAN);
        (count("wharf_config_reloads_total{result=\"success\""), count("wharf_config_reloads_total{result=\"failure\""))
    }

    /// The end of what it has written.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(self.place.file("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

impl Drop for Gateway<'_> {
    fn drop(&mut self) {
        let start = Instant::now();
        let _ = self.signal(Signal::TERM);
        while process::lives(self.pid) && start.elapsed() < STOP_PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        for pid in self.processes() {
            let _ = process::signal(pid, Signal::KILL);
            process::wait_for_end(pid, Duration::from_secs(1));
        }
    }
}
