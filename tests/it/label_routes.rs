//! Routes that containers ask for in their labels.

use serde_json::Value;

use crate::docker::{Engine, SHELL_IMAGE};
use crate::harness::*;

const ROUTES: &str = "discovery: { docker: { endpoint: \"ENGINE\", routes: {} } }\n";

/// A gateway whose file says this beside where the engine is; containers may ask for routes.
pub fn gateway(engine: &ScriptedEngine, file: &str) -> Gateway {
    Gateway::start(&written(engine, file))
}

pub fn written(engine: &ScriptedEngine, file: &str) -> String {
    let section = if file.contains("discovery:") { String::new() } else { ROUTES.to_owned() };
    format!("{section}{file}").replace("ENGINE", &format!("unix://{}", engine.socket().display()))
}

/// A container of a service that asks for the host, or the path.
pub fn asking(name: &str, service: &str, origin: &Origin, place: &str) -> Value {
    let mut container = container(name, origin.address());
    container["Labels"]["wharf.service"] = service.into();
    container["Labels"]["wharf.enable"] = "true".into();
    let label = if place.starts_with('/') { "wharf.path" } else { "wharf.host" };
    container["Labels"][label] = place.into();
    container
}

/// What is answered for this host.
pub fn answer(gateway: &Gateway, host: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let response = gateway.ask(request);
    if response.status == 200 { response.text() } else { response.status.to_string() }
}

#[track_caller]
pub fn expect(gateway: &Gateway, host: &str, path: &str, wanted: &str) {
    eventually(PATIENCE, || (answer(gateway, host, path) == wanted).then_some(()));
}

#[test]
fn a_container_that_asks_for_a_route_has_it_from_the_first_request_on() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![
        asking("a", "shop", &a, "shop.test, www.shop.test"),
        asking("b", "api", &b, "/api/*"),
    ]);
    let gateway = gateway(&engine, "");
    assert_eq!(answer(&gateway, "shop.test", "/x"), "a");
    assert_eq!(answer(&gateway, "WWW.shop.test", "/"), "a");
    assert_eq!(answer(&gateway, "other.test", "/api/1"), "b");
    assert_eq!(answer(&gateway, "other.test", "/"), "404");
    // and is seen as any other
    let status = gateway.wharf(&["status", "--config", "gateway.yaml"]);
    assert!(status.out.contains("docker:shop"), "{}", status.out);
    gateway.expect_metric("http_requests_total{route=\"docker:/api/*\"}", 1.0);
    let admin = format!("http://{}", gateway.on(21900));
    let explained = gateway.wharf(&["explain", "--admin", &admin, "http://shop.test/x"]);
    assert!(
        explained.out.contains("docker:shop.test/*") && explained.out.contains("labels of containers"),
        "{}{}",
        explained.out,
        explained.err
    );
    // who looks at the file alone cannot know them, and says so
    let explained = gateway.wharf(&["explain", "--config", "gateway.yaml", "http://shop.test/x"]);
    assert!(explained.out.contains("containers may ask for a route"), "{}{}", explained.out, explained.err);
}

