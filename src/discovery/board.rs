//! What all sources have said: the endpoints of each service that somebody seeks, and how the sources are. One for a process; it
//! outlives reloads.

use super::claim::{CLAIMS_MAX, Claim, Claims};
use super::doubts::Doubts;
use super::found::Found;
use super::kept::{CONFIRM, Kept};
use super::sentence::{sentence, sentences};
use super::sought::{Sought, SourceKind};
use crate::http::clock::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// The endpoints of services, by their names.
pub type Sets = BTreeMap<Box<str>, Vec<Found>>;

/// What a source says.
#[derive(Debug)]
pub enum News {
    /// These are the endpoints of its services now. `sure`: services of which the source saw the last endpoint go, so that their empty set
    /// needs no second answer. `whole`: services that are not among them have none, and these routes are asked for, the oldest first.
    Sets { source: SourceKind, sets: Sets, sure: BTreeSet<Box<str>>, whole: Option<Vec<Claim>> },
    /// It cannot say, of one service or of all.
    Failed { source: SourceKind, service: Option<Box<str>>, why: String },
    /// What is wrong with what it found, all of it, each in a sentence.
    Warnings { source: SourceKind, warnings: BTreeSet<String> },
}

/// What sources say, and what is kept of it.
#[derive(Debug)]
pub struct Board {
    /// Doubts about what holds.
    pub doubts: Doubts,
    start: Instant,
    state: Mutex<State>,
    /// Somebody was answered.
    answered: Condvar,
    /// Something was said.
    said: Notify,
    /// What is sought, for the sources to follow.
    sought: watch::Sender<Arc<BTreeSet<Sought>>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub services: BTreeMap<Sought, Service>,
    pub sources: BTreeMap<SourceKind, Source>,
    pub claims: Claims,
}

#[derive(Debug, Default)]
pub(super) struct Service {
    pub kept: Kept,
    /// Sets that came to hold.
    pub changes: u64,
    /// Since when it is as it is, in the word of [`super::Standing::state`].
    pub since: Option<(&'static str, Moment)>,
}

#[derive(Debug, Default)]
pub(super) struct Source {
    /// What it said last of all its services, for those that are sought later.
    pub whole: Option<Sets>,
    pub last_success: Option<Moment>,
    pub failure: Option<(Moment, Box<str>)>,
    pub warnings: BTreeSet<String>,
    /// What cannot be done of what its containers ask for.
    pub refused: BTreeSet<String>,
}

impl Default for Board {
    fn default() -> Self {
        Board {
            doubts: Doubts::default(),
            start: Instant::now(),
            state: Mutex::default(),
            answered: Condvar::new(),
            said: Notify::new(),
            sought: watch::Sender::new(Arc::default()),
        }
    }
}

impl Board {
    /// Now, on the clock of this board.
    pub fn now(&self) -> Moment {
        Moment::after(self.start)
    }

    /// Notes what another process knew of a service.
    pub fn seed(&self, sought: Sought, found: Vec<Found>) {
        self.state().services.insert(sought, Service { kept: Kept::seeded(found), ..Service::default() });
    }

    /// Notes the routes that another process knew were asked for.
    pub fn seed_claims(&self, claims: Vec<Claim>) {
        self.state().claims = Claims::seeded(claims, self.now());
    }

    /// These are sought from now on beside those that are; what is known of them already holds for them.
    pub fn seek(&self, wanted: &BTreeSet<Sought>) {
        let now = self.now();
        let mut state = self.state();
        let State { services, sources, .. } = &mut *state;
        for sought in wanted {
            if services.contains_key(sought) {
                continue;
            }
            let mut service = Service::default();
            let source = sources.get(&sought.source);
            if let Some(whole) = source.and_then(|source| source.whole.as_ref()) {
                service.kept.heard(whole.get(&sought.service).cloned().unwrap_or_default(), true, now);
                service.apply(sought, now);
            }
            if let Some((_, why)) = source.and_then(|source| source.failure.as_ref()) {
                service.kept.failed(why, now);
            }
            services.insert(sought.clone(), service);
        }
        self.publish(&state);
    }

