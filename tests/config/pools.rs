//! What a document says about pools, health, retries and splits, once it is read; what is warned of; when two are the same.

use super::{documents, environment, here};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;
use wharf::config::{
    ActionConfig, ActiveStart, Balance, Bundle, Document, Loaded, Probe, Purpose, Report, RetryOn, Severity, load,
    load_from, parse, review,
};
use wharf::value::{RequestKey, Secret};

fn valid(name: &str) -> Document {
    let text = std::fs::read_to_string(here().join("valid").join(name)).expect("a readable file");
    review(name, &text, &environment).0.expect("a good document")
}

/// A document with one upstream, `app`, and one route to it.
fn document(upstream: &str, route: &str) -> String {
    format!(
        "version: 1\nlisteners: {{ web: {{ address: \":80\" }} }}\nupstreams:\n  app: {upstream}\n\
         routes:\n  - {{ match: {{ path: /* }}, upstream: app{route} }}\n"
    )
}

/// The first lines of all warnings, in a document that is otherwise good.
fn warnings(text: &str) -> Vec<String> {
    let (document, report) = review("w.yaml", text, &environment);
    assert!(document.is_some(), "{report}");
    assert!(report.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning));
    report.diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect()
}

#[test]
fn a_pool_has_its_documented_defaults() {
    let document = valid("ten_lines_are_enough.yaml");
    let app = document.upstreams.get("app").expect("the upstream");
    assert_eq!(app.balance, Balance::LeastConn);
    assert_eq!((app.passive.max_fails, app.passive.fail_timeout), (1, Duration::from_secs(10)));
    assert!(app.active.is_none() && app.slow_start.is_none() && app.wait.is_none() && app.sticky.is_none());
    assert!(app.endpoints.iter().all(|endpoint| !endpoint.backup && endpoint.max_conns.is_none()));
    let retries = document.routes[0].retries(&document.defaults);
    assert_eq!((retries.attempts, retries.non_idempotent, retries.budget.get()), (3, false, 20));
    let all = RetryOn { error: true, timeout: true, invalid_header: true, statuses: [].into() };
    assert_eq!(retries.retry_on, all);
}

