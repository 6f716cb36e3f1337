//! A request that failed goes to another endpoint, where that is safe and bears no flood.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::*;

/// A gateway before these endpoints, which it takes in turn and never leaves alone.
fn in_turn(endpoints: &[SocketAddr], retries: &str) -> Gateway {
    Gateway::start(&format!(
        "defaults: {{ retries: {{ {retries} }} }}\n{}",
        pool(endpoints, "balance: round_robin, passive: { max_fails: 0 }")
    ))
}

fn addresses(origins: &[Origin]) -> Vec<SocketAddr> {
    origins.iter().map(Origin::address).collect()
}

/// Answers every request with this status and a body that names it.
fn answering(status: u16, name: &'static str) -> Origin {
    Origin::answering(move |_| with_head(&format!("HTTP/1.1 {status} Status"), name))
}

fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
}

#[test]
fn each_endpoint_gets_a_request_once() {
    let origins: Vec<Origin> = (0..4).map(|_| Origin::resetting()).collect();
    let gateway = in_turn(&addresses(&origins), "attempts: 10");
    assert_eq!(gateway.get("/all").status, 502);
    assert!(origins.iter().all(|origin| origin.requests().len() == 1));
    let line = gateway.logged("/all");
    assert_eq!((&line["attempts"], &line["reason"]), (&4.into(), &"upstream_reset".into()));
    assert_eq!(gateway.counted("upstream_retries_total{upstream=\"app\",reason=\"upstream_reset\"}"), 3.0);
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn attempts_bounds_them_the_first_included() {
    let origins: Vec<Origin> = (0..4).map(|_| Origin::resetting()).collect();
    for attempts in 1..=3 {
        let gateway = in_turn(&addresses(&origins), &format!("attempts: {attempts}"));
        let before: usize = origins.iter().map(Origin::connections).sum();
        assert_eq!(gateway.get("/x").status, 502);
        assert_eq!(origins.iter().map(Origin::connections).sum::<usize>() - before, attempts);
        assert_eq!(gateway.logged("/x")["attempts"], attempts);
    }
}

#[test]
fn retry_on_names_what_is_retried() {
    let sound = Origin::named("sound");
    for (bad, retry_on, status) in [
        (Some(Origin::resetting()), "[error]", 200),
        (Some(Origin::resetting()), "[timeout, invalid_header]", 502),
        (None, "[error]", 200),
        (None, "[timeout]", 502),
        (Some(Origin::stalling()), "[timeout]", 200),
        (Some(Origin::stalling()), "[error]", 504),
        (Some(Origin::raw(b"nonsense\r\n\r\n", Then::Fin)), "[invalid_header]", 200),
        (Some(Origin::raw(b"nonsense\r\n\r\n", Then::Fin)), "[error, timeout]", 502),
        (Some(answering(503, "busy")), "[error, 503]", 200),
        (Some(answering(503, "busy")), "[error, 500]", 503),
        (Some(answering(404, "lost")), "[404]", 200),
        (None, "[]", 502),
    ] {
        let address = bad.as_ref().map_or_else(Origin::refusing, Origin::address);
        let gateway = Gateway::start(&format!(
            "defaults: {{ timeouts: {{ read: 2s }}, retries: {{ retry_on: {retry_on} }} }}\n{}",
            pool([address, sound.address()], "balance: round_robin")
        ));
        assert_eq!(gateway.get("/").status, status, "{retry_on}");
    }
}

#[test]
fn nothing_is_retried_once_a_byte_of_the_response_went_to_the_client() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    let origins = [Origin::raw(half, Then::Fin), Origin::raw(half, Then::Fin)];
    let gateway = in_turn(&addresses(&origins), "retry_on: [error, timeout, invalid_header, 500]");
    let mut client = gateway.connect();
    match client.try_ask("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n") {
        Err(Trouble::Closed(Some(cut)) | Trouble::Reset(Some(cut))) => assert_eq!(cut.text(), "half"),
        other => panic!("{other:?}"),
    }
    assert_eq!(gateway.logged("/cut")["attempts"], 1);
    assert_eq!(origins[0].connections() + origins[1].connections(), 1);
}

