//! TLS to endpoints: who must prove what, connections that are kept and sessions that are resumed, bodies, tunnels, checks.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

use rustls::ProtocolVersion;

use crate::harness::*;

const NAME: &str = "app.internal";

/// The terms of an upstream whose endpoints prove to be `app.internal` by this authority.
fn terms(authority: &Authority, more: &str) -> String {
    format!("tls: {{ sni: {NAME}, ca: {}, {more} }}", authority.file().display())
}

/// An origin that says `name`, behind TLS.
fn secured(authority: &Authority, name: &'static str) -> (Origin, TlsOrigin) {
    let origin = Origin::named(name);
    let secured = TlsOrigin::before(&origin, &authority.issue(&[NAME]));
    (origin, secured)
}

#[test]
fn requests_go_to_who_proves_the_name_and_connections_and_sessions_are_kept() {
    let authority = Authority::new("Test");
    let (origin, secured) = secured(&authority, "secret");
    let gateway = Gateway::start(&format!("threads: 1\n{}", pool([secured.address()], &terms(&authority, ""))));
    for _ in 0..3 {
        assert_eq!(gateway.get("/").text(), "secret");
    }
    let [greeting] = &secured.greetings()[..] else { panic!("one connection carries them all") };
    assert_eq!(greeting.sni.as_deref(), Some(NAME));
    assert_eq!((greeting.version, greeting.resumed, greeting.proven), (ProtocolVersion::TLSv1_3, false, false));
    assert_eq!(gateway.counted("upstream_connections_reused_total"), 2.0);
    assert!(gateway.counted("upstream_connect_duration_seconds_count") >= 1.0);
    // what the origin is told of the client is what the client spoke
    let request = &origin.requests()[0];
    assert_eq!(request.header("x-forwarded-proto"), Some("http"));
    // several at a time want several connections: none of them makes the whole handshake again
    let mut clients: Vec<Client> = (0..3).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send("GET /busy HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().text(), "secret");
    }
    assert!(secured.greetings()[1..].iter().all(|greeting| greeting.resumed), "{:?}", secured.greetings());
}

#[test]
fn a_new_connection_resumes_the_session_in_both_versions() {
    let authority = Authority::new("Test");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let origin = Origin::answering(|_| with_head("HTTP/1.1 200 OK\r\nConnection: close", "bye"));
        let manner = Manner::speaking(version);
        let secured = TlsOrigin::in_manner(&origin, &authority.issue(&[NAME]), manner);
        let gateway = Gateway::start(&pool([secured.address()], &terms(&authority, "")));
        for _ in 0..3 {
            assert_eq!(gateway.get("/").text(), "bye");
        }
        let greetings = secured.greetings();
        assert_eq!(greetings.iter().map(|g| g.resumed).collect::<Vec<_>>(), [false, true, true], "{greetings:?}");
        assert!(greetings.iter().all(|g| g.version == version.version));
    }
}

#[test]
fn an_endpoint_without_sni_proves_its_address_or_its_name() {
    let authority = Authority::new("Test");
    let origin = Origin::named("by address");
    let here = own_address();
    let leaf = authority.issue(&[&here.to_string()]);
    let by_address = TlsOrigin::in_manner(&origin, &leaf, Manner::at(here));
    let terms = format!("tls: {{ ca: {} }}", authority.file().display());
    let gateway = Gateway::start(&pool([by_address.address()], &terms));
    assert_eq!(gateway.get("/").text(), "by address");
    assert_eq!(by_address.greetings()[0].sni, None);

    let Some(server) = NameServer::start() else { return };
    let origin = Origin::named("by name");
    let by_name = TlsOrigin::before(&origin, &authority.issue(&["app.test"]));
    server.at("app.test", &[by_name.address().ip()], 60);
    let gateway = server.gateway(&pool(["app.test:21443"], &terms));
    assert_eq!(gateway.get("/").text(), "by name");
    assert_eq!(by_name.greetings()[0].sni.as_deref(), Some("app.test"));
}

#[test]
fn a_unix_socket_speaks_tls_too() {
    let authority = Authority::new("Test");
    let (_origin, secured) = secured(&authority, "behind a socket");
    let path = authority.folder().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let behind = secured.address();
    std::thread::spawn(move || {
        let Ok((mut near, _)) = listener.accept() else { return };
        let mut far = TcpStream::connect(behind).unwrap();
        let (mut back, mut down) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut down, &mut back));
        std::io::copy(&mut near, &mut far).ok();
    });
    let endpoint = format!("\"unix:{}\"", path.display());
    let gateway = Gateway::start(&format!("threads: 1\n{}", pool([endpoint], &terms(&authority, ""))));
    for _ in 0..2 {
        assert_eq!(gateway.get("/").text(), "behind a socket");
    }
}

