//! Warnings: every example of the manual is warned of by its name and nothing else, comments silence it, and what the manual
//! says to write instead is not warned of.

use super::{environment, here, scratch};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use wharf::config::{Bundle, Document, LINTS, Lint, Mend, Purpose, Report, load, review, review_all};

/// Where the files lie that examples name.
const FILES: &str = "/etc/wharf/";

/// Where the examples are written, and a secret with a mode.
struct Desk {
    directory: PathBuf,
}

impl Desk {
    fn new(name: &str, mode: u32) -> Desk {
        let desk = Desk { directory: scratch(name) };
        desk.put("admin_token", mode, "secret\n");
        desk.certificates();
        desk
    }

    fn put(&self, name: &str, mode: u32, text: &str) {
        let path = self.directory.join(name);
        std::fs::write(&path, text).expect("a writable file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its owner");
    }

    /// The certificates that examples name, as of today.
    fn certificates(&self) {
        let day = |days: i64| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is set");
            let since = now.as_secs() as i64 / 86_400 + days;
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(since as u64 * 86_400)
        };
        let make = |name: &str, from: i64, to: i64, is_authority: bool| {
            let mut params = CertificateParams::new(["a.example".to_owned()]).expect("a name");
            (params.not_before, params.not_after) = (day(from), day(to));
            if is_authority {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.key_usages.push(KeyUsagePurpose::CrlSign);
            }
            let key = KeyPair::generate().expect("a key");
            let certificate = params.self_signed(&key).expect("a certificate");
            self.put(&format!("{name}.crt"), 0o644, &certificate.pem());
            self.put(&format!("{name}.key"), 0o600, &key.serialize_pem());
            Issuer::new(params, key)
        };
        make("site", -100, 1000, false);
        make("again", -100, 1000, false);
        make("expired", -100, -1, false);
        make("expiring", -100, 5, false);
        make("future", 10, 1000, false);
        let authority = make("authority", -100, 1000, true);
        std::fs::copy(self.directory.join("authority.crt"), self.directory.join("clients.pem")).expect("it is there");
        let list = CertificateRevocationListParams {
            this_update: day(-100),
            next_update: day(-1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&authority).and_then(|list| list.pem()).expect("a list");
        self.put("stale.crl", 0o644, &list);
    }

    /// The names of the warnings of a document on disk, each with the line it points to.
    fn warnings(&self, text: &str) -> Vec<(&'static str, usize)> {
        let path = self.directory.join("gateway.yaml");
        let text = text.replace(FILES, &format!("{}/", self.directory.to_str().expect("a UTF-8 path")));
        std::fs::write(&path, &text).expect("a writable file");
        let loaded = load(&path, Purpose::Check).unwrap_or_else(|report| panic!("{report}\n{text}"));
        let line = |at| loaded.files[0].position(at).line;
        loaded.warnings.iter().map(|warning| (warning.lint.expect("a name").name, line(warning.at.start))).collect()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The text with one line changed.
fn with_line(text: &str, line: usize, change: impl Fn(&str) -> String) -> String {
    let lines = text.lines().enumerate();
    lines.map(|(at, old)| if at + 1 == line { change(old) + "\n" } else { format!("{old}\n") }).collect()
}

#[test]
fn every_example_of_the_manual_is_warned_of_by_its_name_alone_and_a_comment_silences_it() {
    let desk = Desk::new("lints", 0o644);
    for Lint { name, example, mend, .. } in LINTS {
        let warnings = desk.warnings(example);
        let [(found, line)] = warnings.as_slice() else { panic!("{name}: {warnings:?}") };
        assert_eq!(found, name);
        let allow = format!("# wharf: allow {name}");
        let above = with_line(example, *line, |old| format!("  {allow} # a remark\n{old}"));
        assert_eq!(desk.warnings(&above), [], "{above}");
        if *name != "needless-allow" {
            let behind = with_line(example, *line, |old| format!("{old} {allow}"));
            assert_eq!(desk.warnings(&behind), [], "{behind}");
            let elsewhere = format!("{example}{allow}\n");
            let names: Vec<_> = desk.warnings(&elsewhere).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, [*name, "needless-allow"], "{elsewhere}");
        }
        if let Mend::Write(from, to) = mend {
            assert!(example.contains(from), "{name}");
            let mended = example.replacen(from, to, 1);
            assert_eq!(desk.warnings(&mended), [], "{mended}");
        }
    }
}

#[test]
fn a_secret_that_only_its_owner_reads_is_not_warned_of() {
    let desk = Desk::new("lints-secret", 0o640);
    let lint = LINTS.iter().find(|lint| lint.name == "readable-secret").expect("it is one of them");
    assert_eq!(desk.warnings(lint.example), []);
}

#[test]
fn names_are_in_order_and_each_is_one_word() {
    let names: Vec<_> = LINTS.iter().map(|lint| lint.name).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')));
}

#[test]
fn the_manual_of_warnings_says_what_the_list_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/lints.md");
    let written = wharf::config::lints_reference();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &written).expect("the manual can be written");
    }
    let manual = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(manual == written, "docs/reference/lints.md is out of date (BLESS=1 writes it anew)");
}

