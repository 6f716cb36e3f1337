//! Requests that fail count against their endpoint: `max_fails` and `fail_timeout`, as in nginx.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::*;

const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";

/// An origin that resets the connection of requests to `/fail` and of every request while it is told to.
fn moody(fails: &Arc<AtomicBool>) -> Origin {
    let fails = Arc::clone(fails);
    Origin::with_ownership(move |mut peer| {
        while let Some(request) = peer.request() {
            if request.target == "/fail" || fails.load(Ordering::Acquire) {
                return peer.reset();
            }
            if !peer.send(ok("moody")) {
                return;
            }
        }
    })
}

/// A pool that asks `first` as long as it is up, and `sound` else.
fn preferring(first: SocketAddr, sound: &Origin, keys: &str) -> String {
    pool([first.to_string(), member(sound, "backup: true")], keys)
}

fn series(name: &str, endpoint: SocketAddr) -> String {
    format!("{name}{{upstream=\"app\",endpoint=\"{endpoint}\"}}")
}

#[test]
fn whatever_way_an_endpoint_fails_it_is_left_alone_after_max_fails() {
    let never_accepts = full_listener();
    let kinds: [(&str, Option<Origin>); 6] = [
        ("connect_refused", None),
        ("connect_timeout", None),
        ("upstream_reset", Some(Origin::resetting())),
        ("upstream_reset", Some(Origin::raw(b"HTTP/1.1 200 OK\r\nContent-", Then::Fin))),
        ("upstream_timeout", Some(Origin::stalling())),
        ("bad_response", Some(Origin::raw(b"nonsense\r\n\r\n", Then::KeepOpen))),
    ];
    let sound = Origin::named("sound");
    side_by_side(6, kinds.iter().collect(), |(word, bad)| {
        let address = match (word, bad) {
            (_, Some(origin)) => origin.address(),
            (&"connect_timeout", None) => never_accepts.0,
            _ => Origin::refusing(),
        };
        let gateway = Gateway::start(&format!(
            "threads: 2\ndefaults: {{ timeouts: {{ connect: 2s, read: 2s }} }}\n{}",
            preferring(address, &sound, "passive: { max_fails: 2, fail_timeout: 1m }")
        ));
        for n in 0..8 {
            // nobody notices, since the request goes on to the other endpoint
            assert_eq!(gateway.get(&format!("/{n}")).text(), "sound", "{word}");
            let tries = gateway.logged(&format!("/{n}"))["attempts"].clone();
            assert_eq!(tries, if n < 2 { 2 } else { 1 }, "{word}: request {n}");
            let up = if n < 1 { 1.0 } else { 0.0 };
            assert_eq!(gateway.counted(&series("upstream_endpoint_up", address)), up, "{word}: request {n}");
        }
        assert_eq!(gateway.counted(&series("upstream_ejections_total", address)), 1.0, "{word}");
        let retries = format!("upstream_retries_total{{upstream=\"app\",reason=\"{word}\"}}");
        assert_eq!(gateway.counted(&retries), 2.0, "{word}");
        let said = format!("endpoint {address} of app is ejected for 60s: 2 requests failed, the last one with {word}");
        gateway.expect_said(&said);
        if let Some(bad) = bad {
            assert_eq!(bad.connections(), 2, "{word}");
        }
    });
}

/// A listener whose queue is full: the kernel drops further attempts.
fn full_listener() -> (SocketAddr, std::net::TcpListener, Vec<std::net::TcpStream>) {
    let listener = std::net::TcpListener::bind((own_address(), 21000)).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let full = std::iter::from_fn(connect).take(100).collect();
    (address, listener, full)
}

