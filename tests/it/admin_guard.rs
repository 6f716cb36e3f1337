//! Who may ask at the admin address, how much, and for how long.

use std::net::TcpStream;
use std::time::Duration;

use crate::harness::*;

const ROUTES: &str = "routes: [{ match: { path: /a }, respond: { body: x } }]\n";

fn with_token(more: &str) -> String {
    format!("admin: {{ address: \"HERE:21900\", token: {{ file: FOLDER/token }}{more} }}\n{ROUTES}")
}

/// A gateway whose token is `s3cret`.
fn guarded() -> Gateway {
    Gateway::start_under("echo s3cret >token; exec", &with_token(""))
}

fn ask(gateway: &Gateway, target: &str, token: &str) -> u16 {
    gateway.api("GET", target, &format!("Authorization: Bearer {token}\r\n"), "").status
}

#[test]
fn everything_but_health_needs_the_token() {
    let gateway = guarded();
    for path in ["/metrics", "/api/v1/status", "/api/v1/config", "/api/v1/nothing", "/"] {
        let refused = gateway.admin(path);
        assert_eq!(refused.status, 401, "{path}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"wharf\""));
        assert_eq!(json(&refused)["error"], "this needs the admin token");
        assert_eq!(ask(&gateway, path, "s3cre"), 401, "{path}");
        assert_eq!(ask(&gateway, path, "s3crets"), 401, "{path}");
    }
    assert_eq!(["/healthz", "/readyz"].map(|path| gateway.admin(path).status), [200, 200]);
    assert_eq!(["/metrics", "/api/v1/status"].map(|path| ask(&gateway, path, "s3cret")), [200, 200]);
    for (method, target) in [("POST", "/api/v1/reload"), ("PUT", "/api/v1/upstreams/a/endpoints/b")] {
        assert_eq!(gateway.order(method, target, "{}").status, 401, "{target}");
    }
    assert!(!gateway.stderr().contains("s3cret"));
}

#[test]
fn a_reload_takes_another_token_and_opens_the_metrics() {
    let gateway = guarded();
    std::fs::write(gateway.folder().join("token"), "an0ther\n").unwrap();
    gateway.rewrite(&with_token(", metrics_open: true"));
    eventually(PATIENCE, || (gateway.admin("/metrics").status == 200).then_some(()));
    assert_eq!(gateway.admin("/api/v1/status").status, 401);
    assert_eq!([ask(&gateway, "/api/v1/status", "s3cret"), ask(&gateway, "/api/v1/status", "an0ther")], [401, 200]);
    // without a token that can be read, the one before stays
    std::fs::remove_file(gateway.folder().join("token")).unwrap();
    let reload = gateway.api("POST", "/api/v1/reload", "X-Wharf: 1\r\nAuthorization: Bearer an0ther\r\n", "");
    assert_eq!(reload.status, 422, "{reload:?}");
    assert_eq!(ask(&gateway, "/api/v1/status", "an0ther"), 200);
    gateway.rewrite(ROUTES);
    eventually(PATIENCE, || (gateway.admin("/api/v1/status").status == 200).then_some(()));
}

#[test]
fn a_page_in_a_browser_can_neither_read_nor_write() {
    let gateway = Gateway::start(ROUTES);
    let from = |request: &str| Client::connect(gateway.on(21900)).ask(request);
    let foreign = from("GET /api/v1/status HTTP/1.1\r\nHost: evil.example:21900\r\n\r\n");
    assert_eq!(
        (foreign.status, json(&foreign)["error"].as_str()),
        (403, Some("the Host must be an IP address or localhost"))
    );
    for body in ["", "a=b"] {
        let form = gateway.api("POST", "/api/v1/reload", "Content-Type: application/x-www-form-urlencoded\r\n", body);
        assert_eq!(form.status, 403);
    }
    let preflight = gateway.api(
        "OPTIONS",
        "/api/v1/reload",
        "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-wharf\r\n",
        "",
    );
    assert_eq!(preflight.status, 405);
    assert!(preflight.headers.0.iter().all(|(name, _)| !name.to_ascii_lowercase().starts_with("access-control")));
    assert_eq!(gateway.shows("/api/v1/status")["generation"], 1);
    let shown = gateway.admin("/api/v1/status");
    assert_eq!(
        [shown.header("cache-control"), shown.header("x-content-type-options")],
        [Some("no-store"), Some("nosniff")]
    );
}

#[test]
fn a_socket_file_is_not_reached_by_browsers_and_takes_any_host() {
    let gateway = Gateway::start_unready(&format!("admin: {{ address: \"unix:FOLDER/admin.sock\" }}\n{ROUTES}"));
    eventually(PATIENCE, || gateway.wharf(&["status"]).out.contains(" is ready, ").then_some(()));
    let named = gateway.wharf(&["status", "--admin", "unix:admin.sock"]);
    assert_eq!(named.exit, 2, "{named:?}");
}

