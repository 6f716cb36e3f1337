//! What a reload costs: reading, checking and compiling 10,000 routes: `cargo bench --bench reload`.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use wharf::config::{Bundle, Purpose, load_from};
use wharf::table::compile::{Parts, compile};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUTES: usize = 10_000;
/// Paths of each host.
const PATHS: usize = 10;
const UPSTREAMS: usize = 300;

fn document() -> Bundle {
    let mut text = String::from("version: 1\nlisteners:\n  web: { address: \":8080\" }\nupstreams:\n");
    for i in 0..UPSTREAMS {
        text += &format!("  service-{i}:\n    endpoints: [10.0.{}.{}:3000, app-{i}:3000]\n", i / 250, i % 250);
    }
    text += "routes:\n";
    for i in 0..ROUTES {
        let (host, path, upstream) = (i / PATHS, i % PATHS, i % UPSTREAMS);
        text += &format!(
            "  - match: {{ host: tenant-{host}.example.com, path: /v1/things-{path}/* }}\n    upstream: service-{upstream}\n"
        );
        if i % 4 == 0 {
            text += "    timeouts: { read: 300s }\n";
        }
    }
    Bundle::one("gateway.yaml", &text)
}

fn reload(c: &mut Criterion) {
    let bundle = document();
    let mut group = c.benchmark_group("reload");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function("load_10000_routes", |b| {
        b.iter(|| load_from(black_box(&bundle), Purpose::Check).expect("a good document").document.routes.len());
    });
    let loaded = load_from(&bundle, Purpose::Check).expect("a good document");
    let parts = Parts {
        workers: 2,
        slots: Arc::default(),
        numbers: Arc::default(),
        challenges: Arc::default(),
        board: Arc::default(),
        start: Instant::now(),
    };
    group.bench_function("compile_10000_routes", |b| {
        b.iter(|| compile(black_box(&loaded.document), &loaded.material, &parts, None).expect("numbers").routes.len());
    });
    let before = compile(&loaded.document, &loaded.material, &parts, None).expect("numbers");
    group.bench_function("compile_10000_routes_anew", |b| {
        b.iter(|| {
            compile(black_box(&loaded.document), &loaded.material, &parts, Some(&before)).expect("numbers").routes.len()
        });
    });
    group.finish();
}

criterion_group!(benches, reload);
criterion_main!(benches);