    /// Only these are sought from now on, and only these sources are asked. What is known of others is forgotten.
    pub fn retain(&self, wanted: &BTreeSet<Sought>, asked: &BTreeSet<SourceKind>) {
        let mut state = self.state();
        state.services.retain(|sought, _| wanted.contains(sought));
        // who is not asked any more knows nothing of what is to come
        state.sources.retain(|source, _| asked.contains(source));
        if !asked.contains(&SourceKind::Docker) {
            state.claims = Claims::default();
        }
        self.publish(&state);
    }

    fn publish(&self, state: &State) {
        self.sought.send_if_modified(|known| {
            let news =
                known.len() != state.services.len() || !state.services.keys().all(|sought| known.contains(sought));
            if news {
                *known = Arc::new(state.services.keys().cloned().collect());
            }
            news
        });
    }

    /// What is sought, now and later.
    pub fn sought(&self) -> watch::Receiver<Arc<BTreeSet<Sought>>> {
        self.sought.subscribe()
    }

    /// Takes what a source says.
    pub fn hear(&self, news: News) {
        let now = self.now();
        let mut state = self.state();
        let State { services, sources, claims } = &mut *state;
        match news {
            News::Sets { source, sets, sure, whole } => {
                let known = sources.entry(source).or_default();
                known.last_success = Some(now);
                if let Some((since, _)) = known.failure.take() {
                    log::info!("discovery: {} answers again, after {:?}", source.word(), now.since(since));
                }
                for (sought, service) in services.iter_mut().filter(|(sought, _)| sought.source == source) {
                    let sure = sure.contains(&sought.service);
                    match sets.get(&sought.service) {
                        Some(found) => service.kept.heard(found.clone(), sure, now),
                        None if whole.is_some() => service.kept.heard(Vec::new(), sure, now),
                        None => continue,
                    }
                    service.note(now);
                }
                if let Some(made) = whole {
                    claims.heard(made, now);
                    known.whole = Some(sets);
                }
            }
            News::Failed { source, service: None, why } => {
                let why = sentence(&why);
                let known = sources.entry(source).or_default();
                if known.failure.is_none() {
                    log::warn!("discovery: {} cannot say, the endpoints found last are kept: {why}", source.word());
                }
                known.failure = Some((known.failure.take().map_or(now, |(since, _)| since), why.as_str().into()));
                for (_, service) in services.iter_mut().filter(|(sought, _)| sought.source == source) {
                    service.kept.failed(&why, now);
                    service.note(now);
                }
            }
            News::Failed { source, service: Some(name), why } => {
                let sought = Sought { source, service: name };
                if let Some(service) = services.get_mut(&sought) {
                    if service.kept.failure().is_none() {
                        log::warn!("discovery: {sought}: the endpoints found last are kept: {why}");
                    }
                    service.kept.failed(&why, now);
                    service.note(now);
                }
            }
            News::Warnings { source, warnings } => {
                let known = sources.entry(source).or_default();
                let mut warnings = sentences(warnings.iter());
                if source == SourceKind::Docker && claims.left_out() > 0 {
                    let more = claims.left_out();
                    warnings.insert(format!("{more} more routes are asked for than the {CLAIMS_MAX} that are held"));
                }
                warn(source, &known.warnings, &warnings);
                known.warnings = warnings;
            }
        }
        drop(state);
        self.answered.notify_all();
        self.said.notify_one();
    }

    /// Until something is said. For one listener.
    pub async fn news(&self) {
        self.said.notified().await;
    }

    /// Waits until each of these services and sources was answered, be it with a failure, or `patience` is over.
    pub fn wait_for(&self, wanted: &BTreeSet<Sought>, asked: &BTreeSet<SourceKind>, patience: Duration) {
        let service = |state: &State, sought: &Sought| {
            state.services.get(sought).is_some_and(|service| service.kept.is_answered())
        };
        let source = |state: &State, source: &SourceKind| {
            state.sources.get(source).is_some_and(|known| known.last_success.is_some() || known.failure.is_some())
        };
        let open = |state: &mut State| {
            !wanted.iter().all(|sought| service(state, sought)) || !asked.iter().all(|kind| source(state, kind))
        };
        drop(self.answered.wait_timeout_while(self.state(), patience, open));
    }

