//! From the file to listening sockets, and from a changed file to a changed table.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::harness::*;

fn one_route(path: &str, body: &str) -> String {
    format!("routes:\n  - {{ match: {{ path: {path} }}, respond: {{ status: 200, body: {body} }} }}\n")
}

#[test]
fn a_wrong_file_is_refused_with_its_place_and_status_3() {
    for (yaml, place, word) in [
        (
            "version: 1\nlisteners: { web: { address: \"HERE:21080\" } }\nadmin: { address: \"HERE:21900\" }\nobservability: {}\nroutes:\n  - match: { path: /* }\n    upstream: ap\nupstreams: { app: { endpoints: [\"127.0.0.1:1\"] } }\n",
            "gateway.yaml:7:15",
            "ap",
        ),
        (
            "version: 1\nlisteners:\n  web: { adress: \"HERE:21080\" }\nadmin: { address: \"HERE:21900\" }\nobservability: {}\nroutes: []\n",
            "gateway.yaml:3:10",
            "address",
        ),
        (
            "version: 1\nlisteners: { web: { address: \"HERE:21080\" } }\nadmin: { address: \"HERE:21900\" }\nobservability: {}\ndefaults: { timeouts: { read: 5 } }\nroutes: []\n",
            "gateway.yaml:5:31",
            "5s",
        ),
        (
            "version: 1\nlisteners: { web: { address: \"HERE:21080\" } }\nadmin: { address: \"HERE:21900\" }\nobservability: {}\nroutes: []\nroutes: []\n",
            "gateway.yaml:6:1",
            "routes",
        ),
        ("version: 1\nlisteners: [\nadmin:\nobservability:\n", "gateway.yaml:4", ""),
    ] {
        let (status, stderr) = Gateway::failing(yaml);
        assert_eq!(status, 3, "{stderr}");
        assert!(stderr.contains(place) && stderr.contains(word), "wanted {place} and `{word}`:\n{stderr}");
    }
}

#[test]
fn the_errors_of_all_files_are_shown_each_under_its_name() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("included-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("routes.d")).unwrap();
    let main = "version: 1\ninclude: ['routes.d/*.yaml']\nlisteners: { web: { address: ':99999' } }\n";
    std::fs::write(folder.join("gateway.yaml"), main).unwrap();
    std::fs::write(folder.join("routes.d/a.yaml"), "routes: [{ match: { path: /a }, upstream: nobody }]\n").unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_wharf")).arg("check").current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(3));
    assert!(said.contains(" --> gateway.yaml:3:32\n"), "{said}");
    assert!(said.contains("error: no upstream named `nobody`\n --> routes.d/a.yaml:1:43\n"), "{said}");
    std::fs::remove_dir_all(folder).ok();
}

#[test]
fn a_port_in_use_is_said_at_once_and_nothing_is_started() {
    let taken = TcpListener::bind((own_address(), 21080)).unwrap();
    let address = taken.local_addr().unwrap();
    let free = own_address();
    let (status, stderr) = Gateway::failing(&format!(
        "listeners:\n  first: {{ address: \"{free}:21080\" }}\n  second: {{ address: \"{address}\" }}\n{}",
        one_route("/*", "hi")
    ));
    assert_eq!(status, 1, "{stderr}");
    assert!(stderr.contains(&address.to_string()) && stderr.to_lowercase().contains("in use"), "{stderr}");
    assert!(TcpListener::bind((free, 21080)).is_ok());
}

#[test]
fn a_reload_brings_a_new_route_and_drops_no_connection() {
    let gateway = Gateway::start(&one_route("/old", "old"));
    let mut client = gateway.connect();
    assert_eq!((client.get("/old").status, client.get("/new").status), (200, 404));
    let more = one_route("/old", "old") + "  - { match: { path: /new }, respond: { status: 200, body: new } }\n";
    gateway.rewrite(&more);
    gateway.hup();
    eventually(PATIENCE, || (client.get("/new").status == 200).then_some(()));
    assert_eq!(client.get("/old").text(), "old");
    eventually(PATIENCE, || (gateway.reloads("success") >= 1.0).then_some(()));
    gateway.expect_metric("config_last_reload_successful", 1.0);
    assert_eq!(gateway.reloads("failure"), 0.0);
}

#[test]
fn a_wrong_file_leaves_the_old_table_whole() {
    let gateway = Gateway::start(&one_route("/old", "old"));
    gateway.rewrite("routes:\n  - { match: { path: /new }, upstream: nowhere }\n");
    gateway.hup();
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert_eq!((gateway.get("/old").status, gateway.get("/new").status), (200, 404));
    gateway.expect_said("nowhere");
    gateway.rewrite(&one_route("/new", "new"));
    gateway.hup();
    gateway.expect_metric("config_last_reload_successful", 1.0);
    assert_eq!((gateway.get("/old").status, gateway.get("/new").status), (404, 200));
}

#[test]
fn a_request_in_flight_finishes_on_the_table_it_began_with() {
    let gate = Gate::shut();
    let origin = Origin::answering({
        let gate = gate.clone();
        move |request| {
            if request.target == "/held" {
                gate.pass();
            }
            ok("slowly")
        }
    });
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
    gateway.expect_metric("http_requests_in_flight", 1.0);
    gateway.rewrite(&one_route("/*", "new"));
    gateway.hup();
    eventually(PATIENCE, || (gateway.get("/").text() == "new").then_some(()));
    gate.open();
    assert_eq!(client.response().text(), "slowly");
    assert_eq!(client.get("/").text(), "new");
}

