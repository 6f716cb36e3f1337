//! Everything has a limit, and beyond it a clear answer.

use std::time::{Duration, Instant};

use crate::harness::*;

#[test]
fn a_head_beyond_the_limit_is_431() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    for size in [40_000, 100_000, 1_000_000] {
        let mut client = gateway.connect();
        client.try_send(format!("GET /fat HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(size))).ok();
        let response = client.response();
        assert_eq!(response.status, 431, "{size}");
        client.expect_closed(PATIENCE);
    }
    let line = format!("X: {}\r\n", "y".repeat(7_500));
    let large = gateway.ask(format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", line.repeat(4)));
    assert_eq!(large.status, 200);
    assert_eq!(origin.requests().len(), 1);
    gateway.expect_failure("header_too_large");
}

#[test]
fn more_header_fields_than_allowed_are_431() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let head = |count: usize| {
        let lines: String = (1..count).map(|n| format!("X-{n}: y\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
    };
    assert_eq!(gateway.ask(head(100)).status, 200);
    assert_eq!(gateway.ask(head(101)).status, 431);
    assert_eq!(gateway.ask(head(2000)).status, 431);
}

#[test]
fn the_limits_of_a_listener_can_be_set() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &listener("limits: { header_size: 1KiB, header_count: 5 }"));
    assert_eq!(gateway.ask(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(900))).status, 200);
    assert_eq!(gateway.ask(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(1100))).status, 431);
    assert_eq!(gateway.ask("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n").status, 200);
    assert_eq!(gateway.ask("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n\r\n").status, 431);
}

#[test]
fn a_target_longer_than_a_head_may_be_is_414() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    assert_eq!(gateway.get(&format!("/{}", "a".repeat(8_000))).status, 200);
    for size in [40_000, 200_000] {
        let mut client = gateway.connect();
        client.try_send(format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(size))).ok();
        assert_eq!(client.response().status, 414, "{size}");
        client.expect_closed(PATIENCE);
    }
    gateway.expect_failure("uri_too_long");
}

#[test]
fn megabytes_of_garbage_are_cut_off_soon() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let before = gateway.rss_kib();
    let garbage: Vec<u8> = (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(100_000);
    let text = vec![b'A'; 1 << 20];
    for part in [&garbage, &hello, &text] {
        let mut client = gateway.connect();
        let sent = (0..100).take_while(|_| client.try_send(part).is_ok()).count();
        assert!(sent < 100, "took it all");
    }
    assert_eq!(origin.connections(), 0);
    assert!(gateway.rss_kib() < before + 8 * 1024);
    assert!(gateway.stderr().len() < 20_000, "floods its log");
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn connections_beyond_the_limit_are_refused_and_counted_and_room_is_found_again() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &listener("limits: { connections: 10 }"));
    let mut held: Vec<Client> = (0..10).map(|_| gateway.connect()).collect();
    for client in &mut held {
        assert_eq!(client.get("/").status, 200);
    }
    gateway.expect_metric("listener_connections{listener=\"web\"}", 10.0);
    let mut extra = gateway.connect();
    extra.try_send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").ok();
    match extra.try_response("GET", PATIENCE) {
        Ok(response) => assert_eq!(response.status, 503),
        Err(Trouble::Closed(None) | Trouble::Reset(None)) => {}
        Err(other) => panic!("{other:?}"),
    }
    gateway.expect_counts(&[("listener_rejected_total{listener=\"web\"}", 1.0)]);
    assert_eq!(held[0].get("/").status, 200);
    drop(held);
    eventually(PATIENCE, || {
        let mut client = gateway.connect();
        client.try_ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").is_ok_and(|r| r.status == 200).then_some(())
    });
}

#[test]
fn running_out_of_descriptors_does_not_spin_and_passes() {
    let origin = Origin::named("o");
    let gateway = Gateway::start_under(
        "ulimit -n 64; exec",
        &format!(
            "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ match: {{ path: /* }}, upstream: app }}]\n",
            origin.address()
        ),
    );
    assert_eq!(gateway.get("/").status, 200);
    let held: Vec<Client> = (0..200).map(|_| gateway.connect()).collect();
    let (start, before) = (Instant::now(), gateway.cpu_time());
    std::thread::sleep(Duration::from_secs(2));
    let used = (gateway.cpu_time() - before).as_secs_f64() / start.elapsed().as_secs_f64();
    assert!(used < 0.3, "{used} of a processor while nothing can be done");
    // who watches the gateway must see that it lives
    let start = Instant::now();
    assert_eq!(gateway.admin("/readyz").status, 200);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    drop(held);
    eventually(PATIENCE, || {
        let mut client = gateway.connect();
        client.try_ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").is_ok_and(|r| r.status == 200).then_some(())
    });
}

#[test]
fn requests_find_their_way_to_the_endpoint_while_descriptors_run_out() {
    let origin = Origin::named("o");
    let gateway = Gateway::start_under(
        "ulimit -n 64; exec",
        &format!(
            "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ match: {{ path: /* }}, upstream: app }}]\n",
            origin.address()
        ),
    );
    let mut held: Vec<Client> = (0..100).map(|_| gateway.connect()).collect();
    for client in &mut held {
        client.try_send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").ok();
    }
    let mut served = 0;
    for client in &mut held {
        match client.try_response("GET", PATIENCE) {
            Ok(response) if response.status == 200 => served += 1,
            // told that there is no room, which closes the connection on what it had sent
            Ok(response) => assert_eq!(response.status, 503),
            Err(Trouble::Reset(None)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(served >= 10, "{served} of 100");
    assert_eq!(gateway.counted("http_failures_total"), 0.0);
}

#[test]
fn thousands_of_idle_connections_cost_little_each() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    // The first ones pay for code and tables that the others share.
    let mut held: Vec<Client> = (0..1000).map(|_| gateway.connect()).collect();
    gateway.expect_metric("listener_connections{listener=\"web\"}", 1000.0);
    let before = gateway.rss_kib();
    held.extend((0..4000).map(|_| gateway.connect()));
    gateway.expect_metric("listener_connections{listener=\"web\"}", 5000.0);
    let each = (gateway.rss_kib().saturating_sub(before)) * 1024 / 4000;
    assert!(each < 1024, "{each} bytes per idle connection");
}

#[test]
fn response_heads_are_bounded_too() {
    for head in [
        format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nOK", "y".repeat(100_000)),
        format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nOK", "X: y\r\n".repeat(500)),
        format!("HTTP/1.1 200 {}\r\n\r\n", "y".repeat(10_000_000)),
    ] {
        let origin = Origin::raw(head.as_bytes(), Then::KeepOpen);
        let gateway = Gateway::before(&origin, "");
        assert_eq!(gateway.get("/").status, 502);
        gateway.expect_failure("bad_response");
    }
    let fine = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nOK", "X: y\r\n".repeat(80));
    let origin = Origin::raw(fine.as_bytes(), Then::KeepOpen);
    let gateway = Gateway::before(&origin, "");
    assert_eq!(gateway.get("/").headers.all("x").len(), 80);
}
