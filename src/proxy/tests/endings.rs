//! Exchanges that end otherwise than by a response to a whole request: early, cut short, or with too much said.

use super::script::{ROOMY, Script, hear_request, messages, settle};
use super::stage::{Stage, pipes, uneven_pipes};
use crate::failure::Failure;
use crate::http::transport::Downstream;
use crate::proxy::relay::Outcome;
use crate::upstream::Asker;
use crate::upstream::pool::Tried;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test(start_paused = true)]
async fn sixteen_informational_responses_pass_and_one_more_is_a_bad_response() {
    let stage = Stage::new();
    for (hint, shown) in [("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 16), ("HTTP/1.1 100 Continue\r\n\r\n", 0)]
    {
        for in_one in [true, false] {
            let hints = |count: usize| {
                let mut pieces = vec![hint.as_bytes().to_vec(); count];
                pieces.push(OK.to_vec());
                let response = if in_one { vec![pieces.concat()] } else { pieces };
                Script { response, ..Script::new(GET, b"") }.play(&stage)
            };
            let seen = hints(16).await;
            assert_eq!(seen.passed.outcome, Ok(Outcome::Delivered));
            assert_eq!(messages(&seen.down).len(), shown + 1);
            let seen = hints(17).await;
            assert_eq!(seen.passed.outcome, Err(Failure::BadResponse));
            // none of these was an answer yet
            assert!(seen.passed.unanswered && seen.passed.status == 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_beyond_a_response_are_dropped_and_its_connection_with_them() {
    let stage = Stage::new();
    for response in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let more = [response, b"HTTP/1.1 200 OK\r\n"].concat();
        let clean = Script::new(GET, response).play(&stage).await;
        assert!(!clean.passed.spoiled);
        // also when the end of the body comes together with the excess
        for cut in [more.len(), response.len() - 1, 5] {
            let pieces = vec![more[..cut].to_vec(), more[cut..].to_vec()];
            let seen = Script { response: pieces, ..Script::new(GET, b"") }.play(&stage).await;
            assert_eq!((&seen.down, &seen.passed.outcome), (&clean.down, &Ok(Outcome::Delivered)));
            assert!(seen.passed.spoiled && seen.passed.keep, "cut at {cut}: {:?}", seen.passed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_cut_short_is_a_reset_and_only_an_unbegun_one_can_be_answered() {
    let stage = Stage::new();
    let until_whole = |response: &'static [u8]| (0..response.len()).map(move |at| (&response[..at], response));
    let length = until_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let chunked = until_whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: 1\r\n\r\n");
    for (part, whole) in length.chain(chunked) {
        let seen = Script { closes: true, ..Script::new(GET, part) }.play(&stage).await;
        let shown = String::from_utf8_lossy(part);
        assert_eq!(seen.passed.outcome, Err(Failure::UpstreamReset), "{shown:?}");
        let head = whole.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
        assert_eq!(seen.passed.unanswered, part.len() < head, "{shown:?}");
        assert_eq!(seen.down.is_empty(), part.len() < head, "{shown:?}");
        assert!(!seen.down.ends_with(b"0\r\n\r\n"), "a cut body must not look whole: {shown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_response_is_a_bad_response() {
    let stage = Stage::new();
    for garbage in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let seen = Script::new(GET, garbage).play(&stage).await;
        assert_eq!(seen.passed.outcome, Err(Failure::BadResponse), "{:?}", String::from_utf8_lossy(garbage));
    }
    let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X-A: b\r\n".repeat(9000)].concat();
    let seen = Script { room: 1000, ..Script::new(GET, &endless) }.play(&stage).await;
    assert_eq!((seen.passed.outcome, seen.passed.unanswered), (Err(Failure::BadResponse), true));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_chunk_of_a_request_is_a_bad_request() {
    let stage = Stage::new();
    let head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX-Request-Id: r1\r\n\r\n";
    for bad in [&b"2\r\nokX\r\n"[..], b"zz\r\n", b"2\r\nok\r\n0\r\nX : 1\r\n\r\n", b"2;\r\nok\r\n"] {
        let pieces = vec![head.to_vec(), bad.to_vec()];
        let seen = Script { request: pieces, ..Script::new(b"", OK) }.play(&stage).await;
        assert_eq!((seen.passed.outcome, seen.passed.unanswered), (Err(Failure::BadRequest), true));
        assert!(!seen.up.ends_with(b"0\r\n\r\n"), "what was refused must not look whole to the origin");
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_response_is_delivered_and_its_connection_not_used_again() {
    let stage = Stage::new();
    // how much of the body the client holds back; whether its connection can be kept, since the rest is short
    for (length, kept) in [(1_000, true), (60_000, true), (70_000, false), (9_000_000, false)] {
        let (mut ends, mut inner) = pipes(256);
        let outside = tokio::spawn(async move {
            let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\nfirst");
            ends.client.write_all(head.as_bytes()).await.expect("open");
            settle().await;
            ends.origin.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await.expect("open");
            let mut down = Vec::new();
            ends.client.read_to_end(&mut down).await.expect("open");
            down
        });
        let passed = stage.pass(&mut inner).await;
        drop(inner);
        assert_eq!((&passed.outcome, passed.status), (&Ok(Outcome::Delivered), 403));
        assert!(!passed.request_whole && passed.keep == kept, "{length}: {passed:?}");
        let down = messages(&outside.await.expect("the peers are served"));
        assert_eq!(down[0].body, "no");
        assert_eq!(down[0].head.contains("\r\nConnection: close\r\n"), !kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_the_request_is_not_all_sent_is_not_used_again() {
    let stage = Stage::new();
    let (mut ends, mut inner) = uneven_pipes(ROOMY, 256);
    let outside = tokio::spawn(async move {
        // the client has sent its whole body, of which the origin takes only the beginning
        let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n";
        ends.client.write_all(&[&head[..], &[b'x'; 2000]].concat()).await.expect("open");
        settle().await;
        ends.origin.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await.expect("open");
        ends.client.read_to_end(&mut Vec::new()).await.expect("open");
        ends
    });
    let passed = stage.pass(&mut inner).await;
    drop(inner);
    outside.await.expect("the peers are served");
    assert_eq!((&passed.outcome, passed.request_whole), (&Ok(Outcome::Delivered), true));
    // the next request would be read as the rest of this one's body
    assert!(passed.spoiled && passed.keep, "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_answers_and_closes_without_reading_the_body_is_heard() {
    let stage = Stage::new();
    for answer in [&b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"[..], b""] {
        let (mut ends, mut inner) = pipes(256);
        let outside = tokio::spawn(async move {
            let (mut hears, mut says) = tokio::io::split(ends.client);
            let asking = tokio::spawn(async move {
                let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\n\r\n";
                // the gateway stops reading when it is answered
                let _ = says.write_all(&[&head[..], &[b'x'; 500_000]].concat()).await;
            });
            settle().await;
            ends.origin.write_all(answer).await.expect("open");
            drop(ends.origin);
            let mut down = Vec::new();
            hears.read_to_end(&mut down).await.expect("open");
            asking.await.expect("a task");
            down
        });
        let passed = stage.pass(&mut inner).await;
        drop(inner);
        let down = outside.await.expect("the peers are served");
        assert!(passed.spoiled, "{passed:?}");
        if answer.is_empty() {
            assert_eq!((passed.outcome, passed.unanswered), (Err(Failure::UpstreamReset), true));
        } else {
            assert_eq!((passed.outcome, passed.status), (Ok(Outcome::Delivered), 413));
            assert_eq!(messages(&down)[0].body, "no");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_is_noticed_at_once() {
    let stage = Stage::new();
    let whole: &[u8] = GET;
    let half: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello";
    let chunks: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    for request in [whole, half, chunks] {
        for answer in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"] {
            let (mut ends, mut inner) = pipes(256);
            let outside = tokio::spawn(async move {
                ends.client.write_all(request).await.expect("open");
                settle().await;
                ends.origin.write_all(answer).await.expect("open");
                settle().await;
                drop(ends.client);
                ends.origin
            });
            let passed = stage.pass(&mut inner).await;
            outside.await.expect("the peers are served");
            assert_eq!(passed.outcome, Err(Failure::ClientClosed));
            assert_eq!((passed.lasted.as_millis(), passed.unanswered), (2, answer.is_empty()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_expects_continue_is_told_to_once() {
    let stage = Stage::new();
    let head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n".to_vec();
    let request = vec![head.clone(), b"he".to_vec(), b"llo".to_vec()];
    let seen = Script { request, ..Script::new(b"", OK) }.play(&stage).await;
    let down = messages(&seen.down);
    assert_eq!(down.iter().map(|m| &m.head[9..12]).collect::<Vec<_>>(), ["100", "200"]);
    let up = messages(&seen.up);
    // the gateway has answered the expectation: the origin is not asked
    assert!(up[0].body == "hello" && !up[0].head.contains("xpect"));
    // a client that did not wait need not be told
    let seen = Script::new(&[&head[..], b"hello"].concat(), OK).play(&stage).await;
    assert_eq!(messages(&seen.down).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_counted_at_its_endpoint_until_its_last_byte_is_on_its_way() {
    let stage = Stage::new();
    let snapshot = stage.worker.snapshot();
    let upstream = &snapshot.table.upstreams[0];
    let (mut ends, mut inner) = pipes(ROOMY);
    ends.client.write_all(GET).await.expect("open");
    let mut request = stage.receive(&mut inner.reading, &mut inner.client).await;
    let random = std::cell::RefCell::default();
    let asker = Asker { now: inner.client.now(), random: &random, key: b"", client_ip: None, prefers: None };
    request.exchange.endpoint = upstream.pool.pick(&asker, &Tried::default());
    let endpoint = std::sync::Arc::clone(&upstream.pool.members().primary[0]);
    assert_eq!(endpoint.in_flight(), 1);
    let counted = std::sync::Arc::clone(&endpoint);
    let outside = tokio::spawn(async move {
        hear_request(&mut ends.origin).await;
        ends.origin.write_all(&OK[..OK.len() - 1]).await.expect("open");
        settle().await;
        assert_eq!(counted.in_flight(), 1);
        ends.origin.write_all(&OK[OK.len() - 1..]).await.expect("open");
        settle().await;
        // the client has not read it yet, but the endpoint has done its part
        assert_eq!(counted.in_flight(), 0);
        let mut down = vec![0; OK.len()];
        ends.client.read_exact(&mut down).await.expect("open");
        assert_eq!(down, OK);
        ends.origin
    });
    let passed = stage.relay(&mut request, &mut inner.client, &mut inner.upstream, &mut inner.reading.held).await;
    assert_eq!(passed.outcome, Ok(Outcome::Delivered));
    outside.await.expect("the peers are served");
    drop(request);
    assert_eq!(endpoint.in_flight(), 0);
}
