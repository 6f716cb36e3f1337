//! Labels of those who wish ill, engines out of order, and operators out of luck.

use std::process::Command;

use serde_json::{Value, json};

use super::label_routes::{answer, asking, expect, gateway, written};
use crate::harness::*;

fn warnings(gateway: &Gateway) -> Vec<String> {
    let of_source = &gateway.shows("/api/v1/status")["discovery"][0]["warnings"];
    of_source.as_array().unwrap().iter().map(|warning| warning.as_str().unwrap().to_owned()).collect()
}

/// An event of this container, as an engine of these days tells it.
fn event(id: &str, labels: Value) -> String {
    let actor = json!({ "ID": id, "Attributes": labels });
    format!("{}\n", json!({ "Type": "container", "Action": "start", "Actor": actor, "timeNano": 7_000_000_000_u64 }))
}

#[test]
fn a_container_whose_labels_are_longer_than_an_event_may_be_holds_nobody_up() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![asking("a", "shop", &a, "shop.test")]);
    let gateway = gateway(&engine, "");
    engine.expect_listener();
    engine.set(vec![asking("a", "shop", &a, "shop.test"), asking("b", "api", &b, "api.test")]);
    // any container of the host, the gateway's business or not
    engine.say(&event("evil", json!({ "some": "x".repeat(3 << 20) })));
    expect(&gateway, "api.test", "/", "b");
    engine.set(vec![asking("b", "api", &b, "api.test"), asking("c", "late", &a, "late.test")]);
    engine.tell("start", "c", "");
    expect(&gateway, "late.test", "/", "a");
    assert!(!gateway.stderr().contains("cannot say"), "{}", gateway.stderr());
}

#[test]
fn what_breaks_off_the_events_is_not_asked_for_again_and_again() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![asking("a", "shop", &a, "shop.test")]);
    let gateway = gateway(&engine, "");
    engine.expect_listener();
    engine.say(&event("a", json!({ "wharf.enable": "true" })));
    engine.remembers("{\"Type\":7}\n");
    engine.set(vec![asking("a", "shop", &a, "shop.test"), asking("b", "api", &b, "api.test")]);
    engine.cut();
    expect(&gateway, "api.test", "/", "b");
}

#[test]
fn no_label_writes_a_line_of_the_log() {
    let a = Origin::named("a");
    let mut odd: Vec<Value> = ["h\nforged: host", "h\r\nforged: host\u{1b}[2J", "\u{202e}forged"]
        .iter()
        .enumerate()
        .map(|(n, host)| asking(&format!("odd-{n}"), "odd", &a, host))
        .collect();
    odd.push(asking("odd-path", "odd", &a, "/x\nforged: path"));
    odd.push(asking("odd-long", "odd", &a, &"[".repeat(100_000)));
    for (label, text) in [("port", "8\nforged: port"), ("weight", "1\nforged: weight"), ("service", "a\nforged: b")] {
        let mut container = asking(label, "odd", &a, "odd.test");
        container["Labels"][format!("wharf.{label}")] = text.into();
        odd.push(container);
    }
    odd.push(asking("fine", "shop", &a, "shop.test"));
    let engine = ScriptedEngine::start(odd);
    let gateway = gateway(&engine, "");
    expect(&gateway, "shop.test", "/", "a");
    let odd = || (warnings(&gateway).len() >= 8).then_some(());
    eventually(PATIENCE, odd);
    for of in warnings(&gateway) {
        assert!(!of.contains(|c: char| c.is_control() || c == '\u{202e}') && of.len() < 3000, "{of:?}");
    }
    let said = gateway.stderr();
    assert!(said.contains("forged: host") && said.contains("forged: port"), "{said}");
    assert!(!said.lines().any(|line| line.starts_with("forged") || line.len() > 3000), "{said}");
    let status = gateway.wharf(&["status", "--config", "gateway.yaml"]).out;
    assert!(status.contains("odd-0") && !status.lines().any(|line| line.starts_with("forged")), "{status}");
}

#[test]
fn a_thousand_routes_of_one_who_is_gone_are_in_nobody_s_way() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let list = |n: usize, what: &str| (0..16).map(|m| format!("{what}{n}-{m}")).collect::<Vec<_>>().join(",");
    let greedy = |n: usize| {
        let mut container = asking(&format!("greedy-{n}"), "greedy", &b, &list(n, "h"));
        container["Labels"]["wharf.path"] = list(n, "/p").into();
        container
    };
    let many: Vec<Value> = (0..5).map(greedy).collect();
    let engine = ScriptedEngine::start(many.clone());
    let gateway = gateway(&engine, "");
    assert_eq!(answer(&gateway, "h0-0", "/p0-15"), "b");
    engine.expect_listener();
    assert!(
        gateway.stderr().contains("280 more routes are asked for than the 1000 that are held"),
        "{}",
        gateway.stderr()
    );
    assert!(warnings(&gateway).iter().any(|warning| warning.starts_with("280 more")));
    engine.set(vec![asking("a", "shop", &a, "shop.test")]);
    engine.tell("start", "a", "");
    expect(&gateway, "shop.test", "/", "a");
    assert_eq!(warnings(&gateway), [""; 0]);
}

