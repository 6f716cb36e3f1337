//! What follows a 101: bytes both ways, each direction with its own end.

use super::script::{hear_request, settle};
use super::stage::{Ends, Passed, Stage, pipes, uneven_pipes};
use crate::failure::Failure;
use crate::http::clock::Span;
use crate::proxy::relay::Outcome;
use crate::proxy::tunnel::Tunnel;
use std::future::{Future, poll_fn};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

const ASK: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\
X-Request-Id: r1\r\n\r\n";
const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: y\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: y\r\n\
Connection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const IDLE: Span = Span(60_000_000_000);

/// How a tunnel ended, what it moved, and how long that took.
type Ended = (Result<(), Failure>, (u64, u64), Duration);

/// A tunnel between pipes that hold `room` bytes, while `peers` play.
async fn tunnel<F: Future<Output = ()> + Send + 'static>(
    room: usize,
    early: &[u8],
    peers: impl FnOnce(Ends) -> F,
) -> Ended {
    let stage = Stage::new();
    let (ends, mut inner) = pipes(room);
    let playing = tokio::spawn(peers(ends));
    let began = Instant::now();
    let buffers = &stage.worker.buffers;
    let mut tunnel = Tunnel::new(&mut inner.client, &mut inner.upstream, buffers, IDLE, early.to_vec());
    let ended = poll_fn(|cx| tunnel.poll(cx)).await;
    let (moved, lasted) = (tunnel.moved(), began.elapsed());
    drop(inner);
    playing.await.expect("the peers are served");
    (ended, moved, lasted)
}

