//! Endpoints that are written as names: asked again while the gateway runs, all addresses used, the last good ones kept.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::*;

const PORT: u16 = 21000;

fn ip(origin: &Origin) -> IpAddr {
    origin.address().ip()
}

/// Answers until `count` requests were made, by whom.
fn names_of(gateway: &Gateway, count: usize) -> Vec<String> {
    (0..count).map(|_| gateway.get("/").text()).collect()
}

#[test]
fn every_address_of_a_name_is_an_endpoint() {
    let Some(server) = NameServer::start() else { return };
    let origins = ["a", "b", "c"].map(Origin::named);
    server.at("app.test", &origins.each_ref().map(ip), 60);
    let gateway = server.gateway(&format!("threads: 2\n{}", pool([format!("app.test:{PORT}")], "")));
    names_of(&gateway, 9);
    assert!(origins.iter().all(|origin| origin.requests().len() == 3));
    // metrics know what was written, whatever it stands for
    assert_eq!(gateway.counted("upstream_requests_total{endpoint=\"app.test:21000\"}"), 9.0);
    // one of them fails: the others are there
    let [a, ..] = origins;
    a.crash();
    assert!(names_of(&gateway, 9).iter().all(|name| name != "a"));
}

#[test]
fn a_hundred_addresses_are_a_hundred_endpoints() {
    let Some(server) = NameServer::start() else { return };
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let everywhere = Origin::on(address, |mut peer| {
        let here = peer.stream.local_addr().unwrap().ip().to_string();
        while peer.request().is_some() && peer.send(ok(&here)) {}
    });
    let all: Vec<IpAddr> = (1..=100).map(|_| IpAddr::from(own_address())).collect();
    server.at("many.test", &all, 60);
    let gateway = server.gateway(&pool([format!("many.test:{}", everywhere.address().port())], ""));
    let mut reached = names_of(&gateway, 100);
    reached.sort_unstable();
    reached.dedup();
    assert_eq!(reached.len(), 100);
}

#[test]
fn a_changed_address_moves_the_traffic_without_a_failed_request() {
    let Some(server) = NameServer::start() else { return };
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
    server.at("app.test", &[ip(&old)], 1);
    let gateway = server.gateway(&format!("threads: 2\n{}", pool([format!("app.test:{PORT}")], "")));
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
                    let mut client = gateway.connect();
                    let mut failed = 0;
                    while !done.load(Ordering::Acquire) {
                        let response = match n {
                            0 => gateway.get("/"),
                            _ => client.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"),
                        };
                        failed += usize::from(response.status != 200);
                        moved.fetch_or(response.text() == "new", Ordering::AcqRel);
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    failed
                })
            })
            .collect();
        let _done = Done(&done);
        server.at("app.test", &[ip(&new)], 1);
        new.expect_requests(50);
        // what was sent to the old one ends there, and nothing new is sent
        eventually(PATIENCE, || moved.iter().all(|moved| moved.load(Ordering::Acquire)).then_some(()));
        let before = old.requests().len();
        gate.open();
        new.expect_requests(100);
        assert_eq!(old.requests().len(), before);
        done.store(true, Ordering::Release);
        assert_eq!(traffic.into_iter().map(|client| client.join().unwrap()).sum::<usize>(), 0);
    });
    assert_eq!(long.response().text(), "old");
    gateway.expect_said(&format!("endpoint app.test:{PORT} is at {}", new.address()));
    gateway.expect_metric("upstream_in_flight", 0.0);
    // connections to the old one are let go of
    eventually(PATIENCE, || (old.ended() == old.connections()).then_some(()));
}

