//! Where lines end up, and what becomes of them when writing fails: they are dropped, and it is tried again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::Output;
use crate::value::{AT_ONCE, open_regular};

/// A file that fails is opened anew this often at most.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

/// How long to wait for a pipe or terminal that someone made non-blocking.
const NON_BLOCKING_PATIENCE: Duration = Duration::from_secs(1);
const NON_BLOCKING_PAUSE: Duration = Duration::from_millis(5);

/// An open output.
pub(super) struct Destination {
    out: Box<dyn Write + Send>,
    /// Only of files.
    path: Option<PathBuf>,
    /// What stands there last is not a whole line.
    torn: bool,
    /// The last write failed. Said once when it begins and once when it ends.
    failing: bool,
    reopened_at: Option<Instant>,
}

impl Destination {
    /// Nothing for [`Output::None`].
    pub(super) fn open(output: Output) -> io::Result<Option<Destination>> {
        Ok(Some(match output {
            Output::None => return Ok(None),
            // Past std's own buffering, which would keep half a batch after an error.
            Output::Stdout => Destination::to(duplicate(io::stdout().as_fd())?),
            Output::Stderr => Destination::to(duplicate(io::stderr().as_fd())?),
            Output::File(path) => {
                let (out, torn) = open_file(&path)?;
                Destination { torn: torn.unwrap_or(false), path: Some(path), ..Destination::to(out) }
            }
        }))
    }

    pub(super) fn to(out: impl Write + Send + 'static) -> Destination {
        Destination { out: Box::new(out), path: None, torn: false, failing: false, reopened_at: None }
    }

    /// Opens the file anew. If that fails the old one stays in use.
    pub(super) fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open_file(path) {
            Ok((out, torn)) => {
                self.out = Box::new(out);
                // a pipe is the same one: what it was given last is not whole yet
                self.torn = torn.unwrap_or(self.torn);
            }
            Err(error) => {
                log::error!("access log: cannot open {}: {error}; writing on to the file open so far", path.display());
            }
        }
    }

    /// Writes whole lines. Returns how many could not be written, or not in full.
    pub(super) fn write(&mut self, lines: &[u8]) -> u64 {
        if self.failing && self.path.is_some() && self.reopened_at.is_none_or(|at| at.elapsed() > REOPEN_INTERVAL) {
            self.reopened_at = Some(Instant::now());
            self.reopen();
        }
        if self.torn {
            // What is left of a cut line stays a line of its own.
            match self.write_some(b"\n") {
                Ok(_) => self.torn = false,
                Err(error) => return self.failed(&error, lines),
            }
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match self.write_some(rest) {
                Ok(n) => {
                    self.torn = rest[n - 1] != b'\n';
                    rest = &rest[n..];
                }
                Err(error) => return self.failed(&error, rest),
            }
        }
        if self.failing {
            self.failing = false;
            log::info!("access log: it can be written again");
        }
        0
    }

    /// Writes at least one byte of `bytes`, which is not empty.
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut waited = Duration::ZERO;
        loop {
            match self.out.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => return Ok(n.min(bytes.len())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && waited < NON_BLOCKING_PATIENCE => {
                    thread::sleep(NON_BLOCKING_PAUSE);
                    waited += NON_BLOCKING_PAUSE;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn failed(&mut self, error: &io::Error, unwritten: &[u8]) -> u64 {
        if !self.failing {
            self.failing = true;
            log::error!("access log: {error}; lines are dropped and counted until it can be written again");
        }
        memchr::memchr_iter(b'\n', unwritten).count() as u64
    }
}

fn duplicate(fd: BorrowedFd<'_>) -> io::Result<File> {
    fd.try_clone_to_owned().map(File::from)
}

/// The file, and whether its last line is cut (by a full disk, or a kill); of a pipe or a device nobody knows. Neither is waited for, now
/// or when it is written to: who reads a pipe must be there, and may be slow for as long as lines can wait.
fn open_file(path: &Path) -> io::Result<(File, Option<bool>)> {
    let file = OpenOptions::new().append(true).create(true).custom_flags(AT_ONCE).open(path).map_err(|e| {
        let unread = e.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error());
        match unread && path.metadata().is_ok_and(|it| it.file_type().is_fifo()) {
            true => io::Error::new(e.kind(), "it is a pipe, and nobody reads it: start its reader first"),
            false => e,
        }
    })?;
    let regular = file.metadata().is_ok_and(|it| it.is_file());
    let cut = regular.then(|| ends_within_a_line(path).unwrap_or(false));
    Ok((file, cut))
}

fn ends_within_a_line(path: &Path) -> io::Result<bool> {
    let mut file = open_regular(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last[0] != b'\n')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Takes `room` bytes, then fails until more room is made.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Disk {
        fn make_room(&self, room: usize) {
            self.0.lock().unwrap().0 = room;
        }
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (room, written) = &mut *self.0.lock().unwrap();
            let n = bytes.len().min(*room);
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= n;
            written.extend_from_slice(&bytes[..n]);
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_lost_to_a_full_disk_are_counted_and_a_cut_line_never_joins_the_next() {
        let disk = Disk::default();
        let mut destination = Destination::to(disk.clone());
        disk.make_room(6);
        assert_eq!(destination.write(b"one\ntwo\nthree\n"), 2);
        assert_eq!(destination.write(b"four\n"), 1);
        disk.make_room(100);
        assert_eq!(destination.write(b"five\n"), 0);
        assert_eq!(disk.text(), "one\ntw\nfive\n");
    }

    #[test]
    fn a_disk_full_between_two_lines_leaves_no_empty_line() {
        let disk = Disk::default();
        let mut destination = Destination::to(disk.clone());
        disk.make_room(4);
        assert_eq!(destination.write(b"one\ntwo\n"), 1);
        disk.make_room(100);
        assert_eq!(destination.write(b"three\n"), 0);
        assert_eq!(disk.text(), "one\nthree\n");
    }

    #[test]
    fn a_reader_that_went_away_costs_only_the_lines() {
        let (reader, writer) = io::pipe().unwrap();
        let mut destination = Destination::to(writer);
        drop(reader);
        assert_eq!(destination.write(b"one\ntwo\n"), 2);
        assert_eq!(destination.write(b"three\n"), 1);
    }

    #[test]
    fn a_device_without_space_costs_only_the_lines() {
        let mut destination = Destination::open(Output::File("/dev/full".into())).unwrap().unwrap();
        assert_eq!(destination.write(b"one\n"), 1);
        assert_eq!(destination.write(b"two\nthree\n"), 2);
    }

    #[test]
    fn a_line_cut_by_an_earlier_run_is_closed_before_the_first_new_one() {
        let directory = super::super::tests::Directory::new();
        let path = directory.path("access.log");
        std::fs::write(&path, "cut").unwrap();
        let mut destination = Destination::open(Output::File(path.clone())).unwrap().unwrap();
        assert_eq!(destination.write(b"whole\n"), 0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "cut\nwhole\n");
    }

    #[test]
    fn when_a_file_cannot_be_opened_anew_the_old_one_stays_in_use() {
        let directory = super::super::tests::Directory::new();
        let logs = directory.path("logs");
        std::fs::create_dir(&logs).unwrap();
        let mut destination = Destination::open(Output::File(logs.join("access.log"))).unwrap().unwrap();
        std::fs::rename(&logs, directory.path("moved")).unwrap();
        destination.reopen();
        assert_eq!(destination.write(b"one\n"), 0);
        assert_eq!(std::fs::read_to_string(directory.path("moved").join("access.log")).unwrap(), "one\n");
    }
}
