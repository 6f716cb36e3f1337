//! What is seen of TLS from outside: by upstreams, in logs, metrics, the admin API and the commands.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::*;

/// A site with two certificates, whose clients may show one of their own.
struct Site {
    authority: Authority,
    gateway: Gateway,
    origin: Origin,
}

impl Site {
    fn start(tls: &str, route: &str) -> Site {
        let authority = Authority::new("seen");
        let (shop, blog) = (authority.issue(&["shop.example", "www.shop.example"]), authority.issue(&["blog.example"]));
        let origin = Origin::named("o");
        let yaml = format!(
            "listeners:\n  web:\n    address: 'HERE:21443'\n    tls:\n      certificates:\n        \
             - {{ cert: '{}', key: '{}' }}\n        - {{ cert: '{}', key: '{}' }}\n      client_ca: '{}'\n      \
             client_auth: optional\n      {tls}\n  plain: {{ address: 'HERE:21080' }}\n\
             upstreams: {{ app: {{ endpoints: ['{}'] }} }}\n\
             routes:\n  - {{ name: all, match: {{ path: '/*' }}, upstream: app, {route} }}\n",
            shop.cert.display(),
            shop.key.display(),
            blog.cert.display(),
            blog.key.display(),
            authority.file().display(),
            origin.address(),
        );
        let gateway = Gateway::start(&yaml);
        Site { authority, gateway, origin }
    }

    /// Connects as a client that names this host, and perhaps shows a certificate.
    fn connect(&self, host: &'static str, client: Option<&Leaf>) -> Secure {
        Secure::connect(self.gateway.on(21443), &self.authority, host, client)
    }
}

/// A connection over TLS.
struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    fn connect(address: SocketAddr, authority: &Authority, host: &'static str, client: Option<&Leaf>) -> Secure {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(leaf) => builder.with_client_auth_cert(leaf.chain(), leaf.private_key()).unwrap(),
        };
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(host).unwrap()).unwrap();
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Secure(StreamOwned::new(connection, stream))
    }

    /// The whole answer to a request, which is the connection's last.
    #[track_caller]
    fn ask(mut self, request: &str) -> String {
        self.0.write_all(request.as_bytes()).expect("the gateway takes the request");
        let mut answer = Vec::new();
        let end = self.0.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.starts_with("HTTP/1.1 "), "{end:?} {text:?}");
        text
    }

    #[track_caller]
    fn get(self, host: &str, target: &str, lines: &str) -> String {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n"))
    }
}

