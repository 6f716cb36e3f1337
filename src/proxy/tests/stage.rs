//! Where the tests take place: a worker without sockets, and one request taken through it from pipe to pipe.

use super::pipe::Client;
use crate::config;
use crate::failure::Failure;
use crate::http::transport::Downstream;
use crate::proxy::client::Peer;
use crate::proxy::receive::{Reading, Received};
use crate::proxy::relay::{Bounds, Outbound, Outcome, Relay};
use crate::proxy::request::{Course, Request};
use crate::proxy::worker::Worker;
use crate::table::compile::{Parts, compile};
use crate::table::{ClientLimits, LiveTable, Table};
use crate::telemetry::{AccessLog, Output, ProgramStats};
use crate::tls::Challenges;
use crate::value::AccessLogFormat;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};

/// A worker that trusts its peers, so that what they say of themselves and of the request's id goes up unchanged.
pub struct Stage {
    pub worker: Worker,
    pub live: Arc<LiveTable>,
    parts: Parts,
}

/// What is known when a request has passed, or has failed to.
#[derive(Debug)]
pub struct Passed {
    pub outcome: Result<Outcome, Failure>,
    pub status: u16,
    /// The client's connection can be used again.
    pub keep: bool,
    /// The endpoint's connection cannot.
    pub spoiled: bool,
    /// The gateway can still give an answer of its own.
    pub unanswered: bool,
    pub request_whole: bool,
    /// What the client sent beyond this request.
    pub ahead: Vec<u8>,
    /// Bytes of both bodies.
    pub bytes: (u64, u64),
    /// How long it took.
    pub lasted: Duration,
}

/// A pipe to each side of the gateway, of which each test plays the outer ends.
pub struct Ends {
    pub client: DuplexStream,
    pub origin: DuplexStream,
}

/// The gateway's ends.
pub struct Inner {
    pub client: Client,
    pub upstream: DuplexStream,
    pub reading: Reading,
}

/// Pipes that hold `room` bytes.
pub fn pipes(room: usize) -> (Ends, Inner) {
    uneven_pipes(room, room)
}

/// Pipes of which the client's holds `room` bytes and the endpoint's `upstream_room`.
pub fn uneven_pipes(room: usize, upstream_room: usize) -> (Ends, Inner) {
    let ((client, inner), (origin, upstream)) = (duplex(room), duplex(upstream_room));
    let reading = Reading { held: Vec::new(), fresh: false, deadline: None, served: 0 };
    (Ends { client, origin }, Inner { client: Client::new(inner), upstream, reading })
}

fn table(text: &str, parts: &Parts, before: Option<&Table>) -> Table {
    let document = match config::parse("test", text) {
        Ok(document) => document,
        Err(report) => panic!("{}", report.render(false)),
    };
    compile(&document, &config::Material::default(), parts, before).expect("a few listeners find numbers")
}

/// The client of all tests.
pub fn peer() -> Peer {
    Peer::local(0)
}

impl Stage {
    pub fn new() -> Stage {
        Stage::with("", "")
    }

    /// With these limits of the listener and lines of the route `/*`.
    pub fn with(limits: &str, route: &str) -> Stage {
        Stage::before("127.0.0.1:9", limits, route)
    }

    /// In front of an endpoint that exists.
    pub fn before(endpoint: &str, limits: &str, route: &str) -> Stage {
        let text = format!(
            "version: 1
trusted_proxies: [127.0.0.0/8]
listeners: {{ web: {{ address: \"127.0.0.1:8080\", limits: {{ {limits} }} }} }}
upstreams: {{ origin: {{ endpoints: [\"{endpoint}\"] }} }}
routes:
  - match: {{ path: /* }}
    upstream: origin
    {route}
  - match: {{ path: /fixed }}
    respond: {{ status: 200, body: \"fixed\\n\" }}
  - match: {{ path: /moved }}
    redirect: {{ to: /fixed, status: 308 }}
"
        );
        Stage::of(&text)
    }

    /// With a whole document.
    pub fn of(text: &str) -> Stage {
        let parts = Parts {
            workers: 1,
            slots: Arc::default(),
            numbers: Arc::default(),
            challenges: Arc::default(),
            board: Arc::default(),
            start: Instant::now(),
        };
        let live = Arc::new(LiveTable::new(table(text, &parts, None)));
        let program = Arc::new(ProgramStats::new("test", ""));
        let log =
            AccessLog::start(Output::None, AccessLogFormat::Json, Arc::clone(&program)).expect("no log is no failure");
        Stage { worker: Worker::new(0, Arc::clone(&live), log.lines(), program, Instant::now()), live, parts }
    }

    /// Puts another document in force.
    pub fn reload(&self, text: &str) {
        self.live.swap(table(text, &self.parts, Some(&self.live.load())));
    }

    /// What authorities may ask for.
    pub fn challenges(&self) -> &Challenges {
        &self.parts.challenges
    }

    pub fn limits(&self) -> ClientLimits {
        self.worker.snapshot().table.listeners[0].limits
    }

    /// The next request of `client`.
    pub async fn receive(&self, reading: &mut Reading, client: &mut Client) -> Request<'_> {
        let mut slot = None;
        loop {
            match poll_fn(|cx| reading.poll(client, &peer(), &self.worker, &mut slot, cx)).await {
                Received::Request => return slot.expect("a request"),
                Received::Idle => assert!(client.readable().await, "the client closed before its request"),
                Received::Gone => panic!("the client closed within its request's head"),
            }
        }
    }

    /// Takes the next request through.
    pub async fn pass(&self, inner: &mut Inner) -> Passed {
        let mut request = self.receive(&mut inner.reading, &mut inner.client).await;
        let Course::Forward { .. } = request.course else {
            panic!("answered: {}", String::from_utf8_lossy(&request.message));
        };
        self.relay(&mut request, &mut inner.client, &mut inner.upstream, &mut inner.reading.held).await
    }

    /// Takes a request through that was received.
    pub async fn relay<U: AsyncRead + AsyncWrite + Unpin>(
        &self,
        request: &mut Request<'_>,
        client: &mut Client,
        upstream: &mut U,
        ahead: &mut Vec<u8>,
    ) -> Passed {
        let route = request.exchange.route();
        let (timeouts, max_body) = (route.rules.timeouts, route.rules.max_body);
        let mut expects_continue = matches!(request.course, Course::Forward { expects_continue: true });
        let limits = self.limits();
        let deadline = client.now() + timeouts.request;
        let outbound = Outbound {
            message: &mut request.message,
            body: &mut request.body,
            ahead: &mut *ahead,
            in_flight: request.exchange.endpoint.as_mut(),
            method: request.exchange.method,
            minor: request.exchange.minor,
            keep: request.exchange.keep,
            draining: &self.worker.draining,
            extras: request.extras.as_deref(),
            policies: None,
            expects_continue: &mut expects_continue,
            max_body,
            answers: &mut |_, _| false,
        };
        let began = client.now();
        let bounds = Bounds { timeouts: &timeouts, limits: &limits, deadline };
        let mut relay = Relay::new(client, upstream, &self.worker.buffers, bounds, outbound);
        let outcome = poll_fn(|cx| relay.poll(cx)).await;
        let (status, keep, spoiled, unanswered) = (relay.status, relay.keep, relay.spoiled, relay.is_unanswered());
        let bytes_out = relay.bytes_out();
        drop(relay);
        Passed {
            outcome,
            status,
            keep,
            spoiled,
            unanswered,
            request_whole: request.body.is_done(),
            ahead: ahead.clone(),
            bytes: (request.body.passed, bytes_out),
            lasted: client.now().since(began),
        }
    }
}
