//! The kernel's news of what happens to names in directories.

use super::trail::{Sought, Step};
use crate::config::PathPattern;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RemoveKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// News that may wait. What comes beyond is lost, which is noticed.
const WAITING_MAX: usize = 4096;

/// What happened to a watched name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody writes to it, and has it open.
    Written(PathBuf),
    /// Whoever wrote to it has closed it.
    Closed(PathBuf),
    /// Another file took its place in one step.
    Replaced(PathBuf),
    /// It went, by this name at least.
    Gone(PathBuf),
    /// It came, or got another mode.
    Other,
    /// News were lost, or the watch failed: it must begin anew.
    Lost,
}

/// The directories that are watched, and the names that matter in them.
pub struct Directories {
    /// Ends the watch when it is dropped.
    _watcher: RecommendedWatcher,
    news: Receiver<Event>,
    /// News came while too many waited.
    lost: Arc<AtomicBool>,
    /// What was heard while waiting.
    heard: Vec<Event>,
}

/// The names that matter in one directory.
#[derive(Default)]
struct Names {
    some: BTreeSet<OsString>,
    files: Vec<PathPattern>,
    directories: Vec<PathPattern>,
}

impl Directories {
    /// Watches all steps. What could not be watched is the error beside it.
    pub fn watch(steps: &BTreeSet<Step>) -> notify::Result<(Directories, Option<String>)> {
        let mut names: HashMap<PathBuf, Names> = HashMap::new();
        for Step { directory, sought, .. } in steps {
            let names = names.entry(directory.clone()).or_default();
            match sought {
                Sought::Name(name) => drop(names.some.insert(name.clone())),
                Sought::Files(pattern) => names.files.extend(PathPattern::new(pattern)),
                Sought::Directories(pattern) => names.directories.extend(PathPattern::new(pattern)),
            }
        }
        let directories: Vec<PathBuf> = names.keys().cloned().collect();
        let (tell, news) = sync_channel(WAITING_MAX);
        let lost = Arc::new(AtomicBool::new(false));
        let overflow = Arc::clone(&lost);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Some(event) = event.map_or(Some(Event::Lost), |event| told(&event, &names)) else { return };
            if tell.try_send(event).is_err() {
                overflow.store(true, Relaxed);
            }
        })?;
        let mut problem = None;
        for directory in directories {
            if let Err(e) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
                problem = Some(format!("{}: {e}", directory.display()));
            }
        }
        Ok((Directories { _watcher: watcher, news, lost, heard: Vec::new() }, problem))
    }

    /// Waits for news until a moment at most.
    pub fn wait(&mut self, until: Instant) {
        match self.news.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(event) => self.heard.push(event),
            Err(RecvTimeoutError::Timeout) => {}
            // nobody tells any more: not to be asked again and again
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(1)),
        }
    }

    /// The news so far that matter.
    pub fn news(&mut self) -> Vec<Event> {
        let mut news = std::mem::take(&mut self.heard);
        news.extend(self.news.try_iter().take(WAITING_MAX));
        if self.lost.swap(false, Relaxed) {
            news.push(Event::Lost);
        }
        news
    }
}

impl Names {
    /// Is it news what happens to a name? A directory is when it comes or goes, not what is done to it.
    fn matter(&self, name: &OsStr, event: &notify::Event, path: &Path) -> bool {
        let like = |patterns: &[PathPattern]| patterns.iter().any(|pattern| pattern.matches(Path::new(name)));
        let comes_or_goes = || match event.kind {
            EventKind::Create(CreateKind::Folder) | EventKind::Remove(RemoveKind::Folder) => true,
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)) => path.is_dir(),
            _ => false,
        };
        self.some.contains(name) || like(&self.files) || (like(&self.directories) && comes_or_goes())
    }
}

/// What an event says of a name that matters.
fn told(event: &notify::Event, names: &HashMap<PathBuf, Names>) -> Option<Event> {
    if event.need_rescan() {
        return Some(Event::Lost);
    }
    // of a rename within one directory the new name comes last
    let path = event.paths.last()?;
    let (directory, name) = (path.parent()?, path.file_name()?);
    if !names.get(directory).is_some_and(|names| names.matter(name, event, path)) {
        // a watched directory itself is gone or elsewhere
        let gone = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
        return (gone && names.contains_key(&**path)).then_some(Event::Lost);
    }
    let path = path.clone();
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Event::Closed(path)),
        EventKind::Access(_) => None,
        EventKind::Modify(ModifyKind::Data(_)) => Some(Event::Written(path)),
        EventKind::Create(CreateKind::File) if is_empty_file(&path) => Some(Event::Written(path)),
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => Some(Event::Replaced(path)),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => Some(Event::Gone(path)),
        _ => Some(Event::Other),
    }
}

/// Was the file just made, with nothing in it yet? Then somebody is about to write to it.
fn is_empty_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0)
}
