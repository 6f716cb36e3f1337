//! A public set of conformance probes, scored as its authors score them.

use std::time::Duration;

use serde_json::Value;

use crate::harness::*;

const SILENCE: Duration = Duration::from_secs(3);
const AT_ONCE: usize = 24;
/// Of 161 scored probes.
const WANTED: usize = 145;

#[derive(Debug, PartialEq)]
enum Verdict {
    Pass,
    Warn,
    Fail,
}

#[test]
fn the_conformance_probes_pass() {
    let Some(entries) = corpus("http11probe_cases.json") else { return };
    let origin = Origin::answering(|request| {
        let head = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\nAllow: GET";
        if request.method == "HEAD" {
            format!("{head}\r\nContent-Length: 2\r\n\r\n").into()
        } else {
            with_head(head, &request.body)
        }
    });
    let gateway = Gateway::before(&origin, "");
    let results = side_by_side(AT_ONCE, entries, |entry| {
        let (verdict, outcome) =
            if entry.get("steps").is_some() { sequence(&gateway, &entry) } else { single(&gateway, &entry) };
        (entry, verdict, outcome)
    });
    let scored: Vec<_> = results.iter().filter(|(e, _, _)| e["scored"] == true).collect();
    let failed: Vec<_> = scored.iter().filter(|(_, v, _)| *v == Verdict::Fail).collect();
    let warned = scored.iter().filter(|(_, v, _)| *v == Verdict::Warn).count();
    let score = scored.len() - failed.len();
    eprintln!("probes: {score} of {} scored, {warned} of them with a warning", scored.len());
    for (entry, _, outcome) in &failed {
        eprintln!("  failed {}: {outcome}, expected {}", text(entry, "id"), text(entry, "expected"));
    }
    assert_eq!(scored.len(), 161);
    assert!(score >= WANTED, "{score} of 161, wanted {WANTED}");
    for judgement in origin.judged() {
        assert_eq!(judgement.violation, None);
    }
    assert_eq!(gateway.get("/").status, 200);
}

fn single(gateway: &Gateway, entry: &Value) -> (Verdict, String) {
    let id = text(entry, "id");
    let bytes = decode(entry, "b64");
    let method = if bytes.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
    let mut client = gateway.connect();
    client.try_send(&bytes).ok();
    let response = match client.try_response(method, SILENCE) {
        Ok(response) => response,
        Err(Trouble::Silent(None)) => return (verdict(entry, "none+timeout"), "silence".into()),
        Err(Trouble::Closed(None) | Trouble::Reset(None)) => return (verdict(entry, "none+close"), "closed".into()),
        Err(other) => return (Verdict::Fail, format!("{other:?}")),
    };
    let mut outcome = response.status.to_string();
    let of_interest = format!("{outcome}+close");
    if entry["verdict"].get(&of_interest).is_some() && client.rest(SILENCE).is_some() {
        outcome = of_interest;
    }
    let echoed = || bytes.ends_with(&response.body) || response.body == chunked_body(&bytes);
    let verdict = match id {
        "COMP-HEAD-NO-BODY" if response.status == 200 && response.body.is_empty() => Verdict::Pass,
        _ if entry["body_dependent"] == true && response.status == 200 && !echoed() => Verdict::Fail,
        _ => verdict(entry, &outcome),
    };
    (verdict, outcome)
}

/// The body of the probes that send chunks, all of which are short.
fn chunked_body(bytes: &[u8]) -> Vec<u8> {
    match oracle::read_one(bytes, Grammar::AsSent) {
        oracle::Reading::Whole(request, _) => request.body,
        _ => Vec::new(),
    }
}

fn verdict(entry: &Value, outcome: &str) -> Verdict {
    match entry["verdict"][outcome].as_str() {
        Some("Pass") => Verdict::Pass,
        Some("Warn") => Verdict::Warn,
        _ => Verdict::Fail,
    }
}

/// Sends the steps one after the other. What matters is that a doubtful first request is refused, or is the last one
/// its connection answers.
fn sequence(gateway: &Gateway, entry: &Value) -> (Verdict, String) {
    let mut client = gateway.connect();
    let mut outcomes = Vec::new();
    for step in entry["steps"].as_array().unwrap() {
        let Some(parts) = step["parts"].as_array() else { return (Verdict::Pass, "not for a gateway".into()) };
        for part in parts {
            std::thread::sleep(Duration::from_millis(number(part, "delay_ms")));
            client.try_send(decode(part, "b64")).ok();
        }
        match client.try_response("GET", SILENCE) {
            Ok(response) => outcomes.push(response.status.to_string()),
            Err(Trouble::Silent(_)) => outcomes.push("silence".into()),
            Err(_) => outcomes.push("closed".into()),
        }
    }
    // An extra response is a request that nobody sent.
    while let Ok(response) = client.try_response("GET", Duration::from_millis(200)) {
        outcomes.push(response.status.to_string());
    }
    let answered = |o: &String| !matches!(o.as_str(), "closed" | "silence");
    let shown = outcomes.join(", ");
    let (first, rest) = outcomes.split_first().unwrap();
    let verdict = if text(entry, "expected").starts_with("2xx") {
        if outcomes.iter().all(|o| o.starts_with('2')) { Verdict::Pass } else { Verdict::Fail }
    } else if entry["scored"] != true {
        Verdict::Pass
    } else if rest.iter().any(answered) || first == "silence" {
        Verdict::Fail
    } else if first.starts_with('2') {
        Verdict::Warn
    } else {
        Verdict::Pass
    };
    (verdict, shown)
}
