//! `Upgrade`: after the 101 bytes pass both ways, and without one nothing but requests does.

use std::time::Duration;

use crate::harness::*;

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Switches protocols and sends back what it gets.
fn echoing() -> Origin {
    Origin::scripted(|peer| {
        if peer.request().is_some() {
            peer.echo(SWITCH);
        }
    })
}

#[track_caller]
fn upgraded(gateway: &Gateway) -> Client {
    let mut client = gateway.connect();
    client.send(UPGRADE);
    let head = client.head().to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("\r\nupgrade: websocket\r\n") && head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-accept: "), "{head}");
    client
}

#[test]
fn bytes_pass_both_ways_after_the_101() {
    let origin = echoing();
    let gateway = Gateway::before(&origin, "");
    let mut client = upgraded(&gateway);
    for message in [&b"\x81\x85mask!hello"[..], b"GET /not-a-request HTTP/1.1\r\n\r\n", &[0; 100_000]] {
        client.send(message);
        assert_eq!(client.bytes(message.len()), message);
    }
    let request = origin.request();
    assert!(request.headers.lists("connection", "upgrade"));
    assert_eq!(request.header("upgrade"), Some("websocket"));
    assert_eq!(request.header("sec-websocket-version"), Some("13"));
    gateway.expect_metric("upstream_in_flight{upstream=\"app\"}", 1.0);
    drop(client);
    gateway.expect_metric("upstream_in_flight{upstream=\"app\"}", 0.0);
    assert_eq!(gateway.logged("/ws")["status"], 101);
}

