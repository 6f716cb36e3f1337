//! Scrapes of small scenes, sample by sample.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::*;
use crate::telemetry::{Finished, Method, catalogue::FAMILIES};

const MS: Duration = Duration::from_millis(1);

fn finished(listener: u16, code: u16) -> Finished {
    Finished { listener, method: Method::Get, code, duration: MS, bytes_in: 10, bytes_out: 100, failure: None }
}

fn scene<'a>(
    program: &'a ProgramStats,
    routes: Vec<(&'a str, &'a RouteStats)>,
    listeners: &[(u16, &'a str, &'a ListenerStats)],
    upstreams: Vec<UpstreamScene<'a>>,
) -> String {
    let secure = |name| name == "web";
    let listeners = listeners.iter().map(|&(id, name, stats)| {
        let former = Vec::new();
        ListenerScene { id, name, secure: secure(name), stats, former }
    });
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let certificates = [("shop.example", 2_000), ("shop.example", 1_000), ("a.example", 3_000)];
    let certificates = certificates.map(|(name, seconds)| (name.into(), at(seconds))).into();
    let sources = vec![SourceScene { source: "docker", up: true, last_success_s: 5.0 }];
    encode(&Scene { program, listeners: listeners.collect(), routes, upstreams, certificates, sources })
}

fn program() -> ProgramStats {
    ProgramStats::new("1.2.3", "abc123")
}

#[track_caller]
fn assert_has(text: &str, sample: &str) {
    assert!(text.lines().any(|line| line == sample), "no `{sample}` in\n{text}");
}

/// A scene in which every family has a sample.
fn full() -> String {
    let (program, route, listener, upstream) =
        (program(), RouteStats::new(2), ListenerStats::new(2), UpstreamStats::new(2));
    program.loaded(SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_500));
    let (first, second) = (EndpointStats::new(2), EndpointStats::new(2));
    route.begin(0);
    route.begin(1);
    route.begin(1);
    route.finish(0, &finished(7, 200));
    route.finish(1, &Finished { failure: Some(Failure::UpstreamReset), ..finished(7, 502) });
    listener.opened(1);
    listener.rejected(0, Rejection::Connections);
    listener.handshake(0, HandshakeResult::Full, Some("1.3"));
    listener.handshake(1, HandshakeResult::Full, Some("1.3"));
    listener.handshake(1, HandshakeResult::PlainHttp, None);
    upstream.connected(0, MS);
    upstream.connected(1, MS);
    upstream.answered(0, 30 * MS);
    first.answered(0, 200);
    upstream.parked(0);
    upstream.reused(0);
    upstream.answered(0, MS);
    first.answered(0, 200);
    first.checked(true);
    first.ejected();
    upstream.parked(0);
    upstream.retried(1, Failure::ConnectRefused);
    let endpoints = vec![
        EndpointScene { address: "127.0.0.1:8001", stats: &first, in_flight: 1, up: true },
        EndpointScene { address: "127.0.0.1:8002", stats: &second, in_flight: 0, up: false },
    ];
    let pool = UpstreamScene { name: "user_service", stats: &upstream, endpoints, found: Some((2, 3)) };
    scene(&program, vec![("users", &route)], &[(7, "web", &listener)], vec![pool])
}

#[test]
fn every_sample_says_what_was_counted() {
    let text = full();
    for sample in [
        r#"wharf_http_requests_total{listener="web",route="users",method="GET",code="200"} 1"#,
        r#"wharf_http_requests_total{listener="web",route="users",method="GET",code="502"} 1"#,
        r#"wharf_http_request_duration_seconds_bucket{route="users",le="0.001"} 2"#,
        r#"wharf_http_request_duration_seconds_bucket{route="users",le="+Inf"} 2"#,
        r#"wharf_http_request_duration_seconds_sum{route="users"} 0.002"#,
        r#"wharf_http_request_duration_seconds_count{route="users"} 2"#,
        r#"wharf_http_requests_in_flight{route="users"} 1"#,
        r#"wharf_http_request_bytes_total{route="users"} 20"#,
        r#"wharf_http_response_bytes_total{route="users"} 200"#,
        r#"wharf_http_failures_total{route="users",reason="upstream_reset"} 1"#,
        r#"wharf_upstream_requests_total{upstream="user_service",endpoint="127.0.0.1:8001",code="200"} 2"#,
        r#"wharf_upstream_request_duration_seconds_bucket{upstream="user_service",le="0.025"} 1"#,
        r#"wharf_upstream_request_duration_seconds_bucket{upstream="user_service",le="0.05"} 2"#,
        r#"wharf_upstream_connect_duration_seconds_count{upstream="user_service"} 2"#,
        r#"wharf_upstream_in_flight{upstream="user_service",endpoint="127.0.0.1:8001"} 1"#,
        r#"wharf_upstream_connections{upstream="user_service",state="active"} 1"#,
        r#"wharf_upstream_connections{upstream="user_service",state="idle"} 1"#,
        r#"wharf_upstream_connections_opened_total{upstream="user_service"} 2"#,
        r#"wharf_upstream_connections_reused_total{upstream="user_service"} 1"#,
        r#"wharf_upstream_endpoint_up{upstream="user_service",endpoint="127.0.0.1:8001"} 1"#,
        r#"wharf_upstream_endpoint_up{upstream="user_service",endpoint="127.0.0.1:8002"} 0"#,
        r#"wharf_upstream_retries_total{upstream="user_service",reason="connect_refused"} 1"#,
        r#"wharf_listener_connections{listener="web"} 1"#,
        r#"wharf_listener_rejected_total{listener="web",reason="connections"} 1"#,
        r#"wharf_listener_rejected_total{listener="web",reason="descriptors"} 0"#,
        r#"wharf_tls_handshakes_total{listener="web",result="full",version="1.3"} 2"#,
        r#"wharf_tls_handshakes_total{listener="web",result="resumed",version="1.2"} 0"#,
        r#"wharf_tls_handshakes_total{listener="web",result="plain_http",version="none"} 1"#,
        r#"wharf_tls_certificate_expiry_timestamp_seconds{subject="shop.example"} 1000"#,
        r#"wharf_tls_certificate_expiry_timestamp_seconds{subject="a.example"} 3000"#,
        r#"wharf_config_reloads_total{result="success"} 0"#,
        r#"wharf_config_reloads_total{result="failure"} 0"#,
        "wharf_config_last_reload_successful 1",
        "wharf_config_last_reload_success_timestamp_seconds 1767323045.5",
        r#"wharf_log_dropped_total{sink="access_log"} 0"#,
        "wharf_panics_total 0",
        r#"wharf_build_info{version="1.2.3",revision="abc123"} 1"#,
    ] {
        assert_has(&text, sample);
    }
}