#[test]
fn without_ca_those_are_believed_whom_the_system_believes() {
    let authority = Authority::new("Test");
    let (_origin, secured) = secured(&authority, "known");
    let yaml = pool([secured.address()], &format!("tls: {{ sni: {NAME} }}"));
    let gateway =
        Gateway::start_under(&format!("SSL_CERT_DIR= SSL_CERT_FILE={} exec", authority.file().display()), &yaml);
    assert_eq!(gateway.get("/").text(), "known");
    // and nobody else
    let gateway = Gateway::start(&yaml);
    assert_eq!(gateway.get("/").status, 502);
    gateway.expect_failure("upstream_tls");
}

#[test]
fn the_gateway_proves_who_it_is_where_that_is_asked() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let own = clients.issue(&["gateway"]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let origin = Origin::named("welcome");
        let manner = Manner { version: Some(version), ..Manner::asking(&clients) };
        let secured = TlsOrigin::in_manner(&origin, &servers.issue(&[NAME]), manner);
        let own = format!("cert: {}, key: {}", own.cert.display(), own.key.display());
        let gateway = Gateway::start(&pool([secured.address()], &terms(&servers, &own)));
        assert_eq!(gateway.get("/").text(), "welcome");
        assert!(secured.greetings()[0].proven);
    }
}

#[test]
fn without_verification_anyone_is_believed_and_still_nothing_goes_in_the_clear() {
    let authority = Authority::new("Nobody");
    let origin = Origin::named("anyone");
    for leaf in [authority.issue_expired(&["other.test"]), authority.self_signed(&["x.test"], true)] {
        let secured = TlsOrigin::before(&origin, &leaf);
        let gateway = Gateway::start(&pool([secured.address()], "tls: { verify: false }"));
        assert_eq!(gateway.get("/").text(), "anyone");
        assert_eq!(secured.greetings().len(), 1);
    }
}

#[test]
fn a_reload_keeps_connections_as_long_as_the_terms_are_the_same() {
    let authority = Authority::new("Test");
    let origin = Origin::named("kept");
    let secured = TlsOrigin::before(&origin, &authority.issue(&[NAME, "other.internal"]));
    let of = |terms: &str, more: &str| format!("threads: 1\n{}{more}", pool([secured.address()], terms));
    let same = terms(&authority, "");
    let gateway = Gateway::start(&of(&same, ""));
    assert_eq!(gateway.get("/").text(), "kept");
    gateway.reload(&of(&same, "defaults: { timeouts: { connect: 4s } }\n"));
    assert_eq!(gateway.get("/").text(), "kept");
    assert_eq!(secured.greetings().len(), 1);
    // another name to be proven: no connection that proved the one before is taken, and no session of it
    gateway.reload(&of(&same.replace(NAME, "other.internal"), ""));
    assert_eq!(gateway.get("/").text(), "kept");
    let greetings = secured.greetings();
    assert_eq!((greetings.len(), greetings[1].resumed), (2, false));
    assert_eq!(greetings[1].sni.as_deref(), Some("other.internal"));
    // and back: neither is the first connection
    gateway.reload(&of(&same, ""));
    assert_eq!(gateway.get("/").text(), "kept");
    assert_eq!(secured.greetings().len(), 3);
}

#[test]
fn what_stands_in_the_file_of_ca_counts_as_soon_as_it_changes_for_kept_connections_too() {
    let (first, second) = (Authority::new("First"), Authority::new("Second"));
    let (_origin, secured) = secured(&second, "proven");
    let file = first.folder().join("believed.pem");
    std::fs::write(&file, first.pem()).unwrap();
    let gateway =
        Gateway::start(&pool([secured.address()], &format!("tls: {{ sni: {NAME}, ca: {} }}", file.display())));
    assert_eq!(gateway.get("/").status, 502);
    for (believed, status) in [(&second, 200), (&first, 502), (&second, 200)] {
        std::fs::write(&file, believed.pem()).unwrap();
        eventually(PATIENCE, || (gateway.get("/").status == status).then_some(()));
    }
    // one that is no certificate changes nothing
    std::fs::write(&file, "nonsense").unwrap();
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert_eq!(gateway.get("/").text(), "proven");
}

