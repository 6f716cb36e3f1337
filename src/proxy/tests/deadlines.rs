//! Who may be slow, and for how long: each limit is kept to, and blames the side that was waited for.

use super::script::{ROOMY, hear_request, settle};
use super::stage::{Ends, Passed, Stage, pipes, uneven_pipes};
use crate::failure::Failure;
use crate::http::clock::Moment;
use crate::proxy::relay::Outcome;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::sleep;

/// Each limit has a length of its own, so that a failure shows which one it was.
const LIMITS: &str = "header_timeout: 10s, body_timeout: 23s, send_timeout: 29s, body_min_rate: 0/s";
const ROUTE: &str = "timeouts: { read: 41s, write: 37s, request: 1000s }";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LENGTH: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

/// One request through pipes that hold 64 bytes, while `peers` play.
async fn passed<F: Future<Output = ()> + Send + 'static>(
    limits: &str,
    route: &str,
    peers: impl FnOnce(Ends) -> F,
) -> Passed {
    passed_through((64, 64), limits, route, peers).await
}

/// The same, with room for so many bytes on the client's side and on the endpoint's.
async fn passed_through<F: Future<Output = ()> + Send + 'static>(
    rooms: (usize, usize),
    limits: &str,
    route: &str,
    peers: impl FnOnce(Ends) -> F,
) -> Passed {
    let stage = Stage::with(limits, route);
    let (ends, mut inner) = uneven_pipes(rooms.0, rooms.1);
    let playing = tokio::spawn(peers(ends));
    let passed = stage.pass(&mut inner).await;
    drop(inner);
    // peers wait longer than anything that is tested
    playing.abort();
    passed
}

/// Did it fail so, so many seconds after it began?
fn assert_failed(passed: &Passed, failure: Failure, seconds: u64) {
    assert_eq!(passed.outcome, Err(failure), "{passed:?}");
    let late = passed.lasted.saturating_sub(Duration::from_secs(seconds));
    assert!(passed.lasted.as_secs() >= seconds && late < Duration::from_millis(50), "{:?}", passed.lasted);
}

async fn say(to: &mut DuplexStream, bytes: &[u8]) {
    to.write_all(bytes).await.expect("open");
}

/// Says `bytes` again and again, with pauses.
async fn drip(to: &mut DuplexStream, bytes: &[u8], pause: Duration, times: usize) {
    for _ in 0..times {
        sleep(pause).await;
        say(to, bytes).await;
    }
}

