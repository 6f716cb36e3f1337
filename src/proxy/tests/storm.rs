//! Clients that leave, origins that fail in every way, retries, waits and reloads, all at once and at random: nothing stays counted.

use super::pipe::Client;
use super::script::{ROOMY, hear_request};
use super::stage::{Stage, peer};
use crate::proxy::{After, Standing, serve};
use crate::upstream::Endpoint;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

const ORIGINS: usize = 3;
const CLIENTS: usize = 160;
/// At one time.
const TOGETHER: usize = 24;
const RELOADS: usize = 25;

/// One source of chance for all.
type Chance = Rc<RefCell<fastrand::Rng>>;

fn any<T: Copy>(chance: &Chance, choices: &[T]) -> T {
    choices[chance.borrow_mut().usize(..choices.len())]
}

/// What an origin does with a request.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Answers,
    AnswersSlowly,
    AnswersAndCloses,
    Refuses(u16),
    Closes,
    SpeaksGarbage,
    StopsMidway,
    Stalls,
    Switches,
}

const MANNERS: [Manner; 13] = [
    Manner::Answers,
    Manner::Answers,
    Manner::Answers,
    Manner::AnswersSlowly,
    Manner::AnswersSlowly,
    Manner::AnswersAndCloses,
    Manner::Refuses(503),
    Manner::Refuses(404),
    Manner::Closes,
    Manner::SpeaksGarbage,
    Manner::StopsMidway,
    Manner::Stalls,
    Manner::Switches,
];

async fn origin(listener: TcpListener, chance: Chance) {
    while let Ok((socket, _)) = listener.accept().await {
        spawn_local(converse(socket, Rc::clone(&chance)));
    }
}

