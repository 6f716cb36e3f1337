//! The Kubernetes manifests: each object is one that a cluster takes, they fit each other, and the gateway runs as they say.

use std::os::unix::fs::{PermissionsExt, symlink};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::deploy_engine::*;
use crate::harness::*;

/// The objects of the manifests.
fn objects() -> Vec<Value> {
    let text = std::fs::read_to_string(root().join("deploy/kubernetes/wharf.yaml")).unwrap();
    serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect()
}

#[track_caller]
fn object(kind: &str) -> Value {
    objects().into_iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// What a cluster would say against an object.
fn complaints(object: &Value) -> Vec<String> {
    let text = include_str!("deploy/kubernetes.schema.json");
    let mut schema: Value = serde_json::from_str(text).unwrap();
    let kind = object["kind"].as_str().unwrap_or_default();
    let group = match object["apiVersion"].as_str().unwrap_or_default() {
        "v1" => "core.v1".to_owned(),
        other => other.replace('/', "."),
    };
    let name = format!("io.k8s.api.{group}.{kind}");
    if schema["$defs"].get(&name).is_none() {
        return vec![format!("there is no {name}")];
    }
    schema["$ref"] = json!(format!("#/$defs/{name}"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(object).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_object_is_one_that_a_cluster_takes() {
    let objects = objects();
    let kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ConfigMap", "Deployment", "Service", "PodDisruptionBudget"]);
    for object in &objects {
        assert_eq!(complaints(object), [""; 0], "{}", object["kind"]);
    }
}

#[test]
fn what_no_cluster_takes_is_noticed() {
    let damages: [(&str, &str, Value); 7] = [
        ("Deployment", "/spec/replicas", json!("two")),
        ("Deployment", "/spec/template/spec/containers/0/readinessProbe", json!({ "httpGet": { "path": "/" } })),
        ("Deployment", "/spec/template/spec/containers/0/volumeMounts/0/readonly", json!(true)),
        ("Deployment", "/spec/template/spec/securityContext/runAsNonroot", json!(true)),
        ("Deployment", "/apiVersion", json!("apps/v1beta1")),
        ("Service", "/spec/ports/0/targetport", json!("http")),
        ("ConfigMap", "/data/gateway.yaml", json!(["a", "list"])),
    ];
    for (kind, path, value) in damages {
        let mut damaged = object(kind);
        let (parent, key) = path.rsplit_once('/').unwrap();
        damaged.pointer_mut(parent).unwrap()[key] = value;
        assert!(!complaints(&damaged).is_empty(), "{kind} with another {path} is taken");
    }
    let mut without = object("Deployment");
    without["spec"].as_object_mut().unwrap().remove("selector");
    assert!(!complaints(&without).is_empty());
}

/// A duration of a configuration in seconds.
fn seconds(document: &Value, key: &str) -> u64 {
    document[key].as_str().unwrap().trim_end_matches('s').parse().unwrap()
}

#[test]
fn the_objects_fit_each_other_and_grant_a_pod_nothing_that_it_does_not_need() {
    let (deployment, service) = (object("Deployment"), object("Service"));
    let pod = &deployment["spec"]["template"];
    let container = &pod["spec"]["containers"][0];
    // whose pods they are
    let labels = &pod["metadata"]["labels"];
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(&object("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], labels);
    // ports have names where they are asked for
    let port = |name: &Value| container["ports"].as_array().unwrap().iter().find(|port| &port["name"] == name).unwrap();
    assert_eq!(port(&service["spec"]["ports"][0]["targetPort"])["containerPort"], 8080);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(port(&container[probe]["httpGet"]["port"])["containerPort"], 9900, "{probe}");
    }
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
    assert_eq!(pod["metadata"]["annotations"]["prometheus.io/port"], "9900");
    // each mount has its volume; the configuration is a directory, which is what changes
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    for mount in container["volumeMounts"].as_array().unwrap() {
        assert!(
            mount.get("subPath").is_none() && volumes.iter().any(|volume| volume["name"] == mount["name"]),
            "{mount}"
        );
    }
    assert_eq!(volumes[0]["configMap"]["name"], object("ConfigMap")["metadata"]["name"]);
    // the time to drain
    let text = object("ConfigMap")["data"]["gateway.yaml"].as_str().unwrap().to_owned();
    let document: Value = serde_yaml::from_str(&text).unwrap();
    let takes = seconds(&document, "readiness_delay") + seconds(&document, "shutdown_timeout");
    assert!(pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap() > takes + 1);
    // a probe that fails once is enough to be left out before the listeners close
    let probe = &container["readinessProbe"];
    let noticed = probe["periodSeconds"].as_u64().unwrap() * probe["failureThreshold"].as_u64().unwrap();
    assert!(noticed < seconds(&document, "readiness_delay"));
    // as the image is
    let (context, own) = (&pod["spec"]["securityContext"], &container["securityContext"]);
    assert_eq!((&context["runAsNonRoot"], &context["runAsUser"]), (&json!(true), &json!(10001)));
    assert_eq!((&own["readOnlyRootFilesystem"], &own["allowPrivilegeEscalation"]), (&json!(true), &json!(false)));
    assert_eq!(own["capabilities"]["drop"], json!(["ALL"]));
    assert!(std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap().contains("\nUSER 10001:10001\n"));
}

#[test]
fn the_gateway_runs_from_the_config_map_and_follows_it() {
    let text = object("ConfigMap")["data"]["gateway.yaml"].as_str().unwrap().to_owned();
    let folder = scratch("config-map");
    std::fs::write(folder.join("token"), "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::set_permissions(folder.join("token"), std::fs::Permissions::from_mode(0o440)).unwrap();
    let here = own_address();
    let own = |text: &str| {
        let text =
            text.replace("\":8080\"", &format!("\"{here}:8080\"")).replace("\":9900\"", &format!("\"{here}:9900\""));
        text.replace("/run/secrets/wharf/token", folder.join("token").to_str().unwrap())
            .replace("readiness_delay: 10s", "readiness_delay: 1s")
    };
    // as the kubelet lays it out: `..data` leads to the version in force, and is swapped
    let mount = folder.join("mount");
    let lay = |version: &str, text: &str| {
        std::fs::create_dir_all(mount.join(version)).unwrap();
        std::fs::write(mount.join(version).join("gateway.yaml"), text).unwrap();
        symlink(version, mount.join("..data_tmp")).unwrap();
        std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    lay("..one", &own(&text));
    symlink("..data/gateway.yaml", mount.join("gateway.yaml")).unwrap();
    let (status, said) = {
        let file = mount.join("gateway.yaml");
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_wharf")).args(["check", "--strict"]).arg(file).output();
        let output = output.unwrap();
        (output.status.code(), all(&output))
    };
    assert_eq!(status, Some(0), "{said}");
    let child = std::process::Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(["run", "--last-good", "--config"])
        .arg(mount.join("gateway.yaml"))
        .env("STATE_DIRECTORY", folder.join("state"))
        .stdout(std::fs::File::create(folder.join("stdout")).unwrap())
        .stderr(std::fs::File::create(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap();
    let process = Process::of(child);
    let (web, admin) = ((here, 8080).into(), (here, 9900).into());
    let asks = |address: std::net::SocketAddr, path: &str| {
        std::net::TcpStream::connect(address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        Client::connect(address).try_ask(&request).ok()
    };
    // as a probe does, without the token; metrics too, and nothing else
    eventually(PATIENCE, || asks(admin, "/readyz").filter(|response| response.status == 200));
    assert_eq!(
        ["/healthz", "/metrics", "/api/v1/status"].map(|path| asks(admin, path).unwrap().status),
        [200, 200, 401]
    );
    assert_eq!(asks(web, "/ping").unwrap().text(), "pong\n");
    lay("..two", &own(&text.replace("pong", "swapped")));
    eventually(PATIENCE, || asks(web, "/ping").filter(|response| response.text() == "swapped\n"));
    // told to stop, it says so, and takes requests until every node has heard of it
    process.signal(rustix::process::Signal::TERM);
    eventually(PATIENCE, || asks(admin, "/readyz").filter(|response| response.status == 503));
    assert_eq!(asks(web, "/ping").map(|response| response.status), Some(200));
    assert_eq!(process.ended(), Some(0));
    std::fs::remove_dir_all(folder).unwrap();
}
