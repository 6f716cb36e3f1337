//! `headers` of a route: lines taken out, set and added, on the way up and on the way down.

use crate::harness::*;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nServer: origin/1\r\nX-Powered-By: a\r\nX-Powered-By: b\r\nSet-Cookie: s=1";

fn gateway(origin: &Origin, headers: &str, more: &str) -> Gateway {
    Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\n\
         routes:\n  - {{ name: all, match: {{ path: '/*' }}, upstream: app, headers: {{ {headers} }} }}\n{more}",
        origin.address()
    ))
}

fn asked(gateway: &Gateway, origin: &Origin, request: &str) -> Request {
    assert_eq!(gateway.ask(request).status, 200, "{request:?}");
    origin.requests().pop().expect("the origin was asked")
}

#[test]
fn a_requests_lines_are_taken_out_set_and_added() {
    let origin = Origin::named("o");
    let gateway = gateway(
        &origin,
        "request: { remove: [Cookie], set: { X-Tenant: '{host}', X-Real-IP: 10.9.8.7, X-None: '{header.X-Absent}' }, \
         add: { X-Via: 'wharf {route} {upstream}', X-Trace: '{method} {uri} {query.a} {request_id}' } }",
        "",
    );
    let request = asked(
        &gateway,
        &origin,
        "GET /p?a=b HTTP/1.1\r\nHost: Shop.Example\r\nCookie: s=1\r\nX-Tenant: spoofed\r\nx_tenant: spoofed\r\n\
         COOKIE: t=2\r\nX-None: spoofed\r\nX-Via: before\r\nX-Kept: 1\r\n\r\n",
    );
    assert_eq!(request.headers.all("cookie"), Vec::<&str>::new());
    assert_eq!(request.headers.all("x_tenant"), Vec::<&str>::new());
    assert_eq!(request.headers.all("x-none"), Vec::<&str>::new());
    assert_eq!(request.headers.all("x-tenant"), ["shop.example"]);
    assert_eq!(request.headers.all("x-real-ip"), ["10.9.8.7"]);
    assert_eq!(request.headers.all("x-via"), ["before", "wharf all app"]);
    assert_eq!(request.headers.all("x-kept"), ["1"]);
    assert_eq!(request.headers.all("host"), ["Shop.Example"]);
    let trace = request.header("x-trace").unwrap();
    assert_eq!(trace, format!("GET /p?a=b b {}", request.header("x-request-id").unwrap()));
}

#[test]
fn the_host_is_replaced_by_the_one_that_is_set() {
    let origin = Origin::named("o");
    let gateway = gateway(&origin, "request: { set: { Host: '{header.X-Shop}.internal:81' } }", "");
    for request in
        ["GET / HTTP/1.1\r\nHost: a.example\r\nX-Shop: blue\r\n\r\n", "GET / HTTP/1.0\r\nX-Shop: blue\r\n\r\n"]
    {
        let request = asked(&gateway, &origin, request);
        assert_eq!(request.headers.all("host"), ["blue.internal:81"]);
    }
    let request = asked(&gateway, &origin, "GET / HTTP/1.1\r\nHost: a.example\r\nX-Shop: blue\r\n\r\n");
    assert_eq!(request.header("x-forwarded-host"), Some("a.example"));
    let before = origin.requests().len();
    for shop in ["a b", "a/b", "a@b", "\u{e9}"] {
        let response = gateway.ask(format!("GET / HTTP/1.1\r\nHost: a.example\r\nX-Shop: {shop}\r\n\r\n"));
        assert_eq!(response.status, 400, "{shop}");
    }
    assert_eq!(origin.requests().len(), before);
}

#[test]
fn what_a_client_may_not_claim_is_not_passed_on_by_a_variable() {
    let origin = Origin::named("o");
    let headers = "request: { set: { X-Ip: '<{header.X-Real-IP}>', X-For: '<{header.X-Forwarded-For}>' } }";
    let request = "GET / HTTP/1.1\r\nHost: h\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
    for (more, ip) in [("", "<>"), ("trusted_proxies: [127.0.0.0/8]\n", "<6.6.6.6>")] {
        let gateway = gateway(&origin, headers, more);
        let request = asked(&gateway, &origin, request);
        assert_eq!((request.header("x-ip"), request.header("x-for")), (Some(ip), Some(ip)));
    }
}

