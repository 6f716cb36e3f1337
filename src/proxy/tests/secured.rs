//! What a request over TLS goes up with, and what its answer promises.

use super::script::ROOMY;
use super::stage::{Inner, Stage, pipes};
use crate::http::secured::{ClientCertificate, Secured};
use crate::proxy::request::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Nothing reads its files: what the connection is, the pipe says.
fn stage(hsts: &str, route: &str) -> Stage {
    Stage::of(&format!(
        "version: 1
listeners:
  web: {{ address: \"127.0.0.1:8443\", tls: {{ certificates: [{{ cert: site.crt, key: site.key }}], {hsts} }} }}
upstreams: {{ origin: {{ endpoints: [\"127.0.0.1:9\"] }} }}
routes:
  - match: {{ path: /* }}
    upstream: origin
    {route}
  - match: {{ path: /fixed }}
    respond: {{ status: 200, body: \"fixed\\n\" }}
  - match: {{ path: /moved }}
    redirect: {{ to: \"{{scheme}}://{{host}}/{{tls_version}}/{{client_cert.subject}}\" }}
  - match: {{ path: /own }}
    respond: {{ status: 200, body: \"own\\n\" }}
    headers: {{ response: {{ set: {{ Strict-Transport-Security: max-age=1 }} }} }}
"
    ))
}

fn billing() -> &'static ClientCertificate {
    Box::leak(Box::new(ClientCertificate {
        subject: "CN=billing,O=Example".into(),
        issuer: "CN=Clients".into(),
        serial: "0a".into(),
        fingerprint: "f00d".into(),
        names: "billing.example,spiffe://example/billing".into(),
        pem: "-----BEGIN%20CERTIFICATE-----%0A".into(),
    }))
}

fn secured(client: Option<&'static ClientCertificate>) -> Secured<'static> {
    Secured { version: "1.3", cipher: "TLS_AES_128_GCM_SHA256", server_name: Some("h.example"), client, terms: 1 }
}

async fn received<'s>(stage: &'s Stage, request: &str, secured: Secured<'static>) -> (Request<'s>, Inner) {
    let (mut ends, mut inner) = pipes(ROOMY);
    inner.client.secured = Some(secured);
    ends.client.write_all(request.as_bytes()).await.expect("open");
    let request = stage.receive(&mut inner.reading, &mut inner.client).await;
    // what comes of the request is looked at, not sent
    (request, inner)
}

async fn message(stage: &Stage, request: &str, secured: Secured<'static>) -> String {
    let (request, _) = received(stage, request, secured).await;
    String::from_utf8(request.message.clone()).expect("text")
}

fn values<'m>(message: &'m str, name: &str) -> Vec<&'m str> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    let named = |other: &str| other.eq_ignore_ascii_case(name) || other.replace('_', "-").eq_ignore_ascii_case(name);
    lines.filter(|(other, _)| named(other)).map(|(_, value)| value).collect()
}

const IDENTITY: &str = "headers: { request: { set: { X-Client-Subject: '{client_cert.subject}', \
    X-Client: '{client_cert.issuer} {client_cert.serial} {client_cert.fingerprint} {client_cert.names} {client_cert.pem}', \
    X-Tls: '{scheme} {tls_version} {tls_cipher} {tls_server_name}' } } }";

#[tokio::test(start_paused = true)]
async fn the_upstream_is_told_that_the_client_came_by_https_and_who_it_is() {
    let stage = stage("", IDENTITY);
    let up = message(&stage, "GET / HTTP/1.1\r\nHost: h.example\r\n\r\n", secured(Some(billing()))).await;
    assert_eq!(values(&up, "x-forwarded-proto"), ["https"]);
    assert_eq!(values(&up, "x-forwarded-port"), ["8443"]);
    assert_eq!(values(&up, "x-client-subject"), ["CN=billing,O=Example"]);
    let parts = "CN=Clients 0a f00d billing.example,spiffe://example/billing -----BEGIN%20CERTIFICATE-----%0A";
    assert_eq!(values(&up, "x-client"), [parts]);
    assert_eq!(values(&up, "x-tls"), ["https 1.3 TLS_AES_128_GCM_SHA256 h.example"]);
}

#[tokio::test(start_paused = true)]
async fn no_client_says_itself_who_it_is() {
    let stage = stage("", IDENTITY);
    let claims = [
        "X-Client-Subject: CN=root",
        "x-client-subject: CN=root\r\nX-CLIENT-SUBJECT: CN=other",
        "X_Client_Subject: CN=root",
        "X-Client_Subject: CN=root",
        "X-Client-Subject: CN=root\r\nConnection: X-Client-Subject",
        "Connection: X-Client-Subject",
        "Connection: keep-alive, x-client-subject\r\nX_Client_Subject: CN=root",
    ];
    for claim in claims {
        let request = format!("GET / HTTP/1.1\r\nHost: h.example\r\n{claim}\r\n\r\n");
        let known = message(&stage, &request, secured(Some(billing()))).await;
        assert_eq!(values(&known, "x-client-subject"), ["CN=billing,O=Example"], "{claim}");
        let unknown = message(&stage, &request, secured(None)).await;
        assert_eq!(values(&unknown, "x-client-subject"), Vec::<&str>::new(), "{claim}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_behind_a_body_says_who_the_client_is() {
    let body = "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Client-Subject: CN=root\r\nX-Sum: 9\r\n\r\n";
    let request = format!("POST / HTTP/1.1\r\nHost: h.example\r\n{body}");
    let edited = message(&stage("", IDENTITY), &request, secured(None)).await;
    assert!(edited.ends_with("\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), "{edited}");
    let untouched = message(&stage("", ""), &request, secured(None)).await;
    assert!(untouched.ends_with("\r\n0\r\nX-Client-Subject: CN=root\r\nX-Sum: 9\r\n\r\n"), "{untouched}");
}

#[tokio::test(start_paused = true)]
async fn a_redirect_knows_how_the_client_came() {
    let stage = stage("", "");
    let known = message(&stage, "GET /moved HTTP/1.1\r\nHost: h.example\r\n\r\n", secured(Some(billing()))).await;
    assert_eq!(values(&known, "location"), ["https://h.example/1.3/CN%3Dbilling%2CO%3DExample"]);
}

#[tokio::test(start_paused = true)]
async fn every_answer_makes_the_listeners_promise_once() {
    let stage =
        stage("hsts: { max_age: 1h, include_subdomains: true }", "errors: [{ status: [413], respond: { body: big } }]");
    let requests = [
        "GET /fixed HTTP/1.1\r\nHost: h.example\r\n\r\n",
        "HEAD /fixed HTTP/1.1\r\nHost: h.example\r\n\r\n",
        "GET /moved HTTP/1.1\r\nHost: h.example\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h.example\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: 99999999\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /\r\n\r\n",
    ];
    for request in requests {
        let down = message(&stage, request, secured(None)).await;
        assert_eq!(values(&down, "strict-transport-security"), ["max-age=3600; includeSubDomains"], "{request} {down}");
    }
    // whoever writes the header on a route means it
    let down = message(&stage, "GET /own HTTP/1.1\r\nHost: h.example\r\n\r\n", secured(None)).await;
    assert_eq!(values(&down, "strict-transport-security"), ["max-age=1"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoints_promise_gives_way_to_the_listeners() {
    let stage = stage("hsts: { max_age: 1h }", "");
    let (ends, mut inner) = pipes(ROOMY);
    inner.client.secured = Some(secured(None));
    let (mut client, mut origin) = (ends.client, ends.origin);
    client.write_all(b"GET / HTTP/1.1\r\nHost: h.example\r\n\r\n").await.expect("open");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nstrict-transport-security: max-age=0\r\nX-A: b\r\n\r\nok";
    origin.write_all(answer.as_bytes()).await.expect("open");
    let passed = stage.pass(&mut inner).await;
    assert_eq!((passed.status, passed.keep), (200, true));
    drop(inner);
    let mut down = String::new();
    client.read_to_string(&mut down).await.expect("text");
    assert_eq!(values(&down, "strict-transport-security"), ["max-age=3600"]);
    assert_eq!(values(&down, "x-a"), ["b"]);
    assert!(down.ends_with("\r\n\r\nok"), "{down}");
}

#[tokio::test(start_paused = true)]
async fn in_plain_text_nothing_is_promised_and_nothing_known() {
    let stage = Stage::with("", IDENTITY);
    let (mut ends, mut inner) = pipes(ROOMY);
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nX-Client-Subject: CN=root\r\nX_TLS: 1.3\r\n\r\n";
    ends.client.write_all(request).await.expect("open");
    let request = stage.receive(&mut inner.reading, &mut inner.client).await;
    let up = String::from_utf8(request.message.clone()).expect("text");
    assert_eq!(values(&up, "x-client-subject"), Vec::<&str>::new());
    assert_eq!(values(&up, "x-tls"), ["http"]);
    assert_eq!(values(&up, "x-forwarded-proto"), ["http"]);
}
