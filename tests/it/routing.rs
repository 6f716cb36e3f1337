//! Which route a request takes.

use crate::harness::*;

#[test]
fn routes_are_found_by_host_and_path_whatever_their_order() {
    let origins: Vec<Origin> = ["exact", "prefix", "deep", "host", "wild"].map(Origin::named).into();
    let upstreams: Vec<String> = ["exact", "prefix", "deep", "host", "wild"]
        .iter()
        .zip(&origins)
        .map(|(name, origin)| format!("  {name}: {{ endpoints: [\"{}\"] }}", origin.address()))
        .collect();
    let gateway = Gateway::start(&format!(
        "upstreams:\n{}\nroutes:\n\
         \x20 - {{ match: {{ path: /v1/* }}, upstream: prefix }}\n\
         \x20 - {{ match: {{ path: /v1/user }}, upstream: exact }}\n\
         \x20 - {{ match: {{ path: /v1/user/* }}, upstream: deep }}\n\
         \x20 - {{ match: {{ host: \"*.shop.example\", path: /* }}, upstream: wild }}\n\
         \x20 - {{ match: {{ host: api.shop.example, path: /* }}, upstream: host }}\n",
        upstreams.join("\n")
    ));
    for (host, path, expected) in [
        ("h", "/v1", "prefix"),
        ("h", "/v1/", "prefix"),
        ("h", "/v1/user", "exact"),
        ("h", "/v1/user/", "deep"),
        ("h", "/v1/user/7?x", "deep"),
        ("h", "/v1/username", "prefix"),
        ("api.shop.example", "/v1/user", "host"),
        ("API.Shop.Example:8080", "/", "host"),
        ("api.shop.example.", "/", "host"),
        ("a.b.shop.example", "/v1/user", "wild"),
    ] {
        let response = gateway.ask(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(response.text(), expected, "{host}{path}");
    }
    assert_eq!(gateway.get("/v1x").status, 404);
    assert_eq!(gateway.ask("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n").status, 404);
}

#[test]
fn a_redirect_and_a_fixed_answer_need_no_upstream() {
    let gateway = Gateway::start(
        "routes:\n\
         \x20 - { match: { path: /old/* }, redirect: { to: \"https://new.example.com{path}\", status: 308 } }\n\
         \x20 - { match: { path: /ping }, respond: { status: 200, body: \"pong\\n\", headers: { Content-Type: text/plain } } }\n",
    );
    let mut client = gateway.connect();
    let moved = client.get("/old/a%20b");
    assert_eq!((moved.status, moved.header("location")), (308, Some("https://new.example.com/old/a%20b")));
    let pong = client.get("/ping");
    assert_eq!((pong.text().as_str(), pong.header("content-type")), ("pong\n", Some("text/plain")));
    assert!(!client.get("/old//evil").header("location").is_some_and(|l| l.contains("\r")));
}