#[test]
fn what_may_not_be_done_twice_is_retried_only_where_nothing_was_sent_or_that_is_written() {
    for (method, safe) in
        [("GET", true), ("PUT", true), ("DELETE", true), ("POST", false), ("PATCH", false), ("LOCK", false)]
    {
        let (broken, sound) = (Origin::resetting(), Origin::named("sound"));
        let expected = |safe: bool| if safe { 200 } else { 502 };
        let gateway = in_turn(&[broken.address(), sound.address()], "");
        assert_eq!(gateway.ask(request(method, "/")).status, expected(safe), "{method}");
        assert_eq!(broken.requests().len() + sound.requests().len(), if safe { 2 } else { 1 }, "{method}");
        let gateway = in_turn(&[broken.address(), sound.address()], "non_idempotent: true");
        assert_eq!(gateway.ask(request(method, "/")).status, 200, "{method} with non_idempotent");
        let gateway = in_turn(&[Origin::refusing(), sound.address()], "");
        assert_eq!(gateway.ask(request(method, "/")).status, 200, "{method} at a refused connection");
        assert_eq!(sound.requests().last().map(|request| request.body.clone()), Some(b"hi".to_vec()), "{method}");
    }
}

#[test]
fn a_body_that_is_gone_is_never_sent_again_and_one_that_is_not_goes_whole() {
    let broken = Origin::with_ownership(|mut peer| {
        peer.head();
        peer.reset();
    });
    let sound = Origin::named("sound");
    let body = vec![b'x'; 300_000];
    let head = format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
    let large = [head.as_bytes(), &body].concat();
    let gateway = in_turn(&[broken.address(), sound.address()], "");
    let mut client = gateway.connect();
    client.try_send(&large).ok();
    assert_eq!(client.response_to("PUT").status, 502);
    assert_eq!(sound.connections(), 0);
    // nothing of it was sent to the one that refuses
    let gateway = in_turn(&[Origin::refusing(), sound.address()], "");
    assert_eq!(gateway.ask(&large).status, 200);
    assert_eq!(sound.request().body.len(), body.len());
}

