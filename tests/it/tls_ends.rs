//! How connections over TLS end, or wait: with a word where the end is meant, without one where something was cut.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::*;

const NAME: &str = "a.example";
const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";

fn listening(authority: &Authority, more: &str) -> String {
    listener(&format!("tls: {{ certificates: [{}] }}, {more}", authority.issue(&[NAME]).entry()))
}

fn visitor(authority: &Authority) -> Ready {
    Visitor::to(NAME, authority).ready()
}

#[test]
fn an_end_that_is_meant_is_announced() {
    let authority = Authority::new("Test");
    let keepalive = "keepalive: { timeout: 2s, requests: 3 }";
    let gateway = Gateway::start(&format!("{}{ROUTES}", listening(&authority, keepalive)));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let visitor = Visitor::to(NAME, &authority).speaking(version).ready();
        let mut client = visitor.connect(gateway.address());
        let last = client.ask(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"));
        assert!(last.says_close());
        assert_eq!(client.ended(), Ended::Properly);
        // after as many requests as there may be
        let mut client = visitor.connect(gateway.address());
        let closes: Vec<bool> = (0..3).map(|_| client.get("/").says_close()).collect();
        assert_eq!((closes, client.ended()), (vec![false, false, true], Ended::Properly));
        // and when nothing has come for as long as it may take
        let mut client = visitor.connect(gateway.address());
        assert_eq!(client.get("/").text(), "hi");
        assert_eq!(client.ended(), Ended::Properly);
        // the client's own end is answered
        let mut client = visitor.connect(gateway.address());
        assert_eq!(client.get("/").text(), "hi");
        client.half_close();
        assert_eq!(client.ended(), Ended::Properly);
    }
    gateway.expect_metric("listener_connections", 0.0);
}

#[test]
fn records_without_a_request_do_not_keep_a_connection_open() {
    let authority = Authority::new("Test");
    let keepalive = "keepalive: { timeout: 2s }, limits: { header_timeout: 2s }";
    let gateway = Gateway::start(&format!("{}{ROUTES}", listening(&authority, keepalive)));
    let open = Visitor::to(NAME, &authority).knowing(&[SUITE]).open_handed().ready();
    let mut client = open.connect(gateway.address());
    assert_eq!(client.get("/").text(), "hi");
    let mut forger = Forger::taking(client);
    let mut stream = forger.stream.try_clone().unwrap();
    let dribble = std::thread::spawn(move || {
        // fewer than would be refused for their number, for longer than a connection may wait
        for _ in 0..28 {
            let record = forger.seal(DATA, b"");
            if std::io::Write::write_all(&mut stream, &record).is_err() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        forger
    });
    gateway.expect_metric("listener_connections", 0.0);
    dribble.join().unwrap().expect_end();
}

#[test]
fn a_response_that_only_the_end_delimits_is_whole_if_and_only_if_the_end_is_announced() {
    let authority = Authority::new("Test");
    let old = format!("GET / HTTP/1.0\r\nHost: {NAME}\r\n\r\n");
    let whole = Origin::raw(b"HTTP/1.1 200 OK\r\n\r\nall of it", Then::Fin);
    let cut = Origin::raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", Then::Reset);
    let tls = listening(&authority, "");
    let gateway = Gateway::start(&format!("{tls}{}", pool([whole.address()], "")));
    let mut client = visitor(&authority).connect(gateway.address());
    client.send(&old);
    let (got, ended) = client.rest(PATIENCE);
    assert!(got.ends_with(b"\r\n\r\nall of it"), "{}", String::from_utf8_lossy(&got));
    assert_eq!(ended, Ended::Properly);
    let gateway = Gateway::start(&format!("{tls}{}", pool([cut.address()], "")));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut client = Visitor::to(NAME, &authority).speaking(version).ready().connect(gateway.address());
        client.send(&old);
        let (got, ended) = client.rest(PATIENCE);
        assert!([Ended::Reset, Ended::Cut].contains(&ended), "{ended:?} after {}", String::from_utf8_lossy(&got));
    }
}