#[test]
fn a_label_takes_no_route_of_the_file_away_whatever_its_rank() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![
        asking("evil-1", "evil", &b, "shop.test"),
        asking("evil-2", "evil", &b, "late.test"),
        asking("good", "good", &a, "good.test"),
    ]);
    let gateway = gateway(
        &engine,
        "routes:\n  - { name: versions, match: { host: shop.test, path: '~ ^/api/v[12]/' }, respond: { body: file } }\n\
         \x20 - { name: late, match: { host: late.test }, priority: -1, respond: { body: late } }\n",
    );
    assert_eq!(answer(&gateway, "shop.test", "/api/v1/x"), "file");
    assert_eq!(answer(&gateway, "shop.test", "/api/v3/x"), "404");
    assert_eq!(answer(&gateway, "late.test", "/"), "late");
    assert_eq!(answer(&gateway, "good.test", "/"), "a");
    gateway.expect_said(
        "container evil-1: label wharf.host: `shop.test/*` would take all requests of the route `versions` of the file",
    );
}

#[test]
fn what_may_be_asked_for_is_what_the_file_says_now_however_often_that_changes() {
    let a = Origin::named("a");
    let engine =
        ScriptedEngine::start(vec![asking("a", "shop", &a, "shop.test"), asking("b", "shop", &a, "other.example")]);
    let own = "upstreams: { mine: { discover: { docker: shop } } }\nroutes: [{ name: file, match: { path: /file }, upstream: mine }]\n";
    let file =
        |routes: &str| written(&engine, &format!("discovery: {{ docker: {{ endpoint: \"ENGINE\"{routes} }} }}\n{own}"));
    let gateway = gateway(&engine, &file(", routes: {}"));
    for _ in 0..3 {
        expect(&gateway, "shop.test", "/", "a");
        expect(&gateway, "other.example", "/", "a");
        gateway.reload(&file(", routes: { hosts: [\"*.test\"] }"));
        expect(&gateway, "other.example", "/", "404");
        assert_eq!(answer(&gateway, "shop.test", "/"), "a");
        let refused = || warnings(&gateway).iter().any(|w| w.contains("`other.example` is not among")).then_some(());
        eventually(PATIENCE, refused);
        // a file that is wrong changes nothing of that
        let refusals = gateway.reloads("failure");
        gateway.rewrite("routes: wrong\n");
        gateway.expect_metric("config_reloads_total{result=\"failure\"}", refusals + 1.0);
        assert!(warnings(&gateway).iter().any(|w| w.contains("`other.example` is not among")));
        gateway.reload(&file(""));
        assert_eq!(answer(&gateway, "shop.test", "/"), "404");
        assert_eq!(answer(&gateway, "shop.test", "/file"), "a");
        gateway.reload(&file(", routes: {}"));
    }
    // the upstream of the file goes, and the service has one of its own
    let without = "routes: [{ match: { path: /file }, respond: { body: file } }]\n";
    gateway.reload(&written(&engine, without));
    expect(&gateway, "shop.test", "/", "a");
    assert_eq!(gateway.shows("/api/v1/upstreams").as_object().unwrap().keys().collect::<Vec<_>>(), ["docker:shop"]);
}

#[test]
fn a_reload_that_is_refused_late_leaves_what_is_known_of_labels() {
    let a = Origin::named("a");
    let bad = || asking("bad", "bad", &a, "/file");
    let engine = ScriptedEngine::start(vec![asking("a", "shop", &a, "shop.test"), bad()]);
    let own = "routes: [{ name: file, match: { path: /file }, respond: { body: file } }]\n";
    let shell = "unset STATE_DIRECTORY XDG_STATE_HOME HOME; exec";
    let gateway = Gateway::start_under(shell, &written(&engine, own));
    assert_eq!(answer(&gateway, "shop.test", "/"), "a");
    let refused = || warnings(&gateway).iter().any(|w| w.contains("taken already, by the route `file`"));
    assert!(refused());
    // what is asked for is prepared before this is found to be wrong
    let terms = "directory: \"https://127.0.0.1:9/dir\"";
    let listeners = "listeners:\n  web: { address: \"HERE:21080\" }\n  \
                     tls: { address: \"HERE:21443\", tls: { certificates: [{ acme: ca, hosts: [shop.test] }] } }\n";
    for labels in ["", "discovery: { docker: {} }\n"] {
        let refusals = gateway.reloads("failure");
        gateway.rewrite(&written(&engine, &format!("{listeners}acme: {{ ca: {{ {terms} }} }}\n{labels}{own}")));
        gateway.expect_metric("config_reloads_total{result=\"failure\"}", refusals + 1.0);
        gateway.expect_said("certificates are ordered only where they can be kept");
        assert!(refused(), "{:?}", warnings(&gateway));
        assert_eq!(answer(&gateway, "shop.test", "/"), "a");
    }
    engine.set(vec![bad(), asking("b", "late", &a, "late.test")]);
    engine.tell("start", "b", "");
    expect(&gateway, "late.test", "/", "a");
    assert!(refused());
}

