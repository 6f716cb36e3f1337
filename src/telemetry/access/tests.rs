//! The access log from a worker's record to the bytes in its destination.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::failure::Failure;
use crate::telemetry::reference::FIELDS;
use crate::value::AccessLogFormat::Json;

const DEADLINE: Duration = Duration::from_secs(20);

/// A directory of a test's own, gone with the test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wharf-access-log-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Directory(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn eventually(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < DEADLINE, "it did not happen in time");
        thread::yield_now();
    }
}

fn program() -> Arc<ProgramStats> {
    Arc::new(ProgramStats::new("0.0.0", ""))
}

pub(super) fn record() -> Record<'static> {
    Record {
        at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678),
        request_id: b"0af7651916cd43dd8448eb211c80319c",
        client_ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        method: b"GET",
        scheme: "http",
        host: b"api.yourdomain.no",
        path: b"/v1/user/1?page=2&api_key=hunter2",
        protocol: "HTTP/1.1",
        status: 200,
        bytes_in: 0,
        bytes_out: 1024,
        duration: Duration::from_micros(1_234),
        route: "users",
        upstream: Some("user_service"),
        endpoint: Some("127.0.0.1:8001"),
        attempts: 1,
        upstream_status: Some(200),
        upstream_connect: None,
        upstream_header: Some(Duration::from_micros(900)),
        reused: true,
        reason: None,
        user_agent: b"curl/7.88.1",
        referer: b"",
        tls: None,
    }
}

fn line_of(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    line::write(&mut out, &mut Clock::default(), record);
    String::from_utf8(out).unwrap()
}

fn dropped(program: &ProgramStats) -> u64 {
    program.dropped_total(Sink::AccessLog)
}

#[test]
fn a_line_looks_like_the_manual_says() {
    assert_eq!(
        line_of(&record()),
        concat!(
            r#"{"ts":"2026-01-02T03:04:05.678Z","request_id":"0af7651916cd43dd8448eb211c80319c","#,
            r#""client_ip":"203.0.113.9","method":"GET","scheme":"http","host":"api.yourdomain.no","#,
            r#""path":"/v1/user/1?page=2&api_key=***","protocol":"HTTP/1.1","status":200,"bytes_in":0,"#,
            r#""bytes_out":1024,"duration_s":0.001234,"route":"users","upstream":"user_service","#,
            r#""endpoint":"127.0.0.1:8001","attempts":1,"upstream_status":200,"upstream_connect_s":null,"#,
            r#""upstream_header_s":0.000900,"reused":true,"reason":null,"user_agent":"curl/7.88.1","referer":"","#,
            r#""tls_version":null,"tls_cipher":null,"tls_server_name":null,"client_subject":null}"#,
            "\n"
        )
    );
}

#[test]
fn a_request_that_reached_no_upstream_says_why() {
    let line = line_of(&Record {
        client_ip: "2001:db8::1".parse().unwrap(),
        status: 404,
        route: "_none",
        upstream: None,
        endpoint: None,
        attempts: 0,
        upstream_status: None,
        upstream_header: None,
        reused: false,
        reason: Some(Failure::NoRoute),
        duration: Duration::from_secs(100),
        ..record()
    });
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["reason"], "no_route");
    assert_eq!(value["client_ip"], "2001:db8::1");
    assert_eq!(value["duration_s"], 100.0);
    assert!(value["upstream"].is_null() && value["endpoint"].is_null() && value["upstream_status"].is_null());
}

