//! Handshakes that are slow, broken, costly or none: each has its end and its count, and nobody else waits for it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::harness::*;

const NAME: &str = "a.example";
const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";

fn gateway(authority: &Authority, keys: &str) -> Gateway {
    Gateway::start(&format!("threads: 1\n{}{ROUTES}", secured(&[&authority.issue(&[NAME])], keys)))
}

/// What a client says first.
fn hello(gateway: &Gateway, authority: &Authority) -> Vec<u8> {
    Visitor::to(NAME, authority).ready().begin(gateway.address()).outgoing()
}

fn ended(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric(&format!("tls_handshakes_total{{result=\"{result}\"}}"))
}

#[test]
fn clients_that_say_nothing_or_stop_or_dribble_have_their_time_and_no_more() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "handshake_timeout: 3s");
    let hello = hello(&gateway, &authority);
    let mut silent = gateway.connect();
    let mut halfway = gateway.connect();
    halfway.send(&hello[..hello.len() / 2]);
    // one that has got its answer, and says nothing to that
    let mut speechless = gateway.connect();
    speechless.send(&hello);
    let mut dribbler = gateway.connect();
    let slow = dribbler.stream.try_clone().unwrap();
    let dribbled = hello.clone();
    let dribbling = std::thread::spawn(move || {
        let mut slow = slow;
        for byte in &dribbled {
            std::thread::sleep(Duration::from_millis(50));
            if slow.write_all(&[*byte]).is_err() {
                return;
            }
        }
    });
    for _ in 0..5 {
        assert_eq!(Visitor::to(NAME, &authority).ready().get(gateway.address(), "/").text(), "hi");
    }
    for client in [&mut silent, &mut halfway, &mut speechless, &mut dribbler] {
        client.rest(PATIENCE).expect("the end");
    }
    drop(dribbler);
    dribbling.join().unwrap();
    gateway.expect_metric("tls_handshakes_total{result=\"timeout\"}", 4.0);
}

#[test]
fn five_hundred_stalled_handshakes_cost_others_nothing() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    let hello = hello(&gateway, &authority);
    // whose hello that is has left
    gateway.expect_metric("tls_handshakes_total{result=\"closed\"}", 1.0);
    let stalled: Vec<Client> = (0..500)
        .map(|n| {
            let mut client = gateway.connect();
            client.send(&hello[..n % hello.len()]);
            client
        })
        .collect();
    eventually(PATIENCE, || (gateway.metric("listener_connections") >= 500.0).then_some(()));
    let visitor = Visitor::to(NAME, &authority).ready();
    for _ in 0..20 {
        assert_eq!(visitor.get(gateway.address(), "/").text(), "hi");
    }
    drop(stalled);
    gateway.expect_metric("tls_handshakes_total{result=\"closed\"}", 501.0);
    gateway.expect_metric("listener_connections", 0.0);
}

#[test]
fn a_hello_in_the_smallest_pieces_is_as_good_as_one() {
    let authority = Authority::new("Test");
    for leaf in [authority.issue(&[NAME]), authority.issue_rsa(&[NAME])] {
        let gateway = Gateway::start(&format!("{}{ROUTES}", secured(&[&leaf], "")));
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let visitor = Visitor::to(NAME, &authority).speaking(version).ready();
            // a byte in each write
            let mut client = visitor.begin(gateway.address());
            for byte in client.outgoing() {
                client.stream.write_all(&[byte]).unwrap();
            }
            client.shake().unwrap();
            assert_eq!(client.get("/").text(), "hi");
            // a byte in each record
            let mut client = visitor.begin(gateway.address());
            let records: Vec<u8> = client.outgoing()[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
            client.stream.write_all(&records).unwrap();
            client.shake().unwrap();
            assert_eq!(client.get("/").text(), "hi");
        }
        assert_eq!(ended(&gateway, "failed"), 0.0);
    }
}

#[test]
fn what_is_no_tls_is_refused_at_once_and_the_log_stays_quiet() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    let before = gateway.stderr().lines().count();
    let long = [&[22, 3, 1, 255, 255][..], &[1; 20_000]].concat();
    let huge = [&[22, 3, 1, 0, 4, 1, 255, 255, 255][..], &[22, 3, 1, 64, 0], &[0; 16_384]].concat();
    for garbage in [&long[..], &huge, &[22, 3, 1, 0, 5, 1, 0, 0, 1, 9], &[22, 9, 9, 0, 0], &[22; 600]] {
        let mut client = gateway.connect();
        client.send(garbage);
        client.half_close();
        let said = client.rest(PATIENCE).expect("the end");
        assert!(said.is_empty() || said[0] == 21, "{said:?}");
    }
    let plain = ended(&gateway, "plain_http");
    for _ in 0..50 {
        let response = gateway.ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!((response.status, response.header("content-type")), (400, Some("text/plain; charset=utf-8")));
        assert!(response.text().contains("https://") && response.says_close(), "{response:?}");
    }
    gateway.expect_metric("tls_handshakes_total{result=\"plain_http\"}", plain + 50.0);
    assert_eq!(ended(&gateway, "full"), 0.0);
    assert_eq!(gateway.stderr().lines().count(), before, "{}", gateway.stderr());
    assert!(gateway.log_lines().is_empty());
}

#[test]
fn a_hello_to_a_port_without_tls_is_a_bad_request_and_the_log_stays_quiet() {
    let authority = Authority::new("Test");
    let gateway = Gateway::start(ROUTES);
    let before = gateway.stderr().lines().count();
    for _ in 0..20 {
        let mut client = gateway.connect();
        client.send(hello(&gateway, &authority));
        let said = client.rest(PATIENCE).expect("the end");
        assert!(said.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&said));
    }
    assert_eq!(gateway.stderr().lines().count(), before, "{}", gateway.stderr());
}

