//! Child processes under measurement: pinned, preferred, counted with all their descendants, and gone when dropped.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};

/// Above the rest of the machine's processes, where root may ask for it.
const NICE: i32 = -10;

/// How long a process has to stop by itself.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// The same under a tracer, where everything takes some fifty times as long.
const TRACED_STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Makes this process what a measurement needs, then becomes `command`: the child's half of [`Running::start`].
pub fn become_pinned(cpus: &str, command: &[String]) -> io::Result<std::convert::Infallible> {
    // Nothing outlives the run, even when the run is killed. Asked to stop rather than killed: nginx and HAProxy then
    // take their workers along.
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    pin_to(cpus)?;
    prefer();
    raise_descriptor_limit();
    Err(Command::new(&command[0]).args(&command[1..]).exec())
}

/// Keeps the calling process on these CPUs, written `0,1`.
pub fn pin_to(cpus: &str) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for cpu in cpus.split(',') {
        set.set(cpu.parse().map_err(|_| io::Error::other(format!("no CPU `{cpu}`")))?);
    }
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// Runs ahead of others if allowed; a measurement without is only noisier.
fn prefer() {
    if rustix::process::geteuid().is_root() {
        let _ = rustix::process::setpriority_process(None, NICE);
    }
}

fn raise_descriptor_limit() {
    let hard = descriptors_max();
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
}

/// How many descriptors a process may be allowed; None: no limit.
pub fn descriptors_max() -> Option<u64> {
    rustix::process::getrlimit(Resource::Nofile).maximum
}

/// One process that this run started.
pub struct Running {
    child: Child,
}

/// Where the output of a process goes.
pub enum Output<'a> {
    /// stdin and stdout are pipes: a part of this program.
    Pipes,
    /// Appended to a file, stdout and stderr alike.
    File(&'a Path),
}

impl Running {
    /// Starts `command` on these CPUs, with these additions to the environment.
    pub fn start(
        command: &[String],
        cpus: &str,
        environment: &[(String, String)],
        output: Output,
    ) -> io::Result<Running> {
        let mut launcher = Command::new(std::env::current_exe()?);
        launcher.args(["become", cpus]).args(command);
        launcher.envs(environment.iter().map(|(name, value)| (name, value)));
        match output {
            Output::Pipes => launcher.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()),
            Output::File(path) => {
                let log = File::options().create(true).append(true).open(path)?;
                launcher.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log)
            }
        };
        // Out of the terminal's foreground group: an interrupt stops this program, which stops its children in order.
        launcher.process_group(0);
        Ok(Running { child: launcher.spawn()? })
    }

    /// Starts a part of this program, as `load PART ARGUMENTS`.
    pub fn start_self(part: &str, arguments: &[String], cpus: &str) -> io::Result<Running> {
        let program = std::env::current_exe()?.display().to_string();
        let command: Vec<String> = [program, part.to_owned()].into_iter().chain(arguments.iter().cloned()).collect();
        Running::start(&command, cpus, &[], Output::Pipes)
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Nanoseconds on a CPU so far, of the whole process tree.
    pub fn cpu_ns(&self) -> u64 {
        let tasks =
            self.tree().into_iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten());
        tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Bytes of memory, shared pages divided among their users, of the whole process tree.
    pub fn pss_bytes(&self) -> u64 {
        let rollups =
            self.tree().into_iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok());
        rollups.filter_map(|text| field_kib(&text, "Pss:")).sum::<u64>() * 1024
    }

    /// The process and all its descendants.
    fn tree(&self) -> Vec<u32> {
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                Some((pid, parent_of(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
            })
            .collect();
        let mut tree = vec![self.child.id()];
        let mut next = 0;
        while next < tree.len() {
            let parent = tree[next];
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        tree
    }

    /// Sends one signal to the process itself.
    pub fn signal(&self, signal: Signal) {
        send(&[self.child.id()], signal);
    }

    /// Asks the process to stop until it does; kills what is left after a while.
    pub fn stop(&mut self) {
        let tree = self.tree();
        self.stop_all(&tree, &tree, STOP_PATIENCE);
    }

    /// Lets a tracer end with what it traces, and write down what it has seen.
    pub fn stop_traced(&mut self) {
        let tree = self.tree();
        // strace is the parent of its program, valgrind is its program.
        let traced = if tree.len() > 1 { &tree[1..] } else { &tree[..] };
        self.stop_all(traced, &tree, TRACED_STOP_PATIENCE);
    }

    fn stop_all(&mut self, asked: &[u32], tree: &[u32], patience: Duration) {
        let start = Instant::now();
        let mut turns = 0;
        while start.elapsed() < patience && matches!(self.exited(), Ok(None)) {
            // Again now and then: nginx misses a signal that comes just before it goes to sleep.
            if turns % 50 == 0 {
                send(asked, Signal::TERM);
            }
            turns += 1;
            sleep(Duration::from_millis(10));
        }
        let left: Vec<u32> = tree.iter().copied().filter(|pid| still(*pid)).collect();
        send(&left, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.exited(), Ok(None)) {
            self.stop();
        }
    }
}

/// Whether a process lives and is no zombie that waits for its parent.
fn still(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|text| text.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z")))
}

fn send(pids: &[u32], signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid as i32)) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The parent in the text of /proc/PID/stat. A process's name stands in parentheses and may hold any.
fn parent_of(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn field_kib(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