/// A handshake, with what the client sends before its answer.
async fn handshake(response: &'static [u8], early: &'static [u8], room: usize) -> (Passed, Vec<u8>, Vec<u8>) {
    let stage = Stage::new();
    let (mut ends, mut inner) = uneven_pipes(1024, room);
    let outside = tokio::spawn(async move {
        ends.client.write_all(ASK).await.expect("open");
        settle().await;
        ends.client.write_all(early).await.expect("open");
        settle().await;
        // speaks before it listens, if there is room
        let mut up = Vec::new();
        if room > 512 {
            up = hear_request(&mut ends.origin).await;
        }
        ends.origin.write_all(response).await.expect("open");
        settle().await;
        ends.origin.read_to_end(&mut up).await.expect("open");
        let mut down = Vec::new();
        ends.client.read_to_end(&mut down).await.expect("open");
        (up, down)
    });
    let passed = stage.pass(&mut inner).await;
    drop(inner);
    let (up, down) = outside.await.expect("the peers are served");
    (passed, up, down)
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_was_asked_for_makes_a_tunnel() {
    let (passed, up, down) = handshake(SWITCH, b"early", 1024).await;
    assert_eq!((passed.outcome, passed.status), (Ok(Outcome::Switched), 101));
    assert_eq!(String::from_utf8_lossy(&down), SWITCHED);
    assert!(String::from_utf8_lossy(&up).ends_with("\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
    // nothing of the tunnel goes up before the answer
    assert_eq!(passed.ahead, b"early");
}

#[tokio::test(start_paused = true)]
async fn what_the_origin_says_with_its_101_goes_down_behind_it() {
    let both = [SWITCH, b"first words"].concat().leak();
    let (passed, _, down) = handshake(both, b"", 1024).await;
    assert_eq!(passed.outcome, Ok(Outcome::Switched));
    assert_eq!(String::from_utf8_lossy(&down), format!("{SWITCHED}first words"));
}

#[tokio::test(start_paused = true)]
async fn the_tunnel_begins_when_the_request_has_gone_up_whole() {
    // an origin that answers before it has read the head, which its pipe does not hold
    let (passed, up, _) = handshake(SWITCH, b"", 128).await;
    assert_eq!(passed.outcome, Ok(Outcome::Switched));
    assert!(
        String::from_utf8_lossy(&up).ends_with("\r\nUpgrade: websocket\r\n\r\n"),
        "{}",
        String::from_utf8_lossy(&up)
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_switch_is_a_plain_response() {
    let (passed, _, down) = handshake(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", b"", 1024).await;
    assert_eq!((passed.outcome, passed.status, passed.keep), (Ok(Outcome::Delivered), 403, true));
    assert!(down.ends_with(b"\r\n\r\nno"));
}

#[tokio::test(start_paused = true)]
async fn a_switch_to_something_else_is_a_bad_response() {
    for response in [
        &b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"[..],
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let (passed, _, down) = handshake(response, b"", 1024).await;
        assert_eq!((passed.outcome, passed.unanswered, &down[..]), (Err(Failure::BadResponse), true, &b""[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_moves_bytes_both_ways_until_both_sides_have_closed() {
    for room in [1, 5, 64, 4096] {
        let (ended, moved, lasted) = tunnel(room, b"early ", async |mut ends: Ends| {
            let origin = tokio::spawn(async move {
                let mut up = Vec::new();
                ends.origin.read_to_end(&mut up).await.expect("open");
                assert_eq!(up, b"early and later");
                // the client has closed its side; it still listens
                sleep(Duration::from_secs(30)).await;
                ends.origin.write_all(&[b'x'; 5000]).await.expect("open");
                ends.origin.shutdown().await.expect("open");
            });
            ends.client.write_all(b"and later").await.expect("open");
            ends.client.shutdown().await.expect("open");
            let mut down = Vec::new();
            ends.client.read_to_end(&mut down).await.expect("open");
            assert_eq!(down, [b'x'; 5000]);
            origin.await.expect("a task");
        })
        .await;
        assert_eq!((ended, moved, lasted.as_secs()), (Ok(()), (15, 5000), 30), "room for {room}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_may_close_first_and_still_listen() {
    let (ended, moved, _) = tunnel(16, b"", async |mut ends: Ends| {
        ends.origin.write_all(b"bye").await.expect("open");
        ends.origin.shutdown().await.expect("open");
        let mut down = Vec::new();
        ends.client.read_to_end(&mut down).await.expect("open");
        assert_eq!(down, b"bye");
        sleep(Duration::from_secs(30)).await;
        let client = tokio::spawn(async move {
            ends.client.write_all(&[b'y'; 500]).await.expect("open");
            ends.client.shutdown().await.expect("open");
        });
        let mut up = Vec::new();
        ends.origin.read_to_end(&mut up).await.expect("open");
        assert_eq!(up, [b'y'; 500]);
        client.await.expect("a task");
    })
    .await;
    assert_eq!((ended, moved), (Ok(()), (500, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_cut_when_both_sides_are_silent_for_too_long() {
    let (ended, _, lasted) = tunnel(64, b"", async |mut ends: Ends| {
        // either side's word keeps it open
        for _ in 0..3 {
            sleep(Duration::from_secs(50)).await;
            ends.client.write_all(b"a").await.expect("open");
            sleep(Duration::from_secs(50)).await;
            ends.origin.write_all(b"b").await.expect("open");
        }
        ends.client.read_to_end(&mut Vec::new()).await.expect("open");
    })
    .await;
    assert_eq!((ended, lasted.as_secs()), (Err(Failure::UpstreamTimeout), 300 + 60));
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_cut_when_one_side_takes_nothing() {
    let (ended, _, lasted) = tunnel(64, b"", async |ends: Ends| {
        let (mut hears, mut says) = tokio::io::split(ends.origin);
        let _ = says.write_all(&[b'x'; 1_000_000]).await;
        drop(ends.client);
        hears.read_to_end(&mut Vec::new()).await.expect("open");
    })
    .await;
    assert_eq!((ended, lasted.as_secs()), (Err(Failure::UpstreamTimeout), 60));
}

#[tokio::test(start_paused = true)]
async fn who_left_a_tunnel_is_who_is_named() {
    let (ended, ..) = tunnel(64, b"", async |mut ends: Ends| {
        drop(ends.client);
        while ends.origin.write_all(b"x").await.is_ok() {}
    })
    .await;
    assert_eq!(ended, Err(Failure::ClientClosed));
    let (ended, ..) = tunnel(64, b"", async |mut ends: Ends| {
        drop(ends.origin);
        while ends.client.write_all(b"x").await.is_ok() {}
    })
    .await;
    assert_eq!(ended, Err(Failure::UpstreamReset));
}
