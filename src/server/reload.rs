//! Reload: read, check, compile a whole new table, swap one pointer. Any error leaves the old table whole.

use super::{Gateway, Source};
use crate::config::{AccessLogConfig, Document, LARGEST, Threads};
use crate::table::compile::compile;
use crate::upstream::names;
use crate::value::ListenAddress;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::SystemTime;

/// Requests that may wait while a reload runs; they become one.
const WAITING_MAX: usize = 64;

/// Who asks for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// SIGHUP.
    Signal,
    /// The file changed.
    File,
}

/// Asks for reloads; requests that come while one runs become one.
#[derive(Clone)]
pub struct Reloads(SyncSender<Why>);

impl Reloads {
    pub fn ask(&self, why: Why) {
        // with so many waiting, the next reload reads the file after this request
        let _ = self.0.try_send(why);
    }
}

/// What cannot change while the process runs.
#[derive(PartialEq, Eq)]
pub struct Fixed {
    threads: Threads,
    listeners: Vec<(Box<str>, ListenAddress)>,
    admin: Option<ListenAddress>,
    access_log: AccessLogConfig,
}

impl Fixed {
    pub fn of(document: &Document) -> Fixed {
        let mut listeners: Vec<(Box<str>, ListenAddress)> =
            document.listeners.iter().map(|(name, l)| (Box::from(name), l.address.value.clone())).collect();
        listeners.sort_by(|a, b| a.0.cmp(&b.0));
        Fixed {
            threads: document.threads,
            listeners,
            admin: document.admin.as_ref().map(|a| a.address.value.clone()),
            access_log: document.observability.access_log.clone(),
        }
    }

    /// The first key that differs.
    fn differs(&self, other: &Fixed) -> Option<&'static str> {
        let Fixed { threads, listeners, admin, access_log } = self;
        [
            ("threads", *threads != other.threads),
            ("listeners", *listeners != other.listeners),
            ("admin", *admin != other.admin),
            ("observability.access_log", *access_log != other.access_log),
        ]
        .into_iter()
        .find_map(|(key, differs)| differs.then_some(key))
    }
}

/// Starts the thread that reloads.
pub fn start(gateway: Arc<Gateway>) -> Reloads {
    let (ask, asked) = sync_channel(WAITING_MAX);
    let spawned = std::thread::Builder::new().name("reload".into()).spawn(move || run(&gateway, &asked));
    if let Err(e) = spawned {
        log::error!("reloads are off: {e}");
    }
    Reloads(ask)
}

fn run(gateway: &Gateway, asked: &Receiver<Why>) {
    let hasher = RandomState::new();
    let hash = || match &gateway.source {
        Source::File(path) => {
            let readable = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= LARGEST);
            readable.then(|| std::fs::read(path).ok()).flatten().map(|bytes| hasher.hash_one(bytes))
        }
        Source::Text(_) => None,
    };
    let mut last = hash();
    while let Ok(mut why) = asked.recv() {
        while let Ok(more) = asked.try_recv() {
            if more == Why::Signal {
                why = more;
            }
        }
        let now = hash();
        // a touched file says nothing new; a signal is obeyed all the same
        if why == Why::File && (now == last || now.is_none()) {
            continue;
        }
        last = now;
        let result = reload(gateway);
        (gateway.give_back_memory)();
        match result {
            Ok(summary) => {
                gateway.program.reloaded(SystemTime::now());
                log::info!("reloaded: {summary}");
            }
            Err(problem) => {
                gateway.program.reload_failed();
                log::error!("reload refused, the table before stays in force\n{problem}");
            }
        }
    }
}

fn reload(gateway: &Gateway) -> Result<String, String> {
    match &gateway.source {
        Source::Text(_) => {
            return Err("error: there is no file to reload: the gateway was started with `--to`".into());
        }
        // reading a pipe may take for ever, and no later reload would come to its turn
        Source::File(path) if path.exists() && !path.is_file() && !path.is_dir() => {
            return Err(format!("error: {} is no regular file", path.display()));
        }
        Source::File(_) => {}
    }
    let document = gateway.source.load().map_err(|report| report.render(false))?;
    if let Some(key) = gateway.fixed.differs(&Fixed::of(&document)) {
        return Err(format!(
            "error: `{key}` changed, which takes effect with a restart only\nhint: restart the gateway"
        ));
    }
    let before = gateway.live.load();
    let table = compile(&document, &gateway.parts, Some(&before));
    let summary = format!(
        "{} routes (before: {}), {} upstreams (before: {})",
        table.routes.len(),
        before.routes.len(),
        table.upstreams.len(),
        before.upstreams.len()
    );
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| format!("error: {e}"))?;
    let unresolved = table.upstreams.iter().flat_map(|u| u.pool.endpoints.iter()).filter(|e| !e.is_up());
    runtime.block_on(names::refresh(unresolved));
    gateway.live.swap(table);
    gateway.adopt(&document);
    Ok(summary)
}
