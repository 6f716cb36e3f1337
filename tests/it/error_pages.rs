//! `errors` of a route: what a client gets in place of an error.

use crate::harness::*;

fn gateway(endpoint: impl std::fmt::Display, errors: &str, more: &str) -> Gateway {
    Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{endpoint}\"] }} }}\n\
         routes:\n  - {{ name: all, match: {{ path: '/*' }}, upstream: app, errors: [{errors}], {more} }}\n"
    ))
}

#[test]
fn a_page_takes_the_place_of_the_gateways_own_error_and_the_log_keeps_the_reason() {
    let page = "{ status: [502, 504], respond: { status: 503, body: \"<p>sorry</p>\", headers: { Content-Type: text/html } } }";
    let gateway = gateway(Origin::refusing(), page, "");
    let mut client = gateway.connect();
    for lines in ["", "Accept: application/json\r\n"] {
        let response = client.ask(format!("GET /a HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
        assert_eq!((response.status, response.text().as_str()), (503, "<p>sorry</p>"));
        assert_eq!(response.headers.all("content-type"), ["text/html"]);
    }
    client.send("HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n");
    let response = client.response_to("HEAD");
    assert_eq!((response.status, response.header("content-length"), response.text().len()), (503, Some("12"), 0));
    assert_eq!(client.get("/again").status, 503);
    let logged = gateway.logged("/a");
    assert_eq!((&logged["status"], &logged["reason"]), (&503.into(), &"connect_refused".into()));
}

#[test]
fn a_page_without_a_body_says_what_the_gateway_would() {
    let page = "{ status: [502], respond: { status: 500, headers: { X-Help: here } } }";
    let gateway = gateway(Origin::refusing(), page, "");
    let response = gateway.get("/");
    assert_eq!((response.status, response.header("x-help")), (500, Some("here")));
    assert!(response.text().starts_with("500 connect_refused\n"), "{}", response.text());
    let response = gateway.ask("GET / HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n");
    assert!(response.text().starts_with("{\"error\":\"connect_refused\",\"status\":500,"), "{}", response.text());
}

#[test]
fn what_a_client_needs_to_know_stays_beside_the_page() {
    let page = "{ status: [413, 503], respond: { body: sorry } }";
    let origin = Origin::named("o");
    let gateway = gateway(origin.address(), page, "request: { max_body: 1 }");
    let response = gateway.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab");
    assert_eq!((response.status, response.text().as_str()), (413, "sorry"));
    assert!(response.says_close());
    assert_eq!(origin.requests(), []);
    // an error that no page is for
    assert!(gateway.ask("GET / HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n").text().starts_with("417 "));

    let gate = Gate::shut();
    let busy = Origin::held("o", &gate);
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [{}] }} }}\n\
         routes: [{{ match: {{ path: '/*' }}, upstream: app, errors: [{page}] }}]\n",
        member(&busy, "max_conns: 1")
    ));
    let mut first = gateway.connect();
    first.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
    busy.expect_requests(1);
    let full = gateway.get("/");
    assert_eq!((full.status, full.text().as_str(), full.header("retry-after")), (503, "sorry", Some("1")));
    gate.open();
}

#[test]
fn an_endpoints_own_error_passes_unless_it_is_intercepted() {
    let origin = Origin::answering(|request| match &*request.target {
        "/404" => with_head("HTTP/1.1 404 Not Found", "theirs"),
        "/500" => with_head("HTTP/1.1 500 Oops\r\nX-Internal: secret", "theirs ".repeat(50_000)),
        "/503" => with_head("HTTP/1.1 503 Busy", "theirs"),
        _ => ok("fine"),
    });
    let pages = "{ status: [500, 503], intercept: true, respond: { status: 502, body: ours } }, \
        { status: [404], respond: { body: never } }";
    let gateway = gateway(origin.address(), pages, "headers: { response: { set: { X-Was: '{status}' } } }");
    let mut client = gateway.connect();
    for (target, status, body) in
        [("/404", 404, "theirs"), ("/500", 502, "ours"), ("/", 200, "fine"), ("/503", 502, "ours")]
    {
        let response = client.get(target);
        assert_eq!((response.status, response.text().as_str()), (status, body), "{target}");
        assert_eq!(response.headers.all("x-was"), [status.to_string()], "{target}");
        assert_eq!(response.header("x-internal"), None);
    }
    let logged = gateway.logged("/500");
    assert_eq!((&logged["status"], &logged["upstream_status"]), (&502.into(), &500.into()));
    assert!(logged["reason"].is_null(), "{logged}");
    gateway.expect_metric("upstream_in_flight", 0.0);
}

#[test]
fn a_retry_comes_before_the_page() {
    let bad = Origin::answering(|_| with_head("HTTP/1.1 500 Oops", "theirs"));
    let good = Origin::named("good");
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ balance: round_robin, endpoints: [\"{}\", \"{}\"], passive: {{ max_fails: 0 }} }} }}\n\
         routes:\n  - match: {{ path: '/*' }}\n    upstream: app\n    retries: {{ retry_on: [error, 500] }}\n    \
         errors: [{{ status: [500], intercept: true, respond: {{ body: ours }} }}]\n",
        bad.address(),
        good.address()
    ));
    for _ in 0..4 {
        assert_eq!(gateway.get("/").text(), "good");
    }
    for _ in 0..2 {
        let response = gateway.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab");
        assert!(["good", "ours"].contains(&&*response.text()), "{}", response.text());
    }
}

#[test]
fn a_page_answers_before_a_long_body_is_whole_and_the_connection_ends_in_order() {
    let origin = Origin::scripted(|peer| {
        peer.head();
        peer.send(with_head("HTTP/1.1 500 Oops", "theirs"));
        peer.until_end();
    });
    let page = "{ status: [500], intercept: true, respond: { body: ours } }";
    let gateway = gateway(origin.address(), page, "");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\nbegin");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (500, "ours"));
    assert!(response.says_close());
}
