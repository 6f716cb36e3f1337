//! Hundreds of hostile requests from other projects' tests: none makes an invalid or a hidden request upstream.

use std::time::Duration;

use serde_json::Value;

use crate::harness::oracle::{self, Conversation};
use crate::harness::*;

const LANES: usize = 12;
const SILENCE: Duration = Duration::from_millis(250);

/// Where this gateway knowingly differs from the project a payload was taken from, and why.
const DIFFERS: [(&str, &[&str]); 12] = [
    ("any token in capitals is a method", &["llhttp/invalid/13", "llhttp/invalid/03"]),
    ("a method starts with a letter", &["gunicorn/valid/031"]),
    (
        "forbidden trailers are dropped, not refused",
        &[
            "gunicorn/invalid/rfc9110_trailer_forbidden_cl_01",
            "gunicorn/invalid/rfc9110_trailer_forbidden_host_01",
            "gunicorn/invalid/rfc9110_trailer_forbidden_te_01",
        ],
    ),
    ("a repeated Content-Type is the origin's affair", &["gunicorn/invalid/041"]),
    ("a bare LF ends a line of a head", &["llhttp/invalid/17"]),
    ("the same length twice is one length", &["gunicorn/invalid/rfc9112_smuggle_cl_list_form_01"]),
    (
        "lines longer than gunicorn's default limit fit into ours",
        &["gunicorn/invalid/006", "gunicorn/invalid/007", "gunicorn/invalid/008", "gunicorn/invalid/017"],
    ),
    ("a second request behind HTTP/1.0 is left unanswered rather than refused", &["llhttp/connection/02"]),
    (
        "only a single final `chunked` is a transfer coding",
        &[
            "llhttp/transfer-encoding/19",
            "llhttp/transfer-encoding/20",
            "gunicorn/valid/009",
            "gunicorn/valid/025",
            "gunicorn/valid/025_line",
            "gunicorn/valid/029",
            "gunicorn/valid/030",
            "gunicorn/valid/rfc9112_smuggle_gzip_chunked_01",
            "gunicorn/valid/rfc9112_smuggle_te_identity_chunked_01",
            "desync-guardian/more-compliant-tests/05",
            "desync-guardian/more-compliant-tests/07",
            "desync-guardian/more-compliant-tests/08",
            "desync-guardian/more-compliant-tests/09",
            "desync-guardian/rfc-compliant/08",
            "desync-guardian/rfc-compliant/09",
            "desync-guardian/rfc-compliant/10",
        ],
    ),
    (
        "a target is ASCII without quotes, spaces and fragments, and never empty",
        &[
            "gunicorn/valid/005",
            "gunicorn/valid/014",
            "gunicorn/valid/027",
            "llhttp/uri/00",
            "llhttp/uri/07",
            "desync-guardian/rfc-compliant/11",
            "desync-guardian/rfc-compliant/13",
        ],
    ),
    (
        "an absolute target has no user and does not contradict Host",
        &[
            "gunicorn/valid/rfc9112_target_absolute_userinfo_01",
            "llhttp/uri/02",
            "llhttp/uri/03",
            "llhttp/uri/05",
            "llhttp/uri/09",
        ],
    ),
    (
        "an HTTP/1.1 request has a Host, and a plain one",
        &[
            "llhttp/sample/02",
            "llhttp/sample/03",
            "llhttp/sample/08",
            "llhttp/sample/14",
            "gunicorn/valid/002",
            "gunicorn/valid/003",
        ],
    ),
];

struct Outcome {
    id: String,
    expect: String,
    shown: String,
    /// Statuses of the final responses, and how it ended.
    answers: String,
    first: Option<u16>,
    rejected: bool,
    complaints: Vec<String>,
}

#[test]
fn no_payload_makes_an_invalid_or_hidden_request_upstream() {
    let Some(entries) = corpus("h1_payloads.json") else { return };
    assert_eq!(entries.len(), 430);
    let mut lanes: Vec<Vec<Value>> = vec![Vec::new(); LANES];
    for (n, entry) in entries.into_iter().enumerate() {
        lanes[n % LANES].push(entry);
    }
    let outcomes: Vec<Outcome> = side_by_side(LANES, lanes, lane).into_iter().flatten().collect();
    let broken: Vec<String> = outcomes
        .iter()
        .flat_map(|o| o.complaints.iter().map(move |c| format!("{}: {c}\n    {} -> {}", o.id, o.shown, o.answers)))
        .collect();
    assert!(broken.is_empty(), "{} invariants broken:\n{}", broken.len(), broken.join("\n"));
    let (known, unknown): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|o| is_known(&o.id));
    let differs: Vec<String> = unknown.into_iter().filter_map(disagreement).collect();
    assert!(differs.is_empty(), "{} payloads are read otherwise than expected:\n{}", differs.len(), differs.join("\n"));
    let agrees: Vec<&str> = known.into_iter().filter(|o| disagreement(o).is_none()).map(|o| o.id.as_str()).collect();
    assert!(agrees.is_empty(), "no longer read otherwise than expected: {agrees:?}");
}

