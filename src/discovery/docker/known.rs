//! What is known of an engine's containers: its last list, and what its events have told since.

use super::container::shown;
use super::container::{Container, Standpoint};
use super::event::{Event, Meaning};
use super::labels::{ENABLE, SERVICE};
use crate::discovery::{Claim, Found, News, SourceKind};
use crate::http::clock::{Moment, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Signals that end what a container runs, whatever it was made from.
const ENDING: [i32; 3] = [2, 9, 15];
/// A container that was told to stop and still runs this long after is taken back: it has paid no heed.
const STOPPING_MAX: Span = Span(600_000_000_000);

/// For so long after a death an engine may list the container as if it ran: it tells first, and notes it down then.
const DEAD_LISTED: Span = Span(5_000_000_000);

/// An engine's containers.
#[derive(Debug, Default)]
pub struct Known {
    containers: Vec<Container>,
    /// What events said that the last list may not say yet.
    told: HashMap<Box<str>, Told>,
    /// Containers that events were about since the last word on endpoints: what became of them was seen.
    seen: HashSet<Box<str>>,
    /// By service, the containers that were its endpoints in the last word that named any.
    endpoints: BTreeMap<Box<str>, HashSet<Box<str>>>,
    /// Lists asked for so far.
    lists: u64,
    /// Containers that got a signal of which it is being found out whether it stops them, and that did not die or start since.
    asked: HashSet<Box<str>>,
}

/// What events said of a container.
#[derive(Clone, Copy, Debug)]
struct Told {
    what: What,
    at: Moment,
    /// How many lists had been asked for then: an answer to a later one knows more.
    lists: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Stopping,
    Gone,
}

/// What is to be done about an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Todo {
    Nothing,
    /// A new list tells more.
    List,
    /// Endpoints are others already, and a new list tells more.
    Tell,
    /// It is to be found out whether this signal is the container's own to stop.
    Ask(Box<str>, i32),
}

impl Known {
    /// Takes an event at `now`.
    pub fn hear(&mut self, event: &Event, now: Moment) -> Todo {
        if event.is_unknown() {
            return Todo::List;
        }
        let Some(id) = event.container() else { return Todo::Nothing };
        if !event.is_labelled() && !self.containers.iter().any(|container| *container.id == *id) {
            return Todo::Nothing;
        }
        let meaning = event.meaning();
        if matches!(meaning, Meaning::Gone | Meaning::Started) {
            self.asked.remove(id);
        }
        match meaning {
            Meaning::Signal(signal) if ENDING.contains(&signal) => {
                self.stops(id, now);
                Todo::Tell
            }
            Meaning::Signal(signal) => {
                self.asked.insert(id.into());
                Todo::Ask(id.into(), signal)
            }
            Meaning::Gone => {
                self.seen.insert(id.into());
                self.told.insert(id.into(), Told { what: What::Gone, at: now, lists: self.lists });
                Todo::Tell
            }
            Meaning::Started => {
                self.seen.insert(id.into());
                self.told.remove(id);
                Todo::List
            }
            Meaning::Different => {
                self.seen.insert(id.into());
                Todo::List
            }
        }
    }

    /// The signal that was looked into stops the container. Whether that counts still: what runs there may have begun since.
    pub fn was_stopped(&mut self, id: &str, now: Moment) -> bool {
        let counts = self.asked.remove(id);
        if counts {
            self.stops(id, now);
        }
        counts
    }

    /// The container was told to stop.
    fn stops(&mut self, id: &str, now: Moment) {
        self.seen.insert(id.into());
        if self.told.get(id).is_none_or(|told| told.what != What::Gone) {
            self.told.insert(id.into(), Told { what: What::Stopping, at: now, lists: self.lists });
        }
    }

    /// A list is asked for from now on.
    pub fn asks(&mut self) {
        self.lists += 1;
    }

    /// Takes the answer to the list that was asked for last.
    pub fn listed(&mut self, containers: Vec<Container>, now: Moment) {
        self.containers = containers;
        let alive: HashSet<&str> = self.containers.iter().filter(|c| c.is_alive()).map(|c| &*c.id).collect();
        self.told.retain(|id, told| match told.what {
            What::Gone => alive.contains(&**id) && told.at + DEAD_LISTED > now || told.lists >= self.lists,
            What::Stopping => alive.contains(&**id) && told.at + STOPPING_MAX > now || told.lists >= self.lists,
        });
    }

