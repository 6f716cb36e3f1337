//! Notices that the configuration file changed, whatever way an editor or a tool replaces it.

use super::Source;
use super::reload::{Reloads, Why};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// The file is read when nothing has happened to its directory for this long.
const QUIET: Duration = Duration::from_millis(100);
/// And looked at this often in any case: what is not noticed is found.
const POLL: Duration = Duration::from_secs(5);

/// Watches the directory of the file, since the file itself may be replaced. Dropping the result ends the watch.
pub fn start(source: &Source, reloads: &Reloads) -> Option<RecommendedWatcher> {
    let Source::File(path) = source else { return None };
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let (event, events) = sync_channel(1);
    let reloads = reloads.clone();
    let spawned = std::thread::Builder::new().name("watch".into()).spawn(move || run(&events, &reloads));
    let watcher = notify::recommended_watcher(move |e: notify::Result<notify::Event>| {
        if e.is_ok_and(|e| !e.kind.is_access()) {
            // one that waits stands for all
            let _ = event.try_send(());
        }
    });
    let watching = spawned.map_err(|e| e.to_string()).and_then(|_| {
        let mut watcher = watcher.map_err(|e| e.to_string())?;
        watcher.watch(directory, RecursiveMode::NonRecursive).map_err(|e| e.to_string())?;
        Ok(watcher)
    });
    watching.map_err(|e| log::warn!("changes of the file are not noticed, SIGHUP reloads it: {e}")).ok()
}

fn run(events: &Receiver<()>, reloads: &Reloads) {
    loop {
        match events.recv_timeout(POLL) {
            Ok(()) => while events.recv_timeout(QUIET).is_ok() {},
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        reloads.ask(Why::File);
    }
}
