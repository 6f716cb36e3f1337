//! What becomes of a request, and why: found by the functions that serve, on a table that nobody else uses.

mod expectations;
mod explanation;
mod losers;
mod question;
mod refusal;
mod secured;
mod text;

pub use explanation::{Candidate, Explanation, Message, Policy, Setting};
pub use losers::Loser;
pub use question::{Question, SOMEBODY};

use crate::config::{
    Document, EndpointConfig, ErrorAnswerConfig, ErrorPageConfig, Loaded, Printed, RouteConfig, Source, Span,
    UpstreamConfig, facts,
};
use crate::failure::Failure;
use crate::http::HeadLimits;
use crate::http::request::{Parsed, RequestHead, Space};
use crate::proxy::rehearse::{Rehearsal, rehearse, variables};
use crate::proxy::{Peer, Worker};
use crate::table::compile::{Parts, compile};
use crate::table::{Disagreement, HTTPS, Listener, LiveTable, Table, canonical};
use crate::telemetry::{AccessLog, Output, ProgramStats};
use crate::value::AccessLogFormat;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// A document, ready to be asked about.
pub struct Explainer<'d> {
    loaded: &'d Loaded,
    document: &'d Document,
    table: Arc<Table>,
    worker: Worker,
    /// Made when it is first asked for.
    printed: OnceCell<Printed>,
    /// Where the lines of each file end: each route's is asked for.
    lines: Vec<Vec<usize>>,
}

