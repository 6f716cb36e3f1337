//! The admin API: what it shows of a running gateway.

use serde_json::{Value, json};

use crate::harness::json as json_of;
use crate::harness::*;

/// A gateway with a listener, two upstreams and a route for each kind of action.
fn gateway() -> Gateway {
    Gateway::start(
        "upstreams:\n\
         \x20 app: { balance: round_robin, endpoints: [\"127.0.0.1:1\", { address: \"127.0.0.1:2\", weight: 5, backup: true }] }\n\
         \x20 names: { endpoints: [\"localhost:1\", \"nowhere.invalid:80\"] }\n\
         routes:\n\
         \x20 - { name: api, match: { host: api.example.com, path: /v1/* }, upstream: app, timeouts: { read: 2s, request: 1m } }\n\
         \x20 - { match: { path: /old }, redirect: { to: \"https://new.example.com{path}\", status: 308 } }\n\
         \x20 - { match: { path: /ping }, respond: { status: 204 } }\n\
         \x20 - { match: { path: /split/* }, split: [{ upstream: app, weight: 95 }, { upstream: names, weight: 5 }] }\n",
    )
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_status_says_what_holds_since_when_and_how_all_endpoints_are() {
    let gateway = gateway();
    let _kept = gateway.connect().get("/ping");
    let client = gateway.connect();
    let status = eventually(PATIENCE, || {
        Some(gateway.shows("/api/v1/status")).filter(|status| status["listeners"][0]["connections"] == 1)
    });
    assert_eq!(
        keys(&status),
        [
            "config_hash",
            "draining",
            "generation",
            "last_reload",
            "listeners",
            "loaded_at",
            "pid",
            "ready",
            "upstreams",
            "version"
        ]
    );
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&status["generation"], &status["ready"], &status["draining"]),
        (&json!(1), &json!(true), &json!(false))
    );
    assert_eq!(status["config_hash"].as_str().map(str::len), Some(64));
    let at = status["loaded_at"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z'), "{at}");
    assert_eq!((&status["last_reload"]["ok"], &status["last_reload"]["error"]), (&json!(true), &Value::Null));
    let here = gateway.address().to_string();
    assert_eq!(
        status["listeners"],
        json!([{"name": "web", "address": here, "connections": 1, "removed": false, "tls": false}])
    );
    assert_eq!(
        status["upstreams"]["app"],
        json!({"balance": "round_robin", "waiting": 0, "endpoints": [
            {"address": "127.0.0.1:1", "state": "up", "in_flight": 0, "fails": 0, "weight": 1, "backup": false},
            {"address": "127.0.0.1:2", "state": "up", "in_flight": 0, "fails": 0, "weight": 5, "backup": true},
        ]})
    );
    let names = status["upstreams"]["names"]["endpoints"].as_array().unwrap();
    assert_eq!((&names[0]["address"], &names[0]["state"]), (&json!("localhost:1"), &json!("up")));
    assert!(names[0]["at"].as_str().is_some_and(|at| at.starts_with("127.0.0.1:1")), "{}", names[0]);
    let unresolved = names.last().unwrap();
    assert_eq!((&unresolved["address"], &unresolved["state"]), (&json!("nowhere.invalid:80"), &json!("unresolved")));
    assert!(unresolved.get("at").is_none());
    drop(client);
}

