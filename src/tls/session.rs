//! One client's TLS connection: rustls' state, and what is on its way between it and the socket.
//!
//! Nothing is read or written here. Idle, it holds what rustls needs for the keys, and no buffer.

use super::{ServerTls, presenter};
use crate::http::secured::{ClientCertificate, Secured};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError};
use rustls::{HandshakeKind, InvalidMessage, ProtocolVersion};
use std::io::{self, IoSlice};
use std::sync::Arc;

/// What a record's message needs at most when it is encoded: most handshakes fit.
const ENCODED_BYTES: usize = 4 * 1024;
/// Room beside the plain bytes of records: their headers, tags, and messages that go first.
pub(super) const OVERHEAD_BYTES: usize = 4 * 1024;
/// What is held of messages of the handshake whose rest has not come: the longest there is, in records of a usual size.
const HANDSHAKE_BYTES_MAX: usize = 128 * 1024;

/// One client's TLS connection.
pub struct Session {
    rustls: UnbufferedServerConnection,
    /// The terms it was made on.
    pub terms: u32,
    /// The host that the client named.
    server_name: Option<Box<str>>,
    /// Who the client has proven to be.
    client: Option<Box<ClientCertificate>>,
    /// The front of a record whose rest has not come, and records before it with the front of a message. rustls knows how far it has
    /// read there, so whenever it is asked for something it is shown all of it.
    pub(super) partial: Vec<u8>,
    /// What was decrypted and found no room.
    pub(super) left: Vec<u8>,
    /// What is encrypted and not written yet.
    pub(super) outgoing: Vec<u8>,
    /// Plain bytes that were taken from a writer who is told so once `outgoing` is written.
    pub(super) promised: usize,
    /// Plain bytes may be written.
    established: bool,
    /// The client says nothing more.
    pub(super) ended: bool,
    /// The client said what cannot be: nothing can be read or written any more.
    broken: bool,
}

/// How far a handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The client has to say more.
    Waits,
    Done,
}

impl Session {
    /// A connection before its first byte.
    pub fn new(tls: &ServerTls) -> Result<Session, rustls::Error> {
        Ok(Session {
            rustls: UnbufferedServerConnection::new(Arc::clone(&tls.config))?,
            terms: tls.number,
            server_name: None,
            client: None,
            partial: Vec::new(),
            left: Vec::new(),
            outgoing: Vec::new(),
            promised: 0,
            established: false,
            ended: false,
            broken: false,
        })
    }