#[test]
fn edits_leave_bodies_and_the_next_request_alone() {
    let origin = Origin::answering(|request| with_head(ANSWER, &request.body));
    let gateway = gateway(
        &origin,
        "request: { set: { X-A: '{path}' } }, response: { remove: [Server], set: { X-B: '{status}' } }",
        "",
    );
    let mut client = gateway.connect();
    let body = "x-a: 1\r\n\r\nserver: 2\r\n\r\n".repeat(2000);
    for n in 0..3 {
        client.send(format!("POST /{n} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let response = client.response();
        assert_eq!((response.header("x-b"), response.header("server")), (Some("200"), None));
        assert_eq!(response.text(), body);
        let request = origin.requests().pop().unwrap();
        assert_eq!((request.header("x-a"), request.body.len()), (Some(&*format!("/{n}")), body.len()));
    }
}

#[test]
fn a_responses_lines_are_edited_however_it_comes() {
    let chunked = "HTTP/1.1 203 Fine\r\nServer: origin/1\r\nX-Powered-By: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let hint = "HTTP/1.1 103 Early Hints\r\nServer: early/1\r\nLink: </a>\r\n\r\n";
    let origin = Origin::answering(move |request| match &*request.target {
        "/chunked" => chunked.into(),
        "/hinted" => [hint.as_bytes(), &ok("hello")].concat(),
        _ => with_head(ANSWER, "hello"),
    });
    let gateway = gateway(
        &origin,
        "response: { remove: [server, X-Powered-By], set: { X-Frame-Options: DENY }, \
         add: { Set-Cookie: 'seen={status}', X-Path: '{path}' } }",
        "",
    );
    for (target, status) in [("/", 200), ("/chunked", 203)] {
        let response = gateway.get(target);
        assert_eq!((response.status, response.text().as_str()), (status, "hello"));
        assert_eq!(response.headers.all("server"), Vec::<&str>::new());
        assert_eq!(response.headers.all("x-powered-by"), Vec::<&str>::new());
        assert_eq!(response.headers.all("x-frame-options"), ["DENY"]);
        assert!(response.headers.all("set-cookie").contains(&&*format!("seen={status}")));
        assert_eq!(response.header("x-path"), Some(target));
    }
    let mut client = gateway.connect();
    client.send("GET /hinted HTTP/1.1\r\nHost: h\r\n\r\n");
    let early = client.head();
    assert!(early.starts_with("HTTP/1.1 103") && early.contains("early/1") && !early.contains("X-Frame"), "{early}");
    assert_eq!(client.response().header("x-frame-options"), Some("DENY"));
}

#[test]
fn the_gateways_own_answers_are_edited_too() {
    let refused = Origin::refusing();
    let edits = "headers: { response: { set: { X-Frame-Options: DENY, X-Was: '{status}' }, remove: [Date] } }";
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{refused}\"] }} }}\nroutes:\n\
         \x20 - {{ match: {{ path: /down }}, upstream: app, {edits} }}\n\
         \x20 - {{ match: {{ path: /small }}, upstream: app, request: {{ max_body: 1 }}, {edits} }}\n\
         \x20 - {{ match: {{ path: /fixed }}, respond: {{ body: hello }}, {edits} }}\n\
         \x20 - {{ match: {{ path: /moved }}, redirect: {{ to: /fixed }}, {edits} }}\n"
    ));
    for (request, status) in [
        ("GET /down HTTP/1.1\r\nHost: h\r\n\r\n", 502),
        ("GET /fixed HTTP/1.1\r\nHost: h\r\n\r\n", 200),
        ("GET /moved HTTP/1.1\r\nHost: h\r\n\r\n", 308),
        ("POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", 413),
        ("POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 413),
        ("GET /fixed HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n", 417),
    ] {
        let response = gateway.ask(request);
        assert_eq!(response.status, status, "{request}");
        assert_eq!(response.headers.all("x-frame-options"), ["DENY"], "{request}");
        assert_eq!(response.headers.all("x-was"), [status.to_string()], "{request}");
        assert_eq!(response.headers.all("date"), Vec::<&str>::new(), "{request}");
    }
    // no route, no edits
    assert_eq!(gateway.get("/none").header("x-frame-options"), None);
}

#[test]
fn the_cookie_of_sticky_stays_where_the_services_cookies_are_removed() {
    let origin = Origin::answering(|_| with_head(ANSWER, "o"));
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\"], sticky: {{ cookie: id }} }} }}\n\
         routes: [{{ match: {{ path: '/*' }}, upstream: app, headers: {{ response: {{ remove: [Set-Cookie] }} }} }}]\n",
        origin.address()
    ));
    let response = gateway.get("/");
    let cookies = response.headers.all("set-cookie");
    assert!(cookies.len() == 1 && cookies[0].starts_with("id="), "{cookies:?}");
}
