//! Certificates that look after themselves, as clients and operators meet them: the real program before a real authority.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::CertificateDer;

use crate::harness::{Authority, Client, Front, Gateway, Pebble, Trusting, Ways, eventually, own_address};

/// An order takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Listeners at an address that the authority knows, and certificates for these lists of hosts from `pebble`.
fn serving(here: IpAddr, pebble: &Pebble, authority: &str, orders: &[&str]) -> String {
    let certificates: Vec<String> =
        orders.iter().map(|hosts| format!("{{ acme: pebble, hosts: [{hosts}] }}")).collect();
    format!(
        "listeners:\n  web: {{ address: \"{here}:21080\", redirect_to_https: true }}\n  \
         secure: {{ address: \"{here}:21443\", tls: {{ certificates: [{}] }} }}\n\
         acme: {{ pebble: {{ directory: \"{}\", ca: {}, {authority} }} }}\n\
         routes: [{{ name: all, match: {{ path: /* }}, respond: {{ status: 200, body: \"hello\\n\" }} }}]\n",
        certificates.join(", "),
        pebble.directory(),
        pebble.ca().display()
    )
}

/// A few answers of the gateway's first listener, to a name.
fn plain(here: IpAddr, target: &str) -> crate::harness::Response {
    Client::connect((here, 21080).into()).ask(format!("GET {target} HTTP/1.1\r\nHost: a.example.com\r\n\r\n"))
}

fn secure(here: IpAddr) -> SocketAddr {
    (here, 21443).into()
}

/// Waits for a certificate that a client believes who believes the authority.
#[track_caller]
fn expect_certified(pebble: &Pebble, here: IpAddr, host: &str) -> CertificateDer<'static> {
    let client = Trusting::new(pebble.root().as_bytes());
    eventually(PATIENCE, || client.presented(secure(here), host).ok())
}

#[test]
fn a_gateway_orders_its_certificate_and_serves_with_it() {
    let here = IpAddr::from(own_address());
    let pebble = Pebble::start(here, Ways::default());
    let gateway = Gateway::start(&serving(here, &pebble, "challenge: http-01", &["a.example.com"]));
    let nobody = Trusting::new(pebble.root().as_bytes()).presented(secure(here), "b.example.com");
    assert!(nobody.is_err(), "a stand-in is not believed");
    expect_certified(&pebble, here, "a.example.com");
    let client = Trusting::new(pebble.root().as_bytes());
    assert_eq!(client.get(secure(here), "a.example.com", "/").as_deref(), Ok("hello\n"));
    gateway.expect_said("a.example.com: issued, valid until 20");
    let response = plain(here, "/x");
    assert_eq!((response.status, response.header("location")), (308, Some("https://a.example.com:21443/x")));
    assert_eq!(plain(here, "/.well-known/acme-challenge/unknown").status, 308, "what is no proof is like all else");
}

#[test]
fn tls_alpn_01_is_answered_by_the_listener_itself() {
    let here = IpAddr::from(own_address());
    let pebble = Pebble::start(here, Ways { proofs_kept: 0, ..Ways::default() });
    let orders = ["a.example.com", "b.example.com, c.example.com"];
    let _gateway = Gateway::start(&serving(here, &pebble, "challenge: tls-alpn-01", &orders));
    for host in ["a.example.com", "b.example.com", "c.example.com"] {
        expect_certified(&pebble, here, host);
    }
}

#[test]
fn tls_alpn_01_is_answered_by_a_listener_that_presents_nothing_ordered() {
    let here = IpAddr::from(own_address());
    let pebble = Pebble::start(here, Ways { proofs_kept: 0, ..Ways::default() });
    let authority = Authority::new("Test");
    let fixed = authority.issue(&["b.example.com"]);
    let document = serving(here, &pebble, "challenge: tls-alpn-01", &["a.example.com"]).replace(
        &format!("secure: {{ address: \"{here}:21443\""),
        &format!(
            "looked_at: {{ address: \"{here}:21443\", tls: {{ certificates: [{}] }} }}\n  \
             secure: {{ address: \"{here}:21444\"",
            fixed.entry()
        ),
    );
    let gateway = Gateway::start(&document);
    gateway.expect_said("a.example.com: issued, valid until 20");
}

#[test]
fn a_restart_loses_nothing_and_needs_no_authority() {
    let here = IpAddr::from(own_address());
    let pebble = Pebble::start(here, Ways::default());
    let mut gateway = Gateway::start(&serving(here, &pebble, "challenge: http-01", &["a.example.com"]));
    let (client, before) = (Trusting::new(pebble.root().as_bytes()), expect_certified(&pebble, here, "a.example.com"));
    pebble.stop();
    gateway.terminate();
    gateway.start_again("exec");
    assert_eq!(client.presented(secure(here), "a.example.com"), Ok(before), "from the first connection on");
    assert!(!gateway.stderr().contains("ordered a certificate"), "{}", gateway.stderr());
}

