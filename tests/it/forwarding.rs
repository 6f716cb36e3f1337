//! Messages pass through whole, in order, and over kept connections.

use crate::harness::*;

#[test]
fn a_request_and_its_response_pass_through() {
    let origin = Origin::answering(|_| with_head("HTTP/1.1 201 Made\r\nX-Origin: yes\r\nContent-Type: a/b", "hello"));
    let gateway = Gateway::before(&origin, "");
    let response = gateway.ask("GET /v1/user?id=7&x=%2F HTTP/1.1\r\nHost: api.example.com\r\nX-Client: 1\r\n\r\n");
    assert_eq!((response.status, response.text().as_str()), (201, "hello"));
    assert_eq!((response.header("x-origin"), response.header("content-type")), (Some("yes"), Some("a/b")));
    let request = origin.request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/v1/user?id=7&x=%2F"));
    assert_eq!((request.header("host"), request.header("x-client")), (Some("api.example.com"), Some("1")));
}

#[test]
fn odd_but_valid_methods_and_query_bytes_are_forwarded_as_sent() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "M-SEARCH"] {
        let target = "/a/b;c=1/@:!$&'()*+,?q=[1]|{2}^`~%20%2f&&==";
        let response = client.ask(format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(response.status, 200, "{method}");
        let last = origin.requests().pop().unwrap();
        assert_eq!((last.method.as_str(), last.target.as_str()), (method, target));
    }
}

#[test]
fn a_body_with_a_length_passes_both_ways() {
    let origin = Origin::answering(|request| ok(&request.body));
    let gateway = Gateway::before(&origin, "");
    let response = gateway.ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello world");
    assert_eq!(response.text(), "hello world");
    let request = origin.request();
    assert_eq!((request.header("content-length"), request.chunked), (Some("11"), false));
}

#[test]
fn a_chunked_body_passes_both_ways_with_its_trailers_but_without_extensions() {
    let origin = Origin::answering(|request| {
        let body = String::from_utf8_lossy(&request.body);
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
             {:x};ext=1\r\n{body}\r\n0\r\nX-Sum: 42\r\nContent-Length: 9\r\n\r\n",
            body.len()
        )
        .into_bytes()
    });
    let gateway = Gateway::before(&origin, "");
    let response = gateway.ask(
        "POST /echo HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;a=b\r\nhello\r\n006\r\n world\r\n0\r\nX-Client-Sum: 1\r\nHost: evil\r\nAuthorization: x\r\nContent-Length: 3\r\n\r\n",
    );
    assert_eq!((response.text().as_str(), response.chunked), ("hello world", true));
    assert_eq!(response.trailers.one("x-sum"), Some("42"));
    assert_eq!(response.trailers.all("content-length"), Vec::<&str>::new());
    let request = origin.request();
    assert_eq!((&request.body[..], request.chunked), (&b"hello world"[..], true));
    assert_eq!(request.trailers.one("x-client-sum"), Some("1"));
    assert_eq!(request.trailers.0.len(), 1, "{:?}", request.trailers);
}

#[test]
fn an_empty_chunked_body_is_still_a_body() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.ask("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    let requests = origin.requests();
    assert!(requests[0].chunked);
    assert_eq!(requests[1].header("content-length"), Some("0"));
}

#[test]
fn head_and_bodiless_statuses_have_no_body_and_keep_the_connection() {
    let origin = Origin::answering(|request| match request.target.as_str() {
        "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec(),
        "/headchunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"x\"\r\n\r\n".to_vec(),
        _ => ok("after"),
    });
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    let head = client.ask("HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, Some("1000")));
    assert_eq!(client.ask("HEAD /headchunked HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
    assert_eq!(client.get("/204").status, 204);
    let unchanged = client.get("/304");
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some("\"x\"")));
    assert_eq!(client.get("/after").text(), "after");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_http_1_0_client_gets_an_http_1_0_framing_and_the_end_of_the_connection() {
    let origin = Origin::answering(|request| match request.target.as_str() {
        "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec(),
        _ => ok("hello"),
    });
    let gateway = Gateway::before(&origin, "");
    for target in ["/length", "/chunked"] {
        let mut client = gateway.connect();
        let response = client.ask(format!("GET {target} HTTP/1.0\r\nHost: h\r\n\r\n"));
        assert_eq!((response.text().as_str(), response.chunked), ("hello", false), "{target}");
        client.expect_closed(PATIENCE);
    }
    assert!(origin.requests().iter().all(|r| r.minor == 1 && r.header("host") == Some("h")));
}

#[test]
fn an_http_1_0_client_may_ask_to_keep_the_connection() {
    let origin = Origin::named("hello");
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    for _ in 0..2 {
        let response = client.ask("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
        assert!(response.headers.lists("connection", "keep-alive"), "{response:?}");
        assert_eq!(response.text(), "hello");
    }
}

#[test]
fn an_http_1_0_origin_and_a_body_without_length_are_read_to_the_end() {
    for head in ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK", "HTTP/1.0 200 OK\r\nConnection: close"] {
        let origin = Origin::raw(format!("{head}\r\n\r\nuntil the end").as_bytes(), Then::Fin);
        let gateway = Gateway::before(&origin, "");
        let response = gateway.get("/");
        assert_eq!((response.status, response.text().as_str()), (200, "until the end"));
        assert_eq!(response.minor, 1);
        // The client could not tell an early end from the right one without chunks.
        assert!(response.chunked || response.until_close);
    }
}

#[test]
fn three_pipelined_requests_get_three_ordered_answers() {
    let origin = Origin::answering(|request| ok(&request.target));
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\
         POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    for target in ["/1", "/2", "/3", "/4"] {
        assert_eq!(client.response().text(), target);
    }
    let targets: Vec<String> = origin.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets.len(), 4);
}

#[test]
fn both_sides_keep_their_connections() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "threads: 1\n");
    for _ in 0..3 {
        let mut client = gateway.connect();
        for _ in 0..10 {
            assert_eq!(client.get("/").status, 200);
        }
    }
    assert_eq!(origin.connections(), 1);
    assert_eq!(gateway.counted("upstream_connections_opened_total{upstream=\"app\"}"), 1.0);
    assert_eq!(gateway.counted("upstream_connections_reused_total{upstream=\"app\"}"), 29.0);
}

