//! What a change of tables does to connections: which addresses open and close, which kept connections end. No request in flight is cut.

use super::diff::some;
use super::outline::Outline;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Names of the same that are written out in full.
const LINES_MAX: usize = 100;

/// By address and name, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Addresses that are bound, each with its listener.
    pub opened: Vec<(Box<str>, Box<str>)>,
    /// Addresses on which nothing is accepted any more, each with the listener it had.
    pub closed: Vec<(Box<str>, Box<str>)>,
    /// Addresses that stay open, now of another listener: the one there was, and the one there is.
    pub handed_on: Vec<(Box<str>, Box<str>, Box<str>)>,
    /// Endpoints that go, each with its upstream.
    pub left: Vec<(Box<str>, Box<str>)>,
}

impl Effects {
    pub(super) fn between(old: &Outline, new: &Outline) -> Effects {
        let at = |outline: &Outline, address: &str| {
            outline.listeners.iter().find(|other| *other.address == *address).map(|other| other.name.clone())
        };
        let mut effects = Effects::default();
        for listener in &old.listeners {
            let address = old.variables.as_written(&listener.address).into();
            match at(new, &listener.address) {
                None => effects.closed.push((address, listener.name.clone())),
                Some(heir) if heir != listener.name => effects.handed_on.push((address, listener.name.clone(), heir)),
                Some(_) => {}
            }
        }
        for listener in new.listeners.iter().filter(|listener| at(old, &listener.address).is_none()) {
            effects.opened.push((new.variables.as_written(&listener.address).into(), listener.name.clone()));
        }
        let pools: HashMap<&str, HashSet<&str>> = new
            .upstreams
            .iter()
            .map(|pool| (&*pool.name, pool.endpoints.iter().map(|(name, _)| &**name).collect()))
            .collect();
        for pool in &old.upstreams {
            let stay = pools.get(&*pool.name);
            let gone = pool.endpoints.iter().filter(|(name, _)| !stay.is_some_and(|stay| stay.contains(&**name)));
            effects.left.extend(gone.map(|(name, _)| (old.variables.as_written(name).into(), pool.name.clone())));
        }
        effects
    }

    pub fn is_empty(&self) -> bool {
        let Effects { opened, closed, handed_on, left } = self;
        opened.is_empty() && closed.is_empty() && handed_on.is_empty() && left.is_empty()
    }

    /// Each in a sentence. Long lists are cut.
    pub fn sentences(&self) -> Vec<String> {
        let Effects { opened, closed, handed_on, left } = self;
        let opened = opened.iter().map(|(address, listener)| format!("opens {address} (listener {listener})"));
        let closed = closed.iter().map(|(address, listener)| {
            format!("closes {address} (listener {listener}): who waits there is still served, kept connections end with their next request")
        });
        let handed_on = handed_on.iter().map(|(address, old, new)| {
            format!(
                "keeps {address} open, for listener {new}: connections of listener {old} end with their next request"
            )
        });
        let left = left.iter().map(|(endpoint, upstream)| {
            format!("closes kept connections to {endpoint} (upstream {upstream}), and forgets its counts and health when its last request has ended")
        });
        let mut sentences = Vec::new();
        for kind in [
            &mut opened.into_iter() as &mut dyn ExactSizeIterator<Item = String>,
            &mut closed.into_iter(),
            &mut handed_on.into_iter(),
            &mut left.into_iter(),
        ] {
            let more = kind.len().saturating_sub(LINES_MAX);
            sentences.extend(kind.take(LINES_MAX));
            if more > 0 {
                sentences.push(format!("and {more} more alike"));
            }
        }
        sentences
    }
}

/// In a few words, of bounded length: `opens :8081; closes connections kept to app-1:3000`.
impl fmt::Display for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Effects { opened, closed, handed_on, left } = self;
        let first = |pairs: &[(Box<str>, Box<str>)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let handed_on: Vec<Box<str>> = handed_on.iter().map(|(address, ..)| address.clone()).collect();
        let parts = [
            ("opens ", first(opened)),
            ("closes ", first(closed)),
            ("hands on ", handed_on),
            ("closes connections kept to ", first(left)),
        ];
        let said =
            parts.iter().filter(|(_, names)| !names.is_empty()).map(|(verb, names)| format!("{verb}{}", some(names)));
        f.write_str(&said.collect::<Vec<_>>().join("; "))
    }
}
