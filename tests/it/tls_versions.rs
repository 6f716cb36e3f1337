//! What a client and the gateway agree on: version, protocol, key exchange, suite. And what is refused, with a word for it.

use rustls::crypto::aws_lc_rs::cipher_suite as suites;
use rustls::crypto::aws_lc_rs::kx_group::{MLKEM768, SECP256R1, SECP384R1, X25519, X25519MLKEM768};
use rustls::{AlertDescription, NamedGroup, ProtocolVersion};

use crate::harness::*;

const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";
const NAME: &str = "a.example";

fn gateway(authority: &Authority, keys: &str) -> Gateway {
    Gateway::start(&format!("{}{ROUTES}", secured(&[&authority.issue(&[NAME])], keys)))
}

#[test]
fn the_newest_version_is_spoken_and_the_oldest_is_what_is_written() {
    let authority = Authority::new("Test");
    let (open, narrow) = (gateway(&authority, ""), gateway(&authority, "min_version: \"1.3\""));
    let visitor = || Visitor::to(NAME, &authority);
    for gateway in [&open, &narrow] {
        let mut client = visitor().ready().connect(gateway.address());
        assert_eq!(client.session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(client.get("/").text(), "hi");
    }
    let old = visitor().speaking(&rustls::version::TLS12).ready();
    let mut client = old.connect(open.address());
    assert_eq!(client.session.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    assert_eq!(client.get("/").text(), "hi");
    let refused = old.try_connect(narrow.address()).unwrap_err();
    assert_eq!(refused, Ended::Alert(AlertDescription::ProtocolVersion));
    narrow.expect_metric("tls_handshakes_total{result=\"failed\"}", 1.0);
    open.expect_metric("tls_handshakes_total{result=\"full\",version=\"1.2\"}", 1.0);
    open.expect_metric("tls_handshakes_total{result=\"full\",version=\"1.3\"}", 1.0);
}

#[test]
fn versions_before_the_second_are_refused_whatever_a_client_is_willing_to() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    for version in ["-tls1", "-tls1_1"] {
        // at this level the client's library would speak them
        let said = openssl(gateway.address(), &[version, "-cipher", "ALL:@SECLEVEL=0", "-servername", NAME], "");
        assert!(said.contains("SSL alert number 70") || said.contains("SSL alert number 40"), "{version}: {said}");
        assert!(said.contains("Cipher is (NONE)"), "{version}: {said}");
    }
    gateway.expect_metric("tls_handshakes_total{result=\"failed\"}", 2.0);
    assert_eq!(Visitor::to(NAME, &authority).ready().get(gateway.address(), "/").text(), "hi");
}

#[test]
fn the_protocol_is_chosen_that_both_speak() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    let offering = |protocols: &[&str]| Visitor::to(NAME, &authority).offering(protocols).ready();
    for offered in [&["http/1.1"][..], &["h3", "http/1.1"], &["http/1.1", "acme-tls/1"]] {
        let mut client = offering(offered).connect(gateway.address());
        assert_eq!(client.session.alpn_protocol(), Some(&b"http/1.1"[..]), "{offered:?}");
        assert_eq!(client.get("/").text(), "hi");
    }
    // who offers none is served
    let mut client = offering(&[]).connect(gateway.address());
    assert_eq!(client.session.alpn_protocol(), None);
    assert_eq!(client.get("/").status, 200);
    for refused in [&["spdy/3"][..], &["http/1.0", "foo"], &["acme-tls/1"]] {
        let ended = offering(refused).try_connect(gateway.address()).unwrap_err();
        let alert = match ended {
            Ended::Alert(alert) => alert,
            other => panic!("{refused:?}: {other:?}"),
        };
        let expected = match refused {
            // who comes for a proof of an authority asks for a name that there is no proof for
            ["acme-tls/1"] => AlertDescription::UnrecognisedName,
            _ => AlertDescription::NoApplicationProtocol,
        };
        assert_eq!(alert, expected, "{refused:?}");
    }
    let said = openssl(gateway.address(), &["-servername", NAME, "-alpn", "foo,http/1.1"], "");
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
}

#[test]
fn keys_are_exchanged_so_that_a_quantum_computer_does_not_help_where_the_client_can() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    for (groups, expected) in [
        (&[X25519MLKEM768, X25519][..], NamedGroup::X25519MLKEM768),
        // who would rather not, and has sent the other share, is not made to come again
        (&[X25519, X25519MLKEM768], NamedGroup::X25519),
        (&[X25519], NamedGroup::X25519),
        (&[SECP256R1], NamedGroup::secp256r1),
        (&[SECP384R1], NamedGroup::secp384r1),
    ] {
        let mut client = Visitor::to(NAME, &authority).exchanging(groups).ready().connect(gateway.address());
        let agreed = client.session.negotiated_key_exchange_group().map(|group| group.name());
        assert_eq!(agreed, Some(expected), "{groups:?}");
        assert_eq!(client.get("/").text(), "hi");
    }
    let alone = Visitor::to(NAME, &authority).exchanging(&[MLKEM768]).ready();
    let refused = alone.try_connect(gateway.address()).unwrap_err();
    assert_eq!(refused, Ended::Alert(AlertDescription::HandshakeFailure));
}

#[test]
fn every_suite_is_spoken_and_the_log_tells_which() {
    let authority = Authority::new("Test");
    let names = &[NAME];
    let leaves = [&authority.issue(names), &authority.issue_rsa(names)];
    let gateway = Gateway::start(&format!("{}{ROUTES}", secured(&leaves, "")));
    for suite in [
        suites::TLS13_AES_128_GCM_SHA256,
        suites::TLS13_AES_256_GCM_SHA384,
        suites::TLS13_CHACHA20_POLY1305_SHA256,
        suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ] {
        let visitor = Visitor::to(NAME, &authority).speaking(suite.version()).knowing(&[suite]).ready();
        let name = suite.suite().as_str().unwrap().replace("TLS13_", "TLS_");
        assert_eq!(visitor.get(gateway.address(), &format!("/{name}")).text(), "hi");
        let line = gateway.logged(&format!("/{name}"));
        let version = if suite.tls13().is_some() { "1.3" } else { "1.2" };
        assert_eq!((&line["tls_version"], &line["tls_cipher"]), (&version.into(), &name.into()), "{line}");
        assert_eq!((&line["tls_server_name"], &line["scheme"]), (&NAME.into(), &"https".into()), "{line}");
    }
}

#[test]
fn old_clients_without_a_suite_in_common_are_told_so() {
    let authority = Authority::new("Test");
    let gateway = gateway(&authority, "");
    for cipher in ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"] {
        let said = openssl(gateway.address(), &["-tls1_2", "-cipher", cipher, "-servername", NAME], "");
        assert!(said.contains("alert handshake failure"), "{cipher}: {said}");
    }
}
