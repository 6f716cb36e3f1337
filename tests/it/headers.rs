//! Which header fields pass, which stop here, and which the gateway sets itself.

use crate::harness::*;

fn asked(gateway: &Gateway, origin: &Origin, lines: &str) -> Request {
    let response = gateway.ask(format!("GET / HTTP/1.1\r\nHost: api.example.com\r\n{lines}\r\n"));
    assert_eq!(response.status, 200, "{lines:?}");
    origin.requests().pop().expect("the origin was asked")
}

#[test]
fn hop_by_hop_fields_of_a_request_stop_here() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let request = asked(
        &gateway,
        &origin,
        "Connection: keep-alive, X-Hop\r\nConnection: X-Other\r\nX-Hop: 1\r\nx-other: 2\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nTE: trailers, deflate\r\nUpgrade: h2c\r\n\
         Proxy-Authorization: Basic x\r\nX-End: 3\r\n",
    );
    for name in ["X-Hop", "X-Other", "Keep-Alive", "Proxy-Connection", "Upgrade", "Proxy-Authorization"] {
        assert_eq!(request.headers.all(name), Vec::<&str>::new(), "{name}");
    }
    assert!(!request.headers.lists("connection", "x-hop") && !request.headers.lists("te", "deflate"));
    assert_eq!(request.header("x-end"), Some("3"));
}

#[test]
fn hop_by_hop_fields_of_a_response_stop_here_and_nothing_else_does() {
    let origin = Origin::answering(|_| {
        with_head(
            "HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=9\r\nProxy-Connection: close\r\n\
             Upgrade: h2c\r\nServer: origin/1\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nVia: 1.1 x\r\nX_Under: 2\r\n\
             Set-Cookie: a=1\r\nSet-Cookie: b=2",
            "hello",
        )
    });
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    let response = client.get("/");
    for name in ["X-Secret", "Keep-Alive", "Proxy-Connection", "Upgrade"] {
        assert_eq!(response.headers.all(name), Vec::<&str>::new(), "{name}");
    }
    assert!(!response.headers.lists("connection", "x-secret"));
    assert_eq!(response.header("server"), Some("origin/1"));
    assert_eq!(response.header("date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    assert_eq!((response.header("via"), response.header("x_under")), (Some("1.1 x"), Some("2")));
    assert_eq!(response.headers.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn nominating_a_field_that_others_rely_on_is_refused() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    for name in [
        "Host",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Real-IP",
        "Authorization",
        "Content-Length",
        "Transfer-Encoding",
        "Forwarded",
        "X-Request-Id",
        "Cookie",
    ] {
        for list in [name.to_owned(), format!("close, {name}"), format!("keep-alive,{name} ,x")] {
            let response = gateway.ask(format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: {list}\r\n\r\n"));
            assert_eq!(response.status, 400, "Connection: {list}");
        }
    }
    assert_eq!(origin.requests(), []);
}

#[test]
fn the_origin_learns_who_asked_whatever_the_client_claims() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let spoofed = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-Host: evil\r\nX-Forwarded-Port: 443\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
        X-Request-Id: spoofed\r\n";
    for lines in ["", spoofed] {
        let mut client = gateway.connect();
        let peer = client.stream.local_addr().unwrap().ip().to_string();
        client.ask(format!("GET / HTTP/1.1\r\nHost: api.example.com\r\n{lines}\r\n"));
        let request = origin.requests().pop().unwrap();
        assert_eq!(request.header("x-forwarded-for"), Some(peer.as_str()));
        assert_eq!(request.header("x-real-ip"), Some(peer.as_str()));
        assert_eq!(request.header("x-forwarded-proto"), Some("http"));
        assert_eq!(request.header("x-forwarded-host"), Some("api.example.com"));
        assert_eq!(request.header("x-forwarded-port"), Some("21080"));
        assert_eq!(request.header("forwarded"), None);
        let id = request.header("x-request-id").expect("a request id");
        assert!(id != "spoofed" && id.len() >= 16, "{id}");
    }
}

#[test]
fn every_request_has_an_id_of_its_own_that_the_log_repeats() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    for n in 0..50 {
        client.get(&format!("/{n}"));
    }
    let mut ids: Vec<String> = origin.requests().iter().map(|r| r.header("x-request-id").unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
    assert!(ids.contains(&gateway.logged("/49")["request_id"].as_str().unwrap().to_owned()));
}

#[test]
fn a_trusted_peer_is_believed() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "trusted_proxies: [127.0.0.0/8]\n");
    let request = asked(
        &gateway,
        &origin,
        "X-Forwarded-For: 6.6.6.6, 10.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n\
         X-Forwarded-Port: 443\r\nX-Request-Id: from-the-edge-1\r\n",
    );
    let chain = request.header("x-forwarded-for").unwrap();
    assert!(chain.starts_with("6.6.6.6, 10.1.1.1, 127."), "{chain}");
    assert_eq!(request.header("x-forwarded-proto"), Some("https"));
    assert_eq!(request.header("x-forwarded-host"), Some("shop.example"));
    assert_eq!(request.header("x-forwarded-port"), Some("443"));
    assert_eq!(request.header("x-request-id"), Some("from-the-edge-1"));
    // The last one that no trusted proxy named.
    assert_eq!(request.header("x-real-ip"), Some("10.1.1.1"));
}

#[test]
fn underscore_twins_of_fields_that_others_rely_on_are_dropped() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let request = asked(
        &gateway,
        &origin,
        "X_Forwarded_For: 6.6.6.6\r\nX-Forwarded_Proto: https\r\nX_Real_IP: 6.6.6.6\r\nX_Request_Id: spoofed\r\n\
         X_Forwarded_Host: evil\r\nContent_Length: 99\r\nTransfer_Encoding: chunked\r\nX-Plain: kept\r\n",
    );
    let twins: Vec<_> = request.headers.0.iter().filter(|(name, _)| name.contains('_')).collect();
    assert!(twins.is_empty(), "{twins:?}");
    assert_eq!(request.header("x-plain"), Some("kept"));
}

#[test]
fn host_and_trace_context_reach_the_origin_as_sent() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    for host in ["api.example.com", "API.Example.com:8080", "api.example.com.", "[::1]:8080", "127.0.0.1"] {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let response = gateway.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\ntraceparent: {trace}\r\n\r\n"));
        assert_eq!(response.status, 200);
        let request = origin.requests().pop().unwrap();
        assert_eq!((request.header("host"), request.header("traceparent")), (Some(host), Some(trace)));
        assert_eq!(request.header("via"), None);
    }
}

#[test]
fn values_keep_their_bytes_and_their_order() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    gateway.ask(b"GET / HTTP/1.1\r\nHost: h\r\nX-A:  \t caf\xc3\xa9 \xff \t\r\nX-B:\r\nx-c: 1\r\nX-C: 2\r\n\r\n");
    let request = origin.request();
    assert_eq!(request.header("x-a"), Some("caf\u{c3}\u{a9} \u{ff}"));
    assert_eq!(request.header("x-b"), Some(""));
    assert_eq!(request.headers.all("x-c"), ["1", "2"]);
}

#[test]
fn an_absolute_target_is_forwarded_in_origin_form() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    gateway.ask("GET http://api.example.com/a?b HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    gateway.ask("GET http://api.example.com HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    let targets: Vec<String> = origin.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets, ["/a?b", "/"]);
}