#[test]
fn every_family_of_the_manual_is_on_the_page_once_with_help_and_type() {
    let text = full();
    for family in FAMILIES {
        for (word, count) in [("HELP", 1), ("TYPE", 1)] {
            let start = format!("# {word} {} ", family.name);
            assert_eq!(text.lines().filter(|line| line.starts_with(&start)).count(), count, "{start}");
        }
    }
    assert!(text.contains("\nprocess_resident_memory_bytes "));
}

#[test]
fn promtool_has_nothing_to_say() {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else {
        eprintln!("promtool is not installed: skipped");
        return;
    };
    promtool.stdin.take().expect("piped").write_all(full().as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
    assert!(output.status.success());
}

#[test]
fn a_hundred_thousand_routes_without_traffic_add_nothing_to_the_page() {
    let program = program();
    let routes: Vec<_> = (0..100_000).map(|_| RouteStats::new(2)).collect();
    let named = routes.iter().map(|stats| ("quiet", stats)).collect();
    assert!(!scene(&program, named, &[], vec![]).contains("quiet"));
}

#[test]
fn a_listener_without_tls_has_no_handshakes() {
    let text = scene(&program(), vec![], &[(1, "plain", &ListenerStats::new(1))], vec![]);
    assert!(!text.contains("wharf_tls_handshakes_total"), "{text}");
}

#[test]
fn series_of_a_removed_listener_or_endpoint_are_gone() {
    let (program, route, upstream) = (program(), RouteStats::new(1), UpstreamStats::new(1));
    route.begin(0);
    route.finish(0, &finished(1, 200));
    upstream.answered(0, MS);
    let pool = UpstreamScene { name: "pool", stats: &upstream, endpoints: vec![], found: None };
    let text = scene(&program, vec![("users", &route)], &[], vec![pool]);
    assert!(!text.contains("wharf_http_requests_total{"));
    assert!(!text.contains("wharf_upstream_requests_total{"));
    assert_has(&text, r#"wharf_http_request_duration_seconds_count{route="users"} 1"#);
}

#[test]
fn an_origin_that_makes_up_codes_ends_in_one_series() {
    let (program, route, upstream) = (program(), RouteStats::new(1), UpstreamStats::new(1));
    let (listener, endpoint) = (ListenerStats::new(1), EndpointStats::new(1));
    for code in 100..=999 {
        route.begin(0);
        route.finish(0, &finished(0, code));
        upstream.answered(0, MS);
        endpoint.answered(0, code);
    }
    let endpoints = vec![EndpointScene { address: "a:1", stats: &endpoint, in_flight: 0, up: true }];
    let pool = UpstreamScene { name: "pool", stats: &upstream, endpoints, found: None };
    let text = scene(&program, vec![("users", &route)], &[(0, "web", &listener)], vec![pool]);
    assert_has(
        &text,
        r#"wharf_http_requests_total{listener="_OTHER",route="users",method="_OTHER",code="_OTHER"} 771"#,
    );
    assert_has(&text, r#"wharf_upstream_requests_total{upstream="pool",endpoint="a:1",code="_OTHER"} 771"#);
    assert!(text.lines().filter(|line| line.starts_with("wharf_http_requests_total{")).count() < 150);
}

#[test]
fn names_with_quotes_and_backslashes_are_escaped() {
    let (program, route) = (program(), RouteStats::new(1));
    route.begin(0);
    let text = scene(&program, vec![("a\"b\\c", &route)], &[], vec![]);
    assert_has(&text, r#"wharf_http_requests_in_flight{route="a\"b\\c"} 1"#);
}

#[test]
fn in_flight_returns_to_none_whatever_way_requests_end() {
    let (program, route) = (program(), RouteStats::new(1));
    for failure in Failure::ALL {
        route.begin(0);
        route.finish(0, &Finished { failure: Some(failure), ..finished(0, failure.status()) });
    }
    let text = scene(&program, vec![("users", &route)], &[], vec![]);
    assert_has(&text, r#"wharf_http_requests_in_flight{route="users"} 0"#);
    for failure in Failure::ALL {
        let word = failure.word();
        assert_has(&text, &format!(r#"wharf_http_failures_total{{route="users",reason="{word}"}} 1"#));
    }
}
