//! Sessions that go on: on every thread, after a reload, after a change of certificates; and not where they were not made.

use std::path::Path;

use crate::harness::*;

const NAME: &str = "a.example";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
/// Tries with one ticket: the kernel spreads them over the threads.
const TRIES: usize = 8;

fn routes(body: &str) -> String {
    format!("routes: [{{ match: {{ path: /* }}, respond: {{ status: 200, body: {body} }} }}]\n")
}

/// Connects with openssl, asks, and keeps the session in this file.
#[track_caller]
fn keep(gateway: &Gateway, version: &str, file: &Path) {
    let said = openssl(gateway.address(), &[version, "-servername", NAME, "-sess_out", file.to_str().unwrap()], GET);
    assert!(said.contains("New, TLS") && said.contains("200 OK"), "{said}");
}

/// Whether openssl goes on with the session in this file; it must be answered either way.
#[track_caller]
fn goes_on(at: std::net::SocketAddr, version: &str, file: &Path) -> bool {
    let said = openssl(at, &[version, "-servername", NAME, "-sess_in", file.to_str().unwrap()], GET);
    assert!(said.contains("200 OK"), "{said}");
    said.contains("Reused, TLS")
}

#[test]
fn openssl_resumes_on_every_thread_after_a_reload_and_after_a_change_of_certificates() {
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME]);
    let yaml = |body: &str| format!("threads: 4\n{}{}", secured(&[&leaf], ""), routes(body));
    let gateway = Gateway::start(&yaml("one"));
    for version in ["-tls1_3", "-tls1_2"] {
        let file = gateway.folder().join(version);
        keep(&gateway, version, &file);
        for _ in 0..TRIES {
            assert!(goes_on(gateway.address(), version, &file), "{version}");
        }
    }
    let resumed = "tls_handshakes_total{result=\"resumed\"}";
    gateway.expect_metric(resumed, 2.0 * TRIES as f64);
    gateway.reload(&yaml("two"));
    for version in ["-tls1_3", "-tls1_2"] {
        assert!(goes_on(gateway.address(), version, &gateway.folder().join(version)), "{version} after a reload");
    }
    let before = gateway.reloads("success");
    let fresh = authority.issue(&[NAME]);
    std::fs::write(&leaf.cert, fresh.cert_pem).unwrap();
    std::fs::write(&leaf.key, fresh.key_pem).unwrap();
    eventually(PATIENCE, || (gateway.reloads("success") > before).then_some(()));
    for version in ["-tls1_3", "-tls1_2"] {
        assert!(goes_on(gateway.address(), version, &gateway.folder().join(version)), "{version} after a change");
    }
    gateway.expect_counts(&[("tls_handshakes_total{result=\"full\"}", 2.0)]);
}

#[test]
fn a_session_of_one_listener_does_not_go_on_at_another() {
    let authority = Authority::new("Test");
    let tls = format!("tls: {{ certificates: [{}] }}", authority.issue(&[NAME]).entry());
    let gateway = Gateway::start(&format!(
        "listeners: {{ web: {{ address: \"HERE:21080\", {tls} }}, other: {{ address: \"HERE:21443\", {tls} }} }}\n{}",
        routes("hi")
    ));
    for version in ["-tls1_3", "-tls1_2"] {
        let file = gateway.folder().join(version);
        keep(&gateway, version, &file);
        assert!(goes_on(gateway.address(), version, &file));
        assert!(!goes_on(gateway.on(21443), version, &file), "{version}");
    }
    gateway.expect_metric("tls_handshakes_total{listener=\"other\",result=\"full\"}", 2.0);
    assert_eq!(gateway.metric("tls_handshakes_total{listener=\"other\",result=\"resumed\"}"), 0.0);
}

#[test]
fn a_session_does_not_go_on_for_another_name() {
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME, "b.example"]);
    let gateway = Gateway::start(&format!("{}{}", secured(&[&leaf], ""), routes("hi")));
    for version in ["-tls1_3", "-tls1_2"] {
        let file = gateway.folder().join(version);
        keep(&gateway, version, &file);
        let arguments = [version, "-servername", "b.example", "-sess_in", file.to_str().unwrap()];
        let said = openssl(gateway.address(), &arguments, &GET.replace(NAME, "b.example"));
        assert!(said.contains("New, TLS") && said.contains("200 OK"), "{version}: {said}");
    }
}

#[test]
fn a_ticket_that_was_tampered_with_is_a_full_handshake() {
    let authority = Authority::new("Test");
    let gateway = Gateway::start(&format!("{}{}", secured(&[&authority.issue(&[NAME])], ""), routes("hi")));
    let file = gateway.folder().join("session");
    keep(&gateway, "-tls1_2", &file);
    // the ticket stands in what openssl keeps as it is: any byte of its front will do
    let shown = std::process::Command::new("openssl").args(["sess_id", "-noout", "-text", "-in"]).arg(&file).output();
    let text = String::from_utf8(shown.unwrap().stdout).unwrap();
    let (_, ticket) = text.split_once("0000 - ").expect("a ticket");
    let front: Vec<u8> = ticket[..47].split([' ', '-']).map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect();
    let der = file.with_extension("der");
    let convert = |from: [&std::ffi::OsStr; 2], to: [&std::ffi::OsStr; 2]| {
        let mut command = std::process::Command::new("openssl");
        command.arg("sess_id").args(["-inform"]).arg(from[0]).arg("-in").arg(from[1]);
        assert!(command.args(["-outform"]).arg(to[0]).arg("-out").arg(to[1]).output().unwrap().status.success());
    };
    convert(["PEM".as_ref(), file.as_os_str()], ["DER".as_ref(), der.as_os_str()]);
    let mut bytes = std::fs::read(&der).unwrap();
    let at = bytes.windows(front.len()).position(|window| window == front).expect("the ticket is in there");
    bytes[at + 8] ^= 1;
    std::fs::write(&der, bytes).unwrap();
    assert!(goes_on(gateway.address(), "-tls1_2", &file));
    convert(["DER".as_ref(), der.as_os_str()], ["PEM".as_ref(), file.as_os_str()]);
    assert!(!goes_on(gateway.address(), "-tls1_2", &file));
}
