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

/// Answers with the name of the route that took the request.
fn names(routes: &[(&str, &str)]) -> Gateway {
    let route = |(name, rest): &(&str, &str)| {
        format!("  - {{ name: {name}, {rest}, respond: {{ status: 200, body: {name} }} }}\n")
    };
    Gateway::start(&format!("routes:\n{}", routes.iter().map(route).collect::<String>()))
}

#[test]
fn methods_headers_and_the_query_tell_routes_apart() {
    let gateway = names(&[
        ("read", "match: { path: /x, methods: [GET] }"),
        ("write", "match: { path: /x, methods: [POST, PUT] }"),
        ("canary", "match: { path: /x, methods: [GET], headers: { X-Canary: \"1\" } }"),
        ("any", "match: { path: /x, methods: [GET], headers: { X-Any: '*', X-Canary: '~ ^[2-9]$' } }"),
        ("v2", "match: { path: /y, query: { v: \"2\" } }"),
        ("y", "match: { path: /y }"),
    ]);
    for (request, expected) in [
        ("GET /x", "read"),
        ("PUT /x", "write"),
        ("GET /x HTTP/1.1\r\nx-canary: 1", "canary"),
        ("GET /x HTTP/1.1\r\nX-Canary: 12", "read"),
        ("GET /x HTTP/1.1\r\nX-Canary: 1\r\nX-Canary: 1", "read"),
        ("GET /x HTTP/1.1\r\nX-Canary: 5\r\nX-Any: ", "any"),
        ("GET /x HTTP/1.1\r\nX-Canary: 5", "read"),
        ("GET /y?a=1&v=2", "v2"),
        ("GET /y?v=22", "y"),
        ("GET /y?v=3&v=2", "y"),
        ("GET /y", "y"),
    ] {
        let head = if request.contains(" HTTP") { request.to_owned() } else { format!("{request} HTTP/1.1") };
        let response = gateway.ask(format!("{head}\r\nHost: h\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!((response.status, response.text().as_str()), (200, expected), "{request}");
    }
    let head = gateway.ask("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, Some("4")));
}

#[test]
fn a_path_that_is_there_for_other_methods_is_a_405_that_names_them() {
    let gateway = names(&[
        ("read", "match: { path: /x, methods: [GET] }"),
        ("write", "match: { path: /x, methods: [POST] }"),
        ("secret", "match: { path: /x, methods: [DELETE], headers: { X-Key: \"1\" } }"),
        ("host", "match: { host: a.example, path: /x, methods: [PATCH] }"),
    ]);
    let refused = |method: &str, path: &str, host: &str| {
        gateway.ask(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"))
    };
    let response = refused("DELETE", "/x", "h");
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD, POST")));
    assert!(response.text().contains("method_not_allowed"), "{}", response.text());
    assert_eq!(refused("DELETE", "/x", "a.example").header("allow"), Some("GET, HEAD, PATCH, POST"));
    assert_eq!(refused("OPTIONS", "/x", "h").status, 405);
    assert_eq!(refused("DELETE", "/y", "h").status, 404);
    assert!(refused("TRACE", "/x", "h").header("allow").is_some_and(|allow| allow.contains("OPTIONS")));
}

#[test]
fn named_segments_expressions_and_priorities_route() {
    let gateway = names(&[
        ("new", "match: { path: /item/new }"),
        ("item", "match: { path: '/item/{id}' }"),
        ("part", "match: { path: '/item/{id}/part/*' }"),
        ("number", "match: { path: '~ ^/item/[0-9]+$' }, priority: 1"),
        ("php", "match: { path: '~ [.]php$' }"),
        ("escaped", "match: { path: /br%C3%B8d%20x/* }"),
    ]);
    for (path, expected) in [
        ("/item/new", "new"),
        ("/item/12", "number"),
        ("/item/1%32", "number"),
        ("/item/a", "item"),
        ("/item/a%20b", "item"),
        ("/item/a/part", "part"),
        ("/item/a/part/b/c", "part"),
        ("/x/index.php", "php"),
        ("/br%c3%b8d%20x/y", "escaped"),
    ] {
        assert_eq!(gateway.get(path).text(), expected, "{path}");
    }
    for missing in ["/item/", "/item", "/item/a/b", "/x.phpx"] {
        assert_eq!(gateway.get(missing).status, 404, "{missing}");
    }
    // a server that is blind to case would take it for another route
    assert_eq!(gateway.get("/item/NEW").status, 400);
    assert_eq!(gateway.get("/item/a%2fpart%2f").status, 400);
}

#[test]
fn what_says_who_the_client_is_decides_a_route_only_where_a_trusted_proxy_sent_it() {
    let routes = "routes:\n\
        \x20 - { name: inside, priority: 1, match: { path: /*, headers: { X-Real-IP: \"~ ^10[.]\" } }, respond: { status: 200, body: inside } }\n\
        \x20 - { name: safe, match: { path: /*, headers: { X-Forwarded-Proto: https } }, respond: { status: 200, body: safe } }\n\
        \x20 - { match: { path: /* }, respond: { status: 200, body: outside } }\n";
    for (more, answers) in [("", ["outside", "outside"]), ("trusted_proxies: [127.0.0.0/8]\n", ["inside", "safe"])] {
        let gateway = Gateway::start(&format!("{more}{routes}"));
        for (line, answer) in ["X-Real-IP: 10.0.0.1", "x-forwarded-proto: https"].iter().zip(answers) {
            let response = gateway.ask(format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n"));
            assert_eq!(response.text(), answer, "{more}{line}");
        }
    }
}
