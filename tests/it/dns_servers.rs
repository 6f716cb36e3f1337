//! A real name server, and how it is asked: own addresses, over TCP what is too long, in turn where there are several.

use std::net::IpAddr;

use crate::harness::*;

const PORT: u16 = 21000;

fn ip(origin: &Origin) -> IpAddr {
    origin.address().ip()
}

#[test]
fn names_of_endpoints_are_asked_for_at_the_name_servers_of_the_configuration() {
    let server = Dnsmasq::start("");
    let origins = ["a", "b"].map(Origin::named);
    server.hosts(&[("app.test", &origins.each_ref().map(ip))]);
    let gateway = server.gateway(&pool([format!("app.test:{PORT}")], ""));
    (0..4).for_each(|_| assert_eq!(gateway.get("/").status, 200));
    assert!(origins.iter().all(|origin| origin.requests().len() == 2));
}

#[test]
fn other_name_servers_take_over_with_a_reload() {
    let (first, second) = (Dnsmasq::start("local-ttl=60"), Dnsmasq::start(""));
    let origins = ["first", "second"].map(Origin::named);
    first.hosts(&[("app.test", &[ip(&origins[0])])]);
    second.hosts(&[("app.test", &[ip(&origins[1])])]);
    let yaml = pool([format!("app.test:{PORT}")], "");
    // an answer holds for no longer than is written here
    let gateway = Gateway::start(&format!("{}{yaml}", first.section_with("max_ttl: 1s")));
    assert_eq!(gateway.get("/").text(), "first");
    gateway.reload(&format!("{}{yaml}", second.section_with("max_ttl: 1s")));
    eventually(PATIENCE, || (gateway.get("/").text() == "second").then_some(()));
    assert!(gateway.stderr().contains("discovery.dns.servers"), "{}", gateway.stderr());
}

#[test]
fn sources_ask_the_new_name_servers_at_once() {
    let (first, second) = (Dnsmasq::start("local-ttl=600"), Dnsmasq::start("local-ttl=600"));
    let origins = ["first", "second"].map(Origin::named);
    first.hosts(&[("app.test", &[ip(&origins[0])])]);
    second.hosts(&[("app.test", &[ip(&origins[1])])]);
    let yaml = format!(
        "upstreams: {{ app: {{ discover: {{ dns: \"app.test:{PORT}\" }} }} }}\n\
         routes: [{{ match: {{ path: /* }}, upstream: app }}]\n"
    );
    let gateway = Gateway::start(&format!("{}{yaml}", first.section_with("max_ttl: 1h")));
    assert_eq!(gateway.get("/").text(), "first");
    gateway.reload(&format!("{}{yaml}", second.section_with("max_ttl: 1h")));
    eventually(PATIENCE, || (gateway.get("/").text() == "second").then_some(()));
    // nobody asks the other one any more
    first.stop();
    (0..4).for_each(|_| assert_eq!(gateway.get("/").text(), "second"));
    assert!(!gateway.stderr().contains("kept"), "{}", gateway.stderr());
}

#[test]
fn a_name_server_that_is_dead_leaves_the_turn_to_the_next() {
    for silent in [false, true] {
        let (dead, server) = (Dnsmasq::start(""), Dnsmasq::start(""));
        let origin = Origin::named("o");
        server.hosts(&[("app.test", &[ip(&origin)])]);
        if silent {
            dead.freeze()
        } else {
            dead.stop()
        }
        let servers = [&dead, &server].map(|server| format!("\"{}\"", server.address())).join(", ");
        let gateway = Gateway::start(&format!(
            "discovery: {{ dns: {{ servers: [{servers}] }} }}\n{}",
            pool([format!("app.test:{PORT}")], "")
        ));
        assert_eq!(gateway.get("/").text(), "o");
    }
}

#[test]
fn an_answer_that_is_too_long_for_a_packet_is_asked_for_over_tcp() {
    let server = Dnsmasq::start("");
    let addresses: Vec<IpAddr> = (0..100).map(|_| own_address().into()).collect();
    server.hosts(&[("many.test", &addresses), ("few.test", &addresses[..40])]);
    let gateway = server.gateway(&pool([format!("many.test:{PORT}"), format!("few.test:{PORT}")], ""));
    assert_eq!(endpoints(&gateway), 140);
    assert!(server.asked_over_tcp("query[A] many.test") > 0);
    // up to 1232 bytes fit in a packet
    assert_eq!(server.asked_over_tcp("query[A] few.test"), 0);
}

/// Endpoints that there are, whatever they are called in metrics.
fn endpoints(gateway: &Gateway) -> usize {
    let status: serde_json::Value = json(&gateway.admin("/api/v1/upstreams"));
    status["app"]["endpoints"].as_array().map_or(0, Vec::len)
}