#[test]
fn upstream_log_and_metrics_know_the_clients_connection_and_who_it_is() {
    let site = Site::start(
        "min_version: '1.3'",
        "headers: { request: { set: { X-Client-Subject: '{client_cert.subject}', X-Tls: '{scheme} {tls_version} {tls_server_name}' } } }",
    );
    let billing = site.authority.issue(&["billing.example"]);
    let answer =
        site.connect("shop.example", Some(&billing)).get("shop.example", "/known", "X-Client-Subject: CN=root\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let request = site.origin.requests().pop().expect("the origin was asked");
    assert_eq!(request.headers.all("x-client-subject"), ["CN=billing.example"]);
    assert_eq!(request.headers.all("x-tls"), ["https 1.3 shop.example"]);
    assert_eq!(request.header("x-forwarded-proto"), Some("https"));
    assert_eq!(request.header("x-forwarded-port"), Some("21443"));
    let line = site.gateway.logged("/known");
    assert_eq!(line["scheme"], "https");
    assert_eq!(line["tls_version"], "1.3");
    assert!(line["tls_cipher"].as_str().is_some_and(|cipher| cipher.starts_with("TLS_")), "{line}");
    assert_eq!(line["tls_server_name"], "shop.example");
    assert_eq!(line["client_subject"], "CN=billing.example");

    // without a certificate nobody is anybody, whatever is claimed
    let claims = "X-Client-Subject: CN=root\r\nX_Client_Subject: CN=root\r\n";
    site.connect("shop.example", None).get("shop.example", "/unknown", claims);
    let request = site.origin.requests().pop().expect("the origin was asked");
    assert_eq!(request.headers.all("x-client-subject"), Vec::<&str>::new());
    assert_eq!(request.headers.all("x_client_subject"), Vec::<&str>::new());
    assert_eq!(site.gateway.logged("/unknown")["client_subject"], serde_json::Value::Null);
    site.gateway.ask("GET /plain HTTP/1.1\r\nHost: h\r\nX-Client-Subject: CN=root\r\n\r\n");
    assert_eq!(site.origin.requests().pop().expect("asked").headers.all("x-client-subject"), Vec::<&str>::new());
    let line = site.gateway.logged("/plain");
    assert_eq!((&line["scheme"], &line["tls_version"]), (&"http".into(), &serde_json::Value::Null));

    let good = "tls_handshakes_total{listener=\"web\",version=\"1.3\"}";
    site.gateway.expect_metric(good, 2.0);
    let metrics = site.gateway.metrics();
    assert!(metrics.select("wharf_tls_handshakes_total{listener=\"plain\"}").is_empty());
    let expiry = metrics.sum("wharf_tls_certificate_expiry_timestamp_seconds{subject=\"shop.example\"}");
    assert!(expiry > 1_700_000_000.0, "{expiry}");
}

#[test]
fn a_request_for_a_host_with_another_certificate_is_misdirected() {
    let site = Site::start("", "");
    for (named, host, status) in [
        ("shop.example", "shop.example", "200"),
        ("shop.example", "SHOP.example:21443", "200"),
        ("shop.example", "www.shop.example", "200"),
        ("shop.example", "blog.example", "421"),
        ("blog.example", "shop.example", "421"),
        ("blog.example", "blog.example", "200"),
    ] {
        let answer = site.connect(named, None).get(host, &format!("/{named}/{host}"), "");
        assert_eq!(&answer[9..12], status, "{named} {host}: {answer}");
    }
    site.gateway.expect_failure("misdirected_request");
}

#[test]
fn every_answer_promises_that_the_host_speaks_tls_alone() {
    let site = Site::start("hsts: { max_age: 1h, include_subdomains: true }", "");
    for target in ["/", "/..", "*"] {
        let answer = site.connect("shop.example", None).get("shop.example", target, "");
        let promise = "\r\nStrict-Transport-Security: max-age=3600; includeSubDomains\r\n";
        assert_eq!(answer.matches(promise).count(), 1, "{target} {answer}");
    }
    let plain = site.gateway.ask("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert_eq!(plain.header("strict-transport-security"), None);
}

#[test]
fn certificates_are_shown_with_what_is_left_of_them() {
    let site = Site::start("", "");
    let shown = site.gateway.shows("/api/v1/certificates");
    assert_eq!(shown[0]["subject"], "shop.example");
    assert_eq!(shown[0]["hosts"], serde_json::json!(["shop.example", "www.shop.example"]));
    assert_eq!(shown[0]["listeners"], serde_json::json!(["web"]));
    assert_eq!((&shown[0]["state"], &shown[1]["subject"]), (&"valid".into(), &"blog.example".into()));
    assert!(shown[0]["file"].as_str().is_some_and(|file| file.ends_with(".crt")), "{shown}");
    let listeners = site.gateway.shows("/api/v1/listeners");
    assert_eq!((&listeners[0]["name"], &listeners[0]["tls"]), (&"plain".into(), &false.into()));
    assert_eq!((&listeners[1]["name"], &listeners[1]["tls"]), (&"web".into(), &true.into()));
    assert!(site.gateway.wharf(&["status"]).out.contains("TLS"), "the listener's line");
}

#[test]
fn a_table_of_expectations_asks_over_tls() {
    let site =
        Site::start("hsts: { max_age: 1h }", "headers: { request: { set: { X-Tls: '{scheme} {tls_version}' } } }");
    let table = "config: gateway.yaml\ntests:\n  - request: GET https://shop.example/x\n    \
                 expect: { route: all, request: { headers: { X-Tls: 'https 1.3', X-Forwarded-Proto: https } } }\n  \
                 - request: GET https://shop.example/x\n    headers: { Host: blog.example }\n    \
                 expect: { status: 421, reason: misdirected_request, response: { headers: { Strict-Transport-Security: max-age=3600 } } }\n  \
                 - request: GET http://shop.example/x\n    expect: { request: { headers: { X-Tls: http } } }\n";
    std::fs::write(site.gateway.folder().join("expected.yaml"), table).unwrap();
    let said = site.gateway.wharf(&["test", "expected.yaml"]);
    assert_eq!((said.exit, &*said.err), (0, ""), "{said:?}");
}

#[test]
fn explain_takes_the_listener_that_the_url_speaks_to() {
    let site =
        Site::start("hsts: { max_age: 1h }", "headers: { request: { set: { X-Tls: '{scheme} {tls_server_name}' } } }");
    let explained = |url: &str, more: &[&str]| {
        let words = [&["explain", "--format", "json", "--config", "gateway.yaml"][..], more, &[url][..]].concat();
        let said = site.gateway.wharf(&words);
        assert_eq!(said.exit, 0, "{said:?}");
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()
    };
    let secure = explained("https://blog.example/x", &[]);
    assert_eq!(secure["listener"], "web");
    assert!(secure["certificate"].as_str().is_some_and(|it| it.starts_with("blog.example, until ")), "{secure}");
    let sent = secure["request"]["headers"].to_string();
    assert!(
        sent.contains("[\"X-Tls\",\"https blog.example\"]") && sent.contains("[\"X-Forwarded-Proto\",\"https\"]"),
        "{sent}"
    );
    assert_eq!(secure["policies"].to_string().matches("tls.hsts").count(), 1, "{secure}");
    // the running gateway knows what it presents
    let asked = site.gateway.order("POST", "/api/v1/explain", r#"{"url": "https://shop.example/x"}"#);
    assert!(json(&asked)["certificate"].as_str().is_some_and(|it| it.starts_with("shop.example, until ")), "{asked:?}");
    let plain = explained("http://blog.example/x", &[]);
    assert_eq!((&plain["listener"], plain.get("certificate")), (&"plain".into(), None));
    let misdirected = explained("https://blog.example/x", &["-H", "Host: shop.example"]);
    assert_eq!((&misdirected["status"], &misdirected["reason"]), (&421.into(), &"misdirected_request".into()));
    assert!(misdirected["detail"].as_str().is_some_and(|it| it.contains("`shop.example` has another certificate")));
}
