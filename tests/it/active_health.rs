//! Checks that the gateway makes by itself: who fails them gets no requests.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::*;

/// An origin whose checks at `/health` are answered with a status that the test sets, and whose other requests are answered with `name`.
fn checked(name: &'static str, status: &Status) -> Origin {
    let status = status.clone();
    Origin::scripted(move |peer| {
        while let Some(request) = peer.request() {
            let answer = match (request.target.as_str(), status.get()) {
                ("/health", 0) => return peer.until_end(),
                ("/health", status) => with_head(&format!("HTTP/1.1 {status} Status"), ""),
                _ => ok(name),
            };
            if !peer.send(answer) {
                return;
            }
        }
    })
}

/// The status with which checks are answered; 0 for none.
#[derive(Clone, Default)]
struct Status(Arc<Mutex<u16>>);

impl Status {
    fn of(status: u16) -> Status {
        Status(Arc::new(Mutex::new(status)))
    }

    fn set(&self, status: u16) {
        *self.0.lock().unwrap() = status;
    }

    fn get(&self) -> u16 {
        *self.0.lock().unwrap()
    }
}

fn series(name: &str, endpoint: SocketAddr) -> String {
    format!("{name}{{upstream=\"app\",endpoint=\"{endpoint}\"}}")
}

fn checks(gateway: &Gateway, endpoint: SocketAddr, result: &str) -> f64 {
    let labels = format!("upstream=\"app\",endpoint=\"{endpoint}\",result=\"{result}\"");
    gateway.metric(&format!("upstream_health_checks_total{{{labels}}}"))
}

const ACTIVE: &str = "active: { path: /health, interval: 30ms, timeout: 1s, rise: 2, fall: 3 }";

#[test]
fn an_endpoint_whose_checks_fail_gets_nothing_until_they_pass_again() {
    let status = Status::of(200);
    let (a, b) = (checked("a", &status), checked("b", &Status::of(200)));
    let gateway = Gateway::start(&format!("threads: 2\n{}", pool([a.address(), b.address()], ACTIVE)));
    let up = series("upstream_endpoint_up", a.address());
    assert_eq!((gateway.get("/").text(), gateway.get("/").text()), ("a".into(), "b".into()));
    for sick in [503, 404, 0] {
        status.set(sick);
        gateway.expect_metric(&up, 0.0);
        for _ in 0..8 {
            assert_eq!(gateway.get("/").text(), "b", "{sick}");
        }
        status.set(200);
        gateway.expect_metric(&up, 1.0);
        let answers: Vec<String> = (0..4).map(|_| gateway.get("/").text()).collect();
        assert!(answers.contains(&"a".to_owned()), "{answers:?}");
    }
    let (a, pool) = (a.address(), "of app");
    gateway.expect_said(&format!("endpoint {a} {pool} is down: 3 checks failed, the last one with status 503"));
    gateway.expect_said(&format!(
        "endpoint {a} {pool} is down: 3 checks failed, the last one with no answer within 1000 ms"
    ));
    gateway.expect_said(&format!("endpoint {a} {pool} is up: 2 checks passed"));
    assert!(checks(&gateway, a, "pass") >= 6.0 && checks(&gateway, a, "fail") >= 9.0);
    assert!(!gateway.stderr().contains(&format!("endpoint {} of app is down", b.address())));
}

