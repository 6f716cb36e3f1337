//! Upstreams whose endpoints are containers of a real Docker engine: one of each test's own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::docker::{Engine, PATIENCE as ENGINE_PATIENCE, SHELL_IMAGE, done};
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
        let label = format!("wharf.service={service}");
        let mut arguments = vec!["run", "--detach", "--name", name, "--network", "shop", "--label", &label];
        arguments.extend(["--expose", "3000"]);
        arguments.extend(flags);
        arguments.extend([SHELL_IMAGE, "/bin/sh", "-c", APP]);
        self.run(&arguments);
    }

    /// What a `gateway.yaml` says to ask it.
    fn section(&self) -> String {
        format!("discovery: {{ docker: {{ endpoint: \"unix://{}\" }} }}\n", self.0.socket().display())
    }
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
    let gateway = Gateway::start(&format!(
        "{}upstreams: {{ app: {{ discover: {{ docker: app }} }} }}\n\
         routes: [{{ match: {{ path: /* }}, upstream: app, rewrite: {{ path: /cgi-bin/app }} }}]\n",
        docker.section()
    ));
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
    // the socket is gone: what was found is kept
    let away = docker.0.folder().join("away.sock");
    std::fs::rename(docker.0.socket(), &away).unwrap();
    std::fs::write(docker.0.socket(), "").unwrap();
    assert_eq!(gateway.get("/").text(), "app");
    std::fs::rename(&away, docker.0.socket()).unwrap();
    expect(&gateway, "app", &["app-b up", "app-c up"]);
    // the engine dies; what it starts again is found, and nothing else
    docker.0.kill().unwrap();
    eventually(ENGINE_PATIENCE, || {
        (gateway.shows("/api/v1/upstreams/app")["discovery"]["state"] == "stale").then_some(())
    });
    docker.0.start_again().unwrap();
    expect(&gateway, "app", &["app-b up"]);
    eventually(ENGINE_PATIENCE, || (gateway.get("/").status == 200).then_some(()));
    docker.run(&["rm", "--force", "app-b"]);
    expect(&gateway, "app", &[]);
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
    let gateway = Gateway::start(&format!(
        "{}upstreams: {{ cart: {{ discover: {{ docker: cart }} }} }}\n\
         routes: [{{ match: {{ path: /* }}, upstream: cart, rewrite: {{ path: /cgi-bin/app }} }}]\n",
        docker.section()
    ));
    expect(&gateway, "cart", &["shop_cart_1 up"]);
    compose(&["up", "--detach", "--scale", "cart=3"]);
    expect(&gateway, "cart", &["shop_cart_1 up", "shop_cart_2 up", "shop_cart_3 up"]);
    assert_eq!(gateway.shows("/api/v1/upstreams/cart")["endpoints"][0]["weight"], 7);
    compose(&["up", "--detach", "--scale", "cart=1"]);
    expect(&gateway, "cart", &["shop_cart_1 up"]);
    compose(&["down", "--timeout", "1"]);
    expect(&gateway, "cart", &[]);
}