#[test]
fn an_ipv4_client_of_a_dual_stack_listener_is_shown_as_ipv4() {
    let line = line_of(&Record { client_ip: "::ffff:192.0.2.1".parse().unwrap(), ..record() });
    assert!(line.contains(r#""client_ip":"192.0.2.1""#));
}

#[test]
fn the_fields_of_a_line_are_those_of_the_manual_in_its_order() {
    let line = line_of(&record());
    let places: Vec<_> = FIELDS.iter().map(|(name, ..)| line.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted());
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value.as_object().unwrap().len(), FIELDS.len());
}

proptest! {
    #[test]
    fn whatever_a_client_sends_makes_one_line_of_valid_json(
        texts in prop::array::uniform6(prop::collection::vec(any::<u8>(), 0..80)),
        numbers: (u16, u64, u64, u32),
        seconds in 0u64..1 << 40,
        names: (String, Option<String>),
    ) {
        let [request_id, method, host, path, user_agent, referer] = &texts;
        let line = line_of(&Record {
            request_id, method, host, path, user_agent, referer,
            status: numbers.0, bytes_in: numbers.1, bytes_out: numbers.2, attempts: numbers.3,
            duration: Duration::from_secs(seconds), route: &names.0, upstream: names.1.as_deref(),
            ..record()
        });
        let body = line.strip_suffix('\n').unwrap();
        prop_assert!(!body.chars().any(char::is_control));
        let value: Value = serde_json::from_str(body).unwrap();
        prop_assert_eq!(value.as_object().unwrap().len(), FIELDS.len());
        prop_assert_eq!(value["request_id"].as_str(), Some(&*String::from_utf8_lossy(request_id)));
        prop_assert_eq!(value["user_agent"].as_str(), Some(&*String::from_utf8_lossy(user_agent)));
        prop_assert_eq!(value["status"].as_u64(), Some(numbers.0.into()));
        prop_assert_eq!(value["bytes_in"].as_u64(), Some(numbers.1));
        prop_assert_eq!(value["route"].as_str(), Some(&*names.0));
        prop_assert_eq!(value["upstream"].as_str(), names.1.as_deref());
    }
}

fn writing_to(destination: Destination, program: &Arc<ProgramStats>) -> AccessLog {
    let log = AccessLog::start(Output::None, Json, Arc::clone(program)).unwrap();
    log.switch(Json, Some(Opened(Some(Running::start(destination, program).unwrap()))));
    log
}

/// The numbers that `bytes_out` has in a file of lines.
fn numbers(path: &std::path::Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let number = |line| serde_json::from_str::<Value>(line).unwrap()["bytes_out"].as_u64().unwrap();
    text.lines().map(number).collect()
}

#[test]
fn lines_go_to_another_output_from_the_moment_a_worker_follows_and_none_is_lost_or_doubled() {
    let directory = Directory::new();
    let [first, second] = ["first.log", "second.log"].map(|name| directory.path(name));
    let program = program();
    let log = AccessLog::start(Output::File(first.clone()), Json, Arc::clone(&program)).unwrap();
    let mut lines = log.lines();
    let push = |lines: &mut AccessLines, n| lines.push(&Record { bytes_out: n, ..record() });
    push(&mut lines, 0);
    log.switch(Json, Some(log.open(Output::File(second.clone())).unwrap()));
    push(&mut lines, 1);
    lines.follow();
    push(&mut lines, 2);
    log.switch(Json, Some(log.open(Output::None).unwrap()));
    push(&mut lines, 3);
    lines.follow();
    assert!(!lines.enabled());
    push(&mut lines, 4);
    log.switch(Json, Some(log.open(Output::File(first.clone())).unwrap()));
    lines.follow();
    assert!(lines.enabled());
    push(&mut lines, 5);
    drop(lines);
    assert!(log.finish(DEADLINE));
    let mut back = numbers(&first);
    back.sort_unstable();
    assert_eq!((back, numbers(&second)), (vec![0, 1, 5], vec![2, 3]));
    assert_eq!(dropped(&program), 0);
}

#[test]
fn a_stalled_output_does_not_keep_lines_from_the_next_one() {
    let directory = Directory::new();
    let path = directory.path("access.log");
    let (_reader, writer) = io::pipe().unwrap();
    let log = writing_to(Destination::to(writer), &program());
    let mut lines = log.lines();
    (0..10_000).for_each(|_| lines.push(&record()));
    lines.flush();
    log.switch(Json, Some(log.open(Output::File(path.clone())).unwrap()));
    lines.follow();
    lines.push(&Record { bytes_out: 7, ..record() });
    lines.flush();
    eventually(|| numbers(&path) == [7]);
}

#[test]
fn another_form_holds_from_the_moment_a_worker_follows_and_in_the_order_of_lines() {
    let directory = Directory::new();
    let path = directory.path("access.log");
    let log = AccessLog::start(Output::File(path.clone()), Json, program()).unwrap();
    let mut lines = log.lines();
    lines.push(&record());
    log.switch(AccessLogFormat::parse("{status} {bytes_out}").unwrap(), None);
    lines.push(&record());
    lines.follow();
    lines.push(&Record { bytes_out: 7, ..record() });
    log.switch(AccessLogFormat::Combined, None);
    lines.follow();
    lines.push(&record());
    drop(lines);
    assert!(log.finish(DEADLINE));
    let text = fs::read_to_string(&path).unwrap();
    let starts: Vec<_> = text.lines().map(|line| &line[..5]).collect();
    assert_eq!(starts, ["{\"ts\"", "{\"ts\"", "200 7", "203.0"]);
}

#[test]
fn an_output_that_cannot_be_opened_changes_nothing() {
    let directory = Directory::new();
    let path = directory.path("access.log");
    let log = AccessLog::start(Output::File(path.clone()), Json, program()).unwrap();
    let mut lines = log.lines();
    assert!(log.open(Output::File(directory.path("missing/access.log"))).is_err());
    lines.follow();
    lines.push(&Record { bytes_out: 1, ..record() });
    drop(lines);
    assert!(log.finish(DEADLINE));
    assert_eq!(numbers(&path), [1]);
}

#[test]
fn lines_of_several_workers_all_arrive_whole_and_in_each_workers_order() {
    let directory = Directory::new();
    let path = directory.path("access.log");
    let program = program();
    let log = AccessLog::start(Output::File(path.clone()), Json, Arc::clone(&program)).unwrap();
    thread::scope(|scope| {
        for worker in 0..3u64 {
            let mut lines = log.lines();
            scope.spawn(move || {
                for n in 0..2_000 {
                    lines.push(&Record { bytes_in: worker, bytes_out: n, ..record() });
                    if n % 7 == 0 {
                        lines.flush();
                    }
                }
            });
        }
    });
    assert!(log.finish(DEADLINE));
    let text = fs::read_to_string(&path).unwrap();
    let mut next = [0; 3];
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let worker = value["bytes_in"].as_u64().unwrap() as usize;
        assert_eq!(value["bytes_out"], next[worker]);
        next[worker] += 1;
    }
    assert_eq!((next, dropped(&program)), ([2_000; 3], 0));
}