#[test]
fn rise_and_fall_count_checks_in_a_row() {
    // one letter for each check: it passes or fails; the last one goes on
    for (script, rise, fall, start, downs) in [
        ("ppffpffpffp", 1, 3, "up", 0),
        ("ppffffp", 1, 4, "up", 1),
        ("ffpfpfpf", 2, 1, "down", 0),
        ("fpppp", 3, 1, "down", 0),
        ("ppfpppfppp", 2, 1, "up", 2),
    ] {
        let left = Arc::new(Mutex::new(script.chars().rev().collect::<Vec<char>>()));
        let asked = Arc::clone(&left);
        let origin = Origin::answering(move |request| {
            let mut left = asked.lock().unwrap();
            let now = if left.len() > 1 { left.pop() } else { left.last().copied() };
            match (request.target.as_str(), now) {
                ("/health", Some('f')) => with_head("HTTP/1.1 500 Sick", ""),
                _ => ok("o"),
            }
        });
        let gateway = Gateway::start(&pool(
            [origin.address()],
            &format!("active: {{ path: /health, interval: 20ms, rise: {rise}, fall: {fall}, start: {start} }}"),
        ));
        let checked = || checks(&gateway, origin.address(), "pass") + checks(&gateway, origin.address(), "fail");
        eventually(PATIENCE, || (checked() >= (script.len() + 3) as f64).then_some(()));
        let said = gateway.stderr();
        assert_eq!(said.matches("is down: ").count(), downs, "{script}: {said}");
        let ends_up = script.ends_with('p');
        assert_eq!(gateway.get("/x").status, if ends_up { 200 } else { 503 }, "{script}");
    }
}

#[test]
fn a_check_is_a_get_on_a_connection_of_its_own() {
    let origin = checked("o", &Status::of(200));
    let gateway = Gateway::start(&pool([origin.address()], "active: { path: \"/health?deep=1\", interval: 20ms }"));
    gateway.get("/");
    origin.expect_requests(4);
    let (own, others): (Vec<_>, Vec<_>) = origin.requests().into_iter().partition(|r| r.target.starts_with("/health"));
    assert_eq!(others.len(), 1);
    assert_eq!((own[0].method.as_str(), own[0].target.as_str()), ("GET", "/health?deep=1"));
    let headers: HashMap<String, String> =
        own[0].headers.0.iter().cloned().map(|(n, v)| (n.to_lowercase(), v)).collect();
    assert_eq!(headers["host"], origin.address().to_string());
    assert_eq!(headers["connection"], "close");
    assert!(headers["user-agent"].starts_with("wharf/"), "{headers:?}");
    assert!(origin.connections() >= own.len());
    // checks are no traffic of the pool
    assert_eq!(gateway.counted("upstream_requests_total"), 1.0);
    assert_eq!(gateway.counted("upstream_connections_opened_total"), 1.0);
}

#[test]
fn expect_says_which_statuses_are_well() {
    for (status, expect, well) in [
        (204, "200-399", true),
        (302, "200-399", true),
        (401, "200-399", false),
        (401, "[200, 401]", true),
        (200, "204", false),
    ] {
        let origin = checked("o", &Status::of(status));
        let gateway = Gateway::start(&pool(
            [origin.address()],
            &format!("active: {{ path: /health, expect: {expect}, interval: 20ms, rise: 1, start: down }}"),
        ));
        let result = if well { "pass" } else { "fail" };
        eventually(PATIENCE, || (checks(&gateway, origin.address(), result) >= 2.0).then_some(()));
        gateway.expect_metric(&series("upstream_endpoint_up", origin.address()), f64::from(u8::from(well)));
    }
}

#[test]
fn answers_that_are_no_http_or_never_end_fail_the_check() {
    let head_without_end = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 70_000]].concat();
    for (answer, then, said) in [
        (b"SSH-2.0-OpenSSH_9\r\n".to_vec(), Then::KeepOpen, "its answer is not valid HTTP/1"),
        (b"".to_vec(), Then::Fin, "it closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nX-Half".to_vec(), Then::Fin, "it closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nX-Half".to_vec(), Then::KeepOpen, "no answer within 500 ms"),
        (head_without_end, Then::KeepOpen, "the head of its answer is too long"),
    ] {
        let origin = Origin::raw(&answer, then);
        let gateway = Gateway::start(&pool(
            [origin.address()],
            "active: { path: /health, interval: 20ms, timeout: 500ms, fall: 2 }",
        ));
        gateway.expect_said(&format!("2 checks failed, the last one with {said}"));
        assert_eq!(gateway.get("/").status, 503);
    }
    // what comes before the final status is passed over, and its body is not waited for
    let origin =
        Origin::raw(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Then::KeepOpen);
    let gateway = Gateway::start(&pool([origin.address()], "active: { path: /health, interval: 20ms, start: down }"));
    gateway.expect_metric(&series("upstream_endpoint_up", origin.address()), 1.0);
}