fn read(text: &str) -> (Option<Document>, Report) {
    review("w.yaml", text, &environment)
}

/// The names of the warnings of a good document.
fn names(text: &str) -> Vec<&'static str> {
    let (document, report) = read(text);
    assert!(document.is_some(), "{report}");
    report.diagnostics.iter().map(|warning| warning.lint.expect("a name").name).collect()
}

const HEAD: &str =
    "version: 1\nlisteners: { web: { address: ':80' } }\nroutes: [{ match: { path: / }, respond: {} }]\n";

#[test]
fn a_comment_is_one_only_where_yaml_has_one() {
    let spare = |rest: &str| names(&format!("{HEAD}upstreams:\n  spare: {rest}\n"));
    assert_eq!(spare("{ endpoints: [a:1] } # wharf: allow unused-upstream"), [""; 0]);
    assert_eq!(spare("{ endpoints: [a:1] } #wharf:allow unused-upstream,needless-allow"), ["needless-allow"]);
    assert_eq!(spare("{ endpoints: [a:1] } # for later # wharf: allow unused-upstream"), [""; 0]);
    // the comment of a commented-out line, and one without a blank before it
    assert_eq!(spare("{ endpoints: [a:1] }\n# x: y # wharf: allow lone-endpoint"), ["unused-upstream"]);
    let text = |body: &str| {
        names(&format!(
            "version: 1\nlisteners: {{ web: {{ address: ':80' }} }}\nroutes:\n  \
             - match: {{ path: / }}\n    respond:\n      headers: {{ Content-Type: text/plain }}\n      body: {body}"
        ))
    };
    for body in [
        "\"a # wharf: allow unused-upstream\"\n",
        "'a\n        # wharf: allow unused-upstream\n        b'\n",
        "|\n        # wharf: allow unused-upstream\n        # wharf: allow no such name\n",
        ">-\n        a\n        # wharf: alow x\n",
    ] {
        assert_eq!(text(body), [""; 0], "{body}");
    }
    assert_eq!(text("\"a # wharf: allow x\" # wharf: allow unused-upstream\n"), ["needless-allow"]);
    assert_eq!(text("# wharf: allow unused-upstream\n        a\n"), ["needless-allow"]);
}

#[test]
fn comments_above_each_other_speak_for_the_same_line() {
    let text = "upstreams:\n  # wharf: allow unused-upstream\n  # the pool of the old site\n  # wharf: allow lone-endpoint\n  \
                spare: { endpoints: [10.0.0.1:1], slow_start: 30s }\n";
    assert_eq!(names(&format!("{HEAD}{text}")), [""; 0]);
}

#[test]
fn a_comment_speaks_for_text_in_block_style_above_it() {
    let text = "version: 1\nlisteners: { web: { address: ':80' } }\nroutes:\n  - match: { path: / }\n    respond:\n      \
                headers: { Content-Type: text/plain }\n      body: |";
    assert_eq!(names(&format!("{text}\n\n        $host\n")), ["nginx-variable"]);
    assert_eq!(names(&format!("{text} # wharf: allow nginx-variable\n\n        $host\n")), [""; 0]);
    assert_eq!(names(&format!("{text}-\n        # wharf: allow nginx-variable\n        $host\n")), ["nginx-variable"]);
}