#[test]
fn the_last_good_addresses_are_kept_whatever_goes_wrong_with_the_name() {
    let Some(server) = NameServer::start() else { return };
    let origin = Origin::named("o");
    let kinds = [
        ("nothing.test", Reply::Nothing),
        ("none.test", Reply::NoSuchName),
        ("trouble.test", Reply::Trouble),
        ("silent.test", Reply::Silence),
    ];
    let (mut upstreams, mut routes) = (String::new(), String::new());
    for (name, _) in &kinds {
        server.at(name, &[ip(&origin)], 1);
        upstreams += &format!("  \"{}\": {{ endpoints: [\"{name}:{PORT}\"] }}\n", &name[..4]);
        routes += &format!("  - {{ match: {{ path: /{name} }}, upstream: \"{}\" }}\n", &name[..4]);
    }
    let gateway = server.gateway(&format!("upstreams:\n{upstreams}routes:\n{routes}"));
    let asked: Vec<usize> = kinds
        .iter()
        .map(|(name, said)| {
            server.say_only(name, said);
            server.asked(name)
        })
        .collect();
    for ((name, _), asked) in kinds.iter().zip(asked) {
        eventually(PATIENCE, || (server.asked(name) > asked + 1).then_some(()));
        gateway.expect_said(&format!(
            "the name of endpoint {name}:{PORT} does not resolve, its last addresses are kept: "
        ));
        assert_eq!(gateway.get(&format!("/{name}")).text(), "o", "{name}");
        server.at(name, &[ip(&origin)], 1);
    }
    for (name, _) in &kinds {
        gateway.expect_said(&format!("the name of endpoint {name}:{PORT} resolves again"));
    }
    assert_eq!(gateway.stderr().matches("does not resolve").count(), kinds.len(), "said once each");
    assert_eq!(gateway.metric("upstream_endpoint_up"), kinds.len() as f64);
}

#[test]
fn a_name_without_an_address_at_the_start_is_down_until_it_has_one() {
    let Some(server) = NameServer::start() else { return };
    let origin = Origin::named("late");
    let other = Origin::named("other");
    let upstreams = format!(
        "upstreams:\n  app: {{ endpoints: [\"app.test:{PORT}\"] }}\n\
         \x20 both: {{ endpoints: [\"app.test:{PORT}\", \"{}\"] }}\n",
        other.address()
    );
    let routes =
        "routes:\n  - { match: { path: /app }, upstream: app }\n  - { match: { path: /both }, upstream: both }\n";
    let gateway = server.gateway(&format!("{upstreams}{routes}"));
    gateway.expect_said("the name of endpoint app.test:21000 does not resolve, it is down: there is no such name");
    let down = gateway.get("/app");
    assert_eq!((down.status, down.header("retry-after")), (503, Some("1")));
    assert_eq!(gateway.logged("/app")["reason"], "no_endpoint");
    assert_eq!(gateway.metric("upstream_endpoint_up{upstream=\"app\"}"), 0.0);
    for _ in 0..4 {
        assert_eq!(gateway.get("/both").text(), "other");
    }
    server.at("app.test", &[ip(&origin)], 60);
    eventually(PATIENCE, || (gateway.get("/app").text() == "late").then_some(()));
    gateway.expect_metric("upstream_endpoint_up", 3.0);
    let both = [gateway.get("/both").text(), gateway.get("/both").text()];
    assert!(both.contains(&"late".to_owned()), "{both:?}");
}

#[test]
fn an_address_that_refuses_has_its_name_asked_again_at_once() {
    let Some(server) = NameServer::start() else { return };
    let old = Origin::named("old");
    server.at("app.test", &[ip(&old)], 600);
    let gateway =
        server.gateway(&format!("discovery: {{ dns: {{ max_ttl: 1h }} }}\n{}", pool([format!("app.test:{PORT}")], "")));
    assert_eq!(gateway.get("/").text(), "old");
    // the container is made anew, with another address
    old.crash();
    let new = Origin::named("new");
    server.at("app.test", &[ip(&new)], 600);
    // no answer holds longer than is written: an hour
    eventually(PATIENCE, || (gateway.get("/").text() == "new").then_some(()));
}

#[test]
fn a_name_is_asked_for_once_a_second_at_most() {
    let Some(server) = NameServer::start() else { return };
    let origin = Origin::named("o");
    server.at("app.test", &[ip(&origin)], 0);
    let since = Instant::now();
    let gateway = server.gateway(&pool([format!("app.test:{PORT}")], ""));
    eventually(PATIENCE, || {
        assert_eq!(gateway.get("/").text(), "o");
        (server.asked("app.test") >= 4).then_some(())
    });
    let seconds = since.elapsed().as_secs_f64();
    assert!(seconds >= 3.0, "four times in {seconds} s");
}

