//! What is known of the upstreams, as a process hands it to the one that takes over: what the operator drained, where names were found last,
//! how well each endpoint is. What the new configuration does not list is passed over.

use crate::discovery::{Board, Claim, Found, Sought, SourceKind};
use crate::http::clock::Moment;
use crate::table::{Table, Upstream};
use crate::upstream::learned::Learned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// All of it, by upstream.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Estate {
    /// Endpoints that an operator has drained.
    pub drained: BTreeMap<String, Vec<String>>,
    pub upstreams: BTreeMap<String, Known>,
    /// What sources found last, by source and service.
    pub found: BTreeMap<String, BTreeMap<String, Vec<Found>>>,
    /// Routes that containers ask for.
    pub claims: Vec<Claim>,
}

/// What is known of one upstream.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// The last good addresses of names, by the entry as written.
    names: BTreeMap<String, Vec<SocketAddr>>,
    /// By the entry as written, then by where the endpoint is reached.
    endpoints: BTreeMap<String, BTreeMap<String, Learned>>,
}

impl Estate {
    /// What is known at `now`.
    pub fn of(table: &Table, board: &Board, now: Moment) -> Estate {
        let pools = || table.upstreams.iter().map(|u| (u.pool.name.to_string(), u));
        let drained = pools().map(|(name, u)| (name, u.pool.drained()));
        Estate {
            drained: drained.filter(|(_, drained)| !drained.is_empty()).collect(),
            upstreams: pools().map(|(name, u)| (name, Known::of(u, now))).collect(),
            found: found(table),
            claims: board.claims().to_vec(),
        }
    }

    /// The beginning of a clock on which all that is known happened after it.
    pub fn beginning(&self) -> Instant {
        let endpoints = self.upstreams.values().flat_map(|known| known.endpoints.values()).flat_map(BTreeMap::values);
        let oldest = endpoints.map(Learned::oldest).max().unwrap_or(0);
        let now = Instant::now();
        now.checked_sub(Duration::from_millis(oldest)).unwrap_or(now)
    }

    /// Notes what sources found last: it holds until they say something.
    pub fn seed_found(&self, board: &Board) {
        board.seed_claims(self.claims.clone());
        for (source, services) in &self.found {
            // one that this version does not know is one that its configuration cannot want
            let Some(source) = SourceKind::called(source) else { continue };
            for (service, found) in services {
                board.seed(Sought { source, service: service.as_str().into() }, found.clone());
            }
        }
    }

    /// Tells names where they were found last. For a table that serves nobody yet, and before its names are asked: one that does not resolve
    /// keeps them.
    pub fn seed_names(&self, table: &Table, now: Moment) {
        for (upstream, known) in self.known(table) {
            for listed in upstream.pool.entries.iter() {
                if let Some(addresses) = known.names.get(&*listed.entry.address) {
                    listed.entry.found_at(addresses);
                }
            }
            upstream.pool.refresh(now);
        }
    }

    /// Tells endpoints what was learned of them, and drains what was drained. For a table that serves nobody yet, whose names were asked.
    pub fn apply(&self, table: &Table, now: Moment) {
        for upstream in &table.upstreams {
            for address in self.drained.get(&*upstream.pool.name).into_iter().flatten() {
                // one that the new configuration does not list needs no draining
                upstream.pool.drain(address, true, now);
            }
        }
        for (upstream, known) in self.known(table) {
            for endpoint in upstream.pool.members().iter() {
                let of_entry = known.endpoints.get(&*endpoint.entry.address);
                if let Some(learned) = of_entry.and_then(|of_entry| of_entry.get(&endpoint.target.to_string())) {
                    // where nobody checks any more, nobody says that it is down
                    let down = learned.down && upstream.active.is_some();
                    endpoint.adopt(&Learned { down, ..learned.clone() }, now);
                }
            }
        }
    }

    fn known<'t>(&'t self, table: &'t Table) -> impl Iterator<Item = (&'t Upstream, &'t Known)> {
        table.upstreams.iter().filter_map(|u| Some((&**u, self.upstreams.get(&*u.pool.name)?)))
    }
}

/// What sources found last for these pools.
fn found(table: &Table) -> BTreeMap<String, BTreeMap<String, Vec<Found>>> {
    let mut all: BTreeMap<String, BTreeMap<String, Vec<Found>>> = BTreeMap::new();
    for origin in table.upstreams.iter().filter_map(|upstream| upstream.pool.origin.as_ref()) {
        let Sought { source, service } = &origin.sought;
        let found = origin.board.holds(&origin.sought).to_vec();
        all.entry(source.word().to_owned()).or_default().insert(service.to_string(), found);
    }
    all
}

impl Known {
    fn of(upstream: &Upstream, now: Moment) -> Known {
        let mut known = Known::default();
        for listed in upstream.pool.entries.iter() {
            if let Some(addresses) = listed.entry.addresses().filter(|addresses| !addresses.is_empty()) {
                known.names.insert(listed.entry.address.to_string(), addresses);
            }
        }
        // of one that starts down and was not judged yet nothing is known
        for endpoint in upstream.pool.members().iter().filter(|endpoint| !endpoint.is_starting()) {
            let of_entry = known.endpoints.entry(endpoint.entry.address.to_string()).or_default();
            of_entry.insert(endpoint.target.to_string(), endpoint.learned(now));
        }
        known
    }
}