#[test]
fn routes_come_and_change_while_the_gateway_runs_and_the_file_is_not_read_for_it() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(Vec::new());
    let gateway = gateway(&engine, "routes: [{ name: all, match: { path: /file }, respond: { body: file } }]\n");
    engine.expect_listener();
    assert_eq!(answer(&gateway, "shop.test", "/"), "404");
    // a file that is wrong now is in nobody's way
    gateway.rewrite("routes: wrong\n");
    gateway.expect_metric("config_last_reload_successful", 0.0);
    engine.set(vec![asking("a", "shop", &a, "shop.test")]);
    engine.tell("start", "a", "");
    expect(&gateway, "shop.test", "/", "a");
    assert_eq!(answer(&gateway, "shop.test", "/file"), "a", "a route for the host comes before one for all");
    assert_eq!(answer(&gateway, "other.test", "/file"), "file");
    gateway.expect_said("routes by labels (generation 2): routes +1 (added: docker:shop.test/*)");
    assert_eq!(gateway.metric("config_last_reload_successful"), 0.0);
    // another service for another host
    engine.set(vec![asking("a", "shop", &a, "shop.test"), asking("b", "api", &b, "api.test")]);
    engine.tell("start", "b", "");
    expect(&gateway, "api.test", "/", "b");
    assert_eq!(gateway.metric("config_reloads_total{result=\"success\"}"), 0.0);
    // a reload keeps them
    gateway.reload(&written(&engine, "routes: [{ name: all, match: { path: /file }, respond: { body: anew } }]\n"));
    assert_eq!(
        (answer(&gateway, "api.test", "/"), answer(&gateway, "other.test", "/file")),
        ("b".into(), "anew".into())
    );
    // until they are not allowed any more
    gateway.reload("routes: [{ name: all, match: { path: /file }, respond: { body: alone } }]\n");
    assert_eq!(
        (answer(&gateway, "api.test", "/"), answer(&gateway, "api.test", "/file")),
        ("404".into(), "alone".into())
    );
}

#[test]
fn a_route_outlives_its_last_container_so_that_clients_are_not_told_there_is_nothing() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![asking("a", "shop", &a, "shop.test")]);
    let gateway = gateway(&engine, "");
    engine.expect_listener();
    engine.set(Vec::new());
    engine.tell("die", "a", "");
    expect(&gateway, "shop.test", "/", "503");
    gateway.expect_failure("no_endpoint");
    engine.set(vec![asking("b", "shop", &b, "shop.test")]);
    engine.tell("start", "b", "");
    expect(&gateway, "shop.test", "/", "b");
    assert!(!gateway.stderr().contains("routes by labels"), "{}", gateway.stderr());
}

#[test]
fn a_service_of_the_file_is_answered_as_the_file_says() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(vec![asking("a", "shop", &a, "shop.test")]);
    let file = "upstreams: { mine: { discover: { docker: shop }, active: { path: /healthz } } }\n";
    let gateway = gateway(&engine, file);
    assert_eq!(answer(&gateway, "shop.test", "/"), "a");
    a.expect_requests(2);
    let upstreams = gateway.shows("/api/v1/upstreams");
    assert_eq!(upstreams.as_object().unwrap().keys().collect::<Vec<_>>(), ["mine"]);
    assert!(a.requests().iter().any(|request| request.target == "/healthz"));
}

#[test]
fn what_cannot_be_had_is_a_warning_and_changes_nothing_else() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let mut no_place = container("none", b.address());
    no_place["Labels"]["wharf.enable"] = "true".into();
    let mut late = asking("b", "bad", &b, "shop.test");
    late["Created"] = 7.into();
    let engine = ScriptedEngine::start(vec![
        asking("a", "shop", &a, "shop.test"),
        late,
        asking("file", "bad", &b, "/file"),
        asking("evil", "bad", &b, "evil.example"),
        asking("odd", "bad", &b, "shop.test:80"),
        no_place,
    ]);
    let file = "discovery: { docker: { endpoint: \"ENGINE\", routes: { hosts: [shop.test, \"*.shop.test\"] } } }\n\
                routes: [{ name: mine, match: { host: x.shop.test }, respond: { body: file } }]\n";
    let gateway = gateway(&engine, file);
    for said in [
        "container b: label wharf.host: `shop.test/*` is taken already, by the upstream `docker:shop`",
        "container file: label wharf.host: is missing, and `discovery.docker.routes.hosts` of the gateway's file wants one",
        "container evil: label wharf.host: `evil.example` is not among",
        "container odd: label wharf.host: a host is matched without its port; write `shop.test`",
        "container none: label wharf.enable: a route needs `wharf.host`, `wharf.path` or both",
    ] {
        gateway.expect_said(said);
        let warnings = gateway.shows("/api/v1/status")["discovery"][0]["warnings"].to_string();
        assert!(warnings.contains(said), "{warnings}");
    }
    assert_eq!(answer(&gateway, "shop.test", "/"), "a");
    assert_eq!(answer(&gateway, "evil.example", "/"), "404");
    assert_eq!(answer(&gateway, "x.shop.test", "/"), "file");
    // once they are mended nothing is said of them
    engine.set(vec![asking("a", "shop", &a, "shop.test")]);
    engine.tell("update", "a", "");
    let warnings = || gateway.shows("/api/v1/status")["discovery"][0]["warnings"].as_array().unwrap().len();
    eventually(PATIENCE, || (warnings() == 0).then_some(()));
}

