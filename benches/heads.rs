//! Reading and writing heads, what every request pays for: `cargo bench --bench heads`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use wharf::http::HeadLimits;
use wharf::http::method::Method;
use wharf::http::request::{self, Parsed, RequestHead};
use wharf::http::response::{self, ResponseHead};
use wharf::proxy::head::{self, Origin};
use wharf::proxy::{Client, Peer};

/// What a service's client library sends.
const SMALL: &[u8] =
    b"GET /v1/user/1 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: okhttp/4.12.0\r\nAccept: application/json\r\n\r\n";

/// What a browser's script sends.
const BROWSER: &[u8] = b"GET /v1/user/1?expand=profile HTTP/1.1\r\nHost: api.example.com\r\nConnection: keep-alive\r\n\
sec-ch-ua: \"Chromium\";v=\"129\", \"Not=A?Brand\";v=\"8\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36\r\n\
Accept: application/json, text/plain, */*\r\nAuthorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl\r\n\
Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: https://api.example.com/app\r\n\
Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\nCookie: session=0123456789abcdef; theme=dark\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: uvicorn\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
Content-Type: application/json\r\nContent-Length: 1024\r\nCache-Control: no-store\r\nETag: \"0123456789abcdef\"\r\n\
Vary: Accept-Encoding\r\nConnection: keep-alive\r\n\r\n";

const LIMITS: HeadLimits = HeadLimits { size: 32 * 1024, count: 100 };

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    for (name, bytes) in [("request_small", SMALL), ("request_browser", BROWSER)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut space = request::Space::new();
                let parsed = RequestHead::parse(black_box(bytes), &mut space, LIMITS);
                let Ok(Parsed::Whole(head)) = parsed else { panic!("{name} is not valid") };
                black_box((head.len, head.keep_alive))
            });
        });
    }
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("response", |b| {
        b.iter(|| {
            let mut space = response::Space::new();
            let parsed = ResponseHead::parse(black_box(RESPONSE), &mut space, Method::Get);
            let Ok(Parsed::Whole(head)) = parsed else { panic!("the response is not valid") };
            black_box((head.len, head.status))
        });
    });
    group.finish();
}

/// The head as it goes upstream, from a client that is not trusted to say who it is.
fn write(c: &mut Criterion) {
    let peer = Peer::new(([203, 0, 113, 9], 40_000).into(), 0);
    let mut group = c.benchmark_group("write");
    for (name, bytes) in [("small", SMALL), ("browser", BROWSER)] {
        let mut space = request::Space::new();
        let Ok(Parsed::Whole(head)) = RequestHead::parse(bytes, &mut space, LIMITS) else {
            panic!("{name} is not valid")
        };
        let mut out = Vec::with_capacity(4096);
        group.bench_function(BenchmarkId::new("request", name), |b| {
            b.iter(|| {
                out.clear();
                let client = Client::of(&peer, black_box(&head), |_| false);
                let origin = Origin {
                    client: &client,
                    peer: &peer,
                    arrival: b"X-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n",
                    request_id: &[b'0'; 32],
                    default_host: "users",
                    target: head.target.path_and_query,
                    upgrade: None,
                };
                head::write(&head, &origin, &mut out);
                black_box(out.len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parse, write);
criterion_main!(benches);
