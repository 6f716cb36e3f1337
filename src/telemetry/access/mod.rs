//! The access log: one line of JSON a request, written by a thread of its own. A worker never waits for it.
//!
//! Each worker collects lines and hands them over at the end of a turn, by swapping a pointer; the writer takes what
//! all of them handed over some hundred times a second at most. Lines that find no room are dropped and counted.

mod clock;
mod destination;
mod digits;
mod escape;
mod handover;
mod line;
pub(super) mod redact;
mod writer;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::{ProgramStats, Sink};
use clock::Clock;
use destination::Destination;
use handover::{Lines, Slot};
use writer::Shared;

pub use line::Record;

/// How many bytes may wait for the writer, per worker. Lines that come on top are dropped.
pub const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much of one field of the client's is written, in bytes. What is longer ends in `…`.
pub const FIELD_BYTES_MAX: usize = 4096;

/// A worker hands its lines over in the middle of a turn once they exceed this many bytes.
const BATCH_BYTES: usize = 32 * 1024;

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Stdout,
    Stderr,
    /// Appended to; made when missing. [`AccessLog::reopen`] opens it anew after a rotation.
    File(PathBuf),
    /// Nothing is written and nothing is formatted.
    None,
}

/// The access log and its writer. Dropping it stops the writer once it has written what was handed over, without
/// waiting for that.
#[derive(Debug)]
pub struct AccessLog {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    writer: Thread,
    /// Says nothing; it closes when the writer is done.
    done: Mutex<mpsc::Receiver<()>>,
}

impl AccessLog {
    /// Opens `output` and starts the writer. Lost lines are counted in `program`.
    ///
    /// # Errors
    /// When the output cannot be opened, or no thread be started.
    pub fn start(output: Output, program: Arc<ProgramStats>) -> io::Result<AccessLog> {
        match Destination::open(output)? {
            Some(destination) => AccessLog::start_with(destination, program),
            None => Ok(AccessLog { running: None }),
        }
    }

    fn start_with(destination: Destination, program: Arc<ProgramStats>) -> io::Result<AccessLog> {
        let shared = Arc::new(Shared::new(program));
        let (closes, done) = mpsc::sync_channel(1);
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer::run(&theirs, destination);
            drop(closes);
        })?;
        Ok(AccessLog { running: Some(Running { shared, writer: thread.thread().clone(), done: Mutex::new(done) }) })
    }

    /// An end for one more worker.
    pub fn lines(&self) -> AccessLines {
        let end = self.running.as_ref().map(|running| {
            let slot = Arc::new(Slot::default());
            running.shared.register(Arc::clone(&slot));
            End { slot, shared: Arc::clone(&running.shared), writer: running.writer.clone() }
        });
        AccessLines { end, lines: Box::default(), clock: Clock::default() }
    }

    /// Opens the file anew, as after a rotation; nothing for other outputs. It is done by the writer, soon.
    pub fn reopen(&self) {
        if let Some(Running { shared, writer, .. }) = &self.running {
            shared.ask_to_reopen();
            writer.unpark();
        }
    }

    /// Writes what was handed over so far and stops, within `limit`. Tells whether it was all handled in that time.
    pub fn finish(&self, limit: Duration) -> bool {
        let Some(running) = &self.running else { return true };
        running.stop();
        let done = running.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.recv_timeout(limit) != Err(RecvTimeoutError::Timeout)
    }
}

impl Running {
    fn stop(&self) {
        self.shared.ask_to_stop();
        self.writer.unpark();
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop();
        }
    }
}

/// One worker's end of the access log. What was pushed is handed over by `flush`, at the latest when this is dropped.
pub struct AccessLines {
    end: Option<End>,
    lines: Box<Lines>,
    clock: Clock,
}

struct End {
    slot: Arc<Slot>,
    shared: Arc<Shared>,
    writer: Thread,
}

impl AccessLines {
    /// Whether lines go anywhere: if not, there is no need to make a record.
    pub fn enabled(&self) -> bool {
        self.end.is_some()
    }

    /// Adds the line of one request.
    pub fn push(&mut self, record: &Record<'_>) {
        if self.end.is_none() {
            return;
        }
        line::write(&mut self.lines.bytes, &mut self.clock, record);
        self.lines.count += 1;
        if self.lines.bytes.len() > BATCH_BYTES {
            self.flush();
        }
    }

    /// Hands over what was pushed; a worker calls it at the end of each turn of its loop.
    pub fn flush(&mut self) {
        if self.lines.count == 0 {
            return;
        }
        if let Some(End { slot, shared, writer }) = &self.end {
            let lost = slot.hand_over(&mut self.lines);
            if lost > 0 {
                shared.program().dropped(Sink::AccessLog, lost);
            }
            if shared.must_be_woken() {
                writer.unpark();
            }
        }
    }
}

impl Drop for AccessLines {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for AccessLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLines").field("lines", &self.lines.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
