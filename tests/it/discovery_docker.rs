//! Upstreams whose endpoints are containers: against an engine that follows a script. `docker_engine.rs` has a real one.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::harness::*;

const FOUND: &str = "upstreams: { app: { discover: { docker: app } } }\n\
                     routes: [{ name: all, match: { path: /* }, upstream: app }]\n";

fn gateway(engine: &ScriptedEngine) -> Gateway {
    Gateway::start(&format!("{}{FOUND}", engine.section()))
}

/// How the endpoints of `app` are found: the state.
fn state(gateway: &Gateway) -> String {
    let app = gateway.shows("/api/v1/upstreams/app");
    app["discovery"]["state"].as_str().unwrap_or_default().to_owned()
}

/// Names and states of the endpoints of `app`.
fn endpoints(gateway: &Gateway) -> Vec<String> {
    let app = gateway.shows("/api/v1/upstreams/app");
    let word = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let all = app["endpoints"].as_array().cloned().unwrap_or_default();
    all.iter().map(|e| format!("{} {}", word(e, "name"), word(e, "state"))).collect()
}

#[track_caller]
fn expect(gateway: &Gateway, wanted: &[&str]) {
    let mut seen = Vec::new();
    let start = std::time::Instant::now();
    while start.elapsed() < PATIENCE {
        seen = endpoints(gateway);
        if seen == wanted {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{seen:?} is not {wanted:?}\n{}", gateway.stderr());
}

#[track_caller]
fn expect_state(gateway: &Gateway, wanted: &str) {
    eventually(PATIENCE, || (state(gateway) == wanted).then_some(()));
}

#[test]
fn the_containers_of_a_service_are_there_from_the_first_request_on() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![container("a", a.address()), container("b", b.address())]);
    let gateway = gateway(&engine);
    let mut said: Vec<String> = (0..2).map(|_| gateway.get("/").text()).collect();
    said.sort();
    assert_eq!(said, ["a", "b"]);
    assert_eq!(gateway.metric("discovery_endpoints{upstream=\"app\"}"), 2.0);
    assert_eq!(gateway.metric("discovery_up{source=\"docker\"}"), 1.0);
    let explained = gateway.wharf(&["explain", "--config", "gateway.yaml", "http://h/"]);
    assert!(explained.out.contains("found at run time, docker: app"), "{}", explained.out);
}

#[test]
fn a_container_that_starts_gets_requests_and_one_that_dies_gets_none() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    let gateway = gateway(&engine);
    engine.expect_listener();
    engine.set(vec![container("a", a.address()), container("b", b.address())]);
    engine.tell("start", "b", "");
    expect(&gateway, &["a up", "b up"]);
    engine.set(vec![container("b", b.address())]);
    engine.tell("die", "a", "");
    expect(&gateway, &["b up"]);
    // its series went with it
    let text = gateway.admin("/metrics").text();
    assert!(!text.contains(&a.address().to_string()), "{text}");
    assert_eq!(gateway.get("/").text(), "b");
}

#[test]
fn a_container_that_is_told_to_stop_finishes_what_it_has_and_gets_nothing_new() {
    let gate = Gate::shut();
    let (a, b) = (Origin::held("a", &gate), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    let gateway = gateway(&engine);
    engine.expect_listener();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| gateway.get("/slow").text());
        a.expect_requests(1);
        engine.set(vec![container("a", a.address()), container("b", b.address())]);
        engine.tell("start", "b", "");
        expect(&gateway, &["a up", "b up"]);
        engine.tell("kill", "a", "15");
        expect(&gateway, &["a leaving", "b up"]);
        for _ in 0..10 {
            assert_eq!(gateway.get("/").text(), "b");
        }
        engine.set(vec![container("b", b.address())]);
        engine.tell("die", "a", "");
        expect(&gateway, &["b up"]);
        gate.open();
        assert_eq!(slow.join().unwrap(), "a");
    });
    assert_eq!(a.requests().len(), 1);
}

/// Something that listens at an address of its own, and takes no more connections until it accepts those that wait.
fn full() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind((own_address(), 3000)).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200));
    (listener, std::iter::from_fn(|| connect().ok()).collect())
}

