//! `discover: { dns: … }` with a real name server: the addresses of a name come, go and move, and no request notices.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::*;

const PORT: u16 = 21000;

fn ip(origin: &Origin) -> IpAddr {
    origin.address().ip()
}

/// The upstream `app`, whose endpoints are found by this source.
fn found(source: &str, keys: &str) -> String {
    format!(
        "upstreams:\n  app: {{ discover: {{ {source} }}, {keys} }}\n\
         routes: [{{ name: all, match: {{ path: /* }}, upstream: app }}]\n"
    )
}

fn app() -> String {
    found(&format!("dns: \"app.test:{PORT}\""), "")
}

/// Who answers so many requests, each name once.
fn answering(gateway: &Gateway, count: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..count).map(|_| gateway.get("/").text()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn addresses_that_come_and_go_are_followed_within_their_time_to_live() {
    let server = Dnsmasq::start("local-ttl=1");
    let origins = ["a", "b", "c"].map(Origin::named);
    let [a, b, c] = origins.each_ref().map(ip);
    server.hosts(&[("app.test", &[a])]);
    let gateway = server.gateway(&app());
    assert_eq!(answering(&gateway, 4), ["a"]);
    server.hosts(&[("app.test", &[a, b, c])]);
    gateway.expect_said(&format!(
        "dns: app.test:{PORT}: app.test ({b}:{PORT}) came, app.test ({c}:{PORT}) came; 3 endpoints"
    ));
    eventually(PATIENCE, || (answering(&gateway, 6) == ["a", "b", "c"]).then_some(()));
    server.hosts(&[("app.test", &[c])]);
    eventually(PATIENCE, || (answering(&gateway, 6) == ["c"]).then_some(()));
    gateway.expect_said("1 endpoint\n");
}

#[test]
fn an_address_that_moves_costs_no_request_and_the_old_one_finishes_what_it_has() {
    let server = Dnsmasq::start("local-ttl=1");
    let gate = Gate::shut();
    let old = Origin::answering({
        let gate = gate.clone();
        move |request| {
            if request.target == "/long" {
                gate.pass();
            }
            ok("old")
        }
    });
    let new = Origin::named("new");
    server.hosts(&[("app.test", &[ip(&old)])]);
    let gateway = server.gateway(&format!("threads: 2\n{}", app()));
    let mut long = gateway.connect();
    long.send("GET /long HTTP/1.1\r\nHost: h\r\n\r\n");
    old.expect_requests(1);
    let done = AtomicBool::new(false);
    // who has had an answer of the new one
    let moved: [AtomicBool; 3] = Default::default();
    std::thread::scope(|scope| {
        let traffic: Vec<_> = (0..3)
            .map(|n| {
                let (gateway, done, moved) = (&gateway, &done, &moved[n]);
                scope.spawn(move || {
                    let (mut client, mut failed) = (gateway.connect(), 0);
                    while !done.load(Ordering::Acquire) {
                        let answer = client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
                        failed += usize::from(answer.status != 200);
                        moved.fetch_or(answer.text() == "new", Ordering::AcqRel);
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    failed
                })
            })
            .collect();
        let _done = Done(&done);
        server.hosts(&[("app.test", &[ip(&new)])]);
        new.expect_requests(50);
        eventually(PATIENCE, || moved.iter().all(|moved| moved.load(Ordering::Acquire)).then_some(()));
        let before = old.requests().len();
        gate.open();
        new.expect_requests(100);
        assert_eq!(old.requests().len(), before, "nothing new is sent to the old one");
        done.store(true, Ordering::Release);
        assert_eq!(traffic.into_iter().map(|client| client.join().unwrap()).sum::<usize>(), 0);
    });
    assert_eq!(long.response().text(), "old");
    eventually(PATIENCE, || (old.ended() == old.connections()).then_some(()));
}

#[test]
fn a_name_without_addresses_has_no_endpoints_once_that_is_confirmed() {
    let server = Dnsmasq::start("local-ttl=1");
    let origin = Origin::named("o");
    server.hosts(&[("app.test", &[ip(&origin)]), ("other.test", &[ip(&origin)])]);
    let gateway = server.gateway(&app());
    assert_eq!(gateway.get("/").text(), "o");
    // a slip of the name server, for one answer: one that lasts longer, as on a machine that stands still meanwhile, is none
    let mut gone = 0;
    eventually(2 * PATIENCE, || {
        let asked = server.logged(&["app.test is NXDOMAIN"]);
        let start = Instant::now();
        server.hosts(&[("other.test", &[ip(&origin)])]);
        eventually(PATIENCE, || (server.logged(&["app.test is NXDOMAIN"]) > asked).then_some(()));
        server.hosts(&[("app.test", &[ip(&origin)])]);
        let short = start.elapsed() < Duration::from_millis(1900);
        let asked = server.logged(&["query[A] app.test"]);
        eventually(PATIENCE, || (server.logged(&["query[A] app.test"]) > asked + 1).then_some(()));
        if short {
            assert_eq!(gateway.get("/").text(), "o");
            assert_eq!(gateway.stderr().matches("is gone").count(), gone, "{}", gateway.stderr());
            return Some(());
        }
        eventually(PATIENCE, || (gateway.get("/").text() == "o").then_some(()));
        gone = gateway.stderr().matches("is gone").count();
        None
    });
    // and for good
    server.hosts(&[]);
    gateway.expect_said(&format!("app.test ({}) is gone; 0 endpoints", origin.address()));
    let none = eventually(PATIENCE, || Some(gateway.get("/")).filter(|none| none.status == 503));
    assert_eq!(none.header("retry-after"), Some("1"));
    server.hosts(&[("app.test", &[ip(&origin)])]);
    eventually(PATIENCE, || (gateway.get("/").status == 200).then_some(()));
}

#[test]
fn the_last_good_addresses_are_kept_while_the_name_server_is_dead_or_silent() {
    let mut server = Dnsmasq::start("local-ttl=1");
    let [old, new] = ["old", "new"].map(Origin::named);
    server.hosts(&[("app.test", &[ip(&old)])]);
    let yaml = format!("{}{}", server.section_with("timeout: 1s"), app());
    let gateway = Gateway::start(&yaml);
    for kill in [true, false] {
        let said = gateway.stderr().matches("the endpoints found last are kept").count();
        let answered = gateway.stderr().matches("answered again").count();
        if kill {
            server.stop()
        } else {
            server.freeze()
        }
        eventually(PATIENCE, || {
            assert_eq!(gateway.get("/").text(), "old");
            (gateway.stderr().matches("the endpoints found last are kept").count() > said).then_some(())
        });
        assert_eq!(gateway.get("/").text(), "old");
        if kill {
            server.start_again("local-ttl=1")
        } else {
            server.thaw()
        }
        eventually(PATIENCE, || (gateway.stderr().matches("answered again").count() > answered).then_some(()));
    }
    // what it says once it is back counts
    server.hosts(&[("app.test", &[ip(&new)])]);
    eventually(PATIENCE, || (gateway.get("/").text() == "new").then_some(()));
}

#[test]
fn a_name_server_in_trouble_takes_no_endpoint_away() {
    // it knows `test.` itself and has nobody to ask for anything else, which it refuses
    let mut server = Dnsmasq::start("local-ttl=1");
    let origin = Origin::named("o");
    server.hosts(&[("app.elsewhere", &[ip(&origin)])]);
    let gateway = server.gateway(&found(&format!("dns: \"app.elsewhere:{PORT}\""), ""));
    assert_eq!(gateway.get("/").text(), "o");
    server.hosts(&[]);
    gateway.expect_said("app.elsewhere:21000: the endpoints found last are kept: a name server answers");
    for _ in 0..5 {
        assert_eq!(gateway.get("/").text(), "o");
    }
    // it knows again, and says that there is none
    server.start_again("local-ttl=1\nlocal=/elsewhere/");
    gateway.expect_said("0 endpoints");
}

#[test]
fn a_name_that_does_not_hold_at_all_is_asked_for_once_a_second() {
    let server = Dnsmasq::start("local-ttl=0");
    let origin = Origin::named("o");
    server.hosts(&[("app.test", &[ip(&origin)])]);
    let before = server.logged(&["query[A] app.test"]);
    let since = Instant::now();
    let gateway = server.gateway(&app());
    eventually(PATIENCE, || {
        assert_eq!(gateway.get("/").text(), "o");
        (server.logged(&["query[A] app.test"]) >= before + 4).then_some(())
    });
    assert!(since.elapsed() >= Duration::from_secs(3), "four times in {:?}", since.elapsed());
}

#[test]
fn a_hundred_addresses_are_a_hundred_endpoints_asked_for_over_tcp() {
    let server = Dnsmasq::start("");
    let everywhere = Origin::on("0.0.0.0:0".parse().unwrap(), |mut peer| {
        let here = peer.stream.local_addr().unwrap().ip().to_string();
        while peer.request().is_some() && peer.send(ok(&here)) {}
    });
    let all: Vec<IpAddr> = (0..100).map(|_| own_address().into()).collect();
    server.hosts(&[("many.test", &all)]);
    let port = everywhere.address().port();
    let gateway = server.gateway(&found(&format!("dns: \"many.test:{port}\""), ""));
    assert_eq!(answering(&gateway, 100).len(), 100);
    assert!(server.asked_over_tcp("query[A] many.test") > 0);
}

#[test]
fn an_address_that_refuses_has_the_name_asked_again_at_once() {
    let server = Dnsmasq::start("local-ttl=600");
    let old = Origin::named("old");
    server.hosts(&[("app.test", &[ip(&old)])]);
    let gateway = Gateway::start(&format!("{}{}", server.section_with("max_ttl: 1h"), app()));
    assert_eq!(gateway.get("/").text(), "old");
    let new = Origin::named("new");
    server.hosts(&[("app.test", &[ip(&new)])]);
    old.crash();
    // far sooner than the answer would have held
    eventually(PATIENCE, || (gateway.get("/").text() == "new").then_some(()));
}

#[test]
fn a_name_that_nobody_knows_at_the_start_is_no_reason_not_to_serve() {
    let server = Dnsmasq::start("local-ttl=1");
    let (origin, other) = (Origin::named("late"), Origin::named("other"));
    let gateway = server.gateway(&format!(
        "upstreams:\n  late: {{ discover: {{ dns: \"late.test:{PORT}\" }} }}\n  other: {{ endpoints: [\"{}\"] }}\n\
         routes:\n  - {{ match: {{ path: /late }}, upstream: late }}\n  - {{ match: {{ path: /* }}, upstream: other }}\n",
        other.address()
    ));
    assert_eq!((gateway.get("/").text(), gateway.get("/late").status), ("other".to_owned(), 503));
    server.hosts(&[("late.test", &[ip(&origin)])]);
    eventually(PATIENCE, || (gateway.get("/late").text() == "late").then_some(()));
}

#[test]
fn a_reload_keeps_what_was_found_and_asks_for_what_is_new() {
    let server = Dnsmasq::start("");
    let [a, b] = ["a", "b"].map(Origin::named);
    server.hosts(&[("app.test", &[ip(&a)]), ("new.test", &[ip(&b)])]);
    let section = server.section();
    let gateway = Gateway::start(&format!("{section}{}", app()));
    assert_eq!(gateway.get("/").text(), "a");
    gateway.reload(&format!("{section}{}", found(&format!("dns: \"app.test:{PORT}\""), "balance: round_robin")));
    assert_eq!(gateway.get("/").text(), "a");
    gateway.reload(&format!("{section}{}", found(&format!("dns: \"new.test:{PORT}\""), "")));
    assert_eq!(gateway.get("/").text(), "b", "the first request after the reload");
    // and back to a written one
    gateway.reload(&format!("{section}{}", pool([a.address()], "")));
    assert_eq!(gateway.get("/").text(), "a");
    let asked = server.logged(&["query[A] new.test"]);
    // two more answers about another name: this one would have been asked for as well
    gateway.reload(&format!("{section}{}", found(&format!("dns: \"app.test:{PORT}\""), "")));
    let of_other = server.logged(&["query[A] app.test"]);
    eventually(PATIENCE, || (server.logged(&["query[A] app.test"]) > of_other + 2).then_some(()));
    assert!(server.logged(&["query[A] new.test"]) <= asked + 1, "nobody seeks it any more");
}

#[test]
fn status_and_metrics_say_who_finds_the_endpoints_and_whether_that_holds() {
    let mut server = Dnsmasq::start("local-ttl=1");
    let [a, b] = ["a", "b"].map(Origin::named);
    server.hosts(&[("app.test", &[ip(&a), ip(&b)])]);
    let gateway = server.gateway(&app());
    let discovery = || json(&gateway.admin("/api/v1/status"))["upstreams"]["app"]["discovery"].clone();
    let now = discovery();
    assert_eq!((now["source"].as_str(), now["state"].as_str()), (Some("dns"), Some("ok")), "{now}");
    assert_eq!(now["endpoints"], 2);
    assert_eq!(gateway.metric("discovery_endpoints{upstream=\"app\"}"), 2.0);
    gateway.expect_metric("discovery_up{source=\"dns\"}", 1.0);
    server.stop();
    eventually(PATIENCE, || (discovery()["state"] == "stale").then_some(()));
    assert!(discovery()["error"].as_str().unwrap().contains("name server"), "{}", discovery());
    gateway.expect_metric("discovery_up{source=\"dns\"}", 0.0);
    // the series of an endpoint that is gone goes with it
    server.start_again("local-ttl=1");
    server.hosts(&[("app.test", &[ip(&b)])]);
    let of = |origin: &Origin| format!("endpoint=\"{}\"", origin.address());
    let shown = || String::from_utf8(gateway.admin("/metrics").body).unwrap();
    assert!(shown().contains(&of(&b)));
    eventually(PATIENCE, || (!shown().contains(&of(&a))).then_some(()));
    gateway.expect_metric("discovery_up{source=\"dns\"}", 1.0);
    server.hosts(&[]);
    eventually(PATIENCE, || (discovery()["state"] == "empty").then_some(()));
    gateway.expect_metric("discovery_endpoints{upstream=\"app\"}", 0.0);
}

#[test]
fn endpoints_prove_to_be_the_name_that_is_written() {
    let authority = Authority::new("Test");
    let origin = Origin::named("secret");
    let secured = TlsOrigin::before(&origin, &authority.issue(&["app.test"]));
    let target = secured.address();
    let server = Dnsmasq::start(&format!("srv-host=_https._tcp.app.test,anywhere.test,{},0,1", target.port()));
    server.hosts(&[("app.test", &[target.ip()]), ("anywhere.test", &[target.ip()])]);
    let tls = format!("tls: {{ ca: {} }}", authority.file().display());
    let dns = format!("dns: \"app.test:{}\"", target.port());
    // of SRV records that is the domain: whoever can forge them names any target
    for source in [&*dns, "srv: _https._tcp.app.test"] {
        let gateway = server.gateway(&found(source, &tls));
        assert_eq!(gateway.get("/").text(), "secret");
        assert_eq!(secured.greetings().last().unwrap().sni.as_deref(), Some("app.test"));
    }
}

#[test]
fn search_domains_and_the_hosts_file_hold_as_the_system_has_them() {
    let Some(server) = NameServer::start() else { return };
    let [searched, whole, written] = ["searched", "whole", "written"].map(Origin::named);
    server.at("app.corp.test", &[ip(&searched)], 1);
    server.at("app", &[ip(&whole)], 1);
    server.write("resolv.conf", &format!("nameserver {}\nsearch corp.test\n", server.address()));
    let two = format!(
        "upstreams:\n  app: {{ discover: {{ dns: \"app:{PORT}\" }} }}\n  \
         whole: {{ discover: {{ dns: \"app.:{PORT}\" }} }}\n\
         routes:\n  - {{ match: {{ path: /whole }}, upstream: whole }}\n  - {{ match: {{ path: /* }}, upstream: app }}\n"
    );
    let gateway = server.gateway(&two);
    assert_eq!((gateway.get("/").text(), gateway.get("/whole").text()), ("searched".into(), "whole".into()));
    server.write("hosts", &format!("127.0.0.1 localhost\n{} app\n", ip(&written)));
    eventually(PATIENCE, || (gateway.get("/").text() == "written").then_some(()));
}
