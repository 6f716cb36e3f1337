//! `max_conns` and `backup`: how much an endpoint is given, and who steps in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// An origin that notes the most requests it ever had at one time.
fn counting(most: &Arc<AtomicUsize>) -> Origin {
    let (now, most) = (AtomicUsize::new(0), Arc::clone(most));
    Origin::answering(move |_| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(3));
        now.fetch_sub(1, Ordering::SeqCst);
        ok("counted")
    })
}

#[test]
fn an_endpoint_never_has_more_than_max_conns_requests_whatever_threads_they_are_on() {
    let most = [Arc::<AtomicUsize>::default(), Arc::default()];
    let origins = [counting(&most[0]), counting(&most[1])];
    let endpoints = [member(&origins[0], "max_conns: 1"), member(&origins[1], "max_conns: 3")];
    let gateway = Gateway::start(&format!("threads: 2\n{}", pool(endpoints, "wait: { size: 100, timeout: 25s }")));
    let statuses = side_by_side(24, (0..12).collect(), |_| {
        let mut client = gateway.connect();
        (0..15).map(|_| client.get("/").status).filter(|status| *status != 200).count()
    });
    assert_eq!(statuses.iter().sum::<usize>(), 0);
    assert_eq!(most.map(|most| most.load(Ordering::SeqCst)), [1, 3]);
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn a_full_pool_is_503_with_a_word_on_when_to_come_again() {
    let gate = Gate::shut();
    let origin = Origin::held("held", &gate);
    let gateway = Gateway::start(&pool([member(&origin, "max_conns: 1")], ""));
    let mut first = gateway.connect();
    first.send(GET);
    origin.expect_requests(1);
    let full = gateway.get("/full");
    assert_eq!((full.status, full.header("retry-after")), (503, Some("1")));
    assert!(full.text().contains("no_endpoint"), "{}", full.text());
    assert_eq!(gateway.logged("/full")["attempts"], 0);
    gate.open();
    assert_eq!(first.response().text(), "held");
    assert_eq!(gateway.get("/").text(), "held");
}

#[test]
fn a_full_endpoint_leaves_requests_to_the_others() {
    let gate = Gate::shut();
    let (small, large) = (Origin::held("small", &gate), Origin::named("large"));
    // for its weight the small one would get everything
    let endpoints = [member(&small, "weight: 100, max_conns: 1"), large.address().to_string()];
    let gateway = Gateway::start(&format!("threads: 2\n{}", pool(endpoints, "")));
    let mut first = gateway.connect();
    first.send(GET);
    small.expect_requests(1);
    for _ in 0..10 {
        assert_eq!(gateway.get("/").text(), "large");
    }
    gate.open();
    assert_eq!(first.response().text(), "small");
    assert_eq!(gateway.get("/").text(), "small");
}

#[test]
fn a_backup_gets_requests_only_while_no_other_endpoint_can_take_them() {
    let gate = Gate::shut();
    let origin = Origin::answering({
        let gate = gate.clone();
        move |request| {
            if request.target == "/hold" {
                gate.pass();
            }
            ok("primary")
        }
    });
    let backup = Origin::named("backup");
    let endpoints = [member(&origin, "max_conns: 1"), member(&backup, "backup: true, weight: 50")];
    let gateway = Gateway::start(&pool(endpoints, "passive: { fail_timeout: 300ms }"));
    for _ in 0..5 {
        assert_eq!(gateway.get("/").text(), "primary");
    }
    // full
    let mut first = gateway.connect();
    first.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    origin.expect_requests(6);
    assert_eq!(gateway.get("/").text(), "backup");
    gate.open();
    assert_eq!(first.response().text(), "primary");
    assert_eq!(gateway.get("/").text(), "primary");
    // gone: the request that finds out goes on to the backup, and so do the next ones
    let address = origin.crash();
    for _ in 0..5 {
        assert_eq!(gateway.get("/").text(), "backup");
    }
    // and back
    let _origin = Origin::named_on(address, "primary again");
    eventually(PATIENCE, || (gateway.get("/").text() == "primary again").then_some(()));
    for _ in 0..5 {
        assert_eq!(gateway.get("/").text(), "primary again");
    }
}

#[test]
fn several_backups_share_by_the_pools_own_way() {
    let dead = Origin::refusing();
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let endpoints = [dead.to_string(), member(&a, "backup: true, weight: 2"), member(&b, "backup: true")];
    let gateway = Gateway::start(&pool(endpoints, "balance: round_robin"));
    let answers: String = (0..6).map(|_| gateway.get("/").text()).collect();
    assert_eq!(answers, "abaaba");
}

#[test]
fn a_tunnel_takes_a_place_until_it_ends() {
    let origin = Origin::scripted(|peer| {
        while let Some(request) = peer.request() {
            if request.headers.one("upgrade").is_none() {
                peer.send(ok("plain"));
                continue;
            }
            peer.tunnel();
            peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
            return peer.until_end();
        }
    });
    let gateway = Gateway::start(&pool([member(&origin, "max_conns: 1")], ""));
    let mut tunnel = gateway.connect();
    tunnel.send(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    assert!(tunnel.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(gateway.get("/").status, 503);
    drop(tunnel);
    gateway.expect_metric("upstream_in_flight", 0.0);
    assert_eq!(gateway.get("/").text(), "plain");
}
