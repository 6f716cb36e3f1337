//! The access log: one line a request, written by a thread of its own. A worker never waits for it.
//!
//! Each worker collects lines and hands them over at the end of a turn, by swapping a pointer; the writer takes what
//! all of them handed over some hundred times a second at most. Lines that find no room are dropped and counted.

mod clock;
mod destination;
mod digits;
mod escape;
mod handover;
mod line;
mod plain;
pub(super) mod redact;
mod writer;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{ProgramStats, Sink};
use crate::value::AccessLogFormat;
use clock::Clock;
use destination::Destination;
use handover::{Lines, Slot};
use writer::Shared;

pub use clock::rfc3339;
pub use line::{Record, TlsRecord};

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

/// The access log. Dropping it stops its writer once that has written what was handed over, without waiting for it.
#[derive(Debug)]
pub struct AccessLog {
    program: Arc<ProgramStats>,
    ways: Arc<Mutex<Ways>>,
}

/// Where lines go, and where the last of those that went elsewhere before still do.
#[derive(Debug)]
struct Ways {
    format: AccessLogFormat,
    current: Option<Running>,
    former: Vec<Running>,
}

/// A writer and its destination.
#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    writer: Thread,
    /// Says nothing; it closes when the writer is done.
    done: Mutex<mpsc::Receiver<()>>,
}

/// An output that is open, for [`AccessLog::switch`].
#[derive(Debug)]
pub struct Opened(Option<Running>);

impl AccessLog {
    /// Opens `output` and starts the writer. Lost lines are counted in `program`.
    ///
    /// # Errors
    /// When the output cannot be opened, or no thread be started.
    pub fn start(output: Output, format: AccessLogFormat, program: Arc<ProgramStats>) -> io::Result<AccessLog> {
        let ways = Ways { format, current: None, former: Vec::new() };
        let log = AccessLog { program, ways: Arc::new(Mutex::new(ways)) };
        log.ways().current = log.open(output)?.0;
        Ok(log)
    }

    /// Opens another output, for [`AccessLog::switch`].
    ///
    /// # Errors
    /// As [`AccessLog::start`].
    pub fn open(&self, output: Output) -> io::Result<Opened> {
        let destination = Destination::open(output)?;
        Ok(Opened(destination.map(|destination| Running::start(destination, &self.program)).transpose()?))
    }

    /// Writes lines in this form, and sends them to another output if one is given, from now on: those of a worker as soon as it
    /// [follows](AccessLines::follow). What it pushed before is in the form it had, and goes where it would have gone.
    pub fn switch(&self, format: AccessLogFormat, opened: Option<Opened>) {
        let mut ways = self.ways();
        ways.format = format;
        let Some(opened) = opened else { return };
        if let Some(former) = std::mem::replace(&mut ways.current, opened.0) {
            former.shared.ask_to_retire();
            former.writer.unpark();
            ways.former.push(former);
        }
        ways.former.retain(|former| !former.is_done(Duration::ZERO));
    }

    /// An end for one more worker.
    pub fn lines(&self) -> AccessLines {
        let ways = self.ways();
        AccessLines {
            ways: Arc::clone(&self.ways),
            format: ways.format.clone(),
            end: ways.current.as_ref().map(Running::end),
            lines: Box::default(),
            clock: Clock::default(),
        }
    }

    /// Opens the file anew, as after a rotation; nothing for other outputs. It is done by the writer, soon.
    pub fn reopen(&self) {
        if let Some(Running { shared, writer, .. }) = &self.ways().current {
            shared.ask_to_reopen();
            writer.unpark();
        }
    }

    /// Writes what was handed over so far and stops, within `limit`. Tells whether it was all handled in that time.
    pub fn finish(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let Ways { current, former, .. } = &mut *self.ways();
        let all: Vec<Running> = current.take().into_iter().chain(former.drain(..)).collect();
        all.iter().for_each(Running::stop);
        all.iter().all(|running| running.is_done(until.saturating_duration_since(Instant::now())))
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        // the workers' ends may be there still: they hold the ways, but not what is in them
        self.ways().current = None;
        self.ways().former.clear();
    }
}

impl Running {
    fn start(destination: Destination, program: &Arc<ProgramStats>) -> io::Result<Running> {
        let shared = Arc::new(Shared::new(Arc::clone(program)));
        let (closes, done) = mpsc::sync_channel(1);
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer::run(&theirs, destination);
            drop(closes);
        })?;
        Ok(Running { shared, writer: thread.thread().clone(), done: Mutex::new(done) })
    }

    fn end(&self) -> End {
        let slot = Arc::new(Slot::default());
        self.shared.register(Arc::clone(&slot));
        End { slot, shared: Arc::clone(&self.shared), writer: self.writer.clone() }
    }

    /// Writes what was handed over so far, and no more.
    fn stop(&self) {
        self.shared.ask_to_stop();
        self.writer.unpark();
    }

    fn is_done(&self, within: Duration) -> bool {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.recv_timeout(within) != Err(RecvTimeoutError::Timeout)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One worker's end of the access log. What was pushed is handed over by `flush`, at the latest when this is dropped.
pub struct AccessLines {
    ways: Arc<Mutex<Ways>>,
    format: AccessLogFormat,
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

    /// Hands over what was pushed, and goes where the log goes now, in the form it has now.
    pub fn follow(&mut self) {
        let ways = Arc::clone(&self.ways);
        let ways = ways.lock().unwrap_or_else(PoisonError::into_inner);
        self.format = ways.format.clone();
        let here = self.end.as_ref().map(|end| Arc::as_ptr(&end.shared));
        if here == ways.current.as_ref().map(|running| Arc::as_ptr(&running.shared)) {
            return;
        }
        self.leave();
        self.end = ways.current.as_ref().map(Running::end);
    }

    fn leave(&mut self) {
        self.flush();
        if let Some(End { slot, shared: _, writer }) = self.end.take() {
            drop(slot);
            // it may wait for its last worker to go
            writer.unpark();
        }
    }

    /// Adds the line of one request.
    pub fn push(&mut self, record: &Record<'_>) {
        if self.end.is_none() {
            return;
        }
        let (out, clock) = (&mut self.lines.bytes, &mut self.clock);
        match &self.format {
            AccessLogFormat::Json => line::write(out, clock, record),
            AccessLogFormat::Combined => plain::combined(out, clock, record),
            AccessLogFormat::Template(pieces) => plain::template(out, clock, record, pieces),
        }
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
        self.leave();
    }
}

impl fmt::Debug for AccessLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLines").field("lines", &self.lines.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