#[test]
fn every_way_to_balance_is_read() {
    let document = valid("every_way_to_balance.yaml");
    let balances: Vec<Balance> = document.upstreams.iter().map(|(_, upstream)| upstream.balance.clone()).collect();
    assert_eq!(
        balances,
        [
            Balance::LeastConn,
            Balance::RoundRobin,
            Balance::Random,
            Balance::P2c,
            Balance::IpHash,
            Balance::Hash(RequestKey::Header("x-tenant".into())),
            Balance::Hash(RequestKey::Cookie("session".into())),
            Balance::Hash(RequestKey::Query("tenant".into())),
            Balance::Hash(RequestKey::Path),
            Balance::Hash(RequestKey::Uri),
            Balance::Hash(RequestKey::ClientIp),
        ]
    );
    let ActionConfig::Split(split) = &document.routes[0].action else { panic!("no split") };
    assert_eq!(split.by, Some(RequestKey::Cookie("session".into())));
    let names: Vec<&str> = document.upstreams.iter().map(|(name, _)| name).collect();
    let sides: Vec<&str> = document.routes[0].action.upstreams().map(|name| &*name.value).collect();
    assert_eq!(sides, names);
    assert_eq!(split.to.iter().map(|choice| choice.weight).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
}

#[test]
fn checks_are_read_with_what_counts_as_success() {
    let document = valid("health_in_few_words.yaml");
    let checked = document.upstreams.get("checked").and_then(|upstream| upstream.active.as_ref()).expect("checks");
    let Probe::Http { path, expect } = &checked.check else { panic!("{checked:?}") };
    assert_eq!(&**path, "/healthz?deep=1");
    assert!([200, 301, 399].into_iter().all(|status| expect.contains(status)));
    assert!([201, 300, 400].into_iter().all(|status| !expect.contains(status)));
    assert_eq!((checked.interval, checked.timeout), (Duration::from_secs(5), Duration::from_secs(2)));
    assert_eq!((checked.rise, checked.fall, checked.start), (2, 3, ActiveStart::Down));
    let tcp = document.upstreams.get("one_address").and_then(|upstream| upstream.active.as_ref()).expect("checks");
    assert_eq!((&tcp.check, tcp.start), (&Probe::Tcp, ActiveStart::Up));
    let wait = document.upstreams.get("checked").and_then(|upstream| upstream.wait).expect("a waiting room");
    assert_eq!((wait.size, wait.timeout), (100, Duration::from_secs(5)));
}

#[test]
fn a_route_inherits_the_retries_that_it_does_not_write() {
    let document = valid("everything_there_is.yaml");
    let named = |name: &str| document.routes.iter().find(|route| route.name() == name).expect("the route");
    let users = named("users").retries(&document.defaults);
    assert_eq!(users.attempts, 2);
    assert_eq!(*users.retry_on.statuses, [502, 503], "inherited, and in order");
    let shop = named("new.shop.example/*").retries(&document.defaults);
    assert_eq!((shop.attempts, shop.retry_on), (3, RetryOn::default()));
}

#[test]
fn what_could_do_nothing_is_warned_of() {
    let alone = "no effect in a pool of one address";
    let text = document("{ endpoints: [127.0.0.1:1], passive: {}, sticky: { cookie: a }, slow_start: 1s }", "");
    let said = warnings(&text);
    assert_eq!(said.len(), 3, "{said:?}");
    for (said, key) in said.iter().zip(["passive", "sticky", "slow_start"]) {
        assert_eq!(*said, format!("`{key}` has {alone}"));
    }
    let socket = document("{ endpoints: [\"unix:/run/app.sock\"], passive: { max_fails: 3 } }", "");
    assert_eq!(warnings(&socket), [format!("`passive` has {alone}")]);
    for harmless in [
        "{ endpoints: [app:1], passive: {}, sticky: { cookie: a }, slow_start: 1s }",
        "{ endpoints: [127.0.0.1:1, 127.0.0.1:2], passive: {}, sticky: { cookie: a }, slow_start: 1s }",
        "{ endpoints: [127.0.0.1:1], passive: { max_fails: 0 } }",
        "{ endpoints: [127.0.0.1:1, { address: 127.0.0.1:2, backup: true }], passive: {} }",
    ] {
        assert_eq!(warnings(&document(harmless, "")), [] as [String; 0], "{harmless}");
    }
}

#[test]
fn a_connect_timeout_beyond_the_operating_systems_own_is_warned_of() {
    let message = "a `connect` of 75s or more holds up the next endpoint's turn";
    let with = |route: &str| warnings(&document("{ endpoints: [app:1] }", route));
    assert_eq!(with(", timeouts: { connect: 75s }"), [message]);
    assert_eq!(with(", timeouts: { connect: 74s }"), [] as [&str; 0]);
    let defaults = document("{ endpoints: [app:1] }", "") + "defaults: { timeouts: { connect: 300s } }\n";
    assert_eq!(warnings(&defaults), [message]);
}

#[test]
fn warnings_hide_neither_errors_nor_other_warnings() {
    let mut text = String::from("version: 1\nlisteners: { web: { address: ':80' } }\nupstreams:\n");
    for i in 0..300 {
        text += &format!("  u{i}: {{ endpoints: [127.0.0.1:1], passive: {{}} }}\n");
    }
    text += "  unused: { endpoints: [app:1] }\nroutes:\n";
    for i in 0..300 {
        text += &format!("  - {{ match: {{ path: /{i} }}, upstream: u{i} }}\n");
    }
    assert_eq!(warnings(&text).len(), 100, "as many as a report holds");
    let (document, report) = review("w.yaml", &(text + "threads: 0\n"), &environment);
    assert!(document.is_none());
    let errors = report.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    assert_eq!((errors, report.omitted, report.diagnostics.len()), (1, 0, 100));
    let few = document_with_a_warning_and_an_unused_upstream();
    assert_eq!(warnings(&few).len(), 2, "the first warning does not silence the second");
}

fn document_with_a_warning_and_an_unused_upstream() -> String {
    document("{ endpoints: [127.0.0.1:1], passive: {} }\n  spare: { endpoints: [app:1] }", "")
}

/// A document read to be served.
fn to_run(text: &str) -> Result<Loaded, Report> {
    load_from(&Bundle::one("s.yaml", text), Purpose::Run)
}

fn hash(value: &impl Hash, state: &RandomState) -> u64 {
    state.hash_one(value)
}

#[test]
fn parts_of_a_document_are_the_same_wherever_they_stand() {
    let state = RandomState::new();
    for path in documents("valid").into_iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let moved = format!("# moved\n\n{text}");
        let read = |text: &str| review("m.yaml", text, &environment).0.expect("a good document");
        let (a, b) = (read(&text), read(&moved));
        assert!(a.defaults == b.defaults && hash(&a.defaults, &state) == hash(&b.defaults, &state));
        assert!(a.admin == b.admin);
        assert_eq!(a.routes.len(), b.routes.len());
        for (a, b) in a.routes.iter().zip(&b.routes) {
            assert!(a.at != b.at, "it has moved");
            assert!(a == b && hash(a, &state) == hash(b, &state), "{}", a.name());
        }
        for ((name, a), (_, b)) in a.upstreams.iter().zip(b.upstreams.iter()) {
            assert!(a == b && hash(a, &state) == hash(b, &state), "{name}");
        }
        for ((name, a), (_, b)) in a.listeners.iter().zip(b.listeners.iter()) {
            assert!(a == b && hash(a, &state) == hash(b, &state), "{name}");
        }
    }
}