#[test]
fn a_revoked_certificate_is_replaced_without_a_hand() {
    let here = IpAddr::from(own_address());
    let pebble = Pebble::start(here, Ways::default());
    let front = Front::before(&pebble);
    let yaml = serving(here, &pebble, "challenge: http-01", &["a.example.com"]);
    let gateway = Gateway::start(&yaml.replace(&pebble.directory(), &front.directory()));
    let before = expect_certified(&pebble, here, "a.example.com");
    gateway.expect_said("the authority suggests to renew it, which is done about 20");
    let account = glob::glob(&format!("{}/state/acme/*/account.json", gateway.folder().display())).unwrap();
    pebble.revoke(&account.flatten().next().unwrap(), &before);
    let client = Trusting::new(pebble.root().as_bytes());
    eventually(PATIENCE, || client.presented(secure(here), "a.example.com").ok().filter(|now| *now != before));
    gateway.expect_said("it explains why: https://example.com/why");
}

#[test]
fn a_process_that_is_killed_in_the_midst_of_an_order_leaves_nothing_broken() {
    let here = IpAddr::from(own_address());
    let pebble = Pebble::start(here, Ways::default());
    // the authority cannot look yet: the process before is killed while it waits for it
    let hook = pebble.hook().iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let authority = |wait: &str| format!("challenge: dns-01, dns_hook: [{hook}], dns_wait: {wait}");
    let mut gateway = Gateway::start(&serving(here, &pebble, &authority("1h"), &["\"*.example.com\""]));
    eventually(PATIENCE, || (pebble.hooks().len() == 1).then_some(()));
    kill_process(Pid::from_raw(gateway.id()).unwrap(), Signal::KILL).unwrap();
    gateway.ended();
    gateway.rewrite(&serving(here, &pebble, &authority("0s"), &["\"*.example.com\""]));
    gateway.start_again("exec");
    expect_certified(&pebble, here, "a.example.com");
    gateway.expect_said("takes up the order for *.example.com again");
    eventually(PATIENCE, || (pebble.hooks().len() == 4).then_some(()));
}

#[test]
fn a_host_that_is_added_leaves_the_certificate_before_in_place_until_the_next_has_come() {
    let here = IpAddr::from(own_address());
    let pebble = Pebble::start(here, Ways::default());
    let gateway = Gateway::start(&serving(here, &pebble, "challenge: http-01", &["a.example.com"]));
    let before = expect_certified(&pebble, here, "a.example.com");
    let client = Trusting::new(pebble.root().as_bytes());
    pebble.stop();
    gateway.reload(&serving(here, &pebble, "challenge: http-01", &["a.example.com, b.example.com"]));
    assert_eq!(client.presented(secure(here), "a.example.com"), Ok(before));
    gateway.expect_said("a.example.com, b.example.com: no certificate: ");
    gateway.expect_said("see that the gateway may reach the authority");
    let order = eventually(PATIENCE, || {
        let order = gateway.shows("/api/v1/certificates")[0]["order"].clone();
        (order["failures"].as_u64() >= Some(1)).then_some(order)
    });
    assert!(order["next_at"].is_string(), "{order}");
    assert!(order["last_error"].as_str().is_some_and(|error| error.contains("may reach the authority")), "{order}");
}

#[test]
fn another_directory_is_another_account_and_other_certificates() {
    let here = IpAddr::from(own_address());
    let (staging, production) = (Pebble::start(here, Ways::default()), Pebble::start(here, Ways::default()));
    let gateway = Gateway::start(&serving(here, &staging, "challenge: http-01", &["a.example.com"]));
    expect_certified(&staging, here, "a.example.com");
    gateway.reload(&serving(here, &production, "challenge: http-01", &["a.example.com"]));
    expect_certified(&production, here, "a.example.com");
    let kept = |name: &str| {
        glob::glob(&format!("{}/state/acme/**/{name}", gateway.folder().display())).unwrap().flatten().count()
    };
    assert_eq!((kept("account.json"), kept("chain.pem")), (2, 2));
    // and back: what there was is still there
    staging.stop();
    gateway.reload(&serving(here, &staging, "challenge: http-01", &["a.example.com"]));
    expect_certified(&staging, here, "a.example.com");
}

#[test]
fn a_host_that_cannot_be_proven_is_said_with_what_to_do() {
    let (here, elsewhere) = (IpAddr::from(own_address()), own_address());
    let pebble = Pebble::start(elsewhere.into(), Ways::default());
    let gateway = Gateway::start(&serving(here, &pebble, "challenge: http-01", &["a.example.com"]));
    gateway.expect_said("pebble: a.example.com: no certificate: proving a.example.com: the authority says ");
    gateway.expect_said("see that the authority can reach this gateway: port 80 for http-01");
    gateway.expect_said("next attempt not before 20");
    // who waits for an alert waits for a certificate that clients believe
    let expiry = "wharf_tls_certificate_expiry_timestamp_seconds{subject=\"a.example.com\"}";
    let metrics = gateway.metrics();
    assert_eq!((metrics.select(expiry).len(), metrics.sum(expiry)), (1, 0.0));
    for name in ["account.json", "meta.json"] {
        let found = glob::glob(&format!("{}/state/acme/**/{name}", gateway.folder().display())).unwrap();
        for path in found.flatten() {
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        }
    }
}
