//! Requests and answers over TLS, however the records are cut: small, large, many in one, both ways, with new keys in between.

use std::io::{Read, Write};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::*;

const NAME: &str = "a.example";
const MEBIBYTE: usize = 1 << 20;
const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// TLS before this origin.
fn before(authority: &Authority, origin: &Origin, more: &str) -> Gateway {
    let leaf = authority.issue(&[NAME]);
    Gateway::start(&format!("{}{}{more}", secured(&[&leaf], ""), pool([origin.address()], "")))
}

fn echo() -> Origin {
    Origin::answering(|request| ok(if request.body.is_empty() { request.target.as_bytes() } else { &request.body }))
}

/// Bytes in which a mistake shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 251) as u8).collect()
}

fn post(length: usize) -> String {
    format!("POST /x HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn it_does_not_matter_how_a_request_is_cut_into_records() {
    let authority = Authority::new("Test");
    let origin = echo();
    let gateway = before(&authority, &origin, "");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut client = Visitor::to(NAME, &authority).speaking(version).ready().connect(gateway.address());
        // a byte in each record, each in a write of its own
        for byte in [post(3).as_bytes(), b"abc"].concat() {
            client.send([byte]);
        }
        assert_eq!(client.response().text(), "abc");
        // the same in one write
        let request = [post(3).as_bytes(), b"def"].concat();
        let records: Vec<u8> = request.iter().flat_map(|byte| client.record(&[*byte])).collect();
        client.stream.write_all(&records).unwrap();
        assert_eq!(client.response().text(), "def");
        // a record that comes a byte at a time
        for byte in client.record(format!("GET /bytes HTTP/1.1\r\nHost: {NAME}\r\n\r\n").as_bytes()) {
            client.stream.write_all(&[byte]).unwrap();
        }
        assert_eq!(client.response().text(), "/bytes");
        // many requests in one record
        let many: String = (0..30).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: {NAME}\r\n\r\n")).collect();
        client.send(&many);
        for n in 0..30 {
            assert_eq!(client.response().text(), format!("/{n}"));
        }
        // the largest records there are
        let body = pattern(5 * 16_384);
        client.send(post(body.len()));
        assert_eq!(client.ask(&body).body, body);
    }
}