#[test]
fn a_single_line_is_written_without_anything_following_it() {
    let directory = Directory::new();
    let path = directory.path("access.log");
    let log = AccessLog::start(Output::File(path.clone()), Json, program()).unwrap();
    let mut lines = log.lines();
    for n in 1..=50 {
        lines.push(&record());
        lines.flush();
        eventually(|| fs::read_to_string(&path).unwrap().lines().count() == n);
    }
}

#[test]
fn after_a_rotation_lines_go_to_the_new_file() {
    let directory = Directory::new();
    let path = directory.path("access.log");
    let log = AccessLog::start(Output::File(path.clone()), Json, program()).unwrap();
    let mut lines = log.lines();
    lines.push(&Record { bytes_in: 1, ..record() });
    lines.flush();
    eventually(|| fs::read_to_string(&path).unwrap().lines().count() == 1);
    fs::rename(&path, directory.path("access.log.1")).unwrap();
    log.reopen();
    eventually(|| path.exists());
    lines.push(&Record { bytes_in: 2, ..record() });
    drop(lines);
    assert!(log.finish(DEADLINE));
    assert!(fs::read_to_string(&path).unwrap().contains("\"bytes_in\":2,"));
    assert_eq!(fs::read_to_string(directory.path("access.log.1")).unwrap().lines().count(), 1);
}

#[test]
fn a_stalled_reader_costs_lines_but_never_a_workers_time() {
    let (mut reader, writer) = io::pipe().unwrap();
    let program = program();
    let log = writing_to(Destination::to(writer), &program);
    let mut lines = log.lines();
    let line = line_of(&record()).len();
    // More than waits for the writer, is with the writer, and fits into the pipe.
    let pushed = 2 * (WAITING_BYTES_MAX + 1024 * 1024) / line;
    for _ in 0..pushed {
        lines.push(&record());
        lines.flush();
    }
    let lost = dropped(&program);
    assert!(lost > 0);
    let reading = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text.lines().count())
    });
    drop(lines);
    assert!(log.finish(DEADLINE));
    assert_eq!(reading.join().unwrap().unwrap() as u64 + lost, pushed as u64);
}

#[test]
fn stopping_gives_up_on_a_stalled_reader_at_its_limit() {
    let (_reader, writer) = io::pipe().unwrap();
    let log = writing_to(Destination::to(writer), &program());
    let mut lines = log.lines();
    for _ in 0..10_000 {
        lines.push(&record());
    }
    lines.flush();
    assert!(!log.finish(Duration::from_millis(50)));
}

#[test]
fn lost_lines_of_a_full_disk_are_counted() {
    let program = program();
    let log = AccessLog::start(Output::File("/dev/full".into()), Json, Arc::clone(&program)).unwrap();
    let mut lines = log.lines();
    (0..10).for_each(|_| lines.push(&record()));
    drop(lines);
    assert!(log.finish(DEADLINE));
    assert_eq!(dropped(&program), 10);
}

#[test]
fn no_output_means_no_work() {
    let log = AccessLog::start(Output::None, Json, program()).unwrap();
    let mut lines = log.lines();
    assert!(!lines.enabled());
    lines.push(&record());
    assert!(lines.lines.bytes.is_empty());
    assert!(log.finish(Duration::ZERO));
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_the_start() {
    let directory = Directory::new();
    assert!(AccessLog::start(Output::File(directory.path("missing/access.log")), Json, program()).is_err());
}
