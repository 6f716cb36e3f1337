//! `split`: a route whose requests go to several upstreams, by weight.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::harness::*;

/// Two upstreams, `old` and `new`, and the route `all` that this divides between them.
fn split(old: SocketAddr, new: SocketAddr, split: &str) -> String {
    format!(
        "threads: 2\ntrusted_proxies: [127.0.0.0/8]\n\
         upstreams: {{ old: {{ endpoints: [\"{old}\"] }}, new: {{ endpoints: [\"{new}\"] }} }}\n\
         routes: [{{ name: all, match: {{ path: /* }}, split: {split} }}]\n"
    )
}

fn weights(old: u32, new: u32) -> String {
    format!("[{{ upstream: old, weight: {old} }}, {{ upstream: new, weight: {new} }}]")
}

fn tally(answers: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    answers.into_iter().for_each(|name| *tally.entry(name).or_default() += 1);
    tally
}

#[test]
fn requests_are_divided_by_weight() {
    let (old, new) = (Origin::named("old"), Origin::named("new"));
    let gateway = Gateway::start(&split(old.address(), new.address(), &weights(3, 1)));
    let mut client = gateway.connect();
    let answers = tally((0..400).map(|_| client.get("/").text()));
    // three in four; seven standard deviations are allowed
    assert!((240..=360).contains(&answers["old"]), "{answers:?}");
    let upstream = |name: &str| gateway.counted(&format!("upstream_requests_total{{upstream=\"{name}\"}}")) as usize;
    assert_eq!((upstream("old"), upstream("new")), (answers["old"], answers["new"]));
    let logged = gateway.expect_logged(400);
    assert_eq!(logged.iter().filter(|line| line["upstream"] == "old").count(), answers["old"]);
    assert!(logged.iter().all(|line| line["route"] == "all"));
}

#[test]
fn a_weight_of_nothing_gets_nothing() {
    let (old, new) = (Origin::named("old"), Origin::named("new"));
    let gateway = Gateway::start(&split(old.address(), new.address(), &weights(0, 5)));
    for _ in 0..50 {
        assert_eq!(gateway.get("/").text(), "new");
    }
}

#[test]
fn by_keeps_a_client_on_its_side_and_few_change_it_when_weights_shift() {
    let (old, new) = (Origin::named("old"), Origin::named("new"));
    let by = |old_weight: u32, new_weight: u32, key: &str| {
        split(old.address(), new.address(), &format!("{{ by: {key}, to: {} }}", weights(old_weight, new_weight)))
    };
    let ask = |gateway: &Gateway, n: usize| {
        let lines = format!("Cookie: id=c{n}\r\nX-Tenant: c{n}\r\nX-Forwarded-For: 10.0.{n}.1");
        gateway.ask(format!("GET /{n}?id=c{n} HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n")).text()
    };
    for key in ["{ cookie: id }", "{ header: X-Tenant }", "{ query: id }", "path", "uri", "client_ip"] {
        let gateway = Gateway::start(&by(1, 1, key));
        let first: Vec<String> = (0..40).map(|n| ask(&gateway, n)).collect();
        assert_eq!(first, (0..40).map(|n| ask(&gateway, n)).collect::<Vec<_>>(), "{key}");
        assert_eq!(tally(first.iter().cloned()).len(), 2, "{key}");
        if key == "{ cookie: id }" {
            // more for the new one: whoever was there already stays there
            gateway.reload(&by(1, 3, key));
            let second: Vec<String> = (0..40).map(|n| ask(&gateway, n)).collect();
            assert!(first.iter().zip(&second).all(|(before, after)| before != "new" || after == "new"));
            assert!(tally(second)["new"] > tally(first)["new"]);
        }
    }
}

#[test]
fn without_its_key_a_request_is_drawn() {
    let (old, new) = (Origin::named("old"), Origin::named("new"));
    let by = format!("{{ by: {{ header: X-Tenant }}, to: {} }}", weights(1, 1));
    let gateway = Gateway::start(&split(old.address(), new.address(), &by));
    // all on one side: less likely than one in a billion
    assert_eq!(tally((0..40).map(|_| gateway.get("/").text())).len(), 2);
}

#[test]
fn a_request_is_retried_within_its_upstream() {
    let (broken, sound) = (Origin::refusing(), Origin::named("sound"));
    let gateway = Gateway::start(&split(broken, sound.address(), &weights(1, 0)));
    for _ in 0..3 {
        assert_eq!(gateway.get("/").status, 502);
    }
    assert_eq!(sound.connections(), 0);
}
