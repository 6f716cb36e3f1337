//! Kept connections that the endpoint closed meanwhile: clients never notice.

use std::time::{Duration, Instant};

use crate::harness::*;

/// A pool whose endpoint could be ejected: there is a second one, which is never needed.
fn beside_a_backup(origin: &Origin, backup: &Origin, more: &str) -> Gateway {
    Gateway::start(&format!(
        "threads: 1\ndefaults: {{ retries: {{ budget: 0% }} }}\n{}",
        pool([origin.address().to_string(), member(backup, "backup: true")], more)
    ))
}

/// Nothing was counted against the endpoint, and nothing retried.
#[track_caller]
fn expect_no_trace(gateway: &Gateway, backup: &Origin) {
    assert_eq!(gateway.counted("upstream_retries_total"), 0.0);
    assert_eq!(gateway.counted("upstream_ejections_total"), 0.0);
    assert_eq!(gateway.counted("http_failures_total"), 0.0);
    assert!(gateway.log_lines().iter().all(|line| line["attempts"] == 1));
    assert_eq!(backup.connections(), 0);
    gateway.expect_metric("upstream_in_flight", 0.0);
}

fn request(method: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
}

#[test]
fn an_origin_that_closes_after_each_response_without_saying_so_fails_no_request() {
    for reset in [false, true] {
        let origin = Origin::with_ownership(move |mut peer| {
            if peer.request().is_some() && peer.send(ok("o")) && reset {
                std::thread::sleep(Duration::from_millis(1));
                peer.reset();
            }
        });
        let backup = Origin::named("backup");
        let gateway = beside_a_backup(&origin, &backup, "");
        let mut client = gateway.connect();
        for _ in 0..200 {
            assert_eq!(client.get("/").text(), "o");
        }
        for _ in 0..50 {
            assert_eq!(client.ask(request("PUT")).text(), "o");
        }
        expect_no_trace(&gateway, &backup);
    }
}

#[test]
fn an_origin_that_closes_when_the_next_request_comes_fails_none_that_may_be_sent_again() {
    // As a restart in that moment: the second request of a connection is read and never answered.
    let origin = Origin::with_ownership(|mut peer| {
        if peer.request().is_some() && peer.send(ok("o")) && peer.request().is_some() {
            peer.reset();
        }
    });
    let backup = Origin::named("backup");
    let gateway = beside_a_backup(&origin, &backup, "");
    let mut client = gateway.connect();
    // more than ten, the retries that are always allowed in a second
    for _ in 0..60 {
        assert_eq!(client.get("/").text(), "o");
    }
    expect_no_trace(&gateway, &backup);
    let reused = gateway.counted("upstream_connections_reused_total");
    assert!(reused >= 20.0, "only {reused} requests met a connection that was closed");
}

#[test]
fn a_post_takes_only_a_connection_that_was_idle_for_less_than_a_second() {
    let origin = Origin::named("o");
    let gateway = Gateway::start(&format!("threads: 1\n{}", pool([origin.address()], "")));
    let mut client = gateway.connect();
    eventually(PATIENCE, || {
        let start = Instant::now();
        assert_eq!(client.ask(request("POST")).text(), "o");
        let before = origin.connections();
        (0..2).for_each(|_| assert_eq!(client.ask(request("POST")).text(), "o"));
        // on a machine that stood still meanwhile they say nothing
        (start.elapsed() < Duration::from_millis(900)).then(|| assert_eq!(origin.connections(), before))
    });
    let before = origin.connections();
    std::thread::sleep(Duration::from_millis(1100));
    client.ask(request("POST"));
    assert_eq!(origin.connections(), before + 1);
    std::thread::sleep(Duration::from_millis(1100));
    client.get("/");
    assert_eq!(origin.connections(), before + 1);
}

#[test]
fn a_connection_that_was_closed_a_moment_ago_carries_no_post() {
    let gate = Gate::shut();
    let origin = Origin::with_ownership({
        let gate = gate.clone();
        move |mut peer| {
            if peer.request().is_some() && peer.send(ok("o")) {
                gate.pass();
            }
        }
    });
    let backup = Origin::named("backup");
    let gateway = beside_a_backup(&origin, &backup, "");
    let mut client = gateway.connect();
    for _ in 0..30 {
        client.get("/");
        gate.admit();
        // the end has come from the origin's side, if not to the gateway's notice yet
        eventually(PATIENCE, || (origin.closed() == origin.connections()).then_some(()));
        assert_eq!(client.ask(request("POST")).text(), "o");
        gate.admit();
        eventually(PATIENCE, || (origin.closed() == origin.connections()).then_some(()));
    }
    expect_no_trace(&gateway, &backup);
}

#[test]
fn an_origin_with_a_keep_alive_of_one_second_fails_no_request_whenever_it_comes() {
    let origin = Origin::scripted(|peer| {
        peer.stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        while peer.request().is_some() && peer.send(ok("o")) {}
    });
    // a pool for each client: its connection is as old as the client's last request
    let pauses = [900, 960, 990, 1000, 1010, 1040, 1100];
    let upstreams: String =
        pauses.iter().map(|pause| format!("  u{pause}: {{ endpoints: [\"{}\"] }}\n", origin.address())).collect();
    let routes: String =
        pauses.iter().map(|pause| format!("  - {{ match: {{ path: /{pause} }}, upstream: u{pause} }}\n")).collect();
    let gateway = Gateway::start(&format!("threads: 1\nupstreams:\n{upstreams}routes:\n{routes}"));
    let failed = side_by_side(pauses.len(), pauses.to_vec(), |pause| {
        let mut client = gateway.connect();
        let post = format!("POST /{pause} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
        let pause = Duration::from_millis(pause);
        // it shows what the origin's keep-alive is
        let mut statuses = vec![client.get(&format!("/{}", pause.as_millis())).status];
        std::thread::sleep(Duration::from_millis(1300));
        for _ in 0..2 {
            statuses.push(client.ask(&post).status);
            std::thread::sleep(pause);
            statuses.push(client.get(&format!("/{}", pause.as_millis())).status);
            std::thread::sleep(pause);
        }
        statuses.push(client.ask(&post).status);
        statuses.iter().any(|status| *status != 200).then_some((pause, statuses))
    });
    assert!(failed.iter().all(Option::is_none), "{failed:?}");
    assert_eq!(gateway.counted("upstream_retries_total"), 0.0);
    // each POST once
    let posts = origin.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 3 * pauses.len());
}
