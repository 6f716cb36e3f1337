//! How connections end: nothing that was sent is lost, what is cut looks cut, and every count comes down again.

use std::time::{Duration, Instant};

use crate::harness::*;

#[test]
fn a_response_cut_short_does_not_look_whole_to_a_client_of_http_1_0() {
    let origin = Origin::raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Then::Fin);
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.send("GET /cut HTTP/1.0\r\nHost: h\r\n\r\n");
    match client.try_response("GET", PATIENCE) {
        Err(Trouble::Reset(_)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(gateway.logged("/cut")["reason"], "upstream_reset");
}

#[test]
fn a_response_cut_short_brings_what_there_was_to_a_client_that_can_tell() {
    for head in ["Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "Content-Length: 9\r\n\r\nhello"] {
        let origin = Origin::raw(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes(), Then::Fin);
        let gateway = Gateway::before(&origin, "");
        let mut client = gateway.connect();
        client.send("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
        match client.try_response("GET", PATIENCE) {
            Err(Trouble::Closed(Some(response))) => assert_eq!(response.text(), "hello"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_last_response_arrives_whatever_was_sent_behind_its_request() {
    let origin = Origin::named("last");
    let gateway = Gateway::before(&origin, &listener("keepalive: { requests: 1 }"));
    for behind in [1, 1000, 20_000] {
        let mut client = gateway.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        client.try_send("GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(behind)).ok();
        // the response may come after the rest was sent, or before; neither may cost it
        std::thread::sleep(Duration::from_millis(50));
        let response = client.response();
        assert!(response.says_close() && response.text() == "last");
        match client.try_response("GET", PATIENCE) {
            Err(Trouble::Closed(None)) => {}
            other => panic!("after {behind} more requests: {other:?}"),
        }
    }
}

#[test]
fn the_body_of_a_refused_request_is_not_waited_for_for_long_and_counts_nowhere() {
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\n\
         routes: [{{ match: {{ path: /* }}, upstream: app }}, {{ match: {{ path: /no }}, respond: {{ status: 403 }} }}]\n",
        Origin::refusing()
    ));
    side_by_side(2, vec!["/no", "/down"], |path| {
        let mut client = gateway.connect();
        client.send(format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n"));
        assert!(matches!(client.response().status, 403 | 502));
        gateway.expect_metric("upstream_in_flight", 0.0);
        let start = Instant::now();
        while client.rest(Duration::from_millis(500)).is_none() {
            client.try_send("x").ok();
            assert!(start.elapsed() < Duration::from_secs(40), "a byte now and then keeps the connection");
        }
    });
}

#[test]
fn a_refusal_instead_of_the_100_ends_the_connection_since_the_body_may_never_come() {
    let gateway = Gateway::before_all(&[Origin::refusing()], "");
    let mut client = gateway.connect();
    let response = client.ask("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
    assert!(response.status == 502 && response.says_close(), "{response:?}");
    client.expect_closed(PATIENCE);
    let mut client = gateway.connect();
    let response = client.ask("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    assert!(response.status == 502 && !response.says_close(), "{response:?}");
}

#[test]
fn an_ended_tunnel_is_no_longer_an_active_connection() {
    let origin = Origin::scripted(|peer| {
        peer.request();
        peer.tunnel();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        peer.until_end();
    });
    let gateway = Gateway::before(&origin, "");
    let active = "upstream_connections{upstream=\"app\",state=\"active\"}";
    let mut client = gateway.connect();
    client.send(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\n\r\n",
    );
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    gateway.expect_metric(active, 1.0);
    drop(client);
    gateway.expect_metric(active, 0.0);
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn a_panic_in_one_request_is_its_own_500_and_nobody_elses() {
    if std::env::var_os("WHARF_BIN").is_some() {
        // perhaps a release build: those cannot be made to panic
        return;
    }
    let origin = Origin::answering(|request| ok(&request.target));
    let gateway = Gateway::start_under(
        "export WHARF_PANIC_PATH=/boom; exec",
        &format!(
            "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ match: {{ path: /* }}, upstream: app }}]\n",
            origin.address()
        ),
    );
    let mut other = gateway.connect();
    assert_eq!(other.get("/before").text(), "/before");
    let mut unlucky = gateway.connect();
    assert_eq!(unlucky.get("/fine").text(), "/fine");
    let response =
        unlucky.ask("POST /boom HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(response.status, 500);
    assert!(response.text().contains("\"error\":\"internal\"") && response.says_close(), "{response:?}");
    unlucky.expect_closed(PATIENCE);
    assert_eq!(other.get("/after").text(), "/after");
    gateway.expect_counts(&[("panics_total", 1.0), ("http_failures_total{reason=\"internal\"}", 1.0)]);
    gateway.expect_metric("upstream_in_flight", 0.0);
    gateway.expect_metric("http_requests_in_flight", 0.0);
    gateway.expect_metric("upstream_connections{upstream=\"app\",state=\"active\"}", 0.0);
    assert_eq!(gateway.logged("/boom")["reason"], "internal");
    gateway.expect_said("WHARF_PANIC_PATH");
}
