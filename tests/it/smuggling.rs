//! Thousands of messages built to be read in two ways: each byte in each place that frames one. None makes an invalid or hidden request.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::harness::oracle::{self, Conversation};
use crate::harness::*;

/// Messages that are under way at the same time.
const BATCH: usize = 96;
/// Time for the answers to a batch; what has not come by then does not come.
const SILENCE: Duration = Duration::from_millis(300);

/// One message, all its bytes; `OUTER` and `HIDDEN` stand for targets of its own.
type Message = Vec<u8>;

const HIDDEN: &str = "GET HIDDEN HTTP/1.1\r\nHost: h\r\n\r\n";

fn message(start: &str, fields: &[u8], body: &str) -> Message {
    [start.as_bytes(), b"Host: h\r\n", fields, b"\r\n", body.as_bytes()].concat()
}

fn post(fields: impl AsRef<[u8]>, body: &str) -> Message {
    message("POST OUTER HTTP/1.1\r\n", fields.as_ref(), body)
}

/// `text` with each byte there is put in place of its `@`.
fn each_byte(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let (before, after) = text.split_once('@').expect("an @");
    let parts = (before.as_bytes().to_vec(), after.as_bytes().to_vec());
    (0..=255).map(move |b| [&parts.0[..], &[b], &parts.1[..]].concat())
}

/// Transfer-Encoding, hidden in every way that some parser was ever found to read, alone and beside two lengths.
fn codings() -> Vec<Message> {
    let names = "Transfer-Encoding:|transfer-encoding:|TRANSFER-ENCODING:| Transfer-Encoding:|\tTransfer-Encoding:|\
         Transfer-Encoding :|Transfer-Encoding\t:|Transfer-Encoding\r\n :|Transfer_Encoding:|Transfer.Encoding:|\
         Transfer Encoding:|Transfer-Encoding|Transfer-Encoding::|:Transfer-Encoding:|Transfer-\r\n Encoding:|\
         X: y\nTransfer-Encoding:|X: y\rTransfer-Encoding:|X: y\r\n Transfer-Encoding:|X: y\r\r\nTransfer-Encoding:|\
         X:\r\nTransfer-Encoding:|X\r\nTransfer-Encoding:|Connection: Transfer-Encoding\r\nTransfer-Encoding:|\
         Transfer-Encoding: identity\r\nTransfer-Encoding:|TE: trailers\r\nTransfer-Encoding:|\u{ff34}ransfer-Encoding:|\
         Transfer-Encodin\u{1e21}:|\u{feff}Transfer-Encoding:"
        .split('|');
    let values = " chunked|chunked|\tchunked|  chunked| chunked | chunked\t| Chunked| CHUNKED| \"chunked\"| 'chunked'|\
         \x20chunked,| ,chunked| , chunked| chunked,,| chunked;| chunked;q=1| chunked; a=\"b\"| identity, chunked|\
         \x20chunked, identity| chunked identity| gzip, chunked| chunked, gzip| chunked, chunked| x| xchunked|\
         \x20chunkedx| chunk| chunked\r|\r\n chunked| \r\n chunked| chu\r\n nked| chunked\r\n , identity|\
         \x20x\r\nTransfer-Encoding: chunked| chunked\r\nTransfer-Encoding: x| chunked\nX: y| chunked\r\n\tX: y||\
         \x20| [chunked]| =chunked| chunked=1| {chunked}| cow, chunked| \u{a0}chunked"
        .split('|');
    let body = format!("1\r\nZ\r\n0\r\n\r\n{HIDDEN}");
    let mut all = Vec::new();
    for name in names {
        for value in values.clone() {
            let line = format!("{name}{value}\r\n");
            all.push(post(&line, &body));
            for length in [3, body.len()] {
                all.push(post(format!("Content-Length: {length}\r\n{line}"), &body));
                all.push(post(format!("{line}Content-Length: {length}\r\n"), &body));
            }
        }
    }
    all
}

