//! The ways to balance other than by the fewest requests in flight.

use std::collections::BTreeMap;

use crate::harness::*;

/// How many requests each origin answered, by name.
fn tally(answers: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    answers.into_iter().for_each(|name| *tally.entry(name).or_default() += 1);
    tally
}

#[test]
fn round_robin_takes_turns_also_where_an_endpoint_is_busy() {
    let gate = Gate::shut();
    let (a, b) = (Origin::held("a", &gate), Origin::named("b"));
    let endpoints = [member(&a, "weight: 2"), b.address().to_string()];
    let gateway = Gateway::start(&format!("threads: 2\n{}", pool(endpoints, "balance: round_robin")));
    let mut waiting: Vec<Client> = (0..9).map(|_| gateway.connect()).collect();
    for (sent, client) in waiting.iter_mut().enumerate() {
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        // one after the other: the next comes when this one is where it goes
        eventually(PATIENCE, || (a.requests().len() + b.requests().len() > sent).then_some(()));
    }
    a.expect_requests(6);
    gate.open();
    let answers: String = waiting.iter_mut().map(|client| client.response().text()).collect();
    assert_eq!(answers, "abaabaaba");
}

#[test]
fn random_spreads_requests_by_weight() {
    let (a, b) = (Origin::named("a"), Origin::named("b"));
    let endpoints = [member(&a, "weight: 3"), b.address().to_string()];
    let gateway = Gateway::start(&pool(endpoints, "balance: random"));
    let mut client = gateway.connect();
    let answers: Vec<String> = (0..400).map(|_| client.get("/").text()).collect();
    let tally = tally(answers.clone());
    // three in four; seven standard deviations are allowed
    assert!((240..=360).contains(&tally["a"]), "{tally:?}");
    // by chance, not in turn
    assert!(answers.windows(2).any(|pair| pair == ["b", "b"]), "{answers:?}");
}

#[test]
fn p2c_takes_the_less_busy_of_two() {
    let gate = Gate::shut();
    let (slow, quick) = (Origin::held("slow", &gate), Origin::named("quick"));
    let endpoints = [slow.address(), quick.address()];
    let gateway = Gateway::start(&format!("threads: 2\n{}", pool(endpoints, "balance: p2c")));
    // By chance one of these meets the slow endpoint, and then no other does.
    let mut clients: Vec<Client> = (0..40).map(|_| gateway.connect()).collect();
    let mut held = None;
    for (n, client) in clients.iter_mut().enumerate() {
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        eventually(PATIENCE, || (slow.requests().len() + quick.requests().len() > n).then_some(()));
        gateway.expect_metric("upstream_in_flight", slow.requests().len() as f64);
        if held.is_none() && slow.requests().len() == 1 {
            held = Some(n);
        }
    }
    assert_eq!(slow.requests().len(), 1);
    gate.open();
    let tally = tally(clients.iter_mut().map(|client| client.response().text()));
    assert_eq!(tally["quick"], 39, "{held:?}");
}

/// A request in which this key stands, and what else differs from round to round.
type Ask = fn(key: usize, round: usize) -> String;

/// Every kind of key, and a request that has it.
const KINDS: [(&str, &str, Ask); 6] = [
    ("header", "{ header: X-Tenant }", |key, round| get(&format!("/header?{round}"), &format!("x-tenant: t{key}"))),
    ("cookie", "{ cookie: sid }", |key, round| get("/cookie", &format!("Cookie: n={round}; sid=s{key}; z=1"))),
    ("query", "{ query: user }", |key, round| get(&format!("/query?n={round}&user=u{key}"), "X: y")),
    ("path", "path", |key, round| get(&format!("/path/{key}?{round}"), "X: y")),
    ("uri", "uri", |key, round| get(&format!("/uri?{key}"), &format!("X-Round: {round}"))),
    ("client_ip", "client_ip", |key, round| {
        get(&format!("/client_ip?{round}"), &format!("X-Forwarded-For: 10.0.0.{key}"))
    }),
];

fn get(target: &str, line: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n")
}

/// An upstream and a route for each kind of key.
fn hashing(endpoints: &[std::net::SocketAddr]) -> String {
    let list: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    let (mut upstreams, mut routes) = (String::new(), String::new());
    for (name, key, _) in KINDS {
        upstreams += &format!("  {name}: {{ balance: {{ hash: {key} }}, endpoints: [{}] }}\n", list.join(", "));
        routes += &format!("  - {{ match: {{ path: /{name}* }}, upstream: {name} }}\n");
    }
    format!("threads: 2\ntrusted_proxies: [127.0.0.0/8]\nupstreams:\n{upstreams}routes:\n{routes}")
}

