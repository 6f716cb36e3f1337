//! Reload: read, check, compile a whole new table, swap one pointer. Any error leaves the old table whole.

use super::content::{Content, config_hash};
use super::listeners::Prepared;
use super::relabel;
use super::reloads::Answer;
use super::state::Keeper;
use super::supervisor;
use super::watch::Signatures;
use super::{Gateway, Source, resolve_names};
use crate::admin::Texts;
use crate::config::{self, Difference, Document, Loaded, Print, Report, RouteConfig, Threads};
use crate::table::compile::compile;
use crate::table::diff::some;
use crate::table::{Attempt, Changes, Detailed, Outcome, Refusal, Standing, Table, Why};
use crate::value::ListenAddress;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// A file that changes while it is read is read again, this often.
const READINGS_MAX: usize = 5;
/// And after this long.
const UNSTEADY: Duration = Duration::from_millis(20);
/// The longest rest between two reloads. It is as long as the last one took, so that a storm of them leaves a core half its time.
const REST_MAX: Duration = Duration::from_millis(100);
/// By now the workers have let go of the table before, unless requests still use it: its memory is given back too.
const PARTING: Duration = Duration::from_secs(2);

/// Things of one kind that are compared field by field after a reload.
const ITEMS_MAX: usize = 1000;

/// What cannot change while the process runs.
#[derive(PartialEq, Eq)]
pub struct Fixed {
    threads: Threads,
    admin: Option<ListenAddress>,
}

impl Fixed {
    pub fn of(document: &Document) -> Fixed {
        Fixed { threads: document.threads, admin: document.admin.as_ref().map(|a| a.address.value.clone()) }
    }

    /// The first key that differs.
    fn differs(&self, other: &Fixed) -> Option<&'static str> {
        let Fixed { threads, admin } = self;
        [("threads", *threads != other.threads), ("admin.address", *admin != other.admin)]
            .into_iter()
            .find_map(|(key, differs)| differs.then_some(key))
    }
}

/// Starts the thread that reloads. The files are what the start read: the table in force was made from them, unless the gateway runs from
/// a copy.
pub fn start(gateway: Arc<Gateway>, (files, prints): (Vec<config::Source>, Vec<Print>)) {
    let mut content = Content::default();
    content.follow(&gateway.watched.get(), &files, &prints);
    let reloads = gateway.reloads.clone();
    let spawned = std::thread::Builder::new().name("reload".into()).spawn(move || {
        let mut keeper = gateway.keeps.then(Keeper::new);
        if let Standing { config_hash, last: Attempt { result: Ok(_), .. }, .. } = gateway.history.standing() {
            hold(&gateway, &mut keeper, &files, &config_hash);
        }
        drop(files);
        (gateway.give_back_memory)();
        run(&gateway, content, keeper);
    });
    if let Err(e) = spawned {
        reloads.turn_off();
        log::error!("reloads are off: {e}");
    }
}

fn run(gateway: &Gateway, mut content: Content, mut keeper: Option<Keeper>) {
    loop {
        let (why, replies) = gateway.reloads.next_within(PARTING).unwrap_or_else(|| {
            (gateway.give_back_memory)();
            gateway.reloads.next()
        });
        let now = Content::of(&gateway.watched.get());
        let start = Instant::now();
        // a touched file says nothing new, nor does one that is still missing; who asks on purpose is obeyed all the same
        if why == Why::Labels || why == Why::File && now == content {
            if relabel::is_due(gateway) {
                relabel::relabel(gateway);
                (gateway.give_back_memory)();
                std::thread::sleep(start.elapsed().min(REST_MAX));
            }
            continue;
        }
        content = now;
        // one that is not ready yet, or stops, has other news
        let tells = || gateway.serves() && !gateway.stopping.load(Ordering::Acquire);
        let told = tells();
        if told {
            supervisor::reloading();
        }
        let (result, files) = attempt(gateway, why, &mut content);
        if told && tells() {
            supervisor::reloaded(&match &result {
                Ok(outcome) => format!("configuration: generation {}, in force since its reload", outcome.generation),
                Err(_) => "the last reload was refused, the table before stays in force: the log says why".to_owned(),
            });
        }
        let answer: Answer = Arc::new(result);
        for reply in replies {
            // whoever asked may have gone
            let _ = reply.send(Arc::clone(&answer));
        }
        if let Ok(outcome) = &*answer {
            hold(gateway, &mut keeper, &files, &outcome.config_hash);
        }
        drop((answer, files));
        // what containers ask for may be other than it was when the file was read, or the file is of no use
        if relabel::is_due(gateway) {
            relabel::relabel(gateway);
        }
        (gateway.give_back_memory)();
        std::thread::sleep(start.elapsed().min(REST_MAX));
    }
}