/// Every byte before, in and behind the names and values that frame a body.
fn bytes_around_framing() -> Vec<Message> {
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let n = chunked.len();
    let mut all = Vec::new();
    for text in ["@Transfer-Encoding: chunked\r\n", "Transfer-Encoding@: chunked\r\n", "Transfer-Encoding:@chunked\r\n"]
    {
        all.extend(each_byte(text).map(|line| post(&line, &chunked)));
        all.extend(each_byte(&format!("Content-Length: {n}\r\n{text}")).map(|line| post(&line, &chunked)));
    }
    for text in
        ["Transfer-Encoding: chunked@\r\n", "Transfer-Encoding: chunked\r@\n", "Transfer-Encoding: chunked@X: y\r\n"]
    {
        all.extend(each_byte(&format!("Content-Length: {n}\r\n{text}")).map(|line| post(&line, &chunked)));
    }
    for text in "@Content-Length: 5\r\n|Content-Length@: 5\r\n|Content-Length:@5\r\n|Content-Length: 5@\r\n|\
         Content-Length: @5\r\n|Content-Length: 5\r\n@Content-Length: 0\r\n|Content-Length: 5@0\r\n|Host@: other\r\n|\
         Host: other@\r\n|X: y@\r\n|X: y\r@\n|X: y@Z: 0\r\n"
        .split('|')
    {
        all.extend(each_byte(text).map(|line| post(&line, &format!("xxxxx{HIDDEN}"))));
    }
    for text in "POST@OUTER HTTP/1.1\r\n|POST OUTER@HTTP/1.1\r\n|POST OUTER HTTP/1.1@\r\n|@POST OUTER HTTP/1.1\r\n|\
         POST OUTER HTTP/1.@\r\n|POST OUTER@ HTTP/1.1\r\n|POST @OUTER HTTP/1.1\r\n|POST OUTER HTTP/1.1\r@\n|\
         POST@ OUTER HTTP/1.1\r\n|POST http://h@OUTER HTTP/1.1\r\n"
        .split('|')
    {
        all.extend(
            each_byte(text)
                .map(|start| [&start[..], b"Host: h\r\nContent-Length: 5\r\n\r\nxxxxx", HIDDEN.as_bytes()].concat()),
        );
    }
    all
}

