//! Endpoints with which there is no TLS: each fails with a reason of its own, in words that say what to do, and nothing falls back to less.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::harness::*;

const NAME: &str = "app.internal";

/// The terms of an upstream that believes this authority.
fn believing(authority: &Authority, more: &str) -> String {
    format!("tls: {{ ca: {}, {more} }}", authority.file().display())
}

/// One request through a gateway before this endpoint fails with these words in the log.
#[track_caller]
fn expect_no_tls(endpoint: SocketAddr, terms: &str, words: &str) -> Gateway {
    expect_no_tls_within("25s", endpoint, terms, words)
}

/// The same, when a connection may take so long.
#[track_caller]
fn expect_no_tls_within(time: &str, endpoint: SocketAddr, terms: &str, words: &str) -> Gateway {
    let timeouts = format!("defaults: {{ timeouts: {{ connect: {time} }} }}\n");
    let gateway = Gateway::start(&format!("{}{timeouts}", pool([endpoint], terms)));
    let answer = gateway.get("/asked");
    assert_eq!((answer.status, answer.text().contains("upstream_tls")), (502, true), "{}", answer.text());
    gateway.expect_failure("upstream_tls");
    gateway.expect_said(&format!("no TLS with endpoint {endpoint} of app: {words}"));
    gateway
}

/// What an endpoint with this certificate is refused for.
#[track_caller]
fn expect_distrust(authority: &Authority, leaf: &Leaf, terms: &str, words: &str) {
    let origin = Origin::named("never");
    let secured = TlsOrigin::before(&origin, leaf);
    expect_no_tls(secured.address(), &believing(authority, terms), words);
    assert_eq!(origin.requests().len(), 0);
}

const SNI: &str = "sni: app.internal";

#[test]
fn an_expired_certificate_and_an_early_one_are_refused_with_their_dates() {
    let authority = Authority::new("Test");
    let words = "its certificate expired on 20";
    expect_distrust(&authority, &authority.issue_expired(&[NAME]), SNI, words);
    let words = "its certificate is not valid before 20";
    expect_distrust(&authority, &authority.issue_early(&[NAME]), SNI, words);
}

#[test]
fn what_stands_in_a_certificate_stays_on_its_line_of_the_log() {
    let (believed, other) = (Authority::new("Test"), Authority::new("Let's\nall is well"));
    let words = "its certificate was issued by `CN=Let's\\nall is well`, for which the file of `ca` does not vouch;";
    expect_distrust(&believed, &other.issue(&[NAME]), SNI, words);
}

