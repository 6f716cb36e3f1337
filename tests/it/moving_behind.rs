//! Behind nginx and HAProxy, with the configurations of the page about it: who the client is, and what a stop costs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::docs::page::{blocks, root};
use crate::harness::*;
use crate::moving_peers::{Peer, Program};

const PAGE: &str = "docs/how-to/behind-another-proxy.md";

/// The answer to the key of RFC 6455, without which HAProxy lets nobody switch.
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Another proxy, two gateways behind it, and what they forward to.
struct Chain {
    origin: Origin,
    gateways: Vec<Gateway>,
    front: Peer,
}

impl Chain {
    /// As the page has it, but for addresses: what is in front connects from 127.0.0.1.
    fn of(program: Program) -> Chain {
        let text = std::fs::read_to_string(root().join(PAGE)).unwrap();
        let found = blocks(&text);
        let block = |language: &str| &found.iter().find(|block| block.language == language).unwrap().text;
        let origin = Origin::scripted(|peer| {
            while let Some(request) = peer.request() {
                if request.header("upgrade").is_some() {
                    return peer.echo(SWITCH);
                }
                if !peer.send(ok(&request.target)) {
                    return;
                }
            }
        });
        let yaml = block("yaml")
            .replace("\":8080\"", "\"HERE:21080\"")
            .replace("\":9900\"", "\"HERE:21900\"")
            .replace("10.0.0.5/32, 10.0.0.6/32", "127.0.0.1/32")
            .replace("app-1:3000", &origin.address().to_string())
            .replace("{ file: /run/secrets/admin_token }", "{ env: PATH }");
        assert!(yaml.contains("[127.0.0.1/32]"), "{yaml}");
        let log = "observability: { access_log: { format: json, output: FOLDER/access.log } }\n";
        let gateways: Vec<Gateway> = (0..2).map(|_| Gateway::start(&format!("{yaml}{log}"))).collect();
        let text = ["wharf-1:8080", "wharf-2:8080"]
            .iter()
            .zip(&gateways)
            .fold(block(program.name()).replace("port 9900", "port 21900"), |text, (name, gateway)| {
                text.replace(name, &gateway.address().to_string())
            });
        Chain { origin, gateways, front: Peer::start(program, &[text]) }
    }
}

/// Asks from an address of its own, which a client has and a proxy in front of it has not.
fn ask_from(client: Ipv4Addr, to: SocketAddr, path: &str) -> String {
    let said = Command::new("curl")
        .args(["-sS", "--max-time", "30", "--interface", &client.to_string()])
        .args(["-H", "Host: shop.example.com", "-H", "X-Forwarded-For: 203.0.113.9", "-H", "X-Forwarded-Proto: gopher"])
        .arg(format!("http://{to}{path}"))
        .output()
        .unwrap();
    String::from_utf8(said.stdout).unwrap()
}

fn learns_who_the_client_is(program: Program) {
    if !program.is_installed() {
        return;
    }
    let chain = Chain::of(program);
    let client = own_address();
    assert_eq!(ask_from(client, chain.front.on(21080), "/through"), "/through");
    let request = chain.origin.request();
    let one = |name: &str| request.header(name).map(str::to_owned);
    assert_eq!(one("x-real-ip"), Some(client.to_string()));
    assert_eq!(one("x-forwarded-for"), Some(format!("{client}, 127.0.0.1")));
    assert_eq!(one("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(one("host").as_deref(), Some("shop.example.com"));
    let logged =
        || chain.gateways.iter().flat_map(|gateway| gateway.log_lines()).find(|line| line["path"] == "/through");
    assert_eq!(eventually(PATIENCE, logged)["client_ip"], client.to_string());
    if program == Program::Nginx {
        // 32 digits of nginx's, where ours would have another form
        assert_eq!(one("x-request-id").map(|id| id.len()), Some(32));
    }
    // who goes past the proxy is believed nothing
    let stranger = own_address();
    assert_eq!(ask_from(stranger, chain.gateways[0].address(), "/past"), "/past");
    let requests = chain.origin.requests();
    let request = requests.iter().find(|request| request.target == "/past").unwrap();
    assert_eq!(request.header("x-forwarded-for"), Some(&*stranger.to_string()));
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
}

#[test]
fn behind_nginx_endpoints_learn_who_the_client_is() {
    learns_who_the_client_is(Program::Nginx);
}

#[test]
fn behind_haproxy_endpoints_learn_who_the_client_is() {
    learns_who_the_client_is(Program::Haproxy);
}

fn passes_a_tunnel(program: Program) {
    if !program.is_installed() {
        return;
    }
    let chain = Chain::of(program);
    let mut client = Client::connect(chain.front.on(21080));
    client.send(
        "GET /live HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client.send("there and back");
    assert_eq!(client.bytes(14), b"there and back");
}

#[test]
fn behind_nginx_a_websocket_is_a_tunnel() {
    passes_a_tunnel(Program::Nginx);
}

#[test]
fn behind_haproxy_a_websocket_is_a_tunnel() {
    passes_a_tunnel(Program::Haproxy);
}

fn loses_no_request_on_a_stop(program: Program) {
    if !program.is_installed() {
        return;
    }
    let mut chain = Chain::of(program);
    let served =
        |chain: &Chain| -> Vec<usize> { chain.gateways.iter().map(|gateway| gateway.log_lines().len()).collect() };
    let front = chain.front.on(21080);
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let end = Done(&done);
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        let answer = Client::connect(front).try_ask("GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
                        match answer {
                            Ok(response) if response.status == 200 => answered.fetch_add(1, Ordering::AcqRel),
                            other => return Some(format!("{other:?}")),
                        };
                    }
                    None
                })
            })
            .collect();
        eventually(PATIENCE, || served(&chain).iter().all(|lines| *lines > 20).then_some(()));
        chain.gateways[0].terminate();
        assert_eq!(chain.gateways[0].ended(), Some(0));
        let before = answered.load(Ordering::Acquire);
        eventually(PATIENCE, || (answered.load(Ordering::Acquire) > before + 100).then_some(()));
        drop(end);
        for client in clients {
            assert_eq!(client.join().unwrap(), None);
        }
    });
}

#[test]
fn behind_nginx_a_gateway_stops_without_a_failed_request() {
    loses_no_request_on_a_stop(Program::Nginx);
}

#[test]
fn behind_haproxy_a_gateway_stops_without_a_failed_request() {
    loses_no_request_on_a_stop(Program::Haproxy);
}

#[test]
fn the_front_is_another_machine_than_the_client() {
    // what the chain stands on: connections to a loopback address come from 127.0.0.1 unless they are told otherwise
    let listener = std::net::TcpListener::bind((own_address(), 21000)).unwrap();
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
}