#[test]
fn an_address_that_a_container_left_while_a_connection_was_waited_for_gets_no_request() {
    let ((listener, waiting), b) = (full(), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![container("a", listener.local_addr().unwrap())]);
    let gateway = gateway(&engine);
    engine.expect_listener();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| gateway.get("/").text());
        let in_flight = || gateway.shows("/api/v1/upstreams/app")["endpoints"][0]["in_flight"] == 1;
        eventually(PATIENCE, || in_flight().then_some(()));
        engine.set(vec![container("b", b.address())]);
        engine.tell("start", "b", "");
        engine.tell("die", "a", "");
        expect(&gateway, &["b up"]);
        // what listens there now is somebody else: the kernel goes on to knock, and is let in
        let mut late = (0..).map(|_| listener.accept().unwrap().0).nth(waiting.len()).unwrap();
        assert_eq!(late.read(&mut [0; 1]).unwrap(), 0, "a request came");
        assert_eq!(asked.join().unwrap(), "b");
    });
}

#[test]
fn only_the_signal_that_stops_a_container_makes_it_leave() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    engine.stops_by("SIGQUIT");
    let gateway = gateway(&engine);
    engine.expect_listener();
    engine.tell("kill", "a", "1");
    engine.tell("kill", "a", "3");
    expect(&gateway, &["a leaving"]);
    engine.tell("start", "a", "");
    expect(&gateway, &["a up"]);
    // a signal of another meaning changes nothing: what comes after it is seen, it is not
    engine.tell("kill", "a", "1");
    engine.tell("kill", "a", "10");
    let mut paused = container("a", a.address());
    paused["State"] = "paused".into();
    engine.set(vec![paused]);
    engine.tell("pause", "a", "");
    expect(&gateway, &["a unhealthy"]);
    assert_eq!(gateway.stderr().matches("leaves").count(), 1);
}

#[test]
fn the_engine_s_word_on_health_decides_who_gets_requests() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let status = |name, address, status: &str| {
        let mut container = container(name, address);
        container["Status"] = status.into();
        container
    };
    let fine = status("a", a.address(), "Up 2 seconds (healthy)");
    let engine = ScriptedEngine::start(vec![fine.clone(), status("b", b.address(), "Up 1 second (health: starting)")]);
    let gateway = gateway(&engine);
    expect(&gateway, &["a up", "b unhealthy"]);
    assert!((0..6).all(|_| gateway.get("/").text() == "a"));
    engine.set(vec![fine, status("b", b.address(), "Up 9 seconds (healthy)")]);
    engine.tell("health_status: healthy", "b", "");
    expect(&gateway, &["a up", "b up"]);
}

#[test]
fn the_last_good_containers_are_kept_while_the_engine_fails() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    let gateway = gateway(&engine);
    for answer in
        [(500, "{\"message\":\"out of order\"}"), (200, "<html>"), (200, "{}"), (200, "[{\"Id\":7}]"), (200, "")]
    {
        engine.answers(Some(answer));
        engine.cut();
        expect_state(&gateway, "stale");
        assert_eq!(gateway.get("/").text(), "a");
        gateway.expect_metric("discovery_up{source=\"docker\"}", 0.0);
        engine.answers(None);
        expect_state(&gateway, "ok");
    }
    engine.vanish();
    expect_state(&gateway, "stale");
    assert_eq!(gateway.get("/").text(), "a");
    engine.come_back();
    expect_state(&gateway, "ok");
    engine.say("{\"status\":\"start\"\n");
    gateway.expect_said("nonsense in its events");
    expect_state(&gateway, "ok");
    assert_eq!(endpoints(&gateway), ["a up"]);
}

#[test]
fn what_changed_while_the_events_were_cut_is_found() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    let gateway = gateway(&engine);
    engine.expect_listener();
    engine.set(vec![container("b", b.address())]);
    engine.cut();
    expect(&gateway, &["b up"]);
}

#[test]
fn an_empty_list_counts_only_when_it_is_confirmed() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    let gateway = gateway(&engine);
    engine.expect_listener();
    engine.set(Vec::new());
    engine.cut();
    expect_state(&gateway, "stale");
    assert_eq!(gateway.get("/").text(), "a");
    expect_state(&gateway, "empty");
    eventually(PATIENCE, || (gateway.get("/").status == 503).then_some(()));
    gateway.expect_failure("no_endpoint");
    // and the engine's own word needs no second one
    engine.set(vec![container("a", a.address())]);
    engine.tell("start", "a", "");
    expect(&gateway, &["a up"]);
    engine.set(Vec::new());
    let before = engine.lists();
    engine.tell("die", "a", "");
    expect_state(&gateway, "empty");
    assert!(engine.lists() <= before + 2, "it was not asked again and again");
}