/// Every byte at every seam of a chunked body.
fn bytes_around_chunks() -> Vec<Message> {
    "@5\r\nhello\r\n0\r\n\r\n|5@\r\nhello\r\n0\r\n\r\n|5\r@hello\r\n0\r\n\r\n|5@\nhello\r\n0\r\n\r\n|\
         5\r\nhello@\n0\r\n\r\n|5\r\nhello\r@0\r\n\r\n|5\r\nhello@0\r\n\r\n|5\r\nhello\r\n@0\r\n\r\n|\
         5\r\nhello\r\n0@\r\n\r\n|5\r\nhello\r\n0\r@\r\n|5\r\nhello\r\n0\r\n@\n|5\r\nhello\r\n0\r\n\r@|\
         5\r\nhello\r\n0\r\n@\r\n\r\n|5;@\r\nhello\r\n0\r\n\r\n|5;a@b\r\nhello\r\n0\r\n\r\n|\
         5;a=\"@\"\r\nhello\r\n0\r\n\r\n|5;a=b@\r\nhello\r\n0\r\n\r\n|0;@\r\n\r\n|0\r\nX@: y\r\n\r\n|0\r\nX: @\r\n\r\n|\
         0\r\nX: y@\r\n\r\n|0\r\nX: y\r@\r\n|0\r\n@X: y\r\n\r\n"
        .split('|')
        .flat_map(each_byte)
        .map(|body| {
            [&b"POST OUTER HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &body, HIDDEN.as_bytes()]
                .concat()
        })
        .collect()
}

/// Each line end of whole messages, replaced by each thing that was ever taken for one.
fn line_ends() -> Vec<Message> {
    let ends = [
        "\n", "\r", "\r\r\n", "\n\r", "\r\n\r\n", "\n\n", "\r\n\n", "\r\n ", "\r\n\t", "\r\n\r", " \r\n", "\t\r\n",
        "\0\r\n", "\x0b\r\n", "\x0c\r\n", "\x1c", "\u{85}", "\u{2028}", "",
    ];
    let whole = [
        format!("POST OUTER HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX: y\r\n\r\nhello{HIDDEN}"),
        format!(
            "POST OUTER HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n{HIDDEN}"
        ),
        format!("POST OUTER HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello{HIDDEN}"),
        format!(
            "GET OUTER HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n{HIDDEN}",
            HIDDEN.len()
        ),
    ];
    let mut all = Vec::new();
    for text in &whole {
        let places: Vec<usize> = text.match_indices("\r\n").map(|(at, _)| at).collect();
        for end in ends {
            all.extend(places.iter().map(|at| [&text[..*at], end, &text[at + 2..]].concat().into_bytes()));
            all.push(text.replace("\r\n", end).into_bytes());
        }
    }
    all
}

/// Lengths, versions, expectations, upgrades and nominations that two servers may take differently.
fn odds() -> Vec<Message> {
    let mut all = Vec::new();
    let n = HIDDEN.len();
    let lengths = "+N|-N|0N|00000000000000000000N|N.0|Ne0|0xN|N N|N,N|N, N|N,0|0,N|N;|\"N\"|N\t|\u{ff11}|N_|18446744073709551616|\
         18446744073709551615|9223372036854775808|4294967296|-0|+0|0x0|| |,|N,|,N|NaN|N\r\nContent-Length: 0|\
         0\r\nContent-Length: N|N\r\nContent-Length: N|N\r\nContent_Length: 0|0\r\nContent-Length : N|N\r\n 0"
        .split('|');
    let methods = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "TRACE", "PATCH", "X", "get", "CONNECT"];
    let versions = "HTTP/1.1|HTTP/1.0|HTTP/0.9|HTTP/1.2|HTTP/2.0|http/1.1|HTTP/1.1 HTTP/1.1|HTTP/11|HTTP/1|".split('|');
    for length in lengths {
        let value = length.replace('N', &n.to_string());
        for method in ["GET", "POST"] {
            all.push(message(
                &format!("{method} OUTER HTTP/1.1\r\n"),
                format!("Content-Length: {value}\r\n").as_bytes(),
                HIDDEN,
            ));
        }
    }
    for method in methods {
        for version in versions.clone() {
            for framing in [
                format!("Content-Length: {n}\r\n"),
                "Transfer-Encoding: chunked\r\n".into(),
                "Content-Length: 0\r\n".into(),
                String::new(),
            ] {
                let body = if framing.starts_with("Transfer") { format!("0\r\n\r\n{HIDDEN}") } else { HIDDEN.into() };
                all.push(message(&format!("{method} OUTER {version}\r\n"), framing.as_bytes(), &body));
            }
        }
    }
    let asides = "Expect: 100-continue|Expect: y 100-continue|Expect: 100-continue, 100-continue|Expect: 100-Continue |Expect:|\
         Expect: 200-ok|Connection: Content-Length|Connection: Transfer-Encoding|Connection: Host|Connection: close|\
         Connection: close, keep-alive|Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk|\
         Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c|\
         Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x|Upgrade: websocket|Connection: upgrade|\
         TE: chunked|Trailer: Content-Length|Content-Encoding: chunked|X-HTTP-Method-Override: CONNECT|\
         Keep-Alive: timeout=0|Proxy-Connection: keep-alive|Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding|\
         Max-Forwards: 0|Content_Length: 0|Content_Length: 999|Transfer_Encoding: chunked|HOST: h|host: i|\
         Content-Length: 0|Transfer-Encoding:"
        .split('|');
    for aside in asides {
        for framing in [format!("Content-Length: {n}\r\n"), "Transfer-Encoding: chunked\r\n".into(), String::new()] {
            let body = if framing.starts_with("Transfer") {
                format!("{n:x}\r\n{HIDDEN}\r\n0\r\n\r\n{HIDDEN}")
            } else {
                HIDDEN.into()
            };
            for start in ["POST OUTER HTTP/1.1\r\n", "GET OUTER HTTP/1.1\r\n", "POST OUTER HTTP/1.0\r\n"] {
                all.push(message(start, format!("{aside}\r\n{framing}").as_bytes(), &body));
                all.push(message(start, format!("{framing}{aside}\r\n").as_bytes(), &body));
            }
        }
    }
    let trailers =
        "Content-Length: 0|Transfer-Encoding: chunked|Host: evil|Authorization: x|Content_Length: 5|X-Real-IP: 1|\
         Connection: close|Upgrade: h2c|Set-Cookie: a|TE: x|Trailer: y|GET /x HTTP/1.1|X: y\r\n folded|: empty|X : y|X|\
         X: \0|X-Fine: 1"
            .split('|');
    for trailer in trailers {
        all.push(post("Transfer-Encoding: chunked\r\n", &format!("1\r\nZ\r\n0\r\n{trailer}\r\n\r\n{HIDDEN}")));
    }
    all
}

