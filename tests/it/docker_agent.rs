//! `wharf agent docker` and the engine that it asks: TLS, the variables that `docker` goes by, and how it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::*;

/// An engine on plain TCP with one container.
fn engine() -> Origin {
    let list = json!([container("far-1", ([10, 0, 0, 1], 80).into())]).to_string();
    Origin::answering(move |request| match &*request.target {
        "/version" => ok("{\"ApiVersion\":\"1.41\"}"),
        target if target.contains("/containers/json") => ok(&list),
        // nothing happens
        _ => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
    })
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("agent-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn agent(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.args(["agent", "docker", "--out", "endpoints.json"]).args(arguments).current_dir(folder);
    for variable in ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        command.env_remove(variable);
    }
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What is in the file that it keeps.
fn kept(folder: &Path) -> Value {
    let text = std::fs::read(folder.join("endpoints.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Runs one until its file has this container, and ends it.
#[track_caller]
fn finds(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) {
    let _ = std::fs::remove_file(folder.join("endpoints.json"));
    let agent = Process::of(agent(folder, arguments, variables).spawn().unwrap());
    eventually(PATIENCE, || (kept(folder)["services"]["app"][0]["name"] == "far-1").then_some(()));
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended(), Some(0), "it is told to end");
}

/// What it says when it does not begin.
#[track_caller]
fn refuses(folder: &Path, status: i32, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let Output { status: ended, stderr, .. } = agent(folder, arguments, variables).output().unwrap();
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(ended.code(), Some(status), "{said}");
    said
}

#[test]
fn an_engine_is_found_where_the_flags_or_the_variables_of_docker_say() {
    let (folder, engine) = (folder("plain"), engine());
    let address = format!("tcp://{}", engine.address());
    finds(&folder, &["--engine", &address], &[("DOCKER_HOST", "tcp://127.0.0.1:1")]);
    finds(&folder, &[], &[("DOCKER_HOST", &address)]);
    let said = refuses(&folder, 2, &[], &[("DOCKER_HOST", "ssh://far")]);
    assert!(said.contains("error: DOCKER_HOST: `ssh://far` is not the address of an engine"), "{said}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_engine_with_tls_is_believed_by_its_authority_and_shown_a_certificate() {
    let folder = folder("tls");
    let (authority, stranger) = (Authority::new("Engines"), Authority::new("Strangers"));
    let (behind, here) = (engine(), own_address());
    let leaf = authority.issue(&[&here.to_string()]);
    let tls = TlsOrigin::in_manner(&behind, &leaf, Manner { address: Some(here), ..Manner::asking(&authority) });
    let address = format!("tcp://{}", tls.address());
    let own = authority.issue(&["agent.test"]);
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (ca, cert, key) = (path(&authority.file()), path(&own.cert), path(&own.key));
    let proof = ["--tls-cert", &cert, "--tls-key", &key];
    finds(&folder, &[&["--engine", &address, "--tls-ca", &ca], &proof[..]].concat(), &[]);
    assert!(tls.greetings().iter().all(|greeting| greeting.proven), "{:?}", tls.greetings());

    // the directory that `docker` takes them from
    for (file, text) in [("ca.pem", authority.pem()), ("cert.pem", &own.cert_pem), ("key.pem", &own.key_pem)] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    let variables = [("DOCKER_HOST", &*address), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", ".")];
    finds(&folder, &[], &variables);

    // without a certificate the engine refuses, and without its authority the agent does: both is said in the file
    let stranger = path(&stranger.file());
    for (arguments, why) in [
        (vec!["--tls-ca", &ca], "CertificateRequired"),
        ([&["--tls-ca", &*stranger], &proof[..]].concat(), "authority"),
    ] {
        let _ = std::fs::remove_file(folder.join("endpoints.json"));
        let arguments = [&["--engine", &address], &arguments[..]].concat();
        let _agent = Process::of(agent(&folder, &arguments, &[]).spawn().unwrap());
        let said = eventually(PATIENCE, || kept(&folder)["error"].as_str().map(str::to_owned));
        assert!(said.contains(&address) && said.contains(why), "{said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_wrong_with_tls_is_said_before_anybody_is_asked() {
    let (folder, authority) = (folder("wrong"), Authority::new("Engines"));
    let own = authority.issue(&["agent.test"]);
    let (ca, cert) = (authority.file(), own.cert.clone());
    let (ca, cert) = (ca.to_str().unwrap(), cert.to_str().unwrap());
    let far = ["--engine", "tcp://127.0.0.1:1"];
    let said = refuses(&folder, 2, &["--tls-ca", ca], &[]);
    assert!(said.contains("TLS has an effect on TCP alone, and unix:///var/run/docker.sock is a socket"), "{said}");
    let said = refuses(&folder, 2, &[&far[..], &["--tls-cert", cert]].concat(), &[]);
    assert!(said.contains("--tls-key"), "{said}");
    let said = refuses(&folder, 1, &[&far[..], &["--tls-ca", "nowhere.pem"]].concat(), &[]);
    assert!(said.contains("error: nowhere.pem cannot be read: "), "{said}");
    let said = refuses(&folder, 1, &[&far[..], &["--tls-ca", cert]].concat(), &[]);
    assert!(said.contains("holds what is no authority"), "{said}");
    let said = refuses(&folder, 1, &[&far[..], &["--tls-cert", cert, "--tls-key", cert]].concat(), &[]);
    assert!(said.contains(&format!("error: {cert} holds ")), "{said}");
    assert!(!folder.join("endpoints.json").exists());
    std::fs::remove_dir_all(folder).unwrap();
}
