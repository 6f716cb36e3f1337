//! A pool: endpoints that give the same service, and how requests are spread over them.

use super::balance::{self, Asker, Balance, Terms};
use super::endpoint::{Endpoint, InFlight, State};
use super::idle::Keepalive;
use super::lasting::Lasting;
use super::members::{Listed, Members};
use super::origin::Origin;
use super::passive::Rule;
use crate::http::clock::{Moment, Span};
use crate::tls::{ClientTls, Mark};
use crate::value::RequestKey;
use arc_swap::Guard;
use std::sync::Arc;

/// Endpoints that give the same service.
pub struct Pool {
    pub name: Box<str>,
    /// In the order of the configuration.
    pub entries: Arc<Box<[Listed]>>,
    /// Where its endpoints come from, if they are not written.
    pub origin: Option<Origin>,
    pub rules: Rules,
    pub lasting: Arc<Lasting>,
    /// Which of the pools with this name it is.
    number: u64,
    made: Moment,
}

/// What the configuration says about a pool.
pub struct Rules {
    pub balance: Balance,
    pub passive: Rule,
    /// How long the share of an endpoint that came back takes to grow whole; zero for at once.
    pub slow_start: Span,
    /// What [`Balance::Hash`] hashes.
    pub key: Option<RequestKey>,
    /// The cookie that names a client's endpoint.
    pub sticky: Option<Box<str>>,
    pub wait: Option<Wait>,
    pub keepalive: Keepalive,
    /// What is spoken to its endpoints; plain text without it.
    pub tls: Option<Arc<ClientTls>>,
    /// A new endpoint gets no request until its active check has passed.
    pub starts_down: bool,
}

/// Requests that find no endpoint may wait for one.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// How many at one time.
    pub size: usize,
    pub timeout: Span,
}

/// The endpoints that a request has tried: none for nearly every request, and then it is one word.
#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "every request carries it, and hardly any uses it: eight bytes in place of 24"
)]
pub struct Tried(Option<Box<Vec<Arc<Endpoint>>>>);

impl Tried {
    pub fn add(&mut self, endpoint: &Arc<Endpoint>) {
        self.0.get_or_insert_default().push(Arc::clone(endpoint));
    }

    pub fn has(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.0.as_ref().is_some_and(|tried| tried.iter().any(|e| Arc::ptr_eq(e, endpoint)))
    }
}

/// How an endpoint did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Succeeded,
    Failed,
}

/// What a verdict changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The endpoint is left alone from now on.
    Ejected,
    /// It is back.
    Back,
}

impl Pool {
    /// A pool of these entries, made at `now`. It takes over the endpoints of the pool with this name when it is served.
    pub fn new(name: &str, entries: Box<[Listed]>, rules: Rules, lasting: Arc<Lasting>, now: Moment) -> Pool {
        let number = lasting.number();
        let entries = Arc::new(entries);
        let pool = Pool { name: name.into(), entries, origin: None, rules, lasting, number, made: now };
        if pool.lasting.is_new() {
            pool.serve();
        }
        pool
    }

    /// A pool whose endpoints are found by a source; so far it has none.
    pub fn of(name: &str, origin: Origin, rules: Rules, lasting: Arc<Lasting>, now: Moment) -> Pool {
        let pool = Pool { origin: Some(origin), ..Pool::new(name, Box::default(), rules, lasting, now) };
        pool.find(now);
        pool
    }

    /// The pool is in force: its entries are the endpoints from now on, for requests too that began with the pool before.
    pub fn serve(&self) {
        if self.origin.is_none() {
            // a source may have found some of them before they were written
            self.entries.iter().for_each(|listed| listed.entry.forget_word(self.made));
        }
        self.lasting.serve(self.number, &self.listed(), &self.rules, self.made);
    }

    /// What connections to its endpoints must be made on.
    pub fn mark(&self) -> Mark {
        self.rules.tls.as_ref().map_or(Mark::default(), |tls| tls.mark)
    }

    /// The endpoints there are now.
    pub fn members(&self) -> Arc<Members> {
        Guard::into_inner(self.lasting.members())
    }

    /// Whether this is one of its endpoints still: when it is not, its address may be somebody else's.
    pub fn has(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.lasting.members().iter().any(|member| Arc::ptr_eq(member, endpoint))
    }

    /// Looks at the entries' addresses again. True when the endpoints changed.
    pub fn refresh(&self, now: Moment) -> bool {
        self.lasting.refresh(self.number, &self.listed(), &self.rules, now)
    }

    /// Chooses the endpoint for a request and counts it there; `None` when none can take it that was not tried.
    pub fn pick(&self, asker: &Asker<'_>, tried: &Tried) -> Option<InFlight> {
        let members = self.lasting.members();
        balance::pick(&members, self.terms(&members), asker, tried)
    }

    /// Notes how `endpoint` did.
    pub fn judge(&self, endpoint: &Endpoint, verdict: Verdict, now: Moment) -> Option<News> {
        if verdict == Verdict::Succeeded && endpoint.fails() == 0 {
            return None;
        }
        let rule = self.passive_rule();
        match verdict {
            Verdict::Succeeded if endpoint.passive.succeeded(rule) => {
                endpoint.rise(now);
                Some(News::Back)
            }
            Verdict::Succeeded => None,
            Verdict::Failed if rule.max_fails == 0 => None,
            Verdict::Failed => {
                endpoint.lower(endpoint.weight() / rule.max_fails);
                endpoint.passive.failed(rule, now.0).then_some(News::Ejected)
            }
        }
    }

    /// What an endpoint of this pool is doing.
    pub fn state(&self, endpoint: &Endpoint) -> State {
        endpoint.state(self.passive_rule())
    }

    /// How failures count here now.
    pub fn passive_rule(&self) -> Rule {
        self.terms(&self.lasting.members()).passive
    }

    /// Drains what is called `address`, an entry with all its endpoints or one of their addresses, or takes it back. How many
    /// endpoints that were; `None` when there is no such endpoint.
    pub fn drain(&self, address: &str, drained: bool, now: Moment) -> Option<usize> {
        let mut found = None;
        for listed in self.listed().iter().filter(|l| l.entry.is_called(address)) {
            listed.entry.set_drained(drained);
            // what is behind a name may have been replaced meanwhile
            listed.entry.doubt();
            found = Some(0);
        }
        for endpoint in self.lasting.members().iter() {
            if endpoint.entry.is_called(address) || endpoint.target.is_called(address) {
                endpoint.set_drained(drained, now);
                found = Some(found.unwrap_or(0) + 1);
            }
        }
        found
    }

    /// What the operator has drained: entries as they are written, and of others the single addresses.
    pub fn drained(&self) -> Vec<String> {
        let listed = self.listed();
        let entries = listed.iter().map(|l| &l.entry).filter(|e| e.is_drained()).map(|e| e.address.to_string());
        let members = self.members();
        let single = members.iter().filter(|e| e.is_drained() && !e.entry.is_drained()).map(|e| e.target.to_string());
        entries.chain(single).collect()
    }

    fn terms(&self, members: &Members) -> Terms {
        let Rules { balance, passive, slow_start, .. } = self.rules;
        Terms { balance, passive: if members.is_single() { Rule::OFF } else { passive }, slow_start }
    }
}