fn test(messages: Vec<Message>) {
    let lanes = 4;
    let mut shares: Vec<Vec<(usize, Message)>> = vec![Vec::new(); lanes];
    for (n, message) in messages.into_iter().enumerate() {
        shares[n % lanes].push((n, named(&message, n)));
    }
    let complaints: Vec<String> = side_by_side(lanes, shares, lane).into_iter().flatten().collect();
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints[..complaints.len().min(40)].join("\n"));
}

/// The message with targets of its own, as long as the placeholders.
fn named(message: &[u8], n: usize) -> Message {
    let mut out = message.to_vec();
    for (placeholder, target) in [(&b"OUTER"[..], format!("/{n:04}")), (b"HIDDEN", format!("/{n:04}h"))] {
        while let Some(at) = out.windows(placeholder.len()).position(|w| w == placeholder) {
            out[at..at + target.len()].copy_from_slice(target.as_bytes());
        }
    }
    out
}

/// Sends its messages, many at a time, through a gateway and to an origin of its own: what was wrong.
fn lane(messages: Vec<(usize, Message)>) -> Vec<String> {
    let origin = Origin::answering(|request| ok(&request.target));
    let gateway = Gateway::before(&origin, "threads: 1\n");
    let mut complaints = Vec::new();
    let mut allowed: BTreeMap<usize, (Conversation, String)> = BTreeMap::new();
    for batch in messages.chunks(BATCH) {
        let mut clients: Vec<Client> = batch.iter().map(|_| gateway.connect()).collect();
        for (client, (_, message)) in clients.iter_mut().zip(batch) {
            client.try_send(message).ok();
        }
        let start = Instant::now();
        for (client, (n, message)) in clients.iter_mut().zip(batch) {
            let shown = message[..message.len().min(160)].escape_ascii().to_string();
            let conversation = oracle::read_all(message, Grammar::AsSent);
            let mut methods = conversation.requests.iter().chain(&conversation.unfinished).map(|r| r.method.clone());
            loop {
                let method = methods.next().unwrap_or_else(|| "GET".into());
                match client.try_response(&method, SILENCE.saturating_sub(start.elapsed())) {
                    Ok(r) if r.status == 200 && !r.text().contains(&format!("/{n:04}")) && method != "HEAD" => {
                        complaints.push(format!("{shown}: somebody else's response {r:?}"));
                    }
                    Ok(r) if r.status == 101 => complaints.push(format!("{shown}: switched")),
                    Ok(_) => {}
                    Err(Trouble::Malformed(why)) => {
                        complaints.push(format!("{shown}: malformed response: {why}"));
                        break;
                    }
                    Err(_) => break,
                }
            }
            allowed.insert(*n, (conversation, shown));
        }
        drop(clients);
        if gateway.get("/next").status != 200 {
            complaints.push(format!("after {batch:?}: no answer to a plain request"));
        }
    }
    let mut whole: BTreeMap<String, usize> = BTreeMap::new();
    for seen in origin.judged() {
        if let Some(why) = seen.violation {
            complaints.push(format!("invalid upstream: {why}"));
        }
        for request in seen.requests {
            *whole.entry(request.target).or_default() += 1;
        }
    }
    for (n, (conversation, shown)) in allowed {
        for target in [format!("/{n:04}"), format!("/{n:04}h")] {
            let sent = conversation.requests.iter().filter(|r| r.target.ends_with(&target)).count();
            let came = whole.get(&target).copied().unwrap_or(0);
            if came > sent {
                complaints.push(format!("{came} of {target} came, {sent} were sent: {shown}"));
            }
        }
    }
    complaints
}

#[test]
fn no_spelling_of_a_transfer_coding_hides_a_request() {
    let messages = codings();
    assert!(messages.len() > 5000);
    test(messages);
}

#[test]
fn no_byte_around_what_frames_a_body_hides_a_request() {
    test(bytes_around_framing());
}

#[test]
fn no_byte_at_a_seam_of_a_chunked_body_hides_a_request() {
    test(bytes_around_chunks());
}

#[test]
fn no_line_end_hides_a_request() {
    test(line_ends());
}

#[test]
fn no_odd_length_version_expectation_or_nomination_hides_a_request() {
    test(odds());
}