/// Keeps the texts that are in force now, and shows them.
fn hold(gateway: &Gateway, keeper: &mut Option<Keeper>, files: &[config::Source], config_hash: &str) {
    let copy = keeper.as_mut().and_then(|keeper| keeper.keep(files, config_hash));
    match copy {
        Some(copy) => gateway.texts.store(Arc::new(Texts::copy(config_hash, copy))),
        None if gateway.texts.load().config_hash() == config_hash => {}
        None => gateway.texts.store(Arc::new(Texts::memory(config_hash, files))),
    }
}

/// Reloads, and notes everywhere what came of it. The files that were read, if they are in force now.
fn attempt(gateway: &Gateway, why: Why, content: &mut Content) -> (Result<Outcome, Refusal>, Vec<config::Source>) {
    let result = catch_unwind(AssertUnwindSafe(|| reload(gateway, why, content)))
        .unwrap_or_else(|_| Err(Refusal::new("error: the reload failed by a fault of the program, see above")));
    let (result, files) = match result {
        Ok((outcome, files)) => (Ok(outcome), files),
        Err(refusal) => (Err(refusal), Vec::new()),
    };
    gateway.history.note(why, &result);
    match &result {
        Ok(outcome) => {
            gateway.program.reloaded(outcome.at);
            log::info!("reloaded (generation {}): {}", outcome.generation, outcome.changes);
        }
        Err(refusal) => {
            gateway.sources.discard_labels();
            gateway.program.reload_failed();
            log::error!("reload refused, the table before stays in force\n{}", refusal.text);
        }
    }
    (result, files)
}

/// The steps. Whatever fails, nothing has changed.
fn reload(gateway: &Gateway, why: Why, content: &mut Content) -> Result<(Outcome, Vec<config::Source>), Refusal> {
    // an upgrade hands over what is served now: it is waited for
    let _alone = gateway.changes.blocking_lock();
    check_stays(gateway)?;
    let mut loaded = read(gateway, content)?;
    let secrets = std::mem::take(&mut loaded.secrets);
    // the table stays: it shall not stand scattered among what reading left
    (gateway.give_back_memory)();
    check_fixed(gateway, &loaded.document)?;
    let before = gateway.live.load();
    if why == Why::File {
        guard(&before, &loaded.document)?;
    }
    let log = gateway.access.prepare(&loaded.document.observability.access_log).map_err(|e| failed(&e))?;
    let (table, sockets) = build(gateway, &mut loaded, &before)?;
    let orders = gateway.orders.prepare(&table, &loaded.document, &secrets).map_err(|e| failed(&e))?;
    let changes = Changes::between(&before, &table);
    resolve_names(&table, gateway.parts.now()).map_err(|e| failed(&e))?;
    // which may have taken a while
    check_stays(gateway)?;
    // from here on nothing fails
    gateway.access.switch(log);
    let generation = put(gateway, table, sockets, &loaded);
    gateway.adopt(&loaded.document, secrets);
    gateway.orders.adopt(orders);
    let at = SystemTime::now();
    drop(before);
    // what follows is about the file
    loaded.document.label(&[]);
    let details = if changes.is_empty() { None } else { detailed(gateway, &changes, &loaded) };
    let config_hash = config_hash(&loaded.files, &loaded.prints);
    loaded.warned().iter().for_each(|warned| log::warn!("{warned}"));
    let files = std::mem::take(&mut loaded.files);
    relabel::hold(gateway, loaded);
    Ok((Outcome { generation, at, config_hash, changes, details }, files))
}

pub(super) fn failed(e: &dyn Display) -> Refusal {
    Refusal::new(format!("error: {e}"))
}

/// The table of a document, with the routes that containers ask for, and the sockets that it needs.
pub(super) fn build(gateway: &Gateway, loaded: &mut Loaded, before: &Table) -> Result<(Table, Prepared), Refusal> {
    let Loaded { document, material, prints, variables, .. } = loaded;
    let sockets = gateway.listeners.prepare(document, &mut Vec::new()).map_err(|e| failed(&e))?;
    gateway.sources.prepare(document, material).map_err(|e| failed(&e))?;
    let mut table = compile(document, material, &gateway.parts, Some(before)).map_err(|e| failed(&e))?;
    table.sound().map_err(|e| failed(&e))?;
    table.outline = table.outline.with(prints, variables);
    Ok((table, sockets))
}

