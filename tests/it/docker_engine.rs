//! Upstreams whose endpoints are containers of a real Docker engine: one of each test's own.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::deploy_engine::{own, scratch};
use crate::docker::{Door, Engine, PATIENCE as ENGINE_PATIENCE, SHELL_IMAGE, done};
use crate::harness::*;

/// Takes two seconds to start. Told to stop, it closes its listener at once, and finishes within a second.
const APP: &str = "trap 'kill $app; sleep 1; exit 0' TERM; sleep ${START-2}; \
    mkdir -p /www/cgi-bin; printf '#!/bin/busybox sh\\nsleep 0.1; printf \"Content-Length: 3\\\\r\\\\n\\\\r\\\\napp\"\\n' >/www/cgi-bin/app; \
    chmod +x /www/cgi-bin/app; httpd -f -p 3000 -h /www & app=$!; wait; wait";

/// A running engine with the network `shop`.
struct Docker(Engine);

impl Docker {
    /// Nothing, said loudly, where there can be none.
    #[track_caller]
    fn start() -> Option<Docker> {
        Docker::start_with(&[])
    }

    /// The same, with further flags.
    #[track_caller]
    fn start_with(flags: &[&str]) -> Option<Docker> {
        let lacks = Engine::lacks();
        if !skip_unless(lacks.is_none(), &lacks.unwrap_or_default()) {
            return None;
        }
        let docker = Docker(Engine::start(0, flags).unwrap());
        docker.run(&["network", "create", "shop"]);
        Some(docker)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        self.0.say(arguments).unwrap()
    }

    /// Starts a container of a service, with further flags.
    #[track_caller]
    fn app(&self, name: &str, service: &str, flags: &[&str]) {
        self.started(name, service, flags, APP);
    }

    /// One that runs something else.
    #[track_caller]
    fn started(&self, name: &str, service: &str, flags: &[&str], script: &str) {
        let label = format!("wharf.service={service}");
        let mut arguments = vec!["run", "--detach", "--name", name, "--network", "shop", "--label", &label];
        arguments.extend(["--expose", "3000"]);
        arguments.extend(flags);
        arguments.extend([SHELL_IMAGE, "/bin/sh", "-c", script]);
        self.run(&arguments);
    }

    /// A `gateway.yaml` that leads everything to the containers of this service.
    fn leads_to(&self, service: &str) -> String {
        leads(&self.0.socket(), service)
    }

    /// What a `gateway.yaml` says to ask it.
    fn section(&self) -> String {
        format!("discovery: {{ docker: {{ endpoint: \"unix://{}\" }} }}\n", self.0.socket().display())
    }
}

/// The same, for what is found at this socket.
fn leads(socket: &Path, service: &str) -> String {
    format!(
        "discovery: {{ docker: {{ endpoint: \"unix://{}\" }} }}\n\
         upstreams: {{ {service}: {{ discover: {{ docker: {service} }} }} }}\n\
         routes: [{{ match: {{ path: /* }}, upstream: {service}, rewrite: {{ path: /cgi-bin/app }} }}]\n",
        socket.display()
    )
}

/// Names and states of a service's endpoints.
fn endpoints(gateway: &Gateway, upstream: &str) -> Vec<String> {
    let shown = gateway.shows(&format!("/api/v1/upstreams/{upstream}"));
    let all = shown["endpoints"].as_array().cloned().unwrap_or_default();
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<String> = all.iter().map(|e| format!("{} {}", word(&e["name"]), word(&e["state"]))).collect();
    all.sort();
    all
}

