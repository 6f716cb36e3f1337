//! `redirect_to_https`: a listener that sends everything to the one with TLS.

use crate::harness::*;

#[test]
fn a_listener_sends_every_request_to_https() {
    let authority = Authority::new("redirect");
    let leaf = authority.issue(&["shop.example"]);
    let origin = Origin::named("o");
    let gateway = Gateway::start(&format!(
        "listeners:\n  web: {{ address: 'HERE:21080', redirect_to_https: true }}\n  \
         secure: {{ address: 'HERE:21443', tls: {{ certificates: [{{ cert: '{}', key: '{}' }}] }} }}\n\
         upstreams: {{ app: {{ endpoints: ['{}'] }} }}\n\
         routes: [{{ name: shop, match: {{ path: '/*' }}, upstream: app }}]\n",
        leaf.cert.display(),
        leaf.key.display(),
        origin.address(),
    ));
    let mut client = gateway.connect();
    for (request, location) in [
        ("GET /a?b=c HTTP/1.1\r\nHost: shop.example:21080\r\n\r\n", "https://shop.example:21443/a?b=c"),
        ("POST /a HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello", "https://shop.example:21443/a"),
        ("GET /last HTTP/1.1\r\nHost: other.example\r\n\r\n", "https://other.example:21443/last"),
    ] {
        let response = client.ask(request);
        assert_eq!((response.status, response.header("location")), (308, Some(location)), "{request}");
    }
    assert_eq!(gateway.ask("GET /nowhere HTTP/1.0\r\n\r\n").status, 400);
    assert!(origin.requests().is_empty());
    assert_eq!(gateway.logged("/last")["route"], "_https");
    assert_eq!(gateway.counted("http_requests_total{route=\"_https\",code=\"308\"}"), 3.0);
    let said = gateway.wharf(&["explain", "--config", "gateway.yaml", "http://shop.example/a"]);
    let table = "tests: [{ request: GET http://shop.example/a, expect: { route: shop } }]";
    std::fs::write(gateway.folder().join("expected.yaml"), table).unwrap();
    let tested = gateway.wharf(&["test", "expected.yaml"]);
    assert!(tested.err.contains("`redirect_to_https` of listener `web`"), "{tested:?}");
    assert!(
        said.out.starts_with(
            "route     _https  (the gateway's own)\nstatus    308\n          `redirect_to_https` of listener `web`\n"
        ),
        "{}",
        said.out
    );
}
