//! How many connections to endpoints are kept, how long, and for how many requests.

use std::time::{Duration, Instant};

use crate::harness::*;

fn keeping(origin: &Origin, keys: &str) -> Gateway {
    Gateway::start(&format!("threads: 1\n{}", pool([origin.address()], &format!("keepalive: {{ {keys} }}"))))
}

/// So many requests at one time: they take as many connections.
fn at_once(gateway: &Gateway, origin: &Origin, gate: &Gate, count: usize) {
    let before = origin.requests().len();
    let mut clients: Vec<Client> = (0..count).map(|_| gateway.connect()).collect();
    clients.iter_mut().for_each(|client| client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    origin.expect_requests(before + count);
    (0..count).for_each(|_| gate.admit());
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
}

#[test]
fn no_more_than_idle_connections_are_kept() {
    let gate = Gate::shut();
    for idle in [0, 1, 3, 64] {
        let origin = Origin::held("o", &gate);
        let gateway = keeping(&origin, &format!("idle: {idle}"));
        at_once(&gateway, &origin, &gate, 6);
        let kept = idle.min(6);
        gateway.expect_metric("upstream_connections{state=\"idle\"}", kept as f64);
        gateway.expect_metric("upstream_connections{state=\"active\"}", 0.0);
        eventually(PATIENCE, || (origin.ended() == 6 - kept).then_some(()));
        at_once(&gateway, &origin, &gate, 3);
        assert_eq!(origin.connections(), 6 + 3usize.saturating_sub(kept), "{idle}");
    }
}

#[test]
fn a_reload_that_keeps_fewer_closes_the_rest() {
    let gate = Gate::shut();
    let origin = Origin::held("o", &gate);
    let gateway = keeping(&origin, "idle: 8");
    at_once(&gateway, &origin, &gate, 6);
    gateway.expect_metric("upstream_connections{state=\"idle\"}", 6.0);
    gateway.reload(&format!("threads: 1\n{}", pool([origin.address()], "keepalive: { idle: 2 }")));
    at_once(&gateway, &origin, &gate, 1);
    gateway.expect_metric("upstream_connections{state=\"idle\"}", 2.0);
}

#[test]
fn a_connection_carries_no_more_than_its_requests() {
    let origin = Origin::named("o");
    let gateway = keeping(&origin, "requests: 3");
    let mut client = gateway.connect();
    for n in 0..9 {
        assert_eq!(client.get("/").text(), "o");
        assert_eq!(origin.connections(), n / 3 + 1);
    }
    eventually(PATIENCE, || (origin.ended() == 3).then_some(()));
    let reused: Vec<bool> = gateway.expect_logged(9).iter().map(|line| line["reused"] == true).collect();
    assert_eq!(reused, [false, true, true].repeat(3));
    assert_eq!(gateway.counted("upstream_connections_opened_total"), 3.0);
    assert_eq!(gateway.counted("upstream_connections_reused_total"), 6.0);
}

#[test]
fn a_connection_is_closed_after_idle_timeout() {
    let origin = Origin::named("o");
    let gateway = keeping(&origin, "idle_timeout: 300ms");
    let mut client = gateway.connect();
    let since = Instant::now();
    client.get("/");
    eventually(PATIENCE, || (origin.ended() == 1).then_some(()));
    assert!(since.elapsed() >= Duration::from_millis(250), "closed after {:?}", since.elapsed());
    gateway.expect_metric("upstream_connections{state=\"idle\"}", 0.0);
    assert_eq!(client.get("/").text(), "o");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_connection_is_closed_once_its_request_is_done_when_it_has_reached_max_age() {
    let origin = Origin::named("o");
    let gateway = keeping(&origin, "max_age: 3s");
    let mut client = gateway.connect();
    client.get("/");
    assert_eq!((origin.connections(), origin.ended()), (1, 0));
    std::thread::sleep(Duration::from_millis(3050));
    client.get("/");
    assert_eq!(origin.connections(), 1);
    eventually(PATIENCE, || (origin.ended() == 1).then_some(()));
    client.get("/");
    assert_eq!(origin.connections(), 2);
}

#[test]
fn a_response_that_says_close_is_believed() {
    let origin = Origin::answering(|_| with_head("HTTP/1.1 200 OK\r\nConnection: close", "o"));
    let gateway = keeping(&origin, "idle: 64");
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "o");
    }
    assert_eq!(origin.connections(), 3);
    assert_eq!(gateway.counted("upstream_connections_reused_total"), 0.0);
}
