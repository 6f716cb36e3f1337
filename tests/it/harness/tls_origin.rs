//! TLS before a scripted origin: it ends the gateway's TLS, passes on the bytes, and notes how each connection was made.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::address::own_address;
use super::certificates::{Authority, Leaf};
use super::origin::Origin;
use super::patience::PATIENCE;

/// Bytes that its kernel takes from the gateway ahead of the origin, where that matters.
const SMALL_BUFFER: usize = 4 * 1024;

/// How a connection was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The name that was asked for.
    pub sni: Option<String>,
    /// Without a full handshake.
    pub resumed: bool,
    pub version: ProtocolVersion,
    /// The gateway has shown a certificate.
    pub proven: bool,
}

/// TLS before a scripted origin.
pub struct TlsOrigin {
    address: SocketAddr,
    greetings: Arc<Mutex<Vec<Greeting>>>,
    stop: Arc<AtomicBool>,
}

/// What is special about a TLS origin.
#[derive(Clone, Default)]
pub struct Manner {
    /// The only version that is spoken; any without it.
    pub version: Option<&'static SupportedProtocolVersion>,
    /// Who connects must show a certificate of this authority.
    pub clients: Option<RootCertStore>,
    /// The end of the origin's bytes is an end of the TCP connection alone, as of a cut line.
    pub cuts: bool,
    /// Who does not speak TLS is served as well.
    pub is_lax: bool,
    /// It takes little ahead.
    pub is_narrow: bool,
    pub address: Option<Ipv4Addr>,
}

impl Manner {
    /// Only this version.
    pub fn speaking(version: &'static SupportedProtocolVersion) -> Manner {
        Manner { version: Some(version), ..Manner::default() }
    }

    /// Only with a certificate of this authority.
    pub fn asking(clients: &Authority) -> Manner {
        let mut roots = RootCertStore::empty();
        roots.add(clients.der()).unwrap();
        Manner { clients: Some(roots), ..Manner::default() }
    }

    /// At this address.
    pub fn at(address: Ipv4Addr) -> Manner {
        Manner { address: Some(address), ..Manner::default() }
    }

    fn config(&self, leaf: &Leaf) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = self.version.map_or(rustls::ALL_VERSIONS.to_vec(), |version| vec![version]);
        let config = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions).unwrap();
        let config = match &self.clients {
            None => config.with_no_client_auth(),
            Some(roots) => {
                let roots = Arc::new(roots.clone());
                config.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap(),
                )
            }
        };
        let mut config = config.with_single_cert(leaf.chain(), leaf.private_key()).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl TlsOrigin {
    /// TLS with this certificate before `origin`.
    pub fn before(origin: &Origin, leaf: &Leaf) -> TlsOrigin {
        TlsOrigin::in_manner(origin, leaf, Manner::default())
    }

    /// The same with something special.
    pub fn in_manner(origin: &Origin, leaf: &Leaf, manner: Manner) -> TlsOrigin {
        let address = manner.address.unwrap_or_else(own_address);
        let listener = TcpListener::bind((address, 21443)).expect("an address of one's own is free");
        if manner.is_narrow {
            rustix::net::sockopt::set_socket_recv_buffer_size(&listener, SMALL_BUFFER).unwrap();
        }
        let config = manner.config(leaf);
        let (address, behind) = (listener.local_addr().unwrap(), origin.address());
        let greetings = Arc::<Mutex<Vec<Greeting>>>::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, stopped) = (greetings.clone(), stop.clone());
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let (config, kept) = (config.clone(), kept.clone());
                std::thread::spawn(move || {
                    if manner.is_lax && !is_tls(&stream) {
                        return splice(stream, behind);
                    }
                    serve(stream, config, behind, manner.cuts, &kept);
                });
            }
        });
        TlsOrigin { address, greetings, stop }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How its connections were made, those whose handshake came to its end.
    pub fn greetings(&self) -> Vec<Greeting> {
        self.greetings.lock().unwrap().clone()
    }
}

impl Drop for TlsOrigin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok();
    }
}

/// Whether what comes begins as TLS does.
fn is_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    stream.peek(&mut first).is_ok() && first == [22]
}

/// Passes on bytes as they are.
fn splice(mut stream: TcpStream, behind: SocketAddr) {
    let Ok(mut up) = TcpStream::connect(behind) else { return };
    let (mut out, mut down) = (stream.try_clone().unwrap(), up.try_clone().unwrap());
    std::thread::spawn(move || {
        std::io::copy(&mut down, &mut out).ok();
        out.shutdown(Shutdown::Write).ok();
    });
    std::io::copy(&mut stream, &mut up).ok();
    up.shutdown(Shutdown::Write).ok();
}

fn serve(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    behind: SocketAddr,
    cuts: bool,
    greetings: &Mutex<Vec<Greeting>>,
) {
    stream.set_nodelay(true).ok();
    let mut session = ServerConnection::new(config).unwrap();
    while session.is_handshaking() || session.wants_write() {
        if session.complete_io(&mut stream).is_err() {
            // who refuses says so, and reads on: a close with bytes unread would overtake the word
            stream.shutdown(Shutdown::Write).ok();
            stream.set_read_timeout(Some(PATIENCE)).ok();
            std::io::copy(&mut stream, &mut std::io::sink()).ok();
            return;
        }
    }
    greetings.lock().unwrap().push(Greeting {
        sni: session.server_name().map(str::to_owned),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        version: session.protocol_version().unwrap(),
        proven: session.peer_certificates().is_some(),
    });
    let Ok(mut up) = TcpStream::connect(behind) else { return };
    let (mut out, mut down) = (stream.try_clone().unwrap(), up.try_clone().unwrap());
    let session = Arc::new(Mutex::new(session));
    let sending = session.clone();
    let sender = std::thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        loop {
            let n = down.read(&mut bytes).unwrap_or(0);
            let mut cipher = Vec::new();
            {
                let mut session = sending.lock().unwrap();
                match n {
                    0 if cuts => {}
                    0 => session.send_close_notify(),
                    n => session.writer().write_all(&bytes[..n]).unwrap(),
                }
                while session.wants_write() {
                    session.write_tls(&mut cipher).unwrap();
                }
            }
            if out.write_all(&cipher).is_err() || n == 0 {
                out.shutdown(Shutdown::Write).ok();
                return;
            }
        }
    });
    let mut bytes = [0; 4 * 1024];
    let mut read = 0;
    loop {
        let (mut plain, mut ended, mut cipher) = (Vec::new(), false, &bytes[..read]);
        {
            let mut session = session.lock().unwrap();
            loop {
                ended |= session.process_new_packets().map_or(true, |state| state.peer_has_closed());
                session.reader().read_to_end(&mut plain).ok();
                if cipher.is_empty() || ended {
                    break;
                }
                session.read_tls(&mut cipher).unwrap();
            }
        }
        if up.write_all(&plain).is_err() || ended {
            break;
        }
        read = stream.read(&mut bytes).unwrap_or(0);
        if read == 0 {
            break;
        }
    }
    up.shutdown(Shutdown::Write).ok();
    sender.join().ok();
}