#[test]
fn after_fail_timeout_one_request_tries_and_its_success_brings_the_endpoint_back() {
    let fails = Arc::new(AtomicBool::new(true));
    let (bad, sound) = (moody(&fails), Origin::named("sound"));
    let gateway = Gateway::start(&format!(
        "threads: 2\n{}",
        preferring(bad.address(), &sound, "passive: { max_fails: 1, fail_timeout: 2s }")
    ));
    let all = |count: usize| {
        side_by_side(8, (0..count).collect(), |_| assert_eq!(gateway.get("/").status, 200));
    };
    assert_eq!(gateway.get("/").text(), "sound");
    for tries in 2..4 {
        // many at once ask, again and again: a single one of them tries, once its time has come
        eventually(PATIENCE, || {
            all(8);
            (bad.connections() == tries).then_some(())
        });
        all(16);
        assert_eq!(bad.connections(), tries, "the time has not come again");
    }
    assert_eq!(gateway.counted(&series("upstream_ejections_total", bad.address())), 1.0);
    fails.store(false, Ordering::Release);
    eventually(PATIENCE, || (gateway.get("/").text() == "moody").then_some(()));
    gateway.expect_said(&format!("endpoint {} of app answers again", bad.address()));
    assert_eq!(gateway.counted(&series("upstream_endpoint_up", bad.address())), 1.0);
    for _ in 0..8 {
        assert_eq!(gateway.get("/").text(), "moody");
    }
}

#[test]
fn a_success_between_two_failures_does_not_clear_the_first() {
    let fails = Arc::<AtomicBool>::default();
    let (bad, sound) = (moody(&fails), Origin::named("sound"));
    let gateway = Gateway::start(&preferring(bad.address(), &sound, "passive: { max_fails: 2, fail_timeout: 1m }"));
    for target in ["/fail", "/", "/", "/fail"] {
        assert_eq!(gateway.get(target).text(), if target == "/" { "moody" } else { "sound" });
    }
    assert_eq!(gateway.get("/").text(), "sound");
}

#[test]
fn a_failure_is_forgotten_once_a_request_succeeds_after_fail_timeout() {
    let fails = Arc::<AtomicBool>::default();
    let (bad, sound) = (moody(&fails), Origin::named("sound"));
    let gateway = Gateway::start(&preferring(bad.address(), &sound, "passive: { max_fails: 2, fail_timeout: 300ms }"));
    for _ in 0..3 {
        assert_eq!(gateway.get("/fail").text(), "sound");
        std::thread::sleep(Duration::from_millis(350));
        assert_eq!(gateway.get("/").text(), "moody");
    }
    assert_eq!(gateway.counted("upstream_ejections_total"), 0.0);
}

#[test]
fn a_status_is_a_failure_only_where_retry_on_names_it_and_403_and_404_never_are() {
    let origin = |status: u16| Origin::answering(move |_| with_head(&format!("HTTP/1.1 {status} Status"), "bad"));
    let sound = Origin::named("sound");
    for (status, retry_on, counts) in [
        (503, "[error, timeout]", false),
        (503, "[error, 500, 503]", true),
        (429, "[429]", true),
        (404, "[error, 404]", false),
        (403, "[error, 403]", false),
    ] {
        let bad = origin(status);
        let gateway = Gateway::start(&format!(
            "defaults: {{ retries: {{ retry_on: {retry_on} }} }}\n{}",
            preferring(bad.address(), &sound, "passive: { max_fails: 2, fail_timeout: 1m }")
        ));
        // a POST is not sent again, but its answer says as much about the endpoint
        for _ in 0..2 {
            assert_eq!(gateway.ask(POST).status, status);
        }
        assert_eq!(gateway.ask(POST).status, if counts { 200 } else { status }, "{status} and {retry_on}");
        let up = gateway.counted(&series("upstream_endpoint_up", bad.address()));
        assert_eq!(up, f64::from(u8::from(!counts)), "{status} and {retry_on}");
    }
}

#[test]
fn with_all_endpoints_left_alone_the_answer_is_503_at_once_until_the_first_is_tried() {
    let fails = Arc::new(AtomicBool::new(true));
    let origins = [moody(&fails), moody(&fails)];
    let gateway = Gateway::start(&format!(
        "threads: 2\n{}",
        pool(origins.each_ref().map(Origin::address), "passive: { max_fails: 1, fail_timeout: 1s }")
    ));
    assert_eq!(gateway.get("/").status, 502);
    let left_alone = gateway.get("/none");
    assert_eq!((left_alone.status, left_alone.header("retry-after")), (503, Some("1")));
    assert_eq!(gateway.logged("/none")["reason"], "no_endpoint");
    assert_eq!(origins[0].connections() + origins[1].connections(), 2);
    fails.store(false, Ordering::Release);
    eventually(PATIENCE, || (gateway.get("/").status == 200).then_some(()));
}