#[test]
fn two_listeners_serve_side_by_side() {
    let listeners = "listeners:\n  one: { address: \"HERE:21080\" }\n  two: { address: \"HERE:21081\" }\n";
    let gateway = Gateway::start(&format!("{listeners}{}", one_route("/*", "hi")));
    for port in [21080, 21081] {
        assert_eq!(Client::connect(gateway.on(port)).get("/").text(), "hi");
    }
    gateway.expect_metric("http_requests_total{listener=\"two\"}", 1.0);
}

#[test]
fn an_ipv6_listener_serves_and_tells_the_origin_an_ipv6_address() {
    let Ok(probe) = TcpListener::bind("[::1]:0") else {
        eprintln!("SKIPPED, NOTHING WAS TESTED: no IPv6 loopback");
        return;
    };
    let address = probe.local_addr().unwrap();
    drop(probe);
    let origin = Origin::named("six");
    let gateway = Gateway::before(&origin, &format!("listeners: {{ web: {{ address: \"{address}\" }} }}\n"));
    let response = Client::connect(address).ask("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n");
    assert_eq!(response.text(), "six");
    assert_eq!(origin.request().header("x-forwarded-for"), Some("::1"));
    drop(gateway);
}

#[test]
fn a_unix_socket_listens_and_is_removed_or_replaced() {
    let gateway = Gateway::start(&format!(
        "listeners:\n  web: {{ address: \"HERE:21080\" }}\n  local: {{ address: \"unix:FOLDER/wharf.sock\" }}\n{}",
        one_route("/*", "hi")
    ));
    let mut stream = std::os::unix::net::UnixStream::connect(gateway.folder().join("wharf.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nhi"), "{answer}");
}

#[test]
fn a_unix_socket_endpoint_is_forwarded_to() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("origin-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("o.sock");
    std::fs::remove_file(&path).ok();
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        if stream.read(&mut head).is_ok() {
            stream.write_all(&ok("local")).ok();
        }
    });
    let gateway = Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"unix:{}\"] }} }}\nroutes: [{{ match: {{ path: /* }}, upstream: app }}]\n",
        path.display()
    ));
    assert_eq!(gateway.get("/").text(), "local");
    std::fs::remove_dir_all(folder).ok();
}

#[test]
fn termination_lets_requests_finish_and_takes_no_new_ones() {
    let gate = Gate::shut();
    let origin = Origin::held("finished", &gate);
    let mut gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    gateway.expect_metric("http_requests_in_flight", 1.0);
    gateway.terminate();
    eventually(PATIENCE, || std::net::TcpStream::connect(gateway.address()).is_err().then_some(()));
    gate.open();
    let response = client.response();
    assert_eq!((response.text().as_str(), response.says_close()), ("finished", true));
    assert_eq!(gateway.ended(), Some(0));
}

#[test]
fn an_idle_gateway_stops_at_once() {
    let origin = Origin::named("o");
    let mut gateway = Gateway::before(&origin, "shutdown_timeout: 60s\n");
    let mut kept = gateway.connect();
    kept.get("/");
    let start = std::time::Instant::now();
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn a_request_that_is_cut_at_the_end_of_the_drain_has_its_line_in_the_log() {
    let origin = Origin::stalling();
    let mut gateway = Gateway::before(&origin, "shutdown_timeout: 200ms\n");
    let mut client = gateway.connect();
    client.send("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
    gateway.expect_metric("http_requests_in_flight", 1.0);
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
    let line = gateway.logged("/cut");
    assert_eq!((&line["reason"], &line["status"]), (&"draining".into(), &503.into()), "{line}");
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_named() {
    let nobody = Origin::refusing();
    let gateway = Gateway::before_all(&[nobody], "");
    assert_eq!(gateway.ask("GET /dead HTTP/1.1\r\nHost: h\r\n\r\n").status, 502);
    assert_eq!(gateway.logged("/dead")["endpoint"], nobody.to_string());
    let said = format!("endpoint {nobody} of app cannot be reached: Connection refused");
    eventually(PATIENCE, || gateway.stderr().contains(&said).then_some(()));
}

#[test]
fn a_file_that_is_none_is_refused_and_does_not_stop_later_reloads() {
    let gateway = Gateway::start(&one_route("/old", "old"));
    let file = gateway.folder().join("gateway.yaml");
    let refused = || gateway.reloads("failure");
    for strange in ["mkfifo gateway.yaml", "ln -s /dev/zero gateway.yaml", "mkdir gateway.yaml", "true"] {
        let before = refused();
        std::fs::remove_file(&file).unwrap();
        let made = std::process::Command::new("sh").arg("-c").arg(strange).current_dir(gateway.folder()).status();
        assert!(made.unwrap().success());
        gateway.hup();
        eventually(PATIENCE, || (refused() > before).then_some(()));
        assert_eq!(gateway.get("/old").text(), "old");
        if file.is_dir() {
            std::fs::remove_dir(&file).unwrap();
        }
        let reloaded = gateway.reloads("success");
        gateway.rewrite(&one_route("/old", "old"));
        gateway.hup();
        eventually(PATIENCE, || (gateway.reloads("success") > reloaded).then_some(()));
    }
}
