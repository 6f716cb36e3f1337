//! `deploy/compose` and `deploy/swarm`: what they describe comes up in a real engine, serves, and is watched.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::deploy_engine::*;
use crate::harness::*;

/// How long a whole stack may take to come up, or Prometheus to notice.
const STACK_PATIENCE: Duration = Duration::from_secs(60);

/// A node that leaves its swarm takes all containers out of the networks that Compose makes: one of the two at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What Prometheus answers to a question of its API, `Null` while it does not.
fn asked(address: SocketAddr, path: &str) -> Value {
    if std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        return Value::Null;
    }
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    match Client::connect(address).try_ask(&request) {
        Ok(response) => serde_json::from_slice(&response.body).unwrap_or_default(),
        Err(_) => Value::Null,
    }
}

/// A project that is taken down when the test ends.
struct Project<'e> {
    engine: &'e Engine,
    folder: std::path::PathBuf,
    name: String,
    here: Ipv4Addr,
}

impl Project<'_> {
    fn compose(&self, arguments: &[&str]) -> Command {
        let mut command = self.engine.client(&program("docker-compose").unwrap());
        command.args(["--project-name", &self.name, "--file"]).arg(self.folder.join("compose/compose.yml"));
        command.args(arguments).env("LISTEN", self.here.to_string()).env("LISTEN_PROMETHEUS", self.here.to_string());
        command.env("DOCKER_SOCKET", self.engine.socket());
        command
    }

    /// Asks for this again and again until `work` is done; every answer must be good. How many there were.
    fn under_load(&self, path: &str, work: impl FnOnce()) -> u32 {
        let (stop, served) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            let done = Done(&stop);
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Acquire) {
                        let start = Instant::now();
                        let response = Client::connect((self.here, 8080).into()).get(path);
                        assert_eq!(response.status, 200, "after {:?}: {}", start.elapsed(), response.text());
                        served.fetch_add(1, Ordering::AcqRel);
                    }
                });
            }
            work();
            drop(done);
        });
        served.load(Ordering::Acquire)
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let _ = self.compose(&["down", "--volumes", "--timeout", "1"]).output();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

