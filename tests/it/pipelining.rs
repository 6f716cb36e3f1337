//! Requests sent ahead of their turn: answered in order, at once, each with its own response.

use std::time::{Duration, Instant};

use crate::harness::*;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_request_sent_ahead_is_answered_whatever_stands_behind_it() {
    let origin = Origin::answering(|request| ok(format!("{} {}", request.target, request.body.len())));
    // what never comes of an unfinished request is waited for longer than any test waits
    let gateway = Gateway::before(&origin, &listener("limits: { header_timeout: 5m }"));
    for (ahead, answers) in [
        (get("/1") + &post("/2", "hello"), vec!["/1 0", "/2 5"]),
        (get("/1") + &get("/2") + "GET /3 HT", vec!["/1 0", "/2 0"]),
        (post("/1", "x") + &post("/2", "y") + &post("/3", "z") + "\r", vec!["/1 1", "/2 1", "/3 1"]),
        (get("/1") + "\r\n" + &post("/2", "body"), vec!["/1 0", "/2 4"]),
    ] {
        let mut client = gateway.connect();
        client.send(&ahead);
        for answer in answers {
            assert_eq!(client.response().text(), answer);
        }
    }
}

/// Takes an upload's head, answers it once the gateway can push no more of its body, and only then reads on.
fn answering_early() -> Origin {
    Origin::scripted(|peer| {
        while let Some(request) = peer.head() {
            if request.method == "GET" {
                peer.send(ok("fine"));
                continue;
            }
            std::thread::sleep(Duration::from_millis(400));
            peer.send(with_head("HTTP/1.1 401 Unauthorized", "no"));
            std::thread::sleep(Duration::from_millis(300));
            if peer.request().is_none() {
                return;
            }
        }
    })
}

#[test]
fn what_was_not_sent_of_a_body_is_never_made_up_by_the_next_request() {
    let origin = answering_early();
    let gateway = Gateway::before(&origin, "defaults: { request: { max_body: unlimited } }\n");
    let upload = |size: usize| {
        let mut client = gateway.connect();
        client.stream.set_nonblocking(true).unwrap();
        let head = format!("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n");
        let bytes = [head.into_bytes(), vec![b'x'; size]].concat();
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_millis(550) {
            match std::io::Write::write(&mut client.stream, &bytes[sent..]) {
                Ok(n) if n > 0 => sent += n,
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        // the endpoint has answered, and not read: whoever asks now must not be put behind a body that is not there
        assert_eq!(gateway.get("/next").text(), "fine");
        client
    };
    drop(upload(32 << 20));
    // what the sockets between gateway and endpoint hold
    let taken = eventually(PATIENCE, || (origin.ended() > 0).then(|| origin.received()[0].len()));
    for more in [500, 2_000, 5_000, 10_000, 20_000, 40_000] {
        drop(upload(taken + more));
    }
    assert!(origin.requests().iter().all(|r| r.method == "GET" || r.body.iter().all(|b| *b == b'x')));
}