#[test]
fn a_certificate_for_another_name_is_refused_with_the_name_to_write() {
    let authority = Authority::new("Test");
    let words = "its certificate is for other.example, not for app.internal; write `tls: { sni: other.example }` if that is meant";
    expect_distrust(&authority, &authority.issue(&["other.example"]), SNI, words);
    let words = "its certificate is for *.other.example, not for app.internal; write the name that is meant, one that \
                 `*.other.example` covers, as `tls: { sni: NAME }`";
    expect_distrust(&authority, &authority.issue(&["*.other.example"]), SNI, words);
    let many = authority.issue(&["a.test", "b.test", "c.test", "d.test", "127.0.0.9"]);
    let words = "its certificate is for a.test, b.test, c.test and 2 more, not for app.internal;";
    expect_distrust(&authority, &many, SNI, words);
    let words = "its certificate names no host (a common name does not count), so it cannot prove to be app.internal;";
    expect_distrust(&authority, &authority.issue(&[]), SNI, words);
    // without a name, the address is what must be proven
    let words = "its certificate is for app.internal, not for 127.";
    expect_distrust(&authority, &authority.issue(&[NAME]), "", words);
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_and_so_is_one_that_nobody_signed() {
    let (authority, other) = (Authority::new("Believed"), Authority::new("Somebody Else"));
    let words = "its certificate was issued by `CN=Somebody Else`, for which the file of `ca` does not vouch; write the certificate of \
                 that authority into the file of `tls: { ca: FILE }`";
    expect_distrust(&authority, &other.issue(&[NAME]), SNI, words);
    for is_ca in [false, true] {
        let words =
            "its certificate is self-signed; if it is to be believed, write the file with it as `tls: { ca: FILE }`";
        expect_distrust(&authority, &authority.self_signed(&[NAME], is_ca), SNI, words);
    }
}

#[test]
fn a_self_signed_certificate_that_is_believed_must_be_for_the_name_all_the_same() {
    let authority = Authority::new("Unused");
    for is_ca in [false, true] {
        let origin = Origin::named("mine");
        let leaf = authority.self_signed(&[NAME], is_ca);
        let secured = TlsOrigin::before(&origin, &leaf);
        let terms = |name: &str| format!("tls: {{ ca: {}, sni: {name} }}", leaf.cert.display());
        let gateway = Gateway::start(&pool([secured.address()], &terms(NAME)));
        assert_eq!(gateway.get("/").text(), "mine", "{is_ca}");
        let words = "its certificate is for app.internal, not for other.internal";
        expect_no_tls(secured.address(), &terms("other.internal"), words);
    }
}

#[test]
fn a_certificate_for_clients_is_none_for_servers() {
    let authority = Authority::new("Test");
    let leaf = authority.issue_with(&[NAME], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    expect_distrust(&authority, &leaf, SNI, "its certificate is not one for servers");
}

#[test]
fn an_endpoint_that_wants_a_certificate_is_told_apart_in_both_versions() {
    let (authority, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let leaf = authority.issue(&[NAME]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let origin = Origin::named("never");
        let manner = Manner { version: Some(version), ..Manner::asking(&clients) };
        let secured = TlsOrigin::in_manner(&origin, &leaf, manner);
        let words = match version.version {
            rustls::ProtocolVersion::TLSv1_2 => "it ",
            _ => "it wants a certificate of the gateway; write `tls: { cert: FILE, key: FILE }`",
        };
        expect_no_tls(secured.address(), &believing(&authority, SNI), words);
        // one of somebody else does not help
        let own = authority.issue(&["gateway"]);
        let terms = format!("{SNI}, cert: {}, key: {}", own.cert.display(), own.key.display());
        let words = "it does not accept the gateway's certificate (alert ";
        expect_no_tls(secured.address(), &believing(&authority, &terms), words);
        assert_eq!(origin.requests().len(), 0);
    }
}

#[test]
fn a_body_that_is_on_its_way_is_not_sent_to_another_after_a_late_refusal() {
    let (authority, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let leaf = authority.issue(&[NAME]);
    let origin = Origin::named("never");
    let strict = TlsOrigin::in_manner(&origin, &leaf, Manner::asking(&clients));
    let gateway = Gateway::start(&pool([strict.address()], &believing(&authority, SNI)));
    let mut client = gateway.connect();
    client.send("POST /asked HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nthe front");
    let answer = client.response_to("POST");
    assert_eq!((answer.status, answer.text().contains("upstream_tls")), (502, true), "{}", answer.text());
    assert_eq!(gateway.logged("/asked")["attempts"], 1);
}

/// Answers the first bytes of each connection with these.
fn answering(bytes: &'static [u8]) -> Origin {
    Origin::with_ownership(move |mut peer| {
        let mut hello = [0; 2048];
        let read = peer.stream.read(&mut hello);
        if read.is_ok_and(|n| n > 0) && peer.stream.write_all(bytes).is_ok() {
            peer.stream.shutdown(std::net::Shutdown::Write).ok();
            std::io::copy(&mut peer.stream, &mut std::io::sink()).ok();
        }
    })
}

#[test]
fn old_versions_are_not_spoken() {
    let terms = "tls: { sni: app.internal, verify: false }";
    let words = "it speaks neither TLS 1.2 nor TLS 1.3, and older versions are not safe";
    // a hello of TLS 1.1, as from a server that never heard of anything newer
    const HELLO: &[u8] = &[
        22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0, 0, 0x2f, 0,
    ];
    expect_no_tls(answering(HELLO).address(), terms, words);
    // the alert `protocol_version`
    expect_no_tls(answering(&[21, 3, 1, 0, 2, 2, 70]).address(), terms, words);
    // one that speaks 1.2 where 1.3 is wanted
    let authority = Authority::new("Test");
    let origin = Origin::named("never");
    let secured = TlsOrigin::in_manner(&origin, &authority.issue(&[NAME]), Manner::speaking(&rustls::version::TLS12));
    let words = "it does not speak TLS 1.3; update it, or write `tls: { min_version: \"1.2\" }`";
    expect_no_tls(secured.address(), "tls: { sni: app.internal, verify: false, min_version: \"1.3\" }", words);
}

/// `openssl s_server` with these arguments, at an address of its own.
struct Openssl(Child, SocketAddr);

impl Openssl {
    fn serving(leaf: &Leaf, arguments: &[&str]) -> Openssl {
        let address = SocketAddr::from((own_address(), 21443));
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &address.to_string()])
            .args(arguments)
            .arg("-cert")
            .arg(&leaf.cert)
            .arg("-key")
            .arg(&leaf.key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        eventually(PATIENCE, || TcpStream::connect(address).ok());
        Openssl(child, address)
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_server_of_openssl_that_stayed_with_old_versions_is_refused() {
    let authority = Authority::new("Test");
    let old = Openssl::serving(&authority.issue(&[NAME]), &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    expect_no_tls(old.1, &believing(&authority, SNI), "it speaks neither TLS 1.2 nor TLS 1.3");
}

#[test]
fn a_server_of_openssl_that_wants_a_certificate_says_so_before_it_closes() {
    let authority = Authority::new("Test");
    for version in ["-tls1_2", "-tls1_3"] {
        let strict = Openssl::serving(&authority.issue(&[NAME]), &[version, "-Verify", "1", "-verify_return_error"]);
        let gateway = Gateway::start(&pool([strict.1], &believing(&authority, SNI)));
        for _ in 0..20 {
            let answer = gateway.get("/");
            assert!(answer.text().contains("upstream_tls"), "{version}: {}", answer.text());
        }
        gateway.expect_said("a certificate of the gateway");
    }
}

#[test]
fn one_that_has_no_cipher_in_common_is_told_apart() {
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME]);
    let weak = Openssl::serving(&leaf, &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA@SECLEVEL=0"]);
    let words = "it refused the handshake: it has no cipher or key exchange that the gateway has too";
    expect_no_tls(weak.1, &believing(&authority, SNI), words);
}

#[test]
fn plain_http_and_garbage_are_told_apart() {
    let terms = "tls: { verify: false }";
    let plain = answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    expect_no_tls(
        plain.address(),
        terms,
        "it speaks HTTP without TLS on this port; write the port where it speaks TLS",
    );
    let other = answering(b"SSH-2.0-OpenSSH_9.2\r\n");
    expect_no_tls(other.address(), terms, "what it answers is no TLS; look whether this is the right port");
    let silent = answering(b"");
    expect_no_tls(silent.address(), terms, "it closed the connection during the handshake;");
}

#[test]
fn an_endpoint_that_wants_a_name_and_is_sent_none_gets_a_hint() {
    // the alert `unrecognized_name`
    let strict = answering(&[21, 3, 3, 0, 2, 2, 112]);
    let words = "it refused the handshake; it was sent no server name, since it is written as an address: if it wants one, write \
                 `tls: { sni: NAME }`";
    expect_no_tls(strict.address(), "tls: { verify: false }", words);
    let words = "it serves no host app.internal; write one that it serves as `tls: { sni: NAME }`";
    expect_no_tls(strict.address(), "tls: { verify: false, sni: app.internal }", words);
}

#[test]
fn a_handshake_that_stalls_is_no_matter_of_connecting() {
    // the kernel accepts, and nobody answers
    let listener = TcpListener::bind((own_address(), 21443)).unwrap();
    let endpoint = listener.local_addr().unwrap();
    let words = "it did not end the handshake in time;";
    let gateway = expect_no_tls_within("2s", endpoint, "tls: { verify: false }", words);
    let line = gateway.logged("/asked");
    assert!(line["duration_s"].as_f64().unwrap() >= 2.0, "{line}");
    assert_eq!(gateway.counted("http_failures_total{reason=\"connect_timeout\"}"), 0.0);
}

#[test]
fn where_the_machine_knows_no_authority_nothing_is_served_until_one_is_named() {
    let authority = Authority::new("Test");
    let origin = Origin::named("secret");
    let secured = TlsOrigin::before(&origin, &authority.issue(&[NAME]));
    let nothing = format!("SSL_CERT_DIR= SSL_CERT_FILE={} exec", authority.folder().join("nothing.pem").display());
    let named = pool([secured.address()], &believing(&authority, SNI));
    let mut gateway = Gateway::start_under(&nothing, &named);
    let unnamed = pool([secured.address()], "tls: { sni: app.internal }");
    gateway.rewrite(&unnamed);
    gateway.expect_said("no TLS with the endpoints of `app`: this machine knows no authority");
    assert_eq!(gateway.get("/").text(), "secret");
    gateway.terminate();
    let (status, said) = gateway.fail_again(&nothing);
    assert_eq!(status, 1);
    assert!(said.contains("or write those that are to be believed as `tls: { ca: FILE }`"), "{said}");
    gateway.rewrite(&named);
    gateway.start_again(&nothing);
    assert_eq!(gateway.get("/").text(), "secret");
}

#[test]
fn the_request_goes_to_another_endpoint_whatever_its_method() {
    let authority = Authority::new("Test");
    let (wrong, right) = (Origin::named("wrong"), Origin::named("right"));
    let expired = TlsOrigin::before(&wrong, &authority.issue_expired(&[NAME]));
    let good = TlsOrigin::before(&right, &authority.issue(&[NAME]));
    let terms = format!("passive: {{ max_fails: 0 }}, balance: round_robin, {}", believing(&authority, SNI));
    let gateway = Gateway::start(&pool([expired.address(), good.address()], &terms));
    for _ in 0..4 {
        let post = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(gateway.ask(post).text(), "right");
    }
    assert!(gateway.counted("upstream_retries_total{reason=\"upstream_tls\"}") >= 1.0);
    assert_eq!((wrong.requests().len(), right.requests().len()), (0, 4));
}

#[test]
fn an_endpoint_without_tls_is_ejected_like_any_other_that_fails() {
    let authority = Authority::new("Test");
    let (wrong, right) = (Origin::named("wrong"), Origin::named("right"));
    let expired = TlsOrigin::before(&wrong, &authority.issue_expired(&[NAME]));
    let good = TlsOrigin::before(&right, &authority.issue(&[NAME]));
    let terms = format!("balance: round_robin, {}", believing(&authority, SNI));
    let gateway = Gateway::start(&pool([expired.address(), good.address()], &terms));
    assert!((0..4).all(|_| gateway.get("/").text() == "right"));
    gateway.expect_said("is ejected for 10s: 1 request failed, the last one with upstream_tls");
}
