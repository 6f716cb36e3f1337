//! A client over TLS that is told how to come, says the bytes it is given, and tells how its connection ended.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, HandshakeKind, RootCertStore, SignatureScheme,
    SupportedCipherSuite, SupportedProtocolVersion,
};

use super::anybody::Anybody;
use super::certificates::{Authority, Leaf};
use super::patience::PATIENCE;
use super::response::{self, Reading, Response};

/// Sessions that a visitor keeps for later.
const SESSIONS: usize = 256;

/// How a client comes; [`Visitor::ready`] ends the telling.
pub struct Visitor {
    name: String,
    roots: Option<RootCertStore>,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocols: Vec<Vec<u8>>,
    shows: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    provider: CryptoProvider,
    names_itself: bool,
    extracts: bool,
}

/// A client that may connect as often as it likes, and resumes its sessions.
#[derive(Clone)]
pub struct Ready {
    name: String,
    pub config: Arc<ClientConfig>,
}

/// One connection.
pub struct TlsClient {
    pub stream: TcpStream,
    pub session: ClientConnection,
    name: String,
    buffer: Vec<u8>,
}

/// How a connection ended, or that it did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The other side said that it has said all.
    Properly,
    /// The bytes ended without that word.
    Cut,
    Reset,
    /// The other side said what was wrong.
    Alert(AlertDescription),
    /// Not in time.
    Not,
    /// What came makes no sense to this side.
    Nonsense(String),
}

impl Visitor {
    /// One that asks for this name, or comes to this address, and believes this authority.
    pub fn to(name: &str, authority: &Authority) -> Visitor {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        Visitor { roots: Some(roots), ..Visitor::trusting(name) }
    }

    /// One that believes anybody.
    pub fn trusting(name: &str) -> Visitor {
        Visitor {
            name: name.to_owned(),
            roots: None,
            versions: rustls::ALL_VERSIONS.to_vec(),
            protocols: Vec::new(),
            shows: None,
            provider: aws_lc_rs::default_provider(),
            names_itself: true,
            extracts: false,
        }
    }

    /// Speaks this version alone.
    pub fn speaking(self, version: &'static SupportedProtocolVersion) -> Visitor {
        Visitor { versions: vec![version], ..self }
    }

    /// Offers these protocols (ALPN).
    pub fn offering(self, protocols: &[&str]) -> Visitor {
        Visitor { protocols: protocols.iter().map(|p| p.as_bytes().to_vec()).collect(), ..self }
    }

    /// Has this certificate to show.
    pub fn showing(self, leaf: &Leaf) -> Visitor {
        Visitor { shows: Some((leaf.chain(), leaf.private_key())), ..self }
    }

    /// Knows these suites alone.
    pub fn knowing(mut self, suites: &[SupportedCipherSuite]) -> Visitor {
        self.provider.cipher_suites = suites.to_vec();
        self
    }

    /// Knows these groups alone.
    pub fn exchanging(mut self, groups: &[&'static dyn SupportedKxGroup]) -> Visitor {
        self.provider.kx_groups = groups.to_vec();
        self
    }

    /// Asks for no name.
    pub fn nameless(self) -> Visitor {
        Visitor { names_itself: false, ..self }
    }

    /// Lets its keys be taken out, for records made by hand.
    pub fn open_handed(self) -> Visitor {
        Visitor { extracts: true, ..self }
    }

    /// So it comes.
    pub fn ready(self) -> Ready {
        let schemes = self.provider.signature_verification_algorithms.supported_schemes();
        self.judging(schemes)
    }

    /// So it comes, with an understanding of these kinds of signature alone; it believes anybody who has one.
    pub fn judging(self, schemes: Vec<SignatureScheme>) -> Ready {
        let provider = Arc::new(self.provider);
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&self.versions).unwrap();
        let builder = match self.roots {
            Some(roots) => builder.with_root_certificates(roots),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(schemes))),
        };
        let mut config = match self.shows {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols;
        config.enable_sni = self.names_itself;
        config.enable_secret_extraction = self.extracts;
        config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(SESSIONS)));
        Ready { name: self.name, config: Arc::new(config) }
    }
}

impl Ready {
    /// The same client, and its sessions, without what it has forgotten: it never resumes.
    pub fn forgetful(&self) -> Ready {
        let mut config = (*self.config).clone();
        config.resumption = Resumption::disabled();
        Ready { name: self.name.clone(), config: Arc::new(config) }
    }

    /// Connects; the handshake must be good, as far as this side can tell.
    #[track_caller]
    pub fn connect(&self, address: SocketAddr) -> TlsClient {
        self.try_connect(address).unwrap_or_else(|ended| panic!("no handshake: {ended:?}"))
    }

    /// Connects, or tells how the connection ended.
    pub fn try_connect(&self, address: SocketAddr) -> Result<TlsClient, Ended> {
        let mut client = self.begin(address);
        client.shake()?;
        Ok(client)
    }

    /// A connection that has said nothing.
    #[track_caller]
    pub fn begin(&self, address: SocketAddr) -> TlsClient {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the gateway accepts connections");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from(self.name.clone()).unwrap();
        let session = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        TlsClient { stream, session, name: self.name.clone(), buffer: Vec::new() }
    }