#[test]
fn a_listed_status_is_retried_and_the_last_one_delivered_where_nobody_does_better() {
    let (busy, sound) = (answering(503, "busy"), Origin::named("sound"));
    let gateway = in_turn(&[busy.address(), sound.address()], "retry_on: [error, 503]");
    for n in 0..4 {
        assert_eq!(gateway.get(&format!("/{n}")).text(), "sound");
    }
    let line = gateway.logged("/0");
    assert_eq!((&line["attempts"], &line["upstream_status"], &line["reason"]), (&2.into(), &200.into(), &().into()));
    assert_eq!(line["endpoint"], sound.address().to_string());
    assert_eq!(
        gateway.counted("upstream_retries_total{upstream=\"app\",reason=\"status\"}"),
        busy.requests().len() as f64
    );
    assert_eq!(gateway.counted("upstream_requests_total{code=\"503\"}"), busy.requests().len() as f64);
    // a POST had its effect, for all anybody knows
    let answers = [gateway.ask(request("POST", "/")).status, gateway.ask(request("POST", "/")).status];
    assert!(answers.contains(&503), "{answers:?}");

    let origins = [answering(503, "first"), answering(503, "second"), answering(503, "third")];
    let gateway = in_turn(&addresses(&origins), "retry_on: [error, 503]");
    let answer = gateway.get("/all");
    assert_eq!((answer.status, answer.text().as_str()), (503, "third"));
    let line = gateway.logged("/all");
    assert_eq!((&line["attempts"], &line["upstream_status"], &line["reason"]), (&3.into(), &503.into(), &().into()));
    let gateway = in_turn(&addresses(&origins), "retry_on: [error, 503], attempts: 2");
    assert_eq!(gateway.get("/").text(), "second");
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn the_log_tells_of_the_last_attempt_alone() {
    // the first endpoint answers with a status to be tried again for, the second one is not there
    let (busy, dead) = (answering(503, "busy"), Origin::refusing());
    let gateway = in_turn(&[busy.address(), dead], "retry_on: [error, 503]");
    assert_eq!(gateway.get("/gone").status, 502);
    let line = gateway.logged("/gone");
    assert_eq!(line["endpoint"], dead.to_string());
    assert_eq!((&line["attempts"], &line["reason"]), (&2.into(), &"connect_refused".into()));
    assert!(line["upstream_status"].is_null() && line["upstream_header_s"].is_null(), "{line}");
    assert!(line["upstream_connect_s"].is_null(), "{line}");
}

#[test]
fn the_budget_bounds_retries_to_a_share_of_the_requests_and_ten_a_second() {
    let broken = answering(503, "broken");
    let sound = Origin::named("sound");
    for (budget, share) in [("0%", 0.0), ("20%", 0.2), ("100%", 1.0)] {
        let retries = format!("retry_on: [error, 503], budget: {budget}");
        let gateway = in_turn(&[broken.address(), sound.address()], &retries);
        let began = Instant::now();
        let mut client = gateway.connect();
        let refused = (0..400).filter(|_| client.get("/").status != 200).count();
        let seconds = began.elapsed().as_secs_f64() + 1.0;
        let retried = gateway.counted("upstream_retries_total");
        // at most: the share, and ten in each second that began meanwhile
        assert!(retried <= 400.0 * share + 10.0 * seconds, "{budget}: {retried} retries in {seconds} s");
        assert!(retried >= 10.0, "{budget}: {retried} retries");
        assert_eq!(refused == 0, share == 1.0, "{budget}: {refused} of 400 not retried");
    }
}

#[test]
fn a_request_that_no_endpoint_took_costs_no_budget() {
    let sound = Origin::named("sound");
    let gateway = in_turn(&[Origin::refusing(), sound.address()], "budget: 0%");
    let mut client = gateway.connect();
    for _ in 0..60 {
        assert_eq!(client.ask(request("POST", "/")).text(), "sound");
    }
    assert_eq!(gateway.counted("upstream_retries_total{reason=\"connect_refused\"}"), 30.0);
}

#[test]
fn the_deadline_of_the_whole_exchange_covers_all_attempts() {
    let origins: Vec<Origin> = (0..6).map(|_| Origin::stalling()).collect();
    let gateway = Gateway::start(&format!(
        "defaults: {{ timeouts: {{ read: 1s, request: 2900ms }}, retries: {{ attempts: 10 }} }}\n{}",
        pool(addresses(&origins), "")
    ));
    let response = gateway.get("/late");
    assert_eq!(response.status, 504);
    let line = gateway.logged("/late");
    assert_eq!(line["reason"], "request_timeout");
    // two ran out of their own time, the third of the whole
    let (attempts, seconds) = (line["attempts"].as_u64().unwrap(), line["duration_s"].as_f64().unwrap());
    assert!((2..=3).contains(&attempts) && seconds >= 2.9, "{line}");
    // none of the last one's time was its own, so nothing speaks against it
    let up = gateway.counted("upstream_endpoint_up");
    assert_eq!(up, 6.0 - (attempts - 1) as f64);
}

#[test]
fn a_timeout_of_the_connection_leaves_time_for_another() {
    let listener = std::net::TcpListener::bind((own_address(), 21000)).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let _full: Vec<_> = std::iter::from_fn(connect).take(100).collect();
    let sound = Origin::named("sound");
    let gateway = Gateway::start(&format!(
        "defaults: {{ timeouts: {{ connect: 200ms }} }}\n{}",
        pool([address, sound.address()], "balance: round_robin")
    ));
    let answer = gateway.ask(request("POST", "/"));
    assert_eq!(answer.text(), "sound");
    assert_eq!(gateway.counted("upstream_retries_total{reason=\"connect_timeout\"}"), 1.0);
}
