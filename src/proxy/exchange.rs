//! One request's facts, from its head to its line in the log. Dropping it is the finish, which is so always reached.

use super::client::Peer;
use super::worker::{Snapshot, Worker};
use crate::failure::Failure;
use crate::http::clock::Moment;
use crate::http::field::Class;
use crate::http::method::Method;
use crate::http::request::RequestHead;
use crate::http::secured::Secured;
use crate::table::{Route, Upstream};
use crate::telemetry::{Finished, Record, TlsRecord};
use crate::upstream::InFlight;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// One request's facts.
pub struct Exchange<'w> {
    worker: &'w Worker,
    place: Place,
    listener: u16,
    pub method: Method,
    /// The client speaks HTTP/1.`minor`.
    pub minor: u8,
    /// The client's connection serves another request after this one.
    pub keep: bool,
    started: Moment,
    /// The status sent; 0 as long as none was.
    pub status: u16,
    pub failure: Option<Failure>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub attempts: u32,
    pub request_id: RequestId,
    /// Which of a split route's upstreams it goes to.
    pub side: u16,
    /// Where the request is, or was last.
    pub endpoint: Option<InFlight>,
    pub upstream_status: Option<u16>,
    pub connected_in: Option<Duration>,
    pub header_in: Option<Duration>,
    pub reused: bool,
    /// The request was served to its end, good or bad.
    pub over: bool,
    /// What only the access log wants to know.
    facts: Option<Box<LogFacts>>,
}

/// The route: in the table the request began with, or on its own when that table may go.
enum Place {
    InTable(Rc<Snapshot>, u32),
    Alone(Box<Route>),
}

/// The id that joins a request's traces.
pub enum RequestId {
    Own([u8; 32]),
    /// Taken over from a trusted proxy.
    Given(Box<[u8]>),
}

impl RequestId {
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            RequestId::Own(id) => id,
            RequestId::Given(id) => id,
        }
    }
}

struct LogFacts {
    client_ip: IpAddr,
    /// Method, host, path with query, user agent and referer, one after the other.
    text: Vec<u8>,
    ends: [usize; 5],
    tls: Option<Box<TlsFacts>>,
}

/// What the log says of a client's TLS.
struct TlsFacts {
    version: &'static str,
    cipher: &'static str,
    server_name: Box<str>,
    client_subject: Option<Box<str>>,
}

impl TlsFacts {
    #[cold]
    #[inline(never)]
    fn of(secured: &Secured<'_>) -> Box<TlsFacts> {
        let Secured { version, cipher, server_name, client, terms: _ } = *secured;
        let client_subject = client.map(|client| client.subject.clone());
        Box::new(TlsFacts { version, cipher, server_name: server_name.unwrap_or("").into(), client_subject })
    }

    fn record(&self) -> TlsRecord<'_> {
        let TlsFacts { version, cipher, server_name, client_subject } = self;
        TlsRecord { version, cipher, server_name, client_subject: client_subject.as_deref() }
    }
}

