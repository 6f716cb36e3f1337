//! A client that speaks TLS and believes some authorities: what it is presented, and what it is answered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::patience::PATIENCE;

/// A client that believes the authorities in a PEM.
pub struct Trusting(Arc<ClientConfig>);

impl Trusting {
    pub fn new(pem: &[u8]) -> Trusting {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(pem) {
            roots.add(root.unwrap()).unwrap();
        }
        let builder = ClientConfig::builder_with_provider(wharf::tls::provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Trusting(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }

    /// The certificate that is presented for `host`, if it is believed.
    pub fn presented(&self, to: SocketAddr, host: &str) -> Result<CertificateDer<'static>, String> {
        let mut stream = self.stream(to, host)?;
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|e| e.to_string())?;
        }
        let presented = stream.conn.peer_certificates().and_then(|chain| chain.first());
        presented.map(|leaf| leaf.clone().into_owned()).ok_or_else(|| "nothing is presented".into())
    }

    /// The response to a request, which closes the connection, as text.
    pub fn ask(&self, to: SocketAddr, host: &str, request: &[u8]) -> Result<String, String> {
        let mut stream = self.stream(to, host)?;
        stream.write_all(request).map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            // closed without a farewell
            Err(e) if bytes.is_empty() => Err(e.to_string()),
            _ => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// The body that a `GET` is answered with.
    pub fn get(&self, to: SocketAddr, host: &str, target: &str) -> Result<String, String> {
        let request = format!("GET {target} HTTP/1.0\r\nHost: {host}\r\n\r\n");
        let response = self.ask(to, host, request.as_bytes())?;
        let (head, body) = response.split_once("\r\n\r\n").ok_or("no head")?;
        if head.split(' ').nth(1) == Some("200") { Ok(body.to_owned()) } else { Err(response) }
    }

    fn stream(&self, to: SocketAddr, host: &str) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        let socket = TcpStream::connect(to).map_err(|e| e.to_string())?;
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        Ok(StreamOwned::new(ClientConnection::new(Arc::clone(&self.0), name).unwrap(), socket))
    }
}
