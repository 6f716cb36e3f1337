//! What Prometheus and Grafana are given: rules that are right, and a dashboard whose every question has an answer.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;
use serde_json::Value;

use crate::deploy_engine::*;
use crate::harness::*;

#[test]
fn rules_and_alerts_do_what_their_names_say() {
    if !has(&["promtool"]) {
        return;
    }
    let folder = root().join("deploy/prometheus");
    let said = done(Command::new("promtool").args(["check", "config", "prometheus.yml"]).current_dir(&folder));
    assert!(said.contains("2 rule files found"), "{said}");
    done(Command::new("promtool").args(["check", "rules", "rules.yml", "alerts.yml"]).current_dir(&folder));
    let tests = root().join("tests/it/deploy/alerts.test.yml");
    done(Command::new("promtool").args(["test", "rules"]).arg(&tests));
    // of each alert it is proven that it comes, and that it does not
    let tests: Value = serde_yaml::from_str(&std::fs::read_to_string(tests).unwrap()).unwrap();
    let tried: Vec<&Value> = tests["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        .collect();
    let alerts = std::fs::read_to_string(folder.join("alerts.yml")).unwrap();
    for found in Regex::new(r"(?m)^ *- alert: (\w+)$").unwrap().captures_iter(&alerts) {
        for comes in [true, false] {
            let is = |test: &&&Value| {
                test["alertname"] == found[1] && test["exp_alerts"].as_array().unwrap().is_empty() != comes
            };
            assert!(
                tried.iter().find(is).is_some(),
                "whether {} {} is not tried",
                &found[1],
                if comes { "comes" } else { "stays away" }
            );
        }
    }
}

/// A text as it stands in the query of a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A Prometheus of this test's own.
struct Prometheus {
    address: SocketAddr,
    _process: Process,
}

impl Prometheus {
    fn start(folder: &Path, target: SocketAddr) -> Prometheus {
        let address = SocketAddr::from((own_address(), 9090));
        let rules = root().join("deploy/prometheus");
        let rules = rules.display();
        let config = format!(
            "global: {{ scrape_interval: 500ms, evaluation_interval: 500ms }}\nrule_files: ['{rules}/rules.yml', '{rules}/alerts.yml']\n\
             scrape_configs: [{{ job_name: wharf, static_configs: [{{ targets: ['{target}'] }}] }}]\n"
        );
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let child = Command::new(program("prometheus").unwrap())
            .arg(format!("--config.file={}/prometheus.yml", folder.display()))
            .arg(format!("--storage.tsdb.path={}/prometheus", folder.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("prometheus.log")).unwrap())
            .spawn()
            .unwrap();
        Prometheus { address, _process: Process::of(child) }
    }

    /// What its API answers.
    fn ask(&self, path: &str) -> Option<Value> {
        std::net::TcpStream::connect(self.address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        serde_json::from_slice(&Client::connect(self.address).try_ask(&request).ok()?.body).ok()
    }

    /// Waits until a question has an answer: its series.
    #[track_caller]
    fn series(&self, query: &str) -> Vec<Value> {
        let path = format!("/api/v1/query?query={}", encoded(query));
        let (mut last, start) = (None, std::time::Instant::now());
        while start.elapsed() < PATIENCE {
            last = self.ask(&path);
            if let Some(series) =
                last.as_ref().and_then(|answer| answer["data"]["result"].as_array()).filter(|s| !s.is_empty())
            {
                return series.clone();
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("`{query}` has no answer: {last:?}");
    }
}

/// A gateway to which everything has happened that the dashboard shows.
fn eventful() -> (Gateway, Origin, ScriptedEngine) {
    let (authority, origin) = (Authority::new("dashboard"), Origin::named("o"));
    let engine = ScriptedEngine::start(vec![container("o-1", origin.address())]);
    let leaf = authority.issue(&["shop.example.com"]);
    let refusing = Origin::refusing();
    let yaml = format!(
        "{}listeners:\n  web: {{ address: \"HERE:21080\", limits: {{ connections: 1 }} }}\n  \
         secure: {{ address: \"HERE:21443\", tls: {{ certificates: [{{ cert: FOLDER/site.crt, key: FOLDER/site.key }}] }} }}\n\
         upstreams:\n  app: {{ endpoints: [\"{}\", \"{refusing}\"], active: {{ path: /, interval: 200ms, timeout: 100ms }}, balance: round_robin }}\n  \
         gone: {{ endpoints: [\"{refusing}\", \"{}\"] }}\n  found: {{ discover: {{ docker: app }} }}\n\
         routes:\n  - {{ name: all, match: {{ path: /* }}, upstream: app }}\n  - {{ name: gone, match: {{ path: /gone }}, upstream: gone }}\n  \
         - {{ match: {{ path: /found }}, upstream: found }}\n",
        engine.section(),
        origin.address(),
        Origin::refusing(),
    );
    let (cert, key) = (leaf.cert_pem.clone(), leaf.key_pem.clone());
    let gateway = Gateway::start_under(
        &format!("umask 077; printf '%s' '{cert}' >site.crt; printf '%s' '{key}' >site.key; exec"),
        &yaml,
    );
    (gateway, origin, engine)
}

#[test]
fn every_question_of_the_dashboard_is_answered_by_a_prometheus_that_watches_a_gateway() {
    if !has(&["prometheus", "openssl"]) {
        return;
    }
    let (gateway, _origin, _engine) = eventful();
    let folder = scratch("dashboard");
    let prometheus = Prometheus::start(&folder, gateway.on(21900));
    let stirs = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _done = Done(&stirs);
        scope.spawn(|| {
            while !stirs.load(std::sync::atomic::Ordering::Acquire) {
                let mut client = gateway.connect();
                for target in ["/", "/gone", "/"] {
                    let _ = client.try_ask(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
                }
                // one more than there may be
                let _ = gateway.connect().try_ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
                openssl(gateway.on(21443), &["-servername", "shop.example.com"], "");
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        let text = std::fs::read_to_string(root().join("deploy/grafana/wharf.json")).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let mut asked = 0;
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = filled(target["expr"].as_str().unwrap());
                prometheus.series(&query);
                asked += 1;
            }
        }
        assert!(asked > 30, "{asked} questions");
        gateway.hup();
        // what its own lists of choices and marks ask
        for variable in dashboard["templating"]["list"].as_array().unwrap().iter().filter(|v| v["type"] == "query") {
            let query = variable["query"]["query"].as_str().unwrap();
            let (series, label) =
                query.strip_prefix("label_values(").unwrap().trim_end_matches(')').rsplit_once(", ").unwrap();
            assert!(
                prometheus.series(&filled(series)).iter().all(|series| series["metric"].get(label).is_some()),
                "{query}"
            );
        }
        for mark in dashboard["annotations"]["list"].as_array().unwrap() {
            prometheus.series(&filled(mark["expr"].as_str().unwrap()));
        }
        // the rules, against a gateway rather than against what somebody thought that it tells
        let rules = std::fs::read_to_string(root().join("deploy/prometheus/rules.yml")).unwrap();
        for found in Regex::new(r"(?m)^ *- record: (\S+)$").unwrap().captures_iter(&rules) {
            prometheus.series(&found[1]);
        }
        let groups = prometheus.ask("/api/v1/rules").unwrap();
        for rule in
            groups["data"]["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap())
        {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
        // every metric that an alert speaks of is there
        let alerts = std::fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
        for found in Regex::new(r"\b(wharf|process)_[a-z_]+\b").unwrap().find_iter(&alerts) {
            if !alerts[..found.start()].ends_with(':') {
                prometheus.series(found.as_str());
            }
        }
    });
    std::fs::remove_dir_all(folder).unwrap();
}

/// A question of the dashboard as Grafana asks it.
fn filled(query: &str) -> String {
    let choices =
        [("$__rate_interval", "10s"), ("$job", "wharf"), ("$instance", ".*"), ("$route", ".*"), ("$upstream", ".*")];
    let query = choices.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
    assert!(!query.contains('$'), "{query}");
    query
}

#[test]
fn the_panels_of_the_dashboard_stand_beside_each_other() {
    let text = std::fs::read_to_string(root().join("deploy/grafana/wharf.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let place = |panel: &Value| ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
    for (n, panel) in panels.iter().enumerate() {
        let [x, y, w, h] = place(panel);
        assert!(w > 0 && h > 0 && x + w <= 24, "{}", panel["title"]);
        assert!(
            panel["type"] == "row" || panel["description"].as_str().is_some_and(|text| !text.is_empty()),
            "{}",
            panel["title"]
        );
        for other in &panels[n + 1..] {
            let [ox, oy, ow, oh] = place(other);
            assert!(panel["id"] != other["id"], "{} and {} share an id", panel["title"], other["title"]);
            let apart = ox >= x + w || x >= ox + ow || oy >= y + h || y >= oy + oh;
            assert!(apart, "{} stands on {}", panel["title"], other["title"]);
        }
    }
}