#[test]
fn max_fails_0_leaves_nobody_alone() {
    let (dead, sound) = (Origin::refusing(), Origin::named("sound"));
    let gateway = Gateway::start(&preferring(dead, &sound, "passive: { max_fails: 0 }"));
    for n in 0..6 {
        assert_eq!(gateway.get(&format!("/{n}")).text(), "sound");
        assert_eq!(gateway.logged(&format!("/{n}"))["attempts"], 2);
    }
    assert_eq!(gateway.counted(&series("upstream_endpoint_up", dead)), 1.0);
}

#[test]
fn a_reload_keeps_what_is_known_and_new_terms_hold_at_once() {
    let (bad, sound) = (Origin::resetting(), Origin::named("sound"));
    let with = |passive: &str| preferring(bad.address(), &sound, &format!("passive: {{ {passive} }}"));
    let gateway = Gateway::start(&with("fail_timeout: 1m"));
    gateway.get("/");
    assert_eq!(gateway.counted(&series("upstream_endpoint_up", bad.address())), 0.0);
    gateway.reload(&with("fail_timeout: 2m"));
    assert_eq!(gateway.counted(&series("upstream_endpoint_up", bad.address())), 0.0);
    assert_eq!(gateway.counted(&series("upstream_ejections_total", bad.address())), 1.0);
    assert_eq!(gateway.get("/").text(), "sound");
    assert_eq!(bad.connections(), 1);
    gateway.reload(&with("max_fails: 0"));
    assert_eq!(gateway.counted(&series("upstream_endpoint_up", bad.address())), 1.0);
    assert_eq!(gateway.get("/").text(), "sound");
    assert_eq!(bad.connections(), 2);
}

#[test]
fn an_endpoint_that_lets_the_whole_exchange_run_out_of_time_has_failed() {
    let (silent, sound) = (Origin::stalling(), Origin::named("sound"));
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\", {}], passive: {{ fail_timeout: 1m }} }} }}\n\
         routes:\n  - {{ match: {{ path: /late }}, upstream: app, timeouts: {{ request: 300ms }} }}\n\
         \x20 - {{ match: {{ path: /* }}, upstream: app }}\n",
        silent.address(),
        member(&sound, "backup: true")
    ));
    assert_eq!(gateway.get("/late").status, 504);
    assert_eq!(gateway.logged("/late")["reason"], "request_timeout");
    assert_eq!(gateway.get("/").text(), "sound");
    gateway.expect_said("is ejected for 60s: 1 request failed, the last one with request_timeout");
}

#[test]
fn a_client_that_is_too_slow_or_leaves_is_no_failure_of_the_endpoint() {
    let (reading, sound) = (Origin::stalling(), Origin::named("sound"));
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\", {}], passive: {{ fail_timeout: 1m }} }} }}\n\
         routes:\n  - {{ match: {{ path: /slow }}, upstream: app, timeouts: {{ request: 300ms }} }}\n\
         \x20 - {{ match: {{ path: /* }}, upstream: app }}\n",
        reading.address(),
        member(&sound, "backup: true")
    ));
    let mut client = gateway.connect();
    client.send("PUT /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(client.response_to("PUT").status, 504);
    drop(client);
    assert_eq!(gateway.logged("/slow")["reason"], "request_timeout");
    let mut gone = gateway.connect();
    gone.send("GET /gone HTTP/1.1\r\nHost: h\r\n\r\n");
    gateway.expect_metric("http_requests_in_flight", 1.0);
    drop(gone);
    assert_eq!(gateway.logged("/gone")["reason"], "client_closed");
    assert_eq!(gateway.counted(&series("upstream_endpoint_up", reading.address())), 1.0);
}

#[test]
fn an_endpoint_that_is_back_starts_slowly_where_that_is_written() {
    let fails = Arc::new(AtomicBool::new(true));
    let (back, sound) = (moody(&fails), Origin::named("sound"));
    let gateway = Gateway::start(&pool(
        [back.address(), sound.address()],
        "balance: round_robin, slow_start: 10m, passive: { fail_timeout: 200ms }",
    ));
    while gateway.metric("upstream_ejections_total") == 0.0 {
        gateway.get("/");
    }
    fails.store(false, Ordering::Release);
    eventually(PATIENCE, || (gateway.get("/").text() == "moody").then_some(()));
    let slowly = (0..30).filter(|_| gateway.get("/").text() == "moody").count();
    assert!(slowly <= 1, "{slowly} of 30 requests within the first seconds of ten minutes");
}