#[test]
fn a_client_that_asks_to_close_is_obeyed_and_the_upstream_connection_is_kept() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "threads: 1\n");
    for _ in 0..3 {
        let mut client = gateway.connect();
        let response = client.ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert!(response.says_close());
        client.expect_closed(PATIENCE);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_origin_that_closes_after_its_answer_costs_nothing_but_a_new_connection() {
    let origin = Origin::raw(&with_head("HTTP/1.1 200 OK\r\nConnection: close", "bye"), Then::Fin);
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    for _ in 0..5 {
        let response = client.get("/");
        assert_eq!((response.text().as_str(), response.says_close()), ("bye", false));
    }
    assert_eq!(origin.connections(), 5);
}

#[test]
fn kept_connections_that_went_stale_never_surface() {
    let origin = Origin::scripted(|peer| {
        // Says nothing of closing, but does right after each answer, as short keep-alive timeouts do.
        if peer.request().is_some() {
            peer.send(ok("fresh"));
        }
    });
    let gateway = Gateway::before(&origin, "threads: 1\n");
    let mut client = gateway.connect();
    for n in 0..20 {
        assert_eq!(client.get("/").status, 200, "request {n}");
    }
    assert_eq!(gateway.counted("http_failures_total"), 0.0);
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it_and_then_its_answer() {
    let origin = Origin::answering(|request| ok(&request.body));
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    assert_eq!(client.ask("hello").text(), "hello");
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_client_that_did_not_wait_for_100_continue_is_served_too() {
    let origin = Origin::answering(|request| ok(&request.body));
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    let request = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(client.ask(request).text(), "hello");
    assert_eq!(client.ask(request).text(), "hello");
}

#[test]
fn an_http_1_0_client_is_never_sent_a_100() {
    let origin = Origin::answering(|request| ok(&request.body));
    let gateway = Gateway::before(&origin, "");
    let response = gateway.ask("POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((response.text().as_str(), response.informational.len()), ("hello", 0));
}

#[test]
fn early_hints_are_relayed_in_order() {
    let origin = Origin::answering(|_| {
        [
            &b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n"[..],
            &ok("done"),
        ]
        .concat()
    });
    let gateway = Gateway::before(&origin, "");
    let response = gateway.get("/");
    assert_eq!(response.text(), "done");
    let links: Vec<_> = response.informational.iter().map(|i| (i.status, i.header("link").unwrap())).collect();
    assert_eq!(links, [(103, "</a>"), (103, "</b>")]);
    let old = gateway.ask("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    assert_eq!((old.text().as_str(), old.informational.len()), ("done", 0));
}

#[test]
fn no_more_than_sixteen_informational_responses_are_borne() {
    let origin = Origin::answering(|request| {
        let count: usize = request.target[1..].parse().unwrap();
        [b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count), ok("done")].concat()
    });
    let gateway = Gateway::before(&origin, "");
    assert_eq!(gateway.get("/16").text(), "done");
    let mut client = gateway.connect();
    client.send("GET /2000 HTTP/1.1\r\nHost: h\r\n\r\n");
    match client.try_response("GET", PATIENCE) {
        Ok(response) => assert_eq!((response.status, response.informational.len() <= 16), (502, true)),
        Err(Trouble::Closed(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
    gateway.expect_failure("bad_response");
}
