//! Which certificate a client is presented: by the name it asks for, and by the kinds of signature it understands.

use rustls::SignatureScheme::{ECDSA_NISTP256_SHA256, RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use rustls::{AlertDescription, SignatureScheme};

use crate::harness::*;

const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";
const ECDSA: &[SignatureScheme] = &[ECDSA_NISTP256_SHA256];
const RSA: &[SignatureScheme] = &[RSA_PSS_SHA256, RSA_PKCS1_SHA256];

fn gateway(leaves: &[&Leaf], keys: &str) -> Gateway {
    Gateway::start(&format!("{}{ROUTES}", secured(leaves, keys)))
}

/// Which of these a client gets that asks for this name; none when it is refused by the alert for that.
#[track_caller]
fn presented(gateway: &Gateway, leaves: &[&Leaf], name: Option<&str>) -> Option<usize> {
    let visitor = Visitor::trusting(name.unwrap_or("any.example"));
    let visitor = if name.is_none() { visitor.nameless() } else { visitor };
    match visitor.ready().try_connect(gateway.address()) {
        Ok(client) => Some(leaves.iter().position(|l| l.chain()[0] == client.presented()).expect("one of them")),
        Err(Ended::Alert(AlertDescription::UnrecognisedName)) => None,
        Err(other) => panic!("{name:?}: {other:?}"),
    }
}

#[test]
fn a_client_gets_the_certificate_that_has_its_name_in_whatever_order_they_are_written() {
    let authority = Authority::new("Test");
    let first = authority.issue(&["first.example", "www.first.example"]);
    let exact = authority.issue(&["a.wild.example"]);
    let wild = authority.issue(&["*.wild.example"]);
    let deep = authority.issue(&["*.b.wild.example", "second.example"]);
    for order in [[0, 1, 2, 3], [0, 3, 2, 1], [0, 2, 1, 3]] {
        let leaves = [&first, &exact, &wild, &deep];
        let gateway = gateway(&order.map(|n| leaves[n]), "");
        for (name, expected) in [
            ("first.example", 0),
            ("WWW.First.Example", 0),
            ("a.wild.example", 1),
            ("A.WILD.example", 1),
            ("b.wild.example", 2),
            ("x.b.wild.example", 3),
            ("second.example", 3),
            // a wildcard stands for one label, and not for none
            ("wild.example", 0),
            ("x.y.wild.example", 0),
            ("x.y.b.wild.example", 0),
            ("elsewhere.example", 0),
        ] {
            assert_eq!(presented(&gateway, &leaves, Some(name)), Some(expected), "{name} in the order {order:?}");
        }
        assert_eq!(presented(&gateway, &leaves, None), Some(0));
    }
}

#[test]
fn strict_listeners_refuse_who_asks_for_no_name_or_an_unknown_one_and_say_so() {
    let authority = Authority::new("Test");
    let leaves = [&authority.issue(&["a.example"]), &authority.issue(&["*.b.example"])];
    let gateway = gateway(&leaves, "strict_sni: true");
    assert_eq!(presented(&gateway, &leaves, Some("a.example")), Some(0));
    assert_eq!(presented(&gateway, &leaves, Some("x.b.example")), Some(1));
    for refused in [Some("c.example"), Some("b.example"), Some("x.y.b.example"), Some("127.0.0.1"), None] {
        assert_eq!(presented(&gateway, &leaves, refused), None, "{refused:?}");
    }
    gateway.expect_metric("tls_handshakes_total{result=\"unknown_name\"}", 5.0);
    // the same in the older version
    let old = Visitor::trusting("c.example").speaking(&rustls::version::TLS12).ready();
    let refused = old.try_connect(gateway.address()).unwrap_err();
    assert_eq!(refused, Ended::Alert(AlertDescription::UnrecognisedName));
}

#[test]
fn an_address_is_no_name_and_a_name_may_end_in_a_dot() {
    let authority = Authority::new("Test");
    let here = own_address().to_string();
    let leaves = [&authority.issue(&["a.example"]), &authority.issue(&["b.example", &here])];
    let gateway = gateway(&leaves, "");
    // clients do not send an address as a name (RFC 6066), so it cannot choose
    assert_eq!(presented(&gateway, &leaves, Some(&here)), Some(0));
    for (name, expected) in [("b.example.", "b.example"), ("B.Example.", "b.example"), (here.as_str(), "a.example")] {
        let said = openssl(gateway.address(), &["-servername", name], "");
        assert!(said.contains(&format!("subject=CN = {expected}")), "{name}: {said}");
    }
}

#[test]
fn a_client_gets_the_kind_of_key_that_it_understands() {
    let authority = Authority::new("Test");
    let names = &["a.example", "*.b.example"];
    let (ecdsa, rsa) = (authority.issue(names), authority.issue_rsa(names));
    for (order, version) in [
        ([&ecdsa, &rsa], &rustls::version::TLS13),
        ([&rsa, &ecdsa], &rustls::version::TLS13),
        ([&rsa, &ecdsa], &rustls::version::TLS12),
    ] {
        let gateway = gateway(&order, "");
        // by name, by wildcard, and by default
        for name in ["a.example", "x.b.example", "unknown.example"] {
            for (schemes, expected) in [(ECDSA, &ecdsa), (RSA, &rsa), (&[ECDSA, RSA].concat()[..], &ecdsa)] {
                let visitor = Visitor::trusting(name).speaking(version).judging(schemes.to_vec());
                let client = visitor.connect(gateway.address());
                assert_eq!(client.presented(), expected.chain()[0], "{name} {version:?} {schemes:?}");
            }
        }
    }
}

#[test]
fn a_client_that_understands_no_kind_of_key_that_there_is_is_told_so() {
    let authority = Authority::new("Test");
    let gateway = gateway(&[&authority.issue(&["a.example"])], "");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let visitor = Visitor::trusting("a.example").speaking(version).judging(RSA.to_vec());
        let refused = visitor.try_connect(gateway.address()).unwrap_err();
        assert_eq!(refused, Ended::Alert(AlertDescription::HandshakeFailure), "{version:?}");
    }
    gateway.expect_metric("tls_handshakes_total{result=\"failed\"}", 2.0);
    assert_eq!(gateway.metric("tls_handshakes_total{result=\"unknown_name\"}"), 0.0);
}

#[test]
fn a_request_for_a_host_with_another_certificate_is_misdirected() {
    let authority = Authority::new("Test");
    let (one, other) = (authority.issue(&["a.example", "b.example"]), authority.issue(&["c.example"]));
    let gateway = gateway(&[&one, &other], "");
    let visitor = Visitor::to("a.example", &authority).ready();
    let mut client = visitor.connect(gateway.address());
    for (host, status) in [("a.example", 200), ("A.example:21080", 200), ("b.example", 200), ("c.example", 421)] {
        let response = client.ask(format!("GET /{host} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(response.status, status, "{host}: {response:?}");
        assert_eq!(response.says_close(), status == 421);
    }
    assert_eq!(client.ended(), Ended::Properly);
    assert_eq!(gateway.logged("/c.example")["reason"], "misdirected_request");
    // who names no host has none to contradict
    let mut nameless = Visitor::trusting("a.example").nameless().ready().connect(gateway.address());
    assert_eq!(nameless.ask("GET / HTTP/1.1\r\nHost: c.example\r\n\r\n").status, 200);
}