#[test]
fn a_tcp_check_asks_only_whether_somebody_accepts() {
    let address = Origin::refusing();
    let gateway = Gateway::start(&pool([address], "active: { tcp: true, interval: 20ms, fall: 2, rise: 1 }"));
    let up = series("upstream_endpoint_up", address);
    gateway.expect_metric(&up, 0.0);
    gateway.expect_said("is down: 2 checks failed, the last one with Connection refused");
    assert_eq!(gateway.get("/").status, 503);
    let listener = TcpListener::bind(address).unwrap();
    gateway.expect_metric(&up, 1.0);
    drop(listener);
    gateway.expect_metric(&up, 0.0);
}

#[test]
fn with_start_down_an_endpoint_gets_its_first_request_after_rise_checks() {
    let status = Status::of(503);
    let (a, b) = (checked("a", &status), checked("b", &Status::of(200)));
    let active = "active: { path: /health, interval: 30ms, rise: 2, start: down }";
    let gateway = Gateway::start(&pool([a.address()], active));
    let starting = gateway.get("/");
    assert_eq!((starting.status, starting.header("retry-after")), (503, Some("1")));
    status.set(200);
    eventually(PATIENCE, || (gateway.get("/").text() == "a").then_some(()));
    let checks_before = a.requests().into_iter().take_while(|request| request.target == "/health").count();
    assert!(checks_before >= 2, "{checks_before} checks before the first request");
    // one that a reload adds starts down too, and the other is not touched
    gateway.reload(&pool([a.address(), b.address()], active));
    for _ in 0..4 {
        assert!(["a", "b"].contains(&gateway.get("/").text().as_str()));
    }
    gateway.expect_metric(&series("upstream_endpoint_up", b.address()), 1.0);
    let checks_before = b.requests().into_iter().take_while(|request| request.target == "/health").count();
    assert!(checks_before >= 2, "{checks_before} checks before the first request");
}

#[test]
fn a_reload_keeps_what_the_checks_found() {
    let status = Status::of(200);
    let (a, b) = (checked("a", &status), checked("b", &Status::of(200)));
    let endpoints = [a.address(), b.address()];
    let up = series("upstream_endpoint_up", a.address());
    let gateway = Gateway::start(&pool(endpoints, ACTIVE));
    status.set(500);
    gateway.expect_metric(&up, 0.0);
    let failed = checks(&gateway, a.address(), "fail");
    for keys in [ACTIVE.replace("rise: 2", "rise: 5"), format!("{ACTIVE}, balance: random"), ACTIVE.to_owned()] {
        gateway.reload(&pool(endpoints, &keys));
        assert_eq!(gateway.metric(&up), 0.0, "{keys}");
        for _ in 0..4 {
            assert_eq!(gateway.get("/").text(), "b", "{keys}");
        }
    }
    assert!(checks(&gateway, a.address(), "fail") >= failed);
    // nobody says any more that it is down
    gateway.reload(&pool(endpoints, ""));
    gateway.expect_metric(&up, 1.0);
    let count = a.requests().len();
    let (after, _) = (gateway.get("/"), gateway.get("/"));
    assert_eq!(after.status, 200);
    eventually(PATIENCE, || (a.requests().len() > count).then_some(()));
}

