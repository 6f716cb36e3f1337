//! What a proxied request allocates, and what a route holds: the gateway runs within this process, where its allocator is watched.
//!
//! The only test of its program, since it counts for the whole process: `cargo test --test alloc -- --nocapture` shows the figures.

mod counting;

use counting::Counting;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use wharf::config::{Bundle, Purpose, load_from};
use wharf::server::{Copies, Hooks, Source, run};
use wharf::table::compile::{Parts, compile};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Ports of the address of this run alone, which no other test listens at.
const GATEWAY: u16 = 18081;
const ORIGIN: u16 = 18082;

/// Allocations for a GET in steady state.
const ALLOCATIONS_MAX: f64 = 3.0;
/// Bytes that a table holds for a route, of which there are many, all alike but for their patterns.
const ROUTE_MAX: f64 = 256.0;
const ROUTES: usize = 10_000;
/// Clients with a request in flight at the same time.
const CLIENTS: usize = 8;
const WARM_UP: usize = 2_000;
const MEASURED: usize = 5_000;
const PATIENCE: Duration = Duration::from_secs(20);

const SMALL: &[u8] = b"GET /v1/user/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
const BROWSER: &[u8] = b"GET /v1/user/1?expand=profile HTTP/1.1\r\nHost: api.example.com\r\nConnection: keep-alive\r\n\
sec-ch-ua: \"Chromium\";v=\"129\", \"Not=A?Brand\";v=\"8\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36\r\n\
Accept: application/json, text/plain, */*\r\nAuthorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl\r\n\
Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: https://api.example.com/app\r\n\
Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\nCookie: session=0123456789abcdef; theme=dark\r\n\r\n";

#[test]
fn a_proxied_get_allocates_next_to_nothing_and_a_route_holds_little() {
    counting::exempt();
    let each = bytes_of_a_route();
    println!("bytes of a route: {each:.0}");
    assert!(each <= ROUTE_MAX, "a route holds {each:.0} bytes, of which {ROUTE_MAX} are allowed");
    let_requests_through();
}

/// What a table holds, for each of its routes.
fn bytes_of_a_route() -> f64 {
    let mut text = String::from(
        "version: 1\nlisteners: { web: { address: \":80\" } }\nupstreams: { app: { endpoints: [a:1] } }\nroutes:\n",
    );
    for i in 0..ROUTES {
        let (host, path) = (i / 10, i % 10);
        text += &format!("  - {{ match: {{ host: h{host}.bench.local, path: /svc{path}/* }}, upstream: app }}\n");
    }
    let loaded = load_from(&Bundle::one("gateway.yaml", &text), Purpose::Check).expect("a good document");
    let parts = Parts {
        workers: 8,
        slots: Arc::default(),
        numbers: Arc::default(),
        challenges: Arc::default(),
        board: Arc::default(),
        start: Instant::now(),
    };
    let before = counting::held();
    let table = compile(&loaded.document, &loaded.material, &parts, None).expect("numbers");
    let held = counting::held() - before;
    assert_eq!(table.routes.len(), ROUTES);
    held as f64 / ROUTES as f64
}

fn at(port: u16) -> SocketAddr {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    SocketAddr::from(([127, 250, high, low], port))
}

fn let_requests_through() {
    let (gateway, origin_at) = (at(GATEWAY), at(ORIGIN));
    let origin = TcpListener::bind(origin_at).expect("the origin's address is free");
    thread::spawn(move || serve(&origin));
    let configuration = format!(
        "version: 1
threads: 1
listeners: {{ web: {{ address: \"{gateway}\", keepalive: {{ requests: 1000000 }} }} }}
upstreams: {{ users: {{ endpoints: [\"{origin_at}\"], keepalive: {{ requests: 1000000 }} }} }}
routes: [{{ match: {{ path: /v1/user/* }}, upstream: users }}]
observability: {{ access_log: {{ output: none }}, log: {{ level: error }} }}
"
    );
    thread::spawn(move || {
        let hooks = Hooks { give_back_memory: || (), started: |_| () };
        if let Err(error) = run(Source::Text(configuration), Copies::None, hooks) {
            eprintln!("{error}");
        }
    });
    for (name, request) in [("small", SMALL), ("browser-like", BROWSER)] {
        let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| connect()).collect();
        let length = answer_length(&mut clients[0], request);
        let mut answer = vec![0; length];
        ask(&mut clients, request, &mut answer, WARM_UP);
        let before = counting::requests();
        ask(&mut clients, request, &mut answer, MEASURED);
        let each = (counting::requests() - before) as f64 / MEASURED as f64;
        println!("allocations for a {name} GET: {each:.2}");
        assert!(
            each <= ALLOCATIONS_MAX,
            "{each:.2} allocations for a {name} GET, of which {ALLOCATIONS_MAX} are allowed"
        );
    }
}

/// A connection to the gateway, which may still be starting.
fn connect() -> TcpStream {
    let end = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(at(GATEWAY)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
                stream.set_nodelay(true).expect("a socket option");
                return stream;
            }
            Err(error) if Instant::now() > end => panic!("the gateway does not answer: {error}"),
            Err(_) => thread::yield_now(),
        }
    }
}

/// Asks once; how long the answer is, head and body.
fn answer_length(client: &mut TcpStream, request: &[u8]) -> usize {
    client.write_all(request).expect("the gateway reads");
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\nok") {
        let mut some = [0; 1024];
        let n = client.read(&mut some).expect("the gateway answers");
        assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&some[..n]);
    }
    assert!(heard.starts_with(b"HTTP/1.1 200 OK\r\n"));
    heard.len()
}

/// Asks `times` times, with a request of each client in flight, and reads every answer into `answer`.
fn ask(clients: &mut [TcpStream], request: &[u8], answer: &mut [u8], times: usize) {
    for _ in 0..times / clients.len() {
        for client in &mut *clients {
            client.write_all(request).expect("the gateway reads");
        }
        for client in &mut *clients {
            client.read_exact(answer).expect("the gateway answers");
            assert!(answer.ends_with(b"\r\n\r\nok"));
        }
    }
}

/// The origin: answers each connection's requests on a thread of its own.
fn serve(listener: &TcpListener) {
    counting::exempt();
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        thread::spawn(move || {
            counting::exempt();
            stream.set_nodelay(true).expect("a socket option");
            let (mut head, mut len) = ([0; 8192], 0);
            loop {
                match stream.read(&mut head[len..]) {
                    Ok(n) if n > 0 => len += n,
                    _ => return,
                }
                if head[..len].ends_with(b"\r\n\r\n") {
                    len = 0;
                    let written = stream.write_all(
                        b"HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok",
                    );
                    if written.is_err() {
                        return;
                    }
                }
            }
        });
    }
}