impl<'d> Explainer<'d> {
    /// Compiles the document.
    ///
    /// # Errors
    /// When it has more listeners than a table holds.
    pub fn new(loaded: &'d Loaded) -> Result<Explainer<'d>, String> {
        let document = &loaded.document;
        let start = Instant::now();
        let parts = Parts {
            workers: 1,
            slots: Arc::default(),
            numbers: Arc::default(),
            challenges: Arc::default(),
            board: Arc::default(),
            start,
        };
        let table = compile(document, &loaded.material, &parts, None).map_err(|error| error.to_string())?;
        let live = Arc::new(LiveTable::new(table));
        let program = Arc::new(ProgramStats::new("", ""));
        let log = AccessLog::start(Output::None, AccessLogFormat::Json, Arc::clone(&program))
            .map_err(|error| error.to_string())?;
        let worker = Worker::new(0, Arc::clone(&live), log.lines(), program, start);
        let lines = |file: &Source| memchr::memchr_iter(b'\n', file.text.as_bytes()).collect();
        let lines = loaded.files.iter().map(lines).collect();
        Ok(Explainer { loaded, document, table: live.load(), worker, printed: OnceCell::new(), lines })
    }

    /// What becomes of the request.
    ///
    /// # Errors
    /// When the question is about no request that a client could send.
    pub fn explain(&self, question: &Question) -> Result<Explanation, String> {
        let mut explanation = self.find(question)?;
        explanation.write(&self.loaded.variables);
        Ok(explanation)
    }

    /// The same with the values that came from the environment.
    fn find(&self, question: &Question) -> Result<Explanation, String> {
        let bytes = question.head()?;
        let listener = question.listener(&self.table, self.document)?;
        let peer =
            Peer { ip: question.from.unwrap_or(SOMEBODY).to_canonical(), port: 0, listener: listener.number.get() };
        let secured = question.secured(listener);
        // the same request has the same id and falls on the same side of a split each time
        *self.worker.random.borrow_mut() = fastrand::Rng::with_seed(0);
        let rehearsal =
            rehearse(&bytes, &peer, secured.as_ref(), &self.worker).ok_or("the question is no whole request")?;
        let trusted = self.table.trusts(peer.ip);
        let mut space = Space::new();
        let head = RequestHead::parse_again(&bytes, &mut space, HeadLimits::RESPONSE);
        let (host, path) = match &head {
            Ok(Parsed::Whole(head)) => (head.host.name.to_ascii_lowercase(), normal(head.target.path())),
            Ok(Parsed::Partial) | Err(_) => Default::default(),
        };
        let winner = rehearsal.place.map(|place| place as usize);
        let losers = match &head {
            // the gateway's own takes it before any other is looked for
            _ if rehearsal.own.is_some() => Vec::new(),
            Ok(Parsed::Whole(head)) => {
                let place = |route: &RouteConfig| self.place_of(route);
                losers::losers(self.document, winner, &listener.name, &host, head, trusted, place)
            }
            Ok(Parsed::Partial) | Err(_) => Vec::new(),
        };
        let route = winner.and_then(|winner| self.document.routes.get(winner));
        let mut explanation = Explanation {
            route: route.map(|route| route.name().into_owned()).or_else(|| rehearsal.own.map(own)),
            at: route.map(|route| self.place_of(route)),
            listener: listener.name.to_string(),
            certificate: listener.tls.as_ref().map(|tls| question.presented(&tls.server)),
            host: String::from_utf8_lossy(&host).into_owned(),
            path,
            reason: rehearsal.failure.map(|failure| failure.word().to_owned()),
            status: (!rehearsal.is_forwarded).then_some(rehearsal.status),
            detail: None,
            note: question.note(listener)?,
            losers,
            variables: BTreeMap::new(),
            policies: Vec::new(),
            upstream: None,
            request: None,
            response: None,
            timeouts: Vec::new(),
            retries: Vec::new(),
            balance: None,
            endpoints: Vec::new(),
            discover: None,
        };
        explanation.detail = rehearsal.failure.and_then(|failure| match &head {
            Ok(Parsed::Whole(head)) => {
                let disagreement = match (failure, route) {
                    (Failure::MisdirectedRequest, _) => Some(refusal::misdirected(question, &host)),
                    (Failure::BadRequest, None) => self.disagreement(listener, &host, head, trusted),
                    _ => None,
                };
                disagreement.or_else(|| refusal::of_head(failure, head, route.is_some()))
            }
            Ok(Parsed::Partial) | Err(_) => refusal::of_question(question),
        });
        if let Some(place) = rehearsal.own {
            explanation.detail = Some(match place {
                HTTPS => format!("`redirect_to_https` of listener `{}`", listener.name),
                _ => "an authority's look for a proof".to_owned(),
            });
        }
        if let Some(route) = route {
            let known = variables(&bytes, &peer, secured.as_ref(), &self.worker, &rehearsal, &route.matches.path);
            explanation.variables = known.into_iter().map(|(variable, value)| (variable.to_string(), value)).collect();
        }
        self.add_route(&mut explanation, &rehearsal, route);
        Ok(explanation)
    }

    /// Which readings of its path lead to different routes.
    fn disagreement(
        &self,
        listener: &Listener,
        host: &[u8],
        head: &RequestHead<'_, '_>,
        trusted: bool,
    ) -> Option<String> {
        let Disagreement { id, reading, other } = self.table.disagreement(listener, host, head, trusted)?;
        let leads = |id: Option<u32>| match id {
            Some(id) => format!("to route `{}`", self.table.route(id).name()),
            None => "to no route".to_owned(),
        };
        let path = normal(head.target.path());
        let reading = String::from_utf8_lossy(&reading);
        Some(format!(
            "read as `{path}` it leads {}, read as `{reading}` {}: nobody knows how the upstream reads it",
            leads(Some(id)),
            leads(other)
        ))
    }

    /// What the route says, and what the request has become on it.
    fn add_route(&self, explanation: &mut Explanation, rehearsal: &Rehearsal, route: Option<&RouteConfig>) {
        let message = message(&rehearsal.message, rehearsal.is_forwarded);
        match rehearsal.is_forwarded {
            true => explanation.request = Some(message),
            false => explanation.response = Some(message),
        }
        self.add_promise(explanation);
        let Some(route) = route else { return };
        let origins = self.printed.get_or_init(|| Printed::with_all_defaults(self.loaded));
        let origins = rehearsal.place.map(|place| origins.origins_of_route(place as usize)).unwrap_or_default();
        facts::route(route, &self.document.defaults, &mut |key, value| {
            let (key, value) = (key.to_string(), value.to_string());
            let origin = origin(&key, &origins).unwrap_or_else(|| self.place_of(route));
            let setting = |key: &str| Setting { key: key.to_owned(), value: value.clone(), origin: origin.clone() };
            match key.split_once('.') {
                Some(("timeouts", key)) => explanation.timeouts.push(setting(key)),
                Some(("retries", key)) => explanation.retries.push(setting(key)),
                Some(("match" | "split" | "redirect" | "respond", _)) => {}
                _ if matches!(&*key, "upstream" | "listeners" | "priority") => {}
                // each page once, below
                _ if key.starts_with("errors[") => {}
                _ => explanation.policies.push(Policy { policy: key, value, origin }),
            }
        });
        explanation.policies.extend(route.errors.iter().enumerate().map(|(at, page)| Policy {
            policy: "errors".to_owned(),
            value: shown_page(page),
            origin: origin(&format!("errors[{at}]"), &origins).unwrap_or_else(|| self.place_of(route)),
        }));
        explanation.policies.sort_by_key(|policy| turn(&policy.policy));
        if !rehearsal.is_forwarded {
            (explanation.timeouts, explanation.retries) = Default::default();
            return;
        }
        let compiled = rehearsal.place.and_then(|place| self.table.route(place).upstream(rehearsal.side));
        let Some(name) = compiled.map(|upstream| &*upstream.pool.name) else { return };
        explanation.upstream = Some(name.to_owned());
        if let Some(upstream) = self.document.upstreams.get(name) {
            explanation.balance = balance(upstream);
            explanation.discover = upstream.discover.as_ref().map(|discover| discover.sought().to_string());
            explanation.endpoints = upstream.endpoints.iter().map(|endpoint| candidate(endpoint, upstream)).collect();
        }
    }

    /// What the listener promises in each answer.
    fn add_promise(&self, explanation: &mut Explanation) {
        let Some(config) = self.document.listeners.get(&explanation.listener) else { return };
        let listener = self.table.listeners.iter().find(|listener| *listener.name == *explanation.listener);
        if let Some(hsts) = listener.and_then(|listener| listener.hsts.as_ref()) {
            let (policy, value) = ("tls.hsts".to_owned(), hsts.value().to_owned());
            explanation.policies.push(Policy { policy, value, origin: self.place(config.address.at) });
        }
    }

    /// File and line.
    fn place_of(&self, route: &RouteConfig) -> String {
        match route.is_labelled() {
            true => "labels of containers".to_owned(),
            false => self.place(route.at),
        }
    }

    fn place(&self, at: Span) -> String {
        let file = usize::from(at.file);
        match (self.loaded.files.get(file), self.lines.get(file)) {
            (Some(file), Some(ends)) => {
                format!("{}:{}", file.name, ends.partition_point(|end| *end < at.start as usize) + 1)
            }
            _ => String::new(),
        }
    }
}

/// The name of a route of the gateway's own.
fn own(place: u32) -> String {
    if place == HTTPS { "_https" } else { "_acme" }.to_owned()
}

/// As patterns see it; as written where it cannot be read.
fn normal(path: &[u8]) -> String {
    let normal = canonical(path).unwrap_or_else(|_| path.to_vec());
    String::from_utf8_lossy(&normal).into_owned()
}

/// Policies in the order in which they act.
fn turn(key: &str) -> usize {
    const TURNS: [&str; 9] = [
        "request.",
        "rewrite",
        "headers.request.remove",
        "headers.request.set",
        "headers.request.add",
        "upgrade",
        "headers.response.remove",
        "headers.response.set",
        "headers.response.add",
    ];
    TURNS.iter().position(|start| key.starts_with(start)).unwrap_or(TURNS.len())
}

/// In one line.
fn shown_page(page: &ErrorPageConfig) -> String {
    let ErrorPageConfig { status, intercept, respond: ErrorAnswerConfig { status: answered, body, headers } } = page;
    let statuses: Vec<String> = status.iter().map(u16::to_string).collect();
    let mut shown = format!("{}:", statuses.join(", "));
    shown += &answered.map_or_else(|| " the same status".to_owned(), |status| format!(" {status}"));
    if let Some(body) = body {
        shown += &format!(", a body of {} bytes", body.len());
    }
    for (name, _) in headers {
        shown += &format!(", {name}");
    }
    if *intercept {
        shown += "; also in place of an endpoint's response";
    }
    shown
}

/// Where a key is from. Facts write names in brackets where the document has them as keys.
fn origin(key: &str, origins: &BTreeMap<String, &str>) -> Option<String> {
    let path = key.replace('[', ".").replace(']', "");
    let mut path = &*path;
    loop {
        let below = |known: &str| known.starts_with(path) && known[path.len()..].starts_with(['.', '[']);
        let written = |(known, from): &(&String, &&str)| below(known) && **from != "default";
        let found = origins.get(path).or_else(|| origins.iter().find(written).map(|(_, from)| from));
        match (found, path.rsplit_once('.')) {
            (Some(from), _) => return Some((*from).to_owned()),
            (None, Some((outer, _))) => path = outer,
            (None, None) => return None,
        }
    }
}

/// The head of a message, taken apart again.
fn message(bytes: &[u8], is_request: bool) -> Message {
    let text = String::from_utf8_lossy(bytes);
    let head = text.split_once("\r\n\r\n").map_or(&*text, |(head, _)| head);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, target) = if is_request { (words.next(), words.next()) } else { (None, None) };
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Message { method, target, headers }
}

fn balance(upstream: &UpstreamConfig) -> Option<String> {
    let mut found = None;
    facts::upstream(upstream, &mut |key, value| {
        if key.to_string() == "balance" {
            found = Some(value.to_string());
        }
    });
    found
}

fn candidate(endpoint: &EndpointConfig, upstream: &UpstreamConfig) -> Candidate {
    let EndpointConfig { address, weight, max_conns: _, backup } = endpoint;
    Candidate {
        address: address.value.to_string(),
        state: None,
        weight: (*weight).into(),
        backup: *backup,
        eligible: !backup || upstream.endpoints.iter().all(|endpoint| endpoint.backup),
    }
}
