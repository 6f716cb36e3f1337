//! What other programs make of the TLS that is spoken: openssl, testssl.sh, a browser.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, PublicKeyData};
use serde_json::Value;

use crate::harness::*;

const NAME: &str = "a.example";
const ROUTES: &str = "routes: [{ match: { path: /* }, respond: { status: 200, body: hi } }]\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

/// A program that the tests run beside the gateway. Without it nothing is tested, which is said loudly, and fails where changes land.
fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    skip_unless(found, &format!("{program} is not installed (`deploy/setup test`)"))
}

/// A response of the authority that this certificate, of this serial number, was not revoked.
fn response_of_ocsp(authority: &Authority, leaf: &Leaf, serial: &str) -> std::path::PathBuf {
    let folder = authority.folder();
    std::fs::write(folder.join("ca.key"), authority.issuer().key().serialize_pem()).unwrap();
    std::fs::write(folder.join("index"), format!("V\t400101000000Z\t\t{serial}\tunknown\t/CN={NAME}\n")).unwrap();
    let ocsp = |arguments: &[&str]| {
        let output = Command::new("openssl").arg("ocsp").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    ocsp(&["-issuer", "ca.pem", "-cert", leaf.cert.to_str().unwrap(), "-no_nonce", "-reqout", "request"]);
    ocsp(&[
        "-index", "index", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-reqin", "request", "-respout",
        "response", "-ndays", "7",
    ]);
    folder.join("response")
}

#[test]
fn a_response_of_the_authority_is_stapled_where_there_is_one() {
    let authority = Authority::new("Test");
    let leaf = authority.issue_with(&[NAME], |params| params.serial_number = Some(vec![0x0a, 0x0b].into()));
    let response = response_of_ocsp(&authority, &leaf, "0A0B");
    let entry = leaf.entry().replace(" }", &format!(", ocsp: {} }}", response.display()));
    let stapled = Gateway::start(&format!("{}{ROUTES}", listener(&format!("tls: {{ certificates: [{entry}] }}"))));
    let plain = Gateway::start(&format!("{}{ROUTES}", secured(&[&leaf], "")));
    for version in ["-tls1_3", "-tls1_2"] {
        let arguments = [version, "-status", "-servername", NAME];
        let said = openssl(stapled.address(), &arguments, GET);
        assert!(said.contains("OCSP Response Status: successful") && said.contains("Cert Status: good"), "{said}");
        let said = openssl(plain.address(), &arguments, GET);
        assert!(said.contains("OCSP response: no response sent"), "{said}");
    }
}

/// Runs some checks of testssl.sh: its findings.
fn testssl(gateway: &Gateway, authority: &Authority, name: &str, checks: &[&str]) -> Vec<Value> {
    let findings = gateway.folder().join(name);
    let output = Command::new("testssl")
        .args(["--quiet", "--color", "0", "--warnings", "off", "-n", "none"])
        .args(["--ip", &gateway.address().ip().to_string()])
        .arg("--add-ca")
        .arg(authority.file())
        .arg("--jsonfile")
        .arg(&findings)
        .args(checks)
        .arg(format!("https://{NAME}:{}", gateway.address().port()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&findings)
        .unwrap_or_else(|_| panic!("testssl.sh found nothing: {}", String::from_utf8_lossy(&output.stdout)));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

/// What a finding is about, whichever certificate it is of.
fn id(finding: &Value) -> &str {
    finding["id"].as_str().unwrap_or_default().split(' ').next().unwrap_or_default()
}

fn good(found: &[Value], wanted: &str) -> bool {
    found.iter().any(|finding| id(finding) == wanted && finding["severity"] == "OK")
}

#[test]
fn testssl_finds_nothing_to_mend() {
    /// What it minds, and why that is no fault.
    const BORNE: [(&str, &str); 4] = [
        ("cert_revocation", "the authority is one of the test: nobody can ask it"),
        ("cipher_order", "every suite is good, so the client chooses, who knows what its machine is quick at"),
        ("security_headers", "what a page may do is for its origin to say"),
        ("engine_problem", "it speaks of the openssl that it runs"),
    ];
    if !is_installed("testssl") {
        return;
    }
    let authority = Authority::new("Test");
    let names = &[NAME];
    let leaves = [&authority.issue(names), &authority.issue_rsa(names)];
    let gateway = Gateway::start(&format!("{}{ROUTES}", secured(&leaves, "hsts: {}")));
    // what takes long mostly waits
    let groups: Vec<(&str, &[&str])> =
        vec![("protocols", &["-p", "-s", "-f", "-P"]), ("vulnerabilities", &["-U"]), ("defaults", &["-S", "-h"])];
    let found = side_by_side(3, groups, |(name, checks)| testssl(&gateway, &authority, name, checks)).concat();
    let severe = |finding: &&Value| {
        let severity = finding["severity"].as_str().unwrap_or_default();
        ["MEDIUM", "HIGH", "CRITICAL", "FATAL"].contains(&severity)
    };
    let is_borne = |finding: &&Value| BORNE.iter().any(|(borne, _)| *borne == id(finding));
    let faults: Vec<&Value> = found.iter().filter(severe).filter(|finding| !is_borne(finding)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    // it has looked at what matters; forward secrecy has another name in another version
    assert!(good(&found, "PFS") || good(&found, "FS"));
    for wanted in [
        "SSLv2",
        "SSLv3",
        "TLS1_2",
        "TLS1_3",
        "cipherlist_NULL",
        "cipherlist_STRONG",
        "heartbleed",
        "CCS",
        "ticketbleed",
        "ROBOT",
        "secure_renego",
        "secure_client_renego",
        "CRIME_TLS",
        "BREACH",
        "POODLE_SSL",
        "fallback_SCSV",
        "SWEET32",
        "FREAK",
        "DROWN",
        "LOGJAM",
        "BEAST",
        "LUCKY13",
        "RC4",
        "HSTS_time",
        "cert_chain_of_trust",
    ] {
        assert!(good(&found, wanted), "{wanted}: {:#?}", found.iter().filter(|f| id(f) == wanted).collect::<Vec<_>>());
    }
    assert_eq!(gateway.metric("panics_total"), 0.0);
}

/// What a browser makes of a page, for which it trusts this certificate.
fn browse(folder: &Path, gateway: &Gateway, leaf: &Leaf, target: &str) -> String {
    let key = KeyPair::from_pem(&leaf.key_pem).unwrap().subject_public_key_info();
    let print = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, &key));
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-dev-shm-usage", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join(target.replace('/', "browser-")).display()))
        .arg(format!("--ignore-certificate-errors-spki-list={print}"))
        .arg(format!("--host-resolver-rules=MAP * {}", gateway.address().ip()))
        .arg(format!("http://{NAME}:{}{target}", gateway.address().port()))
        .env("HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_browser_is_led_to_https_and_stays_there() {
    if !is_installed("chromium") {
        return;
    }
    let authority = Authority::new("Test");
    let leaf = authority.issue(&[NAME]);
    let html = "headers: { Content-Type: text/html }";
    let gateway = Gateway::start(&format!(
        "listeners:\n  web: {{ address: \"HERE:21080\", redirect_to_https: true }}\n  \
         safe: {{ address: \"HERE:21443\", tls: {{ certificates: [{}], hsts: {{ max_age: 1d }} }} }}\n\
         routes:\n  - {{ match: {{ path: /* }}, respond: {{ status: 200, body: \"<p>it is here</p>\", {html} }} }}\n  \
         - {{ match: {{ path: /go }}, respond: {{ status: 200, \
         body: \"<script>location.replace('http://{NAME}:21080/plain')</script>\", {html} }} }}\n",
        leaf.entry()
    ));
    let page = browse(gateway.folder(), &gateway, &leaf, "/first");
    assert!(page.contains("<p>it is here</p>"), "{page}");
    let asked = |path: &str| -> Vec<Value> {
        let mut lines = gateway.log_lines();
        lines.retain(|line| line["path"] == path);
        // each worker writes its own lines: theirs may come in any order
        lines.sort_by_key(|line| line["scheme"] == "https");
        lines
    };
    let lines = eventually(PATIENCE, || Some(asked("/first")).filter(|lines| lines.len() >= 2));
    let first: Vec<_> =
        lines.iter().map(|line| (line["scheme"].as_str().unwrap(), line["status"].as_u64().unwrap())).collect();
    assert_eq!(first, [("http", 308), ("https", 200)]);
    assert_eq!(lines[1]["tls_version"], "1.3");
    // a page that was loaded so leads to one in plain text: the browser has been told, and speaks TLS there too
    browse(gateway.folder(), &gateway, &leaf, "/go");
    eventually(PATIENCE, || asked("/go").last().filter(|line| line["scheme"] == "https").map(drop));
    eventually(PATIENCE, || gateway.log_lines().into_iter().find(|line| line["status"] == 400));
    assert_eq!(asked("/go").iter().filter(|line| line["scheme"] == "https").count(), 1);
    assert!(gateway.log_lines().iter().all(|line| line["path"] != "/plain"), "{:#?}", gateway.log_lines());
}
