//! Requests that could be read in more than one way are refused before anything is forwarded.

use crate::harness::*;

/// Every one is answered 400 and its connection closed; the origin sees none of it, and a hidden request behind it is
/// never answered.
#[track_caller]
fn refused(heads: &[&[u8]]) {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    let mut wrong = Vec::new();
    for head in heads {
        let mut client = gateway.connect();
        client.try_send([head, &b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"[..]].concat()).ok();
        match client.try_response("GET", PATIENCE) {
            Ok(response) if response.status == 400 => match client.rest(PATIENCE) {
                Some(rest) if rest.is_empty() => {}
                Some(rest) => wrong.push(format!("\"{}\": more after the 400: {rest:?}", head.escape_ascii())),
                None => wrong.push(format!("\"{}\": left open", head.escape_ascii())),
            },
            other => wrong.push(format!("\"{}\": {other:?}", head.escape_ascii())),
        }
    }
    let shown = wrong[..wrong.len().min(20)].join("\n");
    assert!(wrong.is_empty(), "{} of {}:\n{shown}", wrong.len(), heads.len());
    assert_eq!(origin.requests(), []);
    assert_eq!(gateway.get("/").status, 200);
    let counted = gateway.metric("http_failures_total{reason=\"bad_request\"}");
    assert_eq!(counted, heads.len() as f64, "refusals are counted");
}

#[test]
fn a_length_together_with_chunks_is_refused() {
    refused(&[
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
    ]);
}

#[test]
fn a_length_that_is_no_single_plain_number_is_refused() {
    refused(&[
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5_0\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \xd9\xa5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5.0\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1e1\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ,5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
    ]);
}

#[test]
fn a_transfer_coding_other_than_one_final_chunked_is_refused() {
    refused(&[
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]);
}

#[test]
fn a_host_that_is_missing_repeated_or_no_host_is_refused() {
    refused(&[
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/path\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a?q\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a#f\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:8080:9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: caf\xc3\xa9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a:81/ HTTP/1.1\r\nHost: a:82\r\n\r\n",
        b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\n\r\n",
    ]);
}

#[test]
fn a_field_that_is_not_name_colon_value_is_refused() {
    refused(&[
        b"GET / HTTP/1.1\r\nHost: h\r\nX : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX\t: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\n\tfolded\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nNoColon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX(Y: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX[Y]: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX\xc3\xab: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX\x00Y: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x1bb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\r\n\r\n",
        b"GET / HTTP/1.1\rHost: h\r\n\r\n",
    ]);
}

#[test]
fn a_request_line_other_than_method_target_version_is_refused() {
    refused(&[
        b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /  HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\r\nHost: h\r\n\r\n",
        b"GET / http/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.11\r\nHost: h\r\n\r\n",
        b"GET / HTTP/01.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/ 1.1\r\nHost: h\r\n\r\n",
        b"GET / FTP/1.1\r\nHost: h\r\n\r\n",
        b"G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"G\"T / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"G\x01T / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET x HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    ]);
}

#[test]
fn a_target_with_bytes_that_no_target_has_is_refused() {
    let mut heads = Vec::new();
    for byte in (0..=0x20).chain(0x7f..=0xff).chain(*b"\"<>#").filter(|b| !b"\t\n\r ".contains(b)) {
        heads.push([b"GET /a", &[byte][..], b"b HTTP/1.1\r\nHost: h\r\n\r\n"].concat());
        heads.push([b"GET /a?b", &[byte][..], b"c HTTP/1.1\r\nHost: h\r\n\r\n"].concat());
    }
    refused(&heads.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn versions_this_gateway_does_not_speak_are_refused() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/9.9"] {
        let mut client = gateway.connect();
        let response = client.ask(format!("GET / {version}\r\nHost: h\r\n\r\n"));
        assert!(matches!(response.status, 400 | 505), "{version}: {}", response.status);
        client.expect_closed(PATIENCE);
    }
    assert_eq!(origin.requests(), []);
}

#[test]
fn connect_and_trace_are_not_for_a_gateway() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    for head in ["CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n"] {
        let response = gateway.ask(head);
        assert!(matches!(response.status, 400 | 405 | 501), "{head:?}: {}", response.status);
    }
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_bare_lf_ends_a_line_and_empty_lines_before_a_request_are_skipped_but_never_forwarded() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    assert_eq!(gateway.ask("GET /lf HTTP/1.1\nHost: h\nX: 1\n\n").status, 200);
    assert_eq!(gateway.ask("\r\n\r\nGET /crlf HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
    let mut client = gateway.connect();
    client.ask("POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.ask("\r\nGET /after HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
    assert_eq!(origin.requests().len(), 4);
}

#[test]
fn an_unknown_expectation_is_417() {
    let origin = Origin::named("o");
    let gateway = Gateway::before(&origin, "");
    for expectation in ["200-ok", "y 100-continue", "100-continue, x"] {
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nExpect: {expectation}\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(gateway.ask(head).status, 417, "{expectation}");
    }
    assert_eq!(origin.requests(), []);
}

#[test]
fn own_errors_are_json_for_those_who_accept_it_and_text_for_others() {
    let origin = Origin::named("o");
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ match: {{ path: /app/* }}, upstream: app }}]\n",
        origin.address()
    ));
    for accept in ["application/json", "text/html, application/json;q=0.9", "APPLICATION/JSON"] {
        let response = gateway.ask(format!("GET /none HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n"));
        assert_eq!(response.status, 404);
        assert!(response.header("content-type").unwrap().starts_with("application/json"), "{accept}");
        let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((&body["error"], &body["status"]), (&"no_route".into(), &404.into()));
        assert!(body["request_id"].as_str().unwrap().len() >= 16);
    }
    for accept in ["", "Accept: text/html\r\n", "Accept: application/json;q=0\r\n"] {
        let response = gateway.ask(format!("GET /none HTTP/1.1\r\nHost: h\r\n{accept}\r\n"));
        assert_eq!(response.status, 404);
        assert!(response.header("content-type").unwrap().starts_with("text/plain"), "{accept}");
        assert!(response.text().contains("no_route"), "{}", response.text());
    }
}

#[test]
fn own_errors_keep_the_connection_where_the_framing_is_intact() {
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\n\
         routes: [{{ match: {{ path: /down }}, upstream: app }}]\n",
        Origin::refusing()
    ));
    let mut client = gateway.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/none").status, 404);
        assert_eq!(client.get("/down").status, 502);
        let small = "POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(client.ask(small).status, 404);
        assert_eq!(client.ask("HEAD /none HTTP/1.1\r\nHost: h\r\n\r\n").status, 404);
        assert!(!client.get("/none").says_close());
    }
}
