//! How the gateway stops: what can finish does, who waits is served and told, and nothing else takes time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Bytes of a long download.
const DOWNLOAD: usize = 4 * 1024 * 1024;

/// `/wait` is answered once the gate opens, `/download` slowly, `/ws` becomes a tunnel that sends back what it gets.
fn origin(gate: &Arc<AtomicBool>) -> Origin {
    let gate = gate.clone();
    Origin::scripted(move |peer| {
        while let Some(request) = peer.request() {
            match &*request.target {
                "/wait" => {
                    while !gate.load(Ordering::Acquire) {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    peer.send(ok("at last"));
                }
                "/download" => {
                    peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {DOWNLOAD}\r\n\r\n"));
                    for _ in 0..64 {
                        peer.send(vec![b'x'; DOWNLOAD / 64]);
                        std::thread::sleep(Duration::from_millis(15));
                    }
                }
                "/ws" => {
                    peer.echo(SWITCH);
                    return;
                }
                _ => drop(peer.send(ok("o"))),
            }
        }
    })
}

#[track_caller]
fn tunnel(gateway: &Gateway) -> Client {
    let mut client = gateway.connect();
    client.send(UPGRADE);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client
}

/// Waits until every worker drains: the last of them closes the listener.
#[track_caller]
fn drains(gateway: &Gateway) {
    eventually(PATIENCE, || std::net::TcpStream::connect(gateway.address()).is_err().then_some(()));
}

#[test]
fn all_that_can_finish_does_and_what_is_left_is_cut_and_logged() {
    let gate = Arc::new(AtomicBool::new(false));
    let origin = origin(&gate);
    let mut gateway = Gateway::before(&origin, "shutdown_timeout: 20s\n");
    let mut tunnels: Vec<Client> = (0..3).map(|_| tunnel(&gateway)).collect();
    let mut waiting: Vec<Client> = (0..1000).map(|_| gateway.connect()).collect();
    for (group, clients) in waiting.chunks_mut(100).enumerate() {
        clients.iter_mut().for_each(|client| client.send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n"));
        // the origin's own queue is short: beyond it connections are reset
        eventually(PATIENCE, || (origin.connections() >= 3 + 100 * (group + 1)).then_some(()));
    }
    let mut download = gateway.connect();
    download.send("GET /download HTTP/1.1\r\nHost: h\r\n\r\n");
    gateway.expect_metric("http_requests_in_flight", 1004.0);
    gateway.terminate();
    drains(&gateway);
    gate.store(true, Ordering::Release);
    for client in &mut waiting {
        let response = client.response();
        assert!(response.text() == "at last" && response.says_close(), "{response:?}");
    }
    assert_eq!(download.response().body.len(), DOWNLOAD);
    for client in &mut tunnels {
        client.send("still here");
        assert_eq!(client.bytes(10), b"still here");
    }
    assert_eq!(gateway.ended(), Some(0));
    for client in &mut tunnels {
        assert!(client.rest(PATIENCE).is_some_and(|rest| rest.is_empty()));
    }
    let cut: Vec<_> = gateway.log_lines().into_iter().filter(|line| line["path"] == "/ws").collect();
    assert_eq!(cut.len(), 3, "{cut:?}");
    for line in cut {
        assert_eq!((&line["status"], &line["reason"]), (&101.into(), &"draining".into()), "{line}");
        assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&10.into(), &10.into()), "{line}");
    }
    assert_eq!(gateway.log_lines().len(), 1004);
    assert!(gateway.stderr().contains("did not end in time and are cut"), "{}", gateway.stderr());
}

#[test]
fn it_stops_as_soon_as_the_last_request_has_ended() {
    let gate = Arc::new(AtomicBool::new(false));
    let origin = origin(&gate);
    let mut gateway = Gateway::before(&origin, "shutdown_timeout: 60s\n");
    let mut kept: Vec<Client> = (0..50).map(|_| gateway.connect()).collect();
    kept.iter_mut().for_each(|client| assert_eq!(client.get("/").text(), "o"));
    let tunnel = tunnel(&gateway);
    gateway.terminate();
    drains(&gateway);
    drop(tunnel);
    assert_eq!(gateway.ended(), Some(0));
}

