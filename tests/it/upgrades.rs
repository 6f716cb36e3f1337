//! A new binary takes over while clients are served (USR2), or does not, and then nothing happens.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";
const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Replaces the program in the gateway's folder by a script.
fn replace_program(gateway: &Gateway, script: &str) {
    let fresh = gateway.folder().join("wharf.new");
    std::fs::write(&fresh, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(fresh, gateway.folder().join("wharf")).unwrap();
}

/// Waits until the gateway has said something.
#[track_caller]
fn says(gateway: &Gateway, text: &str) {
    eventually(PATIENCE, || gateway.stderr().contains(text).then_some(()));
}

/// The new process of an upgrade that has not come to its end.
#[track_caller]
fn newcomer(gateway: &Gateway) -> i32 {
    eventually(PATIENCE, || {
        let stderr = gateway.stderr();
        let (_, number) = stderr.rsplit_once("runs as process ")?;
        number.split_whitespace().next()?.parse().ok()
    })
}

/// Asks on a kept connection until it is told that this was the last time, which is the next time but for what is under way.
#[track_caller]
fn is_told(client: &mut Client, body: &str) {
    eventually(PATIENCE, || {
        let response = client.get("/");
        assert_eq!(response.text(), body);
        response.says_close().then_some(())
    });
    client.expect_closed(PATIENCE);
}

fn runs(process: i32) -> bool {
    std::path::Path::new(&format!("/proc/{process}")).exists()
}

/// Asks again and again, each time on a new connection or each time on a kept one until it is told to close. How many were served.
fn client(gateway_at: impl Fn(usize) -> std::net::SocketAddr, keeps: bool, done: &AtomicBool) -> usize {
    let mut served = 0;
    while !done.load(Ordering::Acquire) {
        let mut connection = Client::connect(gateway_at(served));
        loop {
            let response = connection.get("/");
            assert_eq!(response.text(), "o");
            served += 1;
            if !keeps || response.says_close() || done.load(Ordering::Acquire) {
                break;
            }
        }
    }
    served
}

#[test]
fn upgrades_under_load_with_40_listeners_refuse_and_reset_nobody() {
    let origin = Origin::named("o");
    let listeners: String = (0..40).map(|n| format!("  l{n}: {{ address: \"HERE:{}\" }}\n", 21100 + n)).collect();
    let mut gateway = Gateway::start(&format!(
        "listeners:\n  web: {{ address: \"HERE:21080\" }}\n{listeners}\
         upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ match: {{ path: /* }}, upstream: app }}]\n",
        origin.address()
    ));
    let addresses: Vec<_> = (0..40).map(|n| gateway.on(21100 + n)).collect();
    let done = AtomicBool::new(false);
    let served: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|n| {
                let (addresses, done) = (&addresses, &done);
                scope.spawn(move || client(|served| addresses[(served + n * 10) % 40], n % 2 == 0, done))
            })
            .collect();
        let end = Done(&done);
        for _ in 0..5 {
            let before = gateway.id();
            let old = gateway.upgrade();
            assert_ne!(gateway.id(), before);
            assert_eq!(old.ended(), Some(0));
            gateway.expect_metric("config_reloads_total", 0.0);
        }
        drop(end);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(served > 100, "{served}");
    for address in addresses {
        assert_eq!(Client::connect(address).get("/").text(), "o");
    }
    says(&gateway, "took over 42 sockets");
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
    assert!(TcpStream::connect(gateway.address()).is_err());
}

#[test]
fn a_kept_connection_is_served_once_more_by_the_old_process_and_told() {
    let origin = Origin::named("o");
    let mut gateway = Gateway::before(&origin, "shutdown_timeout: 60s\n");
    let mut kept: Vec<Client> = (0..10).map(|_| gateway.connect()).collect();
    kept.iter_mut().for_each(|client| assert!(!client.get("/").says_close()));
    let old = gateway.upgrade();
    assert_eq!(gateway.get("/").text(), "o");
    for client in &mut kept {
        assert_eq!(old.try_wait(), None);
        is_told(client, "o");
    }
    assert_eq!(old.ended(), Some(0));
    assert_eq!(gateway.get("/").text(), "o");
}