#[test]
fn a_gateway_starts_without_an_engine_and_finds_it_later() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    engine.vanish();
    let gateway = gateway(&engine);
    assert_eq!(state(&gateway), "waiting");
    assert_eq!(gateway.get("/").status, 503);
    let said = gateway.wharf(&["status", "--config", "gateway.yaml"]);
    assert!(said.out.contains("has not answered yet") && said.out.contains("there is no engine at"), "{}", said.out);
    engine.come_back();
    expect(&gateway, &["a up"]);
    assert_eq!(gateway.get("/").text(), "a");
}

#[test]
fn requests_wait_in_the_waiting_room_for_a_container_that_comes() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(Vec::new());
    let waits = "upstreams: { app: { discover: { docker: app }, wait: { size: 10, timeout: 25s } } }\n\
                 routes: [{ name: all, match: { path: /* }, upstream: app }]\n";
    let gateway = Gateway::start(&format!("{}{waits}", engine.section()));
    engine.expect_listener();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| gateway.get("/").text());
        eventually(PATIENCE, || (gateway.shows("/api/v1/upstreams/app")["waiting"] == 1).then_some(()));
        engine.set(vec![container("a", a.address())]);
        engine.tell("start", "a", "");
        assert_eq!(waiting.join().unwrap(), "a");
    });
}

#[test]
fn a_slow_list_keeps_nobody_from_what_events_say() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![container("a", a.address()), container("b", b.address())]);
    let gateway = gateway(&engine);
    engine.expect_listener();
    engine.is_slow(true);
    let before = engine.lists();
    engine.tell("update", "a", "");
    eventually(PATIENCE, || (engine.lists() > before).then_some(()));
    engine.tell("die", "a", "");
    expect(&gateway, &["b up"]);
    // the list was made before the death, which it does not undo
    engine.is_slow(false);
    engine.set(vec![container("b", b.address())]);
    eventually(PATIENCE, || (engine.lists() > before + 1).then_some(()));
    assert_eq!(gateway.stderr().matches("a (").count(), 2, "it came once and went once: {}", gateway.stderr());
}

#[test]
fn a_flood_of_events_is_a_few_changes_and_a_few_lists() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![container("a", a.address()), container("b", b.address())]);
    let gateway = gateway(&engine);
    engine.expect_listener();
    let (lists, cpu) = (engine.lists(), gateway.cpu_time());
    let start = std::time::Instant::now();
    for n in 0..3000 {
        engine.tell(if n % 2 == 0 { "die" } else { "start" }, "a", "");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(gateway.get("/").status, 200);
    expect(&gateway, &["a up", "b up"]);
    let took = start.elapsed().as_secs_f64();
    let changes = gateway.metric("discovery_changes_total{upstream=\"app\"}");
    assert!(changes < took * 60.0, "{changes} changes in {took} s");
    let lists = engine.lists() - lists;
    assert!((lists as f64) < took * 12.0, "{lists} lists in {took} s");
    let cpu = (gateway.cpu_time() - cpu).as_secs_f64();
    assert!(cpu < took * 0.5, "{cpu} s of CPU in {took} s");
}

#[test]
fn what_a_label_gets_wrong_is_said_once_with_container_and_label() {
    let a = Origin::named("a");
    let labelled = |name: &str, label: &str, value: &str| {
        let mut container = container(name, a.address());
        container["Labels"][label] = value.into();
        container
    };
    let engine = ScriptedEngine::start(vec![
        container("a", a.address()),
        labelled("odd", "wharf.port", "http"),
        labelled("lost", "wharf.service", "nobody"),
    ]);
    let gateway = gateway(&engine);
    gateway.expect_said("container odd: label wharf.port: `http` is no port");
    gateway.expect_said("container lost: label wharf.service: no upstream has `discover: { docker: nobody }`");
    let before = engine.lists();
    engine.tell("update", "odd", "");
    eventually(PATIENCE, || (engine.lists() > before).then_some(()));
    engine.set(vec![container("a", a.address()), labelled("odd", "wharf.port", "https")]);
    engine.tell("update", "odd", "");
    gateway.expect_said("`https` is no port");
    assert_eq!(gateway.stderr().matches("`http` is no port").count(), 1);
    let warnings = gateway.shows("/api/v1/status")["discovery"][0]["warnings"].to_string();
    assert!(warnings.contains("https") && !warnings.contains("lost"), "{warnings}");
    assert_eq!(endpoints(&gateway), ["a up"]);
}