/// Puts it in force. Its generation.
pub(super) fn put(gateway: &Gateway, table: Table, sockets: Prepared, loaded: &Loaded) -> u64 {
    let generation = gateway.live.swap(table);
    let live = gateway.live.load();
    gateway.listeners.open(sockets, &live);
    gateway.sources.adopt(&loaded.document, &loaded.material, &live);
    generation
}

/// What changed, field by field. The texts that were in force are read once more for it, with the environment as it was at the start, as
/// ever; no table is made of them.
fn detailed(gateway: &Gateway, changes: &Changes, new: &Loaded) -> Option<Arc<str>> {
    let texts = gateway.texts.load();
    if texts.config_hash() != gateway.history.standing().config_hash {
        return None;
    }
    let old = config::load_from(&texts.bundle()?, config::Purpose::Check).ok()?;
    let difference = Difference::first(&old, new, ITEMS_MAX);
    Some(crate::table::history::details(&Detailed { difference: &difference, changes }))
}

/// Reads and checks the files; what belongs to them is watched from now on, also when they are wrong.
fn read(gateway: &Gateway, content: &mut Content) -> Result<Loaded, Refusal> {
    if let Source::Text(_) = &gateway.source {
        return Err(Refusal::new("error: there is no file to reload: the gateway was started without one"));
    }
    let result = read_steadily(gateway);
    let (files, prints, patterns) = match &result {
        Ok(loaded) => (&loaded.files, &loaded.prints, &loaded.patterns),
        Err(report) => (&report.files, &report.prints, &report.patterns),
    };
    let watched = gateway.source.watched(files, prints, patterns);
    content.follow(&watched, files, prints);
    gateway.watched.set(watched);
    result.map_err(Refusal::from)
}

/// Files that did not change while they were read, unless they never stop.
fn read_steadily(gateway: &Gateway) -> Result<Loaded, Report> {
    let mut readings = 1;
    loop {
        let watched = gateway.watched.get();
        let before = Signatures::of(&watched);
        let result = gateway.source.load_again();
        if before == Signatures::of(&watched) || readings == READINGS_MAX {
            return result;
        }
        readings += 1;
        std::thread::sleep(UNSTEADY);
    }
}

/// A gateway that stops opens nothing any more.
fn check_stays(gateway: &Gateway) -> Result<(), Refusal> {
    match gateway.stopping.load(Ordering::Acquire) {
        true => Err(Refusal::new("error: the gateway is about to stop")),
        false => Ok(()),
    }
}

fn check_fixed(gateway: &Gateway, document: &Document) -> Result<(), Refusal> {
    match gateway.fixed.differs(&Fixed::of(document)) {
        None => Ok(()),
        Some(key) => Err(Refusal::new(format!(
            "error: `{key}` changed, which takes effect with a restart only\nhint: restart the gateway"
        ))),
    }
}

/// A file that was cut off can be valid. One with less than half of the routes that are served is taken only from who asks on purpose.
fn guard(before: &Table, document: &Document) -> Result<(), Refusal> {
    // those that containers ask for stand in no file
    let served = || before.routes.iter().map(|route| route.name()).filter(|name| !config::is_labelled(name));
    let (had, has) = (served().count(), document.routes.len());
    if !looks_cut_off(had, has) {
        return Ok(());
    }
    let left: HashSet<Cow<'_, str>> = document.routes.iter().map(RouteConfig::name).collect();
    let variables = &before.outline.variables;
    let removed: Vec<Box<str>> =
        served().filter(|name| !left.contains(*name)).map(|name| variables.as_written(name).into()).collect();
    Err(Refusal::new(format!(
        "error: the file has {has} routes where {had} are served: it may have been cut off, so it is not applied\n\
         it would remove: {}\n\
         hint: if it is meant so, confirm it with `wharf reload` or SIGHUP",
        some(&removed)
    )))
}

/// Would a file with `has` routes wait for a word where `had` are served?
pub fn looks_cut_off(had: usize, has: usize) -> bool {
    has * 2 < had
}

/// The first key that differs and that no reload can change.
pub fn needs_restart(old: &Document, new: &Document) -> Option<&'static str> {
    Fixed::of(old).differs(&Fixed::of(new))
}