#[test]
fn a_tunnel_lives_on_in_the_old_process_until_it_ends_or_the_deadline() {
    let origin = Origin::scripted(|peer| {
        while let Some(request) = peer.request() {
            if request.target != "/ws" {
                peer.send(ok("o"));
                continue;
            }
            peer.echo(SWITCH);
            return;
        }
    });
    let tunnel = |gateway: &Gateway| {
        let mut client = gateway.connect();
        client.send(UPGRADE);
        assert!(client.head().starts_with("HTTP/1.1 101 "));
        client
    };
    let mut gateway = Gateway::before(&origin, "shutdown_timeout: 2s\n");
    let mut client = tunnel(&gateway);
    let old = gateway.upgrade();
    for _ in 0..10 {
        client.send("still here");
        assert_eq!(client.bytes(10), b"still here");
        assert_eq!(gateway.get("/").text(), "o");
    }
    assert_eq!(old.try_wait(), None);
    drop(client);
    assert_eq!(old.ended(), Some(0));
    assert!(!gateway.stderr().contains("are cut"), "{}", gateway.stderr());

    let mut client = tunnel(&gateway);
    let old = gateway.upgrade();
    assert!(client.rest(PATIENCE).is_some_and(|rest| rest.is_empty()));
    assert_eq!(old.ended(), Some(0));
    let tunnels: Vec<_> = gateway.log_lines().into_iter().filter(|line| line["path"] == "/ws").collect();
    let ends: Vec<_> = tunnels.iter().map(|line| (&line["status"], &line["reason"])).collect();
    assert_eq!(ends, [(&101.into(), &serde_json::Value::Null), (&101.into(), &"draining".into())]);
    assert_eq!(gateway.get("/").text(), "o");
}

#[test]
fn a_broken_new_binary_leaves_the_old_one_serving() {
    let gateway = Gateway::start_copy(ROUTES);
    let mut kept = gateway.connect();
    kept.get("/");
    for (script, word) in [
        ("echo the new one is broken >&2; exit 7", "exit status: 7"),
        ("exit 0", "exit status: 0"),
        ("kill -9 $$", "signal: 9"),
    ] {
        replace_program(&gateway, script);
        gateway.ask_for_upgrade();
        says(&gateway, word);
        let response = kept.get("/");
        assert!(response.text() == "hi" && !response.says_close(), "{response:?}");
        assert_eq!(gateway.get("/").text(), "hi");
    }
    says(&gateway, "the new one is broken");
    std::fs::remove_file(gateway.folder().join("wharf")).unwrap();
    gateway.ask_for_upgrade();
    says(&gateway, "wharf: No such file");
    says(&gateway, "this process goes on serving");
    assert_eq!(gateway.admin("/readyz").status, 200);
}

#[test]
fn a_broken_configuration_leaves_the_old_one_serving_and_mended_it_is_taken() {
    let mut gateway = Gateway::start_copy(&format!(
        "listeners:\n  web: {{ address: \"HERE:21080\" }}\n  local: {{ address: \"unix:FOLDER/local.sock\" }}\n{ROUTES}"
    ));
    let file = gateway.folder().join("local.sock");
    let mut kept = gateway.connect();
    kept.get("/");
    gateway.rewrite("routes: [{ match: { path: /* }, upstream: nowhere }]\n");
    gateway.ask_for_upgrade();
    says(&gateway, "exit status: 3");
    says(&gateway, "no upstream named `nowhere`");
    assert_eq!(gateway.get("/").text(), "hi");
    assert!(UnixStream::connect(&file).is_ok(), "the file is the old one's still");

    let taken = std::net::TcpListener::bind(gateway.on(21099)).unwrap();
    gateway.rewrite(&format!("listeners: {{ web: {{ address: \"HERE:21099\" }} }}\n{ROUTES}"));
    gateway.ask_for_upgrade();
    says(&gateway, "exit status: 1");
    assert!(!kept.get("/").says_close());
    assert!(UnixStream::connect(&file).is_ok());
    drop(taken);

    gateway.rewrite(ROUTES);
    let old = gateway.upgrade();
    is_told(&mut kept, "hi");
    assert_eq!(old.ended(), Some(0));
    assert!(!file.exists(), "the new configuration does not want it");
}

#[test]
fn the_new_process_serves_the_new_configuration_on_new_addresses_too() {
    let mut gateway = Gateway::start(&format!(
        "listeners:\n  gone: {{ address: \"HERE:21081\" }}\n  web: {{ address: \"HERE:21080\" }}\n{ROUTES}"
    ));
    // the directory is not looked at meanwhile, so that the old process does not reload
    gateway.pause();
    gateway.rewrite(
        "listeners:\n  fresh: { address: \"HERE:21082\" }\n  renamed: { address: \"HERE:21080\" }\n\
         routes: [{ match: { path: /* }, respond: { status: 200, body: new } }]\n",
    );
    gateway.ask_for_upgrade();
    gateway.resume();
    let old = gateway.upgraded();
    assert_eq!(old.ended(), Some(0));
    assert_eq!(gateway.get("/").text(), "new");
    assert_eq!(Client::connect(gateway.on(21082)).get("/").text(), "new");
    assert!(TcpStream::connect(gateway.on(21081)).is_err());
    gateway.expect_metric("listener_connections{listener=\"renamed\"}", 0.0);
}

