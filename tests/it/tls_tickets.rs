//! No session of before lets a client past what it must prove now. Each test is an attack, by who has every ticket there is.

use rustls::SupportedProtocolVersion;

use crate::harness::*;

const NAME: &str = "a.example";
const ROUTES: &str = "routes: [{ name: all, match: { path: /* }, respond: { status: 200, body: secret } }]\n";
const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

struct Place {
    servers: Authority,
    clients: Authority,
    leaf: Leaf,
}

impl Place {
    fn new() -> Place {
        let servers = Authority::new("Servers");
        let leaf = servers.issue(&[NAME]);
        Place { clients: Authority::new("Clients"), leaf, servers }
    }

    /// With these keys beside the certificate, where `CA` is the file of the clients' authority.
    fn yaml(&self, keys: &str) -> String {
        let keys = keys.replace("CA", &self.clients.file().display().to_string());
        format!("{}{ROUTES}", secured(&[&self.leaf], &keys))
    }

    fn visitor(&self, version: &'static SupportedProtocolVersion) -> Visitor {
        Visitor::to(NAME, &self.servers).speaking(version)
    }
}

/// Gets tickets: the sessions that are made so do go on.
#[track_caller]
fn collect(gateway: &Gateway, visitor: &Ready) {
    for _ in 0..3 {
        assert_eq!(visitor.get(gateway.address(), "/before").text(), "secret");
    }
    let mut client = visitor.connect(gateway.address());
    assert!(client.is_resumed());
    assert_eq!(client.get("/before").text(), "secret");
}

/// Tries all tickets: each time the client is refused, with a word for it, and never served.
#[track_caller]
fn is_kept_out(gateway: &Gateway, at: std::net::SocketAddr, thief: &Ready) {
    let resumed = gateway.counted("tls_handshakes_total{result=\"resumed\"}");
    for _ in 0..8 {
        match thief.try_get(at, "/after") {
            Err(Ended::Alert(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(gateway.counted("tls_handshakes_total{result=\"resumed\"}"), resumed);
    assert!(gateway.log_lines().iter().all(|line| line["path"] != "/after"));
}

#[test]
fn who_came_before_client_ca_was_added_is_kept_out() {
    let place = Place::new();
    for version in VERSIONS {
        let gateway = Gateway::start(&place.yaml(""));
        let thief = place.visitor(version).ready();
        collect(&gateway, &thief);
        gateway.reload(&place.yaml("client_ca: CA"));
        is_kept_out(&gateway, gateway.address(), &thief);
    }
}

#[test]
fn who_came_when_a_certificate_was_optional_is_kept_out_once_it_is_required() {
    let place = Place::new();
    for version in VERSIONS {
        let gateway = Gateway::start(&place.yaml("client_ca: CA, client_auth: optional"));
        let thief = place.visitor(version).ready();
        collect(&gateway, &thief);
        gateway.reload(&place.yaml("client_ca: CA"));
        is_kept_out(&gateway, gateway.address(), &thief);
    }
}

#[test]
fn who_was_vouched_for_by_an_authority_of_before_is_kept_out() {
    let place = Place::new();
    for version in VERSIONS {
        let before = Authority::new("Before");
        let gateway = Gateway::start(&place.yaml(&format!("client_ca: {}", before.file().display())));
        let thief = place.visitor(version).showing(&before.issue(&["client"])).ready();
        collect(&gateway, &thief);
        // another file, and another time the same file with something else in it
        gateway.reload(&place.yaml("client_ca: CA"));
        is_kept_out(&gateway, gateway.address(), &thief);

        let gateway = Gateway::start(&place.yaml(&format!("client_ca: {}", before.file().display())));
        let thief = place.visitor(version).showing(&before.issue(&["client"])).ready();
        collect(&gateway, &thief);
        std::fs::write(before.file(), place.clients.pem()).unwrap();
        gateway.expect_counts(&[("config_reloads_total{result=\"success\"}", 1.0)]);
        is_kept_out(&gateway, gateway.address(), &thief);
    }
}

#[test]
fn who_was_revoked_since_is_kept_out() {
    let place = Place::new();
    let serial: &[u8] = &[7, 1];
    let revoked = place.clients.issue_with(&["client"], |params| params.serial_number = Some(serial.to_vec().into()));
    for version in VERSIONS {
        let crl = place.clients.folder().join("clients.crl");
        std::fs::write(&crl, place.clients.revoking(&[&[7, 2]])).unwrap();
        let keys = format!("client_ca: CA, client_crl: {}", crl.display());
        let gateway = Gateway::start(&place.yaml(&keys));
        let thief = place.visitor(version).showing(&revoked).ready();
        collect(&gateway, &thief);
        std::fs::write(&crl, place.clients.revoking(&[&[7, 2], serial])).unwrap();
        gateway.expect_counts(&[("config_reloads_total{result=\"success\"}", 1.0)]);
        is_kept_out(&gateway, gateway.address(), &thief);
        gateway.expect_metric("tls_handshakes_total{result=\"client_certificate\"}", 8.0);
        // and a list where there was none
        let gateway = Gateway::start(&place.yaml("client_ca: CA"));
        let thief = place.visitor(version).showing(&revoked).ready();
        collect(&gateway, &thief);
        gateway.reload(&place.yaml(&keys));
        is_kept_out(&gateway, gateway.address(), &thief);
    }
}

#[test]
fn who_came_by_a_listener_that_demands_nothing_is_kept_out_where_it_does() {
    let place = Place::new();
    let (certificate, ca) = (place.leaf.entry(), place.clients.file());
    for version in VERSIONS {
        // one worker: once it keeps out one who has no ticket, it knows the listener
        let gateway = Gateway::start(&format!(
            "threads: 1\nlisteners:\n  web: {{ address: \"HERE:21080\", tls: {{ certificates: [{certificate}] }} }}\n  \
             safe: {{ address: \"HERE:21443\", tls: {{ certificates: [{certificate}], client_ca: {} }} }}\n{ROUTES}",
            ca.display()
        ));
        let thief = place.visitor(version).ready();
        collect(&gateway, &thief);
        is_kept_out(&gateway, gateway.on(21443), &thief);
        // also after another listener had the name of that one
        gateway.reload(&format!(
            "threads: 1\nlisteners:\n  safe: {{ address: \"HERE:21080\", tls: {{ certificates: [{certificate}], client_ca: {} }} }}\n{ROUTES}",
            ca.display()
        ));
        let stranger = place.visitor(version).ready();
        eventually(PATIENCE, || matches!(stranger.try_get(gateway.address(), "/"), Err(Ended::Alert(_))).then_some(()));
        is_kept_out(&gateway, gateway.address(), &thief);
    }
}

#[test]
fn sessions_go_on_where_nothing_was_changed_that_clients_have_to_prove_and_help_nobody_else() {
    let place = Place::new();
    for version in VERSIONS {
        let gateway = Gateway::start(&place.yaml("client_ca: CA"));
        let honest = place.visitor(version).showing(&place.clients.issue(&["honest"])).ready();
        collect(&gateway, &honest);
        is_kept_out(&gateway, gateway.address(), &place.visitor(version).ready());
        gateway.reload(&place.yaml("client_ca: CA, strict_sni: true"));
        collect(&gateway, &honest);
        // whoever is let in by another way meanwhile gets tickets for that way alone
        gateway.reload(&place.yaml(""));
        let thief = place.visitor(version).ready();
        collect(&gateway, &thief);
        gateway.reload(&place.yaml("client_ca: CA"));
        is_kept_out(&gateway, gateway.address(), &thief);
    }
}
