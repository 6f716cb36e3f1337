//! Clients that leave, dawdle or never speak: they cost little, for a short time, and nobody else anything.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::*;

/// `header_timeout` and what else these tests shorten; the gateway's clock is coarse, hence some slack.
fn quick() -> String {
    listener(
        "limits: { header_timeout: 1s, body_timeout: 1s, body_min_rate: 500/s, send_timeout: 1s }, keepalive: { timeout: 1s }",
    )
}

/// Feeds a connection one piece every 100 ms until the gateway ends it: how long after `start`, and what it said.
#[track_caller]
fn drip(client: &mut Client, start: Instant, pieces: impl Iterator<Item = Vec<u8>>) -> (Duration, Vec<u8>) {
    for piece in pieces {
        client.try_send(piece).ok();
        if let Some(rest) = client.rest(Duration::from_millis(100)) {
            return (start.elapsed(), rest);
        }
        assert!(start.elapsed() < 2 * PATIENCE, "never cut");
    }
    let rest = client.rest(PATIENCE).expect("is cut at last");
    (start.elapsed(), rest)
}

#[track_caller]
fn assert_cut(cut: &(Duration, Vec<u8>), from: f64, to: f64) {
    let seconds = cut.0.as_secs_f64();
    assert!(seconds >= from && seconds <= to, "cut after {seconds} s, not {from} to {to}");
}

/// After a second, or several on a busy machine; those whom nobody cuts drip for longer.
#[track_caller]
fn assert_cut_soon(cut: &(Duration, Vec<u8>)) {
    assert_cut(cut, 0.7, 8.0);
}

fn bytewise(text: &str) -> impl Iterator<Item = Vec<u8>> {
    text.as_bytes().to_vec().into_iter().map(|b| vec![b])
}

const LONG_HEAD: &str = "GET / HTTP/1.1\r\nHost: h\r\nX-Long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

#[test]
fn a_client_that_goes_away_releases_the_upstream_at_once() {
    let origin = Origin::stalling();
    let gateway = Gateway::before(&origin, "");
    for abrupt in [false, true] {
        let before = origin.ended();
        let mut client = gateway.connect();
        client.send("GET /gone HTTP/1.1\r\nHost: h\r\n\r\n");
        gateway.expect_metric("upstream_in_flight{upstream=\"app\"}", 1.0);
        if abrupt {
            client.reset()
        } else {
            drop(client)
        }
        // of itself it would wait for a minute
        eventually(PATIENCE, || (origin.ended() > before).then_some(()));
        gateway.expect_metric("upstream_in_flight", 0.0);
        gateway.expect_metric("http_requests_in_flight", 0.0);
    }
    gateway.expect_failure("client_closed");
    assert_eq!(gateway.logged("/gone")["status"], 499);
}

#[test]
fn a_client_that_goes_away_amid_a_download_releases_the_upstream() {
    let origin = Origin::scripted(|peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while peer.send("4\r\nmore\r\n") {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    });
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head();
    client.reset();
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn a_client_that_is_gone_is_noticed_although_nothing_is_read_from_it() {
    let upload = || {
        let head = b"POST /gone HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n";
        [&head[..], &[b'x'; 32 << 20]].concat()
    };
    let ahead = || b"GET /gone HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
    for sent in [upload(), ahead()] {
        // takes the head and then neither reads nor answers
        let origin = Origin::scripted(|peer| {
            peer.head();
            std::thread::sleep(2 * PATIENCE);
        });
        let gateway = Gateway::before(&origin, "defaults: { request: { max_body: unlimited } }\n");
        let mut client = gateway.connect();
        client.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let _ = std::io::Write::write_all(&mut client.stream, &sent);
        gateway.expect_metric("upstream_in_flight{upstream=\"app\"}", 1.0);
        client.reset();
        gateway.expect_metric("upstream_in_flight", 0.0);
        gateway.expect_failure("client_closed");
    }
}

#[test]
fn a_dribbled_head_is_cut_on_the_first_request() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &quick());
    let start = Instant::now();
    let cut = drip(&mut gateway.connect(), start, bytewise(LONG_HEAD));
    assert_cut_soon(&cut);
    let answer = String::from_utf8_lossy(&cut.1).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_dribbled_head_is_cut_on_the_second_request() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &quick());
    let mut client = gateway.connect();
    let start = Instant::now();
    assert_eq!(client.get("/").status, 200);
    let cut = drip(&mut client, start, bytewise(LONG_HEAD));
    assert_cut_soon(&cut);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn whole_header_lines_and_empty_lines_are_cut_as_well() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &quick());
    let lines = std::iter::once(b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec())
        .chain((0..100).map(|n| format!("X-{n}: y\r\n").into_bytes()));
    let start = Instant::now();
    assert_cut_soon(&drip(&mut gateway.connect(), start, lines));
    let start = Instant::now();
    assert_cut_soon(&drip(&mut gateway.connect(), start, (0..100).map(|_| b"\r\n".to_vec())));
}

