//! Listeners that come and go while the gateway serves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::*;

/// Listeners with these names and ports, and `/*` answered with `hi`.
fn listeners(named: &[(&str, u16)]) -> String {
    let lines: String =
        named.iter().map(|(name, port)| format!("  {name}: {{ address: \"HERE:{port}\" }}\n")).collect();
    format!("listeners:\n{lines}routes:\n  - {{ match: {{ path: /* }}, respond: {{ status: 200, body: hi }} }}\n")
}

/// Routes for tests that are not about them.
const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";

fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Replaces the configuration and waits until that shows.
#[track_caller]
fn reload(gateway: &Gateway, yaml: &str, shows: impl Fn() -> bool) {
    gateway.rewrite(yaml);
    gateway.hup();
    eventually(PATIENCE, || shows().then_some(()));
}

/// Waits until nothing in the metrics is about a listener.
#[track_caller]
fn expect_no_series_of(gateway: &Gateway, name: &str) {
    for series in ["listener_connections", "http_requests_total"] {
        let selector = format!("wharf_{series}{{listener=\"{name}\"}}");
        eventually(PATIENCE, || gateway.metrics().select(&selector).is_empty().then_some(()));
    }
}

/// Replaces the configuration by one that is refused: what is said of it.
#[track_caller]
fn refused(gateway: &Gateway, yaml: &str) -> String {
    let said = gateway.stderr().len();
    gateway.rewrite(yaml);
    gateway.hup();
    gateway.expect_metric("config_last_reload_successful", 0.0);
    eventually(PATIENCE, || gateway.stderr()[said..].contains("reload refused").then_some(()));
    gateway.stderr()[said..].to_owned()
}

#[test]
fn a_listener_comes_and_goes_with_a_reload_and_the_others_never_close() {
    let gateway = Gateway::start(&listeners(&[("web", 21080)]));
    let mut kept = gateway.connect();
    assert_eq!(kept.get("/").text(), "hi");
    let more = gateway.on(21081);
    assert!(!accepts(more));
    for _ in 0..3 {
        reload(&gateway, &listeners(&[("more", 21081), ("web", 21080)]), || accepts(more));
        let answer = Client::connect(more).get("/");
        assert!(answer.text() == "hi" && !answer.says_close(), "{answer:?}");
        gateway.expect_metric("http_requests_total{listener=\"more\"}", 1.0);
        reload(&gateway, &listeners(&[("web", 21080)]), || !accepts(more));
        let answer = kept.get("/");
        assert!(answer.text() == "hi" && !answer.says_close(), "{answer:?}");
        expect_no_series_of(&gateway, "more");
    }
    gateway.expect_metric("http_requests_total{listener=\"web\"}", 4.0);
}

#[test]
fn an_address_that_cannot_be_had_refuses_the_whole_reload() {
    let gateway = Gateway::start(&listeners(&[("web", 21080)]));
    let taken = TcpListener::bind(gateway.on(21082)).unwrap();
    let said = refused(&gateway, &listeners(&[("alpha", 21081), ("beta", 21082), ("other", 21080)]));
    assert!(said.contains("cannot listen on") && said.contains(":21082 (listener `beta`)"), "{said}");
    assert!(said.contains("ss -ltnp"), "{said}");
    assert!(!accepts(gateway.on(21081)), "what was bound meanwhile is closed");
    let answer = gateway.get("/");
    assert!(answer.text() == "hi" && !answer.says_close(), "{answer:?}");
    gateway.expect_metric("http_requests_total{listener=\"web\"}", 1.0);
    drop(taken);
    reload(&gateway, &listeners(&[("alpha", 21081), ("beta", 21082)]), || accepts(gateway.on(21082)));
    gateway.expect_metric("config_last_reload_successful", 1.0);
}

#[test]
fn an_address_that_the_gateway_itself_still_holds_is_explained() {
    let gateway = Gateway::start(&format!("listeners: {{ web: {{ address: \"HERE:21080\" }} }}\n{ROUTES}"));
    let said = refused(&gateway, &format!("listeners: {{ web: {{ address: \"0.0.0.0:21080\" }} }}\n{ROUTES}"));
    assert!(said.contains("the gateway itself listens on") && said.contains("restart the gateway"), "{said}");
}

