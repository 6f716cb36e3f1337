//! Hellos and records that were damaged at random: each ends, none harms the gateway or keeps it from others.

use std::io::Write;

use fastrand::Rng;

use crate::harness::*;

const NAME: &str = "a.example";
const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";
/// Damaged hellos, and connections with damaged records.
const HELLOS: u64 = 1200;
const CONNECTIONS: u64 = 150;

/// Damages some bytes, in one to four ways.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.usize(1..=4) {
        let at = rng.usize(..bytes.len().max(1));
        match rng.u8(..7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), rng.u8(..)),
            2 => bytes.extend((0..rng.usize(1..40)).map(|_| rng.u8(..))),
            // lengths are where mistakes are
            3 if at < bytes.len() => bytes[at] = *rng.choice(&[0, 1, 127, 128, 255]).unwrap(),
            4 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
            5 => {
                let piece: Vec<u8> = bytes[at.min(bytes.len())..].iter().take(rng.usize(1..60)).copied().collect();
                bytes.splice(at.min(bytes.len())..at.min(bytes.len()), piece);
            }
            _ => {
                let end = (at + rng.usize(1..20)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
        }
    }
}

fn gateway(authority: &Authority) -> Gateway {
    let leaves = [&authority.issue(&[NAME]), &authority.issue_rsa(&[NAME])];
    let keys = format!("client_ca: {}, client_auth: optional", authority.file().display());
    Gateway::start(&format!("{}{ROUTES}", secured(&leaves, &keys)))
}

#[track_caller]
fn is_well(authority: &Authority, gateway: &Gateway) {
    assert_eq!(Visitor::to(NAME, authority).ready().get(gateway.address(), "/").text(), "hi");
    gateway.expect_metric("listener_connections", 0.0);
    assert_eq!(gateway.metric("panics_total"), 0.0, "{}", gateway.stderr());
}

#[test]
fn no_damaged_hello_harms_the_gateway() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority);
    let hellos: Vec<Vec<u8>> = [&rustls::version::TLS13, &rustls::version::TLS12]
        .into_iter()
        .map(|version| {
            Visitor::to(NAME, &authority)
                .speaking(version)
                .offering(&["h2", "http/1.1"])
                .ready()
                .begin(gateway.address())
                .outgoing()
        })
        .collect();
    let ends = side_by_side(4, (0..HELLOS).collect(), |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut bytes = rng.choice(&hellos).unwrap().clone();
        damage(&mut rng, &mut bytes);
        if rng.u8(..4) == 0 {
            // what follows a hello that was taken
            bytes.extend([*rng.choice(&[20, 21, 22, 23]).unwrap(), 3, 3, 0, 30]);
            bytes.extend((0..30).map(|_| rng.u8(..)));
        }
        let mut client = gateway.connect();
        // in two writes, so that it comes in pieces
        let (front, rest) = bytes.split_at(rng.usize(..=bytes.len()));
        client.try_send(front).ok();
        client.try_send(rest).ok();
        client.stream.shutdown(std::net::Shutdown::Write).ok();
        client.rest(PATIENCE).is_some()
    });
    let open: Vec<usize> = (0..ends.len()).filter(|seed| !ends[*seed]).collect();
    assert!(open.is_empty(), "these are still open: {open:?}");
    is_well(&authority, &gateway);
}

#[test]
fn no_record_that_is_sealed_well_and_holds_nonsense_harms_the_gateway() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority);
    let visitor = Visitor::to(NAME, &authority).knowing(&[SUITE]).open_handed().ready();
    side_by_side(4, (0..CONNECTIONS).collect(), |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut forger = Forger::taking(visitor.connect(gateway.address()));
        let mut bytes = Vec::new();
        for _ in 0..rng.usize(1..8) {
            let kind = *rng.choice(&[DATA, HANDSHAKE, ALERT, 20, 24, 0]).unwrap();
            let mut plain = match rng.u8(..4) {
                0 => format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n").into_bytes(),
                1 => vec![24, 0, 0, 1, rng.u8(..3)],
                2 => vec![rng.u8(..), rng.u8(..)],
                _ => (0..rng.usize(..300)).map(|_| rng.u8(..)).collect(),
            };
            if rng.bool() {
                damage(&mut rng, &mut plain);
            }
            bytes.extend(forger.seal(kind, &plain));
        }
        if rng.bool() {
            damage(&mut rng, &mut bytes);
        }
        forger.stream.write_all(&bytes).ok();
        forger.stream.shutdown(std::net::Shutdown::Write).ok();
        forger.expect_end();
    });
    is_well(&authority, &gateway);
}