    /// `GET` on a connection of its own, or how that ended.
    pub fn try_get(&self, address: SocketAddr, target: &str) -> Result<Response, Ended> {
        self.try_connect(address)?.try_get(target)
    }

    /// `GET` on a connection of its own.
    #[track_caller]
    pub fn get(&self, address: SocketAddr, target: &str) -> Response {
        self.connect(address).get(target)
    }
}

impl TlsClient {
    /// Makes the handshake to its end.
    pub fn shake(&mut self) -> Result<(), Ended> {
        while self.session.is_handshaking() || self.session.wants_write() {
            self.session.complete_io(&mut self.stream).map_err(|e| ended(&e))?;
        }
        Ok(())
    }

    /// A session of before goes on.
    pub fn is_resumed(&self) -> bool {
        self.session.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The certificate that was presented, as TLS has it.
    pub fn presented(&self) -> CertificateDer<'static> {
        self.session.peer_certificates().and_then(|chain| chain.first()).expect("a certificate").clone().into_owned()
    }

    /// Says all of it.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the gateway takes the bytes");
    }

    /// Says as much as the other side takes.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        for part in bytes.as_ref().chunks(16 * 1024) {
            self.session.writer().write_all(part)?;
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what the session has to say.
    pub fn flush(&mut self) -> std::io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    /// What the session has to say, for who writes it by hand.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Seals these bytes as one record, for who writes it by hand.
    pub fn record(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.session.writer().write_all(bytes).unwrap();
        self.outgoing()
    }

    /// Sends a request and reads its response.
    #[track_caller]
    pub fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Response {
        self.send(bytes);
        self.response()
    }

    /// `GET` of a target of the host it came for.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.try_get(target).unwrap_or_else(|ended| panic!("no response: {ended:?}"))
    }

    /// The same, or how the connection ended.
    pub fn try_get(&mut self, target: &str) -> Result<Response, Ended> {
        // whether it was taken is told by what comes
        self.try_send(format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.name)).ok();
        self.try_response()
    }

    /// The next response.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.try_response().unwrap_or_else(|ended| panic!("no response: {ended:?}"))
    }

    /// The next response, or how the connection ended.
    pub fn try_response(&mut self) -> Result<Response, Ended> {
        let until = Instant::now() + PATIENCE;
        loop {
            match response::read(&self.buffer, "GET") {
                Reading::Whole(response, length) => {
                    self.buffer.drain(..length);
                    return Ok(*response);
                }
                Reading::Violation(why) => return Err(Ended::Nonsense(why)),
                Reading::UntilClose(partial) => match self.fill(until) {
                    Ok(()) => continue,
                    Err(Ended::Properly) => {
                        self.buffer.clear();
                        return Ok(*partial);
                    }
                    Err(other) => return Err(other),
                },
                Reading::Partial(_) => self.fill(until)?,
            }
        }
    }

    /// Bytes as they come, until there are `count`.
    #[track_caller]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let until = Instant::now() + PATIENCE;
        while self.buffer.len() < count {
            self.fill(until).unwrap_or_else(|ended| panic!("{} of {count} bytes, then {ended:?}", self.buffer.len()));
        }
        self.buffer.drain(..count).collect()
    }

    /// Everything until the end, and which one that was.
    pub fn rest(&mut self, within: Duration) -> (Vec<u8>, Ended) {
        let until = Instant::now() + within;
        loop {
            if let Err(ended) = self.fill(until) {
                return (std::mem::take(&mut self.buffer), ended);
            }
        }
    }

    /// Waits for the end, which must bring nothing more.
    #[track_caller]
    pub fn ended(&mut self) -> Ended {
        let (rest, ended) = self.rest(PATIENCE);
        assert!(rest.is_empty(), "before the end came {:?}", String::from_utf8_lossy(&rest));
        ended
    }

    /// Says that it will say nothing more; the socket's other half stays open.
    pub fn half_close(&mut self) {
        self.session.send_close_notify();
        self.flush().unwrap();
    }

    fn fill(&mut self, until: Instant) -> Result<(), Ended> {
        loop {
            let mut plain = [0; 16 * 1024];
            match self.session.reader().read(&mut plain) {
                Ok(0) => return Err(Ended::Properly),
                Ok(n) => {
                    self.buffer.extend_from_slice(&plain[..n]);
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Err(Ended::Cut),
                Err(e) => return Err(ended(&e)),
            }
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).unwrap();
            self.session.read_tls(&mut self.stream).map_err(|e| ended(&e))?;
            self.session.process_new_packets().map_err(|e| of(&e))?;
            // answers to what was read, such as new keys
            self.flush().ok();
        }
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

fn ended(error: &std::io::Error) -> Ended {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return of(error);
    }
    match error.kind() {
        ErrorKind::UnexpectedEof => Ended::Cut,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Ended::Not,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ended::Reset,
        _ => Ended::Nonsense(error.to_string()),
    }
}

fn of(error: &Error) -> Ended {
    match error {
        Error::AlertReceived(alert) => Ended::Alert(*alert),
        other => Ended::Nonsense(other.to_string()),
    }
}
