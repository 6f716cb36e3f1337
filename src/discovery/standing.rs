//! How services and their sources stand, for who shows it.

use super::board::{Board, Service, Sets, Source};
use super::claim::Claim;
use super::sought::{Sought, SourceKind};
use crate::http::clock::Moment;
use std::time::SystemTime;

/// How the endpoints of a service were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `waiting`: the source has not answered yet. `ok`. `empty`: it says that there is none. `stale`: it cannot say, or its answer is to
    /// be confirmed; what it said last is kept.
    pub state: &'static str,
    /// Since when.
    pub since: SystemTime,
    /// Why it is stale, or waits.
    pub error: Option<String>,
    /// Endpoints that hold.
    pub endpoints: usize,
    /// Sets that came to hold so far.
    pub changes: u64,
}

/// How a source is.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceStanding {
    pub source: SourceKind,
    /// It answers.
    pub up: bool,
    /// When it answered last, in seconds since 1970; 0 for never.
    pub last_success_s: f64,
    pub error: Option<String>,
    /// What is wrong with what it found.
    pub warnings: Vec<String>,
}

impl Board {
    /// What a source said last of all its services and of the routes that they ask for, and how it is.
    pub fn said(&self, source: SourceKind) -> (Option<Sets>, Vec<Claim>, Option<SourceStanding>) {
        let state = self.state();
        let sets = state.sources.get(&source).and_then(|known| known.whole.clone());
        let claims = state.claims.made();
        drop(state);
        (sets, claims, self.sources().into_iter().find(|standing| standing.source == source))
    }

    /// How a service stands.
    pub fn standing(&self, sought: &Sought) -> Standing {
        let now = self.now();
        let state = self.state();
        let none = Service::default();
        let service = state.services.get(sought).unwrap_or(&none);
        let (word, error) = service.word();
        let since = service.since.filter(|(known, _)| *known == word).map_or(now, |(_, since)| since);
        Standing {
            state: word,
            since: wall(now, since),
            error,
            endpoints: service.kept.holds().len(),
            changes: service.changes,
        }
    }

    /// How the sources are that were heard of.
    pub fn sources(&self) -> Vec<SourceStanding> {
        let now = self.now();
        let state = self.state();
        let standing = |(kind, source): (&SourceKind, &Source)| {
            let last = source.last_success.map(|at| wall(now, at).duration_since(SystemTime::UNIX_EPOCH));
            SourceStanding {
                source: *kind,
                up: source.failure.is_none() && source.last_success.is_some(),
                last_success_s: last.and_then(Result::ok).unwrap_or_default().as_secs_f64(),
                error: source.failure.as_ref().map(|(_, why)| why.to_string()),
                warnings: source.warnings.union(&source.refused).cloned().collect(),
            }
        };
        state.sources.iter().map(standing).collect()
    }
}

impl Service {
    /// The state, and why.
    pub(super) fn word(&self) -> (&'static str, Option<String>) {
        let failure = self.kept.failure().map(|(_, why)| why.to_owned());
        match () {
            () if self.kept.heard_at().is_none() && self.kept.holds().is_empty() => ("waiting", failure),
            () if failure.is_some() => ("stale", failure),
            () if self.kept.heard_at().is_none() => ("stale", Some("the source has not answered yet".to_owned())),
            () if self.kept.doubt().is_some() => {
                ("stale", Some("the source says that there is none, which is to be confirmed".to_owned()))
            }
            () if self.kept.holds().is_empty() => ("empty", None),
            () => ("ok", None),
        }
    }
}

/// A moment of the past as the wall clock had it.
fn wall(now: Moment, at: Moment) -> SystemTime {
    let wall = SystemTime::now();
    wall.checked_sub(now.since(at)).unwrap_or(wall)
}
