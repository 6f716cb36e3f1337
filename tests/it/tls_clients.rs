//! Clients that must prove who they are: who is let in, who is told why not, and what origins learn of them.

use std::path::Path;

use rcgen::{DnType, ExtendedKeyUsagePurpose};
use rustls::{AlertDescription, SupportedProtocolVersion};

use crate::harness::*;

const NAME: &str = "a.example";
const ROUTES: &str = "routes: [{ name: all, match: { path: /* }, respond: { status: 200, body: secret } }]\n";
const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

fn yaml(leaf: &Leaf, ca: &Path, keys: &str) -> String {
    secured(&[leaf], &format!("client_ca: {}, {keys}", ca.display()))
}

/// The alert that refuses this client.
#[track_caller]
fn refusal(gateway: &Gateway, visitor: Visitor) -> AlertDescription {
    match visitor.ready().try_get(gateway.address(), "/") {
        Err(Ended::Alert(alert)) => alert,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_proves_it_is_let_in_and_everybody_else_is_told_what_is_wrong() {
    let (servers, clients, others) = (Authority::new("Servers"), Authority::new("Clients"), Authority::new("Others"));
    let serial = vec![9, 9];
    let crl = clients.folder().join("clients.crl");
    std::fs::write(&crl, clients.revoking(&[&serial])).unwrap();
    let keys = format!("client_crl: {}", crl.display());
    let gateway = Gateway::start(&format!("{}{ROUTES}", yaml(&servers.issue(&[NAME]), &clients.file(), &keys)));
    let revoked = clients.issue_with(&["client"], |params| params.serial_number = Some(serial.into()));
    let server = clients.issue_with(&["client"], |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    // a chain: the client sends the authority in between
    let between = clients.below("Between");
    let mut chained = between.issue(&["client"]);
    chained.cert_pem += between.pem();
    let mut count = 0.0;
    for version in VERSIONS {
        let visitor = || Visitor::to(NAME, &servers).speaking(version);
        for good in [&clients.issue(&["client"]), &clients.issue_rsa(&["client"]), &chained] {
            assert_eq!(visitor().showing(good).ready().get(gateway.address(), "/").text(), "secret");
        }
        for (bad, alert) in [
            (&others.issue(&["client"]), AlertDescription::UnknownCA),
            (&others.self_signed(&["client"], false), AlertDescription::UnknownCA),
            (&between.issue(&["client"]), AlertDescription::UnknownCA),
            (&clients.issue_expired(&["client"]), AlertDescription::CertificateExpired),
            (&clients.issue_early(&["client"]), AlertDescription::CertificateExpired),
            (&revoked, AlertDescription::CertificateRevoked),
            (&server, AlertDescription::UnsupportedCertificate),
        ] {
            let refused = refusal(&gateway, visitor().showing(bad));
            // a certificate that is not valid yet has no alert of its own
            let fits = refused == alert || refused == AlertDescription::BadCertificate;
            assert!(fits, "{refused:?} is not {alert:?} in {version:?}");
            count += 1.0;
        }
        let refused = refusal(&gateway, visitor());
        let expected = [AlertDescription::CertificateRequired, AlertDescription::HandshakeFailure];
        assert!(expected.contains(&refused), "{refused:?}");
        count += 1.0;
        gateway.expect_metric("tls_handshakes_total{result=\"client_certificate\"}", count);
    }
    assert!(gateway.log_lines().iter().all(|line| line["status"] == 200));
}

#[test]
fn where_it_is_optional_who_has_none_has_no_identity_and_a_bad_one_is_refused() {
    let (servers, clients, others) = (Authority::new("Servers"), Authority::new("Clients"), Authority::new("Others"));
    let origin = Origin::named("o");
    let gateway = Gateway::start(&format!(
        "{}{}",
        yaml(&servers.issue(&[NAME]), &clients.file(), "client_auth: optional"),
        pool([origin.address()], "").replace(
            "upstream: app",
            "upstream: app, headers: { request: { set: { X-Who: \"{client_cert.subject}\" } } }"
        )
    ));
    let visitor = || Visitor::to(NAME, &servers);
    assert_eq!(visitor().showing(&clients.issue(&["somebody"])).ready().get(gateway.address(), "/1").text(), "o");
    assert_eq!(visitor().ready().get(gateway.address(), "/2").text(), "o");
    assert_eq!(refusal(&gateway, visitor().showing(&others.issue(&["c"]))), AlertDescription::UnknownCA);
    // who sends the header instead of a certificate is somebody without one
    let mut liar = visitor().ready().connect(gateway.address());
    liar.ask("GET /3 HTTP/1.1\r\nHost: a.example\r\nX-Who: CN=somebody\r\nX_Who: CN=somebody\r\n\r\n");
    let requests = origin.requests();
    assert_eq!(requests[0].header("x-who"), Some("CN=somebody"));
    for request in &requests[1..] {
        assert!(request.header("x-who").is_none_or(str::is_empty), "{request:?}");
    }
}

#[test]
fn origins_learn_who_it_is_and_nobody_can_say_so_for_himself() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let origin = Origin::named("o");
    let headers = "headers: { request: { set: { X-Subject: \"{client_cert.subject}\", X-Issuer: \"{client_cert.issuer}\", \
         X-Serial: \"{client_cert.serial}\", X-Print: \"{client_cert.fingerprint}\", X-Names: \"{client_cert.names}\", \
         X-Pem: \"{client_cert.pem}\" } } }";
    let gateway = Gateway::start(&format!(
        "{}{}",
        yaml(&servers.issue(&[NAME]), &clients.file(), ""),
        pool([origin.address()], "").replace("upstream: app", &format!("upstream: app, {headers}"))
    ));
    let leaf = clients.issue_with(&["billing.internal"], |params| {
        params.serial_number = Some(vec![0x0a, 0x0b].into());
        // a name that would break a header if it could
        params.distinguished_name.push(DnType::OrganizationName, "Evil\r\nX-Subject: CN=root");
    });
    let mut client = Visitor::to(NAME, &servers).showing(&leaf).ready().connect(gateway.address());
    let lies = ["Subject", "Issuer", "Serial", "Print", "Names", "Pem"].map(|name| format!("X-{name}: CN=root\r\n"));
    let request = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{}\r\n", lies.concat());
    // a resumed session is of the same client
    for _ in 0..2 {
        assert_eq!(client.ask(&request).text(), "o");
    }
    for request in origin.requests() {
        let subject = request.header("x-subject");
        assert_eq!(subject, Some("O=Evil\\0d\\0aX-Subject: CN=root,CN=billing.internal"));
        assert_eq!(request.header("x-issuer"), Some("CN=Clients"));
        assert_eq!(request.header("x-serial"), Some("0a0b"));
        assert_eq!(request.header("x-names"), Some("billing.internal"));
        assert_eq!(request.header("x-print").map(str::len), Some(64));
        assert!(request.header("x-pem").unwrap().starts_with("-----BEGIN%20CERTIFICATE-----%0AMII"));
    }
    let visitor = Visitor::to(NAME, &servers).showing(&leaf).ready();
    for target in ["/a", "/b", "/c"] {
        visitor.get(gateway.address(), target);
    }
    assert!(gateway.counted("tls_handshakes_total{result=\"resumed\"}") >= 2.0);
    assert!(origin.requests().iter().all(|r| r.header("x-subject").unwrap().contains("CN=billing.internal")));
}

#[test]
fn a_connection_of_before_is_not_served_once_clients_must_prove_more() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let leaf = servers.issue(&[NAME]);
    // one worker: once it speaks TLS to somebody, everybody is spoken TLS to
    let plain = format!("threads: 1\n{}{ROUTES}", listener(""));
    let open = format!("threads: 1\n{}{ROUTES}", secured(&[&leaf], ""));
    let safe = format!("threads: 1\n{}{ROUTES}", yaml(&leaf, &clients.file(), ""));
    let gateway = Gateway::start(&plain);
    let mut bare = gateway.connect();
    assert_eq!(bare.get("/before").text(), "secret");
    gateway.reload(&open);
    let visitor = Visitor::to(NAME, &servers).ready();
    // the worker hears of it a moment later
    let mut kept = eventually(PATIENCE, || visitor.try_connect(gateway.address()).ok());
    assert_eq!(kept.get("/before").text(), "secret");
    assert!(bare.get("/before").says_close(), "the listener without TLS is gone, as one that was removed");
    bare.expect_closed(PATIENCE);
    // one whose handshake is under way meanwhile
    let mut under_way = visitor.forgetful().begin(gateway.address());
    under_way.session.write_tls(&mut under_way.stream).unwrap();
    let mut first = [0];
    under_way.stream.peek(&mut first).unwrap();
    gateway.reload(&safe);
    assert_eq!(kept.get("/after").status, 421);
    assert_eq!(kept.ended(), Ended::Properly);
    match under_way.shake() {
        Ok(()) => assert_eq!(under_way.get("/after").status, 421),
        Err(ended) => assert!(matches!(ended, Ended::Alert(_)), "{ended:?}"),
    }
    let proven = Visitor::to(NAME, &servers).showing(&clients.issue(&["client"])).ready();
    let mut kept = proven.connect(gateway.address());
    assert_eq!(kept.get("/proven").text(), "secret");
    // a change of something else does not concern it
    gateway.reload(&format!("{safe}trusted_proxies: [10.0.0.0/8]\n"));
    assert_eq!(kept.get("/proven").text(), "secret");
    assert!(gateway.log_lines().iter().all(|line| (line["status"] == 421) == (line["path"] == "/after")));
}

#[test]
fn a_connection_of_a_client_that_was_revoked_since_is_not_served() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let crl = clients.folder().join("clients.crl");
    std::fs::write(&crl, clients.revoking(&[&[1, 1]])).unwrap();
    let keys = format!("client_crl: {}", crl.display());
    let gateway = Gateway::start(&format!("{}{ROUTES}", yaml(&servers.issue(&[NAME]), &clients.file(), &keys)));
    let leaf = clients.issue_with(&["client"], |params| params.serial_number = Some(vec![1, 2].into()));
    let mut kept = Visitor::to(NAME, &servers).showing(&leaf).ready().connect(gateway.address());
    assert_eq!(kept.get("/before").text(), "secret");
    std::fs::write(&crl, clients.revoking(&[&[1, 1], &[1, 2]])).unwrap();
    gateway.expect_metric("config_reloads_total{result=\"success\"}", 1.0);
    assert_eq!(kept.get("/after").status, 421);
    assert_eq!(kept.ended(), Ended::Properly);
    // who was not revoked is asked to come again too, and is let in
    let honest = Visitor::to(NAME, &servers).showing(&clients.issue(&["client"])).ready();
    assert_eq!(honest.get(gateway.address(), "/").text(), "secret");
}

