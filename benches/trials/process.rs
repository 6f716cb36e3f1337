//! Child processes that end with this program, and what the kernel says of a process.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions};

/// Descriptors that a gateway under trial may have: more than any trial needs, the same everywhere.
const DESCRIPTORS: u64 = 20_000;

/// Becomes `command`, and dies with the thread that started it: the child's half of [`start`].
pub fn become_command(command: &[String]) -> io::Result<Infallible> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    Err(Command::new(&command[0]).args(&command[1..]).exec())
}

/// Allows this program and its children as many descriptors as there may be.
pub fn raise_descriptor_limit() {
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let wanted = hard.map_or(DESCRIPTORS, |hard| hard.min(DESCRIPTORS));
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: hard });
}

/// Starts a command whose output goes to the end of `log`. It gets a TERM when the calling thread ends.
pub fn start(command: &[String], environment: &[(&str, String)], folder: &Path, log: &Path) -> io::Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    Command::new(std::env::current_exe()?)
        .arg("become")
        .args(command)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// The path of a program in the places where programs and administrators' programs are.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places.map(|place| place.join(name)).find(|file| file.is_file())
}

pub fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = Pid::from_raw(pid as i32).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// Whether a process lives, and is no zombie.
pub fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|text| text.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z")))
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// From the call that waited for it.
    pub after: Duration,
    /// `None`: it was not this program's child, or was killed.
    pub status: Option<i32>,
}

/// Waits for the end of a process; `None`: it did not end in time.
pub fn wait_for_end(pid: u32, patience: Duration) -> Option<End> {
    let start = Instant::now();
    loop {
        let child = Pid::from_raw(pid as i32).map(|pid| rustix::process::waitpid(Some(pid), WaitOptions::NOHANG));
        match child {
            Some(Ok(Some((_, status)))) => {
                return Some(End { after: start.elapsed(), status: status.exit_status() });
            }
            // Its main thread may be gone before the others.
            Some(Ok(None)) => {}
            // Somebody else's child.
            _ if !lives(pid) => return Some(End { after: start.elapsed(), status: None }),
            _ => {}
        }
        if start.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Processes with this word among their command's, except this one.
pub fn with_argument(word: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let named = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    pids.filter(|pid| *pid != std::process::id() && named(pid) && lives(*pid)).collect()
}

/// Resident memory.
pub fn rss_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Open descriptors.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}
