//! `wharf explain` and the API behind it: one request, before it is served and as the running gateway sees it.

use serde_json::{Value, json};

use crate::harness::json as json_of;
use crate::harness::*;

const ROUTES: &str = "\
upstreams:\n\
\x20 users: { endpoints: [\"127.0.0.1:1\", { address: \"127.0.0.1:2\", weight: 3, backup: true }] }\n\
routes:\n\
\x20 - name: users\n\
\x20   match: { host: \"*.example.com\", path: '/v1/user/{id}', methods: [GET] }\n\
\x20   upstream: users\n\
\x20   rewrite: { path: '/users/{capture.id}' }\n\
\x20   headers: { request: { set: { X-Who: \"{client_ip}\", X-Key: \"${KEY:-none}\" }, remove: [Cookie] } }\n\
\x20   timeouts: { read: 300s }\n\
\x20 - { name: rest, match: { path: /v1/* }, redirect: { to: \"https://new.example.com{uri}\" } }\n\
\x20 - { name: admin, match: { path: /admin/* }, respond: { status: 403 } }\n";

fn names<'v>(explanation: &'v Value, list: &str, key: &str) -> Vec<&'v str> {
    explanation[list].as_array().expect("a list").iter().map(|item| item[key].as_str().unwrap_or_default()).collect()
}

#[test]
fn an_explanation_holds_the_winner_the_losers_and_what_becomes_of_the_request() {
    let gateway = Gateway::start(ROUTES);
    let said = gateway.wharf(&[
        "explain",
        "--format",
        "json",
        "--from",
        "10.9.8.7",
        "http://api.Example.com/v1/user/a%20b?x=1",
        "-H",
        "Cookie: s=1",
    ]);
    assert_eq!((said.exit, &*said.err), (0, ""));
    let found: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(
        (&found["route"], &found["upstream"], &found["status"]),
        (&json!("users"), &json!("users"), &Value::Null)
    );
    assert_eq!((&found["host"], &found["path"]), (&json!("api.example.com"), &json!("/v1/user/a b")));
    let request = &found["request"];
    assert_eq!((&request["method"], &request["target"]), (&json!("GET"), &json!("/users/a%20b?x=1")));
    let headers: Vec<String> = serde_json::from_value::<Vec<(String, String)>>(request["headers"].clone())
        .expect("pairs")
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert!(headers.contains(&"X-Who: 10.9.8.7".to_owned()) && headers.contains(&"Host: api.Example.com".to_owned()));
    assert!(!headers.iter().any(|line| line.starts_with("Cookie")), "{headers:?}");
    assert_eq!(names(&found, "losers", "route"), ["rest", "admin"]);
    assert_eq!(names(&found, "losers", "field"), ["match.host", "match.path"]);
    assert_eq!(found["variables"]["{capture.id}"], "a%20b");
    let read = found["timeouts"].as_array().expect("a list").iter().find(|setting| setting["key"] == "read");
    let read = read.expect("a timeout");
    assert!(
        read["value"] == "5m" && read["origin"].as_str().is_some_and(|from| from.contains("gateway.yaml:")),
        "{read}"
    );
    assert_eq!(names(&found, "endpoints", "address"), ["127.0.0.1:1", "127.0.0.1:2"]);
    assert_eq!((&found["endpoints"][0]["eligible"], &found["endpoints"][1]["eligible"]), (&json!(true), &json!(false)));
}

#[test]
fn the_text_says_why_a_request_is_refused() {
    let gateway = Gateway::start(ROUTES);
    let said = gateway.wharf(&["explain", "/x/..;/admin/y"]);
    assert!(said.exit == 0 && said.out.starts_with("route     none\nstatus    404, reason no_route\n"), "{}", said.out);
    let said = gateway.wharf(&["explain", "/v1%2f..%2fadmin"]);
    assert!(said.out.starts_with("route     none\nstatus    404"), "{}", said.out);
    let said = gateway.wharf(&["explain", "/v1/..%2fadmin"]);
    assert!(said.out.contains("read as `/v1/..%2Fadmin` it leads to route `rest`, read as `"), "{}", said.out);
    let said = gateway.wharf(&["explain", "POST", "http://a.example.com/v1/user/1"]);
    assert!(
        said.out.contains("match.methods: it takes GET only") && said.out.contains("route     rest"),
        "{}",
        said.out
    );
    let said = gateway.wharf(&["explain", "http://a.example.com/nothing"]);
    assert!(said.out.contains("status    404, reason no_route"), "{}", said.out);
}

#[test]
fn a_question_that_no_client_could_ask_is_refused_with_what_to_write() {
    let gateway = Gateway::start(ROUTES);
    for (arguments, says) in [
        (vec!["explain", "example.com/x"], "write `http://example.com/x` or `/PATH`"),
        (vec!["explain", "old.yaml", "/x"], "`--config old.yaml`"),
        (vec!["explain", "/x#y"], "write `/x`"),
        (vec!["explain", "/x", "--listener", "wbe"], "no listener named `wbe`"),
        (vec!["explain", "/x", "-H", "no colon"], "write `NAME: VALUE`"),
        (vec!["explain", "/x", "--from", "nowhere"], "invalid"),
    ] {
        let said = gateway.wharf(&arguments);
        assert!(said.exit == 2 && said.out.is_empty() && said.err.contains(says), "{arguments:?}: {said:?}");
    }
    let said = gateway.wharf(&["explain", "/x", "--config", "missing.yaml"]);
    assert_eq!(said.exit, 3, "{said:?}");
}

#[test]
fn the_running_gateway_explains_with_its_endpoints_as_they_are_and_counts_nothing() {
    let gateway = Gateway::start_under("export KEY=t0psecret; exec", ROUTES);
    assert_eq!(
        gateway.order("PUT", "/api/v1/upstreams/users/endpoints/127.0.0.1:1", r#"{"state": "drained"}"#).status,
        200
    );
    let admin = format!("http://{}", gateway.on(21900));
    let url = "http://a.example.com/v1/user/7";
    let said = gateway.wharf(&["explain", "--admin", &admin, "--format", "json", url]);
    assert_eq!((said.exit, &*said.err), (0, ""));
    assert!(!said.out.contains("t0psecret") && said.out.contains("${KEY:-none}"), "{}", said.out);
    let found: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(names(&found, "endpoints", "state"), ["drained", "up"]);
    assert_eq!((&found["endpoints"][0]["eligible"], &found["endpoints"][1]["eligible"]), (&json!(false), &json!(true)));
    let counted = gateway.admin("/metrics").text();
    assert!(!counted.contains("wharf_http_requests_total{listener=\"web\",route=\"users\""), "{counted}");
}

#[test]
fn the_api_guards_its_explanations_and_says_what_a_question_is() {
    let gateway = Gateway::start(ROUTES);
    let forged = gateway.api("POST", "/api/v1/explain", "", r#"{"url":"/"}"#);
    assert_eq!(forged.status, 403);
    for bad in ["", "{}", r#"{"url":"/","metod":"GET"}"#, r#"{"url":"x"}"#, r#"{"url":"/","headers":[["A","a\nb"]]}"#] {
        let refused = gateway.order("POST", "/api/v1/explain", bad);
        assert_eq!(refused.status, 400, "{bad}: {}", refused.text());
        assert!(json_of(&refused)["error"].is_string(), "{bad}");
    }
    let found = json_of(&gateway.order("POST", "/api/v1/explain", r#"{"url":"/admin/x"}"#));
    assert_eq!((&found["route"], &found["status"]), (&json!("admin"), &json!(403)));
}