#[test]
fn a_name_server_that_is_silent_delays_neither_requests_nor_a_reload_for_long() {
    let Some(server) = NameServer::start() else { return };
    let origin = Origin::named("o");
    server.say_only("silent.test", &Reply::Silence);
    server.say_only("new.test", &Reply::Silence);
    let with = |name: &str| {
        format!(
            "upstreams: {{ dark: {{ endpoints: [\"{name}:{PORT}\"] }}, app: {{ endpoints: [\"{}\"] }} }}\n\
             routes:\n  - {{ match: {{ path: /dark }}, upstream: dark }}\n  - {{ match: {{ path: /* }}, upstream: app }}\n",
            origin.address()
        )
    };
    let since = Instant::now();
    let gateway = server.gateway(&with("silent.test"));
    assert!(since.elapsed() < Duration::from_secs(12), "ready after {:?}", since.elapsed());
    gateway.expect_said(
        "the name of endpoint silent.test:21000 does not resolve, it is down: no name server answers in time",
    );
    let (mut served, asked) = (0, server.asked("silent.test"));
    while server.asked("silent.test") < asked + 4 {
        assert_eq!((gateway.get("/").text(), gateway.get("/dark").status), ("o".to_owned(), 503));
        served += 1;
    }
    assert!(served > 20, "requests waited for the name server: {served} while it was asked four times");
    // a name that is known to be in the dark delays no reload, a new one only a little
    let since = Instant::now();
    gateway.reload(&format!("threads: auto\n{}", with("silent.test")));
    let known = since.elapsed();
    let since = Instant::now();
    gateway.reload(&with("new.test"));
    let new = since.elapsed();
    assert!(new < Duration::from_secs(12), "reloaded after {new:?}");
    assert!(known + Duration::from_secs(2) < new, "{known:?} for a known name, {new:?} for a new one");
    assert_eq!(gateway.get("/").text(), "o");
}

#[test]
fn a_family_of_addresses_that_cannot_be_asked_for_costs_nothing_of_the_other() {
    let Some(server) = NameServer::start() else { return };
    let origin = Origin::named("o");
    let here = || Reply::At(vec![ip(&origin)], 1);
    for (name, six) in
        [("silent.test", Reply::Silence), ("trouble.test", Reply::Trouble), ("none.test", Reply::NoSuchName)]
    {
        server.say(name, here(), six);
    }
    let names = ["silent.test", "trouble.test", "none.test"].map(|name| format!("{name}:{PORT}"));
    let gateway = server.gateway(&pool(&names, ""));
    assert_eq!(gateway.metric("upstream_endpoint_up"), 3.0, "{}", gateway.stderr());
    // now nothing is heard of IPv4: what was known of it holds
    server.say("trouble.test", Reply::Trouble, Reply::At(vec!["::1".parse().unwrap()], 1));
    gateway.expect_said(&format!("endpoint trouble.test:{PORT} is at {}, [::1]:{PORT}", origin.address()));
    for _ in 0..6 {
        assert_eq!(gateway.get("/").text(), "o");
    }
}