#[test]
fn the_composed_services_come_up_serve_and_are_watched() {
    if !has(&["docker-compose", "prometheus"]) {
        return;
    }
    let Some(engine) = engine() else { return };
    engine.image();
    let _alone = alone();
    let folder = scratch("compose");
    done(Command::new("cp").arg("-r").arg(root().join("deploy/.")).arg(&folder));
    // Prometheus as its own image has it, of Debian's program
    std::fs::copy(program("prometheus").unwrap(), folder.join("grafana/prometheus")).unwrap();
    std::fs::write(
        folder.join("grafana/Dockerfile"),
        "FROM debian\nCOPY prometheus /bin/prometheus\nRUN install -d -o nobody /prometheus\nUSER nobody\n\
         WORKDIR /prometheus\nENTRYPOINT [\"/bin/prometheus\"]\n",
    )
    .unwrap();
    let compose: Value =
        serde_yaml::from_str(&std::fs::read_to_string(folder.join("compose/compose.yml")).unwrap()).unwrap();
    let image = compose["services"]["prometheus"]["image"].as_str().unwrap();
    engine.say(&["build", "--quiet", "--network=host", "--tag", image, folder.join("grafana").to_str().unwrap()]);

    let project = Project { engine, folder, name: own("wharf"), here: own_address() };
    // what is built is what this repository has, by whichever service comes first: none is in a registry
    let config: Value = serde_yaml::from_str(&done(&mut project.compose(&["config"]))).unwrap();
    for (name, service) in config["services"].as_object().unwrap().iter().filter(|(_, s)| s["image"] == "wharf") {
        let build = &service["build"];
        let context = Path::new(build["context"].as_str().unwrap_or_else(|| panic!("{name} is not built")));
        assert!(context.exists() && root().join(build["dockerfile"].as_str().unwrap()).exists(), "{build}");
    }
    done(&mut project.compose(&["up", "--detach", "--no-build"]));
    engine.await_healthy(done(&mut project.compose(&["ps", "--quiet", "gateway"])).trim());

    let (web, prometheus) = (SocketAddr::from((project.here, 8080)), SocketAddr::from((project.here, 9090)));
    let says = |path: &str, what: &str| {
        let said: Value = serde_json::from_str(&Client::connect(web).get(path).text()).unwrap_or_default();
        said[what].as_str().unwrap_or_default().to_owned()
    };
    let ids = |service: &str| -> BTreeSet<String> {
        let said = done(&mut project.compose(&["ps", "--quiet", service]));
        said.lines().map(|id| id[..12].to_owned()).collect()
    };
    // containers are found by their labels, and all of them get requests
    let expect_all_of = |service: &str, number: usize| {
        let (all, mut seen) = (ids(service), BTreeSet::new());
        assert_eq!(all.len(), number);
        eventually(STACK_PATIENCE, || {
            let instance = says(&format!("/v1/{service}/1"), "instance");
            if all.contains(&instance) {
                seen.insert(instance);
            }
            (seen == all).then_some(())
        });
    };
    expect_all_of("user", 2);
    expect_all_of("cart", 1);
    assert_eq!((says("/v1/user/1", "service"), says("/v1/cart/1", "service")), ("user".to_owned(), "cart".to_owned()));

    // more of them, other ones, fewer of them: no request fails, and nobody touches the gateway's file
    let served = project.under_load("/v1/user/1", || {
        done(&mut project.compose(&["up", "--detach", "--no-build", "--scale", "user=3", "user"]));
        expect_all_of("user", 3);
        let before = ids("user");
        // one after the other: who is sent a request in the moment in which all of them stop has nobody else to turn to
        for old in &before {
            engine.say(&["stop", old]);
            engine.say(&["rm", old]);
            done(&mut project.compose(&["up", "--detach", "--no-build", "--scale", "user=3", "user"]));
            expect_all_of("user", 3);
        }
        assert!(ids("user").is_disjoint(&before));
        done(&mut project.compose(&["up", "--detach", "--no-build", "--scale", "user=1", "user"]));
        expect_all_of("user", 1);
    });
    assert!(served > 50, "{served}");
    // who reads the engine's socket has no network, and who has the network sees no engine
    let agent = done(&mut project.compose(&["ps", "--quiet", "agent"])).trim().to_owned();
    assert_eq!(engine.inspect(&agent, "{{.HostConfig.NetworkMode}} {{.HostConfig.CapDrop}}"), "none [ALL]");
    for service in ["gateway", "user", "cart"] {
        let container = ids(service).pop_first().unwrap();
        let mounts = engine.inspect(&container, "{{range .Mounts}}{{.Source}} {{.Destination}} {{end}}");
        assert!(!mounts.contains("docker.sock"), "{service}: {mounts}");
    }

    // an agent that has no network, and is told none, finds containers on the one that they have
    let (found, socket) = (project.folder.join("found"), engine.socket());
    std::fs::create_dir_all(&found).unwrap();
    let [found_at, socket] = [(&found, "/run/wharf"), (&socket, "/var/run/docker.sock:ro")]
        .map(|(path, at)| format!("{}:{at}", path.display()));
    let told_nothing = ["run", "--detach", "--network=none", "--user=0:0", "--volume", &found_at, "--volume", &socket];
    let other =
        engine.say(&[&told_nothing[..], &["wharf", "agent", "docker", "--out", "/run/wharf/found.json"]].concat());
    let kept = eventually(PATIENCE, || {
        let text = std::fs::read_to_string(found.join("found.json")).unwrap_or_default();
        text.contains("_cart_1").then_some(text)
    });
    assert!(kept.contains("\"warnings\": []"), "{kept}");
    engine.remove(&other);

    // a saved file is live
    let file = project.folder.join("compose/wharf/gateway.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file.with_extension("new"), text.replace("pong", "changed")).unwrap();
    std::fs::rename(file.with_extension("new"), &file).unwrap();
    eventually(PATIENCE, || (Client::connect(web).get("/ping").text() == "changed\n").then_some(()));

    // Prometheus has the rules, and the gateway's metrics; an upstream that is gone alerts
    let rules = eventually(STACK_PATIENCE, || {
        let rules = asked(prometheus, "/api/v1/rules")["data"]["groups"].as_array().cloned()?;
        (!rules.is_empty()).then_some(rules)
    });
    assert!(rules.iter().all(|group| group["rules"].as_array().is_some_and(|rules| rules.len() > 5)), "{rules:?}");
    done(&mut project.compose(&["stop", "cart"]));
    eventually(STACK_PATIENCE, || {
        let alerts = asked(prometheus, "/api/v1/alerts");
        let names: Vec<&str> =
            alerts["data"]["alerts"].as_array()?.iter().filter_map(|a| a["labels"]["alertname"].as_str()).collect();
        names.contains(&"WharfUpstreamDown").then_some(())
    });
    // told to stop, each does so in time
    for service in ["gateway", "agent", "net"] {
        let container = done(&mut project.compose(&["ps", "--quiet", service])).trim().to_owned();
        done(&mut project.compose(&["stop", service]));
        assert_eq!(engine.inspect(&container, "{{.State.ExitCode}}"), "0", "{service}");
    }
}

/// Runs this in the network of a process.
fn inside<T: Send>(pid: &str, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let network = File::open(format!("/proc/{pid}/ns/net")).unwrap();
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&network), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

/// A swarm of this engine alone, which ends with the test.
struct Swarm<'e>(&'e Engine);