#[test]
fn the_client_may_end_its_half_first() {
    let origin = Origin::scripted(|peer| {
        peer.request();
        peer.tunnel();
        peer.send(SWITCH);
        let mut all = Vec::new();
        loop {
            let bytes = peer.bytes();
            if bytes.is_empty() {
                break;
            }
            all.extend(bytes);
        }
        peer.send(format!("got {}", String::from_utf8_lossy(&all)));
    });
    let gateway = Gateway::before(&origin, "");
    let mut client = upgraded(&gateway);
    client.send("last words");
    client.half_close();
    assert_eq!(client.rest(PATIENCE).as_deref(), Some(&b"got last words"[..]));
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn the_origin_may_end_its_half_first() {
    let origin = Origin::scripted(|peer| {
        peer.request();
        peer.tunnel();
        peer.send(SWITCH);
        peer.send("bye");
        peer.half_close();
        while !peer.bytes().is_empty() {}
    });
    let gateway = Gateway::before(&origin, "");
    let mut client = upgraded(&gateway);
    assert_eq!(client.rest(PATIENCE).as_deref(), Some(&b"bye"[..]));
    client.send("still talking");
    eventually(PATIENCE, || origin.received()[0].ends_with(b"still talking").then_some(()));
    client.half_close();
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn bytes_sent_right_behind_the_handshake_are_not_lost() {
    let origin = echoing();
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.send(format!("{UPGRADE}early bird"));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.bytes(10), b"early bird");
}

#[test]
fn bytes_the_origin_sends_right_behind_its_101_are_not_lost() {
    let origin = Origin::scripted(|peer| {
        peer.request();
        peer.tunnel();
        peer.send(format!("{SWITCH}hello at once"));
        peer.until_end();
    });
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.send(UPGRADE);
    client.head();
    assert_eq!(client.bytes(13), b"hello at once");
}

#[test]
fn of_thousands_of_handshakes_answered_before_their_request_was_read_none_is_torn_down() {
    let origin = Origin::scripted(|peer| {
        // Answers as soon as the connection is there, before a byte of the request was read.
        peer.tunnel();
        peer.send(SWITCH);
        let mut seen = Vec::new();
        while !seen.ends_with(b"ping") {
            let bytes = peer.bytes();
            if bytes.is_empty() {
                return;
            }
            seen.extend(bytes);
        }
        peer.send("pong");
    });
    let gateway = Gateway::before(&origin, "");
    let each = if cfg!(debug_assertions) { 40 } else { 160 };
    let rounds: Vec<usize> = vec![each; 64];
    let failures: usize = side_by_side(64, rounds, |count| {
        (0..count)
            .filter(|_| {
                let mut client = gateway.connect();
                client.send(UPGRADE);
                let head = client.head();
                client.send("ping");
                let pong = client.rest(PATIENCE);
                !head.starts_with("HTTP/1.1 101 ") || pong.as_deref() != Some(b"pong")
            })
            .count()
    })
    .into_iter()
    .sum();
    assert_eq!(failures, 0, "of {}", 64 * each);
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn an_upgrade_answered_200_leaves_requests_behind_it_requests() {
    let origin = Origin::answering(|request| ok(&request.target));
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\n\
         routes:\n\
         \x20 - {{ match: {{ path: /admin/* }}, respond: {{ status: 403, body: denied }} }}\n\
         \x20 - {{ match: {{ path: /* }}, upstream: app }}\n",
        origin.address()
    ));
    let mut client = gateway.connect();
    client.send(format!("{UPGRADE}GET /admin HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_eq!(client.response().text(), "/ws");
    assert_eq!(client.response().status, 403);
    assert_eq!(client.response().text(), "/next");
    let targets: Vec<String> = origin.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets, ["/ws", "/next"]);
}

#[test]
fn an_upgrade_with_a_body_is_never_tunnelled() {
    let origin = Origin::scripted(|peer| {
        // An origin that would gladly switch.
        while let Some(request) = peer.request() {
            let switch = request.headers.lists("connection", "upgrade");
            peer.send(if switch { SWITCH.into() } else { ok("plain") });
        }
    });
    let gateway = Gateway::before(&origin, "");
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let head = UPGRADE.trim_end().replace("GET /ws", "POST /ws");
        let mut client = gateway.connect();
        client.send(format!("{head}\r\n{body}GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"));
        let first = client.try_response("POST", PATIENCE);
        assert!(!matches!(&first, Ok(r) if r.status == 101), "{first:?}");
    }
    for request in origin.requests() {
        assert_eq!(request.header("upgrade"), None);
    }
}

#[test]
fn an_unsolicited_101_is_502() {
    let origin = Origin::raw(SWITCH.as_bytes(), Then::KeepOpen);
    let gateway = Gateway::before(&origin, "");
    assert_eq!(gateway.get("/").status, 502);
    gateway.expect_failure("bad_response");
}

#[test]
fn a_101_to_another_protocol_than_asked_for_is_502() {
    let origin = Origin::raw(SWITCH.replace("websocket", "h2c").as_bytes(), Then::KeepOpen);
    let gateway = Gateway::before(&origin, "");
    assert_eq!(gateway.ask(UPGRADE).status, 502);
}

#[test]
fn a_route_without_upgrades_forwards_a_plain_request() {
    let origin = Origin::answering(|request| ok(request.header("upgrade").unwrap_or("none")));
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\n\
         routes: [{{ match: {{ path: /* }}, upstream: app, upgrade: [] }}]\n",
        origin.address()
    ));
    let mut client = gateway.connect();
    let response = client.ask(UPGRADE);
    assert!(response.status != 101 && (response.status != 200 || response.text() == "none"), "{response:?}");
    for request in origin.requests() {
        assert!(!request.headers.lists("connection", "upgrade"), "{request:?}");
    }
}

#[test]
fn protocols_other_than_the_routes_are_not_offered() {
    let origin = Origin::answering(|request| ok(request.header("upgrade").unwrap_or("none")));
    let gateway = Gateway::before(&origin, "");
    for upgrade in ["h2c", "TLS/1.0", "h2c, x", "totally-made-up/1.0"] {
        let response =
            gateway.ask(format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n"));
        assert_eq!(response.text(), "none", "{upgrade}");
    }
    // Without `Connection: upgrade`, or from HTTP/1.0, nobody asked.
    let lines = "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(gateway.ask(format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}")).text(), "none");
    let old = gateway.ask(format!("GET / HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\n{lines}"));
    assert_eq!(old.text(), "none");
}

#[test]
fn an_idle_tunnel_ends_after_the_read_timeout_and_a_busy_one_does_not() {
    let origin = echoing();
    let gateway = Gateway::before(&origin, "defaults: { timeouts: { read: 2s } }\n");
    let mut client = upgraded(&gateway);
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(500));
        client.send("x");
        assert_eq!(client.bytes(1), b"x");
    }
    client.expect_closed(PATIENCE);
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn a_tunnel_does_not_outgrow_its_reader() {
    let origin = Origin::scripted(|peer| {
        peer.request();
        peer.tunnel();
        peer.send(SWITCH);
        let part = vec![b'z'; 64 * 1024];
        while peer.send(&part) {}
    });
    let gateway = Gateway::before(&origin, "");
    let before = gateway.rss_kib();
    let client = upgraded(&gateway);
    std::thread::sleep(Duration::from_millis(500));
    assert!(gateway.rss_kib() < before + 8 * 1024);
    drop(client);
    gateway.expect_metric("upstream_in_flight", 0.0);
}
