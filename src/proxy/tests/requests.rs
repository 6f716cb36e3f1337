//! A request means the same in however many pieces it comes.

use super::script::{Script, cuts, messages};
use super::stage::Stage;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// Comes right behind another request. Not whole, so that reading it does not answer it.
const NEXT: &[u8] = b"POST /next HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab";

const GET: &[u8] = b"GET /a/b?c=d HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: text/html,*/*;q=0.8\r\n\
Cookie: a=1; b=2\r\nConnection: keep-alive, x-mine\r\nX-Mine: no\r\nTE: trailers\r\nX-Request-Id: r1\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n";
const BARE_LF: &[u8] = b"GET / HTTP/1.1\nHost: h\nX-Request-Id: r1\nX-A:  spaced \t\n\n";
const OLD: &[u8] = b"GET /old HTTP/1.0\r\nX-Request-Id: r1\r\nConnection: keep-alive\r\n\r\n";
const LENGTH: &[u8] =
    b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nX-Request-Id: r1\r\nContent-Type: text/plain\r\n\r\nhello world";
const EMPTY: &[u8] = b"PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nX-Request-Id: r1\r\n\r\n";
const CHUNKED: &[u8] = b"POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX-Request-Id: r1\r\n\r\n\
5;a=\"b\"\r\nhello\r\n1\r\n \r\n05\r\nworld\r\n0\r\nX-Sum: 9\r\nContent-Length: 4\r\n\r\n";
const ABSOLUTE: &[u8] = b"DELETE http://h/x HTTP/1.1\r\nhost: h\r\nX-Request-Id: r1\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_request_goes_up_the_same_wherever_it_is_cut() {
    let stage = Stage::new();
    for request in [GET, BARE_LF, OLD, LENGTH, EMPTY, CHUNKED, ABSOLUTE] {
        let whole = Script::new(request, ANSWER).play(&stage).await;
        assert!(whole.passed.outcome.is_ok() && whole.passed.keep && !whole.passed.spoiled, "{:?}", whole.passed);
        let wanted = (messages(&whole.up), &whole.down, whole.passed.bytes);
        for pieces in cuts(request) {
            let shown: Vec<_> = pieces.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
            let seen = Script { request: pieces, ..Script::new(request, ANSWER) }.play(&stage).await;
            assert_eq!((messages(&seen.up), &seen.down, seen.passed.bytes), wanted, "cut into {shown:?}");
            assert!(seen.passed.keep && !seen.passed.spoiled, "cut into {shown:?}: {:?}", seen.passed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_request_is_kept_for_the_next_wherever_it_is_cut() {
    let stage = Stage::new();
    for request in [GET, LENGTH, EMPTY, CHUNKED] {
        let both = [request, NEXT].concat();
        let alone = messages(&Script::new(request, ANSWER).play(&stage).await.up);
        for pieces in cuts(&both).chain([vec![both.clone()]]) {
            let shown: Vec<_> = pieces.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
            let seen = Script { request: pieces, ..Script::new(request, ANSWER) }.play(&stage).await;
            assert_eq!(messages(&seen.up), alone, "cut into {shown:?}");
            assert_eq!(seen.passed.ahead, NEXT, "cut into {shown:?}");
            assert!(seen.passed.keep && seen.passed.outcome.is_ok(), "cut into {shown:?}: {:?}", seen.passed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_up_with_its_lines_and_those_that_say_who_asks() {
    let stage = Stage::new();
    let up = async |request| String::from_utf8(Script::new(request, ANSWER).play(&stage).await.up).expect("text");
    assert_eq!(
        up(GET).await,
        "GET /a/b?c=d HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: test\r\nAccept: text/html,*/*;q=0.8\r\n\
         Cookie: a=1; b=2\r\nX-Real-IP: 10.1.1.1\r\nX-Forwarded-For: 10.1.1.1, 127.0.0.1\r\n\
         X-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\nX-Forwarded-Host: api.example.com\r\nX-Request-Id: r1\r\n\r\n"
    );
    let identity = "X-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n\
                    X-Forwarded-Port: 8080\r\nX-Forwarded-Host: h\r\nX-Request-Id: r1\r\n\r\n";
    assert_eq!(
        up(LENGTH).await,
        format!(
            "POST /p HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n{identity}hello world"
        )
    );
    assert_eq!(
        up(CHUNKED).await,
        format!(
            "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{identity}\
             5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 9\r\n\r\n"
        )
    );
    assert_eq!(up(BARE_LF).await, format!("GET / HTTP/1.1\r\nHost: h\r\nX-A: spaced\r\n{identity}"));
}