#[test]
fn a_kept_connection_of_a_removed_listener_is_answered_once_more_and_told() {
    let origin = Origin::named("o");
    let gateway = Gateway::start(&format!(
        "{}  - {{ match: {{ path: /up/* }}, upstream: app }}\nupstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\n",
        listeners(&[("gone", 21081), ("web", 21080)]),
        origin.address()
    ));
    let gone = gateway.on(21081);
    let mut kept: Vec<Client> = (0..4).map(|_| Client::connect(gone)).collect();
    for client in &mut kept {
        assert!(!client.get("/").says_close());
    }
    let after = format!(
        "{}  - {{ match: {{ path: /up/* }}, upstream: app }}\nupstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\n",
        listeners(&[("web", 21080)]),
        origin.address()
    );
    reload(&gateway, &after, || !accepts(gone));
    // and none of those who only tried whether it accepts
    gateway.expect_metric("listener_connections{listener=\"gone\"}", 4.0);
    for (client, request, answer) in [
        (0, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "hi"),
        (1, "GET /up/x HTTP/1.1\r\nHost: h\r\n\r\n", "o"),
        (2, "GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "hi"),
    ] {
        let response = kept[client].ask(request);
        assert!(response.text() == answer && response.says_close(), "{request:?}: {response:?}");
        kept[client].expect_closed(PATIENCE);
    }
    gateway.expect_metric("listener_connections{listener=\"gone\"}", 1.0);
    gateway.expect_metric("http_requests_total{listener=\"gone\"}", 7.0);
    kept.clear();
    expect_no_series_of(&gateway, "gone");
}

#[test]
fn a_kept_connection_of_a_removed_listener_ends_by_its_own_timeout() {
    let keys = "keepalive: { timeout: 300ms }";
    let gateway = Gateway::start(&format!(
        "listeners:\n  gone: {{ address: \"HERE:21081\", {keys} }}\n  web: {{ address: \"HERE:21080\" }}\n{ROUTES}"
    ));
    let mut kept = Client::connect(gateway.on(21081));
    kept.get("/");
    gateway.rewrite(ROUTES);
    gateway.hup();
    kept.expect_closed(PATIENCE);
}

#[test]
fn a_request_in_flight_on_a_removed_listener_finishes() {
    let gate = Gate::shut();
    let origin = Origin::held("slowly", &gate);
    let upstream = format!("upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\n", origin.address());
    let with = |listeners: &str| {
        format!("{upstream}listeners:\n{listeners}routes: [{{ match: {{ path: /* }}, upstream: app }}]\n")
    };
    let gateway = Gateway::start(&with("  gone: { address: \"HERE:21081\" }\n  web: { address: \"HERE:21080\" }\n"));
    let mut client = Client::connect(gateway.on(21081));
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    gateway.expect_metric("http_requests_in_flight", 1.0);
    reload(&gateway, &with("  web: { address: \"HERE:21080\" }\n"), || !accepts(gateway.on(21081)));
    gate.open();
    assert_eq!(client.response().text(), "slowly");
    let next = client.get("/");
    assert!(next.text() == "slowly" && next.says_close(), "{next:?}");
}

#[test]
fn those_who_wait_to_be_accepted_when_a_listener_goes_are_served() {
    let gateway = Gateway::start(&listeners(&[("gone", 21081), ("web", 21080)]));
    gateway.pause();
    let mut waiting: Vec<Client> = (0..50).map(|_| Client::connect(gateway.on(21081))).collect();
    waiting.iter_mut().for_each(|c| c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    gateway.rewrite(&listeners(&[("web", 21080)]));
    gateway.hup();
    gateway.resume();
    waiting.iter_mut().for_each(|client| assert_eq!(client.response().text(), "hi"));
}

#[test]
fn an_address_under_another_name_keeps_its_socket_its_clients_and_their_routes() {
    let named = |name: &str| {
        format!(
            "listeners: {{ {name}: {{ address: \"HERE:21080\" }} }}\n\
             routes: [{{ match: {{ path: /* }}, listeners: [{name}], respond: {{ status: 200, body: {name} }} }}]\n"
        )
    };
    let gateway = Gateway::start(&named("alpha"));
    let mut kept = gateway.connect();
    assert_eq!(kept.get("/").text(), "alpha");
    let done = AtomicBool::new(false);
    let refused = std::thread::scope(|scope| {
        let clients = scope.spawn(|| {
            let mut refused = 0;
            while !done.load(Ordering::Acquire) {
                let answer = TcpStream::connect(gateway.address()).ok().map(|_| gateway.get("/").status);
                refused += usize::from(answer != Some(200));
            }
            refused
        });
        let end = Done(&done);
        for name in ["beta", "gamma", "alpha", "beta"] {
            reload(&gateway, &named(name), || gateway.get("/").text() == name);
        }
        drop(end);
        clients.join().unwrap()
    });
    assert_eq!(refused, 0);
    let last = kept.get("/");
    assert!(last.text() == "beta" && last.says_close(), "{last:?}");
}

#[test]
fn a_removed_listener_keeps_the_routes_of_all_and_loses_its_own() {
    let everywhere = "  - { match: { path: /all }, respond: { status: 200, body: all } }\n";
    let web = "  web: { address: \"HERE:21080\" }\n";
    let gateway = Gateway::start(&format!(
        "listeners:\n  gone: {{ address: \"HERE:21081\" }}\n{web}routes:\n{everywhere}\
         \x20 - {{ match: {{ path: /own }}, listeners: [gone], respond: {{ status: 200, body: own }} }}\n\
         \x20 - {{ match: {{ path: /web }}, listeners: [web], respond: {{ status: 200, body: web }} }}\n"
    ));
    let mut kept: Vec<Client> = (0..3).map(|_| Client::connect(gateway.on(21081))).collect();
    assert_eq!(kept.iter_mut().map(|c| c.get("/own").status).collect::<Vec<_>>(), [200; 3]);
    assert_eq!(kept[0].get("/web").status, 404);
    let after = format!(
        "listeners:\n{web}routes:\n{everywhere}\
         \x20 - {{ match: {{ path: /web }}, listeners: [web], respond: {{ status: 200, body: web }} }}\n"
    );
    reload(&gateway, &after, || !accepts(gateway.on(21081)));
    for (client, (path, status)) in kept.iter_mut().zip([("/all", 200), ("/own", 404), ("/web", 404)]) {
        let response = client.get(path);
        assert!(response.status == status && response.says_close(), "{path}: {response:?}");
    }
}

#[test]
fn a_listener_that_moves_counts_anew_and_shows_the_connections_of_both_addresses() {
    let gateway = Gateway::start(&listeners(&[("web", 21080)]));
    let mut old = gateway.connect();
    (0..3).for_each(|_| assert_eq!(old.get("/").status, 200));
    gateway.expect_metric("http_requests_total{listener=\"web\"}", 3.0);
    reload(&gateway, &listeners(&[("web", 21085)]), || !accepts(gateway.address()));
    let mut new = Client::connect(gateway.on(21085));
    assert_eq!(new.get("/").status, 200);
    gateway.expect_metric("http_requests_total{listener=\"web\"}", 1.0);
    gateway.expect_metric("listener_connections{listener=\"web\"}", 2.0);
    assert!(old.get("/").says_close());
    gateway.expect_metric("listener_connections{listener=\"web\"}", 1.0);
    gateway.expect_metric("http_requests_total{listener=\"web\"}", 1.0);
    reload(&gateway, &listeners(&[("web", 21080)]), || accepts(gateway.address()));
}

#[test]
fn the_file_of_a_unix_socket_comes_and_goes_with_its_listener() {
    let with = "listeners:\n  web: { address: \"HERE:21080\" }\n  local: { address: \"unix:FOLDER/local.sock\" }\n";
    let mut gateway = Gateway::start(ROUTES);
    let file = gateway.folder().join("local.sock");
    let ask = |kept: &mut UnixStream| {
        kept.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let n = kept.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..n]).into_owned()
    };
    for _ in 0..2 {
        reload(&gateway, &format!("{with}{ROUTES}"), || UnixStream::connect(&file).is_ok());
        let mut kept = UnixStream::connect(&file).unwrap();
        assert!(!ask(&mut kept).contains("Connection: close"));
        reload(&gateway, ROUTES, || !file.exists());
        assert!(ask(&mut kept).contains("Connection: close"));
    }
    gateway.reload(&format!("{with}{ROUTES}"));
    assert!(UnixStream::connect(&file).is_ok());
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
    assert!(!file.exists(), "it goes with the gateway too");
}

