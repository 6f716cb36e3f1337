//! What comes over TLS and is not what it should be: pieces of messages, floods of nothing, garbage. Nobody else notices.

use std::io::Write;
use std::net::TcpStream;

use crate::harness::*;

const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn gateway(authority: &Authority, keys: &str) -> Gateway {
    Gateway::start(&format!("threads: 1\n{}{ROUTES}", secured(&[&authority.issue(&["a.example"])], keys)))
}

/// A connection whose records are made by hand from here on.
fn forger(authority: &Authority, gateway: &Gateway) -> Forger {
    let visitor = Visitor::to("a.example", authority).knowing(&[SUITE]).open_handed().ready();
    Forger::taking(visitor.connect(gateway.address()))
}

/// It serves, and nothing in it has given way.
#[track_caller]
fn is_well(authority: &Authority, gateway: &Gateway) {
    assert_eq!(Visitor::to("a.example", authority).ready().get(gateway.address(), "/").text(), "hi");
    assert_eq!(gateway.metric("panics_total"), 0.0, "{}", gateway.stderr());
}

#[test]
fn a_message_of_the_handshake_in_pieces_behind_a_request_harms_nobody() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    for piece in [&[24][..], &[24, 0, 0], &[24, 0, 0, 1], &[24, 0, 255, 255, 0, 0], &[1, 0, 255, 255, 3, 3]] {
        let mut forger = forger(&authority, &gateway);
        let bytes = [forger.seal(DATA, GET), forger.seal(HANDSHAKE, piece)].concat();
        forger.send(&bytes);
        forger.stream.shutdown(std::net::Shutdown::Write).unwrap();
        forger.expect_end();
    }
    is_well(&authority, &gateway);
}

#[test]
fn a_message_that_never_ends_is_refused_before_it_fills_memory() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    let mut forger = forger(&authority, &gateway);
    let mut bytes = forger.seal(HANDSHAKE, &[&[24, 0, 255, 255][..], &[0; 16_000]].concat());
    for _ in 0..20 {
        bytes.extend(forger.seal(HANDSHAKE, &[0; 500]));
    }
    for part in bytes.chunks(1000) {
        forger.send(part);
    }
    forger.expect_end();
    is_well(&authority, &gateway);
}

#[test]
fn garbage_behind_a_piece_of_a_message_ends_the_connection_and_nothing_else() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    // when the connection is made
    let mut one = forger(&authority, &gateway);
    let mut bytes = one.seal(HANDSHAKE, &[24, 0, 0]);
    bytes.extend([23, 3, 3, 0, 40]);
    bytes.extend([7; 40]);
    one.send(&bytes);
    one.expect_end();
    // and while it is made
    for garbage in [&[23, 3, 3, 0, 3, 1, 2, 3][..], &[21, 3, 3, 0, 2, 2, 40], &[99, 3, 3, 0, 1, 0], &[22, 3, 3, 0, 0]] {
        let mut raw = gateway.connect();
        raw.send([&[22, 3, 1, 0, 6, 1, 0, 255, 0, 3, 3][..], garbage].concat());
        raw.half_close();
        raw.rest(PATIENCE).expect("the end");
    }
    is_well(&authority, &gateway);
}

#[test]
fn records_that_hold_nothing_are_counted_and_too_many_end_the_connection() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    let mut forger = forger(&authority, &gateway);
    let bytes: Vec<u8> = (0..2_000).flat_map(|_| forger.seal(DATA, b"")).collect();
    forger.send(&bytes);
    forger.expect_end();
    is_well(&authority, &gateway);
}

#[test]
fn a_hello_without_end_is_refused() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    // one byte of the hello in each record
    let record = [22, 3, 1, 0, 1, 0];
    let hello = [22, 3, 1, 0, 4, 1, 0, 255, 255];
    stream.write_all(&hello).unwrap();
    let flood: Vec<u8> = record.repeat(400_000);
    // it may be refused before all of it is sent
    stream.write_all(&flood).ok();
    gateway.expect_metric("tls_handshakes_total{result=\"failed\"}", 1.0);
    is_well(&authority, &gateway);
}
