//! Origins that follow a script and remember every byte they were sent.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::address::own_address;
use super::fields::Grammar;
use super::gate::Gate;
use super::oracle::{self, Conversation, Request};
use super::patience::{PATIENCE, eventually};
use super::peer::{Peer, Recording};

type Recordings = Arc<Mutex<Vec<Arc<Mutex<Recording>>>>>;

/// A server the gateway forwards to.
pub struct Origin {
    address: SocketAddr,
    connections: Recordings,
    stop: Arc<AtomicBool>,
}

/// What follows the bytes of [`Origin::raw`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Fin,
    Reset,
    KeepOpen,
}

/// `200` with this body.
pub fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    with_head("HTTP/1.1 200 OK", body)
}

/// A response of this status line and these header lines (`\r\n` between them), with this body and its length.
pub fn with_head(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

impl Origin {
    /// Follows a script on each connection; the connection ends with it.
    pub fn scripted(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Origin {
        Origin::with_ownership(move |mut peer| script(&mut peer))
    }

    /// As [`Origin::scripted`]; the script may also consume its end of the connection.
    pub fn with_ownership(script: impl Fn(Peer) + Send + Sync + 'static) -> Origin {
        Origin::on(SocketAddr::from((own_address(), 21000)), script)
    }

    /// As [`Origin::with_ownership`], at this address: one that comes, or comes back, while the gateway runs.
    pub fn on(address: SocketAddr, script: impl Fn(Peer) + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind(address).expect("an address of one's own is free");
        let address = listener.local_addr().unwrap();
        let connections = Recordings::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (script, kept, stopped) = (Arc::new(script), connections.clone(), stop.clone());
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let handle = stream.try_clone().ok();
                let recording = Arc::new(Mutex::new(Recording { handle, ..Recording::default() }));
                kept.lock().unwrap().push(recording.clone());
                let script = script.clone();
                std::thread::spawn(move || {
                    script(Peer::new(stream, recording.clone()));
                    recording.lock().unwrap().handle = None;
                });
            }
        });
        Origin { address, connections, stop }
    }

    /// Answers each request; connections stay open.
    pub fn answering(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Origin {
        Origin::scripted(move |peer| {
            while let Some(request) = peer.request() {
                if !peer.send(answer(&request)) {
                    return;
                }
            }
        })
    }

    /// Answers `200` with a body that names it.
    pub fn named(name: &'static str) -> Origin {
        Origin::answering(move |_| ok(name))
    }

    /// As [`Origin::named`], at this address.
    pub fn named_on(address: SocketAddr, name: &'static str) -> Origin {
        Origin::on(address, move |mut peer| while peer.request().is_some() && peer.send(ok(name)) {})
    }

    /// As [`Origin::named`], but each answer waits at the gate.
    pub fn held(name: &'static str, gate: &Gate) -> Origin {
        let gate = gate.clone();
        Origin::answering(move |_| {
            gate.pass();
            ok(name)
        })
    }

    /// Ends it with all its connections, as a crash does: from here on its address refuses. The address is free for another.
    pub fn crash(self) -> SocketAddr {
        let address = self.address;
        drop(self);
        eventually(PATIENCE, || TcpStream::connect_timeout(&address, PATIENCE).is_err().then_some(address))
    }

    /// Waits until it was sent so many whole requests in all.
    #[track_caller]
    pub fn expect_requests(&self, count: usize) {
        eventually(PATIENCE, || (self.requests().len() >= count).then_some(()));
    }

    /// Reads and never answers.
    pub fn stalling() -> Origin {
        Origin::scripted(|peer| peer.until_end())
    }

    /// Reads a request, then resets the connection.
    pub fn resetting() -> Origin {
        Origin::raw(b"", Then::Reset)
    }

    /// Reads a request, sends these bytes, then ends the connection or does not.
    pub fn raw(bytes: &[u8], then: Then) -> Origin {
        let bytes = bytes.to_vec();
        Origin::with_ownership(move |mut peer| {
            if peer.request().is_none() {
                return;
            }
            peer.send(&bytes);
            match then {
                Then::Fin => {
                    peer.stream.shutdown(Shutdown::Both).ok();
                }
                Then::Reset => {
                    // The bytes must have arrived before the reset throws away what has not.
                    std::thread::sleep(Duration::from_millis(50));
                    peer.reset();
                }
                Then::KeepOpen => peer.until_end(),
            }
        })
    }

    /// Answers each request with these bytes, one at a time.
    pub fn slow(bytes: &[u8], pause: Duration) -> Origin {
        let bytes = bytes.to_vec();
        Origin::scripted(move |peer| {
            while peer.request().is_some() {
                for byte in &bytes {
                    std::thread::sleep(pause);
                    if !peer.send([*byte]) {
                        return;
                    }
                }
            }
        })
    }

    /// An address where nothing listens.
    pub fn refusing() -> SocketAddr {
        SocketAddr::from((own_address(), 21000))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections ever made to it.
    pub fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }

    /// Connections that the gateway has ended.
    pub fn ended(&self) -> usize {
        self.connections.lock().unwrap().iter().filter(|r| r.lock().unwrap().ended).count()
    }

    /// Connections whose script has ended, and with it the connection.
    pub fn closed(&self) -> usize {
        self.connections.lock().unwrap().iter().filter(|r| r.lock().unwrap().handle.is_none()).count()
    }

    /// What each connection brought, judged: a violation is something a gateway must never send.
    pub fn judged(&self) -> Vec<Conversation> {
        let connections = self.connections.lock().unwrap();
        connections
            .iter()
            .map(|recording| {
                let recording = recording.lock().unwrap();
                let end = recording.http_until.unwrap_or(recording.received.len());
                oracle::read_all(&recording.received[..end], Grammar::Strict)
            })
            .collect()
    }

    /// All whole requests it was sent, in the order they came. Anything invalid fails the test.
    #[track_caller]
    pub fn requests(&self) -> Vec<Request> {
        let arrivals: Vec<Vec<Instant>> =
            self.connections.lock().unwrap().iter().map(|r| r.lock().unwrap().arrivals.clone()).collect();
        let mut requests = Vec::new();
        for (connection, judgement) in self.judged().into_iter().enumerate() {
            if let Some(why) = judgement.violation {
                panic!("the origin was sent an invalid request: {why}");
            }
            for (n, request) in judgement.requests.into_iter().enumerate() {
                let arrival = arrivals.get(connection).and_then(|a| a.get(n).copied());
                requests.push((arrival.unwrap_or_else(Instant::now), request));
            }
        }
        requests.sort_by_key(|(arrival, _)| *arrival);
        requests.into_iter().map(|(_, request)| request).collect()
    }

    /// The only request it was sent.
    #[track_caller]
    pub fn request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Everything it was sent, as bytes, connection by connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.connections.lock().unwrap().iter().map(|r| r.lock().unwrap().received.clone()).collect()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the accept loop, and then every script that waits for bytes.
        TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok();
        for recording in self.connections.lock().unwrap().iter() {
            if let Some(stream) = &recording.lock().unwrap().handle {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{Client, Trouble};
    use super::*;

    const GET: &str = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

    #[test]
    fn an_answering_origin_keeps_its_connections_and_remembers_requests() {
        let origin = Origin::answering(|request| ok(&request.target));
        let mut client = Client::connect(origin.address());
        assert_eq!(client.ask(GET).text(), "/x");
        assert_eq!(client.ask("POST /y HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi").text(), "/y");
        assert_eq!(origin.requests()[1].body, b"hi");
        assert_eq!((origin.connections(), origin.ended()), (1, 0));
        drop(client);
        eventually(PATIENCE, || (origin.ended() == 1).then_some(()));
    }

    #[test]
    fn an_invalid_request_ends_the_connection_and_fails_the_test() {
        let origin = Origin::named("o");
        let mut client = Client::connect(origin.address());
        client.send("GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n");
        client.expect_closed(PATIENCE);
        assert!(std::panic::catch_unwind(|| origin.requests()).is_err());
    }

    #[test]
    fn a_raw_origin_ends_its_connection_as_told() {
        let partial = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
        for (then, reset) in [(Then::Fin, false), (Then::Reset, true)] {
            let origin = Origin::raw(partial, then);
            let mut client = Client::connect(origin.address());
            client.send(GET);
            match client.try_response("GET", PATIENCE).unwrap_err() {
                Trouble::Closed(Some(got)) if !reset => assert_eq!(got.body, b"half"),
                Trouble::Reset(_) if reset => {}
                other => panic!("{then:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_origin_asked_to_continue_does() {
        let origin = Origin::named("o");
        let mut client = Client::connect(origin.address());
        client.send("POST /y HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(client.ask("hi").text(), "o");
    }
}