#[test]
fn comments_in_included_files_silence_there() {
    let main = "version: 1\ninclude: [more.yaml]\nlisteners: { web: { address: ':80' } }\n\
                routes: [{ match: { path: / }, respond: {} }]\n";
    let more = "upstreams:\n  a: { endpoints: [a:1] } # wharf: allow unused-upstream\n  b: { endpoints: [a:1] }\n";
    let mut bundle = Bundle::one("gateway.yaml", main);
    bundle.files.insert("more.yaml".to_owned(), more.to_owned());
    let (_, report) = review_all(&bundle, &environment);
    let [warning] = report.diagnostics.as_slice() else { panic!("{report}") };
    assert_eq!((warning.at.file, report.position(warning).line), (1, 3));
}

#[test]
fn errors_are_not_silenced_and_beside_them_no_comment_is_needless() {
    let text = format!("{HEAD}threads: none # wharf: allow unused-upstream\n");
    let (document, report) = read(&text);
    assert!(document.is_none());
    assert_eq!(report.diagnostics.len(), 1, "{report}");
}

#[test]
fn many_warnings_that_are_silenced_hide_no_other() {
    let mut text = format!("{HEAD}upstreams:\n");
    for number in 0..300 {
        text += &format!("  spare{number}: {{ endpoints: [a:1] }} # wharf: allow unused-upstream\n");
    }
    text += "  other: { endpoints: [a:1] }\n";
    assert_eq!(names(&text), ["unused-upstream"]);
}

#[test]
fn the_shortest_documents_are_not_warned_of() {
    for name in ["ten_lines_are_enough", "health_in_few_words"] {
        let text = std::fs::read_to_string(here().join(format!("valid/{name}.yaml"))).expect("a readable file");
        assert_eq!(names(&text), [""; 0], "{name}");
    }
}

/// A document with two endpoints and one route.
fn gateway(top: &str, upstream: &str, route: &str) -> String {
    format!(
        "version: 1\nlisteners: {{ web: {{ address: ':80' }} }}\n{top}upstreams:\n  \
         app: {{ endpoints: [10.0.0.1:1, 10.0.0.2:1]{upstream} }}\n\
         routes:\n  - {{ match: {{ path: /* }}, upstream: app{route} }}\n"
    )
}

#[test]
fn only_what_is_written_is_held_against_the_time_of_the_exchange() {
    let of = |top: &str, route: &str| names(&gateway(top, "", route));
    let sixty = "defaults: { timeouts: { request: 60s } }\n";
    assert_eq!(of("defaults: { timeouts: { request: 1s } }\n", ""), [""; 0], "read is 60s unless written");
    assert_eq!(of("defaults: { timeouts: { read: 60s, request: 60s } }\n", ""), [""; 0]);
    assert_eq!(of("defaults: { timeouts: { read: 61s, request: 60s } }\n", ""), ["timeout-beyond-request"]);
    assert_eq!(of("defaults: { timeouts: { read: 61s } }\n", ", timeouts: { request: 5s }"), [""; 0]);
    assert_eq!(of(sixty, ", timeouts: { read: 5m, request: unlimited }"), [""; 0]);
    assert_eq!(of(sixty, ", timeouts: { read: unlimited }"), [""; 0]);
    assert_eq!(of(sixty, ", timeouts: { read: 5m, write: 5m }"), ["timeout-beyond-request"; 2]);
    assert_eq!(of("", ", timeouts: { connect: 5s, request: 5s }"), ["connect-outlasts-request"]);
}

#[test]
fn attempts_are_counted_for_the_route_that_writes_them() {
    let routes = "routes:\n  - { match: { path: /a }, upstream: two, retries: { attempts: 2 } }\n  \
                  - { match: { path: /b }, upstream: name, retries: { attempts: 9 } }\n  \
                  - { match: { path: /c }, split: [{ upstream: two, weight: 1 }, { upstream: name, weight: 1 }], retries: { attempts: 9 } }\n  \
                  - { match: { path: /d }, upstream: two }\n  \
                  - match: { path: /e }\n    upstream: two\n    retries:\n      attempts: 3\n";
    let text = format!(
        "version: 1\nlisteners: {{ web: {{ address: ':80' }} }}\ndefaults: {{ retries: {{ attempts: 9 }} }}\n\
         upstreams:\n  two: {{ endpoints: [10.0.0.1:1, 10.0.0.2:1] }}\n  name: {{ endpoints: [app:1] }}\n{routes}"
    );
    let (_, report) = read(&text);
    let [warning] = report.diagnostics.as_slice() else { panic!("{report}") };
    assert_eq!(report.position(warning).line, text.lines().count(), "{report}");
}

