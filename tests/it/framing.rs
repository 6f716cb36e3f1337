//! A body whose framing is broken never becomes a whole request upstream, and nothing behind it a request at all.

use crate::harness::*;

const HIDDEN: &[u8] = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

fn broken_bodies() -> Vec<Vec<u8>> {
    [
        &b"5 \r\nhello\r\n0\r\n\r\n"[..],
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5_\r\nhello\r\n0\r\n\r\n",
        b"5;\r\nhello\r\n0\r\n\r\n",
        b"5;\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
        b"5;bad[=x\r\nhello\r\n0\r\n\r\n",
        b"5;a=\"b\nc\"\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"ZZ\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello!!\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"5\r\nhello\r\n0\n\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n0\r\nNoColon\r\n\r\n",
        b"5\r\nhello\r\n0\r\nBad : 1\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: a\r\n folded\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: a\x00b\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: a\rb\r\n\r\n",
    ]
    .iter()
    .map(|b| b.to_vec())
    .chain([
        [&b"5;a="[..], &[b'x'; 65536], b"\r\nhello\r\n0\r\n\r\n"].concat(),
        [&b"5\r\nhello\r\n0\r\n"[..], &b"X-Many: trailers\r\n".repeat(5000), b"\r\n"].concat(),
    ])
    .collect()
}

#[test]
fn broken_chunks_are_refused_and_the_upstream_request_never_completes() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let mut wrong = Vec::new();
    for body in broken_bodies() {
        let shown = body[..body.len().min(60)].escape_ascii().to_string();
        let mut client = gateway.connect();
        let head = b"POST /broken HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.try_send([head, &body[..], HIDDEN].concat()).ok();
        match client.try_response("POST", PATIENCE) {
            Ok(response) if matches!(response.status, 400 | 413 | 431) => {}
            Err(Trouble::Closed(None) | Trouble::Reset(None)) => {}
            other => wrong.push(format!("{shown}: {other:?}")),
        }
        if client.rest(PATIENCE).is_none() {
            wrong.push(format!("{shown}: left open"));
        }
        assert_eq!(gateway.get("/next").status, 200);
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(origin.requests().iter().all(|r| r.target == "/next"), "{:#?}", origin.requests());
}

#[test]
fn a_client_that_ends_amid_its_body_leaves_an_unfinished_request_behind() {
    for body in ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
        let origin = Origin::named("o");
        let gateway = Gateway::before(&origin, "");
        let mut client = gateway.connect();
        client.send(format!("POST /cut HTTP/1.1\r\nHost: h\r\n{body}"));
        eventually(PATIENCE, || (origin.connections() == 1).then_some(()));
        drop(client);
        eventually(PATIENCE, || (origin.ended() == 1).then_some(()));
        assert_eq!(origin.requests(), []);
        gateway.expect_metric("upstream_in_flight", 0.0);
        gateway.expect_failure("client_closed");
    }
}

#[test]
fn a_get_with_a_body_is_framed_upstream_and_its_body_is_no_request() {
    let origin = Origin::answering(|request| ok(&request.target));
    let gateway = Gateway::before(&origin, "");
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        let mut client = gateway.connect();
        let length = HIDDEN.len();
        let head = format!("{method} /outer HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        let response = client.ask([head.as_bytes(), HIDDEN].concat());
        assert!(matches!(response.status, 200 | 400), "{method}");
        if response.status == 200 {
            assert_eq!(client.get("/next").text(), "/next");
        }
    }
    assert!(origin.requests().iter().all(|r| r.target != "/hidden"));
}

#[test]
fn a_body_is_refused_before_the_origin_is_touched_when_its_length_is_too_much() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "defaults: { request: { max_body: 1KiB } }\n");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\n\r\n");
    assert_eq!(client.response().status, 413);
    assert_eq!(origin.connections(), 0);
    assert_eq!(
        gateway
            .ask([&b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1024\r\n\r\n"[..], &[b'x'; 1024]].concat())
            .status,
        200
    );
    gateway.expect_failure("body_too_large");
}

#[test]
fn a_chunked_body_is_refused_as_soon_as_it_is_too_much() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "defaults: { request: { max_body: 1KiB } }\n");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..3 {
        client.try_send([&b"200\r\n"[..], &[b'x'; 512], b"\r\n"].concat()).ok();
    }
    assert_eq!(client.response().status, 413);
    client.expect_closed(PATIENCE);
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_request_split_at_every_byte_is_the_same_request() {
    let origin = Origin::answering(|request| ok(&request.body));
    let gateway = Gateway::before(&origin, "");
    let whole = b"POST /split HTTP/1.1\r\nHost: h\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n";
    let mut client = gateway.connect();
    for cut in 1..whole.len() {
        client.send(&whole[..cut]);
        // Lets the first part arrive on its own; the outcome must not depend on it.
        std::thread::sleep(std::time::Duration::from_millis(3));
        client.send(&whole[cut..]);
        assert_eq!(client.response().text(), "abc", "cut at {cut}");
    }
    let ids = |r: &Request| {
        (
            r.headers.0.iter().filter(|(n, _)| n != "x-request-id" && n != "X-Request-Id").cloned().collect::<Vec<_>>(),
            r.trailers.clone(),
        )
    };
    let requests = origin.requests();
    assert_eq!(requests.len(), whole.len() - 1);
    assert!(requests.iter().all(|r| ids(r) == ids(&requests[0])));
}
