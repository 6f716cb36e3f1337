//! What a new process knows of the upstreams when it takes over (USR2): what the old one knew.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::*;

/// Asks without a break, each time on a new connection, while `what` runs. What was answered.
fn under_load(gateway: &mut Gateway, what: impl FnOnce(&mut Gateway)) -> Vec<(u16, String)> {
    let (done, address) = (AtomicBool::new(false), gateway.address());
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut answers = Vec::new();
            while !done.load(Ordering::Acquire) {
                let response = Client::connect(address).get("/");
                answers.push((response.status, response.text()));
            }
            answers
        });
        let end = Done(&done);
        what(gateway);
        drop(end);
        client.join().unwrap()
    })
}

/// Upgrades, and waits until a good number of requests was served since.
fn upgrade_and_go_on(gateway: &mut Gateway) {
    let old = gateway.upgrade();
    eventually(PATIENCE, || (gateway.metric("upstream_requests_total") >= 100.0).then_some(()));
    assert_eq!(old.ended(), Some(0));
}

#[test]
fn endpoints_that_start_down_go_on_serving_over_an_upgrade() {
    let origin = Origin::named("o");
    let mut gateway = Gateway::start(&pool(
        [origin.address()],
        "active: { path: /health, interval: 60s, timeout: 50s, rise: 3, start: down }",
    ));
    // not after three minutes
    eventually(PATIENCE, || (gateway.get("/").text() == "o").then_some(()));
    for _ in 0..2 {
        let answers = under_load(&mut gateway, upgrade_and_go_on);
        assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    }
}

#[test]
fn an_endpoint_that_is_known_to_be_down_gets_nothing_after_an_upgrade() {
    let sick = Origin::answering(|request| match request.target.as_str() {
        "/health" => with_head("HTTP/1.1 500 Sick", ""),
        _ => ok("sick"),
    });
    let sound = Origin::named("sound");
    let mut gateway = Gateway::start(&pool(
        [sick.address(), sound.address()],
        "active: { path: /health, interval: 60s, timeout: 50s, fall: 1 }",
    ));
    eventually(PATIENCE, || (gateway.states() == ["down 0", "up 0"]).then_some(()));
    for _ in 0..2 {
        let answers = under_load(&mut gateway, upgrade_and_go_on);
        assert!(answers.iter().all(|(_, text)| text == "sound"), "{answers:?}");
        assert_eq!(gateway.states()[0], "down 0");
    }
    // who does not check any more takes it back
    let sound = sound.address();
    gateway.pause();
    gateway.rewrite(&pool([sick.address(), sound], ""));
    gateway.ask_for_upgrade();
    gateway.resume();
    gateway.upgraded();
    eventually(PATIENCE, || (gateway.states() == ["up 0", "up 0"]).then_some(()));
}

#[test]
fn an_endpoint_that_was_ejected_is_left_alone_after_an_upgrade() {
    let refuses = Origin::refusing();
    let sound = Origin::named("sound");
    let passive = "passive: { max_fails: 1, fail_timeout: 600s }";
    let mut gateway = Gateway::start(&pool([refuses, sound.address()], passive));
    let states = |gateway: &Gateway| gateway.states().iter().map(|s| s.replace(" 0", "")).collect::<Vec<_>>();
    eventually(PATIENCE, || {
        gateway.get("/");
        (states(&gateway) == ["ejected", "up"]).then_some(())
    });
    let revived = Origin::on(refuses, |mut peer| while peer.request().is_some() && peer.send(ok("revived")) {});
    for _ in 0..2 {
        let answers = under_load(&mut gateway, upgrade_and_go_on);
        assert!(answers.iter().all(|(_, text)| text == "sound"), "{answers:?}");
        assert_eq!(states(&gateway), ["ejected", "up"]);
    }
    assert_eq!(revived.connections(), 0);
}

#[test]
fn the_last_good_addresses_of_a_name_survive_an_upgrade() {
    let Some(server) = NameServer::start() else { return };
    let origin = Origin::named("o");
    let ip: IpAddr = origin.address().ip();
    server.at("app.test", &[ip], 1);
    let name = format!("app.test:{}", origin.address().port());
    let mut gateway = server.gateway(&pool([&name], "active: { path: /health, start: down }"));
    eventually(PATIENCE, || (gateway.get("/").text() == "o").then_some(()));
    server.say_only("app.test", &Reply::Trouble);
    gateway.expect_said(&format!("the name of endpoint {name} does not resolve, its last addresses are kept: "));
    for _ in 0..2 {
        let answers = under_load(&mut gateway, upgrade_and_go_on);
        assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    }
    // and it is asked on
    let moved = Origin::named("moved");
    server.at("app.test", &[moved.address().ip()], 1);
    eventually(PATIENCE + Duration::from_secs(5), || (gateway.get("/").text() == "moved").then_some(()));
}