#[test]
fn of_services_that_came_and_went_no_series_is_left() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(Vec::new());
    let gateway = gateway(&engine, "");
    engine.expect_listener();
    for n in 0..40 {
        let name = format!("s{n}");
        engine.set(vec![asking(&name, &name, &a, "shop.test")]);
        engine.tell("start", &name, "");
        let mine = || {
            gateway
                .shows("/api/v1/upstreams")
                .as_object()
                .unwrap()
                .keys()
                .eq([format!("docker:{name}").as_str()].iter())
        };
        eventually(PATIENCE, || mine().then_some(()));
    }
    assert_eq!(answer(&gateway, "shop.test", "/"), "a");
    let metrics = gateway.admin("/metrics").text();
    assert!(metrics.contains("docker:s39"), "{metrics}");
    assert!(!metrics.contains("docker:s0\"") && !metrics.contains("docker:s38"), "{metrics}");
}

#[test]
fn whatever_comes_at_once_what_is_asked_for_last_holds_and_then_there_is_rest() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(Vec::new());
    let file = |n: usize| {
        written(&engine, &format!("routes: [{{ name: file, match: {{ path: /file }}, respond: {{ body: f{n} }} }}]\n"))
    };
    let gateway = gateway(&engine, &file(0));
    engine.expect_listener();
    for n in 1..=60 {
        let name = format!("c{n}");
        engine.set(vec![asking(&name, "shop", &a, &format!("h{}.test", n % 7)), asking("fix", "fix", &a, "fix.test")]);
        engine.tell("start", &name, "");
        match n % 4 {
            0 => gateway.hup(),
            1 => gateway.rewrite(&file(n)),
            2 => gateway.rewrite("routes: wrong\n"),
            _ => engine.cut(),
        }
    }
    gateway.rewrite(&file(99));
    engine.set(vec![asking("last", "last", &a, "last.test")]);
    expect(&gateway, "last.test", "/", "a");
    expect(&gateway, "last.test", "/file", "a");
    expect(&gateway, "other.test", "/file", "f99");
    // nothing goes on by itself
    let listed = || {
        let lists = engine.lists();
        engine.tell("update", "last", "");
        eventually(PATIENCE, || (engine.lists() > lists + 1).then_some(()));
        gateway.metric("config_generation")
    };
    let before = listed();
    assert_eq!(listed(), before, "{}", gateway.stderr());
}

#[test]
fn a_place_that_cannot_be_a_file_of_an_agent_stops_nothing() {
    let a = Origin::named("a");
    let host = Gateway::start("routes: [{ match: { path: /* }, respond: {} }]\n");
    let out = host.folder().join("endpoints.json");
    let found = json!({
        "version": 1, "claims": [{ "service": "shop", "host": "shop.test", "path": null, "by": "shop\nforged" }],
        "services": { "shop": [
            { "address": a.address().to_string(), "weight": 0, "backup": false, "name": "a", "leaving": false, "healthy": null },
            { "address": "0.0.0.0:0", "weight": 1, "backup": false, "name": "b", "leaving": false, "healthy": null },
        ] },
    });
    std::fs::write(&out, found.to_string()).unwrap();
    let file = format!(
        "discovery: {{ docker: {{ endpoint: \"file://{}\", routes: {{}} }} }}\n\
         routes: [{{ name: file, match: {{ path: /file }}, respond: {{ body: file }} }}]\n",
        out.display()
    );
    let gateway = Gateway::start(&file);
    assert_eq!(answer(&gateway, "shop.test", "/"), "a");
    for strange in ["mkfifo", "ln -s /dev/zero", "mkdir"] {
        let replaced = format!("rm -rf {0}; {strange} {0}", out.display());
        assert!(Command::new("sh").args(["-c", &replaced]).status().unwrap().success());
        gateway.expect_metric("discovery_up{source=\"docker\"}", 0.0);
        assert_eq!(answer(&gateway, "shop.test", "/"), "a");
        std::fs::remove_dir(&out).or_else(|_| std::fs::remove_file(&out)).unwrap();
        std::fs::write(&out, found.to_string()).unwrap();
        gateway.expect_metric("discovery_up{source=\"docker\"}", 1.0);
    }
    gateway.reload(&file.replace("body: file", "body: anew"));
    assert_eq!(answer(&gateway, "other.test", "/file"), "anew");
}
