//! The gateway's own routes: the way to HTTPS, and the proofs that authorities ask for.

use super::script::ROOMY;
use super::stage::{Stage, pipes};
use std::collections::HashMap;
use tokio::io::AsyncWriteExt;

/// The first listener by name is the one of all requests.
fn stage(plain: &str, port: u16) -> Stage {
    Stage::of(&format!(
        "version: 1
acme: {{ letsencrypt: {{ }} }}
listeners:
  plain: {{ address: \"127.0.0.1:8080\", {plain} }}
  secure:
    address: \"127.0.0.1:{port}\"
    tls:
      certificates: [{{ acme: letsencrypt, hosts: [shop.example, www.shop.example] }}]
upstreams: {{ origin: {{ endpoints: [\"127.0.0.1:9\"] }} }}
routes:
  - {{ name: shop, match: {{ host: shop.example, path: /* }}, respond: {{ status: 200, body: shop }} }}
  - {{ name: any, match: {{ path: /* }}, respond: {{ status: 200, body: any }} }}
  - {{ name: first, match: {{ host: www.shop.example, path: /* }}, priority: 1000, respond: {{ status: 200, body: first }} }}
"
    ))
}

/// The answer: its status, its target if it is a redirect, its body; and the route.
async fn answer(stage: &Stage, request: &str) -> (String, String, String, String) {
    let (mut ends, mut inner) = pipes(ROOMY);
    ends.client.write_all(request.as_bytes()).await.expect("open");
    let request = stage.receive(&mut inner.reading, &mut inner.client).await;
    let message = String::from_utf8(request.message.clone()).expect("text");
    let (head, body) = message.split_once("\r\n\r\n").expect("an answer");
    let location = head.split("\r\n").find_map(|line| line.strip_prefix("Location: ")).unwrap_or_default();
    (head[9..12].to_owned(), location.to_owned(), body.to_owned(), request.exchange.route().name().to_owned())
}

fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn strings(words: [&str; 4]) -> (String, String, String, String) {
    let [status, location, body, route] = words.map(str::to_owned);
    (status, location, body, route)
}

#[tokio::test(start_paused = true)]
async fn every_request_is_sent_to_the_same_place_by_https() {
    let stage = stage("redirect_to_https: true", 443);
    for (host, target, location) in [
        ("shop.example", "/", "https://shop.example/"),
        ("Shop.Example:8080", "/a%20b/./c?d=e&f", "https://shop.example/a%20b/./c?d=e&f"),
        ("other.example", "//evil.example/", "https://other.example//evil.example/"),
        ("[::1]:8080", "/x", "https://[::1]/x"),
        ("h", "http://h/x?y", "https://h/x?y"),
        (
            "shop.example",
            "/.well-known/acme-challenge/unknown",
            "https://shop.example/.well-known/acme-challenge/unknown",
        ),
    ] {
        let expected = strings(["308", location, "", "_https"]);
        assert_eq!(answer(&stage, &get(host, target)).await, expected, "{host} {target}");
    }
    let post = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(answer(&stage, post).await, strings(["308", "https://h/x", "", "_https"]));
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_not_the_usual_one_is_named() {
    let stage = stage("redirect_to_https: true", 8443);
    let found = answer(&stage, &get("shop.example", "/x")).await;
    assert_eq!(found, strings(["308", "https://shop.example:8443/x", "", "_https"]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_anywhere_is_refused() {
    let stage = stage("redirect_to_https: true", 443);
    for (request, status) in [
        ("GET /x HTTP/1.0\r\n\r\n", "400"),
        ("GET /x HTTP/1.1\r\n\r\n", "400"),
        ("GET /../x HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "405"),
        ("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "405"),
    ] {
        assert_eq!(answer(&stage, request).await.0, status, "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_authority_gets_its_proof_before_every_route_and_redirect() {
    for plain in ["redirect_to_https: true", ""] {
        let stage = stage(plain, 443);
        let token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA";
        stage.challenges().set_answers(HashMap::from([(token.into(), "proof.of-it".into())]));
        let path = format!("/.well-known/acme-challenge/{token}");
        for host in ["shop.example", "WWW.shop.example:80"] {
            assert_eq!(answer(&stage, &get(host, &path)).await, strings(["200", "", "proof.of-it", "_acme"]), "{host}");
        }
        // what nobody ordered, or asks otherwise, is for the routes
        let post = format!("POST {path} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n");
        for request in [
            get("other.example", &path),
            get("shop.example", "/.well-known/acme-challenge/another"),
            get("shop.example", "/.well-known/acme-challenge/"),
            get("shop.example", &format!("{path}/x")),
            post,
        ] {
            let (.., route) = answer(&stage, &request).await;
            assert!(
                if plain.is_empty() { route != "_acme" && route != "_none" } else { route == "_https" },
                "{request} {route}"
            );
        }
        stage.challenges().set_answers(HashMap::new());
        assert_ne!(answer(&stage, &get("shop.example", &path)).await.3, "_acme");
    }
}