    /// The endpoints by service, the routes that are asked for, and what is wrong with containers.
    pub fn news(&mut self, standpoint: &Standpoint, wanted: &Wanted<'_>) -> (News, News) {
        let mut sets: BTreeMap<Box<str>, Vec<Found>> = BTreeMap::new();
        let mut claims: Vec<(i64, Claim)> = Vec::new();
        let mut warnings = BTreeSet::new();
        let mut endpoints: BTreeMap<Box<str>, HashSet<Box<str>>> = BTreeMap::new();
        for container in self.containers.iter().filter(|container| container.is_alive()) {
            let told = self.told.get(&container.id).map(|told| told.what);
            let enables = container.enables().unwrap_or_else(|wrong| !warnings.insert(wrong));
            let (Some(service), true) = (container.service(), told != Some(What::Gone)) else { continue };
            let service: Box<str> = service.into();
            let asks = enables && wanted.routes;
            let is_sought = asks || wanted.services.is_none_or(|sought| sought.contains(&service));
            if enables && !wanted.routes {
                let said = "no route is made: `discovery.docker.routes` of the gateway's file allows it";
                warnings.insert(container.wrong(ENABLE, said));
            } else if !is_sought {
                let said = format!("no upstream has `discover: {{ docker: {} }}`", shown(&service));
                warnings.insert(container.wrong(SERVICE, &said));
            }
            match container.endpoint(standpoint) {
                Ok((found, odd)) => {
                    warnings.extend(odd.into_iter().filter(|_| is_sought));
                    endpoints.entry(service.clone()).or_default().insert(container.id.clone());
                    let leaving = told == Some(What::Stopping);
                    if asks && !leaving {
                        let (made, odd) = container.claims(&service);
                        claims.extend(made.into_iter().map(|claim| (container.created, claim)));
                        warnings.extend(odd);
                    }
                    sets.entry(service).or_default().push(Found { leaving, ..found });
                }
                Err(wrong) if is_sought => {
                    warnings.insert(wrong);
                }
                Err(_) => {}
            }
        }
        // whoever was there first is asked first
        let order = |(created, claim): &(i64, Claim)| (*created, claim.service.clone(), claim.by.clone());
        claims.sort_by_cached_key(order);
        // where all were seen to go, or at least to change, nobody is left for sure; else they may only be missing in the list
        let seen = std::mem::take(&mut self.seen);
        let left =
            self.endpoints.iter().filter(|(service, ids)| !endpoints.contains_key(*service) && ids.is_subset(&seen));
        let sure: BTreeSet<Box<str>> = left.map(|(service, _)| service.clone()).collect();
        self.endpoints.retain(|service, _| !sure.contains(service));
        self.endpoints.append(&mut endpoints);
        let source = SourceKind::Docker;
        let whole = Some(claims.into_iter().map(|(_, claim)| claim).collect());
        (News::Sets { source, sets, sure, whole }, News::Warnings { source, warnings })
    }
}

