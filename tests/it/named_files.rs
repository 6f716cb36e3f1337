//! Files that the configuration names and that are no part of it: certificates, keys and secrets. A change of theirs is taken up, and
//! what they say is nowhere to be seen.

use rcgen::{CertificateParams, KeyPair};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::harness::*;

/// An upstream with a certificate of the gateway's own, which no route needs.
const NAMING: &str = "upstreams: { app: { endpoints: [\"127.0.0.1:1\"], tls: { ca: tls/ca.pem, cert: tls/own.crt, key: tls/own.key } } }\n\
                      routes: [{ match: { path: /* }, respond: { body: pong } }]\n";

/// A certificate and its key.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["gateway.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Writes a file that takes the place of another in one step, as its owner's alone.
fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, text).unwrap();
    fs::set_permissions(&fresh, PermissionsExt::from_mode(0o600)).unwrap();
    fs::rename(fresh, path).unwrap();
}

fn write_pair(directory: &Path) -> (String, String) {
    let (certificate, key) = pair();
    fs::create_dir_all(directory).unwrap();
    replace(&directory.join("own.key"), &key);
    replace(&directory.join("ca.pem"), &certificate);
    replace(&directory.join("own.crt"), &certificate);
    (certificate, key)
}

/// A gateway that has read the files of a directory.
fn start(directory: &str) -> Gateway {
    let gateway = Gateway::start("routes: [{ match: { path: /* }, respond: { body: pong } }]\n");
    write_pair(&gateway.folder().join(directory));
    if directory != "tls" {
        symlink(directory, gateway.folder().join("tls")).unwrap();
    }
    gateway.reload(NAMING);
    gateway
}

fn config_hash(gateway: &Gateway) -> String {
    gateway.shows("/api/v1/status")["config_hash"].to_string()
}

#[test]
fn a_certificate_that_is_replaced_is_read_and_one_that_was_touched_is_not() {
    let gateway = start("tls");
    let file = gateway.folder().join("tls/ca.pem");
    let before = fs::read_to_string(&file).unwrap();
    let hash = config_hash(&gateway);
    // in place, and in one step
    let other = pair().0;
    fs::write(&file, other).unwrap();
    gateway.expect_reloads(2.0, 0.0);
    assert_ne!(config_hash(&gateway), hash, "another authority is another configuration");
    replace(&file, &before);
    gateway.expect_reloads(3.0, 0.0);
    assert_eq!(config_hash(&gateway), hash);
    replace(&file, &before);
    // not emptied first: that would be a change, for whoever reads it in that moment
    fs::OpenOptions::new().write(true).open(&file).unwrap().write_all(before.as_bytes()).unwrap();
    // a change after them has been through the same queue
    replace(&file, &pair().0);
    gateway.expect_reloads(4.0, 0.0);
}

#[test]
fn a_directory_of_certificates_that_is_swapped_by_its_link_is_read() {
    let gateway = start("..v0");
    for version in 1..=5 {
        write_pair(&gateway.folder().join(format!("..v{version}")));
        let link = gateway.folder().join("fresh-link");
        symlink(format!("..v{version}"), &link).unwrap();
        fs::rename(link, gateway.folder().join("tls")).unwrap();
        gateway.expect_reloads(f64::from(version) + 1.0, 0.0);
    }
}

#[test]
fn a_key_that_does_not_fit_is_refused_until_its_certificate_comes() {
    let gateway = start("tls");
    let directory = gateway.folder().join("tls");
    let (certificate, key) = pair();
    replace(&directory.join("own.key"), &key);
    gateway.expect_metric("config_last_reload_successful", 0.0);
    gateway.expect_said("tls/own.key` is not the key of the certificate");
    assert_eq!(gateway.get("/").text(), "pong");
    replace(&directory.join("own.crt"), &certificate);
    gateway.expect_metric("config_last_reload_successful", 1.0);
    fs::remove_file(directory.join("own.crt")).unwrap();
    gateway.expect_metric("config_last_reload_successful", 0.0);
    replace(&directory.join("own.crt"), &certificate);
    gateway.expect_metric("config_last_reload_successful", 1.0);
}

#[test]
fn neither_the_copy_nor_the_api_nor_the_log_holds_what_such_a_file_says() {
    let gateway = start("tls");
    write_pair(&gateway.folder().join("tls"));
    eventually(PATIENCE, || (gateway.reloads("success") >= 2.0).then_some(()));
    let kept = || fs::read_to_string(gateway.folder().join("state/last-good.json")).unwrap_or_default();
    eventually(PATIENCE, || kept().contains("own.key").then_some(()));
    let shown = ["/api/v1/config", "/api/v1/status", "/api/v1/reloads"].map(|target| gateway.admin(target).text());
    for text in shown.into_iter().chain([kept(), gateway.stderr()]) {
        assert!(!text.contains("-----BEGIN") && !text.contains("PRIVATE"), "{text}");
    }
}

#[test]
fn a_secret_in_a_file_is_read_again_when_the_file_changes() {
    let token = "admin: { address: \"HERE:21900\", token: { file: FOLDER/token } }\n\
                 routes: [{ match: { path: /* }, respond: { body: pong } }]\n";
    let gateway = Gateway::start_under("umask 077; echo one >token; exec", token);
    let ask =
        |token: &str| gateway.api("GET", "/api/v1/status", &format!("Authorization: Bearer {token}\r\n"), "").status;
    assert_eq!((ask("one"), ask("two")), (200, 401));
    replace(&gateway.folder().join("token"), "two\n");
    eventually(PATIENCE, || (ask("two") == 200).then_some(()));
    assert_eq!(ask("one"), 401);
}