#[test]
fn a_gateway_that_takes_over_has_the_routes_although_the_engine_is_gone() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(vec![asking("a", "shop", &a, "shop.test")]);
    let mut gateway = gateway(&engine, "");
    assert_eq!(answer(&gateway, "shop.test", "/"), "a");
    engine.vanish();
    gateway.upgrade();
    assert_eq!(answer(&gateway, "shop.test", "/"), "a");
}

#[test]
fn an_agent_hands_over_what_is_asked_for() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(vec![asking("a", "shop", &a, "shop.test")]);
    let host = Gateway::start("routes: [{ match: { path: /* }, respond: {} }]\n");
    let out = host.folder().join("endpoints.json");
    let socket = format!("unix://{}", engine.socket().display());
    let _agent = Process::of(host.start_wharf(&["agent", "docker", "--out", "endpoints.json", "--engine", &socket]));
    let file = format!("discovery: {{ docker: {{ endpoint: \"file://{}\", routes: {{}} }} }}\n", out.display());
    let gateway = Gateway::start(&file);
    expect(&gateway, "shop.test", "/", "a");
}

/// A container with these labels and flags that answers every request with its name.
fn brings(engine: &Engine, name: &str, flags: &[&str]) {
    let serve = "mkdir /www; hostname >/www/index.html; trap 'exit 0' TERM; httpd -f -p 3000 -h /www & wait";
    let mut arguments =
        vec!["run", "--detach", "--name", name, "--hostname", name, "--network", "shop", "--expose", "3000"];
    arguments.extend(flags);
    arguments.extend([SHELL_IMAGE, "/bin/sh", "-c", serve]);
    engine.say(&arguments).unwrap();
}

#[test]
fn a_container_of_a_real_engine_brings_its_route_and_keeps_it_while_it_is_started_again() {
    let lacks = Engine::lacks();
    if !skip_unless(lacks.is_none(), &lacks.unwrap_or_default()) {
        return;
    }
    let engine = Engine::start(0, &[]).unwrap();
    engine.say(&["network", "create", "shop"]).unwrap();
    let yaml =
        format!("discovery: {{ docker: {{ endpoint: \"unix://{}\", routes: {{}} }} }}\n", engine.socket().display());
    let gateway = Gateway::start(&yaml);
    assert_eq!(answer(&gateway, "blog.test", "/"), "404");
    brings(&engine, "blog", &["--label", "wharf.enable=true", "--label", "wharf.host=blog.test"]);
    expect(&gateway, "blog.test", "/", "blog\n");
    // as Compose labels what it makes: two containers of one service
    let of_shop =
        ["com.docker.compose.project=site", "com.docker.compose.service=shop", "wharf.enable=true", "wharf.path=/*"];
    let flags: Vec<&str> = of_shop.iter().flat_map(|label| ["--label", label]).collect();
    brings(&engine, "site-shop-1", &flags);
    brings(&engine, "site-shop-2", &flags);
    expect(&gateway, "any.test", "/", "site-shop-1\n");
    expect(&gateway, "any.test", "/", "site-shop-2\n");
    let upstreams = gateway.shows("/api/v1/upstreams");
    let names: Vec<&str> = upstreams.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["docker:blog", "docker:site-shop"]);
    // stopped, it is not there for now; started again, it is
    engine.say(&["stop", "blog"]).unwrap();
    expect(&gateway, "blog.test", "/", "503");
    engine.say(&["start", "blog"]).unwrap();
    expect(&gateway, "blog.test", "/", "blog\n");
}