/// What is wanted of an engine.
pub struct Wanted<'w> {
    /// These services; every one without it.
    pub services: Option<&'w BTreeSet<Box<str>>>,
    /// Routes that containers ask for.
    pub routes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::docker::Network;
    use serde_json::json;

    fn container(id: &str) -> Container {
        let networks = json!({"b": {"IPAddress": format!("10.0.0.{}", id.len())}});
        serde_json::from_value(json!({
            "Id": id, "Names": [format!("/{id}")], "Labels": {"wharf.service": "app", "wharf.port": "80"},
            "State": "running", "Status": "Up", "NetworkSettings": {"Networks": networks},
        }))
        .expect("a container")
    }

    fn event(action: &str, id: &str, signal: &str) -> Event {
        let attributes = json!({"wharf.service": "app", "signal": signal});
        let event = json!({"Type": "container", "Action": action, "Actor": {"ID": id, "Attributes": attributes}});
        serde_json::from_value(event).expect("an event")
    }

    fn at(s: u64) -> Moment {
        Moment(s * 1_000_000_000)
    }

    /// Names of endpoints, those that leave in brackets, and whether that is sure.
    fn told(known: &mut Known) -> (String, bool) {
        let standpoint = Standpoint { network: Network::Shared, own: None, host: None };
        let sought = BTreeSet::from(["app".into()]);
        let wanted = Wanted { services: Some(&sought), routes: false };
        let (News::Sets { sets, sure, .. }, _) = known.news(&standpoint, &wanted) else { panic!("sets") };
        let sure = sure.contains("app");
        let name = |f: &Found| if f.leaving { format!("({})", f.name) } else { f.name.to_string() };
        (sets.values().flatten().map(name).collect::<Vec<_>>().join(" "), sure)
    }

    fn knows(ids: &[&str]) -> Known {
        let mut known = Known::default();
        known.asks();
        known.listed(ids.iter().map(|id| container(id)).collect(), at(1));
        told(&mut known);
        known
    }

    #[test]
    fn a_container_leaves_when_it_is_told_to_stop_and_is_gone_when_it_dies() {
        let mut known = knows(&["a", "bb"]);
        assert_eq!(known.hear(&event("kill", "a", "15"), at(2)), Todo::Tell);
        assert_eq!(told(&mut known).0, "(a) bb");
        known.asks();
        known.listed(vec![container("a"), container("bb")], at(3));
        assert_eq!(told(&mut known).0, "(a) bb", "it still runs");
        assert_eq!(known.hear(&event("die", "a", ""), at(4)), Todo::Tell);
        assert_eq!(told(&mut known).0, "bb");
        assert_eq!(known.hear(&event("start", "a", ""), at(5)), Todo::List);
        assert_eq!(told(&mut known).0, "a bb");
    }

    #[test]
    fn a_signal_that_ends_nothing_is_looked_into() {
        let mut known = knows(&["a"]);
        assert_eq!(known.hear(&event("kill", "a", "1"), at(2)), Todo::Ask("a".into(), 1));
        assert_eq!(told(&mut known).0, "a");
        assert!(known.was_stopped("a", at(2)));
        assert_eq!(told(&mut known).0, "(a)");
    }

    #[test]
    fn a_signal_of_which_too_late_is_known_what_it_meant_does_not_stop_what_runs_since() {
        let mut known = knows(&["a"]);
        for (action, signal) in [("kill", "3"), ("die", ""), ("start", "")] {
            known.hear(&event(action, "a", signal), at(2));
        }
        assert!(!known.was_stopped("a", at(3)));
        assert_eq!(told(&mut known).0, "a");
    }

    #[test]
    fn a_list_that_was_asked_for_before_an_event_does_not_undo_it() {
        let mut known = knows(&["a"]);
        known.asks();
        known.hear(&event("die", "a", ""), at(2));
        known.listed(vec![container("a")], at(2));
        assert_eq!(told(&mut known).0, "");
        known.asks();
        known.listed(vec![container("a")], at(3));
        assert_eq!(told(&mut known).0, "", "the engine has not noted it down yet");
        known.asks();
        known.listed(vec![container("a")], at(7));
        assert_eq!(told(&mut known).0, "a", "a later list knows more");
    }

    #[test]
    fn who_pays_no_heed_to_a_stop_is_taken_back() {
        let mut known = knows(&["a"]);
        known.hear(&event("kill", "a", "15"), at(2));
        known.asks();
        known.listed(vec![container("a")], at(601));
        assert_eq!(told(&mut known).0, "(a)");
        known.asks();
        known.listed(vec![container("a")], at(602));
        assert_eq!(told(&mut known).0, "a");
    }

    #[test]
    fn an_empty_list_without_a_word_is_not_sure() {
        let mut known = knows(&["a"]);
        known.asks();
        known.listed(Vec::new(), at(2));
        assert_eq!(told(&mut known), (String::new(), false));
        known.hear(&event("start", "other", ""), at(3));
        assert_eq!(told(&mut known), (String::new(), false), "nobody saw what became of it");
    }

    #[test]
    fn the_last_one_that_was_seen_to_die_leaves_nobody_for_sure() {
        let mut known = knows(&["a", "bb"]);
        known.hear(&event("die", "a", ""), at(2));
        assert_eq!(told(&mut known), ("bb".to_owned(), false));
        known.hear(&event("die", "bb", ""), at(3));
        assert_eq!(told(&mut known), (String::new(), true));
    }

    #[test]
    fn containers_without_the_label_are_passed_over() {
        let mut known = knows(&["a"]);
        let other = json!({"Type": "container", "Action": "die", "Actor": {"ID": "other", "Attributes": {}}});
        let other: Event = serde_json::from_value(other).expect("an event");
        assert_eq!(known.hear(&other, at(2)), Todo::Nothing);
    }

    #[test]
    fn a_service_that_nobody_seeks_is_a_warning() {
        let mut known = knows(&["a"]);
        let standpoint = Standpoint { network: Network::Shared, own: None, host: None };
        let wanted = Wanted { services: Some(&BTreeSet::new()), routes: false };
        let (_, News::Warnings { warnings, .. }) = known.news(&standpoint, &wanted) else { panic!("warnings") };
        let said = "container a: label wharf.service: no upstream has `discover: { docker: app }`";
        assert_eq!(warnings.into_iter().collect::<Vec<_>>(), [said]);
    }
}