#[test]
fn a_unix_socket_and_a_unix_admin_address_pass_to_the_new_process_with_their_files() {
    let ask = |file: &std::path::Path, target: &str| {
        let mut stream = UnixStream::connect(file).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let mut gateway = Gateway::start(&format!(
        "listeners:\n  web: {{ address: \"HERE:21080\" }}\n  local: {{ address: \"unix:FOLDER/local.sock\" }}\n{ROUTES}"
    ));
    let file = gateway.folder().join("local.sock");
    for _ in 0..2 {
        let old = gateway.upgrade();
        assert_eq!(old.ended(), Some(0));
        assert!(ask(&file, "/").ends_with("hi"));
        assert_eq!(gateway.admin("/readyz").status, 200);
    }
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
    assert!(!file.exists());
}

#[test]
fn a_second_upgrade_is_refused_while_one_runs_and_a_stop_stops_both() {
    let mut gateway = Gateway::start_copy(ROUTES);
    replace_program(&gateway, "exec sleep 60");
    gateway.ask_for_upgrade();
    let new = newcomer(&gateway);
    gateway.ask_for_upgrade();
    says(&gateway, "upgrade: one is running already");
    assert_eq!(newcomer(&gateway), new);
    let mut client = gateway.connect();
    assert_eq!(client.get("/").text(), "hi");
    assert!(runs(new));
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
    assert!(!runs(new), "the new process runs still");
}

#[test]
fn a_reload_waits_for_the_end_of_an_upgrade() {
    let gateway = Gateway::start_copy(ROUTES);
    replace_program(&gateway, "exec sleep 60");
    gateway.ask_for_upgrade();
    let new = newcomer(&gateway);
    gateway.rewrite(&ROUTES.replace("hi", "reloaded"));
    gateway.hup();
    for _ in 0..20 {
        assert_eq!(gateway.get("/").text(), "hi");
        std::thread::sleep(Duration::from_millis(20));
    }
    rustix::process::kill_process(rustix::process::Pid::from_raw(new).unwrap(), rustix::process::Signal::KILL).unwrap();
    eventually(PATIENCE, || (gateway.get("/").text() == "reloaded").then_some(()));
    says(&gateway, "signal: 9");
}

#[test]
fn a_stop_soon_after_an_upgrade_ends_the_old_process_too() {
    let origin = Origin::stalling();
    let mut gateway = Gateway::before(&origin, "shutdown_timeout: 60s\n");
    let mut kept = gateway.connect();
    kept.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
    gateway.expect_metric("http_requests_in_flight", 1.0);
    let old = gateway.upgrade();
    assert_eq!(old.try_wait(), None);
    old.signal(rustix::process::Signal::TERM);
    says(&gateway, "told to stop");
    assert_eq!(old.try_wait(), None);
    old.signal(rustix::process::Signal::INT);
    assert_eq!(old.ended(), Some(0));
    assert_eq!(gateway.logged("/first")["reason"], "draining");
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
}

#[test]
fn the_service_manager_hears_who_serves() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("notify-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("notify.sock");
    std::fs::remove_file(&path).ok();
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let hears = || {
        let mut message = [0; 512];
        let n = manager.recv(&mut message).expect("a message");
        let text = String::from_utf8_lossy(&message[..n]).into_owned();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let shell = format!("export NOTIFY_SOCKET='{}'; exec", path.display());
    let mut gateway = Gateway::start_under(&shell, ROUTES);
    assert_eq!(hears(), [format!("MAINPID={}", gateway.id()), "READY=1".into()]);
    let old = gateway.upgrade();
    assert_eq!(hears(), [format!("MAINPID={}", gateway.id()), "READY=1".into()]);
    assert_eq!(old.ended(), Some(0));
    gateway.terminate();
    assert_eq!(hears(), ["STOPPING=1", "EXTEND_TIMEOUT_USEC=11000000"]);
    assert_eq!(gateway.ended(), Some(0));
    std::fs::remove_dir_all(folder).ok();
}

#[test]
fn a_request_in_flight_finishes_in_the_old_process() {
    let gate = Gate::shut();
    let origin = Origin::held("slowly", &gate);
    let mut gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    client.send(GET);
    gateway.expect_metric("http_requests_in_flight", 1.0);
    let old = gateway.upgrade();
    gate.open();
    let response = client.response();
    assert!(response.text() == "slowly" && response.says_close(), "{response:?}");
    assert_eq!(old.ended(), Some(0));
}
