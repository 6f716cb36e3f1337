//! `rewrite` and `redirect`: what path an endpoint is asked for, and where a client is sent.

use crate::harness::*;

/// A gateway with these routes, the lines of each after `- `, and an origin that says what it was asked for.
fn gateway(routes: &[&str]) -> (Gateway, Origin) {
    let origin =
        Origin::answering(|request| ok(format!("{} {}", request.target, request.header("host").unwrap_or(""))));
    let routes: String = routes.iter().map(|route| format!("  - {{ {route} }}\n")).collect();
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\nroutes:\n{routes}",
        origin.address()
    ));
    (gateway, origin)
}

fn gateway_of_one(action: &str) -> (Gateway, Origin) {
    gateway(&[&format!("match: {{ path: '/*' }}, {action}")])
}

#[track_caller]
fn asked(gateway: &Gateway, target: &str) -> String {
    let response = gateway.get(target);
    assert_eq!(response.status, 200, "{target}");
    response.text().split(' ').next().unwrap().to_owned()
}

#[test]
fn each_way_to_rewrite_forwards_the_path_it_says() {
    let (gateway, _origin) = gateway(&[
        "match: { path: /v1/* }, upstream: app, rewrite: { strip_prefix: /v1 }",
        "match: { path: /old/* }, upstream: app, rewrite: { replace_prefix: /new }",
        "match: { path: '/item/{id}' }, upstream: app, rewrite: { path: '/things/{capture.id}/{query.v}' }",
        "match: { path: /search }, upstream: app, rewrite: { path: '/s?q={query.q}&lang=no' }",
        "match: { path: '~ ^/(?<who>[a-z]+)/home' }, upstream: app, rewrite: { regex: '^/(\\w+)/home', to: '/~$1' }",
        "match: { path: /as/it/is }, upstream: app",
    ]);
    for (target, forwarded) in [
        ("/v1", "/"),
        ("/v1?a=b", "/?a=b"),
        ("/v1/user/7?a=b", "/user/7?a=b"),
        ("/v1/a%20b%2Fc//d/./e/%7euser", "/a%20b%2Fc/d/e/%7euser"),
        ("/%761/x", "/x"),
        ("/old", "/new"),
        ("/old/", "/new/"),
        ("/old/x?y", "/new/x?y"),
        ("/item/%37?v=a%20b", "/things/%37/a%20b?v=a%20b"),
        ("/search?q=a+b&x=1", "/s?q=a+b&lang=no"),
        ("/me/home/x", "/~me/x"),
        ("/as/it/is?a", "/as/it/is?a"),
    ] {
        assert_eq!(asked(&gateway, target), forwarded, "{target}");
    }
}

#[test]
fn the_log_and_the_host_stay_the_clients_own() {
    let (gateway, _origin) = gateway(&["match: { path: /v1/* }, upstream: app, rewrite: { strip_prefix: /v1 }"]);
    let response = gateway.ask("GET /v1/user HTTP/1.1\r\nHost: shop.example:81\r\n\r\n");
    assert_eq!(response.text(), "/user shop.example:81");
    assert_eq!(gateway.logged("/v1/user")["status"], 200);
}

#[test]
fn a_body_and_the_next_request_follow_a_rewritten_head() {
    let (gateway, origin) = gateway(&["match: { path: /v1/* }, upstream: app, rewrite: { strip_prefix: /v1 }"]);
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send("POST /v1/a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloPOST /v1/b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
        assert_eq!(client.response().text(), "/a h");
        assert_eq!(client.response().text(), "/b h");
    }
    let bodies: Vec<Vec<u8>> = origin.requests().into_iter().map(|r| r.body).collect();
    assert_eq!(bodies[..2], [b"hello".to_vec(), b"hi".to_vec()]);
}

#[test]
fn what_a_request_inserts_climbs_nowhere_and_the_connection_stays() {
    let (gateway, origin) = gateway(&[
        "match: { path: /t }, upstream: app, rewrite: { path: '/tenants/{header.X-Tenant}/{query.x}/{cookie.c}' }",
        "match: { path: /* }, upstream: app, rewrite: { path: '/in{path}' }",
    ]);
    let mut client = gateway.connect();
    for (target, lines) in [
        ("/t?x=..", ""),
        ("/t?x=%2e%2E/admin", ""),
        ("/t?x=a/..%2f..%2fadmin", ""),
        ("/t", "X-Tenant: ../admin\r\n"),
        ("/t", "X-Tenant: ..\\admin\r\n"),
        ("/t", "Cookie: c=..\r\n"),
        ("/a%2f..%2f..%2fadmin", ""),
        ("/a/..;/..;/admin", ""),
        ("/%252e%252e/admin", ""),
    ] {
        let response = client.ask(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
        assert_eq!(response.status, 400, "{target} {lines}");
    }
    assert_eq!(origin.requests(), []);
    let response = client.ask("GET /t?x=a/b HTTP/1.1\r\nHost: h\r\nX-Tenant: a/b c?d#e\r\nCookie: c=x\"y\r\n\r\n");
    assert_eq!(response.text(), "/tenants/a%2Fb%20c%3Fd%23e/a/b/x%22y?x=a/b h");
}

#[test]
fn a_target_that_grows_too_long_is_414() {
    let (gateway, origin) = gateway(&["match: { path: /* }, upstream: app, rewrite: { path: '/{query.x}/{query.x}' }"]);
    assert_eq!(gateway.get(&format!("/?x={}", "a".repeat(5000))).status, 414);
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_redirect_holds_every_variable_and_leads_to_no_other_host() {
    let (gateway, _origin) = gateway(&[
        "match: { path: '/item/{id}' }, redirect: { to: 'https://new.example/{header.X-Shop}/{method}/{capture.id}?{query}' }",
        "match: { path: /go }, redirect: { to: '/to/{query.next}', status: 303 }",
        "match: { path: /* }, redirect: { to: '{scheme}://www.{host}{uri}' }",
    ]);
    for (target, status, location) in [
        ("/item/a%20b?x=1", 308, "https://new.example/evil.test%2F%40/GET/a%20b?x=1"),
        ("/go?next=/evil.test", 303, "/to//evil.test"),
        ("/go?next=\\evil.test", 303, "/to/%5Cevil.test"),
        ("/x//y?z", 308, "http://www.shop.example/x//y?z"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: SHOP.example:81\r\nX-Shop: evil.test/@\r\n\r\n");
        let response = gateway.ask(request);
        assert_eq!((response.status, response.header("location")), (status, Some(location)), "{target}");
    }
    let (gateway, _origin) = gateway_of_one("redirect: { to: '{uri}', status: 302 }");
    for (target, location) in [("//evil.test/x?y", "/evil.test/x?y"), ("/a//b", "/a//b")] {
        assert_eq!(gateway.get(target).header("location"), Some(location));
    }
}