#[test]
fn a_connection_of_a_listener_in_whose_place_another_demands_more_is_not_served_either() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let leaf = servers.issue(&[NAME]);
    let safe = yaml(&leaf, &clients.file(), "");
    let renamed = |yaml: &str| format!("{}{ROUTES}", yaml.replace("web:", "other:"));
    // in plain text before
    let gateway = Gateway::start(&format!("{}{ROUTES}", listener("")));
    let mut bare = gateway.connect();
    assert_eq!(bare.get("/before").text(), "secret");
    gateway.reload(&format!("{safe}{ROUTES}"));
    assert_eq!(bare.get("/after").status, 421);
    bare.expect_closed(PATIENCE);
    // over TLS, by a listener of another name
    let gateway = Gateway::start(&format!("{}{ROUTES}", secured(&[&leaf], "")));
    let mut kept = Visitor::to(NAME, &servers).ready().connect(gateway.address());
    assert_eq!(kept.get("/before").text(), "secret");
    gateway.reload(&renamed(&safe));
    assert_eq!(kept.get("/after").status, 421);
    assert_eq!(kept.ended(), Ended::Properly);
    // where the same is demanded there is a last answer
    let gateway = Gateway::start(&format!("{safe}{ROUTES}"));
    let proven = Visitor::to(NAME, &servers).showing(&clients.issue(&["client"])).ready();
    let mut kept = proven.connect(gateway.address());
    assert_eq!(kept.get("/before").text(), "secret");
    gateway.reload(&renamed(&safe));
    let last = kept.get("/last");
    assert_eq!((last.status, last.says_close()), (200, true));
    assert_eq!(kept.ended(), Ended::Properly);
}
