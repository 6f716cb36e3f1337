//! When a file that changes is to be read: as soon as it is whole, as far as that can be told.

use super::directories::Event;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Nothing has happened for this long: it is whole, most likely.
pub const QUIET: Duration = Duration::from_millis(100);
/// A file that is away for this long is gone: tools remove files on the way to replacing them.
pub const GONE: Duration = Duration::from_millis(500);
/// Somebody has it open, has written to it and writes no more, for this long: whoever it is keeps it open.
const OPEN: Duration = Duration::from_secs(5);
/// And after this long it is read whatever happens.
const LONGEST: Duration = Duration::from_secs(60);

/// What has happened since the last reading.
#[derive(Debug, Default)]
pub struct Settling {
    /// When it began, and the last of it. `None`: nothing.
    time: Option<(Instant, Instant)>,
    /// Files that somebody writes to. Bounded by the names that are watched.
    open: HashSet<PathBuf>,
    /// The last of it was a file made whole.
    whole: bool,
}

/// Files that may be open for writing at one time; beyond that they are not told apart.
const OPEN_MAX: usize = 1000;

impl Settling {
    /// Something happened.
    pub fn note(&mut self, event: Event, now: Instant) {
        self.time = Some((self.time.map_or(now, |(first, _)| first), now));
        self.whole = matches!(event, Event::Closed(_) | Event::Replaced(_));
        match event {
            Event::Written(name) if self.open.len() < OPEN_MAX => drop(self.open.insert(name)),
            // who still has what stood there open writes to nothing that is read
            Event::Closed(name) | Event::Replaced(name) | Event::Gone(name) => drop(self.open.remove(&name)),
            Event::Written(_) | Event::Other | Event::Lost => {}
        }
    }

    /// When to read. `alone`: one file is all there is, so when that is whole nothing more is to come. `missing`: a file is not there.
    pub fn due(&self, alone: bool, missing: bool) -> Option<Instant> {
        let (first, last) = self.time?;
        let wait = if missing {
            GONE
        } else if !self.open.is_empty() {
            OPEN
        } else if self.whole && alone {
            Duration::ZERO
        } else {
            QUIET
        };
        Some((last + wait).min(first + LONGEST))
    }

    /// Files that somebody may be writing to.
    pub fn open(&self) -> impl Iterator<Item = &Path> {
        self.open.iter().map(PathBuf::as_path)
    }

    /// The files are reached another way now: who wrote to those before no longer matters.
    pub fn moved(&mut self) {
        self.open.clear();
    }

    /// It is read now.
    pub fn forget(&mut self) {
        *self = Settling::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(events: &[(u64, Event)], alone: bool, missing: bool) -> Option<Duration> {
        let start = Instant::now();
        let mut settling = Settling::default();
        for (at, event) in events {
            settling.note(event.clone(), start + Duration::from_millis(*at));
        }
        settling.due(alone, missing).map(|due| due - start)
    }

    fn written() -> Event {
        Event::Written("gateway.yaml".into())
    }

    fn closed() -> Event {
        Event::Closed("gateway.yaml".into())
    }

    const fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn one_file_is_read_at_once_when_it_is_closed_or_replaced() {
        assert_eq!(after(&[], true, false), None);
        assert_eq!(after(&[(0, written()), (7, written()), (20, closed())], true, false), ms(20));
        assert_eq!(after(&[(3, Event::Replaced("gateway.yaml".into()))], true, false), ms(3));
    }

    #[test]
    fn of_several_files_the_last_is_waited_for() {
        assert_eq!(after(&[(0, written()), (20, closed())], false, false), ms(120));
        assert_eq!(after(&[(0, closed()), (90, Event::Closed("b.yaml".into()))], false, false), ms(190));
    }

    #[test]
    fn a_file_that_somebody_still_writes_to_is_not_read() {
        assert_eq!(after(&[(0, written()), (4000, written())], true, false), ms(9000));
        let elsewhere = Event::Closed("b.yaml".into());
        assert_eq!(after(&[(0, written()), (10, elsewhere)], false, false), ms(5010));
        let always: Vec<_> = (0..100).map(|i| (i * 1000, written())).collect();
        assert_eq!(after(&always, true, false), ms(60_000), "but not for ever");
    }

    #[test]
    fn a_file_that_is_away_may_come_back() {
        assert_eq!(after(&[(0, Event::Other)], true, true), ms(500));
        assert_eq!(after(&[(0, Event::Other), (50, Event::Other)], true, false), ms(150));
    }

    #[test]
    fn a_file_that_was_replaced_or_removed_is_no_longer_written_to() {
        for end in [Event::Replaced("gateway.yaml".into()), Event::Gone("gateway.yaml".into())] {
            assert_eq!(after(&[(0, written()), (10, end)], false, false), ms(110));
        }
    }
}