    /// Takes in what came and goes on with the handshake. What is to be sent waits in [`Session::take_outgoing`], an alert after an
    /// error too.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Progress, rustls::Error> {
        let mut raw = std::mem::take(&mut self.partial);
        raw.extend_from_slice(bytes);
        let mut left = std::mem::take(&mut self.left);
        let processed = self.process(&mut raw, |plain| left.extend_from_slice(plain));
        self.left = left;
        if let Some(named) = presenter::take_named() {
            self.server_name = Some(named);
        }
        raw.drain(..processed?);
        if raw.len() > HANDSHAKE_BYTES_MAX {
            return Err(InvalidMessage::HandshakePayloadTooLarge.into());
        }
        if !raw.is_empty() {
            self.partial = raw;
        }
        if !self.established {
            return Ok(Progress::Waits);
        }
        self.client =
            self.rustls.peer_certificates().and_then(|chain| super::identity::of(chain.first()?)).map(Box::new);
        Ok(Progress::Done)
    }

    /// What is to be written now.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// The session of an earlier connection goes on.
    pub fn is_resumed(&self) -> bool {
        self.rustls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The protocol that was agreed on (ALPN).
    pub fn protocol(&self) -> Option<&[u8]> {
        self.rustls.alpn_protocol()
    }

    /// `1.2` or `1.3`; empty before that is agreed on.
    pub fn version(&self) -> &'static str {
        match self.rustls.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "",
        }
    }

    /// What requests may know of it.
    pub fn secured(&self) -> Secured<'_> {
        Secured {
            version: self.version(),
            cipher: self.rustls.negotiated_cipher_suite().map_or("", |suite| super::cipher::name(suite.suite())),
            server_name: self.server_name.as_deref(),
            client: self.client.as_deref(),
            terms: self.terms,
        }
    }

    /// Decrypts the records in `raw` and hands on what they hold. How many bytes were used; what is behind them is the front of a record.
    pub(super) fn process(&mut self, raw: &mut [u8], mut plain: impl FnMut(&[u8])) -> Result<usize, rustls::Error> {
        let mut used = 0;
        loop {
            let status = self.rustls.process_tls_records(&mut raw[used..]);
            used += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    self.established = true;
                    while let Some(record) = records.next_record() {
                        let record = record?;
                        used += record.discard;
                        plain(record.payload);
                    }
                    // the next call would only say that there is nothing
                    if used == raw.len() {
                        return Ok(used);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(message)) => encode(message, &mut self.outgoing),
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::BlockedHandshake) => return Ok(used),
                Ok(ConnectionState::WriteTraffic(_)) => {
                    self.established = true;
                    return Ok(used);
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    return Ok(used);
                }
                // early data is not offered
                Ok(_) => return Err(rustls::Error::General("an unexpected state".into())),
                Err(error) => {
                    self.broken = true;
                    self.queue_alert();
                    return Err(error);
                }
            }
        }
    }

    /// The alert that tells the client what was wrong.
    fn queue_alert(&mut self) {
        // asked for more than what waits it would read on, where nothing is
        while self.rustls.wants_write()
            && let Ok(ConnectionState::EncodeTlsData(message)) = self.rustls.process_tls_records(&mut []).state
        {
            encode(message, &mut self.outgoing);
        }
    }

    /// Encrypts `parts` to the end of `sealed`, behind what waits to be written.
    pub(super) fn seal(&mut self, parts: &[IoSlice<'_>], sealed: &mut Vec<u8>) -> io::Result<()> {
        if self.broken {
            return Err(io::ErrorKind::NotConnected.into());
        }
        loop {
            let mut traffic = match self.rustls.process_tls_records(&mut self.partial).state {
                Ok(ConnectionState::WriteTraffic(traffic)) => traffic,
                Ok(ConnectionState::EncodeTlsData(message)) => {
                    encode(message, &mut self.outgoing);
                    continue;
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => {
                    sent.done();
                    continue;
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = true;
                    continue;
                }
                Ok(_) => return Err(io::ErrorKind::NotConnected.into()),
                Err(error) => return Err(io::Error::other(error)),
            };
            sealed.append(&mut self.outgoing);
            for part in parts.iter().filter(|part| !part.is_empty()) {
                append(sealed, part.len() + OVERHEAD_BYTES, |room| traffic.encrypt(part, room))?;
            }
            return Ok(());
        }
    }

    /// Says that nothing more will be written, unless something that was begun is not.
    pub(super) fn close(&mut self) {
        if self.promised > 0 || !self.established || self.broken {
            return;
        }
        let mut sealed = std::mem::take(&mut self.outgoing);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = self.rustls.process_tls_records(&mut self.partial).state
        {
            // what cannot be said is not said: the connection closes all the same
            let _ = append(&mut sealed, ENCODED_BYTES, |room| traffic.queue_close_notify(room));
        }
        self.outgoing = sealed;
    }
}

fn encode<Data>(mut message: EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let before = out.len();
    let mut room = ENCODED_BYTES;
    loop {
        out.resize(before + room, 0);
        match message.encode(&mut out[before..]) {
            Ok(n) => return out.truncate(before + n),
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => room = required_size,
            Err(EncodeError::AlreadyEncoded) => return out.truncate(before),
        }
    }
}

/// Appends what `write` writes, into `room` bytes or as many as it says that it needs.
fn append(
    out: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> io::Result<()> {
    let before = out.len();
    loop {
        out.resize(before + room, 0);
        match write(&mut out[before..]) {
            Ok(n) => {
                out.truncate(before + n);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) if required_size > room => {
                room = required_size;
            }
            Err(error) => {
                out.truncate(before);
                return Err(io::Error::other(error));
            }
        }
    }
}
