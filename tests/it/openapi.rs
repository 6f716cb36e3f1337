//! The description of the admin API for programs tells the truth.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::json as json_of;
use crate::harness::*;

/// What is wrong with an answer, by a schema of the description. Members that it does not know are wrong here.
pub fn complaints(schema: &str, answer: &Value) -> Vec<String> {
    let mut document = wharf::admin::openapi();
    let schemas = document["components"]["schemas"].take();
    if schemas[schema].is_null() {
        return vec![format!("there is no schema `{schema}`")];
    }
    let mut whole = json!({ "$ref": format!("#/components/schemas/{schema}"), "components": { "schemas": schemas } });
    close(&mut whole);
    let validator = jsonschema::draft202012::new(&whole).expect("a schema");
    validator.iter_errors(answer).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Forbids objects what is not described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("properties").is_some_and(Value::is_object) && members.contains_key("required") {
                members.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[track_caller]
fn fits(schema: &str, answer: &Value) {
    assert_eq!(complaints(schema, answer), Vec::<String>::new(), "{schema}: {answer:#}");
}

fn gateway() -> Gateway {
    Gateway::start(
        "upstreams:\n\
         \x20 app: { endpoints: [\"127.0.0.1:1\", { address: \"127.0.0.1:2\", backup: true }] }\n\
         \x20 names: { endpoints: [\"localhost:1\"] }\n\
         routes:\n\
         \x20 - { name: api, match: { host: api.example.com, path: /v1/* }, upstream: app, timeouts: { request: 1m } }\n\
         \x20 - { match: { path: /old }, redirect: { to: \"https://new.example.com{path}\", status: 308 } }\n\
         \x20 - { match: { path: /ping }, respond: { status: 204 } }\n\
         \x20 - { match: { path: /split/* }, split: [{ upstream: app, weight: 95 }, { upstream: names, weight: 5 }] }\n",
    )
}

#[test]
fn the_description_in_the_manual_is_the_one_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/openapi.json");
    let written = serde_json::to_string_pretty(&wharf::admin::openapi()).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == written, "docs/reference/openapi.json is out of date (BLESS=1 writes it anew)");
}

#[test]
fn every_method_of_every_path_is_described_and_none_else() {
    let gateway = gateway();
    let document = gateway.shows("/api/v1/openapi.json");
    assert_eq!(document, wharf::admin::openapi());
    for (path, described) in document["paths"].as_object().unwrap() {
        let target = path.replace("{upstream}", "app").replace("{endpoint}", "127.0.0.1:1");
        let refused = gateway.order("DELETE", &target, "");
        assert_eq!(refused.status, 405, "{path}");
        let allowed = refused.header("allow").unwrap().to_ascii_lowercase();
        let mut allowed: Vec<&str> = allowed.split(',').map(str::trim).filter(|method| *method != "head").collect();
        let mut known: Vec<&str> =
            described.as_object().unwrap().keys().map(String::as_str).filter(|key| *key != "parameters").collect();
        allowed.sort();
        known.sort();
        assert_eq!(known, allowed, "{path}");
    }
}

#[test]
fn answers_are_as_they_are_described() {
    let gateway = gateway();
    let get = |target: &str, schema: &str| fits(schema, &gateway.shows(target));
    let at = "/api/v1/upstreams/app/endpoints/127.0.0.1:1";
    get("/api/v1/status", "Status");
    get("/api/v1/listeners", "Listeners");
    get("/api/v1/certificates", "Certificates");
    get("/api/v1/upstreams", "Upstreams");
    get("/api/v1/upstreams/names", "Upstream");
    get(at, "Endpoints");
    get("/api/v1/routes", "Routes");
    get("/api/v1/config", "Config");
    let said = |method: &str, target: &str, body: &Value, status: u16, schema: &str| {
        let response = gateway.order(method, target, &body.to_string());
        assert_eq!(response.status, status, "{target}: {response:?}");
        fits(schema, &json_of(&response));
    };
    let order = json!({ "state": "drained" });
    fits("Order", &order);
    said("PUT", at, &order, 200, "Endpoints");
    said("PUT", at, &json!({ "state": "gone" }), 400, "Problem");
    said("PUT", "/api/v1/upstreams/ap/endpoints/x", &order, 404, "Problem");

    for question in [
        json!({ "url": "http://api.example.com/v1/x" }),
        json!({ "method": "POST", "url": "/old", "headers": [["X-A", "1"]], "from": "10.0.0.1", "listener": "web" }),
        json!({ "url": "/nowhere", "from": null, "listener": null }),
        json!({ "url": "/split/..;/x" }),
        json!({ "url": "/split/x" }),
    ] {
        fits("Question", &question);
        said("POST", "/api/v1/explain", &question, 200, "Explanation");
    }
    said("POST", "/api/v1/explain", &json!({ "url": "x" }), 400, "Problem");

    said("POST", "/api/v1/reload", &Value::Null, 200, "Reloaded");
    // it has fewer routes, so that it waits for a word
    gateway.rewrite(
        "upstreams: { app: { endpoints: [\"127.0.0.1:1\", \"127.0.0.1:3\"] } }\n\
         routes: [{ match: { path: /a }, upstream: app }]\nshutdown_timeout: 3s\n",
    );
    said("POST", "/api/v1/reload", &Value::Null, 200, "Reloaded");
    gateway
        .rewrite("routes:\n  - { match: { path: /a }, upstream: nowhere }\n  - { match: { path: /a }, respond: {} }\n");
    said("POST", "/api/v1/reload", &Value::Null, 422, "Refused");
    get("/api/v1/status", "Status");
    get("/api/v1/reloads", "Reloads");

    let texts = json!({ "main": "g.yaml", "files": { "g.yaml": "version: 1\nroutes: [{ match: { path: /a }, upstream: b }]\n" } });
    fits("Texts", &texts);
    let checked =
        gateway.api("POST", "/api/v1/check", "X-Wharf: 1\r\nContent-Type: application/json\r\n", &texts.to_string());
    fits("Findings", &json_of(&checked));
    let twice = "version: 1\nlisteners: { web: { address: \":80\" } }\nupstreams: { spare: { endpoints: [a:1] } }\n\
                 routes:\n  - { match: { path: /a }, respond: {} }\n  - { match: { path: /a }, respond: {} }\n";
    fits("Findings", &json_of(&gateway.order("POST", "/api/v1/check", twice)));
}