#[test]
fn a_reload_keeps_what_was_found_and_one_that_seeks_finds_at_once() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let mut other = container("b", b.address());
    other["Labels"]["wharf.service"] = "cart".into();
    let engine = ScriptedEngine::start(vec![container("a", a.address()), other]);
    let gateway = gateway(&engine);
    assert_eq!(gateway.get("/").text(), "a");
    let lists = engine.lists();
    let both = "upstreams: { app: { discover: { docker: app } }, cart: { discover: { docker: cart } } }\n\
                routes: [{ name: all, match: { path: /* }, upstream: app }, { match: { path: /cart }, upstream: cart }]\n";
    gateway.reload(&format!("{}{both}", engine.section()));
    assert_eq!((gateway.get("/").text(), gateway.get("/cart").text()), ("a".to_owned(), "b".to_owned()));
    assert_eq!(engine.lists(), lists, "the engine was not asked again");
    // what is written takes over, and goes again
    gateway.reload(&pool([b.address()], ""));
    assert_eq!(gateway.get("/").text(), "b");
    gateway.reload(&format!("{}{FOUND}", engine.section()));
    assert_eq!(gateway.get("/").text(), "a");
}

#[test]
fn a_new_process_begins_with_what_the_old_one_knew() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    let mut gateway = Gateway::start_copy(&format!("{}{FOUND}", engine.section()));
    assert_eq!(gateway.get("/").text(), "a");
    engine.vanish();
    expect_state(&gateway, "stale");
    let mut old = gateway.upgrade();
    assert_eq!(gateway.get("/").text(), "a");
    assert_eq!(state(&gateway), "stale");
    let _ = &mut old;
    engine.come_back();
    expect_state(&gateway, "ok");
    assert_eq!(gateway.get("/").text(), "a");
}

#[test]
fn an_engine_that_speaks_nothing_known_is_said() {
    let a = Origin::named("a");
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    engine.speaks("1.23");
    let gateway = gateway(&engine);
    gateway.expect_said("speaks API 1.12 to 1.23, and the gateway 1.24 to 1.");
    engine.speaks("1.24");
    expect(&gateway, &["a up"]);
}

#[test]
fn a_container_can_be_drained_by_its_name() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![container("a", a.address()), container("b", b.address())]);
    let gateway = gateway(&engine);
    gateway.order("PUT", "/api/v1/upstreams/app/endpoints/a", "{\"state\":\"drained\"}");
    expect(&gateway, &["a drained", "b up"]);
    assert!((0..4).all(|_| gateway.get("/").text() == "b"));
}

#[test]
fn two_containers_replaced_one_after_the_other_fail_no_request() {
    let engine = ScriptedEngine::start(Vec::new());
    let mut origins = vec![Origin::named("app"), Origin::named("app")];
    let list = |origins: &[Origin], from: usize| {
        origins.iter().enumerate().map(|(n, o)| container(&format!("c{}", from + n), o.address())).collect::<Vec<_>>()
    };
    engine.set(list(&origins, 0));
    let gateway = gateway(&engine);
    engine.expect_listener();
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let done = Done(&stop);
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    assert_eq!(gateway.get("/").status, 200);
                    served.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        for replaced in 0..10 {
            origins.push(Origin::named("app"));
            engine.set(list(&origins, replaced));
            engine.tell("start", &format!("c{}", replaced + 2), "");
            eventually(PATIENCE, || (endpoints(&gateway).len() == 3).then_some(()));
            engine.tell("kill", &format!("c{replaced}"), "15");
            eventually(PATIENCE, || endpoints(&gateway).iter().any(|e| e.ends_with("leaving")).then_some(()));
            origins.remove(0).crash();
            engine.set(list(&origins, replaced + 1));
            engine.tell("die", &format!("c{replaced}"), "");
            eventually(PATIENCE, || (endpoints(&gateway).len() == 2).then_some(()));
        }
        drop(done);
    });
    assert!(served.load(Ordering::Acquire) > 100);
}