fn is_known(id: &str) -> bool {
    DIFFERS.iter().any(|(_, ids)| ids.contains(&id))
}

/// Sends its payloads one after the other through a gateway and to an origin of its own.
fn lane(entries: Vec<Value>) -> Vec<Outcome> {
    let origin = Origin::answering(|request| ok(&request.target));
    let gateway = Gateway::before(&origin, "threads: 1\n");
    let mut before = Tally::default();
    let mut outcomes = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        let payload = decode(entry, "b64");
        let allowed = oracle::read_all(&payload, Grammar::AsSent);
        let mut outcome = exchange(&gateway, entry, &payload, &allowed);
        let next = format!("/next-{n}");
        match gateway.connect().try_ask(&format!("GET {next} HTTP/1.1\r\nHost: h\r\n\r\n")) {
            Ok(response) if response.status == 200 && response.text() == next => {}
            other => outcome.complaints.push(format!("the next normal request got {other:?}")),
        }
        let now = Tally::of(&origin, "/next-");
        for (connection, why) in now.violations.iter().enumerate() {
            if let (Some(why), None | Some(None)) = (why, before.violations.get(connection)) {
                outcome.complaints.push(format!("invalid upstream: {why}"));
            }
        }
        let whole = now.whole.saturating_sub(before.whole);
        let sent = whole + now.unfinished.saturating_sub(before.unfinished);
        let most = allowed.requests.len() + usize::from(allowed.unfinished.is_some());
        if sent > most || whole > allowed.requests.len() {
            outcome.complaints.push(format!("{whole} whole of {sent} requests upstream, {most} were sent"));
        }
        // What never got an answer was not accepted.
        outcome.rejected |= outcome.first.is_none();
        before = now;
        outcomes.push(outcome);
    }
    outcomes
}

fn exchange(gateway: &Gateway, entry: &Value, payload: &[u8], allowed: &Conversation) -> Outcome {
    let mut client = gateway.connect();
    client.try_send(payload).ok();
    let mut answers = Vec::new();
    let mut complaints = Vec::new();
    let end = loop {
        let method = allowed.requests.get(answers.len()).or(allowed.unfinished.as_ref()).map_or("GET", |r| &r.method);
        // what is known to be answered is waited for
        let within = if is_known(text(entry, "id")) && answers.is_empty() { PATIENCE } else { SILENCE };
        match client.try_response(method, within) {
            Ok(response) if response.status == 101 => complaints.push("switched protocols".to_owned()),
            Ok(response) => answers.push(response.status),
            Err(Trouble::Malformed(why)) => {
                complaints.push(format!("malformed response: {why}"));
                break "malformed";
            }
            Err(Trouble::Silent(_)) => break "open",
            Err(_) => break "closed",
        }
    };
    Outcome {
        id: text(entry, "id").to_owned(),
        expect: text(entry, "expect").to_owned(),
        shown: payload[..payload.len().min(150)].escape_ascii().to_string(),
        first: answers.first().copied(),
        rejected: answers.iter().any(|s| *s >= 400) || (end == "closed" && answers.is_empty()),
        answers: format!("{answers:?} {end}"),
        complaints,
    }
}

fn disagreement(outcome: &Outcome) -> Option<String> {
    let wrong = match outcome.expect.as_str() {
        "reject" | "tier:Severe" | "reject (PROXY protocol not enabled)" => !outcome.rejected,
        "accept" | "tier:Compliant" => outcome.first.is_some_and(|s| s >= 400),
        _ => false,
    };
    wrong.then(|| format!("{} should be {}: {} -> {}", outcome.id, outcome.expect, outcome.shown, outcome.answers))
}

#[derive(Default)]
struct Tally {
    whole: usize,
    unfinished: usize,
    /// By connection.
    violations: Vec<Option<String>>,
}

impl Tally {
    fn of(origin: &Origin, ignored: &str) -> Tally {
        let mut tally = Tally::default();
        for seen in origin.judged() {
            tally.violations.push(seen.violation);
            tally.whole += seen.requests.iter().filter(|r| !r.target.starts_with(ignored)).count();
            tally.unfinished += usize::from(seen.unfinished.is_some());
        }
        tally
    }
}