#[test]
fn a_request_that_comes_as_the_gateway_stops_is_served_on_whatever_connection() {
    let gate = Arc::new(AtomicBool::new(false));
    let origin = origin(&gate);
    let mut gateway = Gateway::before(&origin, "");
    let kept: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = gateway.connect();
            assert_eq!(client.get("/").text(), "o");
            client
        })
        .collect();
    let fresh: Vec<Client> = (0..20).map(|_| gateway.connect()).collect();
    gateway.expect_metric("listener_connections", 40.0);
    gateway.pause();
    gateway.terminate();
    let queued: Vec<Client> = (0..60).map(|_| gateway.connect()).collect();
    let mut all: Vec<Client> = kept.into_iter().chain(fresh).chain(queued).collect();
    all.iter_mut().for_each(|client| client.send(GET));
    gateway.resume();
    for client in &mut all {
        assert_eq!(client.response().text(), "o");
        client.expect_closed(PATIENCE);
    }
    assert_eq!(gateway.ended(), Some(0));
    assert_eq!(gateway.log_lines().len(), 120);
}

#[test]
fn a_request_between_two_others_is_told_that_its_connection_closes() {
    let origin = Origin::named("o");
    // a machine that is busy may take longer than the grace to get here
    for attempt in 0..20 {
        let gateway = Gateway::before(&origin, "");
        let mut kept = gateway.connect();
        kept.get("/");
        gateway.terminate();
        drains(&gateway);
        if let Ok(response) = kept.try_ask(GET) {
            assert!(response.says_close(), "{response:?}");
            return;
        }
        assert!(attempt < 19, "no request was served in the grace");
    }
}

#[test]
fn a_head_that_comes_slowly_while_the_gateway_stops_has_its_whole_time() {
    let origin = Origin::named("o");
    let mut gateway = Gateway::before(&origin, "");
    let mut begun = gateway.connect();
    begun.send("GET / HTTP/1.1\r\n");
    let mut silent = gateway.connect();
    gateway.expect_metric("listener_connections", 2.0);
    gateway.pause();
    gateway.terminate();
    silent.send("GET / HT");
    gateway.resume();
    drains(&gateway);
    std::thread::sleep(Duration::from_millis(400));
    begun.send("Host: h\r\n\r\n");
    silent.send("TP/1.1\r\nHost: h\r\n\r\n");
    for client in [&mut begun, &mut silent] {
        let response = client.response();
        assert!(response.text() == "o" && response.says_close(), "{response:?}");
    }
    assert_eq!(gateway.ended(), Some(0));
}

#[test]
fn an_interrupt_while_it_stops_ends_it_at_once() {
    let origin = Origin::stalling();
    let mut gateway = Gateway::before(&origin, "shutdown_timeout: 60s\n");
    let mut client = gateway.connect();
    client.send("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
    gateway.expect_metric("http_requests_in_flight", 1.0);
    gateway.interrupt();
    drains(&gateway);
    gateway.interrupt();
    assert_eq!(gateway.ended(), Some(0));
    assert_eq!(gateway.logged("/cut")["reason"], "draining");
}

#[test]
fn a_reload_that_is_under_way_when_the_gateway_stops_opens_nothing() {
    let Some(server) = NameServer::start() else { return };
    server.say_only("silent.test", &Reply::Silence);
    let gate = Gate::shut();
    let origin = Origin::held("o", &gate);
    let mut gateway = server.gateway(&format!("shutdown_timeout: 60s\n{}", pool([origin.address()], "")));
    let mut client = gateway.connect();
    client.send(GET);
    origin.expect_requests(1);
    // it waits for the new name
    gateway.rewrite(&format!(
        "listeners: {{ web: {{ address: \"HERE:21080\" }}, more: {{ address: \"HERE:21081\" }} }}\n{}",
        pool([origin.address().to_string(), "silent.test:1".to_owned()], "")
    ));
    eventually(PATIENCE, || (server.asked("silent.test") > 0).then_some(()));
    gateway.terminate();
    gateway.expect_said("error: the gateway is about to stop");
    drains(&gateway);
    assert!(std::net::TcpStream::connect(gateway.on(21081)).is_err(), "it listens while it stops");
    assert!(!gateway.stderr().contains("reloaded"), "{}", gateway.stderr());
    gate.open();
    assert_eq!(client.response().text(), "o");
    assert_eq!(gateway.ended(), Some(0));
}

#[test]
fn those_who_wait_to_be_accepted_at_a_unix_socket_are_served_too() {
    use std::io::{Read, Write};
    let mut gateway = Gateway::start(
        "listeners:\n  local: { address: \"unix:FOLDER/local.sock\" }\n\
         routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n",
    );
    let file = gateway.folder().join("local.sock");
    gateway.pause();
    gateway.terminate();
    let mut waiting: Vec<_> = (0..30).map(|_| std::os::unix::net::UnixStream::connect(&file).unwrap()).collect();
    waiting.iter_mut().for_each(|stream| stream.write_all(GET.as_bytes()).unwrap());
    gateway.resume();
    for stream in &mut waiting {
        let mut answer = String::new();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nhi"), "{answer}");
    }
    assert_eq!(gateway.ended(), Some(0));
    assert!(!file.exists());
}
