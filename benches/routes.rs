//! Finding a route among 10, 10,000 and 100,000: `cargo bench --bench routes`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use wharf::table::{Found, Host, RouteIndex, RouteIndexBuilder};
use wharf::value::PathPattern;

/// Path prefixes of each host.
const PREFIXES: usize = 10;

/// `routes` subtrees, ten on each host.
fn index(routes: usize) -> RouteIndex {
    let mut builder = RouteIndexBuilder::default();
    for id in 0..routes {
        let (host, path) = (host(id / PREFIXES), format!("/v1/service-{}/*", id % PREFIXES));
        builder.add(Host::Exact(&host), 0, &pattern(&path), id as u32);
    }
    builder.build()
}

fn pattern(text: &str) -> PathPattern {
    PathPattern::parse(text).expect("a path pattern")
}

fn host(number: usize) -> String {
    format!("tenant-{number}.example.com")
}

fn find(c: &mut Criterion) {
    let mut group = c.benchmark_group("find");
    for routes in [10, 10_000, 100_000] {
        let index = index(routes);
        let hosts: Vec<String> = (0..routes / PREFIXES).map(host).collect();
        // A prime stride visits all hosts in an order that no cache can guess.
        let mut at = 0;
        group.bench_function(BenchmarkId::new("plain", routes), |b| {
            b.iter(|| {
                at = (at + 7919) % hosts.len();
                index.find(black_box(hosts[at].as_bytes()), black_box(b"/v1/service-7/users/1"), |_| true)
            });
        });
    }
    group.finish();
}

fn spellings(c: &mut Criterion) {
    let mut builder = RouteIndexBuilder::default();
    for (path, id) in [("/admin/*", 1), ("/v1/users/*", 2), ("/*", 3)] {
        builder.add(Host::Any, 0, &pattern(path), id);
    }
    let index = builder.build();
    let hostile = "/a%252f..;x\\%c0%ae%3f".repeat(380);
    let mut group = c.benchmark_group("spelling");
    for (name, path, found) in [
        ("plain", "/v1/users/1", Found::Route(2)),
        ("mixed_case", "/v1/users/ABC", Found::Route(2)),
        ("encoded", "/v1/users/caf%C3%A9", Found::Route(2)),
        ("dots", "/v1/./users/1/../2", Found::Ambiguous),
        ("hostile_8_kib", &hostile, Found::Ambiguous),
    ] {
        assert_eq!(index.find(b"example.com", path.as_bytes(), |_| true), found, "{path}");
        group.bench_function(name, |b| b.iter(|| index.find(b"example.com", black_box(path.as_bytes()), |_| true)));
    }
    group.finish();
}

criterion_group!(benches, find, spellings);
criterion_main!(benches);