#[test]
fn checks_that_pass_do_not_bring_back_an_endpoint_whose_requests_fail() {
    // its health endpoint is fine, and everything else breaks
    let sick = Origin::with_ownership(|mut peer| {
        while let Some(request) = peer.request() {
            if request.target != "/health" {
                return peer.reset();
            }
            if !peer.send(ok("well")) {
                return;
            }
        }
    });
    let sound = checked("sound", &Status::of(200));
    let gateway = Gateway::start(&pool(
        [sick.address(), sound.address()],
        "active: { path: /health, interval: 20ms, rise: 1 }, passive: { max_fails: 1, fail_timeout: 1m }",
    ));
    for _ in 0..4 {
        assert_eq!(gateway.get("/").text(), "sound");
    }
    let passed = checks(&gateway, sick.address(), "pass");
    eventually(PATIENCE, || (checks(&gateway, sick.address(), "pass") > passed + 5.0).then_some(()));
    assert_eq!(gateway.metric(&series("upstream_endpoint_up", sick.address())), 0.0);
    for _ in 0..4 {
        assert_eq!(gateway.get("/").text(), "sound");
    }
    let failed = sick.requests().iter().filter(|request| request.target == "/").count();
    assert_eq!(failed, 1);
}

#[test]
fn a_slow_check_delays_nobody_elses_and_the_next_one_keeps_its_time() {
    let (silent, quick) = (checked("silent", &Status::of(0)), checked("quick", &Status::of(200)));
    let gateway = Gateway::start(&pool(
        [silent.address(), quick.address()],
        "active: { path: /health, interval: 100ms, timeout: 90ms, fall: 10 }",
    ));
    // on a busy machine the quick one may fail a check as well
    let made =
        |origin: &Origin| checks(&gateway, origin.address(), "pass") + checks(&gateway, origin.address(), "fail");
    eventually(PATIENCE, || (made(&quick) >= 12.0).then_some(()));
    // a tenth more or less; a check's own time is no part of the interval
    let (failed, of_quick) = (made(&silent), made(&quick));
    assert!(
        failed >= 8.0 && failed <= of_quick + 4.0,
        "{failed} of the silent one in the time of {of_quick} of the other"
    );
}

#[test]
fn all_down_is_the_backups_turn_and_then_503() {
    let [a, b] = [Status::of(200), Status::of(200)];
    let (first, second) = (checked("first", &a), checked("second", &b));
    let endpoints = [first.address().to_string(), member(&second, "backup: true")];
    let gateway = Gateway::start(&pool(endpoints, ACTIVE));
    assert_eq!(gateway.get("/").text(), "first");
    a.set(500);
    eventually(PATIENCE, || (gateway.get("/").text() == "second").then_some(()));
    b.set(500);
    eventually(PATIENCE, || (gateway.get("/").status == 503).then_some(()));
    a.set(200);
    eventually(PATIENCE, || (gateway.get("/").text() == "first").then_some(()));
}

#[test]
fn many_endpoints_are_checked_a_few_at_a_time() {
    let busy = Arc::new(Mutex::new((0usize, 0usize)));
    let seen = Arc::clone(&busy);
    let origin = Origin::answering(move |_| {
        {
            let mut seen = seen.lock().unwrap();
            seen.0 += 1;
            seen.1 = seen.1.max(seen.0);
        }
        std::thread::sleep(Duration::from_millis(20));
        seen.lock().unwrap().0 -= 1;
        ok("o")
    });
    // one service under 200 paths stands for 200 endpoints: each pool has its own checks
    let address = origin.address();
    let upstreams: String = (0..200)
        .map(|n| format!("  u{n}: {{ endpoints: [\"{address}\"], active: {{ path: /{n}, interval: 1m }} }}\n"))
        .collect();
    let routes: String = (0..200).map(|n| format!("  - {{ match: {{ path: /{n} }}, upstream: u{n} }}\n")).collect();
    let gateway = Gateway::start(&format!("upstreams:\n{upstreams}routes:\n{routes}"));
    eventually(PATIENCE, || (gateway.metric("upstream_health_checks_total{result=\"pass\"}") >= 200.0).then_some(()));
    let most = busy.lock().unwrap().1;
    assert!((2..=64).contains(&most), "{most} at one time");
}