async fn converse(mut socket: TcpStream, chance: Chance) {
    loop {
        // the gateway may leave at any time
        let Ok(heard) = timeout(Duration::from_secs(5), try_hear(&mut socket)).await else { return };
        let Some(upgrade) = heard else { return };
        let manner = any(&chance, &MANNERS);
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let said = match manner {
            Manner::Answers | Manner::AnswersAndCloses => socket.write_all(whole).await,
            Manner::AnswersSlowly => {
                sleep(Duration::from_millis(8)).await;
                socket.write_all(whole).await
            }
            Manner::Refuses(status) => {
                socket.write_all(format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno").as_bytes()).await
            }
            Manner::Closes => return,
            Manner::SpeaksGarbage => socket.write_all(b"HTTP/9 what\r\n\r\n").await,
            Manner::StopsMidway => socket.write_all(&whole[..whole.len() - 2]).await,
            Manner::Stalls => {
                sleep(Duration::from_millis(200)).await;
                return;
            }
            Manner::Switches if upgrade => {
                let switch = b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi";
                let _ = socket.write_all(switch).await;
                sleep(Duration::from_millis(15)).await;
                return;
            }
            Manner::Switches => socket.write_all(whole).await,
        };
        if said.is_err() || matches!(manner, Manner::AnswersAndCloses | Manner::SpeaksGarbage | Manner::StopsMidway) {
            return;
        }
    }
}

/// Whether the next request asks to switch protocols; `None` when there is none.
async fn try_hear(socket: &mut TcpStream) -> Option<bool> {
    let mut first = [0];
    if socket.peek(&mut first).await.ok()? == 0 {
        return None;
    }
    let heard = hear_request(socket).await;
    Some(String::from_utf8_lossy(&heard).to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n"))
}

/// A client says a few requests, in pieces, and may leave at any moment.
async fn client(stage: Rc<Stage>, chance: Chance) {
    let (mut outer, inner) = duplex(ROOMY);
    let post = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    let upgrade = "GET /w HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let get = "GET /g HTTP/1.1\r\nHost: h\r\n\r\n";
    let last = "GET /l HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let mut said = any(&chance, &["", post, upgrade, get]).to_owned();
    said += any(&chance, &["", get]);
    said += any(&chance, &[post, upgrade, last, last, last]);
    let said = said.as_bytes();
    let (cut, patience) =
        (any(&chance, &[said.len(), said.len(), said.len() / 2]), any(&chance, &[0, 1, 5, 20, 250, 250, 250]));
    let speaking = async {
        let _ = outer.write_all(&said[..cut]).await;
        sleep(Duration::from_millis(2)).await;
        let _ = outer.write_all(&said[cut..]).await;
        // listens for a while, or to the end, and leaves
        let _ = timeout(Duration::from_millis(patience), outer.read_to_end(&mut Vec::new())).await;
        drop(outer);
    };
    let serving = async {
        let (mut client, mut standing) = (Client::new(inner), Standing { peer: peer(), served: 0, deadline: None });
        while client.readable().await && serve(&mut client, &mut standing, &stage.worker).await != After::Close {}
    };
    // now and then the gateway itself drops everything
    let dropped = any(&chance, &[5000, 5000, 5000, 10]);
    let _ = timeout(Duration::from_millis(dropped), async { tokio::join!(speaking, serving) }).await;
}

/// A document with any of the origins, with any settings.
fn document(addresses: &[String], chance: &Chance) -> String {
    let first = chance.borrow_mut().usize(..addresses.len());
    let listed = addresses.iter().enumerate().filter(|(n, _)| *n == first || any(chance, &[true, false]));
    let listed: Vec<String> = listed
        .map(|(_, address)| {
            let (weight, most) = (any(chance, &[1, 2, 5]), any(chance, &["", ", max_conns: 1", ", max_conns: 3"]));
            format!("{{ address: '{address}', weight: {weight}{most} }}")
        })
        .collect();
    let balance =
        any(chance, &["least_conn", "least_conn", "round_robin", "random", "p2c", "ip_hash", "{ hash: uri }"]);
    let wait = any(chance, &["", "wait: { size: 4, timeout: 30ms },"]);
    let fails = any(chance, &["0", "1, fail_timeout: 20ms", "3, fail_timeout: 20ms"]);
    let sticky = any(chance, &["", "sticky: { cookie: c },"]);
    format!(
        "version: 1
listeners: {{ web: {{ address: '127.0.0.1:8080' }} }}
defaults:
  timeouts: {{ connect: 50ms, read: 40ms, write: 40ms, request: 150ms }}
  retries: {{ attempts: {}, retry_on: [error, timeout, invalid_header, 503], budget: 50% }}
upstreams:
  app: {{ balance: {balance}, {wait} {sticky} passive: {{ max_fails: {fails} }}, endpoints: [{}] }}
routes:
  - match: {{ path: /* }}
    upstream: app
",
        any(chance, &[1, 2, 3]),
        listed.join(", "),
    )
}

async fn storm(seed: u64) {
    let chance: Chance = Rc::new(RefCell::new(fastrand::Rng::with_seed(seed)));
    let (mut addresses, mut origins) = (Vec::new(), Vec::new());
    for _ in 0..ORIGINS {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        addresses.push(listener.local_addr().expect("bound").to_string());
        origins.push(spawn_local(origin(listener, Rc::clone(&chance))));
    }
    // and one where nobody listens
    addresses.push("127.0.0.1:9".into());
    let stage = Rc::new(Stage::of(&document(&addresses, &chance)));
    let mut seen: BTreeMap<usize, Arc<Endpoint>> = BTreeMap::new();
    let (mut clients, mut lasting) = (Vec::new(), Vec::new());
    for n in 0..CLIENTS {
        clients.push(spawn_local(client(Rc::clone(&stage), Rc::clone(&chance))));
        if n % (CLIENTS / RELOADS) == 0 {
            stage.reload(&document(&addresses, &chance));
        }
        for upstream in &stage.live.load().upstreams {
            lasting.push(Arc::clone(&upstream.pool.lasting));
            seen.extend(upstream.pool.members().iter().map(|e| (Arc::as_ptr(e) as usize, Arc::clone(e))));
        }
        if clients.len() >= TOGETHER {
            clients.swap_remove(n % TOGETHER).await.expect("no panic");
        }
    }
    for client in clients {
        client.await.expect("no panic");
    }
    assert!(seen.len() > 2);
    for endpoint in seen.values() {
        assert_eq!(endpoint.in_flight(), 0, "{endpoint} with the seed {seed}");
    }
    assert!(lasting.iter().all(|lasting| lasting.room.is_empty()), "with the seed {seed}");
    origins.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn in_any_storm_every_count_returns_to_0() {
    for seed in 0..2 {
        LocalSet::new().run_until(storm(seed)).await;
    }
}
