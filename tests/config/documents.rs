//! The files in `valid/` and `invalid/`, and what a good document holds once it is read.

use super::{bundle, documents, entries, environment, here};
use std::time::Duration;
use wharf::config::{ActionConfig, Document, Report, Severity, review, review_all};
use wharf::value::{EndpointAddress, Limit, ListenAddress, Size};

fn read(path: &std::path::Path) -> (Option<Document>, Report) {
    review_all(&bundle(path), &environment)
}

#[test]
fn every_wrong_document_is_refused_with_the_text_beside_it() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let documents = documents("invalid");
    assert!(documents.len() >= 40, "there are {}", documents.len());
    for path in documents {
        let (document, report) = read(&path);
        assert!(document.is_none(), "{} was accepted", path.display());
        assert!(report.has_errors(), "{} has no errors", path.display());
        let shown = report.to_string();
        let beside = path.with_extension("stderr");
        if bless {
            std::fs::write(&beside, &shown).expect("the expectation can be written");
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if shown != expected {
            wrong.push(format!("== {}\n-- expected\n{expected}-- shown\n{shown}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}(BLESS=1 rewrites the expectations)", wrong.join("\n"));
}

#[test]
fn every_expectation_belongs_to_a_document() {
    for path in entries(&here().join("invalid")) {
        let document = path.with_extension("yaml").exists() || path.with_extension("").is_dir();
        assert!(document, "{} stands alone", path.display());
    }
}

#[test]
fn every_good_document_is_read_without_a_word() {
    for path in documents("valid") {
        let (document, report) = read(&path);
        assert!(report.diagnostics.is_empty(), "{report}");
        assert!(document.is_some(), "{}", path.display());
    }
}

#[test]
fn what_is_left_out_has_its_documented_default() {
    let document = read(&here().join("valid/ten_lines_are_enough.yaml")).0.expect("a good document");
    let listener = document.listeners.get("web").expect("the listener");
    assert_eq!(*listener.address, ListenAddress::Any { port: 8080 });
    assert_eq!(listener.keepalive.timeout, Duration::from_secs(65));
    assert_eq!(listener.limits.header_size, Size(32 << 10));
    assert_eq!(listener.limits.body_min_rate.per_second(), 500);
    assert_eq!(document.shutdown_timeout, Duration::from_secs(9));
    assert_eq!(document.defaults.timeouts.request, Limit::Unlimited);
    let upstream = document.upstreams.get("app").expect("the upstream");
    assert_eq!(upstream.endpoints.len(), 2);
    assert_eq!(upstream.keepalive.max_age, Duration::from_secs(3600));
    assert_eq!(upstream.endpoints[0].weight, 1);
    assert_eq!(document.routes[0].name(), "/*");
    assert_eq!(document.routes[0].upgrade.len(), 1);
    assert!(document.admin.is_none());
}

#[test]
fn what_is_written_is_what_is_read() {
    let document = read(&here().join("valid/everything_there_is.yaml")).0.expect("a good document");
    let names: Vec<&str> = document.upstreams.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["user_service", "cart_service"], "in the order of the document");
    let route = document.routes.iter().find(|route| route.name() == "users").expect("the route");
    assert_eq!(route.timeouts(&document.defaults).read, Limit::At(Duration::from_secs(300)));
    assert_eq!(route.timeouts(&document.defaults).connect, Duration::from_secs(2), "inherited");
    assert_eq!(route.request(&document.defaults).max_body, Limit::At(Size(50 << 20)));
    assert!(route.upgrade.is_empty());
    assert!(matches!(&route.action, ActionConfig::Upstream(name) if &*name.value == "user_service"));
    let endpoint = &document.upstreams.get("cart_service").expect("the upstream").endpoints[0];
    assert_eq!(*endpoint.address, EndpointAddress::Name { host: "app-1".into(), port: 9000 }, "from the environment");
    let redirect = document.routes.iter().find_map(|route| match &route.action {
        ActionConfig::Redirect(redirect) => Some(redirect),
        _ => None,
    });
    assert_eq!(redirect.map(|redirect| redirect.to.to_string()).as_deref(), Some("https://new.example.com{path}"));
    let respond = document.routes.iter().find_map(|route| match &route.action {
        ActionConfig::Respond(respond) => Some(respond),
        _ => None,
    });
    let respond = respond.expect("an answer");
    assert_eq!((&*respond.body, respond.status), (&b"pong\n"[..], 200));
    assert_eq!(&*respond.headers[0].0, "Content-Type");
}

#[test]
fn what_anchors_hold_can_stand_again_and_be_merged() {
    let text = "version: 1\nlisteners:\n  a: { address: ':80', limits: &limits { connections: 10, header_count: 50 } }\n  \
                b: { address: ':81', limits: { header_count: 7, <<: [{ connections: 1 }, *limits] } }\n\
                upstreams: { app: { endpoints: &endpoints [app:1] }, web: { endpoints: *endpoints } }\n\
                routes: &all\n  - &one { match: { host: &host a.example, path: /a }, respond: { status: 201 } }\n  \
                - { <<: *one, match: { host: *host, path: /b } }\n";
    let (document, report) = review("anchors.yaml", text, &environment);
    let document = document.unwrap_or_else(|| panic!("{report}"));
    let limits = &document.listeners.get("b").expect("the listener").limits;
    assert_eq!((limits.connections, limits.header_count), (1, 7), "its own keys first, then the first that is merged");
    assert_eq!(document.upstreams.get("web").expect("the upstream").endpoints.len(), 1);
    let names: Vec<_> = document.routes.iter().map(|route| route.name()).collect();
    assert_eq!(names, ["a.example/a", "a.example/b"]);
    assert!(matches!(&document.routes[1].action, ActionConfig::Respond(respond) if respond.status == 201));
}

#[test]
fn an_upstream_that_no_route_uses_is_a_warning_and_no_error() {
    let text = "version: 1\nlisteners: { web: { address: ':80' } }\nupstreams: { spare: { endpoints: [a:1] } }\n\
                routes: [{ match: { path: / }, respond: {} }]\n";
    let (document, report) = review("w.yaml", text, &environment);
    assert!(document.is_some());
    assert_eq!(report.diagnostics.len(), 1);
    assert_eq!(report.diagnostics[0].severity, Severity::Warning);
    assert!(
        report
            .to_string()
            .starts_with("warning[unused-upstream]: no route uses the upstream `spare`\n --> w.yaml:3:14\n")
    );
}

#[test]
fn the_manual_says_what_the_tables_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/configuration.md");
    let written = wharf::config::reference();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &written).expect("the manual can be written");
    }
    let manual = std::fs::read_to_string(&path).expect("the manual exists");
    assert!(manual == written, "docs/reference/configuration.md is out of date (BLESS=1 writes it anew)");
}

#[test]
fn a_file_that_cannot_be_read_is_named_without_a_line_and_with_a_way_out() {
    let shown = |path: &std::path::Path| {
        wharf::config::load(path, wharf::config::Purpose::Check).expect_err("no document").to_string()
    };
    let missing = here().join("missing.yaml");
    let expected = format!(
        "error: the file cannot be read: No such file or directory (os error 2)\n --> {}\n\
         hint: a path that does not start with `/` counts from the current directory\n",
        missing.display()
    );
    assert_eq!(shown(&missing), expected);
    let directory = shown(&here());
    let hint = format!("hint: name the file within it: `{}`\n", here().join("gateway.yaml").display());
    assert!(directory.ends_with(&hint), "{directory}");
}
