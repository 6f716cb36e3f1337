//! Which endpoint takes the next request, over all threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::*;

#[test]
fn the_idle_endpoint_takes_all_requests_while_the_other_is_slow() {
    let held = Arc::new(AtomicBool::new(true));
    let hold = held.clone();
    let slow = Origin::answering(move |_| {
        while hold.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(5));
        }
        ok("slow")
    });
    let quick = Origin::named("quick");
    let gateway = Gateway::before_all(&[slow.address(), quick.address()], "threads: 2\n");
    // The first request goes to the first endpoint, which holds it: its count stays above the other's.
    let mut waiting = gateway.connect();
    waiting.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
    let slow_label = format!("upstream_in_flight{{endpoint=\"{}\"}}", slow.address());
    gateway.expect_metric(&slow_label, 1.0);
    for _ in 0..40 {
        // A connection each, so that both threads take part.
        assert_eq!(gateway.get("/").text(), "quick");
    }
    assert_eq!(slow.requests().len(), 1);
    held.store(false, Ordering::Release);
    assert_eq!(waiting.response().text(), "slow");
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn sequential_requests_alternate_whatever_thread_they_arrive_on() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let gateway = Gateway::before_all(&[a.address(), b.address()], "threads: 2\n");
    let answers: Vec<String> = (0..20).map(|_| gateway.get("/").text()).collect();
    for pair in answers.windows(2) {
        assert_ne!(pair[0], pair[1], "{answers:?}");
    }
}

#[test]
fn sequential_requests_over_weights_5_1_1_go_a_a_b_a_c_a_a_whatever_connections_they_arrive_on() {
    let [a, b, c] = ["a", "b", "c"].map(Origin::named);
    for balance in ["least_conn", "round_robin"] {
        let endpoints = [member(&a, "weight: 5"), b.address().to_string(), c.address().to_string()];
        let gateway = Gateway::start(&format!("threads: 2\n{}", pool(endpoints, &format!("balance: {balance}"))));
        let mut kept: Vec<Client> = (0..6).map(|_| gateway.connect()).collect();
        let answers: String = (0..28)
            .map(|n| match n % 3 {
                0 => gateway.get("/").text(),
                _ => kept[n % 6].get("/").text(),
            })
            .collect();
        assert_eq!(answers, "aabacaa".repeat(4), "{balance}");
    }
}

#[test]
fn a_refused_endpoint_costs_the_client_nothing() {
    let (dead, sound) = (Origin::refusing(), Origin::named("sound"));
    let gateway = Gateway::before_all(&[dead, sound.address()], "");
    let mut client = gateway.connect();
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "sound");
    }
    // A refused connection is safe for every method: nothing was sent.
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    for _ in 0..10 {
        assert_eq!(client.ask(post).text(), "sound");
    }
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn a_single_endpoint_is_never_marked_down() {
    let origin = Origin::raw(b"nonsense\r\n\r\n", Then::Fin);
    let gateway = Gateway::before(&origin, "");
    for _ in 0..5 {
        assert_eq!(gateway.get("/").status, 502);
    }
    assert_eq!(origin.connections(), 5);
}

#[test]
fn counts_return_to_zero_whatever_way_requests_end() {
    let ends = [
        Origin::named("fine"),
        Origin::resetting(),
        Origin::stalling(),
        Origin::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", Then::Fin),
        Origin::raw(b"nonsense\r\n\r\n", Then::KeepOpen),
    ];
    let addresses: Vec<_> = ends.iter().map(Origin::address).collect();
    let gateway = Gateway::start(&format!(
        "defaults: {{ timeouts: {{ read: 200ms }} }}\nupstreams:\n  app:\n    endpoints: [{}]\n\
         routes: [{{ match: {{ path: /* }}, upstream: app }}]\n",
        addresses.iter().map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(", ")
    ));
    side_by_side(8, (0..64).collect(), |n| {
        let mut client = gateway.connect();
        client.send(if n % 2 == 0 {
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
        } else {
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
        });
        match n % 3 {
            0 => client.reset(),
            _ => drop(client.try_response("GET", PATIENCE)),
        }
    });
    gateway.expect_metric("upstream_in_flight", 0.0);
    gateway.expect_metric("http_requests_in_flight", 0.0);
}

#[test]
fn a_new_weight_leaves_requests_in_flight_counted_and_a_new_endpoint_starts_from_nothing() {
    let held = Arc::new(AtomicBool::new(true));
    let hold = held.clone();
    let first = Origin::answering(move |request| {
        while request.target == "/hold" && hold.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(5));
        }
        ok("first")
    });
    let (second, third) = (Origin::named("second"), Origin::named("third"));
    let with = |endpoints: &[(&Origin, u32)]| {
        let list: Vec<String> =
            endpoints.iter().map(|(o, w)| format!("{{ address: \"{}\", weight: {w} }}", o.address())).collect();
        format!(
            "upstreams: {{ app: {{ endpoints: [{}] }} }}\nroutes: [{{ match: {{ path: /* }}, upstream: app }}]\n",
            list.join(", ")
        )
    };
    let gateway = Gateway::start(&with(&[(&first, 1), (&second, 1)]));
    let reload = |endpoints: &[(&Origin, u32)]| gateway.reload(&with(endpoints));
    let mut waiting = gateway.connect();
    waiting.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    let in_flight = format!("upstream_in_flight{{endpoint=\"{}\"}}", first.address());
    gateway.expect_metric(&in_flight, 1.0);
    assert_eq!(gateway.get("/").text(), "second");
    reload(&[(&first, 2), (&second, 1)]);
    assert_eq!(gateway.metric(&in_flight), 1.0);
    reload(&[(&first, 2)]);
    reload(&[(&first, 2), (&third, 1)]);
    let requests = format!("upstream_requests_total{{endpoint=\"{}\"}}", third.address());
    assert_eq!(gateway.metric(&requests), 0.0, "the counts of an endpoint that is gone");
    held.store(false, Ordering::Release);
    assert_eq!(waiting.response().text(), "first");
    gateway.expect_metric("upstream_in_flight", 0.0);
}
