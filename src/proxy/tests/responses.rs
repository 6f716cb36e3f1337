//! A response means the same in however many pieces it comes.

use super::script::{Script, cuts, messages};
use super::stage::Stage;
use crate::proxy::relay::Outcome;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: r1\r\n\r\n";
const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: h\r\nX-Request-Id: r1\r\n\r\n";
const OLD: &[u8] = b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nX-Request-Id: r1\r\n\r\n";

const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nServer: o\r\nContent-Length: 11\r\nKeep-Alive: timeout=5\r\n\r\nhello world";
const EMPTY: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
5;a=\"b\"\r\nhello\r\n1\r\n \r\n005\r\nworld\r\n0\r\nX-Sum: 9\r\nTransfer-Encoding: x\r\n\r\n";
const UNTIL_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nhello world";
const ANCIENT: &[u8] = b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nhello world";
const ANCIENT_KEPT: &[u8] = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 11\r\n\r\nhello world";
const CLOSING: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\nhello world";
const AFTER_HINTS: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world";
const HEADED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nETag: x\r\n\r\n";
const HEADED_CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: x\r\n\r\n";
const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n";
const NOT_MODIFIED: &[u8] = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 11\r\n\r\n";

/// The request, the response, whether the origin closes behind it; whether the client's connection stays, whether the endpoint's does.
type Case = (&'static [u8], &'static [u8], bool, bool, bool);

const CASES: [Case; 18] = [
    (GET, LENGTH, false, true, true),
    (GET, EMPTY, false, true, true),
    (GET, CHUNKED, false, true, true),
    (GET, UNTIL_CLOSE, true, true, false),
    (GET, ANCIENT, true, true, false),
    (GET, ANCIENT_KEPT, false, true, true),
    (GET, CLOSING, false, true, false),
    (GET, AFTER_HINTS, false, true, true),
    (GET, NO_CONTENT, false, true, true),
    (GET, NOT_MODIFIED, false, true, true),
    (HEAD, HEADED, false, true, true),
    (HEAD, HEADED_CHUNKED, false, true, true),
    (HEAD, NOT_MODIFIED, false, true, true),
    (OLD, LENGTH, false, true, true),
    (OLD, CHUNKED, false, false, true),
    (OLD, UNTIL_CLOSE, true, false, false),
    (OLD, AFTER_HINTS, false, true, true),
    (OLD, NOT_MODIFIED, false, true, true),
];

#[tokio::test(start_paused = true)]
async fn a_response_comes_down_the_same_wherever_it_is_cut() {
    let stage = Stage::new();
    for (request, response, closes, kept, reusable) in CASES {
        let script = Script { closes, ..Script::new(request, response) };
        let whole = script.clone().play(&stage).await;
        let wanted = (messages(&whole.down), whole.passed.status, whole.passed.bytes);
        for pieces in cuts(response).chain([vec![response.to_vec()]]) {
            let shown: Vec<_> = pieces.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
            let seen = Script { response: pieces, ..script.clone() }.play(&stage).await;
            let passed = &seen.passed;
            assert_eq!(passed.outcome, Ok(Outcome::Delivered), "cut into {shown:?}");
            assert_eq!((messages(&seen.down), passed.status, passed.bytes), wanted, "cut into {shown:?}");
            assert_eq!((passed.keep, passed.spoiled), (kept, !reusable), "cut into {shown:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_comes_down_as_its_client_can_read_it() {
    let stage = Stage::new();
    let down = async |request, response, closes| {
        let seen = Script { closes, ..Script::new(request, response) }.play(&stage).await;
        String::from_utf8(seen.down).expect("text")
    };
    assert_eq!(down(GET, LENGTH, false).await, "HTTP/1.1 200 OK\r\nServer: o\r\nContent-Length: 11\r\n\r\nhello world");
    assert_eq!(
        down(GET, CHUNKED, false).await,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 9\r\n\r\n"
    );
    assert_eq!(
        down(GET, UNTIL_CLOSE, true).await,
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n"
    );
    assert_eq!(
        down(GET, AFTER_HINTS, false).await,
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"
    );
    assert_eq!(down(HEAD, HEADED, false).await, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nETag: x\r\n\r\n");
    assert_eq!(down(HEAD, HEADED_CHUNKED, false).await, "HTTP/1.1 200 OK\r\nETag: x\r\n\r\n");
    assert_eq!(
        down(GET, NOT_MODIFIED, false).await,
        "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 11\r\n\r\n"
    );
    assert_eq!(down(OLD, CHUNKED, false).await, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world");
    assert_eq!(
        down(OLD, AFTER_HINTS, false).await,
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: keep-alive\r\n\r\nhello world"
    );
}