#[test]
fn a_name_with_an_address_of_each_family_is_one_endpoint_and_either_may_answer() {
    let Some(server) = NameServer::start() else { return };
    let nowhere: IpAddr = own_address().into();
    for listening in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(bound) = std::net::TcpListener::bind(listening) else {
            eprintln!("SKIPPED: this machine has no address of the kind of {listening}");
            return;
        };
        let address = bound.local_addr().unwrap();
        drop(bound);
        let fails = std::sync::Arc::new(AtomicBool::new(false));
        let moody = fails.clone();
        let origin = Origin::on(address, move |mut peer| {
            while peer.request().is_some() {
                if moody.load(Ordering::Acquire) {
                    return peer.reset();
                }
                peer.send(ok("here"));
            }
        });
        let port = address.port();
        server.at("app.test", &[if address.is_ipv4() { address.ip() } else { nowhere }, "::1".parse().unwrap()], 60);
        for name in ["localhost", "app.test"] {
            let gateway = server.gateway(&pool([format!("{name}:{port}")], "keepalive: { idle: 0 }"));
            for n in 0..6 {
                assert_eq!(gateway.get(&format!("/{n}")).text(), "here", "{name} at {address}");
                assert_eq!(gateway.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi").text(), "here");
            }
            assert_eq!(gateway.counted("upstream_retries_total"), 0.0);
            // it is the only endpoint, and so never left alone
            fails.store(true, Ordering::Release);
            (0..3).for_each(|_| assert_eq!(gateway.get("/").status, 502));
            fails.store(false, Ordering::Release);
            assert_eq!(gateway.get("/").text(), "here", "{name} at {address}");
            assert!(!gateway.stderr().contains("cannot be reached"), "{}", gateway.stderr());
        }
        assert!(origin.connections() >= 32);
    }
}

#[test]
fn an_address_that_is_silent_leaves_the_connection_to_the_other_one_soon() {
    let Some(server) = NameServer::start() else { return };
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this machine has no ::1");
        return;
    }
    let six =
        Origin::on("[::1]:0".parse().unwrap(), |mut peer| while peer.request().is_some() && peer.send(ok("six")) {});
    // a listener whose queue is full: the kernel drops further attempts
    let silent = std::net::TcpListener::bind((own_address(), six.address().port())).unwrap();
    rustix::net::listen(&silent, 0).unwrap();
    let four = silent.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&four, Duration::from_millis(200)).ok();
    let _full: Vec<_> = std::iter::from_fn(connect).take(100).collect();
    server.at("app.test", &[four.ip(), six.address().ip()], 60);
    let gateway = server.gateway(&pool([format!("app.test:{}", four.port())], ""));
    assert_eq!(gateway.get("/").text(), "six");
    let seconds = gateway.logged("/")["upstream_connect_s"].as_f64().unwrap();
    assert!((0.2..4.0).contains(&seconds), "connected in {seconds} s");
}

#[test]
fn changed_settings_of_the_system_are_followed() {
    let (Some(server), Some(other)) = (NameServer::start(), NameServer::start()) else { return };
    let [first, second, third] = ["first", "second", "third"].map(Origin::named);
    server.at("app.test", &[ip(&first)], 1);
    other.at("app.test", &[ip(&second)], 1);
    let gateway = server.gateway(&pool([format!("app.test:{PORT}")], ""));
    assert_eq!(gateway.get("/").text(), "first");
    server.write("resolv.conf", &format!("nameserver {}\noptions ndots:0 edns0 trust-ad\n", other.address()));
    eventually(PATIENCE, || (gateway.get("/").text() == "second").then_some(()));
    // who is in /etc/hosts is not asked for elsewhere, also where no name server is left
    server.write("resolv.conf", "# nobody\n");
    server.write("hosts", &format!("127.0.0.1 localhost\n{} App.Test # by hand\n", ip(&third)));
    eventually(PATIENCE, || (gateway.get("/").text() == "third").then_some(()));
    let asked = (server.asked("app.test"), other.asked("app.test"));
    assert!(asked.0 > 0 && asked.1 > 0, "{asked:?}");
}

#[test]
fn many_names_are_all_known_at_the_start() {
    let Some(server) = NameServer::start() else { return };
    let origin = Origin::named("o");
    let names: Vec<String> = (0..150).map(|n| format!("n{n}.test")).collect();
    names.iter().for_each(|name| server.at(name, &[ip(&origin)], 60));
    let start = Instant::now();
    let gateway = server.gateway(&pool(names.iter().map(|name| format!("{name}:{PORT}")), ""));
    // a start waits for names for four seconds: one that took longer says nothing, but that they come
    match start.elapsed() < Duration::from_secs(4) {
        true => assert_eq!(gateway.metric("upstream_endpoint_up"), 150.0, "{}", gateway.stderr()),
        false => gateway.expect_metric("upstream_endpoint_up", 150.0),
    }
}