#[test]
fn each_part_of_the_status_can_be_asked_for_alone() {
    let gateway = gateway();
    let status = gateway.shows("/api/v1/status");
    assert_eq!(gateway.shows("/api/v1/upstreams"), status["upstreams"]);
    assert_eq!(gateway.shows("/api/v1/upstreams/app"), status["upstreams"]["app"]);
    assert_eq!(gateway.shows("/api/v1/listeners"), status["listeners"]);
    let one = gateway.shows("/api/v1/upstreams/app/endpoints/127.0.0.1%3A2");
    assert_eq!(one, json!({"upstream": "app", "endpoints": [status["upstreams"]["app"]["endpoints"][1]]}));
    let missing = gateway.admin("/api/v1/upstreams/ap");
    assert_eq!(missing.status, 404);
    assert_eq!(json_of(&missing), json!({"error": "there is no upstream `ap`", "hint": "did you mean `app`?"}));
    let missing = gateway.admin("/api/v1/upstreams/app/endpoints/127.0.0.1:3");
    let said = json_of(&missing);
    assert_eq!((missing.status, &said["error"]), (404, &json!("upstream `app` has no endpoint `127.0.0.1:3`")));
    assert!(said["hint"].as_str().unwrap().starts_with("did you mean `127.0.0.1:"), "{said}");
    assert_eq!(gateway.admin("/api/v1/upstreams/%FF").status, 400);
}

#[test]
fn routes_are_listed_with_what_they_match_and_do() {
    let gateway = gateway();
    let routes = gateway.shows("/api/v1/routes");
    let route = |n: usize| routes[n].clone();
    assert_eq!(
        route(0),
        json!({
            "name": "api", "match": {"host": "api.example.com", "path": "/v1/*"}, "action": "upstream", "upstream": "app",
            "timeouts": {"connect": 5.0, "read": 2.0, "write": 60.0, "request": 60.0}, "attempts": 3,
            "max_body": 10 << 20, "websocket": true
        })
    );
    assert_eq!(route(1)["redirect"], json!({"to": "https://new.example.com{path}", "status": 308}));
    assert_eq!(
        (&route(1)["match"], &route(1)["timeouts"]["request"]),
        (&json!({"host": null, "path": "/old"}), &Value::Null)
    );
    assert_eq!((&route(2)["action"], &route(2)["respond"]), (&json!("respond"), &json!({"status": 204})));
    assert_eq!(route(3)["split"], json!([{"upstream": "app", "weight": 95}, {"upstream": "names", "weight": 5}]));
}

#[test]
fn a_long_list_of_routes_comes_in_pieces() {
    let many: String = (0..20_000)
        .map(|n| format!("  - {{ match: {{ host: h{n}.example, path: /a/{n}/* }}, respond: {{ status: 204 }} }}\n"))
        .collect();
    let gateway = Gateway::start(&format!("routes:\n{many}"));
    let response = gateway.admin("/api/v1/routes");
    assert!(response.chunked);
    let routes = json_of(&response);
    let routes = routes.as_array().unwrap();
    assert_eq!(routes.len(), 20_000);
    for (n, route) in routes.iter().enumerate() {
        assert_eq!(route["name"], format!("h{n}.example/a/{n}/*"));
        assert_eq!(route["match"], json!({"host": format!("h{n}.example"), "path": format!("/a/{n}/*")}));
    }
}

#[test]
fn the_texts_in_force_are_shown_as_they_were_written() {
    let answer = |body: &str| format!("routes: [{{ match: {{ path: /* }}, respond: {{ body: {body} }} }}]\n");
    let gateway = Gateway::start_under("export WHARF_SECRET=hidden; exec", &answer("\"${WHARF_SECRET}\""));
    assert_eq!(gateway.get("/").text(), "hidden");
    let shown = gateway.shows("/api/v1/config");
    let file = gateway.folder().join("gateway.yaml").display().to_string();
    assert_eq!(shown["config_hash"], gateway.shows("/api/v1/status")["config_hash"]);
    assert_eq!(shown["texts"]["main"], file);
    let text = shown["texts"]["files"][&file].as_str().unwrap();
    assert_eq!(text, gateway.complete(&answer("\"${WHARF_SECRET}\"")));
    // one that is refused is not in force
    gateway.rewrite("routes: [\n");
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert_eq!(gateway.shows("/api/v1/config"), shown);
    gateway.rewrite(&answer("next"));
    let next = eventually(PATIENCE, || Some(gateway.shows("/api/v1/config")).filter(|next| *next != shown));
    assert!(next["texts"]["files"][&file].as_str().unwrap().contains("body: next"));
    assert_eq!(next["config_hash"], gateway.shows("/api/v1/status")["config_hash"]);
}

