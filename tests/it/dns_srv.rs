//! `discover: { srv: … }` with a real name server: weights and priorities are seen in who answers.

use std::net::IpAddr;

use crate::harness::*;

const PORT: u16 = 21000;
const NAME: &str = "_http._tcp.app.test";

fn ip(origin: &Origin) -> IpAddr {
    origin.address().ip()
}

fn found(keys: &str) -> String {
    format!(
        "upstreams:\n  app: {{ discover: {{ srv: {NAME} }}, {keys} }}\n\
         routes: [{{ name: all, match: {{ path: /* }}, upstream: app }}]\n"
    )
}

/// A record for a target at the port of every origin.
fn record(target: &str, priority: u16, weight: u16) -> String {
    format!("srv-host={NAME},{target}.test,{PORT},{priority},{weight}\n")
}

/// How many of so many requests each of these answers.
fn shares(gateway: &Gateway, origins: &[&Origin], count: usize) -> Vec<usize> {
    let before: Vec<usize> = origins.iter().map(|origin| origin.requests().len()).collect();
    (0..count).for_each(|_| assert_eq!(gateway.get("/").status, 200));
    origins.iter().zip(before).map(|(origin, before)| origin.requests().len() - before).collect()
}

/// A name server with these records, and each origin at the target with its name.
fn server(records: &str, origins: &[(&str, &Origin)]) -> Dnsmasq {
    let server = Dnsmasq::start(&format!("local-ttl=1\n{records}"));
    let hosts: Vec<(String, [IpAddr; 1])> =
        origins.iter().map(|(name, origin)| (format!("{name}.test"), [ip(origin)])).collect();
    let hosts: Vec<(&str, &[IpAddr])> = hosts.iter().map(|(name, ips)| (&**name, &ips[..])).collect();
    server.hosts(&hosts);
    server
}

#[test]
fn weights_are_shares_of_the_requests() {
    let [a, b, c] = ["a", "b", "c"].map(Origin::named);
    let records = record("a", 10, 60) + &record("b", 10, 30) + &record("c", 10, 10);
    let server = server(&records, &[("a", &a), ("b", &b), ("c", &c)]);
    let gateway = server.gateway(&found(""));
    assert_eq!(shares(&gateway, &[&a, &b, &c], 100), [60, 30, 10]);
}

#[test]
fn a_weight_of_0_gets_little_beside_others_and_as_much_as_each_among_its_like() {
    let [a, b] = ["a", "b"].map(Origin::named);
    let mut server = server(&(record("a", 0, 0) + &record("b", 0, 9)), &[("a", &a), ("b", &b)]);
    let gateway = server.gateway(&found(""));
    assert_eq!(shares(&gateway, &[&a, &b], 100), [10, 90]);
    server.start_again(&format!("local-ttl=1\n{}{}", record("a", 0, 0), record("b", 0, 0)));
    gateway.expect_said("b.test (");
    eventually(PATIENCE, || (shares(&gateway, &[&a, &b], 10) == [5, 5]).then_some(()));
}

#[test]
fn the_lowest_priority_serves_and_the_others_back_it_up() {
    let [near, far, farther] = ["near", "far", "farther"].map(Origin::named);
    let records = record("near", 10, 1) + &record("far", 20, 3) + &record("farther", 30, 1);
    let server = server(&records, &[("near", &near), ("far", &far), ("farther", &farther)]);
    let gateway = server.gateway(&found("passive: { fail_timeout: 60s }"));
    assert_eq!(shares(&gateway, &[&near, &far, &farther], 20), [20, 0, 0]);
    near.crash();
    // the first request is tried there, and then at a backup
    assert_eq!(gateway.get("/").status, 200);
    assert_eq!(shares(&gateway, &[&far, &farther], 40), [30, 10]);
}

#[test]
fn beside_a_hash_only_the_lowest_priority_gets_requests() {
    let [near, far] = ["near", "far"].map(Origin::named);
    let server = server(&(record("near", 1, 65535) + &record("far", 2, 1)), &[("near", &near), ("far", &far)]);
    let gateway = server.gateway(&found("balance: { hash: uri }"));
    for n in 0..20 {
        assert_eq!(gateway.get(&format!("/{n}")).text(), "near");
    }
}