#[test]
fn a_mebibyte_passes_both_ways_in_a_body_with_a_length_and_in_chunks() {
    let authority = Authority::new("Test");
    let origin = echo();
    let gateway = before(&authority, &origin, "");
    let body = pattern(MEBIBYTE);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut client = Visitor::to(NAME, &authority).speaking(version).ready().connect(gateway.address());
        client.send(post(body.len()));
        assert!(client.ask(&body).body == body, "what came back is something else");
        client.send(format!("POST /x HTTP/1.1\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for chunk in body.chunks(10_000) {
            client.send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        assert!(client.ask("0\r\n\r\n").body == body, "what came back is something else");
    }
}

#[test]
fn a_client_that_does_not_read_holds_up_its_origin_and_not_the_memory() {
    const LENGTH: usize = 24 * MEBIBYTE;
    let authority = Authority::new("Test");
    let origin = Origin::answering(|_| ok(vec![b'x'; LENGTH]));
    let gateway = before(&authority, &origin, "");
    let mut client = Visitor::to(NAME, &authority).ready().connect(gateway.address());
    let rss = gateway.rss_kib();
    client.send(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"));
    // once it has filled what the kernel takes, nothing goes on
    let sent = || gateway.metric("http_response_bytes_total");
    client.stream.peek(&mut [0]).unwrap();
    let mut last = -1.0;
    eventually(PATIENCE, || {
        std::thread::sleep(Duration::from_millis(100));
        let now = sent();
        (std::mem::replace(&mut last, now) == now).then_some(())
    });
    let grown = gateway.rss_kib().saturating_sub(rss);
    assert!(grown < 16 * 1024, "{grown} KiB for a client that does not read");
    let (all, ended) = client.rest(PATIENCE);
    assert!(all.len() > LENGTH && ended == Ended::Properly, "{} bytes, then {ended:?}", all.len());
}

#[test]
fn an_origin_that_does_not_read_holds_up_its_client() {
    const LENGTH: usize = 24 * MEBIBYTE;
    let authority = Authority::new("Test");
    let gate = Gate::shut();
    let waits = gate.clone();
    let origin = Origin::with_ownership(move |mut peer| {
        waits.pass();
        let (mut bytes, mut come) = (vec![0; MEBIBYTE], 0);
        while come < LENGTH {
            match peer.stream.read(&mut bytes) {
                Ok(n) if n > 0 => come += n,
                _ => return,
            }
        }
        peer.send(ok("enough"));
    });
    let gateway = before(&authority, &origin, "defaults: { request: { max_body: 64MiB } }\n");
    let mut client = Visitor::to(NAME, &authority).ready().connect(gateway.address());
    let rss = gateway.rss_kib();
    client.send(post(LENGTH));
    client.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let record = vec![b'x'; 16 * 1024];
    let mut left = LENGTH;
    let mut unsent = Vec::new();
    while left > 0 && unsent.is_empty() {
        let sealed = client.record(&record);
        left -= record.len();
        let mut written = 0;
        while written < sealed.len() {
            match client.stream.write(&sealed[written..]) {
                Ok(n) => written += n,
                Err(_) => break,
            }
        }
        unsent = sealed[written..].to_vec();
    }
    assert!(left > 0, "all of it was taken");
    let grown = gateway.rss_kib().saturating_sub(rss);
    assert!(grown < 16 * 1024, "{grown} KiB for an origin that does not read");
    gate.open();
    client.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    client.stream.write_all(&unsent).unwrap();
    while left > 0 {
        client.send(&record);
        left -= record.len();
    }
    assert_eq!(client.response().text(), "enough");
}

#[test]
fn a_client_that_waits_is_told_to_go_on() {
    let authority = Authority::new("Test");
    let origin = echo();
    let gateway = before(&authority, &origin, "");
    let mut client = Visitor::to(NAME, &authority).ready().connect(gateway.address());
    client.send(post(4).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.ask("body").text(), "body");
}

#[test]
fn a_tunnel_carries_both_ways_and_each_side_ends_on_its_own() {
    let authority = Authority::new("Test");
    let origin = Origin::with_ownership(|mut peer| {
        if peer.request().is_none() || !peer.send(SWITCH) {
            return;
        }
        let mut heard = Vec::new();
        peer.stream.read_to_end(&mut heard).ok();
        // its client has ended its side, and still listens
        peer.send([b"heard ", heard.len().to_string().as_bytes()].concat());
    });
    let gateway = before(&authority, &origin, "");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut client = Visitor::to(NAME, &authority).speaking(version).ready().connect(gateway.address());
        assert_eq!(client.ask(UPGRADE).status, 101);
        for part in pattern(100_000).chunks(999) {
            client.send(part);
        }
        client.half_close();
        let (rest, end) = client.rest(PATIENCE);
        assert_eq!((String::from_utf8_lossy(&rest).as_ref(), end), ("heard 100000", Ended::Properly));
    }
}

#[test]
fn keys_are_renewed_in_the_midst_of_bodies() {
    let authority = Authority::new("Test");
    let origin = echo();
    let gateway = before(&authority, &origin, "");
    let mut client = Visitor::to(NAME, &authority).ready().connect(gateway.address());
    let body = pattern(200_000);
    client.send(post(body.len()));
    for part in body.chunks(1000) {
        client.send(part);
        client.session.refresh_traffic_keys().unwrap();
        client.flush().unwrap();
    }
    assert!(client.response().body == body, "what came back is something else");
    // between requests too, where nobody waits for the answer
    for n in 0..20 {
        client.session.refresh_traffic_keys().unwrap();
        client.flush().unwrap();
        assert_eq!(client.get(&format!("/{n}")).text(), format!("/{n}"));
    }
}

/// An openssl that is talked to line by line.
struct Talk {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Talk {
    fn to(gateway: &Gateway, version: &str) -> Talk {
        let mut child =
            start_openssl(gateway.address(), &[version, "-servername", NAME, "-msg", "-legacy_renegotiation"]);
        let said = Arc::<Mutex<String>>::default();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for mut output in outputs {
            let said = said.clone();
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(n) = output.read(&mut bytes)
                    && n > 0
                {
                    said.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
                }
            });
        }
        Talk { child, said }
    }

    fn say(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    #[track_caller]
    fn expect(&self, words: &str) {
        let start = std::time::Instant::now();
        while !self.said.lock().unwrap().contains(words) {
            assert!(start.elapsed() < PATIENCE, "{words:?} is not in {}", self.said.lock().unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn openssl_asks_for_new_keys_and_gets_them() {
    let authority = Authority::new("Test");
    let origin = echo();
    let gateway = before(&authority, &origin, "");
    let mut talk = Talk::to(&gateway, "-tls1_3");
    talk.expect("read R BLOCK");
    // it renews its own keys, and asks for the gateway's
    talk.say("K\n");
    talk.expect(">>> TLS 1.3, Handshake [length 0005], KeyUpdate");
    talk.say("GET /after HTTP/1.1\r\nHost: a.example\r\n\r\n");
    talk.expect("<<< TLS 1.3, Handshake [length 0005], KeyUpdate");
    talk.expect("/after");
}

#[test]
fn nobody_negotiates_anew() {
    let authority = Authority::new("Test");
    let origin = echo();
    let gateway = before(&authority, &origin, "");
    let mut talk = Talk::to(&gateway, "-tls1_2");
    talk.expect("Extended master secret: yes");
    talk.say("R\n");
    talk.expect("no_renegotiation");
    // which a client may ask for as often as it likes
    assert!(!gateway.stderr().contains("enegotiation"), "{}", gateway.stderr());
    assert_eq!(gateway.metric("panics_total"), 0.0);
    assert_eq!(Visitor::to(NAME, &authority).ready().get(gateway.address(), "/x").text(), "/x");
}