#[test]
fn a_reload_is_asked_for_and_answered_with_what_changed() {
    let answer = |path: &str| format!("routes: [{{ match: {{ path: {path} }}, respond: {{ body: x }} }}]\n");
    let gateway = Gateway::start(&answer("/a"));
    gateway.rewrite(&answer("/b"));
    let response = gateway.order("POST", "/api/v1/reload", "");
    assert_eq!(response.status, 200, "{response:?}");
    let done = json_of(&response);
    assert_eq!(keys(&done), ["changes", "config_hash", "details", "generation", "ok"]);
    assert_eq!(gateway.get("/b").status, 200);
    assert_eq!(gateway.shows("/api/v1/status")["config_hash"], done["config_hash"]);
    // the watch may have been quicker
    let tries = gateway.shows("/api/v1/reloads");
    let tries = tries.as_array().unwrap();
    assert!(tries.iter().any(|t| t["why"] == "api" && t["ok"] == true), "{tries:?}");
    assert_eq!(
        (&tries.last().unwrap()["why"], &tries.last().unwrap()["changes"]),
        (&json!("start"), &json!("started"))
    );
    assert!(tries.iter().any(|t| t["changes"] == "routes +1 -1 (added: /b; removed: /a)"), "{tries:?}");
}

#[test]
fn log_status_api_and_diff_say_the_same_of_a_reload() {
    let yaml = |endpoint: &str, timeout: &str| {
        format!(
            "upstreams: {{ app: {{ endpoints: [\"127.0.0.1:9\", \"{endpoint}\"] }} }}\n\
             routes: [{{ match: {{ path: /a }}, upstream: app, timeouts: {{ read: {timeout} }} }}]\n"
        )
    };
    let (old, new) = (yaml("127.0.0.1:10", "60s"), yaml("127.0.0.1:11", "30s"));
    let gateway = Gateway::start(&old);
    let before = gateway.folder().join("before.txt");
    std::fs::write(&before, gateway.complete(&old)).unwrap();
    gateway.rewrite(&new);
    let said =
        "routes ~1 (changed: /a), upstream app: +127.0.0.1:11 -127.0.0.1:10; closes connections kept to 127.0.0.1:10";
    let reload =
        eventually(PATIENCE, || Some(gateway.shows("/api/v1/reloads")[0].clone()).filter(|r| r["changes"] == said));
    gateway.expect_said(&format!("reloaded (generation 2): {said}\n"));
    let status = gateway.shows("/api/v1/status");
    assert_eq!(
        (&status["last_reload"]["changes"], &status["last_reload"]["details"]),
        (&reload["changes"], &reload["details"])
    );
    let diff = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wharf"));
        let output =
            command.arg("diff").args(more).arg(&before).arg(gateway.folder().join("gateway.yaml")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(diff(&["--short"]), format!("{said}\n"));
    let details = reload["details"].as_str().unwrap();
    assert_eq!(diff(&[]), format!("{said}\n\n{details}"));
    assert!(details.contains("  ~ timeouts.read: 1m → 30s\n"), "{details}");
}

#[test]
fn a_refused_reload_is_answered_with_every_mistake_at_its_place() {
    let gateway = Gateway::start("routes: [{ match: { path: /a }, respond: { body: x } }]\n");
    gateway
        .rewrite("routes:\n  - { match: { path: /a }, upstream: nowhere }\n  - { match: { path: /b }, respont: x }\n");
    let response = gateway.order("POST", "/api/v1/reload", "");
    assert_eq!(response.status, 422, "{response:?}");
    let refused = json_of(&response);
    assert_eq!(refused["ok"], false);
    assert!(refused["error"].as_str().unwrap().contains("no upstream named `nowhere`"), "{refused}");
    let errors = refused["errors"].as_array().unwrap();
    assert!(errors.len() >= 2, "{refused}");
    let file = gateway.folder().join("gateway.yaml").display().to_string();
    assert!(errors.iter().all(|e| e["file"] == file.as_str() && e["line"].as_u64() > Some(4)), "{refused}");
    let status = gateway.shows("/api/v1/status");
    assert_eq!(status["last_reload"]["ok"], false);
    assert_eq!(status["last_reload"]["error"], refused["error"]);
    assert_eq!(gateway.get("/a").status, 200);
    // what needs a restart is no mistake of the document
    gateway.rewrite("admin: { address: \"HERE:21901\" }\nroutes: [{ match: { path: /a }, respond: { body: x } }]\n");
    let refused = json_of(&gateway.order("POST", "/api/v1/reload", ""));
    assert_eq!(refused["errors"], json!([]));
    assert!(refused["error"].as_str().unwrap().contains("`admin.address` changed"), "{refused}");
}

#[test]
fn reloads_that_are_asked_for_at_once_are_all_answered() {
    let gateway = Gateway::start("routes: [{ match: { path: /a }, respond: { body: x } }]\n");
    let answers = side_by_side(40, (0..40).collect(), |_| gateway.order("POST", "/api/v1/reload", "").status);
    assert_eq!(answers, [200; 40]);
}

#[test]
fn a_text_is_checked_without_being_taken() {
    let gateway = Gateway::start_under(
        "export WHARF_SECRET=tops3cret; exec",
        "routes: [{ match: { path: /a }, respond: { body: x } }]\n",
    );
    let check = |text: &str| {
        let response = gateway.order("POST", "/api/v1/check", text);
        assert_eq!(response.status, 200, "{response:?}");
        json_of(&response)
    };
    let head = "version: 1\nlisteners: { web: { address: \":8080\" } }\n";
    let good = check(&format!("{head}routes: [{{ match: {{ path: /b }}, respond: {{ body: x }} }}]\n"));
    assert_eq!(good, json!({"ok": true, "errors": [], "warnings": [], "omitted": 0}));
    let bad = check(&format!(
        "{head}routes: [{{ match: {{ path: /b }}, upstream: ap }}]\nupstreams: {{ app: {{ endpoints: [\"a:1\"] }} }}\n"
    ));
    assert_eq!((&bad["ok"], &bad["errors"][0]["line"]), (&json!(false), &json!(3)));
    assert_eq!(bad["errors"][0]["hint"], "did you mean `app`?");
    let leak = check(&format!("{head}routes: []\nupstreams: {{ app: {{ endpoints: [\"${{WHARF_SECRET}}\"] }} }}\n"));
    assert!(leak["ok"] == false && !leak.to_string().contains("tops3cret"), "{leak}");
    assert_eq!(check("")["ok"], false);
    // a document of several files, as JSON
    let files = json!({"main": "/x/gateway.yaml", "files": {
        "/x/gateway.yaml": format!("{head}include: [routes.d/a.yaml]\n"),
        "/x/routes.d/a.yaml": "routes: [{ match: { path: /b }, upstream: nowhere }]\n",
    }});
    let several =
        gateway.api("POST", "/api/v1/check", "X-Wharf: 1\r\nContent-Type: application/json\r\n", &files.to_string());
    let several = json_of(&several);
    assert_eq!((&several["errors"][0]["line"], &several["ok"]), (&json!(1), &json!(false)));
    assert!(several["errors"][0]["file"].as_str().unwrap().ends_with("a.yaml"), "{several}");
    assert_eq!(gateway.get("/b").status, 404);
}

#[test]
fn without_tls_there_are_no_certificates() {
    assert_eq!(gateway().shows("/api/v1/certificates"), json!([]));
}