#[test]
fn an_address_that_others_can_reach_takes_any_host_with_the_token() {
    let port = own_port();
    let gateway = Gateway::start_unready(&format!(
        "admin: {{ address: \":{port}\", token: {{ env: PATH }}, metrics_open: true }}\n{ROUTES}"
    ));
    let token = std::env::var("PATH").unwrap();
    let ask = |path: &str, lines: &str| -> Option<u16> {
        let stream = std::net::TcpStream::connect(gateway.on(port)).ok();
        let mut client = stream.map(|_| Client::connect(gateway.on(port)))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: gateway.internal\r\n{lines}\r\n");
        client.try_ask(&request).ok().map(|response| response.status)
    };
    eventually(PATIENCE, || ask("/readyz", "").filter(|status| *status == 200));
    assert_eq!(ask("/metrics", ""), Some(200));
    assert_eq!(ask("/api/v1/status", ""), Some(401));
    assert_eq!(ask("/api/v1/status", &format!("Authorization: bearer {token}\r\n")), Some(200));
    // the command knows how to reach it, and the token
    assert_eq!(gateway.wharf(&["status"]).exit, 0);
}

#[test]
fn unknown_paths_and_methods_are_refused_in_json() {
    let gateway = Gateway::start(ROUTES);
    for path in
        ["/", "/api", "/api/v1", "/api/v2/status", "/api/v1/status/", "/api/v1/../../etc/passwd", "/%2e%2e/etc/passwd"]
    {
        let missing = gateway.admin(path);
        assert_eq!(missing.status, 404, "{path}");
        assert_eq!(json(&missing)["error"], "there is nothing at this path", "{path}");
    }
    for (method, path, allow) in [
        ("POST", "/api/v1/status", "GET,HEAD"),
        ("DELETE", "/api/v1/upstreams", "GET,HEAD"),
        ("GET", "/api/v1/reload", "POST"),
        ("POST", "/api/v1/upstreams/a/endpoints/b", "GET,HEAD,PUT"),
    ] {
        let refused = gateway.order(method, path, "");
        assert_eq!((refused.status, refused.header("allow")), (405, Some(allow)), "{method} {path}");
        assert_eq!(json(&refused)["error"], "this method is not for this path");
    }
}

#[test]
fn bodies_are_limited() {
    let gateway = Gateway::start(ROUTES);
    let put = "PUT /api/v1/upstreams/a/endpoints/b HTTP/1.1\r\nHost: localhost\r\nX-Wharf: 1\r\n";
    let check = "POST /api/v1/check HTTP/1.1\r\nHost: localhost\r\nX-Wharf: 1\r\n";
    for request in [
        format!("{put}Content-Length: 104857600\r\n\r\n"),
        format!("{check}Content-Length: 16777217\r\n\r\n"),
        format!("{put}Transfer-Encoding: chunked\r\n\r\n20000\r\n{}", "x".repeat(0x20000)),
    ] {
        let refused = Client::connect(gateway.on(21900)).ask(&request);
        assert_eq!(refused.status, 413, "{}", &request[..100]);
        assert!(json(&refused)["error"].as_str().unwrap().contains("is longer than"), "{refused:?}");
    }
    for (body, error) in
        [("", "EOF"), ("{}", "state"), ("{\"state\": \"off\"}", "off"), ("{\"state\": \"up\", \"x\": 1}", "x")]
    {
        let refused = gateway.order("PUT", "/api/v1/upstreams/a/endpoints/b", body);
        assert_eq!(refused.status, 400, "{body}");
        assert!(json(&refused)["error"].as_str().unwrap().contains(error), "{refused:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(200_000));
    let mut client = Client::connect(gateway.on(21900));
    client.try_send(long).ok();
    assert!(client.try_response("GET", PATIENCE).is_ok_and(|r| r.status >= 400) || client.rest(PATIENCE).is_some());
}

#[test]
fn whoever_only_holds_connections_keeps_nobody_out() {
    let gateway = Gateway::start(ROUTES);
    let held: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(gateway.on(21900)).unwrap()).collect();
    // some that had an answer and ask nothing more
    let mut kept: Vec<Client> = (0..100).map(|_| Client::connect(gateway.on(21900))).collect();
    for client in &mut kept {
        assert_eq!(client.ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 200);
    }
    assert_eq!(gateway.metrics().sum("wharf_config_last_reload_successful"), 1.0);
    drop(held);
}

#[test]
fn a_connection_that_sends_no_request_is_closed() {
    let gateway = Gateway::start(ROUTES);
    let mut silent = Client::connect(gateway.on(21900));
    let mut slow = Client::connect(gateway.on(21900));
    slow.send("GET /healthz HTTP/1.1\r\nHost: loc");
    silent.expect_closed(PATIENCE + Duration::from_secs(5));
    slow.expect_closed(PATIENCE);
}
