//! Nothing is lost, and little is held, between peers of which one is slow or takes a few bytes at a time.

use super::script::{Script, messages, settle};
use super::stage::{Stage, pipes};
use crate::failure::Failure;
use crate::proxy::relay::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// What the gateway may hold of a body on its way: a read's worth, and what a piece of one becomes in chunks.
const HELD_MAX: usize = 128 * 1024 + 1024;
/// Far more than that.
const LARGE: usize = 4 * 1024 * 1024;

/// Bytes of which no two neighbouring runs look alike, so that loss, repetition and disorder show.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + ((i * 7 + i / 26) % 26) as u8).collect()
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\nX-Sum: 9\r\n\r\n");
    out
}

/// The same body as a message with a length and as one in chunks.
fn both(start: &str, body: &[u8]) -> [Vec<u8>; 2] {
    [
        [format!("{start}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat(),
        [format!("{start}Transfer-Encoding: chunked\r\n\r\n").as_bytes(), &chunked(body, 100)].concat(),
    ]
}

#[tokio::test(start_paused = true)]
async fn peers_that_take_a_byte_at_a_time_get_every_byte() {
    let stage = Stage::new();
    let body = pattern(700);
    let text = String::from_utf8_lossy(&body);
    for room in [1, 2, 3, 7, 16, 64] {
        for request in both("POST / HTTP/1.1\r\nHost: h\r\n", &body) {
            for response in both("HTTP/1.1 200 OK\r\nX-A: 1\r\n", &body) {
                let seen = Script { room, ..Script::new(&request, &response) }.play(&stage).await;
                let (up, down) = (messages(&seen.up), messages(&seen.down));
                assert_eq!(seen.passed.outcome, Ok(Outcome::Delivered), "room for {room}");
                assert!(seen.passed.keep && !seen.passed.spoiled, "room for {room}");
                assert_eq!((up.len(), &up[0].body[..]), (1, &*text), "room for {room}");
                assert_eq!((down.len(), &down[0].body[..]), (1, &*text), "room for {room}");
                assert_eq!(seen.passed.bytes, (700, 700));
            }
        }
    }
}

/// Writes until nothing is taken any more; how much was.
async fn stuff(to: &mut DuplexStream, bytes: &[u8]) -> usize {
    let mut taken = 0;
    while taken < bytes.len() {
        tokio::select! {
            biased;
            n = to.write(&bytes[taken..]) => taken += n.expect("the pipe is open"),
            () = settle() => break,
        }
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn a_request_body_waits_with_its_client_while_the_origin_takes_nothing() {
    let stage = Stage::with("", "request: { max_body: 1GiB }");
    for message in both("POST / HTTP/1.1\r\nHost: h\r\n", &pattern(LARGE)) {
        let (mut ends, mut inner) = pipes(64);
        let outside = tokio::spawn(async move {
            let taken = stuff(&mut ends.client, &message).await;
            assert!(taken <= HELD_MAX, "{taken} bytes are held");
            // then the origin wakes up
            let (mut hears, mut says) = tokio::io::split(ends.client);
            let rest = tokio::spawn(async move { says.write_all(&message[taken..]).await.map(|()| says) });
            let up = super::script::hear_request(&mut ends.origin).await;
            ends.origin.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("open");
            let _says = rest.await.expect("a task").expect("open");
            hears.read_to_end(&mut Vec::new()).await.expect("open");
            up
        });
        let passed = stage.pass(&mut inner).await;
        drop(inner);
        assert_eq!((passed.outcome, passed.bytes.0), (Ok(Outcome::Delivered), LARGE as u64));
        let up = messages(&outside.await.expect("the peers are served"));
        assert!(up.len() == 1 && up[0].body.as_bytes() == pattern(LARGE));
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_waits_with_its_origin_while_the_client_takes_nothing() {
    let stage = Stage::new();
    let start = "HTTP/1.1 200 OK\r\nX-A: 1\r\n";
    let until_close = [format!("{start}\r\n").as_bytes(), &pattern(LARGE)].concat();
    for message in both(start, &pattern(LARGE)).into_iter().chain([until_close]) {
        let (mut ends, mut inner) = pipes(64);
        let outside = tokio::spawn(async move {
            ends.client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("open");
            super::script::hear_request(&mut ends.origin).await;
            let taken = stuff(&mut ends.origin, &message).await;
            assert!(taken <= HELD_MAX, "{taken} bytes are held");
            // then the client reads on
            let rest = tokio::spawn(async move {
                ends.origin.write_all(&message[taken..]).await?;
                ends.origin.shutdown().await
            });
            let mut down = Vec::new();
            ends.client.read_to_end(&mut down).await.expect("open");
            rest.await.expect("a task").expect("open");
            down
        });
        let passed = stage.pass(&mut inner).await;
        drop(inner);
        assert_eq!((passed.outcome, passed.bytes.1), (Ok(Outcome::Delivered), LARGE as u64));
        let down = messages(&outside.await.expect("the peers are served"));
        assert!(down.len() == 1 && down[0].body.as_bytes() == pattern(LARGE));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_may_send_only_so_much_ahead_of_its_turn() {
    let stage = Stage::new();
    let (mut ends, mut inner) = pipes(64);
    let outside = tokio::spawn(async move {
        ends.client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("open");
        super::script::hear_request(&mut ends.origin).await;
        let taken = stuff(&mut ends.client, &pattern(LARGE)).await;
        assert!(taken <= 16 * 1024, "{taken} bytes are held");
        ends.origin.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("open");
        ends.client.read_to_end(&mut Vec::new()).await.expect("open");
    });
    let passed = stage.pass(&mut inner).await;
    drop(inner);
    outside.await.expect("the peers are served");
    assert_eq!(passed.outcome, Ok(Outcome::Delivered));
    assert!(passed.keep && pattern(LARGE).starts_with(&passed.ahead));
}

#[tokio::test(start_paused = true)]
async fn both_bodies_flow_at_the_same_time() {
    let stage = Stage::new();
    let (ends, mut inner) = pipes(16);
    let outside = tokio::spawn(async move {
        let (mut client_hears, mut client_says) = tokio::io::split(ends.client);
        let (mut origin_hears, mut origin_says) = tokio::io::split(ends.origin);
        let asking = tokio::spawn(async move {
            let [_, request] = both("POST / HTTP/1.1\r\nHost: h\r\n", &pattern(5_000));
            client_says.write_all(&request).await.map(|()| client_says)
        });
        // an echo: what comes in chunks goes back as it came
        let echoing = tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(origin_hears.read_u8().await?);
            }
            origin_says.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            tokio::io::copy(&mut origin_hears, &mut origin_says).await
        });
        let mut down = Vec::new();
        client_hears.read_to_end(&mut down).await.expect("open");
        echoing.await.expect("a task").expect("open");
        asking.await.expect("a task").expect("open");
        down
    });
    let passed = stage.pass(&mut inner).await;
    drop(inner);
    assert_eq!((&passed.outcome, passed.request_whole, passed.bytes), (&Ok(Outcome::Delivered), true, (5_000, 5_000)));
    let down = messages(&outside.await.expect("the peers are served"));
    assert_eq!(
        (down.len(), down[0].body.as_bytes(), &down[0].trailers[..]),
        (1, &pattern(5_000)[..], "X-Sum: 9\r\n\r\n")
    );
    // the response began before the request had ended: the connection ends with it, and says so
    assert!(down[0].head.contains("\r\nConnection: close\r\n") && !passed.keep);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_its_limit_is_refused_as_soon_as_it_is() {
    let stage = Stage::with("", "request: { max_body: 1000 }");
    for size in [1000, 1001] {
        let [_, request] = both("POST / HTTP/1.1\r\nHost: h\r\n", &pattern(size));
        let (head, body) = request.split_at(request.len() - 300);
        let pieces = vec![head.to_vec(), body.to_vec()];
        let seen = Script { request: pieces, ..Script::new(b"", b"HTTP/1.1 204 No\r\n\r\n") }.play(&stage).await;
        let wanted = if size > 1000 { Err(Failure::BodyTooLarge) } else { Ok(Outcome::Delivered) };
        assert_eq!(seen.passed.outcome, wanted, "{size} bytes");
        assert_eq!(seen.passed.unanswered, size > 1000);
    }
}
