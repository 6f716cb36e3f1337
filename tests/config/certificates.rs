//! Certificates and the like that a document names: each is read when the document is loaded, and what is wrong with it is said at its
//! place. The documents in `certificates/` have beside them what is said of them; `certificates/pem/make.sh` made their files.

use super::{documents, entries, here, scratch};
use rcgen::{CertificateParams, KeyPair};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use wharf::config::{CertificateConfig, Loaded, Purpose, Report, load_at};
use wharf::tls::{Authorities, Certificate, Revocations};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The year 2030, in which all committed certificates are valid.
fn now() -> SystemTime {
    time(1_900_000_000)
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A directory with documents, whose keys only their owner reads, as no repository can keep them.
struct Desk(PathBuf);

impl Desk {
    fn new(name: &str) -> Desk {
        let desk = Desk(scratch(name));
        std::fs::create_dir(desk.0.join("pem")).expect("a writable directory");
        for path in documents("certificates").into_iter().filter(|path| path.is_file()) {
            desk.put(path.file_name().and_then(|name| name.to_str()).expect("a name"), &bytes(&path));
        }
        for path in entries(&here().join("certificates/pem")) {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            desk.put(&format!("pem/{name}"), &bytes(&path));
        }
        desk
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("a writable file");
        let mode = if name.ends_with(".key") { 0o600 } else { 0o644 };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its owner");
    }

    fn load(&self, name: &str, purpose: Purpose, now: SystemTime) -> Result<Loaded, Report> {
        load_at(&self.0.join(name), purpose, now)
    }

    /// What is said of a document.
    fn said(&self, name: &str, purpose: Purpose, now: SystemTime) -> String {
        let said = match self.load(name, purpose, now) {
            Ok(loaded) => loaded.render_warnings(false),
            Err(report) => report.to_string(),
        };
        said.replace(&format!("{}/", self.0.display()), "")
    }

    /// What is said of a document with one certificate from `pem/mine.crt` and `pem/mine.key`.
    fn said_of_mine(&self, now: SystemTime) -> String {
        self.put("mine.yaml", document("- { cert: pem/mine.crt, key: pem/mine.key }").as_bytes());
        self.said("mine.yaml", Purpose::Run, now)
    }

    /// Makes `pem/mine.crt`, which is valid from one day of a year to another.
    fn make(&self, from: (i32, u8, u8), to: (i32, u8, u8)) {
        let mut params = CertificateParams::new(["mine.example".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        self.put("pem/mine.crt", certificate.pem().as_bytes());
        self.put("pem/mine.key", key.serialize_pem().as_bytes());
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a readable file")
}

fn document(certificate: &str) -> String {
    format!(
        "version: 1\nlisteners:\n  web:\n    address: ':443'\n    tls:\n      certificates:\n        {certificate}\n\
         routes: [{{ match: {{ path: /* }}, respond: {{}} }}]\n"
    )
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_at_its_place() {
    let desk = Desk::new("certificates");
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in documents("certificates").into_iter().filter(|path| path.is_file()) {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let said = desk.said(name, Purpose::Run, now());
        let beside = path.with_extension("stderr");
        if bless {
            std::fs::write(&beside, &said).expect("the expectation can be written");
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_else(|_| "nothing is expected".to_owned());
        if said != expected {
            wrong.push(format!("== {name}\n-- expected\n{expected}-- shown\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}(BLESS=1 rewrites the expectations)", wrong.join("\n"));
}

#[test]
fn a_check_says_the_same_of_files_that_are_there_and_only_warns_of_others() {
    let desk = Desk::new("certificates-check");
    for name in
        ["chains_that_clients_refuse.yaml", "responses_of_no_use.yaml", "all_is_well.yaml", "what_looks_wrong.yaml"]
    {
        assert_eq!(desk.said(name, Purpose::Check, now()), desk.said(name, Purpose::Run, now()), "{name}");
    }
    desk.put("away.yaml", document("- { cert: pem/away.crt, key: pem/site.key }").as_bytes());
    let checked = desk.load("away.yaml", Purpose::Check, now()).expect("no error");
    let names: Vec<_> = checked.warnings.iter().map(|warning| warning.lint.expect("a name").name).collect();
    assert_eq!(names, ["unread-file"]);
    assert!(desk.load("away.yaml", Purpose::Run, now()).is_err());
}

#[test]
fn what_was_read_is_found_by_what_the_document_says() {
    let desk = Desk::new("certificates-material");
    let Loaded { document, material, .. } =
        desk.load("all_is_well.yaml", Purpose::Run, now()).expect("a good document");
    let tls = document.listeners.get("web").and_then(|listener| listener.tls.as_ref()).expect("TLS");
    let subject = |certificate: &CertificateConfig| match certificate {
        CertificateConfig::Files(files) => {
            material.certificate(files).map(|certificate| certificate.subject.to_string())
        }
        CertificateConfig::Ordered(_) => None,
    };
    let subjects: Vec<_> = tls.certificates.iter().filter_map(subject).collect();
    assert_eq!(subjects, ["a.example", "a.example", "b.example", "10.0.0.1"]);
    let client_ca = tls.client_ca.as_ref().expect("it is written");
    assert_eq!(material.authorities(client_ca).expect("it was read").roots.len(), 1);
    let client_crl = tls.client_crl.as_ref().expect("it is written");
    assert_eq!(material.revocations(client_crl).expect("it was read").lists.len(), 1);
    let upstream = document.upstreams.get("app").and_then(|app| app.tls.as_ref()).expect("TLS");
    assert_eq!(&*material.client_certificate(upstream).expect("it was read").subject, "CN=c.example");
    assert!(material.authorities(upstream.ca.as_ref().expect("it is written")).is_some());
}

#[test]
fn paths_count_from_the_file_in_which_they_are_written() {
    let desk = Desk::new("certificates-paths");
    let text = document("- { cert: site.crt, key: ./site.key }");
    let included = text.replace("version: 1\n", "").replace("routes: [{ match: { path: /* }, respond: {} }]\n", "");
    desk.put("pem/listeners.yaml", included.as_bytes());
    let main = "version: 1\ninclude: [pem/listeners.yaml]\nroutes: [{ match: { path: /* }, respond: {} }]\n";
    desk.put("main.yaml", main.as_bytes());
    assert_eq!(desk.said("main.yaml", Purpose::Run, now()), "");
    let loaded = desk.load("main.yaml", Purpose::Run, now()).expect("a good document");
    let printed = wharf::config::Printed::of(&loaded).yaml(false);
    assert!(printed.contains("cert: pem/site.crt") && printed.contains("key: pem/site.key"), "{printed}");
}

#[test]
fn dates_are_held_against_the_time_and_the_life_of_a_certificate() {
    let desk = Desk::new("certificates-dates");
    let first = |said: String| said.lines().next().unwrap_or_default().to_owned();
    // a year
    desk.make((2029, 1, 1), (2030, 1, 1));
    let end = time(1_893_456_000);
    assert_eq!(desk.said_of_mine(end - DAY * 15), "");
    let soon = desk.said_of_mine(end - DAY * 13);
    assert!(
        soon.starts_with(
            "warning[expiring-certificate]: the certificate in `pem/mine.crt` expires on Tue, 01 Jan 2030"
        )
    );
    assert!(soon.contains("clients refuse it in 13 days"), "{soon}");
    let over =
        "warning[expired-certificate]: the certificate in `pem/mine.crt` expired on Tue, 01 Jan 2030 00:00:00 GMT";
    assert_eq!(first(desk.said_of_mine(end)), over);
    let before = "warning[future-certificate]: the certificate in `pem/mine.crt` is not valid before Mon, 01 Jan 2029 00:00:00 GMT";
    assert_eq!(first(desk.said_of_mine(end - DAY * 400)), before);
    // ten days, of which the last one is soon
    desk.make((2029, 12, 22), (2030, 1, 1));
    assert_eq!(desk.said_of_mine(end - DAY * 2), "");
    assert!(desk.said_of_mine(end - DAY / 2).contains("clients refuse it in less than a day"));
}

#[test]
fn what_a_file_says_is_known_by_a_hash_also_where_it_is_wrong() {
    let desk = Desk::new("certificates-prints");
    let paths = |prints: &[wharf::config::Print]| {
        let name = |print: &wharf::config::Print| {
            let below = print.path.strip_prefix(&desk.0).expect("below the document").display().to_string();
            (below, print.hash.is_some())
        };
        prints.iter().map(name).collect::<Vec<_>>()
    };
    desk.put("one.yaml", document("- { cert: pem/site.crt, key: pem/site.key }").as_bytes());
    let loaded = desk.load("one.yaml", Purpose::Run, now()).expect("a good document");
    assert_eq!(paths(&loaded.prints), [("pem/site.crt".to_owned(), true), ("pem/site.key".to_owned(), true)]);
    assert!(loaded.files.iter().all(|file| !file.text.contains("BEGIN")), "no text of theirs is kept");
    desk.put("one.yaml", document("- { cert: pem/away.crt, key: pem/leaf.key }").as_bytes());
    let report = desk.load("one.yaml", Purpose::Run, now()).expect_err("a file is not there");
    assert_eq!(paths(&report.prints), [("pem/away.crt".to_owned(), false), ("pem/leaf.key".to_owned(), true)]);
}

#[test]
fn a_key_that_everybody_may_read_is_warned_of() {
    let desk = Desk::new("certificates-mode");
    desk.make((2000, 1, 1), (2100, 1, 1));
    assert_eq!(desk.said_of_mine(now()), "");
    std::fs::set_permissions(desk.0.join("pem/mine.key"), PermissionsExt::from_mode(0o644)).expect("its owner");
    let said = desk.said_of_mine(now());
    assert!(said.starts_with("warning[readable-secret]: every user of this machine can read the key\n"), "{said}");
    assert!(said.contains("hint: run `chmod o= pem/mine.key`"), "{said}");
}

#[test]
fn a_document_that_is_only_looked_at_reads_no_files() {
    let text = document("- { cert: /nowhere/site.crt, key: /nowhere/site.key }");
    let bundle = wharf::config::Bundle::one("gateway.yaml", &text);
    let loaded = wharf::config::load_from(&bundle, Purpose::Check).unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty() && loaded.prints.is_empty());
    let report = wharf::config::load_from(&bundle, Purpose::Run).expect_err("it is to be served here");
    assert_eq!(report.diagnostics.len(), 2, "{report}");
}

#[test]
fn a_file_is_not_larger_than_what_belongs_there() {
    let desk = Desk::new("certificates-size");
    desk.make((2000, 1, 1), (2100, 1, 1));
    let mut large = bytes(&desk.0.join("pem/mine.crt"));
    large.resize((1 << 20) + 1, b'\n');
    desk.put("pem/mine.crt", &large);
    assert!(desk.said_of_mine(now()).contains("cannot be read: it is larger than 1 MiB"));
    large.pop();
    desk.put("pem/mine.crt", &large);
    assert_eq!(desk.said_of_mine(now()), "");
}

#[test]
fn no_damage_to_a_file_makes_its_reader_panic() {
    let read = |name: &str| bytes(&here().join("certificates/pem").join(name));
    let (chain, key, response, list) = (read("chain.crt"), read("leaf.key"), read("good.ocsp"), read("clients.crl"));
    assert!(Certificate::read(&chain, &key, Some(&response)).is_ok());
    let mut refused = 0;
    for at in 0..response.len() {
        let mut flipped = response.clone();
        flipped[at] ^= 0xff;
        for damaged in [&response[..at], &flipped] {
            refused += usize::from(Certificate::read(&chain, &key, Some(damaged)).is_err());
        }
    }
    assert!(refused >= response.len(), "every beginning is refused: {refused} of {}", response.len());
    for file in [&chain, &key, &list] {
        for at in (0..file.len()).step_by(3) {
            let mut flipped = file.clone();
            flipped[at] ^= 0x05;
            for damaged in [&file[..at], &flipped] {
                let _ = Certificate::read(damaged, &key, None);
                let _ = Certificate::read(&chain, damaged, None);
                let _ = Authorities::read(damaged);
                let _ = Revocations::read(damaged);
            }
        }
    }
}