#[test]
fn an_empty_line_behind_a_request_is_never_answered() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &quick());
    let mut client = gateway.connect();
    assert_eq!(client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi\r\n").status, 200);
    // a client that took a 408 for the answer to its next request would be wrong from there on
    client.expect_closed(PATIENCE);
    assert_eq!(gateway.counted("http_failures_total"), 0.0);
}

#[test]
fn a_client_that_never_speaks_is_cut() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &quick());
    let start = Instant::now();
    gateway.connect().expect_closed(PATIENCE);
    assert_cut_soon(&(start.elapsed(), Vec::new()));
}

#[test]
fn an_idle_kept_connection_is_closed_after_its_timeout() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &listener("keepalive: { timeout: 3s }"));
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 200);
        std::thread::sleep(Duration::from_millis(1200));
    }
    let start = Instant::now();
    assert_eq!(client.get("/").status, 200);
    client.expect_closed(PATIENCE);
    assert_cut(&(start.elapsed(), Vec::new()), 2.7, 12.0);
}

#[test]
fn a_kept_connection_is_told_when_its_last_request_has_come() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &listener("keepalive: { requests: 3 }"));
    let mut client = gateway.connect();
    assert!(!client.get("/").says_close());
    assert!(!client.get("/").says_close());
    assert!(client.get("/").says_close());
    client.expect_closed(PATIENCE);
}

#[test]
fn a_body_below_the_least_rate_is_cut() {
    cut_for_its_rate("Content-Length: 100000\r\n\r\n", b"x");
}

#[test]
fn a_chunked_body_below_the_least_rate_is_cut() {
    cut_for_its_rate("Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n");
}

#[track_caller]
fn cut_for_its_rate(framing: &str, piece: &[u8]) {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &listener("limits: { body_timeout: 9s, body_min_rate: 500/s }"));
    let start = Instant::now();
    let mut client = gateway.connect();
    client.send(format!("POST /slow HTTP/1.1\r\nHost: h\r\n{framing}"));
    let cut = drip(&mut client, start, (0..400).map(|_| piece.to_vec()));
    assert_cut(&cut, 5.0, 35.0);
    assert_eq!(origin.requests(), []);
    gateway.expect_failure("client_timeout");
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn a_body_that_never_comes_is_cut() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &quick());
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    if let Ok(response) = client.try_response("POST", PATIENCE) {
        assert_eq!(response.status, 408);
    }
    assert!(client.rest(PATIENCE).is_some());
    gateway.expect_failure("client_timeout");
}

#[test]
fn a_client_that_reads_nothing_is_cut_after_the_send_timeout() {
    let origin = Origin::scripted(|peer| {
        if peer.request().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            let part = vec![b'y'; 64 * 1024];
            while peer.send(&part) {}
        }
    });
    let gateway = Gateway::before(&origin, &quick());
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    gateway.expect_metric("http_requests_in_flight", 1.0);
    gateway.expect_metric("http_requests_in_flight", 0.0);
    gateway.expect_failure("client_timeout");
    drop(client);
}

#[test]
fn a_thousand_dribblers_leave_others_served_and_memory_bounded() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, &quick());
    let before = gateway.rss_kib();
    let mut dribblers: Vec<TcpStream> = (0..1000)
        .map(|_| TcpStream::connect(gateway.address()).unwrap())
        .inspect(|stream| stream.set_nonblocking(true).unwrap())
        .collect();
    let start = Instant::now();
    let mut served = 0;
    let head = LONG_HEAD.as_bytes();
    for byte in head.iter().take(30) {
        for dribbler in &mut dribblers {
            std::io::Write::write(dribbler, &[*byte]).ok();
        }
        assert_eq!(gateway.get("/").status, 200);
        served += 1;
        if start.elapsed() > Duration::from_millis(800) {
            break;
        }
    }
    assert!(served > 0);
    assert!(gateway.rss_kib() < before + 16 * 1024, "{before} KiB grew to {} KiB", gateway.rss_kib());
    gateway.expect_metric("listener_connections{listener=\"web\"}", 0.0);
    assert_eq!(gateway.get("/").status, 200);
}
