//! A process that the test watches over: its own child, or one that an upgrade left behind.

use std::process::Child;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};

use super::patience::{PATIENCE, eventually};

/// A process that is killed when this is dropped.
pub struct Process {
    pid: Pid,
    ended: OnceLock<Option<i32>>,
}

impl Process {
    pub fn of(child: Child) -> Process {
        Process { pid: Pid::from_child(&child), ended: OnceLock::new() }
    }

    /// A grandchild whose parent ends, or has ended: from now on such processes become this one's children.
    pub fn orphan(pid: Pid) -> Process {
        Process { pid, ended: OnceLock::new() }
    }

    /// Lets this process inherit the children of those that end.
    pub fn adopt_orphans() {
        set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    }

    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Its exit status once it has ended; `None` within for a signal.
    pub fn try_wait(&self) -> Option<Option<i32>> {
        if self.ended.get().is_none() {
            // an orphan is nobody's to wait for until its parent has ended
            let (_, status) = waitpid(Some(self.pid), WaitOptions::NOHANG).ok()??;
            self.ended.set(status.exit_status()).ok();
        }
        self.ended.get().copied()
    }

    /// Waits for its end: the exit status.
    #[track_caller]
    pub fn ended(&self) -> Option<i32> {
        eventually(PATIENCE, || self.try_wait())
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Kills it, if it has not ended.
    pub fn end(&self) {
        if self.try_wait().is_none() {
            kill_process(self.pid, Signal::KILL).ok();
            if let Ok(Some((_, status))) = waitpid(Some(self.pid), WaitOptions::empty()) {
                self.ended.set(status.exit_status()).ok();
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
