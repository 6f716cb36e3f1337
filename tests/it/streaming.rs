//! Bodies flow as they come: early answers, large uploads and downloads, no more memory than a few buffers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::*;

#[test]
fn an_early_response_ends_the_exchange_and_its_unread_body_is_never_a_request() {
    let origin = Origin::scripted(|peer| {
        while peer.head().is_some() {
            peer.send(with_head("HTTP/1.1 413 Too Large\r\nConnection: close", "no"));
            peer.until_end();
        }
    });
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    let hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
    client.send(format!("POST /big HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", 10 + hidden.len()));
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (413, "no"));
    client.try_send(format!("0123456789{hidden}")).ok();
    client.try_send("GET /next HTTP/1.1\r\nHost: h\r\n\r\n").ok();
    // Either the connection ends, or the body is drained and only `/next` is answered.
    if let Ok(next) = client.try_response("GET", Duration::from_millis(1500)) {
        assert_eq!(next.status, 413);
        assert!(client.try_response("GET", Duration::from_millis(500)).is_err());
    }
    for bytes in origin.received() {
        let bytes = String::from_utf8_lossy(&bytes);
        assert!(!bytes.starts_with("GET /hidden"), "{bytes}");
    }
    assert!(gateway.log_lines().iter().all(|line| line["path"] != "/hidden"));
}

#[test]
fn a_response_that_starts_before_the_body_has_ended_is_relayed_at_once() {
    let origin = Origin::scripted(|peer| {
        while peer.head().is_some() {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n");
            let Some(request) = peer.request() else { return };
            peer.send(format!("{:x}\r\n{}\r\n0\r\n\r\n", request.body.len(), String::from_utf8_lossy(&request.body)));
        }
    });
    let gateway = Gateway::before(&origin, "");
    let mut client = gateway.connect();
    for round in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nla");
        eventually(PATIENCE, || match client.try_response("POST", Duration::from_millis(100)) {
            Err(Trouble::Silent(Some(response))) => (response.text() == "early").then_some(()),
            Err(Trouble::Silent(None)) => None,
            other => panic!("round {round}: {other:?}"),
        });
        client.send("te");
        assert_eq!(client.response().text(), "earlylate");
    }
}

const BIG: usize = 64 * 1024 * 1024;

#[test]
fn a_large_upload_streams_in_bounded_memory() {
    let origin = Origin::scripted(|peer| {
        if peer.head().is_some() {
            let head = 4096;
            let received = peer.swallow(BIG);
            assert!(received >= BIG && received < BIG + head);
            peer.send(with_head("HTTP/1.1 200 OK\r\nConnection: close", "taken"));
        }
    });
    let gateway = Gateway::before(&origin, "defaults: { request: { max_body: 100MiB } }\n");
    let before = gateway.rss_kib();
    let mut client = gateway.connect();
    client.send(format!("PUT /big HTTP/1.1\r\nHost: h\r\nContent-Length: {BIG}\r\n\r\n"));
    let part = vec![b'x'; 1024 * 1024];
    let mut most = 0;
    for _ in 0..64 {
        client.send(&part);
        most = most.max(gateway.rss_kib());
    }
    assert_eq!(client.response().text(), "taken");
    assert!(most < before + 8 * 1024, "{before} KiB grew to {most} KiB");
}

#[test]
fn a_large_download_to_a_slow_reader_waits_in_the_origin_not_in_memory() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let origin = Origin::scripted(move |peer| {
        if peer.request().is_some() {
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n"));
            let part = vec![b'y'; 64 * 1024];
            while counter.load(Ordering::Relaxed) < BIG && peer.send(&part) {
                counter.fetch_add(part.len(), Ordering::Relaxed);
            }
        }
    });
    let gateway = Gateway::before(&origin, "");
    let before = gateway.rss_kib();
    let mut client = gateway.connect();
    client.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    // The kernel's buffers fill, then the origin must stand still.
    let mut last = 0;
    let stuck = eventually(PATIENCE, || {
        std::thread::sleep(Duration::from_millis(100));
        let now = sent.load(Ordering::Relaxed);
        (std::mem::replace(&mut last, now) == now && now > 0).then_some(now)
    });
    assert!(stuck < BIG / 2, "{stuck} bytes were taken for a client that reads nothing");
    assert!(gateway.rss_kib() < before + 8 * 1024);
    let mut total = 0;
    while total < BIG {
        total += client.skip();
    }
    assert!(gateway.rss_kib() < before + 8 * 1024);
}
