//! `sticky`: a cookie of the gateway's keeps a client on its endpoint.

use crate::harness::*;

/// `GET /` with this cookie.
fn with_cookie(cookie: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: theme=dark; {cookie}; z=1\r\n\r\n")
}

/// The cookie that a response sets, as the client sends it back, and its attributes.
#[track_caller]
fn set_by(response: &Response) -> (String, Vec<String>) {
    let lines = response.headers.all("set-cookie");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let mut parts = lines[0].split("; ").map(str::to_owned);
    (parts.next().unwrap(), parts.collect())
}

#[test]
fn the_first_answer_sets_a_cookie_and_it_is_followed_from_then_on() {
    let origins = ["a", "b", "c"].map(Origin::named);
    let gateway = Gateway::start(&format!(
        "threads: 2\n{}",
        pool(origins.each_ref().map(Origin::address), "sticky: { cookie: wharf_affinity }")
    ));
    for _ in 0..6 {
        let first = gateway.get("/");
        let (cookie, attributes) = set_by(&first);
        assert!(cookie.starts_with("wharf_affinity="), "{cookie}");
        assert_eq!(attributes, ["Path=/", "HttpOnly", "SameSite=Lax"]);
        // the address of a machine behind the gateway is nobody's business
        assert!(!origins.iter().any(|origin| cookie.contains(&origin.address().ip().to_string())), "{cookie}");
        for _ in 0..4 {
            let again = gateway.ask(with_cookie(&cookie));
            assert_eq!(again.text(), first.text());
            assert!(again.headers.all("set-cookie").is_empty(), "set again: {again:?}");
        }
    }
    // whoever has no cookie goes where there is the least to do
    let counts = origins.each_ref().map(|origin| origin.requests().len());
    assert_eq!(counts.iter().sum::<usize>(), 30);
    assert!(counts.iter().all(|count| *count >= 5), "{counts:?}");
    // the service gets its own cookies, and the gateway's with them
    assert!(
        origins[0].requests().iter().any(|r| r.headers.one("cookie").is_some_and(|c| c.starts_with("theme=dark; ")))
    );
}

#[test]
fn a_cookie_that_names_no_endpoint_is_replaced() {
    let origins = ["a", "b"].map(Origin::named);
    let gateway = Gateway::start(&pool(origins.each_ref().map(Origin::address), "sticky: { cookie: id }"));
    for odd in ["id=", "id=0123456789abcdef", "id=%00", "id=0123456789abcdef0", "ID=a", "xid=a"] {
        let (cookie, _) = set_by(&gateway.ask(with_cookie(odd)));
        assert_eq!(cookie.len(), "id=".len() + 16, "{cookie}");
    }
}

#[test]
fn the_services_own_cookies_stay() {
    let origin =
        Origin::answering(|_| with_head("HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nSet-Cookie: lang=no", "o"));
    let gateway = Gateway::start(&pool([origin.address()], "sticky: { cookie: id }"));
    let response = gateway.get("/");
    let lines = response.headers.all("set-cookie");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.contains(&"session=1") && lines.contains(&"lang=no"), "{lines:?}");
}

#[test]
fn a_client_whose_endpoint_is_down_goes_to_another_and_stays_there() {
    let [a, b] = ["a", "b"].map(Origin::named);
    let endpoints = [a.address(), b.address()];
    let gateway = Gateway::start(&pool(endpoints, "sticky: { cookie: id }, passive: { fail_timeout: 300ms }"));
    let (first, _) = set_by(&gateway.get("/"));
    assert_eq!(gateway.ask(with_cookie(&first)).text(), "a");
    let address = a.crash();
    let elsewhere = gateway.ask(with_cookie(&first));
    assert_eq!(elsewhere.text(), "b");
    let (second, _) = set_by(&elsewhere);
    assert_ne!(first, second);
    let _a = Origin::named_on(address, "a");
    // the new cookie holds; the old one leads back
    eventually(PATIENCE, || (gateway.ask(with_cookie(&first)).text() == "a").then_some(()));
    for _ in 0..4 {
        assert_eq!(gateway.ask(with_cookie(&second)).text(), "b");
    }
}

#[test]
fn a_client_whose_endpoint_is_full_is_served_by_another() {
    let gate = Gate::shut();
    let (a, b) = (Origin::held("a", &gate), Origin::named("b"));
    let endpoints = [member(&a, "max_conns: 1"), b.address().to_string()];
    let gateway = Gateway::start(&pool(endpoints, "sticky: { cookie: id }"));
    gate.admit();
    let (cookie, _) = set_by(&gateway.get("/"));
    let mut first = gateway.connect();
    first.send(with_cookie(&cookie));
    a.expect_requests(2);
    assert_eq!(gateway.ask(with_cookie(&cookie)).text(), "b");
    gate.open();
    assert_eq!(first.response().text(), "a");
}

#[test]
fn the_cookie_holds_across_a_reload() {
    let origins = ["a", "b", "c"].map(Origin::named);
    let addresses = origins.each_ref().map(Origin::address);
    let gateway = Gateway::start(&pool(addresses, "sticky: { cookie: id }"));
    let cookies: Vec<(String, String)> = (0..3)
        .map(|_| {
            let first = gateway.get("/");
            (set_by(&first).0, first.text())
        })
        .collect();
    gateway.reload(&pool([addresses[2], addresses[0], addresses[1]], "balance: random, sticky: { cookie: id }"));
    for (cookie, name) in cookies.iter().cycle().take(9) {
        assert_eq!(&gateway.ask(with_cookie(cookie)).text(), name);
    }
}