impl<'w> Exchange<'w> {
    /// Begins a request that found the route at `place` of the table in `snapshot`.
    pub fn begin(worker: &'w Worker, snapshot: Rc<Snapshot>, place: u32, peer: &Peer) -> Exchange<'w> {
        snapshot.table.route(place).stats.begin(worker.number);
        Exchange {
            worker,
            place: Place::InTable(snapshot, place),
            listener: peer.listener,
            method: Method::Other,
            minor: 1,
            keep: false,
            started: worker.clock.now(),
            status: 0,
            failure: None,
            bytes_in: 0,
            bytes_out: 0,
            attempts: 0,
            request_id: RequestId::Own([b'0'; 32]),
            side: 0,
            endpoint: None,
            upstream_status: None,
            connected_in: None,
            header_in: None,
            reused: false,
            over: false,
            facts: None,
        }
    }

    pub fn route(&self) -> &Route {
        match &self.place {
            Place::InTable(snapshot, place) => snapshot.table.route(*place),
            Place::Alone(route) => route,
        }
    }

    /// The upstream that answers this route, if one does.
    pub fn upstream(&self) -> Option<&Arc<Upstream>> {
        self.route().upstream(self.side)
    }

    /// It goes to this endpoint, and all that is known of the one before is past.
    pub fn begin_attempt(&mut self, endpoint: InFlight) {
        self.endpoint = Some(endpoint);
        self.attempts += 1;
        (self.upstream_status, self.connected_in, self.header_in) = (None, None, None);
    }

    /// The table the request began with, and the route's place in it. A reload meanwhile may have put another table in force, in which
    /// that place is somebody else's.
    pub fn in_table(&self) -> Option<(Rc<Snapshot>, u32)> {
        match &self.place {
            Place::InTable(snapshot, place) => Some((Rc::clone(snapshot), *place)),
            Place::Alone(_) => None,
        }
    }

    /// Lets go of the table but for this request's route: a tunnel may outlive many tables.
    pub fn leave_table(&mut self) {
        if let Place::InTable(snapshot, place) = &self.place {
            self.place = Place::Alone(Box::new(snapshot.table.route(*place).apart(self.side)));
        }
    }

    /// Keeps what the access log wants of the head.
    pub fn note_head(&mut self, head: &RequestHead<'_, '_>, client_ip: IpAddr, secured: Option<&Secured<'_>>) {
        if !self.worker.logs.get() {
            return;
        }
        let mut text = self.worker.buffers.take();
        let agent = head.field(Class::UserAgent).unwrap_or(b"");
        let referer = head.field(Class::Referer).unwrap_or(b"");
        let parts = [head.method_token.as_bytes(), head.host.name, head.target.path_and_query, agent, referer];
        let ends = parts.map(|part| {
            text.extend_from_slice(part);
            text.len()
        });
        let tls = secured.map(TlsFacts::of);
        self.facts = Some(Box::new(LogFacts { client_ip, text, ends, tls }));
    }

    /// Keeps what there is to log of a head that could not be read.
    pub fn note_peer(&mut self, peer: &Peer, secured: Option<&Secured<'_>>) {
        if self.worker.logs.get() {
            let (text, ends, tls) = (Vec::new(), [0; 5], secured.map(TlsFacts::of));
            self.facts = Some(Box::new(LogFacts { client_ip: peer.ip, text, ends, tls }));
        }
    }

    /// How long the exchange has lasted.
    pub fn lasted(&self) -> Duration {
        self.worker.clock.now().since(self.started)
    }

    fn log(&self, facts: &LogFacts) {
        let part = |i: usize| {
            let start = if i == 0 { 0 } else { facts.ends[i - 1] };
            facts.text.get(start..facts.ends[i]).unwrap_or(b"")
        };
        let endpoint = self.endpoint.as_ref().map(InFlight::endpoint);
        self.worker.log.borrow_mut().push(&Record {
            at: SystemTime::now(),
            request_id: self.request_id.as_bytes(),
            client_ip: facts.client_ip,
            method: part(0),
            scheme: if facts.tls.is_some() { "https" } else { "http" },
            host: part(1),
            path: part(2),
            protocol: if self.minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" },
            status: self.status_or_failure(),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration: self.lasted(),
            route: self.route().name(),
            upstream: self.upstream().map(|u| &*u.pool.name),
            endpoint: endpoint.map(|e| &*e.entry.address),
            attempts: self.attempts,
            upstream_status: self.upstream_status,
            upstream_connect: self.connected_in,
            upstream_header: self.header_in,
            reused: self.reused,
            reason: self.failure,
            user_agent: part(3),
            referer: part(4),
            tls: facts.tls.as_deref().map(TlsFacts::record),
        });
    }

    fn status_or_failure(&self) -> u16 {
        match (self.status, self.failure) {
            (0, Some(failure)) => failure.status(),
            (0, None) => Failure::ClientClosed.status(),
            (status, _) => status,
        }
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if self.failure.is_none() && (self.status == 0 || !self.over) {
            // dropped in the middle: this request's task panicked, or the gateway stops and cuts it
            self.failure = Some(if std::thread::panicking() { Failure::Internal } else { Failure::Draining });
        }
        if let Some(facts) = self.facts.take() {
            self.log(&facts);
            self.worker.buffers.give(facts.text);
        }
        let finished = Finished {
            listener: self.listener,
            method: self.method,
            code: self.status_or_failure(),
            duration: self.lasted(),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            failure: self.failure,
        };
        self.route().stats.finish(self.worker.number, &finished);
    }
}
