//! Trial: certificates that are swapped, and tables that are reloaded, under TLS clients. No handshake and no request may fail.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use crate::arguments::Arguments;
use crate::gateway::Gateway;
use crate::place::Place;
use crate::probe;
use crate::tally::grouped;
use crate::verdict::Verdict;

const HOST: &str = "bench.example";
const SWAPS: u64 = 1_000;
/// Swaps to one reload of the table.
const SWAPS_A_RELOAD: u64 = 10;
/// Clients at a time: half keep their connections for a while, half make one for each request.
const CLIENTS: usize = 8;
const KEPT_REQUESTS: usize = 50;
/// How long a swap may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// What clients have done and seen.
#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    handshakes: AtomicU64,
    resumed: AtomicU64,
    failures: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// Who issues the certificates, and who believes in them.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    client: Arc<ClientConfig>,
}

pub fn run(program: &Path, arguments: &Arguments, verdict: &mut Verdict) -> io::Result<()> {
    let place = Place::new("certificates", arguments.keep)?;
    let swaps = arguments.swaps.unwrap_or(SWAPS);
    let authority = Authority::new().map_err(io::Error::other)?;
    let mut leaf = authority.issue(&place)?;
    let gateway = Gateway::start(program, &place, &yaml(&place, 0))?;
    let (seen, address) = (Arc::new(Seen::default()), place.listener(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|nth| {
            let (seen, client) = (Arc::clone(&seen), Arc::clone(&authority.client));
            std::thread::spawn(move || drive(&seen, &client, address, if nth % 2 == 0 { KEPT_REQUESTS } else { 1 }))
        })
        .collect();
    let (start, mut slowest, mut lost, mut reloads) = (Instant::now(), Duration::ZERO, Vec::new(), 0);
    for number in 1..=swaps {
        leaf = authority.issue(&place)?;
        match authority.until_presented(address, &leaf) {
            Some(took) => slowest = slowest.max(took),
            None => lost.push(number),
        }
        if number % SWAPS_A_RELOAD == 0 {
            reloads += 1;
            gateway.replace_file(&yaml(&place, reloads))?;
            gateway.signal(Signal::HUP)?;
        }
    }
    seen.stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| drop(client.join()));
    let count = |counter: &AtomicU64| grouped(counter.load(Ordering::Relaxed));
    let failures = seen.failures.lock().map(|failures| failures.clone()).unwrap_or_default();
    verdict.figure(format!(
        "certificates: {} requests and {} handshakes ({} resumed) during {} swaps ({} lost, slowest {} ms) and {reloads} reloads \
         in {:.0} s: failed {}",
        count(&seen.requests),
        count(&seen.handshakes),
        count(&seen.resumed),
        grouped(swaps),
        lost.len(),
        slowest.as_millis(),
        start.elapsed().as_secs_f64(),
        failures.len(),
    ));
    verdict.holds(failures.is_empty(), || format!("the first failures: {:?}", &failures[..failures.len().min(5)]));
    verdict.holds(lost.is_empty(), || format!("swaps that were not presented: {lost:?}\n{}", gateway.last_words()));
    verdict.holds(leaf.len() > 100 && gateway.is_ready(), || "the gateway is not ready any more".into());
    let last = probe::metric(place.admin(), "wharf_config_last_reload_successful")?;
    verdict.holds(last == 1.0, || format!("the last reload counts as failed\n{}", gateway.last_words()));
    Ok(())
}

fn yaml(place: &Place, generation: u64) -> String {
    format!(
        "version: 1\n\
         threads: 2\n\
         listeners:\n  web:\n    address: \"{}\"\n    tls: {{ certificates: [{{ cert: site.crt, key: site.key }}] }}\n\
         admin: {{ address: \"{}\" }}\n\
         observability: {{ access_log: {{ output: none }} }}\n\
         routes:\n  - match: {{ path: /* }}\n    respond: {{ status: 200, body: \"ok\\n\", headers: {{ X-Generation: \"{generation}\" }} }}\n",
        place.listener(0),
        place.admin(),
    )
}

impl Authority {
    fn new() -> Result<Authority, Box<dyn std::error::Error + Send + Sync>> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let mut roots = RootCertStore::empty();
        roots.add(issuer.der().clone())?;
        let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Authority { issuer, client: Arc::new(client) })
    }

    /// Puts a new certificate and its key in place, one after the other. The certificate.
    fn issue(&self, place: &Place) -> io::Result<CertificateDer<'static>> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = CertificateParams::new(vec![HOST.to_owned()]).map_err(io::Error::other)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        for (name, text) in [("site.key", key.serialize_pem()), ("site.crt", leaf.pem())] {
            let fresh = place.configuration(&format!("{name}.new"));
            fs::write(&fresh, text)?;
            fs::rename(fresh, place.configuration(name))?;
        }
        Ok(leaf.der().clone())
    }

    /// Until a handshake shows this certificate; how long that took.
    fn until_presented(&self, address: SocketAddr, leaf: &CertificateDer<'_>) -> Option<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            // sessions that go on show nothing
            let mut fresh = (*self.client).clone();
            fresh.resumption = rustls::client::Resumption::disabled();
            let shown = connect(&Arc::new(fresh), address).and_then(|mut stream| {
                get(&mut stream)?;
                Ok(stream.conn.peer_certificates().and_then(|chain| chain.first().cloned()))
            });
            if shown.is_ok_and(|shown| shown.as_ref() == Some(leaf)) {
                return Some(begun.elapsed());
            }
        }
        None
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(client: &Arc<ClientConfig>, address: SocketAddr) -> io::Result<Stream> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
    let session = ClientConnection::new(Arc::clone(client), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(session, socket))
}

fn get(stream: &mut Stream) -> io::Result<()> {
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(b"\r\n\r\nok\n") {
        match stream.read(&mut part)? {
            0 => return Err(io::Error::other(format!("cut: {:?}", String::from_utf8_lossy(&answer)))),
            n => answer.extend_from_slice(&part[..n]),
        }
    }
    match answer.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned())),
    }
}

/// Makes connections with so many requests each, until it is told to stop.
fn drive(seen: &Seen, client: &Arc<ClientConfig>, address: SocketAddr, requests: usize) {
    while !seen.stop.load(Ordering::Relaxed) {
        let done = connect(client, address).and_then(|mut stream| {
            for nth in 0..requests {
                get(&mut stream)?;
                seen.requests.fetch_add(1, Ordering::Relaxed);
                if nth == 0 {
                    seen.handshakes.fetch_add(1, Ordering::Relaxed);
                    let resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
                    seen.resumed.fetch_add(u64::from(resumed), Ordering::Relaxed);
                }
            }
            Ok(())
        });
        if let (Err(error), Ok(mut failures)) = (done, seen.failures.lock()) {
            failures.push(error.to_string());
        }
    }
}
