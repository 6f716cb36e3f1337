//! Origins that break: the client can always tell, the reason is one word, and nothing leaks into the next request.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::*;

/// What a broken response must become.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// 502 with this word.
    Bad(&'static str),
    /// 502, or the head and then an end that the client can tell from a whole response.
    BadOrCut,
    /// The head, then an end that the client can tell.
    Cut,
    /// This status and body; the upstream connection is not used again.
    Once(u16, &'static str),
    /// This status and body.
    Fine(u16, &'static str),
}

fn expected(id: &str) -> Expected {
    use Expected::*;
    match id {
        "up/close0" | "up/rst0" | "up/partial_hdr" => Bad("upstream_reset"),
        "up/rst_midbody" | "up/slowdrip" => BadOrCut,
        "up/close_midbody" | "up/close_midchunk" | "up/chunk_noend" => Cut,
        "up/long" | "up/two" => Once(200, "OK"),
        "up/badchunk" | "up/hugechunk" | "up/1xx" => BadOrCut,
        "up/204body" => Once(204, ""),
        "up/304body" => Once(304, ""),
        "up/100" | "up/conn_hdr" | "up/trailer" => Fine(200, "OK"),
        // Odd, but three digits: passing it on is as good as refusing it.
        "up/status999" => Fine(999, "OK"),
        "up/until_close" => Fine(200, "hello"),
        _ => Bad("bad_response"),
    }
}

#[test]
fn every_broken_response_is_told_from_a_good_one() {
    let Some(entries) = corpus("upstream_fault_cases.json") else { return };
    assert_eq!(entries.len(), 35);
    let origins: Vec<(String, Origin)> = entries
        .iter()
        .map(|entry| {
            let bytes = decode(entry, "bytes_b64");
            let origin = match text(entry, "then") {
                _ if text(entry, "id") == "up/slowdrip" => dripping(bytes),
                "FIN" => Origin::raw(&bytes, Then::Fin),
                "RST" => Origin::raw(&bytes, Then::Reset),
                _ => Origin::raw(&bytes, Then::KeepOpen),
            };
            (text(entry, "id").to_owned(), origin)
        })
        .collect();
    let mut yaml = String::from("threads: 1\ndefaults: { timeouts: { read: 2s } }\nupstreams:\n");
    for (n, (_, origin)) in origins.iter().enumerate() {
        yaml += &format!("  u{n}: {{ endpoints: [\"{}\"] }}\n", origin.address());
    }
    yaml += "routes:\n";
    for n in 0..origins.len() {
        yaml += &format!("  - {{ match: {{ path: /{n} }}, upstream: u{n} }}\n");
    }
    let gateway = Gateway::start(&yaml);
    let mut wrong = Vec::new();
    for (n, (id, origin)) in origins.iter().enumerate() {
        if let Err(why) = judge(&gateway, &format!("/{n}"), origin, expected(id)) {
            wrong.push(format!("{id}: expected {:?}, {why}", expected(id)));
        }
    }
    assert!(wrong.is_empty(), "{} of 35:\n{}", wrong.len(), wrong.join("\n"));
    gateway.expect_metric("upstream_in_flight", 0.0);
    gateway.expect_metric("http_requests_in_flight", 0.0);
}

fn judge(gateway: &Gateway, path: &str, origin: &Origin, expected: Expected) -> Result<(), String> {
    let mut client = gateway.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let result = client.try_ask(&request);
    let got = format!("got {result:?}");
    match (expected, result) {
        (Expected::Bad(word), Ok(response)) if response.status == 502 => {
            let reason = gateway.logged(path)["reason"].clone();
            if reason != word {
                return Err(format!("the log says {reason}"));
            }
        }
        (Expected::BadOrCut | Expected::Fine(999, _), Ok(response)) if response.status == 502 => {}
        (Expected::Cut | Expected::BadOrCut, Err(Trouble::Closed(Some(r)) | Trouble::Reset(Some(r))))
            if r.status == 200 => {}
        (Expected::Cut | Expected::BadOrCut, Err(Trouble::Reset(None))) => {}
        (Expected::Once(status, body) | Expected::Fine(status, body), Ok(r))
            if r.status == status && r.text() == body =>
        {
            if r.headers.0.iter().any(|(n, _)| ["x-secret", "keep-alive"].contains(&n.to_lowercase().as_str())) {
                return Err(format!("hop-by-hop fields came through: {:?}", r.headers));
            }
        }
        _ => return Err(got),
    }
    if matches!(expected, Expected::Fine(..)) {
        return Ok(());
    }
    // The same request again: a connection of its own, the same result, nothing left over from the first.
    let before = origin.connections();
    let again = Client::connect(gateway.address()).try_ask(&request);
    if origin.connections() == before {
        return Err("the upstream connection was used again".into());
    }
    match again {
        Ok(response) if response.text().contains("poison") => Err("poisoned".into()),
        Err(Trouble::Silent(_)) => Err("the second request hung".into()),
        _ => Ok(()),
    }
}

fn dripping(bytes: Vec<u8>) -> Origin {
    Origin::with_ownership(move |mut peer| {
        if peer.request().is_none() {
            return;
        }
        for byte in &bytes {
            std::thread::sleep(Duration::from_millis(10));
            if !peer.send([*byte]) {
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
        peer.reset();
    })
}

/// One that answers 504 or 502 with this word, in the answer, the log and the metric, and counts nothing in flight after.
#[track_caller]
fn fails_with(gateway: &Gateway, request: &str, status: u16, word: &str) {
    let mut client = gateway.connect();
    let response = client.ask(request);
    assert_eq!(response.status, status);
    assert!(response.text().contains(word), "{}", response.text());
    gateway.expect_failure(word);
    gateway.expect_metric("upstream_in_flight", 0.0);
}

const GET: &str = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_refused_connection_is_502_at_once() {
    let gateway = Gateway::before_all(&[Origin::refusing()], "");
    fails_with(&gateway, GET, 502, "connect_refused");
}

#[test]
fn a_connection_that_is_never_accepted_is_504_after_the_connect_timeout() {
    let (listener, _full) = never_accepting();
    let address = listener.local_addr().unwrap();
    let gateway = Gateway::before_all(&[address], "defaults: { timeouts: { connect: 300ms } }\n");
    fails_with(&gateway, GET, 504, "connect_timeout");
}

/// A listener whose queue is full: the kernel drops further attempts.
fn never_accepting() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind((own_address(), 21000)).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let short = Duration::from_millis(200);
    let mut full = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, short) {
        full.push(stream);
        assert!(full.len() < 100, "the queue never fills");
    }
    (listener, full)
}

#[test]
fn an_origin_that_never_answers_is_504_after_the_read_timeout() {
    let origin = Origin::stalling();
    let gateway = Gateway::before(&origin, "defaults: { timeouts: { read: 300ms } }\n");
    fails_with(&gateway, GET, 504, "upstream_timeout");
    eventually(PATIENCE, || (origin.ended() == 1).then_some(()));
}

#[test]
fn an_origin_that_falls_silent_amid_its_body_cuts_the_client_off() {
    let origin = Origin::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", Then::KeepOpen);
    let gateway = Gateway::before(&origin, "defaults: { timeouts: { read: 300ms } }\n");
    let mut client = gateway.connect();
    client.send(GET);
    match client.try_response("GET", PATIENCE) {
        Err(Trouble::Closed(Some(r)) | Trouble::Reset(Some(r))) => assert_eq!(r.text(), "half"),
        other => panic!("{other:?}"),
    }
    gateway.expect_failure("upstream_timeout");
}

#[test]
fn a_slow_origin_that_keeps_sending_is_not_timed_out() {
    let origin = Origin::slow(&ok("0123456789"), Duration::from_millis(70));
    let gateway = Gateway::before(&origin, "defaults: { timeouts: { read: 2s } }\n");
    assert_eq!(gateway.get("/").text(), "0123456789");
}

#[test]
fn the_whole_exchange_has_a_deadline_when_one_is_written() {
    let origin = Origin::slow(&ok([b'x'; 400]), Duration::from_millis(20));
    let gateway = Gateway::before(&origin, "defaults: { timeouts: { read: 10s, request: 600ms } }\n");
    let mut client = gateway.connect();
    client.send(GET);
    match client.try_response("GET", PATIENCE) {
        Ok(response) => assert_eq!(response.status, 504),
        Err(Trouble::Closed(_) | Trouble::Reset(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
    gateway.expect_failure("request_timeout");
}

#[test]
fn an_origin_that_never_reads_a_large_body_is_504_and_memory_stays_flat() {
    // The kernel accepts for it; nobody ever reads.
    let listener = TcpListener::bind((own_address(), 21000)).unwrap();
    let address = listener.local_addr().unwrap();
    let gateway = Gateway::before_all(
        &[address],
        "defaults: { timeouts: { write: 400ms, read: 5s }, request: { max_body: 100MiB } }\n",
    );
    let before = gateway.rss_kib();
    let mut client = gateway.connect();
    client.send(format!("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", 64 << 20));
    let part = vec![b'x'; 1 << 20];
    let taken = (0..64).take_while(|_| client.try_send(&part).is_ok()).count();
    assert!(taken < 64, "everything was taken");
    if let Ok(response) = client.try_response("PUT", PATIENCE) {
        assert!(matches!(response.status, 502 | 504), "{}", response.status);
    }
    gateway.expect_failure("upstream_timeout");
    assert!(gateway.rss_kib() < before + 8 * 1024);
}

#[test]
fn an_origin_that_resets_is_502() {
    let origin = Origin::resetting();
    let gateway = Gateway::before(&origin, "");
    fails_with(&gateway, GET, 502, "upstream_reset");
    fails_with(&gateway, "POST /y HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", 502, "upstream_reset");
}

#[test]
fn own_502s_keep_the_client_connection() {
    let origin = Origin::raw(b"nonsense\r\n\r\n", Then::Fin);
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 502);
    }
}

#[test]
fn a_post_is_never_sent_to_a_second_endpoint_once_it_was_sent() {
    let origins = [Origin::resetting(), Origin::resetting()];
    let gateway = Gateway::before_all(&[origins[0].address(), origins[1].address()], "");
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(gateway.ask(post).status, 502);
    assert_eq!(origins[0].requests().len() + origins[1].requests().len(), 1);
}

#[test]
fn a_post_that_meets_a_stale_connection_reaches_the_origin_at_most_once() {
    let origin = Origin::with_ownership(|mut peer| {
        // The first request of a connection is answered, the second one only read.
        if peer.request().is_some() && peer.send(ok("first")) {
            peer.request();
            peer.reset();
        }
    });
    let gateway = Gateway::before(&origin, "threads: 1\n");
    let mut client = gateway.connect();
    assert_eq!(client.get("/warm").status, 200);
    let response = client.ask("POST /once HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    assert!(matches!(response.status, 200 | 502), "{}", response.status);
    let copies = origin.requests().iter().filter(|r| r.target == "/once").count();
    assert_eq!(copies, 1);
    // What may be replayed is, on a fresh connection.
    let mut client = gateway.connect();
    for _ in 0..4 {
        assert_eq!(client.get("/safe").status, 200);
    }
}

#[test]
fn a_name_that_does_not_resolve_is_an_endpoint_that_is_down() {
    let gateway = Gateway::start(
        "upstreams: { app: { endpoints: [\"no-such-name.invalid:80\"] } }\n\
         routes: [{ match: { path: /* }, upstream: app }]\n",
    );
    let response = gateway.get("/");
    assert!(matches!(response.status, 502 | 503), "{}", response.status);
}