#[test]
fn ports_are_those_of_the_records_and_targets_without_their_addresses_beside_them_are_asked_for() {
    let [a, b] = ["a", "b"].map(Origin::named);
    let other = Origin::on(std::net::SocketAddr::new(ip(&a), PORT + 1), |mut peer| {
        while peer.request().is_some() && peer.send(ok("other port")) {}
    });
    let records = record("a", 0, 1)
        + &format!("srv-host={NAME},a.test,{},0,1\n", PORT + 1)
        + &record("alias", 0, 1)
        // nobody is there
        + &record("nowhere", 0, 1)
        + "cname=alias.test,b.test\n";
    let server = server(&records, &[("a", &a), ("b", &b)]);
    let gateway = server.gateway(&found(""));
    let counts = shares(&gateway, &[&a, &other, &b], 9);
    assert_eq!(counts, [3, 3, 3], "{}", gateway.stderr());
    assert!(server.logged(&["query[A] alias.test"]) > 0);
}

#[test]
fn a_hundred_records_are_a_hundred_endpoints_asked_for_over_tcp() {
    let everywhere = Origin::on("0.0.0.0:0".parse().unwrap(), |mut peer| {
        let here = peer.stream.local_addr().unwrap().ip().to_string();
        while peer.request().is_some() && peer.send(ok(&here)) {}
    });
    let port = everywhere.address().port();
    let records: String = (0..100)
        .map(|n| format!("srv-host={NAME},n{n}.test,{port},0,1\nhost-record=n{n}.test,{}\n", own_address()))
        .collect();
    let server = Dnsmasq::start(&records);
    let gateway = server.gateway(&found(""));
    let mut reached: Vec<String> = (0..100).map(|_| gateway.get("/").text()).collect();
    reached.sort_unstable();
    reached.dedup();
    assert_eq!(reached.len(), 100);
    assert!(server.asked_over_tcp(&format!("query[SRV] {NAME}")) > 0);
}

#[test]
fn a_service_that_is_decidedly_not_there_has_no_endpoints_at_once() {
    let a = Origin::named("a");
    let mut server = server(&record("a", 0, 1), &[("a", &a)]);
    let gateway = server.gateway(&found(""));
    assert_eq!(gateway.get("/").status, 200);
    // a target that is left out is `.`
    server.start_again(&format!("local-ttl=1\nsrv-host={NAME}\n"));
    gateway.expect_said("is gone; 0 endpoints");
    assert!(!gateway.stderr().contains("to be confirmed"));
    eventually(PATIENCE, || (gateway.get("/").status == 503).then_some(()));
    server.start_again(&format!("local-ttl=1\n{}", record("a", 0, 1)));
    eventually(PATIENCE, || (gateway.get("/").status == 200).then_some(()));
}

#[test]
fn records_that_come_and_go_are_followed_and_a_dead_name_server_takes_none_away() {
    let [a, b] = ["a", "b"].map(Origin::named);
    let mut server = server(&record("a", 0, 1), &[("a", &a), ("b", &b)]);
    let gateway = server.gateway(&found(""));
    assert_eq!(shares(&gateway, &[&a, &b], 4), [4, 0]);
    server.stop();
    gateway.expect_said(&format!("srv: {NAME}: the endpoints found last are kept: "));
    assert_eq!(shares(&gateway, &[&a, &b], 4), [4, 0]);
    server.start_again(&format!("local-ttl=1\n{}{}", record("a", 0, 1), record("b", 0, 1)));
    gateway.expect_said(&format!("srv: {NAME}: b.test ({}) came; 2 endpoints", b.address()));
    eventually(PATIENCE, || (shares(&gateway, &[&a, &b], 4) == [2, 2]).then_some(()));
    // no record is left: that counts when it is said twice
    server.start_again("local-ttl=1");
    gateway.expect_said("0 endpoints");
    eventually(PATIENCE, || (gateway.get("/").status == 503).then_some(()));
}
