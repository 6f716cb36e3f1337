//! `deploy/rollout`: containers are replaced in a real engine while requests keep coming.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::deploy_engine::*;
use crate::harness::*;

/// Two slots for the containers of a service, a gateway before them, and the names that they have here.
struct Stage {
    engine: &'static Engine,
    gateway: Gateway,
    slots: [SocketAddr; 2],
    name: String,
}

impl Drop for Stage {
    fn drop(&mut self) {
        for colour in ["blue", "green"] {
            self.engine.remove(&format!("{}-{colour}", self.name));
        }
    }
}

impl Stage {
    fn set(name: &str) -> Option<Stage> {
        let engine = engine()?;
        engine.image();
        let slots = [own_address(), own_address()].map(|ip: Ipv4Addr| SocketAddr::from((ip, 3000)));
        let gateway = Gateway::before_all(&slots, "");
        Some(Stage { engine, gateway, slots, name: own(name) })
    }

    /// Rolls out a container that says `version`; `starts` is what its shell does first.
    fn roll(&self, options: &[&str], version: &str, starts: &str) -> Output {
        let app = format!("{starts} exec wharf demo --service {version} --listen \"$0\"");
        // `--admin` belongs behind the command
        let (script, program) = (self.gateway.folder().join("asks"), env!("CARGO_BIN_EXE_wharf"));
        let asks = format!("exec {program} \"$@\" --admin http://{}\n", self.gateway.on(21900));
        std::fs::write(&script, asks).unwrap();
        let [blue, green] = self.slots.map(|slot| slot.to_string());
        let check = "exec 3<>/dev/tcp/{host}/{port}";
        let mut rollout = self.engine.client(&root().join("deploy/rollout"));
        rollout.args(["--wharf", &format!("sh {}", script.display()), "--stop", "2", "--watch", "1"]).args(options);
        rollout.args(["app", &self.name, &blue, &green, "--", "--network=host", "--init", "--entrypoint=bash"]);
        rollout.args(["--health-cmd", &format!("bash -c '{check}'"), "--health-interval=1s", "--health-retries=60"]);
        rollout.args([self.engine.image(), "-c", &app, "{endpoint}"]).output().unwrap()
    }

    /// Which of the two run.
    fn running(&self) -> Vec<String> {
        let names = self.engine.say(&["ps", "--filter", &format!("name={}", self.name), "--format", "{{.Names}}"]);
        let mut names: Vec<String> = names.lines().map(|line| line.rsplit_once('-').unwrap().1.to_owned()).collect();
        names.sort();
        names
    }

    fn version(&self) -> String {
        let said: serde_json::Value = serde_json::from_str(&self.gateway.get("/").text()).unwrap();
        said["service"].as_str().unwrap().to_owned()
    }
}

#[test]
fn containers_are_replaced_again_and_again_and_no_request_fails() {
    let Some(stage) = Stage::set("shop") else { return };
    let first = stage.roll(&[], "v1", "");
    assert!(first.status.success(), "{}", all(&first));
    assert_eq!((stage.running(), stage.version()), (vec!["blue".to_owned()], "v1".to_owned()));
    let (done, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let _done = Done(&done);
        let ask = || {
            let mut client = stage.gateway.connect();
            let mut failed = Vec::new();
            for turn in 0_u32.. {
                if done.load(Ordering::Acquire) {
                    break;
                }
                // new connections and kept ones, none for so long that the gateway ends it
                if turn % 16 == 0 {
                    client = stage.gateway.connect();
                }
                asked.fetch_add(1, Ordering::Relaxed);
                let method = if turn % 2 == 0 { "GET" } else { "POST" };
                match client.try_ask(&format!("{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")) {
                    Ok(response) if response.status == 200 => {}
                    other => failed.push(format!("{other:?}")),
                }
            }
            failed
        };
        let asking: Vec<_> = (0..2).map(|_| scope.spawn(ask)).collect();
        // the app needs two seconds before it answers
        for (version, colour) in [("v2", "green"), ("v3", "blue"), ("v4", "green")] {
            let rolled = stage.roll(&[], version, "sleep 2;");
            assert!(rolled.status.success(), "{}", all(&rolled));
            assert_eq!((stage.running(), stage.version()), (vec![colour.to_owned()], version.to_owned()));
        }
        done.store(true, Ordering::Release);
        let failed: Vec<String> = asking.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), asked.load(Ordering::Relaxed), &failed[..1]);
    });
    assert!(asked.load(Ordering::Relaxed) > 500, "{asked:?} requests are no load");
}