#[test]
fn requests_with_one_key_stay_on_one_endpoint_and_few_move_when_one_goes() {
    let origins = ["a", "b", "c", "d"].map(Origin::named);
    let addresses: Vec<_> = origins.iter().map(Origin::address).collect();
    let gateway = Gateway::start(&hashing(&addresses));
    let round = |round: usize| -> Vec<Vec<String>> {
        // connections of their own: both threads, and no memory of any
        let ask = |(_, _, ask): &(&str, &str, Ask)| (1..=24).map(|key| gateway.ask(ask(key, round)).text()).collect();
        KINDS.iter().map(ask).collect()
    };
    let first = round(1);
    assert_eq!(first, round(2));
    for ((kind, ..), answers) in KINDS.iter().zip(&first) {
        let tally = tally(answers.iter().cloned());
        assert!(tally.len() >= 3, "{kind}: {tally:?}");
    }
    gateway.reload(&hashing(&addresses[..3]));
    for ((before, after), (kind, ..)) in first.iter().zip(&round(3)).zip(KINDS) {
        for (key, (before, after)) in before.iter().zip(after).enumerate() {
            assert!(before == after || before == "d", "{kind}: key {key} moved from {before} to {after}");
        }
    }
}

#[test]
fn a_request_without_the_key_goes_to_any_endpoint() {
    let origins = ["a", "b"].map(Origin::named);
    let gateway = Gateway::start(&hashing(&[origins[0].address(), origins[1].address()]));
    for (kind, ..) in &KINDS[..3] {
        let tally = tally((0..6).map(|_| gateway.get(&format!("/{kind}")).text()));
        assert_eq!((tally["a"], tally["b"]), (3, 3), "{kind}");
    }
}

#[test]
fn the_keys_of_an_endpoint_that_fails_go_elsewhere_and_come_back() {
    let [a, b, c] = ["a", "b", "c"].map(Origin::named);
    let endpoints = [a.address(), b.address(), c.address()];
    let gateway =
        Gateway::start(&pool(endpoints, "balance: { hash: { header: X-Tenant } }, passive: { fail_timeout: 500ms }"));
    let answers =
        || -> Vec<String> { (0..24).map(|key| gateway.ask(get("/", &format!("X-Tenant: {key}"))).text()).collect() };
    let before = answers();
    let address = c.crash();
    let meanwhile = answers();
    assert!(meanwhile.iter().all(|name| name != "c"));
    for (before, meanwhile) in before.iter().zip(&meanwhile) {
        assert!(before == meanwhile || before == "c", "{before} moved to {meanwhile}");
    }
    let _c = Origin::named_on(address, "c");
    eventually(PATIENCE, || (answers() == before).then_some(()));
}

/// nginx's `ip_hash`, from its description: the place among endpoints of weight 1.
fn nginx_ip_hash(network: &[u8], endpoints: u32) -> usize {
    let hash = network.iter().fold(89u32, |hash, octet| (hash * 113 + u32::from(*octet)) % 6271);
    (hash % endpoints) as usize
}

#[test]
fn ip_hash_leads_networks_where_nginx_leads_them() {
    let names = ["a", "b", "c"];
    let origins = names.map(Origin::named);
    let endpoints = origins.each_ref().map(Origin::address);
    let gateway =
        Gateway::start(&format!("threads: 2\ntrusted_proxies: [127.0.0.0/8]\n{}", pool(endpoints, "balance: ip_hash")));
    let ask = |client: &str| gateway.ask(get("/", &format!("X-Forwarded-For: {client}"))).text();
    for n in 0..12u8 {
        let expected = names[nginx_ip_hash(&[10, n, n * 7], 3)];
        for host in [1, 200] {
            assert_eq!(ask(&format!("10.{n}.{}.{host}", n * 7)), expected, "network {n}");
        }
    }
    for n in 0..6 {
        let address: std::net::Ipv6Addr = format!("2001:db8::{n}").parse().unwrap();
        let expected = names[nginx_ip_hash(&address.octets(), 3)];
        assert_eq!(ask(&address.to_string()), expected, "{address}");
    }
    // A peer that is no trusted proxy cannot say who it is.
    let untrusted = Gateway::start(&pool(endpoints, "balance: ip_hash"));
    let answers = (0..6).map(|n| untrusted.ask(get("/", &format!("X-Forwarded-For: 10.{n}.0.1"))).text());
    assert_eq!(tally(answers).len(), 1);
}
