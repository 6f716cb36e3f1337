//! `wait`: requests stand in line until an endpoint can take them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::*;

/// A gateway before one endpoint that takes one request at a time.
fn one_at_a_time(origin: &Origin, wait: &str) -> Gateway {
    Gateway::start(&format!("threads: 2\n{}", pool([member(origin, "max_conns: 1")], &format!("wait: {{ {wait} }}"))))
}

/// Sends a request and waits until `in_all` of them are at an endpoint or stand in line.
#[track_caller]
fn send(gateway: &Gateway, target: &str, in_all: usize) -> Client {
    let mut client = gateway.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
    eventually(PATIENCE, || {
        let app = gateway.shows("/api/v1/upstreams/app");
        let endpoints = app["endpoints"].as_array().expect("endpoints").iter();
        let at_endpoints: u64 = endpoints.filter_map(|endpoint| endpoint["in_flight"].as_u64()).sum();
        (app["waiting"].as_u64().map(|waiting| waiting + at_endpoints) == Some(in_all as u64)).then_some(())
    });
    client
}

#[test]
fn requests_leave_the_room_in_the_order_they_came() {
    let gate = Gate::shut();
    let origin = Origin::held("o", &gate);
    let gateway = one_at_a_time(&origin, "size: 10, timeout: 25s");
    let mut clients: Vec<Client> = (0..8).map(|n| send(&gateway, &format!("/{n}"), n + 1)).collect();
    assert_eq!(origin.requests().len(), 1);
    for client in &mut clients {
        gate.admit();
        assert_eq!(client.response().text(), "o");
    }
    let order: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(order, (0..8).map(|n| format!("/{n}")).collect::<Vec<_>>());
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn nobody_overtakes_those_who_wait() {
    let gate = Gate::shut();
    let origin = Origin::held("o", &gate);
    let gateway = one_at_a_time(&origin, "size: 10, timeout: 25s");
    let mut first = gateway.connect();
    first.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
    origin.expect_requests(1);
    let mut second = send(&gateway, "/2", 2);
    // its next request is there before its first answer has gone, and so before any other can be noticed
    first.send("GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
    gate.open();
    assert_eq!(
        (first.response().text(), second.response().text(), first.response().text()),
        ("o".into(), "o".into(), "o".into())
    );
    let order: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(order, ["/1", "/2", "/3"]);
}

#[test]
fn a_full_room_is_503_at_once() {
    let gate = Gate::shut();
    let origin = Origin::held("o", &gate);
    let gateway = one_at_a_time(&origin, "size: 2, timeout: 25s");
    let mut clients: Vec<Client> = (0..3).map(|n| send(&gateway, &format!("/{n}"), n + 1)).collect();
    let mut client = gateway.connect();
    let asked = Instant::now();
    let full = client.get("/full");
    assert!(asked.elapsed() < Duration::from_secs(20), "it waited");
    assert_eq!((full.status, full.header("retry-after")), (503, Some("1")));
    assert!(full.text().contains("no_endpoint"), "{}", full.text());
    // the connection goes on
    assert_eq!(client.get("/full").status, 503);
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
    assert_eq!(client.get("/room").status, 200);
}

#[test]
fn who_waited_too_long_gets_503() {
    let gate = Gate::shut();
    let origin = Origin::held("o", &gate);
    let gateway = one_at_a_time(&origin, "size: 2, timeout: 300ms");
    let mut first = send(&gateway, "/first", 1);
    let waited = gateway.get("/late");
    assert_eq!((waited.status, waited.header("retry-after")), (503, Some("1")));
    let line = gateway.logged("/late");
    assert_eq!((&line["reason"], &line["attempts"]), (&"no_endpoint".into(), &0.into()));
    assert!(line["duration_s"].as_f64().unwrap() >= 0.3, "{line}");
    gate.open();
    assert_eq!(first.response().status, 200);
}

#[test]
fn the_whole_exchange_may_end_before_the_wait_does() {
    let gate = Gate::shut();
    let origin = Origin::held("o", &gate);
    let gateway = Gateway::start(&format!(
        "upstreams:\n  app: {{ endpoints: [{}], wait: {{ size: 2, timeout: 25s }} }}\nroutes:\n  \
         - {{ match: {{ path: /late }}, upstream: app, timeouts: {{ request: 300ms }} }}\n  \
         - {{ match: {{ path: /* }}, upstream: app }}\n",
        member(&origin, "max_conns: 1")
    ));
    let _first = send(&gateway, "/first", 1);
    assert_eq!(gateway.get("/late").status, 504);
    assert_eq!(gateway.logged("/late")["reason"], "request_timeout");
}

#[test]
fn a_client_that_leaves_frees_its_place() {
    let gate = Gate::shut();
    let origin = Origin::held("o", &gate);
    let gateway = one_at_a_time(&origin, "size: 1, timeout: 25s");
    let mut first = send(&gateway, "/first", 1);
    let left = send(&gateway, "/left", 2);
    assert_eq!(gateway.get("/full").status, 503);
    drop(left);
    assert_eq!(gateway.logged("/left")["reason"], "client_closed");
    gateway.expect_metric("http_requests_in_flight", 1.0);
    let mut next = send(&gateway, "/next", 2);
    gate.open();
    assert_eq!((first.response().status, next.response().status), (200, 200));
    let order: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(order, ["/first", "/next"], "a request of nobody reached the origin");
}

#[test]
fn a_request_waits_for_an_endpoint_that_comes_back() {
    let sound = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&sound);
    let origin = Origin::answering(move |request| match request.target.as_str() {
        "/health" if !well.load(Ordering::Acquire) => with_head("HTTP/1.1 503 Not Yet", ""),
        _ => ok("o"),
    });
    let gateway = Gateway::start(&pool(
        [origin.address()],
        "active: { path: /health, interval: 50ms, rise: 2, start: down }, wait: { size: 10, timeout: 25s }",
    ));
    let mut clients: Vec<Client> = (0..3).map(|n| send(&gateway, "/", n + 1)).collect();
    sound.store(true, Ordering::Release);
    for client in &mut clients {
        assert_eq!(client.response().text(), "o");
    }
}

#[test]
fn a_request_waits_for_an_endpoint_that_failed_to_be_tried_again() {
    let (a, b) = (Origin::refusing(), Origin::refusing());
    let gateway = Gateway::start(&pool([a, b], "passive: { fail_timeout: 1s }, wait: { size: 10, timeout: 25s }"));
    let mut first = send(&gateway, "/first", 1);
    gateway.expect_metric("upstream_ejections_total", 2.0);
    let mut second = send(&gateway, "/second", 2);
    let _a = Origin::named_on(a, "a");
    // both endpoints are left alone for now: who finds out waits for that to pass, and so does who asks then
    assert_eq!((first.response().text(), second.response().text()), ("a".into(), "a".into()));
}

#[test]
fn a_reload_that_adds_an_endpoint_serves_those_who_wait() {
    let gate = Gate::shut();
    let (full, new) = (Origin::held("full", &gate), Origin::named("new"));
    let wait = "wait: { size: 10, timeout: 25s }";
    let gateway = Gateway::start(&pool([member(&full, "max_conns: 1")], wait));
    let mut first = send(&gateway, "/first", 1);
    let mut waiting = send(&gateway, "/waiting", 2);
    gateway.reload(&pool([member(&full, "max_conns: 1"), member(&new, "max_conns: 2")], wait));
    assert_eq!(waiting.response().text(), "new");
    gate.open();
    assert_eq!(first.response().text(), "full");
}

#[test]
fn requests_wait_while_the_only_endpoint_is_restarted() {
    let origin = Origin::named("before");
    let gateway =
        Gateway::start(&format!("threads: 2\n{}", pool([origin.address()], "wait: { size: 10, timeout: 25s }")));
    assert_eq!(gateway.get("/").text(), "before");
    let address = origin.crash();
    let mut clients: Vec<Client> = (0..6).map(|_| gateway.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        // nothing was sent yet, so a POST may wait as well
        client.send(match n % 2 {
            0 => "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n",
            _ => "POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
        });
    }
    gateway.expect_metric("http_requests_in_flight", 6.0);
    let _again = Origin::named_on(address, "after");
    for client in &mut clients {
        assert_eq!(client.response().text(), "after");
    }
    gateway.expect_metric("upstream_in_flight", 0.0);
    let tried_again = || gateway.log_lines().iter().any(|line| line["attempts"].as_u64() > Some(1));
    eventually(PATIENCE, || tried_again().then_some(()));
    assert!(gateway.counted("upstream_retries_total{reason=\"connect_refused\"}") >= 1.0);
}

#[test]
fn a_request_that_no_endpoint_takes_in_time_is_503_and_one_that_was_sent_does_not_wait() {
    let dead = Origin::refusing();
    let gateway = Gateway::start(&pool([dead], "wait: { size: 1, timeout: 2s }"));
    let waited = gateway.get("/late");
    assert_eq!((waited.status, waited.header("retry-after")), (503, Some("1")));
    let line = gateway.logged("/late");
    assert!(line["duration_s"].as_f64() >= Some(2.0) && line["attempts"].as_u64() > Some(1), "{line}");
    assert_eq!((&line["reason"], &line["endpoint"]), (&"no_endpoint".into(), &dead.to_string().into()));
    let broken = Origin::resetting();
    let gateway = Gateway::start(&pool([broken.address()], "wait: { size: 1, timeout: 25s }"));
    assert_eq!(gateway.get("/sent").status, 502);
    assert_eq!(broken.requests().len(), 1);
    // and who wants no second try gets none
    let once =
        format!("defaults: {{ retries: {{ attempts: 1 }} }}\n{}", pool([dead], "wait: { size: 1, timeout: 25s }"));
    assert_eq!(Gateway::start(&once).get("/").status, 502);
}