impl Drop for Swarm<'_> {
    fn drop(&mut self) {
        let _ = self.0.docker().args(["swarm", "leave", "--force"]).output();
    }
}

#[test]
fn tasks_of_the_swarm_are_replaced_and_no_request_fails() {
    let Some(engine) = engine() else { return };
    engine.image();
    let _alone = alone();
    // names and ports that no other engine's swarm has
    let here = own_address().to_string();
    let number = std::process::id() % 5000;
    let bridge = format!("com.docker.network.bridge.name=gw{number}");
    let icc = "com.docker.network.bridge.enable_icc=false";
    engine.say(&["network", "create", "--opt", &bridge, "--opt", icc, "docker_gwbridge"]);
    let (listen, port) = (format!("{here}:2377"), (4800 + number).to_string());
    engine.say(&["swarm", "init", "--advertise-addr", &here, "--listen-addr", &listen, "--data-path-port", &port]);
    let _swarm = Swarm(engine);
    let token = scratch("swarm").join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").unwrap();
    engine.say(&["secret", "create", "admin_token", token.to_str().unwrap()]);
    let deploy = |config: &str| {
        let stack = root().join("deploy/swarm/stack.yml");
        let mut command = engine.docker();
        command.args(["stack", "deploy", "--resolve-image=never", "--compose-file"]).arg(&stack).arg("shop");
        done(command.env("PORT", (20000 + number).to_string()).env("CONFIG", config));
    };
    deploy("1");
    let replicas = |service: &str| {
        let filter = format!("name={service}");
        engine.say(&["service", "ls", "--filter", &filter, "--format", "{{.Replicas}}"])
    };
    eventually(STACK_PATIENCE, || (replicas("shop_gateway") == "2/2" && replicas("shop_user") == "2/2").then_some(()));
    let tasks = |service: &str| {
        let filter = format!("label=com.docker.swarm.service.name={service}");
        let ids = engine.say(&["ps", "--quiet", "--no-trunc", "--filter", &filter]);
        ids.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    let gateway = tasks("shop_gateway").remove(0);
    let pid = engine.inspect(&gateway, "{{.State.Pid}}");
    let before = tasks("shop_user");

    let (done, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    let ask = || {
        let mut failed = Vec::new();
        while !done.load(Ordering::Acquire) {
            let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], 8080)));
            for _ in 0..10 {
                match client.try_ask("GET /v1/user/1 HTTP/1.1\r\nHost: h\r\n\r\n") {
                    Ok(response) if response.status == 200 => {}
                    other => failed.push(format!("{other:?}")),
                }
                asked.fetch_add(1, Ordering::Relaxed);
            }
        }
        failed
    };
    let failed = std::thread::scope(|scope| {
        let _done = Done(&done);
        let asking = scope.spawn(|| inside(&pid, ask));
        eventually(PATIENCE, || (asked.load(Ordering::Relaxed) > 100).then_some(()));
        engine.say(&["service", "update", "--quiet", "--detach", "--force", "shop_user"]);
        eventually(STACK_PATIENCE, || {
            let now = tasks("shop_user");
            (now.len() == 2 && now.iter().all(|task| !before.contains(task))).then_some(())
        });
        done.store(true, Ordering::Release);
        asking.join().unwrap()
    });
    assert!(failed.is_empty(), "{} of {asked:?} failed: {:?}", failed.len(), &failed[..1]);
    // another configuration is another task, which serves before the old one goes
    deploy("2");
    eventually(STACK_PATIENCE, || {
        let spec = "{{range .Spec.TaskTemplate.ContainerSpec.Configs}}{{.ConfigName}}{{end}} {{.UpdateStatus.State}}";
        (engine.inspect("shop_gateway", spec) == "wharf-gateway-2 completed").then_some(())
    });
    assert!(!tasks("shop_gateway").contains(&gateway));
}
