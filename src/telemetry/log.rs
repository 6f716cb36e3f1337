//! The program's own log: one line of text an event, to stderr, which is never waited for long.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use env_logger::{Target, WriteStyle};
use log::LevelFilter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe that says it can be written takes this many bytes without blocking (POSIX: at least 512, Linux: 4096).
const PIPE_BYTES: usize = 4096;
/// How long a line waits for a reader that has fallen behind, before it is dropped.
const PATIENCE: Duration = Duration::from_millis(10);

/// Starts logging at `level`. Dependencies say no more than warnings, whatever the level. `log::set_max_level` changes
/// the level later. A second call does nothing: the first logger stays.
pub fn init(level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    builder.write_style(if colour { WriteStyle::Always } else { WriteStyle::Never });
    builder.target(Target::Pipe(Box::<Stderr>::default()));
    builder.filter_level(LevelFilter::Warn).filter_module("wharf", LevelFilter::Trace);
    // rustls warns of what a client may do as often as it likes; what comes of that is counted
    builder.filter_module("rustls", LevelFilter::Off).format(|out, record| {
        let level = record.level();
        let style = out.default_level_style(level);
        let text = record.args().to_string();
        writeln!(
            out,
            "{} {style}{}{style:#} {}: {}",
            out.timestamp_millis(),
            level.as_str().to_ascii_lowercase(),
            record.target(),
            Printable(&text)
        )
    });
    if builder.try_init().is_ok() {
        log::set_max_level(level);
    }
}

/// Stderr as long as somebody reads it. With a full pipe or a stopped terminal behind it lines are dropped: whoever logs (a signal's
/// handler, a reload, a request that panicked) must not hang on it.
#[derive(Default)]
struct Stderr {
    /// The last line was waited for in vain; the next is not waited for.
    blocked: bool,
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        let patience = if self.blocked { Duration::ZERO } else { PATIENCE };
        let patience = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
        let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
        let known = poll(&mut ready, Some(&patience));
        self.blocked = known.is_ok_and(|n| n == 0);
        if self.blocked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        stderr.lock().write(&bytes[..bytes.len().min(PIPE_BYTES)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Text without control characters but tabs and newlines: what a client sent may be quoted in a message, and a terminal
/// must not obey it.
struct Printable<'a>(&'a str);

impl std::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(|c: char| c.is_control() && c != '\n' && c != '\t') {
            let (clean, from) = rest.split_at(at);
            let mut chars = from.chars();
            f.write_str(clean)?;
            if let Some(control) = chars.next() {
                write!(f, "{}", control.escape_default())?;
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_cannot_drive_the_terminal() {
        assert_eq!(Printable("a\x1b[2Jb\r\n\tc\u{9b}").to_string(), "a\\u{1b}[2Jb\\r\n\tc\\u{9b}");
        assert_eq!(Printable("plain: æøå").to_string(), "plain: æøå");
    }
}