#[test]
fn a_wait_is_held_against_the_longest_exchange_to_its_upstream() {
    let of = |wait: &str, rest: &str| names(&(gateway("", wait, ", timeouts: { request: 10s }") + rest));
    let wait = ", wait: { timeout: 30s }";
    assert_eq!(of(wait, ""), ["wait-beyond-request"]);
    assert_eq!(of(", wait: { size: 5 }", ""), [""; 0]);
    assert_eq!(of(wait, "  - { match: { path: /slow }, upstream: app }\n"), [""; 0]);
    assert_eq!(
        of(wait, "  - { match: { path: /slow }, upstream: app, timeouts: { request: 20s } }\n"),
        ["wait-beyond-request"]
    );
}

#[test]
fn ranges_of_one_owner_are_not_too_wide() {
    let of = |ranges: &str| names(&gateway(&format!("trusted_proxies: [{ranges}]\n"), "", ""));
    assert_eq!(of("10.0.0.0/8, 'fc00::/7', 127.0.0.1, 'fd00::/8'"), [""; 0]);
    assert_eq!(of("0.0.0.0/0, '::/0', 8.0.0.0/7, '2000::/3'"), ["wide-trusted-proxies"; 4]);
}

#[test]
fn metrics_may_be_open_where_strangers_are_not() {
    let of = |address: &str| {
        let admin = format!("admin: {{ address: '{address}', token: {{ env: T }}, metrics_open: true }}\n");
        names(&gateway(&admin, "", ""))
    };
    for address in ["127.0.0.1:1", "10.1.2.3:1", "[fd00::1]:1", "100.64.0.1:1", "localhost:1", "unix:/run/a.sock"] {
        assert_eq!(of(address), [""; 0], "{address}");
    }
    for address in [":1", "0.0.0.0:1", "[::]:1", "192.0.2.1:1", "100.128.0.1:1", "[2001:db8::1]:1"] {
        assert_eq!(of(address), ["open-metrics"], "{address}");
    }
}

#[test]
fn variables_of_nginx_are_told_from_other_dollars() {
    let of = |body: &str| {
        let text = "version: 1\nlisteners: { web: { address: ':80' } }\nroutes:\n  - match: { path: / }\n    respond: ";
        names(&format!("{text}{{ headers: {{ Content-Type: text/plain }}, body: '{body}' }}\n"))
    };
    for body in ["costs $5", "$HOME", "$ host", "$hostage", "$1", "$${host}", "host$"] {
        assert_eq!(of(body), [""; 0], "{body}");
    }
    for body in ["$host", "a $request_uri b", "$5 for $remote_addr", "$http_x_tenant", "$arg_page"] {
        assert_eq!(of(body), ["nginx-variable"], "{body}");
    }
}

/// A document with these routes, and the upstream that they use.
fn routes(routes: &[&str]) -> String {
    let is_used = routes.iter().any(|route| route.contains("upstream: app"));
    let upstreams = if is_used { "upstreams: { app: { endpoints: [app:1] } }\n" } else { "" };
    let head = format!("version: 1\nlisteners: {{ web: {{ address: ':80' }} }}\n{upstreams}routes:\n");
    routes.iter().fold(head, |text, route| format!("{text}  - {{ {route} }}\n"))
}

#[test]
fn groups_by_number_are_told_from_other_dollars() {
    let expression = "match: { path: '~ ^/r/(.*)$' }";
    let plain = "match: { path: /r/* }, upstream: app";
    for rest in ["redirect: { to: '/new/$1' }", "upstream: app, rewrite: { path: '/new/$1' }"] {
        assert_eq!(names(&routes(&[&format!("{expression}, {rest}")])), ["nginx-variable"], "{rest}");
    }
    let header = |head: &str, text: &str| {
        names(&routes(&[&format!("{head}, headers: {{ request: {{ set: {{ X-A: '{text}' }} }} }}")]))
    };
    let expression = format!("{expression}, upstream: app");
    assert_eq!(header(&expression, "a $1"), ["nginx-variable"]);
    assert_eq!(header(&expression, "costs $5"), [""; 0], "there is one group");
    assert_eq!(header(plain, "costs $1"), [""; 0]);
    let to = "upstream: app, rewrite: { regex: '^/r/(.*)$', to: '/new/$1' }";
    assert_eq!(names(&routes(&[&format!("match: {{ path: /r/* }}, {to}")])), [""; 0]);
}