#[test]
fn every_end_of_a_handshake_is_counted_once() {
    let (authority, clients) = (Authority::new("Test"), Authority::new("Clients"));
    let keys = format!(
        "handshake_timeout: 3s, strict_sni: true, client_ca: {}, client_auth: optional",
        clients.file().display()
    );
    let gateway = gateway(&authority, &keys);
    let visitor = Visitor::to(NAME, &authority).ready();
    visitor.get(gateway.address(), "/full");
    visitor.get(gateway.address(), "/resumed");
    Visitor::to("b.example", &authority).ready().try_connect(gateway.address()).unwrap_err();
    let stranger = Visitor::to(NAME, &authority).showing(&authority.issue(&["client"])).ready();
    stranger.try_get(gateway.address(), "/").unwrap_err();
    assert_eq!(gateway.get("/plain").status, 400);
    drop(gateway.connect());
    gateway.ask_garbage();
    let mut silent = gateway.connect();
    silent.rest(PATIENCE).expect("the end");
    for result in ["full", "resumed", "unknown_name", "client_certificate", "plain_http", "closed", "failed", "timeout"]
    {
        gateway.expect_metric(&format!("tls_handshakes_total{{listener=\"web\",result=\"{result}\"}}"), 1.0);
    }
    let lines = gateway.log_lines();
    assert_eq!(lines.iter().filter(|line| line["tls_version"] == "1.3").count(), lines.len(), "{lines:?}");
}

trait Garbage {
    fn ask_garbage(&self);
}

impl Garbage for Gateway {
    /// A hello that cannot be read.
    fn ask_garbage(&self) {
        let mut client = self.connect();
        client.send([22, 3, 1, 0, 5, 1, 0, 0, 1, 9]);
        client.rest(PATIENCE).expect("the end");
    }
}

#[test]
fn what_is_presented_and_until_when_is_a_metric_and_a_status() {
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME, "*.b.example"]);
    let gateway = Gateway::start(&format!("{}{ROUTES}", secured(&[&leaf], "")));
    let shown = gateway.shows("/api/v1/certificates");
    let certificate = &shown.as_array().unwrap_or_else(|| shown["certificates"].as_array().unwrap())[0];
    assert_eq!((&certificate["subject"], &certificate["state"]), (&NAME.into(), &"valid".into()), "{certificate}");
    let expiry = gateway.metric(&format!("tls_certificate_expiry_timestamp_seconds{{subject=\"{NAME}\"}}"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let days = (expiry - now) / 86_400.0;
    assert!((89.0..=90.0).contains(&days), "{days}");
}

/// How many of these have been answered, as far as the kernel knows.
fn answered(streams: &[TlsClient]) -> usize {
    let has_bytes = |client: &&TlsClient| {
        client.stream.set_nonblocking(true).unwrap();
        let come = client.stream.peek(&mut [0]).is_ok();
        client.stream.set_nonblocking(false).unwrap();
        come
    };
    streams.iter().filter(has_bytes).count()
}

#[test]
fn costly_handshakes_do_not_hold_up_who_is_connected() {
    const CROWD: usize = 200;
    let authority = Authority::new("Test");
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096).unwrap();
    let leaf = authority.issue_for(&key, &[NAME], |_| {});
    let gateway = Gateway::start(&format!(
        "threads: 1\nlisteners: {{ web: {{ address: \"HERE:21080\" }}, tls: {{ address: \"HERE:21443\", \
         tls: {{ certificates: [{}] }} }} }}\n{ROUTES}",
        leaf.entry()
    ));
    let mut kept = gateway.connect();
    assert_eq!(kept.get("/").text(), "hi");
    let visitor = Visitor::to(NAME, &authority).ready();
    // one comes whole, the next in two pieces
    let hello = |client: &mut TlsClient| client.outgoing();
    let mut crowd: Vec<TlsClient> = (0..CROWD).map(|_| visitor.begin(gateway.on(21443))).collect();
    let mut rests = Vec::new();
    for (n, client) in crowd.iter_mut().enumerate() {
        let hello = hello(client);
        let (front, rest) = hello.split_at(if n % 2 == 0 { hello.len() } else { 100 });
        client.stream.write_all(front).unwrap();
        rests.push(rest.to_vec());
    }
    for (client, rest) in crowd.iter_mut().zip(&rests) {
        client.stream.write_all(rest).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(kept.get("/").text(), "hi");
    }
    let before = answered(&crowd);
    assert!(before < CROWD * 3 / 4, "{before} of {CROWD} were answered before three requests on a kept connection");
    for client in &mut crowd {
        client.shake().unwrap();
        assert_eq!(client.get("/").text(), "hi");
    }
    gateway.expect_metric("tls_handshakes_total{result=\"full\"}", CROWD as f64);
}

#[test]
fn a_client_that_leaves_in_the_midst_of_a_costly_handshake_leaves_nothing_behind() {
    let authority = Authority::new("Test");
    let gateway = Gateway::start(&format!("threads: 1\n{}{ROUTES}", secured(&[&authority.issue_rsa(&[NAME])], "")));
    let hello = hello(&gateway, &authority);
    for _ in 0..30 {
        let mut stream = TcpStream::connect(gateway.address()).unwrap();
        stream.write_all(&hello).unwrap();
        drop(stream);
    }
    for _ in 0..5 {
        let mut stream = TcpStream::connect(gateway.address()).unwrap();
        stream.write_all(&hello).unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
    }
    gateway.expect_metric("listener_connections", 0.0);
    assert_eq!(Visitor::to(NAME, &authority).ready().get(gateway.address(), "/").text(), "hi");
    assert_eq!(gateway.metric("panics_total"), 0.0);
}
