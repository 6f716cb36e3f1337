//! The last good configuration is kept, and a gateway can start from it when the file is bad.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::*;

/// Starts with `run --last-good`.
const LAST_GOOD: &str = "with() { exec \"$1\" run --last-good --config \"$4\"; }; with";

fn answering(body: &str) -> String {
    format!("routes: [{{ match: {{ path: /* }}, respond: {{ body: {body} }} }}]\n")
}

fn copy(gateway: &Gateway) -> PathBuf {
    gateway.folder().join("state/last-good.json")
}

/// Waits until the copy holds a text.
#[track_caller]
fn expect_kept(gateway: &Gateway, text: &str) {
    let kept = || fs::read_to_string(copy(gateway)).unwrap_or_default();
    eventually(PATIENCE, || kept().contains(text).then_some(()));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn every_good_configuration_is_kept_as_it_was_written_and_for_its_owner_alone() {
    let gateway = Gateway::start_under("rm -r state; export SECRET=hidden; exec", &answering("\"${SECRET}\""));
    assert_eq!(gateway.get("/").text(), "hidden");
    expect_kept(&gateway, "${SECRET}");
    assert!(!fs::read_to_string(copy(&gateway)).unwrap().contains("hidden"));
    assert_eq!((mode(&gateway.folder().join("state")), mode(&copy(&gateway))), (0o700, 0o600));
    gateway.rewrite(&answering("next"));
    expect_kept(&gateway, "next");
    // a bad one is not kept
    gateway.rewrite("routes: [\n");
    gateway.expect_metric("config_last_reload_successful", 0.0);
    expect_kept(&gateway, "next");
    assert_eq!(fs::read_dir(gateway.folder().join("state")).unwrap().count(), 1);
}

#[test]
fn a_gateway_starts_from_the_last_good_copy_when_the_file_is_bad_and_heals() {
    let mut gateway = Gateway::start(&answering("good"));
    expect_kept(&gateway, "good");
    gateway.terminate();
    gateway.rewrite("routes:\n  - { match: { path: /* }, upstream: nowhere }\n");
    gateway.start_again(LAST_GOOD);
    assert_eq!(gateway.get("/").text(), "good");
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert!(gateway.metric("config_last_reload_success_timestamp_seconds") > 1.0);
    for said in ["is bad, and its last good copy is served instead", "gateway.yaml:", "nowhere"] {
        gateway.expect_said(said);
    }
    // the bad file is known: it is not complained about again
    assert_eq!(gateway.metric("config_reloads_total"), 0.0);
    gateway.rewrite(&answering("mended"));
    eventually(PATIENCE, || (gateway.get("/").text() == "mended").then_some(()));
    gateway.expect_metric("config_last_reload_successful", 1.0);
    expect_kept(&gateway, "mended");
    // a file that is missing is as bad as a wrong one
    gateway.terminate();
    fs::remove_file(gateway.folder().join("gateway.yaml")).unwrap();
    gateway.start_again(LAST_GOOD);
    assert_eq!(gateway.get("/").text(), "mended");
    gateway.rewrite(&answering("back"));
    eventually(PATIENCE, || (gateway.get("/").text() == "back").then_some(()));
    // and a good file is what is used
    gateway.terminate();
    gateway.rewrite(&answering("file"));
    gateway.start_again(LAST_GOOD);
    assert_eq!(gateway.get("/").text(), "file");
    gateway.expect_metric("config_last_reload_successful", 1.0);
}

#[test]
fn without_a_copy_of_this_file_a_bad_one_is_an_error() {
    let mut gateway = Gateway::start(&answering("good"));
    expect_kept(&gateway, "good");
    gateway.terminate();
    gateway.rewrite("routes: nothing\n");
    let (status, said) = gateway.fail_again("exec");
    assert_eq!(status, 3, "only who asks for it starts from a copy: {said}");

    let of_another = "cp gateway.yaml other.yaml; with() { exec \"$1\" run --last-good --config other.yaml; }; with";
    let (status, said) = gateway.fail_again(of_another);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("other.yaml:") && said.contains("is of another file"), "{said}");

    fs::write(copy(&gateway), "{ \"main\": ").unwrap();
    let (status, said) = gateway.fail_again(LAST_GOOD);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("the copy is damaged"), "{said}");

    fs::remove_file(copy(&gateway)).unwrap();
    let (status, said) = gateway.fail_again(LAST_GOOD);
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("gateway.yaml:") && said.contains("there is no last good one"), "{said}");
}

#[test]
fn a_copy_that_cannot_be_kept_is_a_warning_and_no_more() {
    let gateway = Gateway::start_under("export STATE_DIRECTORY=/dev/null/state; exec", &answering("good"));
    let said = "cannot be kept for `wharf run --last-good`: in /dev/null/state: ";
    eventually(PATIENCE, || gateway.stderr().contains(said).then_some(()));
    for round in ["one", "two", "last"] {
        gateway.rewrite(&answering(round));
        eventually(PATIENCE, || (gateway.get("/").text() == round).then_some(()));
    }
    assert_eq!(gateway.stderr().matches(said).count(), 1);
}