/// An endpoint that takes everything and says nothing.
fn drain(mut origin: DuplexStream) {
    tokio::spawn(async move { origin.read_to_end(&mut Vec::new()).await });
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_may_be_silent_for_the_read_timeout() {
    let silent = passed(LIMITS, ROUTE, async |mut ends| {
        say(&mut ends.client, GET).await;
        hear_request(&mut ends.origin).await;
        sleep(s(500)).await;
    });
    let silent = silent.await;
    assert_failed(&silent, Failure::UpstreamTimeout, 41);
    assert!(silent.unanswered && silent.status == 0);

    let in_the_middle = passed(LIMITS, ROUTE, async |mut ends| {
        say(&mut ends.client, GET).await;
        hear_request(&mut ends.origin).await;
        sleep(s(40)).await;
        say(&mut ends.origin, &OK[..OK.len() - 1]).await;
        sleep(s(500)).await;
    });
    let in_the_middle = in_the_middle.await;
    assert_failed(&in_the_middle, Failure::UpstreamTimeout, 81);
    assert!(!in_the_middle.unanswered && in_the_middle.status == 200);

    let never_longer = passed(LIMITS, ROUTE, async |mut ends| {
        say(&mut ends.client, GET).await;
        hear_request(&mut ends.origin).await;
        for byte in OK {
            drip(&mut ends.origin, &[*byte], s(20), 1).await;
        }
        sleep(s(500)).await;
    });
    let never_longer = never_longer.await;
    assert_eq!((never_longer.outcome, never_longer.lasted.as_secs()), (Ok(Outcome::Delivered), 20 * OK.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_may_take_nothing_for_the_write_timeout() {
    for head in [LENGTH, CHUNKED] {
        let stuck = passed(LIMITS, ROUTE, async move |mut ends| {
            say(&mut ends.client, head).await;
            let piece = if head == LENGTH { &b"xxxxxxxxxx"[..] } else { b"5\r\nxxxxx\r\n" };
            drip(&mut ends.client, piece, s(0), 100_000).await;
        });
        let stuck = stuck.await;
        assert_failed(&stuck, Failure::UpstreamTimeout, 37);
        assert!(stuck.unanswered);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_takes_a_little_now_and_then_is_waited_for_and_its_client_not_blamed() {
    // between the little the client has nothing to do, for longer than its own silence may last
    let slow = passed("body_timeout: 23s, body_min_rate: 500/s", ROUTE, async |mut ends| {
        let client = tokio::spawn(async move {
            say(&mut ends.client, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 600\r\n\r\n").await;
            say(&mut ends.client, &[b'x'; 600]).await;
            ends.client.read_to_end(&mut Vec::new()).await
        });
        let mut up = Vec::new();
        while !up.ends_with(&[b'x'; 600]) {
            sleep(s(30)).await;
            let mut some = [0; 64];
            let n = ends.origin.read(&mut some).await.expect("open");
            up.extend_from_slice(&some[..n]);
        }
        say(&mut ends.origin, OK).await;
        sleep(s(500)).await;
        client.await.expect("a task").expect("open");
    });
    let slow = slow.await;
    assert_eq!(slow.outcome, Ok(Outcome::Delivered), "{slow:?}");
    assert!(slow.lasted > s(300));
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_endpoint_was_waited_for_is_not_the_clients() {
    for limits in ["body_timeout: 23s, body_min_rate: 0/s", "body_timeout: 60s, body_min_rate: 1/s"] {
        for (head, piece, last) in [
            (&b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 601\r\n\r\n"[..], [b'x'; 600].to_vec(), &b"x"[..]),
            (CHUNKED, [b"258\r\n", &[b'x'; 600][..], b"\r\n"].concat(), b"0\r\n\r\n"),
        ] {
            let patient = passed_through((ROOMY, 64), limits, ROUTE, async move |mut ends| {
                let origin = tokio::spawn(async move {
                    sleep(s(30)).await;
                    hear_request(&mut ends.origin).await;
                    say(&mut ends.origin, OK).await;
                    sleep(s(500)).await;
                });
                say(&mut ends.client, &[head, &piece].concat()).await;
                // the gateway has it all, and the endpoint takes it after thirty seconds: only then the client's pause begins
                sleep(s(39)).await;
                say(&mut ends.client, last).await;
                origin.await.expect("a task");
            });
            let patient = patient.await;
            assert_eq!((&patient.outcome, patient.lasted.as_secs()), (&Ok(Outcome::Delivered), 39), "{limits}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_client_was_waited_for_is_not_the_endpoints() {
    let patient = passed_through((64, ROOMY), LIMITS, "timeouts: { read: 5s, request: 1000s }", async |mut ends| {
        say(&mut ends.client, GET).await;
        hear_request(&mut ends.origin).await;
        let client = tokio::spawn(async move {
            sleep(s(28)).await;
            ends.client.read_to_end(&mut Vec::new()).await
        });
        say(&mut ends.origin, b"HTTP/1.1 200 OK\r\nContent-Length: 601\r\n\r\n").await;
        say(&mut ends.origin, &[b'x'; 600]).await;
        // the gateway has it all, and the client takes it after 28 seconds: only then the endpoint's pause begins
        sleep(s(32)).await;
        say(&mut ends.origin, b"x").await;
        client.await.expect("a task").expect("open");
    });
    let patient = patient.await;
    assert_eq!((&patient.outcome, patient.lasted.as_secs()), (&Ok(Outcome::Delivered), 32));
}

#[tokio::test(start_paused = true)]
async fn a_client_may_take_nothing_for_the_send_timeout() {
    let stuck = passed(LIMITS, ROUTE, async |mut ends| {
        say(&mut ends.client, GET).await;
        hear_request(&mut ends.origin).await;
        say(&mut ends.origin, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
        drip(&mut ends.origin, &[b'x'; 1000], s(0), 1000).await;
    });
    let stuck = stuck.await;
    assert_failed(&stuck, Failure::ClientTimeout, 29);
    assert!(!stuck.unanswered && stuck.status == 200);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_a_little_now_and_then_is_waited_for_and_its_endpoint_not_blamed() {
    let slow = passed(LIMITS, "timeouts: { read: 5s, request: 1000s }", async |mut ends| {
        say(&mut ends.client, GET).await;
        hear_request(&mut ends.origin).await;
        let origin = tokio::spawn(async move {
            say(&mut ends.origin, b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n").await;
            say(&mut ends.origin, &[b'x'; 600]).await;
            sleep(s(2000)).await;
        });
        let mut down = Vec::new();
        while !down.ends_with(&[b'x'; 600]) {
            sleep(s(28)).await;
            let mut some = [0; 64];
            let n = ends.client.read(&mut some).await.expect("open");
            down.extend_from_slice(&some[..n]);
        }
        origin.await.expect("a task");
    });
    let slow = slow.await;
    assert_eq!(slow.outcome, Ok(Outcome::Delivered), "{slow:?}");
    assert!(slow.lasted > s(200));
}

#[tokio::test(start_paused = true)]
async fn a_client_may_be_silent_within_its_body_for_the_body_timeout() {
    for (head, piece) in [(LENGTH, &b"x"[..]), (CHUNKED, b"1\r\nx\r\n")] {
        let silent = passed(LIMITS, ROUTE, async move |mut ends| {
            drain(ends.origin);
            say(&mut ends.client, head).await;
            drip(&mut ends.client, piece, s(22), 5).await;
            sleep(s(500)).await;
        });
        let silent = silent.await;
        assert_failed(&silent, Failure::ClientTimeout, 5 * 22 + 23);
        assert!(silent.unanswered);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_must_keep_its_least_rate() {
    const RATE: &str = "body_timeout: 60s, body_min_rate: 500/s";
    // ten bytes at a time: 5 for the body and 5 for the chunk
    for (head, piece) in [(LENGTH, &b"xxxxxxxxxx"[..]), (CHUNKED, b"5\r\nxxxxx\r\n")] {
        let slow = passed(RATE, ROUTE, async move |mut ends| {
            drain(ends.origin);
            say(&mut ends.client, head).await;
            // 476 a second
            drip(&mut ends.client, piece, Duration::from_millis(21), 1_000_000).await;
        });
        assert_failed(&slow.await, Failure::ClientTimeout, 10);
        let slowing = passed(RATE, ROUTE, async move |mut ends| {
            drain(ends.origin);
            say(&mut ends.client, head).await;
            drip(&mut ends.client, piece, Duration::from_millis(10), 2_500).await;
            drip(&mut ends.client, piece, Duration::from_millis(21), 1_000_000).await;
        });
        assert_failed(&slowing.await, Failure::ClientTimeout, 40);
        let fast_enough = passed(RATE, ROUTE, async move |mut ends| {
            drain(ends.origin);
            say(&mut ends.client, head).await;
            // 526 a second for a hundred seconds, then silence
            drip(&mut ends.client, piece, Duration::from_millis(19), 5_263).await;
            sleep(s(500)).await;
        });
        assert_failed(&fast_enough.await, Failure::ClientTimeout, 110);
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_exchange_has_one_deadline_whatever_goes_on() {
    let long = passed(LIMITS, "timeouts: { request: 100s }", async |mut ends| {
        say(&mut ends.client, GET).await;
        hear_request(&mut ends.origin).await;
        say(&mut ends.origin, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
        let reading = tokio::spawn(async move { ends.client.read_to_end(&mut Vec::new()).await });
        drip(&mut ends.origin, b"x", s(1), 1000).await;
        reading.await.expect("a task").expect("open");
    });
    assert_failed(&long.await, Failure::RequestTimeout, 100);
    let long = passed(LIMITS, "timeouts: { request: 100s }", async |mut ends| {
        drain(ends.origin);
        say(&mut ends.client, LENGTH).await;
        drip(&mut ends.client, b"x", s(1), 1000).await;
    });
    let long = long.await;
    assert_failed(&long, Failure::RequestTimeout, 100);
    assert!(long.unanswered);
}

#[tokio::test(start_paused = true)]
async fn a_head_must_be_whole_in_time_however_it_dribbles_in() {
    let stage = Stage::with(LIMITS, ROUTE);
    let (mut ends, mut inner) = pipes(64);
    let dribble = tokio::spawn(async move {
        // the first byte starts the time
        sleep(s(300)).await;
        say(&mut ends.client, b"G").await;
        for byte in b"ET / HTTP/1.1\r\nHost: h\r\n".iter().chain([b'x'; 1000].iter()) {
            sleep(s(1)).await;
            if ends.client.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    });
    assert!(inner.client.readable().await);
    let began = tokio::time::Instant::now();
    let request = stage.receive(&mut inner.reading, &mut inner.client).await;
    assert_eq!((request.exchange.failure, request.exchange.status), (Some(Failure::ClientTimeout), 408));
    assert!(!request.exchange.keep && began.elapsed().as_secs() == 10, "{:?}", began.elapsed());
    drop((request, inner));
    dribble.await.expect("the client ends");
}

#[tokio::test(start_paused = true)]
async fn a_first_head_counts_from_when_its_connection_was_made() {
    let stage = Stage::with(LIMITS, ROUTE);
    let (mut ends, mut inner) = pipes(64);
    inner.reading.deadline = Some(Moment(4_000_000_000));
    sleep(s(3)).await;
    say(&mut ends.client, b"GET").await;
    let request = stage.receive(&mut inner.reading, &mut inner.client).await;
    assert_eq!(request.exchange.failure, Some(Failure::ClientTimeout));
    settle().await;
}
