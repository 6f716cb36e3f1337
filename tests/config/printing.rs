//! A document as it is printed says what the document says, and is printed the same again.

use super::{bundle, documents, environment};
use proptest::prelude::*;
use std::collections::BTreeMap;
use wharf::config::{Bundle, Document, Printed, Report, Source, facts, review, review_all};

/// All that holds in a document.
fn facts_of(document: &Document) -> Vec<String> {
    let mut all = Vec::new();
    let mut note = |name: &str, facts: &mut dyn FnMut(facts::Sink<'_>)| {
        facts(&mut |key, value| all.push(format!("{name}: {key}: {value}")));
    };
    note("document", &mut |sink| facts::settings(document, sink));
    for (name, listener) in document.listeners.iter() {
        note(name, &mut |sink| facts::listener(listener, sink));
    }
    for (name, upstream) in document.upstreams.iter() {
        note(name, &mut |sink| facts::upstream(upstream, sink));
    }
    for route in &document.routes {
        note(&route.name(), &mut |sink| facts::route(route, &document.defaults, sink));
    }
    all.push(format!("{:?}", document.defaults));
    all
}

/// The printed document, with the bodies that the first one had in files.
fn printed_bundle(main: &str, text: &str, files: &[Source]) -> Bundle {
    let is_body = |file: &&Source| file.path.extension().is_none_or(|end| end != "yaml");
    let bodies = files.iter().skip(1).filter(is_body);
    let mut files: BTreeMap<String, String> =
        bodies.map(|file| (file.path.display().to_string(), file.text.clone())).collect();
    files.insert(main.to_owned(), text.to_owned());
    Bundle { main: main.to_owned(), files }
}

/// Prints it, reads that again, and compares.
fn there_and_back(read: (Option<Document>, Report)) -> String {
    let (document, report) = read;
    let document = document.unwrap_or_else(|| panic!("{report}"));
    let main = report.files[0].path.display().to_string();
    let printed = Printed::of_files(&report.files, &environment);
    assert_eq!(super::schema::complaints(&printed.yaml(true)), Vec::<String>::new(), "{}", printed.yaml(true));
    let mut once = String::new();
    for (origins, format) in [(false, "yaml"), (true, "yaml"), (false, "json")] {
        let text = match format {
            "json" => printed.json(false).expect("JSON"),
            _ => printed.yaml(origins),
        };
        let (again, said) = review_all(&printed_bundle(&main, &text, &report.files), &environment);
        let again = again.unwrap_or_else(|| panic!("{said}\n{text}"));
        let (before, after) = (facts_of(&document), facts_of(&again));
        let odd = before.iter().zip(&after).find(|(before, after)| before != after);
        assert!(odd.is_none() && before.len() == after.len(), "{odd:?}\n{text}");
        // JSON has no comments to silence warnings with
        if format == "yaml" {
            assert_eq!(said.diagnostics.len(), report.diagnostics.len(), "{said}\n{text}");
        }
        if once.is_empty() {
            once = text;
        }
        if format == "yaml" {
            let twice = Printed::of_files(&said.files, &environment).yaml(false);
            assert_eq!(twice, once, "printed again");
        }
    }
    once
}