#[test]
fn every_difference_between_two_routes_or_pools_is_one() {
    let one = |upstream: &str, route: &str| {
        parse("d.yaml", &document(upstream, route)).unwrap_or_else(|report| panic!("{report}"))
    };
    let plain = "{ endpoints: [a:1, b:1] }";
    let before = one(plain, "");
    for route in [
        ", name: app",
        ", listeners: [web]",
        ", timeouts: { read: 5s }",
        ", retries: { attempts: 2 }",
        ", request: { max_body: 1KiB }",
        ", upgrade: []",
        ", priority: 1",
        ", rewrite: { path: /x }",
        ", headers: { request: { remove: [Cookie] } }",
        ", headers: { response: { add: { X-A: b } } }",
        ", errors: [{ status: [502], respond: { status: 503 } }]",
    ] {
        assert!(one(plain, route).routes[0] != before.routes[0], "{route}");
    }
    for upstream in [
        "{ endpoints: [b:1, a:1] }",
        "{ endpoints: [a:1, { address: b:1, weight: 2 }] }",
        "{ endpoints: [a:1, { address: b:1, max_conns: 2 }] }",
        "{ endpoints: [a:1, { address: b:1, backup: true }] }",
        "{ endpoints: [a:1, b:1], balance: p2c }",
        "{ endpoints: [a:1, b:1], passive: { max_fails: 2 } }",
        "{ endpoints: [a:1, b:1], active: { tcp: true } }",
        "{ endpoints: [a:1, b:1], slow_start: 1s }",
        "{ endpoints: [a:1, b:1], wait: {} }",
        "{ endpoints: [a:1, b:1], sticky: { cookie: a } }",
        "{ endpoints: [a:1, b:1], keepalive: { idle: 1 } }",
        "{ endpoints: [a:1, b:1], tls: {} }",
        "{ endpoints: [a:1, b:1], tls: { sni: a } }",
    ] {
        assert!(one(upstream, "").upstreams.get("app") != before.upstreams.get("app"), "{upstream}");
    }
}

#[test]
fn a_split_has_at_most_a_thousand_sides() {
    let split = |sides: usize| {
        let upstreams: String = (0..sides).map(|n| format!("  u{n}: {{ endpoints: [a:1] }}\n")).collect();
        let to: String = (0..sides).map(|n| format!("{{ upstream: u{n}, weight: 1 }},")).collect();
        let head = "version: 1\nlisteners: { web: { address: ':80' } }\nupstreams:\n";
        parse("s.yaml", &format!("{head}{upstreams}routes:\n  - {{ match: {{ path: /* }}, split: [{to}] }}\n"))
    };
    assert!(split(1000).is_ok());
    let refused = split(1001).expect_err("too many").to_string();
    assert!(refused.contains("a split among more than 1000 upstreams"), "{refused}");
}

#[test]
fn a_secret_is_read_to_run_and_not_to_check() {
    let path = std::env::temp_dir().join(format!("wharf-admin-token-{}", std::process::id()));
    let text = document("{ endpoints: [app:1] }", "")
        + &format!("admin: {{ address: ':9900', token: {{ file: {} }} }}\n", path.display());
    let checked = parse("s.yaml", &text).expect("good, wherever the secret is");
    let token = checked.admin.as_ref().and_then(|admin| admin.token.as_ref()).expect("a token");
    assert_eq!(**token, Secret::File(path.clone()));

    let missing = to_run(&text).expect_err("no such file").to_string();
    assert!(missing.contains("cannot be read: No such file or directory"), "{missing}");
    assert!(missing.contains("--> s.yaml:7:43\n"), "{missing}");

    std::fs::write(&path, "s3cret\n").expect("a writable file");
    let Loaded { document, secrets, .. } = to_run(&text).expect("the secret is there");
    assert_eq!(secrets.admin_token.as_deref(), Some("s3cret"));
    assert!(!format!("{document:?} {secrets:?}").contains("s3cret"));

    std::fs::write(&path, "two words\n").expect("a writable file");
    let odd = to_run(&text).expect_err("no header could carry it").to_string();
    assert!(odd.contains("what is no part of a secret") && !odd.contains("two words"), "{odd}");
    std::fs::remove_file(&path).expect("the file is there");
}

#[test]
fn the_key_of_an_external_account_that_is_none_is_told_at_its_place() {
    let path = std::env::temp_dir().join(format!("wharf-account-key-{}", std::process::id()));
    let text = document("{ endpoints: [app:1] }", "")
        + "acme: { ca: { directory: 'https://ca.example/', external_account: { key_id: k, key: { file: "
        + &format!("{} }} }} }} }}\n", path.display());
    std::fs::write(&path, "n0*base64\n").expect("a writable file");
    let odd = to_run(&text).expect_err("no key").to_string();
    assert!(odd.contains("holds no key in base64url") && !odd.contains("n0*base64"), "{odd}");
    assert!(odd.contains("--> s.yaml:7:93\n"), "{odd}");
    std::fs::write(&path, "a2V5cw\n").expect("a writable file");
    let Loaded { secrets, .. } = to_run(&text).expect("the key is there");
    assert_eq!(secrets.account_keys.get("ca").map(|key| &**key), Some("a2V5cw"));
    std::fs::remove_file(&path).expect("the file is there");
}

#[test]
fn a_document_without_secrets_runs_as_it_is() {
    let path = here().join("valid/ten_lines_are_enough.yaml");
    let loaded = load(&path, Purpose::Run).expect("a good document");
    assert!(loaded.secrets.admin_token.is_none());
}
