//! A connection with all its requests: pipelined, kept, refused, closed.

use super::pipe::Client;
use super::script::{ROOMY, cuts, hear_request, messages, settle};
use super::stage::{Stage, peer};
use crate::http::clock::Moment;
use crate::proxy::{After, Standing, serve};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

const FIXED: &str = "GET /fixed HTTP/1.1\r\nHost: h\r\n\r\n";
const MOVED: &str = "POST /moved HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "POST /fixed HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const LAST: &str = "GET /fixed HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// Serves a connection until it is closed, as the server does.
async fn serve_all(stage: &Stage, mut client: Client) -> Standing {
    let mut standing = Standing { peer: peer(), served: 0, deadline: None };
    while client.readable().await {
        if serve(&mut client, &mut standing, &stage.worker).await == After::Close {
            break;
        }
    }
    standing
}

/// Statuses of the answers to `pieces`, and how long it took until the connection was closed. `leaves`: the client closes when it has said all.
async fn statuses(stage: &Stage, pieces: Vec<Vec<u8>>, leaves: bool) -> (Vec<String>, Duration) {
    let (outer, inner) = duplex(ROOMY);
    let began = Instant::now();
    let asking = tokio::spawn(async move {
        let (mut hears, mut says) = split(outer);
        let listening = tokio::spawn(async move {
            let mut down = Vec::new();
            hears.read_to_end(&mut down).await.expect("open");
            down
        });
        for piece in pieces {
            // a refused client need not be heard to its end
            let _ = says.write_all(&piece).await;
            settle().await;
        }
        if leaves {
            says.shutdown().await.expect("open");
        }
        (listening.await.expect("a task"), says)
    });
    serve_all(stage, Client::new(inner)).await;
    let (down, _) = asking.await.expect("a task");
    (messages(&down).iter().map(|m| m.head[9..12].to_owned()).collect(), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_answered_in_order_wherever_they_are_cut() {
    let stage = Stage::new();
    let all = [FIXED, MOVED, "\r\n", FIXED, FIXED, MOVED, LAST].concat().into_bytes();
    let whole = vec![all.clone()];
    for pieces in [whole].into_iter().chain(cuts(&all)) {
        let shown = String::from_utf8_lossy(&pieces[0]).into_owned();
        let (seen, lasted) = statuses(&stage, pieces, false).await;
        assert_eq!(seen, ["200", "308", "200", "200", "308", "200"], "cut behind {shown:?}");
        assert!(lasted < Duration::from_secs(1), "it took {lasted:?}, cut behind {shown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_although_the_next_one_is_not_whole() {
    let stage = Stage::new();
    for whole in [FIXED, MOVED, CHUNKED] {
        for part in [&FIXED[..1], &FIXED[..20], &MOVED[..MOVED.len() - 1]] {
            let (mut outer, inner) = duplex(ROOMY);
            let said = [FIXED, whole, part].concat();
            let asking = tokio::spawn(async move {
                outer.write_all(said.as_bytes()).await.expect("open");
                settle().await;
                let mut down = vec![0; 10_000];
                let n = outer.read(&mut down).await.expect("open");
                down.truncate(n);
                (messages(&down).len(), Instant::now())
            });
            let began = Instant::now();
            serve_all(&stage, Client::new(inner)).await;
            let (answers, at) = asking.await.expect("a task");
            // the last one's answer comes with its last byte, or when its time is up
            assert!(answers >= 2 && at - began < Duration::from_secs(1), "{whole} and {part}: {answers} answers");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_wait_for_a_body_in_chunks_says_that_it_is_the_last() {
    let stage = Stage::new();
    for at in [CHUNKED.len() - 1, CHUNKED.find("5\r\n").expect("a chunk")] {
        let (mut outer, inner) = duplex(ROOMY);
        outer.write_all(&CHUNKED.as_bytes()[..at]).await.expect("open");
        let (down, _) = tokio::join!(hear_some(&mut outer), serve_all(&stage, Client::new(inner)));
        assert!(messages(&down)[0].head.contains("\r\nConnection: close\r\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_refused_and_its_connection_closed() {
    let stage = Stage::with("header_size: 1KiB", "");
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(1024));
    for (bad, status) in [
        ("GET /fixed HTTP/1.1\r\n\r\n", "400"),
        ("GET /fixed HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n", "400"),
        ("GET /fixed HTTP/3.0\r\nHost: h\r\n\r\n", "505"),
        ("POST /fixed HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        (&long, "431"),
    ] {
        let said = [FIXED, bad, FIXED].concat().into_bytes();
        for pieces in [vec![said.clone()]].into_iter().chain(cuts(&said)) {
            let (seen, _) = statuses(&stage, pieces, false).await;
            assert_eq!(seen, ["200", status], "{bad:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_after_its_last_request_and_a_client_that_still_sends_is_heard_out_for_a_while() {
    let stage = Stage::new();
    let (seen, lasted) = statuses(&stage, vec![[LAST, FIXED].concat().into()], false).await;
    // an answer must not be lost to a reset because of bytes unread: up to two seconds the client may go on sending
    assert_eq!((seen, lasted.as_secs()), (vec!["200".to_owned()], 2));
    let too_much = "POST /fixed HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n";
    let pieces = vec![too_much.into(), vec![b'x'; 1000], vec![b'x'; 1000]];
    let (seen, lasted) = statuses(&stage, pieces.clone(), false).await;
    assert_eq!((seen, lasted.as_secs()), (vec!["413".to_owned()], 2));
    let (_, lasted) = statuses(&stage, pieces, true).await;
    assert!(lasted < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_to_send_an_unwanted_body_is_answered_without_it() {
    let stage = Stage::new();
    let ask = "POST /fixed HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let (seen, _) = statuses(&stage, vec![ask.into()], false).await;
    assert_eq!(seen, ["200"]);
    let other = ask.replace("100-continue", "tea");
    let (seen, _) = statuses(&stage, vec![other.into()], false).await;
    assert_eq!(seen, ["417"]);
}

#[tokio::test(start_paused = true)]
async fn between_requests_a_connection_is_parked_and_counts_what_it_served() {
    let stage = Stage::new();
    let (mut outer, inner) = duplex(ROOMY);
    let mut client = Client::new(inner);
    let mut standing = Standing { peer: peer(), served: 0, deadline: Some(Moment(10_000_000_000)) };
    // nothing was said: the first head is still waited for
    assert_eq!(serve(&mut client, &mut standing, &stage.worker).await, After::Park);
    assert_eq!((standing.served, standing.deadline), (0, Some(Moment(10_000_000_000))));
    for served in 1..=3 {
        outer.write_all(FIXED.as_bytes()).await.expect("open");
        assert_eq!(serve(&mut client, &mut standing, &stage.worker).await, After::Park);
        assert_eq!((standing.served, standing.deadline), (served, None));
    }
    drop(outer);
    assert_eq!(serve(&mut client, &mut standing, &stage.worker).await, After::Close);
}

#[tokio::test(start_paused = true)]
async fn every_head_of_a_connection_has_its_time() {
    let stage = Stage::with("header_timeout: 10s", "");
    let slow = |first: &str| {
        let mut pieces = vec![first.as_bytes().to_vec()];
        pieces.extend(FIXED.bytes().take(30).map(|b| vec![b]));
        pieces
    };
    for first in ["", FIXED, MOVED] {
        let (outer, inner) = duplex(ROOMY);
        let (mut hears, mut says) = split(outer);
        let asking = tokio::spawn(async move {
            for piece in slow(first) {
                let _ = says.write_all(&piece).await;
                sleep(Duration::from_secs(1)).await;
            }
        });
        let listening = tokio::spawn(async move {
            let mut down = Vec::new();
            hears.read_to_end(&mut down).await.expect("open");
            down
        });
        let began = Instant::now();
        serve_all(&stage, Client::new(inner)).await;
        // the pause before the first byte, the time for the head, the time in which the refused client is heard out
        assert_eq!(began.elapsed().as_secs(), 1 + 10 + 2);
        let down = messages(&listening.await.expect("a task"));
        assert!(down.last().is_some_and(|m| m.head.starts_with("HTTP/1.1 408 ")), "{down:?}");
        asking.abort();
    }
}

/// A socket to an origin that a test plays itself, and the stage in front of it.
async fn origin() -> (TcpListener, Stage) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, Stage::before(&address, "", ""))
}

/// What a client hears within a time that is long enough; the sockets of these tests have real ones.
async fn hear_some(client: &mut DuplexStream) -> Vec<u8> {
    let mut down = vec![0; 10_000];
    let n = timeout(Duration::from_secs(20), client.read(&mut down)).await.expect("an answer").expect("open");
    down.truncate(n);
    down
}

#[tokio::test]
async fn requests_of_a_connection_share_one_to_the_origin_pipelined_ones_too() {
    let (listener, stage) = origin().await;
    let origin = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut targets = Vec::new();
        for _ in 0..4 {
            let heard = hear_request(&mut socket).await;
            targets.push(String::from_utf8_lossy(&heard).split(' ').nth(1).expect("a target").to_owned());
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.expect("open");
        }
        targets
    });
    let (mut outer, inner) = duplex(ROOMY);
    let asking = async move {
        let post = "POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
        let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        outer.write_all(get("/1").as_bytes()).await.expect("open");
        assert_eq!(messages(&hear_some(&mut outer).await).len(), 1);
        outer.write_all([&get("/2"), post, &get("/4")].concat().as_bytes()).await.expect("open");
        let mut down = Vec::new();
        while messages(&down).len() < 3 {
            down.extend(hear_some(&mut outer).await);
        }
    };
    tokio::join!(asking, serve_all(&stage, Client::new(inner)));
    assert_eq!(origin.await.expect("a task"), ["/1", "/2", "/3", "/4"]);
    assert_eq!(stage.worker.snapshot().table.upstreams[0].pool.members().primary[0].in_flight(), 0);
}

#[tokio::test]
async fn a_failure_is_answered_and_the_connection_kept() {
    let (listener, stage) = origin().await;
    let origin = tokio::spawn(async move {
        for answer in [&b"garbage\r\n\r\n"[..], b"", b"HTTP/1.1 204 No Content\r\n\r\n"] {
            let (mut socket, _) = listener.accept().await.expect("a connection");
            hear_request(&mut socket).await;
            socket.write_all(answer).await.expect("open");
        }
        drop(listener);
    });
    let (mut outer, inner) = duplex(ROOMY);
    let asking = async move {
        for (status, word) in [("502", "bad_response"), ("502", "upstream_reset"), ("204", "")] {
            outer.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("open");
            let down = messages(&hear_some(&mut outer).await);
            assert!(down[0].head[9..].starts_with(status) && down[0].body.contains(word), "{down:?}");
        }
        origin.await.expect("a task");
        outer.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("open");
        let down = messages(&hear_some(&mut outer).await);
        assert!(down[0].body.contains("connect_refused") && !down[0].head.contains("close"), "{down:?}");
    };
    tokio::join!(asking, serve_all(&stage, Client::new(inner)));
}

#[tokio::test]
async fn a_response_cut_short_ends_in_a_reset_where_its_end_is_the_connections() {
    let (listener, stage) = origin().await;
    let origin = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        hear_request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").await.expect("open");
    });
    let (mut outer, inner) = duplex(ROOMY);
    outer.write_all(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n").await.expect("open");
    let (mut client, mut standing) = (Client::new(inner), Standing { peer: peer(), served: 0, deadline: None });
    let asking = async move {
        hear_some(&mut outer).await;
        origin.await.expect("a task");
        outer
    };
    let (_outer, after) = tokio::join!(asking, serve(&mut client, &mut standing, &stage.worker));
    assert!(after == After::Close && client.reset);
}

#[tokio::test]
async fn the_rest_of_a_body_that_was_answered_early_is_not_the_next_request() {
    let (listener, stage) = origin().await;
    let origin = tokio::spawn(async move {
        let mut targets = Vec::new();
        for _ in 0..2 {
            // a connection each: the first has not seen its request's end
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                heard.push(socket.read_u8().await.expect("open"));
            }
            targets.push(String::from_utf8_lossy(&heard).split(' ').nth(1).expect("a target").to_owned());
            socket.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await.expect("open");
            if targets.len() == 1 {
                assert_eq!(socket.read_to_end(&mut Vec::new()).await.ok(), Some(0), "the rest is not sent up");
            }
        }
        targets
    });
    let (mut outer, inner) = duplex(ROOMY);
    let inside = "GET /inside HTTP/1.1\r\nHost: h\r\n\r\n";
    let asking = async move {
        let head = format!("POST /outside HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", inside.len());
        outer.write_all(head.as_bytes()).await.expect("open");
        assert_eq!(messages(&hear_some(&mut outer).await)[0].body, "no");
        outer.write_all(inside.as_bytes()).await.expect("open");
        outer.write_all(LAST.replace("/fixed", "/next").as_bytes()).await.expect("open");
        let down = messages(&hear_some(&mut outer).await);
        assert_eq!((down.len(), &down[0].body[..]), (1, "no"));
    };
    tokio::join!(asking, serve_all(&stage, Client::new(inner)));
    assert_eq!(
        timeout(Duration::from_secs(20), origin).await.expect("in time").expect("a task"),
        ["/outside", "/next"]
    );
}