#[test]
fn a_socket_file_that_another_process_put_there_meanwhile_stays() {
    let gateway = Gateway::start(&format!(
        "listeners:\n  web: {{ address: \"HERE:21080\" }}\n  local: {{ address: \"unix:FOLDER/local.sock\" }}\n{ROUTES}"
    ));
    let file = gateway.folder().join("local.sock");
    std::fs::rename(&file, gateway.folder().join("moved.sock")).unwrap();
    let others = std::os::unix::net::UnixListener::bind(&file).unwrap();
    gateway.rewrite(ROUTES);
    gateway.hup();
    eventually(PATIENCE, || gateway.stderr().contains("reloaded").then_some(()));
    eventually(PATIENCE, || UnixStream::connect(gateway.folder().join("moved.sock")).is_err().then_some(()));
    assert!(UnixStream::connect(&file).is_ok());
    drop(others);
}

#[test]
fn listeners_come_and_go_under_load_and_no_request_fails() {
    let origin = Origin::named("o");
    let yaml = |ports: &[u16]| {
        let lines: String = ports.iter().map(|p| format!("  l{p}: {{ address: \"HERE:{p}\" }}\n")).collect();
        format!(
            "listeners:\n{lines}upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ match: {{ path: /* }}, upstream: app }}]\n",
            origin.address()
        )
    };
    let gateway = Gateway::start(&yaml(&[21080]));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|n| {
                let (gateway, done) = (&gateway, &done);
                scope.spawn(move || {
                    let mut kept = gateway.connect();
                    let mut served = 0;
                    while !done.load(Ordering::Acquire) {
                        let client = if n % 2 == 0 { &mut kept } else { &mut gateway.connect() };
                        assert_eq!(client.get("/").text(), "o");
                        served += 1;
                        if n % 2 == 0 && served % 900 == 0 {
                            kept = gateway.connect();
                        }
                    }
                    served
                })
            })
            .collect();
        let end = Done(&done);
        for round in 0..12u16 {
            let more: Vec<u16> = (0..20).map(|i| 21100 + (round % 3) * 10 + i).chain([21080]).collect();
            // sockets are bound before anything else happens: that all others are gone says that it is done
            reload(&gateway, &yaml(&more), || {
                gateway.metrics().select("wharf_listener_connections").len() == 21 && {
                    let last = format!("wharf_listener_connections{{listener=\"l{}\"}}", more[19]);
                    let first = format!("wharf_listener_connections{{listener=\"l{}\"}}", more[0]);
                    !gateway.metrics().select(&last).is_empty() && !gateway.metrics().select(&first).is_empty()
                }
            });
            assert_eq!(Client::connect(gateway.on(more[0])).get("/").text(), "o");
        }
        drop(end);
        assert!(clients.into_iter().map(|c| c.join().unwrap()).all(|served: usize| served > 0));
    });
    gateway.expect_metric("config_reloads_total{result=\"failure\"}", 0.0);
    // a number that is free is given again, and its counts begin anew; nothing is counted as `_OTHER`
    assert_eq!(gateway.metric("http_requests_total{listener=\"_OTHER\"}"), 0.0);
}

#[test]
fn threads_and_the_admin_address_still_take_a_restart() {
    let gateway = Gateway::start(ROUTES);
    for (line, key) in [("threads: 7\n", "threads"), ("admin: { address: \"HERE:21901\" }\n", "admin.address")] {
        let said = refused(&gateway, &format!("{line}{ROUTES}"));
        assert!(said.contains(&format!("`{key}` changed")), "{said}");
        reload(&gateway, ROUTES, || gateway.metric("config_last_reload_successful") == 1.0);
    }
}
