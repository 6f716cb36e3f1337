//! The image that `deploy/Dockerfile` makes, in a real engine.

use std::time::{Duration, Instant};

use crate::deploy_engine::*;
use crate::harness::*;

/// A folder with a configuration, as it is mounted, of a gateway on an address of its own.
fn configured(name: &str, origin: &Origin) -> (std::path::PathBuf, std::net::Ipv4Addr) {
    let (folder, here) = (scratch(name), own_address());
    std::fs::write(folder.join("gateway.yaml"), document(here, origin, "")).unwrap();
    (folder, here)
}

fn document(here: std::net::Ipv4Addr, origin: &Origin, more: &str) -> String {
    format!(
        "version: 1\nlisteners: {{ web: {{ address: \"{here}:8080\" }} }}\nadmin: {{ address: \"{here}:9900\" }}\n\
         upstreams: {{ app: {{ endpoints: [\"{}\"] }} }}\nroutes:\n  - {{ match: {{ path: /* }}, upstream: app }}\n{more}",
        origin.address()
    )
}

#[test]
fn the_image_serves_as_nobody_from_a_root_that_it_cannot_write_to() {
    let Some(engine) = engine() else { return };
    let image = engine.image();
    // what the image says of itself
    let says = |template: &str| engine.inspect(image, template);
    assert_eq!(says("{{.Config.User}} {{.Config.StopSignal}}"), "10001:10001 SIGTERM");
    assert_eq!(says("{{index .Config.Labels \"org.opencontainers.image.revision\"}}"), "tried");
    assert_eq!(says("{{index .Config.Labels \"org.opencontainers.image.licenses\"}}"), "Apache-2.0");
    // the program, and nothing to speak of beside it
    let size = |image: &str| engine.inspect(image, "{{.Size}}").parse::<u64>().unwrap();
    let program = std::fs::metadata(stripped()).unwrap().len();
    let added = size(image) - size(engine.base());
    assert!((program..program + 100_000).contains(&added), "{added} bytes for a program of {program}");

    let gate = Gate::shut();
    let held = gate.clone();
    let origin = Origin::answering(move |request| {
        if request.target == "/slow" {
            held.pass();
        }
        ok("app")
    });
    let (folder, here) = configured("image", &origin);
    let (name, mounted) = (own("image"), format!("{}:/etc/wharf:ro", folder.display()));
    let hard = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"];
    engine.say(&[&["run", "--detach", "--name", &name, "--volume", &mounted], &hard[..], &[image]].concat());
    engine.await_healthy(&name);
    assert_eq!(Client::connect((here, 8080).into()).get("/").text(), "app");

    assert_eq!(engine.say(&["exec", &name, "wharf", "status", "--ready"]), "ready");
    // process 1 of the container, of nobody, with no capability
    let pid = engine.inspect(&name, "{{.State.Pid}}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned();
    assert!(field("Uid:").starts_with("10001\t10001"), "{status}");
    assert!(field("NSpid:").ends_with("\t1"), "{status}");
    assert_eq!((field("CapEff:"), field("CapBnd:")), ("0".repeat(16), "0".repeat(16)), "{status}");
    // what it keeps is in its volume
    let kept = engine.say(&["exec", &name, "ls", "-l", "/var/lib/wharf"]);
    assert!(kept.contains("last-good.json") && kept.contains("10001"), "{kept}");

    // a saved file is live, though it is mounted
    let more = "  - { match: { path: /ping }, respond: { status: 200, body: pong } }\n";
    let fresh = folder.join("gateway.yaml.new");
    std::fs::write(&fresh, document(here, &origin, more)).unwrap();
    std::fs::rename(fresh, folder.join("gateway.yaml")).unwrap();
    eventually(PATIENCE, || (Client::connect((here, 8080).into()).get("/ping").text() == "pong").then_some(()));

    // told to stop, it finishes what it has
    let mut client = Client::connect((here, 8080).into());
    client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually(PATIENCE, || origin.requests().iter().any(|request| request.target == "/slow").then_some(()));
    let begun = Instant::now();
    let stopping = engine.docker().args(["stop", &name]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let is_ready =
        || engine.docker().args(["exec", &name, "wharf", "status", "--ready"]).output().unwrap().status.success();
    eventually(PATIENCE, || (!is_ready()).then_some(()));
    gate.open();
    assert_eq!(client.response().text(), "app");
    assert!(stopping.wait_with_output().unwrap().status.success());
    assert_eq!(engine.inspect(&name, "{{.State.ExitCode}}"), "0", "{}", engine.logs(&name));
    assert!(begun.elapsed() < Duration::from_secs(10), "it was killed");
    engine.remove(&name);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_container_without_a_good_configuration_ends_and_says_why() {
    let Some(engine) = engine() else { return };
    let image = engine.image();
    let output = engine.docker().args(["run", "--rm", "--network=none", image]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(all(&output).contains("/etc/wharf/gateway.yaml"), "{}", all(&output));
}