#[test]
fn a_container_that_never_becomes_healthy_is_taken_away_and_the_old_one_serves_on() {
    let Some(stage) = Stage::set("sick") else { return };
    assert!(stage.roll(&[], "v1", "").status.success());
    for (starts, why) in
        [("echo no database; exit 7;", "has ended"), ("echo no database; sleep 60;", "is not healthy after 3 s")]
    {
        let sick = stage.roll(&["--timeout", "3"], "v2", starts);
        let said = all(&sick);
        assert_eq!(sick.status.code(), Some(1), "{said}");
        assert!(
            said.contains(why) && said.contains("no database") && said.contains("nothing else has changed"),
            "{said}"
        );
        assert_eq!((stage.running(), stage.version()), (vec!["blue".to_owned()], "v1".to_owned()));
    }
    // nor one that ends when it has just been found healthy
    let short = stage.roll(&["--watch", "20"], "v2", "(sleep 4; echo no memory; kill -9 $$) &");
    let said = all(&short);
    assert_eq!(short.status.code(), Some(1), "{said}");
    assert!(said.contains("gets requests") && said.contains("no memory") && said.contains("nothing else"), "{said}");
    assert_eq!((stage.running(), stage.version()), (vec!["blue".to_owned()], "v1".to_owned()));
    // its mended successor comes in the same way
    assert!(stage.roll(&[], "v3", "").status.success());
    assert_eq!((stage.running(), stage.version()), (vec!["green".to_owned()], "v3".to_owned()));
}

#[test]
fn a_rollout_that_was_cut_short_is_finished_by_the_next() {
    let Some(stage) = Stage::set("cut") else { return };
    assert!(stage.roll(&[], "v1", "").status.success());
    // a request that does not end yet
    let blue = format!("{}-blue", stage.name);
    stage.engine.say(&["pause", &blue]);
    let mut client = stage.gateway.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    stage.gateway.expect_metric("http_requests_in_flight", 1.0);
    let short = stage.roll(&["--drain", "1"], "v2", "");
    assert_eq!(short.status.code(), Some(1), "{}", all(&short));
    assert!(all(&short).contains("still has requests"), "{}", all(&short));
    assert_eq!((stage.running().len(), stage.version()), (2, "v2".to_owned()));
    stage.engine.say(&["unpause", &blue]);
    assert!(client.response().text().contains("v1"));
    let next = stage.roll(&[], "v3", "");
    assert!(next.status.success() && all(&next).contains("finishing the rollout before"), "{}", all(&next));
    assert_eq!((stage.running(), stage.version()), (vec!["blue".to_owned()], "v3".to_owned()));
}

#[test]
fn a_gateway_that_cannot_be_asked_stops_the_rollout_before_it_begins() {
    let Some(stage) = Stage::set("none") else { return };
    let [blue, green] = stage.slots.map(|slot| slot.to_string());
    let mut rollout = stage.engine.client(&root().join("deploy/rollout"));
    let nobody = format!("{} --admin http://{}", env!("CARGO_BIN_EXE_wharf"), stage.gateway.on(1));
    let said = rollout.args(["--wharf", &nobody, "app", &stage.name, &blue, &green, "--", "wharf"]).output().unwrap();
    assert!(!said.status.success(), "{}", all(&said));
    assert!(stage.running().is_empty());
}

#[test]
fn an_endpoint_that_the_gateway_does_not_know_or_an_image_that_is_not_there_stops_the_rollout_before_it_begins() {
    let Some(mut stage) = Stage::set("typo") else { return };
    assert!(stage.roll(&[], "v1", "").status.success());
    let blue = std::mem::replace(&mut stage.slots[0], (own_address(), 3001).into());
    let said = all(&stage.roll(&[], "v2", ""));
    assert!(said.contains("the gateway knows no endpoint") && said.contains(":3001"), "{said}");
    assert_eq!((stage.running(), stage.version()), (vec!["blue".to_owned()], "v1".to_owned()));
    stage.slots[0] = blue;
    let script = stage.gateway.folder().join("asks");
    let [blue, green] = stage.slots.map(|slot| slot.to_string());
    let mut rollout = stage.engine.client(&root().join("deploy/rollout"));
    rollout.args(["--wharf", &format!("sh {}", script.display()), "app", &stage.name, &blue, &green, "--"]);
    let said = all(&rollout.args(["--network=none", "--pull=never", "wharf:of-tomorrow"]).output().unwrap());
    assert!(said.contains("could not be started; nothing else has changed"), "{said}");
    assert_eq!((stage.running(), stage.version()), (vec!["blue".to_owned()], "v1".to_owned()));
}

#[test]
fn the_scripts_have_nothing_that_shellcheck_complains_of() {
    if !has(&["shellcheck"]) {
        return;
    }
    let scripts = ["deploy/rollout", "deploy/setup", "deploy/debian/build"];
    done(Command::new("shellcheck").args(scripts).current_dir(root()));
}