#[test]
fn every_good_document_is_printed_as_one_that_says_the_same() {
    for path in documents("valid") {
        there_and_back(review_all(&bundle(&path), &environment));
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["gateway.yaml", "deploy/compose/wharf/gateway.yaml", "src/cli/init.yaml"] {
        let text = std::fs::read_to_string(root.join(name)).expect("a readable file");
        there_and_back(review("gateway.yaml", &text, &environment));
    }
}

const SMALL: &str = "version: 1
listeners: { web: { address: ':${PORT:-80}' } }
defaults:
  timeouts: { read: 7s }
upstreams:
  app: { endpoints: ['${APP_HOST}:1'] }
routes:
  - { match: { path: /a }, upstream: app, timeouts: { write: 2s } }
  - { match: { path: /b }, respond: { body: 'x' } }
";

#[test]
fn every_value_says_where_it_is_from() {
    let (_, report) = review("gateway.yaml", SMALL, &environment);
    let printed = Printed::of_files(&report.files, &environment);
    let text = printed.yaml(true);
    for line in [
        "version: 1  # gateway.yaml:1",
        "threads: auto  # default",
        "    address: \":${PORT:-80}\"  # ${PORT}, gateway.yaml:2",
        "      - address: \"${APP_HOST}:1\"  # ${APP_HOST}, gateway.yaml:6",
        "        weight: 1  # default",
        "      connect: 5s  # default",
        "      read: 7s  # defaults, gateway.yaml:4",
        "      write: 2s  # gateway.yaml:8",
        "    upgrade: [websocket]  # default",
        "      body: x  # gateway.yaml:9",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    // every line with a value says it
    for line in text.lines().filter(|line| !line.is_empty() && !line.ends_with(':')) {
        assert!(line.contains("  # "), "{line}");
    }
    let json = printed.json(true).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["configuration"]["upstreams"]["app"]["endpoints"][0]["weight"], 1);
    assert_eq!(json["origins"]["routes[0].timeouts.read"], "defaults, gateway.yaml:4");
}

#[test]
fn no_value_of_the_environment_and_no_secret_is_printed() {
    let text = format!("{SMALL}admin: {{ address: ':9', token: {{ env: APP_HOST }} }}\n");
    let printed = there_and_back(review("gateway.yaml", &text, &environment));
    assert!(!printed.contains("app-1"), "{printed}");
    assert!(printed.contains("token:\n    env: APP_HOST\n"), "{printed}");
}

#[test]
fn included_files_become_one_and_their_bodies_are_found() {
    let files = [
        (
            "gateway.yaml",
            "version: 1\ninclude: [sub/r.yaml]\nlisteners: { web: { address: ':80' } }\nroutes: [{ match: { path: /m }, respond: { body_file: m.txt } }]\n",
        ),
        ("sub/r.yaml", "routes: [{ match: { path: /r }, respond: { body_file: r.txt } }]\n"),
        ("m.txt", "main"),
        ("sub/r.txt", "sub"),
    ];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    let printed = there_and_back(review_all(&Bundle { main: "gateway.yaml".to_owned(), files }, &environment));
    assert!(printed.contains("body_file: m.txt") && printed.contains("body_file: sub/r.txt"), "{printed}");
    assert!(!printed.contains("include"), "{printed}");
}

fn some(fragments: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::subsequence(fragments, 0..=fragments.len()).prop_map(|picked| picked.join(", "))
}

/// Documents of every kind of section, each with some of its keys.
fn generated() -> impl Strategy<Value = String> {
    let listener = some(&["keepalive: { requests: 7 }", "limits: { header_size: 1024, body_min_rate: 64KiB/s }"]);
    let endpoints = proptest::sample::select(vec![
        "[a:1, 'b:2']",
        "[127.0.0.1:1]",
        "[{ address: a:1, max_conns: 3 }, { address: '${APP_HOST}:2', backup: true }]",
        "['[::1]:80', unix:/run/a.sock]",
    ]);
    let upstream = some(&[
        "balance: p2c",
        "keepalive: { idle: 0 }",
        "active: { tcp: true, rise: 3 }",
        "wait: {}",
        "sticky: { cookie: '1' }",
    ]);
    let passive = proptest::sample::select(vec!["", "passive: { max_fails: 0 }", "passive: { fail_timeout: 120s }"]);
    let route = some(&[
        "rewrite: { regex: '^/(\\w+)/\"old', to: '/$1/new' }",
        "headers: { request: { set: { X-A: \"{client_ip} \\u00e9\", Host: x } }, response: { remove: [Server] } }",
        "errors: [{ status: [502, 503], respond: { body: \"a\\tb\\n# no comment\\n\" } }]",
        "timeouts: { read: unlimited, connect: '1s' }",
        "upgrade: []",
        "request: { max_body: 1000 }",
        "priority: -3",
    ]);
    let retries = proptest::sample::select(vec![
        "",
        "retries: { attempts: 1 }",
        "retries: { retry_on: [] }",
        "retries: { budget: 3%, retry_on: [503, error] }",
    ]);
    let matched = some(&[
        "host: '*.Example.com'",
        "methods: [PUT, GET]",
        "headers: { X-A: 'true', X-B: '~ ^\\d+$' }",
        "query: { v: 1 }",
    ]);
    let defaults = some(&[
        "timeouts: { connect: 3s, request: 1h }",
        "retries: { attempts: 1, budget: 0% }",
        "request: { max_body: unlimited }",
    ]);
    let more = some(&[
        "trusted_proxies: [10.0.0.0/8, '::1']",
        "threads: 3",
        "shutdown_timeout: 0s",
        "observability: { log: { level: debug }, access_log: { output: ./a.log, format: '{ts} {{$1}} \"{path}\"' } }",
        "admin: { address: 'localhost:1' }",
    ]);
    (listener, endpoints, upstream, passive, route, retries, matched, defaults, more).prop_map(
        |(listener, endpoints, upstream, passive, route, retries, matched, defaults, more)| {
            let comma = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
            format!(
                "{{ version: 1, listeners: {{ web: {{ address: ':80'{} }} }},\n\
                 upstreams: {{ app: {{ endpoints: {endpoints}{}{} }} }},\n\
                 defaults: {{ {defaults} }},\n\
                 routes: [\n\
                 {{ name: '7', match: {{ path: /a/*{} }}, upstream: app{}{} }},\n\
                 {{ match: {{ path: /b }}, redirect: {{ to: '/c{{path}}' }} }},\n\
                 {{ match: {{ path: '/s/{{id}}' }}, split: [{{ upstream: app, weight: 1 }}]{} }},\n\
                 {{ match: {{ host: z }}, respond: {{ status: 404, headers: {{ X-Y: 'no' }} }} }} ]{} }}\n",
                comma(&listener),
                comma(&upstream),
                comma(passive),
                comma(&matched),
                comma(&route),
                comma(retries),
                comma(retries),
                comma(&more),
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_generated_document_is_printed_as_one_that_says_the_same(text in generated()) {
        assert_eq!(super::schema::complaints(&text), Vec::<String>::new(), "{text}");
        there_and_back(review("gateway.yaml", &text, &environment));
    }
}
