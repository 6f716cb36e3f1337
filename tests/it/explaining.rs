//! `wharf explain` says of a request what then becomes of it: on random tables, asked and sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use wharf::config::{Purpose, load};
use wharf::explain::{Explainer, Explanation};

use crate::harness::*;
use crate::tables::{Asked, LISTENERS, Table};

const TABLES: u64 = 100;
const REQUESTS: usize = 100;
const ROUTES: usize = 16;

/// What became of a request: route, upstream, reason, status; the request as the upstream got it, or the head of the gateway's own answer.
#[derive(Debug, PartialEq)]
struct Outcome {
    route: Option<String>,
    upstream: Option<String>,
    reason: Option<String>,
    status: Option<u16>,
    line: Option<(String, String)>,
    headers: BTreeMap<String, Vec<String>>,
}

/// By name in small letters. The id of the request, which is drawn, is taken out wherever it stands; so is the date.
fn headers(fields: &[(String, String)], id: Option<&str>) -> BTreeMap<String, Vec<String>> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date")) {
        let value = id.map_or_else(|| value.clone(), |id| value.replace(id, "ID"));
        headers.entry(name.to_ascii_lowercase()).or_default().push(value);
    }
    headers
}

fn request_id(fields: &[(String, String)]) -> Option<&str> {
    fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-request-id")).map(|(_, value)| value.as_str())
}

fn said(explanation: Explanation) -> Outcome {
    let Explanation { route, upstream, reason, status, request, response, .. } = explanation;
    let line = request.as_ref().and_then(|request| Some((request.method.clone()?, request.target.clone()?)));
    let fields = request.or(response).map(|message| message.headers).unwrap_or_default();
    Outcome { route, upstream, reason, status, line, headers: headers(&fields, request_id(&fields)) }
}

/// What was seen on the wire, and what the log says of it.
fn happened(response: &Response, arrived: Option<Request>, line: &serde_json::Value) -> Outcome {
    let word = |key: &str| line[key].as_str().filter(|word| !matches!(*word, "" | "_none" | "-")).map(str::to_owned);
    let fields = arrived.as_ref().map_or(&response.headers.0, |request| &request.headers.0);
    Outcome {
        route: word("route"),
        // the log names it also where the request was refused before it was asked
        upstream: word("upstream").filter(|_| arrived.is_some()),
        reason: word("reason"),
        status: arrived.is_none().then_some(response.status),
        line: arrived.as_ref().map(|request| (request.method.clone(), request.target.clone())),
        headers: headers(fields, request_id(fields)),
    }
}

/// Asks and sends the requests of one table; the number of those whose route answered, or an upstream.
fn compare(seed: u64) -> usize {
    let mut rng = Rng::with_seed(seed);
    let table = Table::random(&mut rng, ROUTES);
    let arrived: Arc<Mutex<Option<Request>>> = Arc::default();
    let last = Arc::clone(&arrived);
    let origin = Origin::answering(move |request| {
        *last.lock().unwrap() = Some(request.clone());
        ok("")
    });
    let endpoint = origin.address().to_string();
    let gateway = Gateway::start(&table.document("HERE", [&endpoint; 3]));
    let loaded = load(&gateway.folder().join("gateway.yaml"), Purpose::Check).expect("a good document");
    let explainer = Explainer::new(&loaded).expect("an explainer");
    let addresses: [SocketAddr; 2] = [gateway.address(), gateway.on(21081)];
    let mut clients: [Option<Client>; 2] = [None, None];
    let mut seen = Vec::new();
    for _ in 0..REQUESTS {
        let asked = Asked::any(&mut rng, &table);
        let mut question = asked.question();
        let bytes = question.head().expect("one that a client can send");
        let at = LISTENERS.iter().position(|name| *name == asked.listener).expect("a listener");
        let mut client = clients[at].take().unwrap_or_else(|| Client::connect(addresses[at]));
        question.from = Some(client.stream.local_addr().expect("connected").ip());
        let explained = explainer.explain(&question).expect("an explanation");
        client.send(&bytes);
        let response = client.response_to(asked.method);
        // one that ends its connection takes it with it
        if !response.says_close() {
            clients[at] = Some(client);
        }
        seen.push((asked, explained, response, arrived.lock().unwrap().take()));
    }
    let lines = gateway.expect_logged(seen.len());
    let mut answered = 0;
    for ((asked, explained, response, arrived), line) in seen.into_iter().zip(lines) {
        answered += usize::from(explained.route.is_some());
        let (said, happened) = (said(explained), happened(&response, arrived, &line));
        assert_eq!(
            said,
            happened,
            "seed {seed}: {asked:?}, {line}, in\n{}",
            gateway.complete(&table.document("HERE", [&endpoint; 3]))
        );
    }
    answered
}

#[test]
fn what_explain_says_of_a_request_is_what_becomes_of_it() {
    let only = std::env::var("WHARF_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or_else(|| (0..TABLES).collect(), |seed| vec![seed]);
    let tables = seeds.len();
    let answered: usize = side_by_side(4, seeds, compare).into_iter().sum();
    assert!(answered > tables * REQUESTS / 3, "only {answered} requests had a route");
}