    /// The routes that containers ask for. The same ones are the same allocation.
    pub fn claims(&self) -> Arc<[Claim]> {
        let now = self.now();
        self.state().claims.hold(now)
    }

    /// What cannot be granted of what containers ask for, all of it, each with the reason in a sentence.
    pub fn refuse(&self, refused: &[(Claim, String)]) {
        let source = SourceKind::Docker;
        let mut state = self.state();
        state.claims.refuse(refused.iter().map(|(claim, _)| claim));
        if let Some(known) = state.sources.get_mut(&source) {
            let whys = sentences(refused.iter().map(|(_, why)| why));
            warn(source, &known.refused, &whys);
            known.refused = whys;
        }
    }

    /// Applies what is due. The services whose endpoints are others from now on.
    pub fn turn(&self) -> Vec<(Sought, Arc<[Found]>)> {
        let now = self.now();
        let mut state = self.state();
        let applied = state.services.iter_mut().filter_map(|(sought, service)| {
            let set = service.apply(sought, now)?;
            Some((sought.clone(), set))
        });
        applied.collect()
    }

    /// How long until [`Board::turn`] has something to do.
    pub fn pause(&self) -> Option<Duration> {
        let now = self.now();
        let state = self.state();
        let due = state.services.values().filter_map(|service| service.kept.due());
        due.chain(state.claims.due()).min().map(|due| due.since(now))
    }

    /// How long until a source is to be asked again, since its empty answer is to be confirmed.
    pub fn doubt(&self, source: SourceKind) -> Option<Duration> {
        let now = self.now();
        let state = self.state();
        let of_source = state.services.iter().filter(|(sought, _)| sought.source == source);
        of_source.filter_map(|(_, service)| service.kept.doubt()).min().map(|since| (since + CONFIRM).since(now))
    }

    /// The endpoints of a service that hold.
    pub fn holds(&self, sought: &Sought) -> Arc<[Found]> {
        let now = self.now();
        let mut state = self.state();
        let Some(service) = state.services.get_mut(sought) else { return Arc::default() };
        service.apply(sought, now);
        service.kept.holds()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    fn apply(&mut self, sought: &Sought, now: Moment) -> Option<Arc<[Found]>> {
        let before = self.kept.holds();
        let set = self.kept.turn(now)?;
        self.changes += 1;
        log::info!("discovery: {sought}: {}", told(&before, &set));
        self.note(now);
        Some(set)
    }

    fn note(&mut self, now: Moment) {
        let (word, _) = self.word();
        if self.since.is_none_or(|(known, _)| known != word) {
            self.since = Some((word, now));
        }
    }
}

/// Says what is wrong, each once, until it is something else.
fn warn(source: SourceKind, before: &BTreeSet<String>, now: &BTreeSet<String>) {
    for warning in now.difference(before) {
        log::warn!("discovery: {}: {warning}", source.word());
    }
}

/// What changed, in a few words.
fn told(before: &[Found], after: &[Found]) -> String {
    const SHOWN_MAX: usize = 8;
    let who = |f: &Found| format!("{} ({})", f.name, f.address);
    let known = |set: &[Found], f: &Found| set.iter().find(|other| other.address == f.address).cloned();
    let mut words = Vec::new();
    for found in after {
        match known(before, found) {
            None => words.push(format!("{} came", who(found))),
            Some(old) if found.leaving && !old.leaving => words.push(format!("{} leaves", who(found))),
            Some(old) if found.healthy != old.healthy => {
                let word = if found.healthy == Some(false) { "is not healthy" } else { "is healthy" };
                words.push(format!("{} {word}", who(found)));
            }
            Some(old) if *found != old => words.push(format!("{} changed", who(found))),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|old| known(after, old).is_none());
    words.extend(gone.map(|old| format!("{} is gone", who(old))));
    let more = words.len().saturating_sub(SHOWN_MAX);
    words.truncate(SHOWN_MAX);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    let count = if after.len() == 1 { "1 endpoint".to_owned() } else { format!("{} endpoints", after.len()) };
    format!("{}; {count}", words.join(", "))
}