#[test]
fn containers_that_come_and_go_leave_nothing_behind() {
    let engine = ScriptedEngine::start(Vec::new());
    let gateway = gateway(&engine);
    engine.expect_listener();
    let everywhere = Origin::on(std::net::SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, 0)), |mut peer| {
        while peer.request().is_some() && peer.send(ok("app")) {}
    });
    let port = everywhere.address().port();
    let mut number = 0;
    let mut churn = |times: usize| {
        for _ in 0..times {
            let fifty: Vec<_> = (0..50)
                .map(|_| {
                    number += 1;
                    container(&format!("c{number}"), (own_address(), port).into())
                })
                .collect();
            engine.set(fifty);
            engine.tell("start", &format!("c{number}"), "");
            let last = format!("c{number} up");
            eventually(PATIENCE, || endpoints(&gateway).contains(&last).then_some(()));
            for _ in 0..60 {
                assert_eq!(gateway.get("/").text(), "app");
            }
        }
    };
    churn(4);
    let before = gateway.rss_kib();
    churn(30);
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB more after 1500 containers");
    let series = || gateway.metrics().select("wharf_upstream_endpoint_up").len();
    eventually(PATIENCE, || (series() == 50).then_some(()));
    engine.set(Vec::new());
    let ghosts = (number - 49)..=number;
    ghosts.for_each(|n| engine.tell("die", &format!("c{n}"), ""));
    expect_state(&gateway, "empty");
    eventually(PATIENCE, || (series() == 0).then_some(()));
}

#[test]
fn what_an_engine_said_before_it_was_left_alone_counts_for_nothing() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let engine = ScriptedEngine::start(vec![container("a", a.address())]);
    let gateway = gateway(&engine);
    assert_eq!(gateway.get("/").text(), "a");
    gateway.reload(&pool([b.address()], ""));
    engine.set(vec![container("b", b.address())]);
    gateway.reload(&format!("{}{FOUND}", engine.section()));
    assert_eq!(gateway.get("/").text(), "b");
}

#[test]
fn an_agent_hands_over_endpoints_to_a_gateway_that_sees_no_engine() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let mut odd = container("odd", b.address());
    odd["Labels"]["wharf.port"] = "http".into();
    let engine = ScriptedEngine::start(vec![container("a", a.address()), odd.clone()]);
    let gateway =
        Gateway::start(&format!("discovery: {{ docker: {{ endpoint: \"file://FOLDER/endpoints.json\" }} }}\n{FOUND}"));
    assert_eq!(state(&gateway), "waiting");
    let started = || {
        let engine = format!("unix://{}", engine.socket().display());
        Process::of(gateway.start_wharf(&["agent", "docker", "--out", "endpoints.json", "--engine", &engine]))
    };
    let agent = started();
    expect(&gateway, &["a up"]);
    assert_eq!(gateway.get("/").text(), "a");
    gateway.expect_said("container odd: label wharf.port: `http` is no port");
    // all that the engine tells arrives
    engine.set(vec![container("a", a.address()), container("b", b.address())]);
    engine.tell("start", "b", "");
    expect(&gateway, &["a up", "b up"]);
    engine.tell("kill", "a", "15");
    expect(&gateway, &["a leaving", "b up"]);
    engine.set(vec![container("b", b.address())]);
    engine.tell("die", "a", "");
    expect(&gateway, &["b up"]);
    // the engine fails, then the agent too: what was found is kept by whoever comes
    engine.vanish();
    expect_state(&gateway, "stale");
    drop(agent);
    let agent = started();
    assert_eq!(gateway.get("/").text(), "b");
    engine.come_back();
    expect_state(&gateway, "ok");
    drop(agent);
    // a file that nobody writes any more tells nothing of what is true now
    let file = gateway.folder().join("endpoints.json");
    let old = std::time::SystemTime::now() - Duration::from_secs(60);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
    expect_state(&gateway, "stale");
    gateway.expect_said("the agent has not written");
    for nonsense in ["{\"version\":1,\"services\":7}", "{\"version\":2}", "", "[]"] {
        std::fs::write(&file, nonsense).unwrap();
        assert_eq!(gateway.get("/").text(), "b");
    }
    expect_state(&gateway, "stale");
    // the last one goes, which the next look confirms
    engine.set(Vec::new());
    let _agent = started();
    expect_state(&gateway, "empty");
}
