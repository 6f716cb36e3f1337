//! Files of certificates that change while clients come and go: the new ones are presented, the bad ones are not.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::*;

const NAME: &str = "a.example";
const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";
const LAST: &str = "config_last_reload_successful";

/// The certificate of this leaf is presented to who comes now.
fn is_presented(gateway: &Gateway, leaf: &Leaf) -> bool {
    let mut client = Visitor::trusting(NAME).ready().connect(gateway.address());
    assert_eq!(client.get("/").text(), "hi");
    client.presented() == leaf.chain()[0]
}

#[track_caller]
fn expect_presented(gateway: &Gateway, leaf: &Leaf) {
    eventually(PATIENCE, || is_presented(gateway, leaf).then_some(()));
}

/// Writes beside the file and renames, as careful tools do.
fn replace(file: &Path, text: &str) {
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, file).unwrap();
}

fn gateway(leaf: &Leaf) -> Gateway {
    Gateway::start(&format!("{}{ROUTES}", secured(&[leaf], "")))
}

#[test]
fn changed_files_are_presented_without_a_failed_handshake_or_request() {
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME]);
    let gateway = gateway(&leaf);
    let done = AtomicBool::new(false);
    let at = gateway.address();
    std::thread::scope(|scope| {
        let stop = Done(&done);
        let load: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let visitor = Visitor::to(NAME, &authority).ready();
                    let fresh = visitor.forgetful();
                    let mut kept = visitor.connect(at);
                    let mut served = 0;
                    while !done.load(Ordering::Acquire) {
                        assert_eq!(fresh.get(at, "/").text(), "hi");
                        assert_eq!(visitor.get(at, "/").text(), "hi");
                        assert_eq!(kept.get("/").text(), "hi");
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        for _ in 0..5 {
            let next = authority.issue(&[NAME]);
            // the one does not fit the other in between, and nobody waits for that
            replace(&leaf.key, &next.key_pem);
            replace(&leaf.cert, &next.cert_pem);
            expect_presented(&gateway, &next);
        }
        drop(stop);
        assert!(load.into_iter().all(|thread| thread.join().unwrap() > 0));
    });
    gateway.expect_metric(LAST, 1.0);
    assert_eq!(gateway.counted("tls_handshakes_total{result=\"failed\"}"), 0.0);
}

#[test]
fn a_bad_file_changes_nothing_and_says_so_until_it_is_mended() {
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME]);
    let gateway = gateway(&leaf);
    let next = authority.issue(&[NAME]);
    let expired = authority.issue_expired(&[NAME]);
    for bad in ["", "no certificate", &next.key_pem, &next.cert_pem, &next.cert_pem[..200]] {
        replace(&leaf.cert, bad);
        gateway.expect_metric(LAST, 0.0);
        assert!(is_presented(&gateway, &leaf), "{bad}");
        let status = gateway.shows("/api/v1/status");
        let error = status["last_reload"]["error"].as_str().expect("what was wrong");
        gateway.expect_said(error.lines().next().unwrap());
        assert!(status["last_reload"]["ok"] == false && error.contains("crt"), "{error}");
        // mended: what is there is what is presented
        replace(&leaf.cert, &leaf.cert_pem);
        gateway.expect_metric(LAST, 1.0);
    }
    // the pair must fit, but one that has expired is presented: the old one may be no better
    replace(&leaf.key, &expired.key_pem);
    gateway.expect_metric(LAST, 0.0);
    gateway.expect_said("key");
    assert!(is_presented(&gateway, &leaf));
    replace(&leaf.key, &next.key_pem);
    replace(&leaf.cert, &next.cert_pem);
    expect_presented(&gateway, &next);
    gateway.expect_metric(LAST, 1.0);
    std::fs::remove_file(&leaf.cert).unwrap();
    gateway.expect_metric(LAST, 0.0);
    assert!(is_presented(&gateway, &next));
}

#[test]
fn the_new_key_may_come_before_its_certificate_or_after_it() {
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME]);
    let gateway = gateway(&leaf);
    let mut before = leaf.clone();
    for key_first in [true, false] {
        let next = authority.issue(&[NAME]);
        let mut steps = [(&leaf.key, &next.key_pem), (&leaf.cert, &next.cert_pem)];
        if !key_first {
            steps.reverse();
        }
        std::fs::write(steps[0].0, steps[0].1).unwrap();
        // half a change is refused
        gateway.expect_metric(LAST, 0.0);
        assert!(is_presented(&gateway, &before));
        std::fs::write(steps[1].0, steps[1].1).unwrap();
        expect_presented(&gateway, &next);
        gateway.expect_metric(LAST, 1.0);
        before = next;
    }
}

#[test]
fn a_link_that_leads_elsewhere_is_a_change() {
    let authority = Authority::new("Test");
    let (one, two, three) = (authority.issue(&[NAME]), authority.issue(&[NAME]), authority.issue(&[NAME]));
    let folder = authority.folder();
    for (name, leaf) in [("v1", &one), ("v2", &two), ("v3", &three)] {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::copy(&leaf.cert, folder.join(name).join("tls.crt")).unwrap();
        std::fs::copy(&leaf.key, folder.join(name).join("tls.key")).unwrap();
    }
    let point = |to: &str| {
        let fresh = folder.join("..fresh");
        std::os::unix::fs::symlink(to, &fresh).unwrap();
        std::fs::rename(fresh, folder.join("..data")).unwrap();
    };
    // as a mounted secret has it: files that are links through a folder that is a link
    point("v1");
    for file in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(format!("..data/{file}"), folder.join(file)).unwrap();
    }
    let linked = Leaf { cert: folder.join("tls.crt"), key: folder.join("tls.key"), ..one.clone() };
    let gateway = gateway(&linked);
    assert!(is_presented(&gateway, &one));
    point("v2");
    expect_presented(&gateway, &two);
    std::fs::remove_dir_all(folder.join("v1")).unwrap();
    point("v3");
    expect_presented(&gateway, &three);
    gateway.expect_metric(LAST, 1.0);
}

#[test]
fn the_same_bytes_again_are_no_change() {
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME]);
    let gateway = gateway(&leaf);
    replace(&leaf.cert, &leaf.cert_pem);
    // in place, and not emptied first: that would be a change, for whoever reads it in that moment
    std::fs::OpenOptions::new().write(true).open(&leaf.key).unwrap().write_all(leaf.key_pem.as_bytes()).unwrap();
    // a change that is one comes later, and is the only one
    let next = authority.issue(&[NAME]);
    replace(&leaf.key, &next.key_pem);
    replace(&leaf.cert, &next.cert_pem);
    expect_presented(&gateway, &next);
    gateway.expect_counts(&[("config_reloads_total{result=\"success\"}", 1.0)]);
}