#[track_caller]
fn expect(gateway: &Gateway, upstream: &str, wanted: &[&str]) {
    let start = std::time::Instant::now();
    loop {
        let seen = endpoints(gateway, upstream);
        if seen == wanted {
            return;
        }
        assert!(start.elapsed() < ENGINE_PATIENCE, "{seen:?} is not {wanted:?}\n{}", gateway.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks for these targets again and again, each by two clients, until `work` is done; every answer must be good. How many there were.
fn under_load(gateway: &Gateway, targets: &[&str], work: impl FnOnce()) -> usize {
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let done = Done(&stop);
        for target in targets.iter().flat_map(|target| [target; 2]) {
            let (stop, served) = (&stop, &served);
            scope.spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    let response = gateway.get(target);
                    assert_eq!((response.status, &*response.text()), (200, "app"), "{}", gateway.stderr());
                    served.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        work();
        drop(done);
    });
    served.load(Ordering::Acquire)
}

/// How often containers are replaced: `WHARF_ROLLOUTS`, else a few times.
fn rollouts() -> usize {
    std::env::var("WHARF_ROLLOUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2)
}

const HEALTH: [&str; 4] =
    ["--health-cmd", "wget -q -O /dev/null http://127.0.0.1:3000/cgi-bin/app", "--health-interval", "300ms"];

#[test]
fn both_containers_of_two_services_are_replaced_under_load_and_no_request_fails() {
    let Some(docker) = Docker::start() else { return };
    // one has a health check of its own, the other is checked by the gateway
    for n in ["1", "2"] {
        docker.app(&format!("user-{n}"), "user", &HEALTH);
        docker.app(&format!("cart-{n}"), "cart", &[]);
    }
    let gateway = Gateway::start(&format!(
        "{}upstreams:\n  user: {{ discover: {{ docker: user }} }}\n\
         \x20 cart: {{ discover: {{ docker: cart }}, active: {{ path: /cgi-bin/app, interval: 200ms, rise: 1, start: down }} }}\n\
         routes:\n  - {{ match: {{ path: /user }}, upstream: user, rewrite: {{ path: /cgi-bin/app }} }}\n\
         \x20 - {{ match: {{ path: /cart }}, upstream: cart, rewrite: {{ path: /cgi-bin/app }} }}\n",
        docker.section()
    ));
    for service in ["user", "cart"] {
        expect(&gateway, service, &[&format!("{service}-1 up"), &format!("{service}-2 up")]);
    }
    let served = under_load(&gateway, &["/user", "/cart"], || {
        for _ in 0..rollouts() {
            for n in ["1", "2"] {
                for service in ["user", "cart"] {
                    let (old, new) = (format!("{service}-{n}"), format!("{service}-new"));
                    docker.app(&new, service, if service == "user" { &HEALTH } else { &[] });
                    let is_up = |name: &str| endpoints(&gateway, service).contains(&format!("{name} up"));
                    eventually(ENGINE_PATIENCE, || is_up(&new).then_some(()));
                    docker.run(&["stop", &old]);
                    docker.run(&["rm", &old]);
                    docker.run(&["rename", &new, &old]);
                    expect(&gateway, service, &[&format!("{service}-1 up"), &format!("{service}-2 up")]);
                }
            }
        }
    });
    assert!(served > 50, "{served}");
    // every address that is gone took its series along
    let series = gateway.metrics();
    assert_eq!(series.select("wharf_upstream_endpoint_up").len(), 4);
}

#[test]
fn one_container_is_stopped_and_started_again_while_requests_wait() {
    let Some(docker) = Docker::start() else { return };
    docker.app("app-1", "app", &HEALTH);
    let gateway = Gateway::start(&format!(
        "{}upstreams: {{ app: {{ discover: {{ docker: app }}, wait: {{ size: 100, timeout: 30s }} }} }}\n\
         routes: [{{ match: {{ path: /* }}, upstream: app, rewrite: {{ path: /cgi-bin/app }} }}]\n",
        docker.section()
    ));
    expect(&gateway, "app", &["app-1 up"]);
    under_load(&gateway, &["/"], || {
        for n in 0..rollouts() {
            let (old, new) = (format!("app-{}", n + 1), format!("app-{}", n + 2));
            docker.run(&["stop", &old]);
            docker.app(&new, "app", &HEALTH);
            expect(&gateway, "app", &[&format!("{new} up")]);
        }
    });
}

#[test]
fn what_is_served_follows_what_is_alive() {
    let Some(mut docker) = Docker::start() else { return };
    let quick = ["--env", "START=0", "--restart", "always"];
    docker.app("app-a", "app", &quick[..2]);
    docker.app("app-b", "app", &quick);
    let at = docker.0.folder().join("door.sock");
    let mut door = Door::open_at(&at, &docker.0.socket()).unwrap();
    let gateway = Gateway::start(&leads(&at, "app"));
    expect(&gateway, "app", &["app-a up", "app-b up"]);
    docker.run(&["pause", "app-a"]);
    expect(&gateway, "app", &["app-a unhealthy", "app-b up"]);
    docker.run(&["unpause", "app-a"]);
    expect(&gateway, "app", &["app-a up", "app-b up"]);
    docker.run(&["rename", "app-a", "app-c"]);
    expect(&gateway, "app", &["app-b up", "app-c up"]);
    docker.run(&["network", "disconnect", "shop", "app-c"]);
    expect(&gateway, "app", &["app-b up"]);
    docker.run(&["network", "connect", "shop", "app-c"]);
    expect(&gateway, "app", &["app-b up", "app-c up"]);
    docker.run(&["kill", "--signal", "HUP", "app-c"]);
    docker.run(&["kill", "app-c"]);
    expect(&gateway, "app", &["app-b up"]);
    docker.run(&["start", "app-c"]);
    expect(&gateway, "app", &["app-b up", "app-c up"]);
    docker.run(&["restart", "--time", "1", "app-c"]);
    expect(&gateway, "app", &["app-b up", "app-c up"]);
    // the engine cannot be reached any more: what was found is kept, though not all of it lives
    let state = || gateway.shows("/api/v1/upstreams/app")["discovery"]["state"].clone();
    door.shut();
    eventually(ENGINE_PATIENCE, || (state() == "stale").then_some(()));
    docker.run(&["kill", "app-c"]);
    docker.started("app-e", "app", &quick[..2], &APP.replace("sleep 1;", "sleep 60;"));
    docker.app("app-d", "app", &quick);
    docker.run(&["kill", "--signal", "TERM", "app-e"]);
    for _ in 0..10 {
        assert_eq!(gateway.get("/").text(), "app");
    }
    assert_eq!(endpoints(&gateway, "app").iter().map(|e| &e[..5]).collect::<Vec<_>>(), ["app-b", "app-c"]);
    door.open().unwrap();
    // what was told to stop meanwhile is known, though it runs still
    expect(&gateway, "app", &["app-b up", "app-d up", "app-e leaving"]);
    assert_eq!(state(), "ok");
    docker.run(&["rm", "--force", "app-e"]);
    expect(&gateway, "app", &["app-b up", "app-d up"]);
    // the engine dies; what it starts again is found, and nothing else
    docker.0.kill().unwrap();
    eventually(ENGINE_PATIENCE, || (state() == "stale").then_some(()));
    docker.0.start_again().unwrap();
    expect(&gateway, "app", &["app-b up", "app-d up"]);
    eventually(ENGINE_PATIENCE, || (gateway.get("/").status == 200).then_some(()));
    docker.run(&["rm", "--force", "app-b", "app-d"]);
    expect(&gateway, "app", &[]);
}

/// Takes more and more memory when it is told to.
const GREEDY: &str = "trap 'x=0123456789abcdef; while :; do x=$x$x; done' USR1";

#[test]
fn a_container_that_dies_for_want_of_memory_gets_nothing_more() {
    let Some(docker) = Docker::start() else { return };
    let has_limits = docker.run(&["info", "--format", "{{.MemoryLimit}}"]) == "true";
    if !skip_unless(has_limits, "the kernel limits no container's memory (memory cgroup)") {
        return;
    }
    let small = ["--env", "START=0", "--memory", "16m", "--memory-swap", "16m"];
    for name in ["app-a", "app-b", "app-c"] {
        docker.started(name, "app", &small, &format!("{GREEDY}; {APP}"));
    }
    let gateway = Gateway::start(&docker.leads_to("app"));
    expect(&gateway, "app", &["app-a up", "app-b up", "app-c up"]);
    under_load(&gateway, &["/"], || {
        docker.run(&["kill", "--signal", "USR1", "app-b"]);
        expect(&gateway, "app", &["app-a up", "app-c up"]);
        assert_eq!(docker.run(&["inspect", "--format", "{{.State.OOMKilled}}", "app-b"]), "true");
        // one that loses a process that it can do without serves on
        let greedy = format!("{GREEDY}; kill -USR1 $$");
        let lost = docker.0.client("docker").args(["exec", "app-c", "/bin/sh", "-c", &greedy]).output().unwrap();
        assert_eq!(lost.status.code(), Some(137));
        docker.app("app-d", "app", &small);
        expect(&gateway, "app", &["app-a up", "app-c up", "app-d up"]);
    });
}

#[test]
fn a_gateway_in_a_container_takes_the_network_that_it_shares() {
    let Some(engine) = crate::deploy_engine::engine() else { return };
    let image = engine.image();
    let (front, back, service, gateway) = (own("front"), own("back"), own("service"), own("gateway"));
    let apps = [own("app-1"), own("app-2")];
    for network in [&front, &back] {
        engine.say(&["network", "create", network]);
    }
    let label = format!("wharf.service={service}");
    for app in &apps {
        // on the other network first, whose name comes first too
        let run = ["run", "--detach", "--name", app, "--network", &back, "--label", &label, "--expose", "3000"];
        engine.say(&[&run[..], &["--env", "START=0", SHELL_IMAGE, "/bin/sh", "-c", APP]].concat());
        engine.say(&["network", "connect", &front, app]);
    }
    let folder = scratch("found-from-inside");
    let document = format!(
        "version: 1\nlisteners: {{ web: {{ address: \":8080\" }} }}\nadmin: {{ address: \"127.0.0.1:9900\" }}\n\
         upstreams: {{ app: {{ discover: {{ docker: {service} }} }} }}\n\
         routes: [{{ match: {{ path: /* }}, upstream: app, rewrite: {{ path: /cgi-bin/app }} }}]\n"
    );
    std::fs::write(folder.join("gateway.yaml"), document).unwrap();
    // the image's user may open the socket as one of its group
    let group = std::os::unix::fs::MetadataExt::gid(&std::fs::metadata(engine.socket()).unwrap()).to_string();
    let (file, socket) =
        (format!("{}:/etc/wharf:ro", folder.display()), format!("{}:/var/run/docker.sock", engine.socket().display()));
    let run = ["run", "--detach", "--name", &gateway, "--network", &front, "--group-add", &group];
    engine.say(&[&run[..], &["--volume", &file, "--volume", &socket, image]].concat());
    engine.await_healthy(&gateway);
    let found = || {
        let status = engine.say(&["exec", &gateway, "wharf", "status", "--format", "json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let endpoints = status["upstreams"]["app"]["endpoints"].as_array().unwrap().clone();
        endpoints.iter().map(|e| e["address"].as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    let ip = |container: &str| {
        engine.inspect(container, &format!("{{{{(index .NetworkSettings.Networks \"{front}\").IPAddress}}}}"))
    };
    let both = apps.iter().map(|app| format!("{}:3000", ip(app))).collect();
    eventually(ENGINE_PATIENCE, || (found() == both).then_some(()));
    let place = (ip(&gateway).parse::<std::net::Ipv4Addr>().unwrap(), 8080).into();
    eventually(PATIENCE, || (Client::connect(place).get("/").text() == "app").then_some(()));
    engine.say(&["stop", &apps[0]]);
    eventually(ENGINE_PATIENCE, || (found().len() == 1).then_some(()));
    assert_eq!(Client::connect(place).get("/").text(), "app");
    for container in [&gateway, &apps[0], &apps[1]] {
        engine.remove(container);
    }
    for network in [&front, &back] {
        engine.say(&["network", "rm", network]);
    }
}

#[test]
fn tasks_of_a_swarm_are_updated_one_after_the_other_and_no_request_fails() {
    let Some(docker) = Docker::start() else { return };
    // names and ports that no other engine's swarm has
    let (here, number) = (own_address().to_string(), std::process::id() % 5000);
    let bridge = format!("com.docker.network.bridge.name=sw{number}");
    docker.run(&["network", "create", "--opt", &bridge, "docker_gwbridge"]);
    let (listen, port) = (format!("{here}:2377"), (10_000 + number).to_string());
    docker.run(&["swarm", "init", "--advertise-addr", &here, "--listen-addr", &listen, "--data-path-port", &port]);
    // one that the host reaches as well, as it does not those that span nodes
    docker.run(&["network", "create", "--driver", "bridge", "--scope", "swarm", "web"]);
    let create = ["service", "create", "--detach", "--name", "cart", "--network", "web", "--replicas", "3"];
    let labels = ["--container-label", "wharf.service=cart", "--container-label", "wharf.port=3000"];
    let update = ["--update-order", "start-first", "--update-delay", "500ms", "--env", "START=1"];
    let what = ["--no-resolve-image", SHELL_IMAGE, "/bin/sh", "-c", APP];
    docker.run(&[&create[..], &labels, &update, &HEALTH, &what].concat());
    let gateway = Gateway::start(&docker.leads_to("cart"));
    let names = || endpoints(&gateway, "cart");
    let all_up = |names: &[String]| names.len() == 3 && names.iter().all(|name| name.ends_with(" up"));
    let before = eventually(ENGINE_PATIENCE, || Some(names()).filter(|names| all_up(names)));
    assert!(before[0].starts_with("cart.1."), "{before:?}");
    let served = under_load(&gateway, &["/"], || {
        docker.run(&["service", "update", "--detach", "--force", "cart"]);
        let is_done = |names: &[String]| all_up(names) && names.iter().all(|name| !before.contains(name));
        eventually(ENGINE_PATIENCE, || is_done(&names()).then_some(()));
        docker.run(&["service", "scale", "--detach", "cart=1"]);
        eventually(ENGINE_PATIENCE, || (names().len() == 1).then_some(()));
    });
    assert!(served > 50, "{served}");
}

#[test]
fn an_engine_on_tcp_is_believed_by_its_certificate_and_believes_the_gateway_s() {
    let (here, authority) = (own_address(), Authority::new("Engines"));
    let address = here.to_string();
    let (engine, gateway) = (authority.issue(&[&address]), authority.issue(&["gateway.test"]));
    let ca = authority.file();
    let listen = format!("tcp://{here}:2376");
    let files = [&ca, &engine.cert, &engine.key].map(|file| file.to_str().unwrap());
    let flags = ["-H", &listen, "--tlsverify", "--tlscacert", files[0], "--tlscert", files[1], "--tlskey", files[2]];
    let Some(docker) = Docker::start_with(&flags) else { return };
    docker.app("app-1", "app", &["--env", "START=0"]);
    let with = |tls: &str| {
        format!(
            "discovery: {{ docker: {{ endpoint: \"tcp://{here}:2376\", tls: {{ {tls} }} }} }}\n\
             upstreams: {{ app: {{ discover: {{ docker: app }} }} }}\n\
             routes: [{{ match: {{ path: /* }}, upstream: app, rewrite: {{ path: /cgi-bin/app }} }}]\n"
        )
    };
    let ca = format!("ca: {}", ca.display());
    let served =
        Gateway::start(&with(&format!("{ca}, cert: {}, key: {}", gateway.cert.display(), gateway.key.display())));
    expect(&served, "app", &["app-1 up"]);
    // without a certificate the engine refuses, and without its authority the gateway does
    served.reload(&with(&ca));
    served.expect_said("docker cannot say, the endpoints found last are kept");
    expect(&served, "app", &["app-1 up"]);
}

#[test]
fn a_published_port_is_found_on_the_host() {
    let Some(docker) = Docker::start() else { return };
    let here = own_address().to_string();
    docker.app("app-1", "app", &["--env", "START=0", "--publish", &format!("{here}:3300:3000")]);
    docker.app("app-2", "app", &["--env", "START=0"]);
    let gateway = Gateway::start(&format!(
        "discovery: {{ docker: {{ endpoint: \"unix://{}\", network: published }} }}\n\
         upstreams: {{ app: {{ discover: {{ docker: app }} }} }}\n\
         routes: [{{ match: {{ path: /* }}, upstream: app, rewrite: {{ path: /cgi-bin/app }} }}]\n",
        docker.0.socket().display()
    ));
    gateway.expect_said("container app-2: label wharf.port: is missing, and the container publishes no tcp port");
    expect(&gateway, "app", &["app-1 up"]);
    let address = gateway.shows("/api/v1/upstreams/app")["endpoints"][0]["address"].to_string();
    assert_eq!(address, format!("\"{here}:3300\""));
    eventually(PATIENCE, || (gateway.get("/").status == 200).then_some(()));
}

#[test]
fn a_compose_service_is_found_and_scaled() {
    let Some(docker) = Docker::start() else { return };
    let app = APP.replace('$', "$$").replace('\'', "''");
    let file = format!(
        "version: \"3.8\"\nservices:\n  cart:\n    image: {SHELL_IMAGE}\n    labels: {{ wharf.service: cart, wharf.weight: \"7\" }}\n\
         \x20   expose: [\"3000\"]\n    environment: {{ START: \"0\" }}\n    command: [/bin/sh, -c, '{app}']\n"
    );
    std::fs::write(docker.0.folder().join("docker-compose.yml"), file).unwrap();
    let compose = |arguments: &[&str]| {
        let mut compose = docker.0.client("docker-compose");
        done(compose.args(["--project-name", "shop"]).args(arguments).current_dir(docker.0.folder())).unwrap()
    };
    compose(&["up", "--detach"]);
    let gateway = Gateway::start(&docker.leads_to("cart"));
    expect(&gateway, "cart", &["shop_cart_1 up"]);
    compose(&["up", "--detach", "--scale", "cart=3"]);
    expect(&gateway, "cart", &["shop_cart_1 up", "shop_cart_2 up", "shop_cart_3 up"]);
    assert_eq!(gateway.shows("/api/v1/upstreams/cart")["endpoints"][0]["weight"], 7);
    compose(&["up", "--detach", "--scale", "cart=1"]);
    expect(&gateway, "cart", &["shop_cart_1 up"]);
    compose(&["down", "--timeout", "1"]);
    expect(&gateway, "cart", &[]);
}