#[test]
fn a_connection_in_the_clear_is_never_taken_for_one_in_tls_nor_the_other_way_round() {
    let authority = Authority::new("Test");
    let origin = Origin::named("both");
    let manner = Manner { is_lax: true, ..Manner::default() };
    let both = TlsOrigin::in_manner(&origin, &authority.issue(&[NAME]), manner);
    let of = |terms: &str| format!("threads: 1\n{}", pool([both.address()], terms));
    let gateway = Gateway::start(&of(""));
    assert_eq!(gateway.get("/").text(), "both");
    let tls = terms(&authority, "");
    for (connections, greetings, terms) in [(2, 1, &*tls), (3, 1, ""), (4, 2, &*tls)] {
        gateway.reload(&of(terms));
        assert_eq!(gateway.get("/").text(), "both");
        assert_eq!(gateway.get("/").text(), "both");
        assert_eq!((origin.connections(), both.greetings().len()), (connections, greetings));
    }
}

#[test]
fn large_bodies_pass_both_ways_through_a_narrow_door() {
    let authority = Authority::new("Test");
    let body: Vec<u8> = (0..10u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let origin = Origin::answering(|request| ok(&request.body));
    let manner = Manner { is_narrow: true, ..Manner::default() };
    let secured = TlsOrigin::in_manner(&origin, &authority.issue(&[NAME]), manner);
    let yaml = format!(
        "{}defaults: {{ request: {{ max_body: 20MiB }} }}\n",
        pool([secured.address()], &terms(&authority, ""))
    );
    let gateway = Gateway::start(&yaml);
    let mut client = gateway.connect();
    // no POST: that takes no connection that was idle for a second
    let mut request = format!("PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(&body);
    for _ in 0..2 {
        let answer = client.ask(&request);
        assert_eq!(answer.status, 200);
        assert!(answer.body == body, "the body that came back differs");
    }
    assert_eq!(secured.greetings().len(), 1);
}

#[test]
fn a_response_that_ends_with_its_connection_is_whole_only_if_tls_says_so() {
    let authority = Authority::new("Test");
    for cuts in [false, true] {
        let origin = Origin::raw(b"HTTP/1.1 200 OK\r\n\r\nas far as it goes", Then::Fin);
        let manner = Manner { cuts, ..Manner::default() };
        let secured = TlsOrigin::in_manner(&origin, &authority.issue(&[NAME]), manner);
        let gateway = Gateway::start(&pool([secured.address()], &terms(&authority, "")));
        let mut client = gateway.connect();
        client.send("GET /until-close HTTP/1.1\r\nHost: h\r\n\r\n");
        let answer = client.try_response("GET", PATIENCE);
        let line = gateway.logged("/until-close");
        if cuts {
            assert!(answer.is_err(), "{answer:?}");
            assert_eq!(line["reason"], "upstream_reset");
        } else {
            assert_eq!(answer.expect("a whole response").text(), "as far as it goes");
            assert!(line["reason"].is_null(), "{line}");
        }
    }
}

#[test]
fn a_response_of_known_length_is_whole_even_if_tls_is_cut_after_it() {
    let authority = Authority::new("Test");
    let origin = Origin::raw(&ok("whole"), Then::Fin);
    let manner = Manner { cuts: true, ..Manner::default() };
    let secured = TlsOrigin::in_manner(&origin, &authority.issue(&[NAME]), manner);
    let gateway = Gateway::start(&pool([secured.address()], &terms(&authority, "")));
    for _ in 0..3 {
        assert_eq!(gateway.get("/").text(), "whole");
    }
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn a_tunnel_passes_bytes_both_ways_and_each_half_ends_by_itself() {
    let authority = Authority::new("Test");
    // says how much it got once the client has ended its half
    let origin = Origin::scripted(|peer| {
        if peer.request().is_none() {
            return;
        }
        peer.tunnel();
        peer.send(SWITCH);
        let mut count = 0;
        loop {
            match peer.bytes().len() {
                0 => break,
                n => count += n,
            }
        }
        peer.send(format!("got {count}"));
    });
    let secured = TlsOrigin::before(&origin, &authority.issue(&[NAME]));
    let gateway = Gateway::start(&pool([secured.address()], &terms(&authority, "")));
    let mut client = gateway.connect();
    client.send(UPGRADE);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    client.send(vec![7; 300_000]);
    client.half_close();
    assert_eq!(client.bytes(10), b"got 300000");
    client.expect_closed(PATIENCE);
    let line = gateway.logged("/ws");
    assert!(line["reason"].is_null(), "{line}");
}

#[test]
fn a_tunnel_echoes_in_tls() {
    let authority = Authority::new("Test");
    let origin = Origin::scripted(|peer| {
        if peer.request().is_some() {
            peer.echo(SWITCH);
        }
    });
    let manner = Manner { is_narrow: true, ..Manner::default() };
    let secured = TlsOrigin::in_manner(&origin, &authority.issue(&[NAME]), manner);
    let gateway = Gateway::start(&pool([secured.address()], &terms(&authority, "")));
    let mut client = gateway.connect();
    client.send(UPGRADE);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    for message in [&b"one"[..], &[1; 100_000], b"three"] {
        client.send(message);
        assert_eq!(client.bytes(message.len()), message);
    }
}

#[test]
fn checks_speak_tls_and_say_what_is_wrong_with_it() {
    let authority = Authority::new("Test");
    let origin = Origin::named("checked");
    let good = TlsOrigin::before(&origin, &authority.issue(&[NAME]));
    let bad = TlsOrigin::before(&origin, &authority.issue_expired(&[NAME]));
    let checked = format!(
        "active: {{ path: /healthz, interval: 100ms, timeout: 2s, rise: 1, fall: 1 }}, {}",
        terms(&authority, "")
    );
    let gateway = Gateway::start(&pool([good.address(), bad.address()], &checked));
    let up = |endpoint: SocketAddr| format!("upstream_endpoint_up{{endpoint=\"{endpoint}\"}}");
    gateway.expect_metric(&up(bad.address()), 0.0);
    gateway.expect_said("1 check failed, the last one with its certificate expired on 20");
    gateway.expect_metric(&up(good.address()), 1.0);
    eventually(PATIENCE, || origin.requests().iter().any(|r| r.target == "/healthz").then_some(()));
    // a check of TCP looks no further
    let yaml = pool([bad.address()], &format!("active: {{ tcp: true, interval: 100ms }}, {}", terms(&authority, "")));
    let gateway = Gateway::start(&yaml);
    let passed = || gateway.metric("upstream_health_checks_total{result=\"pass\"}") > 0.0;
    eventually(PATIENCE, || passed().then_some(()));
}

#[test]
fn a_check_begins_to_speak_tls_when_a_reload_says_so() {
    let authority = Authority::new("Test");
    let (_origin, secured) = secured(&authority, "checked");
    let checked = "active: { path: /healthz, interval: 100ms, timeout: 2s, rise: 1, fall: 1 }";
    let gateway = Gateway::start(&pool([secured.address()], checked));
    gateway.expect_metric("upstream_endpoint_up", 0.0);
    gateway.reload(&pool([secured.address()], &format!("{checked}, {}", terms(&authority, ""))));
    gateway.expect_metric("upstream_endpoint_up", 1.0);
    assert_eq!(gateway.get("/").text(), "checked");
}

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn nginx_with_ssl_is_an_endpoint_like_any_other() {
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME]);
    let address = SocketAddr::from((own_address(), 21443));
    let folder = authority.folder();
    let (cert, key) = (leaf.cert.display(), leaf.key.display());
    let body = "n".repeat(200_000);
    std::fs::write(folder.join("large"), &body).unwrap();
    let conf = format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;\n\
         events {{ }}\n\
         http {{ access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;\n\
         uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
         server {{ listen {address} ssl; server_name {NAME}; ssl_certificate {cert}; ssl_certificate_key {key};\n\
         ssl_protocols TLSv1.2 TLSv1.3; root {dir};\n\
         location /id {{ return 200 \"$ssl_server_name $ssl_protocol $host\"; }} }} }}\n",
        dir = folder.display()
    );
    std::fs::write(folder.join("nginx.conf"), conf).unwrap();
    let Ok(child) = Command::new("nginx").arg("-c").arg(folder.join("nginx.conf")).stderr(Stdio::null()).spawn() else {
        eprintln!("skipped: there is no nginx here");
        return;
    };
    let _nginx = Running(child);
    eventually(PATIENCE, || TcpStream::connect(address).ok());
    let gateway = Gateway::start(&format!("threads: 1\n{}", pool([address], &terms(&authority, ""))));
    let mut client = gateway.connect();
    for _ in 0..20 {
        assert_eq!(client.get("/id").text(), format!("{NAME} TLSv1.3 example.com"));
        assert!(client.get("/large").text() == body);
    }
    assert_eq!(gateway.counted("upstream_connections_opened_total"), 1.0);
}