#[test]
fn variables_of_templates_are_told_from_braces() {
    let header = |text: &str| {
        names(&routes(&[&format!(
            "match: {{ path: /* }}, upstream: app, headers: {{ request: {{ set: {{ X-A: '{text}' }} }} }}"
        )]))
    };
    for text in ["{{ client_ip }}", "{{client_ip}}", "%{client_ip}", "a {{ header.X-B }}"] {
        assert_eq!(header(text), ["literal-variable"], "{text}");
    }
    for text in ["{{\"group\":\"{host}\"}}", "100% {host}", "{{ me }}", "%20{host}"] {
        assert_eq!(header(text), [""; 0], "{text}");
    }
    let body = |text: &str| {
        let content = "headers: { Content-Type: text/plain }";
        names(&routes(&[&format!("match: {{ path: / }}, respond: {{ {content}, body: '{text}' }}")]))
    };
    for text in ["hi {client_ip}", "{header.X-Tenant}"] {
        assert_eq!(body(text), ["literal-variable"], "{text}");
    }
    for text in ["hi {host}", "{\"client_ip\":1}", "p { color: red }", "let {path} = url;"] {
        assert_eq!(body(text), [""; 0], "{text}");
    }
}

#[test]
fn a_slash_at_the_end_of_a_path_is_warned_of_only_where_it_stands_alone() {
    let api = "match: { path: /api/ }, upstream: app";
    assert_eq!(names(&routes(&[&format!("{api}, rewrite: {{ strip_prefix: /api }}")])), ["lone-slash"]);
    for other in ["/api", "/api/*", "/api/users", "'~ ^/api/[0-9]+$'", "/api*"] {
        let other = format!("match: {{ path: {other} }}, upstream: app");
        assert_eq!(names(&routes(&[api, &other])), [""; 0], "{other}");
    }
    assert_eq!(names(&routes(&[api, "match: { path: /* }, upstream: app"])), ["lone-slash"]);
    assert_eq!(names(&routes(&["match: { path: /about/ }, redirect: { to: /about }"])), [""; 0]);
    assert_eq!(names(&routes(&["match: { path: / }, upstream: app"])), [""; 0]);
}

#[test]
fn colons_within_a_segment_are_letters() {
    let of = |path: &str| names(&routes(&[&format!("match: {{ path: '{path}' }}, upstream: app")]));
    assert_eq!(of("/u/:id/x"), ["colon-segment"]);
    for path in ["/items/a:batch", "/:", "/:1", "~ ^/u/:id$"] {
        assert_eq!(of(path), [""; 0], "{path}");
    }
}

#[test]
fn methods_that_are_no_slip_are_not_warned_of() {
    let of = |methods: &str| names(&routes(&[&format!("match: {{ path: /a, methods: [{methods}] }}, upstream: app")]));
    assert_eq!(of("GTE, PSOT, OPTION"), ["unknown-method"; 3]);
    let of_others = "PROPFIND, MKCOL, COPY, MOVE, LOCK, UNLOCK, REPORT, SEARCH, PURGE, BAN, LIST, QUERY, M-SEARCH, NOTIFY, \
                     SUBSCRIBE, LINK, UNLINK, MERGE, ACL, BIND, LABEL, SOURCE, POLL";
    assert_eq!(of(of_others), [""; 0]);
}

#[test]
fn an_error_page_that_some_error_shows_is_not_warned_of() {
    let of = |page: &str| {
        names(&routes(&[&format!(
            "match: {{ path: /* }}, upstream: app, errors: [{{ {page}, respond: {{ status: 503 }} }}]"
        )]))
    };
    assert_eq!(of("status: [404, 403]"), ["unused-error-page"]);
    assert_eq!(of("status: [404], intercept: true"), [""; 0]);
    assert_eq!(of("status: [404, 502]"), [""; 0]);
}