#[test]
fn a_client_that_vanishes_in_the_midst_leaves_nothing_behind() {
    let authority = Authority::new("Test");
    let origin = Origin::answering(|_| ok(vec![b'x'; 8 << 20]));
    let gateway = Gateway::start(&format!("{}{}", listening(&authority, ""), pool([origin.address()], "")));
    for n in 0..6 {
        let mut client = visitor(&authority).connect(gateway.address());
        match n % 3 {
            0 => client.send(format!("POST / HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 999999\r\n\r\nhalf")),
            1 => {
                client.send(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
                client.bytes(100);
            }
            // in the midst of a record
            _ => {
                let record = client.record(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n").as_bytes());
                std::io::Write::write_all(&mut client.stream, &record[..30]).unwrap();
            }
        }
        rustix::net::sockopt::set_socket_linger(&client.stream, Some(std::time::Duration::ZERO)).unwrap();
    }
    gateway.expect_metric("listener_connections", 0.0);
    gateway.expect_metric("http_requests_in_flight", 0.0);
    assert_eq!(gateway.metric("panics_total"), 0.0);
}

#[test]
fn a_connection_that_waits_takes_little_memory() {
    const WAITING: usize = 400;
    let authority = Authority::new("Test");
    let gateway = Gateway::start(&format!("threads: 1\n{}{ROUTES}", listening(&authority, "")));
    let visitor = visitor(&authority);
    // the memory of handshakes and requests is there once some were made
    let mut clients: Vec<TlsClient> = (0..50).map(|_| visitor.connect(gateway.address())).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/").text(), "hi"));
    let before = gateway.rss_kib();
    clients.extend((0..WAITING).map(|_| {
        let mut client = visitor.connect(gateway.address());
        assert_eq!(client.get("/").text(), "hi");
        client
    }));
    let each = gateway.rss_kib().saturating_sub(before) as f64 / WAITING as f64;
    assert!(each < 8.0, "{each} KiB for a connection that waits");
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/").text(), "hi"));
}

#[test]
fn a_stop_cuts_nobody_off() {
    let authority = Authority::new("Test");
    let gate = Gate::shut();
    let origin = Origin::held("late", &gate);
    let mut gateway = Gateway::start(&format!("{}{}", listening(&authority, ""), pool([origin.address()], "")));
    let visitor = visitor(&authority);
    let mut busy: Vec<TlsClient> = (0..8).map(|_| visitor.connect(gateway.address())).collect();
    for client in &mut busy {
        client.send(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
    }
    let mut idle = visitor.connect(gateway.address());
    origin.expect_requests(busy.len());
    gateway.terminate();
    gateway.expect_said("draining");
    gate.open();
    for client in &mut busy {
        assert_eq!(client.response().text(), "late");
        assert_eq!(client.ended(), Ended::Properly);
    }
    assert_eq!(idle.ended(), Ended::Properly);
    assert_eq!(gateway.ended(), Some(0));
}

#[test]
fn an_upgrade_fails_nobody_over_tls() {
    let authority = Authority::new("Test");
    let mut gateway = Gateway::start_copy(&format!("{}{ROUTES}", listening(&authority, "")));
    let at = gateway.address();
    let done = AtomicBool::new(false);
    let (fresh, keeping) = (visitor(&authority), visitor(&authority));
    std::thread::scope(|scope| {
        let stop = Done(&done);
        let connecting = scope.spawn(|| {
            let mut served = 0;
            while !done.load(Ordering::Acquire) {
                assert_eq!(fresh.get(at, "/").text(), "hi");
                served += 1;
            }
            served
        });
        let kept = scope.spawn(|| {
            let mut served = 0;
            let mut client = keeping.connect(at);
            while !done.load(Ordering::Acquire) {
                let response = client.get("/");
                assert_eq!(response.text(), "hi");
                if response.says_close() {
                    assert_eq!(client.ended(), Ended::Properly);
                    client = keeping.connect(at);
                }
                served += 1;
            }
            served
        });
        for _ in 0..2 {
            let before = gateway.upgrade();
            assert_eq!(before.ended(), Some(0));
        }
        drop(stop);
        assert!(connecting.join().unwrap() > 0 && kept.join().unwrap() > 0);
    });
}

#[test]
fn a_client_that_says_that_it_leaves_is_gone_as_one_without_tls() {
    let authority = Authority::new("Test");
    let gate = Gate::shut();
    let origin = Origin::held("late", &gate);
    let gateway = Gateway::start(&format!("{}{}", listening(&authority, ""), pool([origin.address()], "")));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut client = Visitor::to(NAME, &authority).speaking(version).ready().connect(gateway.address());
        client.send(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
        client.half_close();
        assert_eq!(client.ended(), Ended::Properly);
    }
    let lines = gateway.expect_logged(2);
    assert!(lines.iter().all(|line| line["reason"] == "client_closed"), "{lines:#?}");
    gateway.expect_metric("http_requests_in_flight", 0.0);
}
