//! Records sealed by hand: what no client's library would say on a TLS 1.3 connection that is made properly.

use std::io::{Read, Write};
use std::net::TcpStream;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, SupportedCipherSuite};

use super::patience::PATIENCE;
use super::tls_client::TlsClient;

/// The suite that these records are sealed with.
pub const SUITE: SupportedCipherSuite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;

/// What a record holds.
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const DATA: u8 = 23;

/// The client's side of a connection whose records are made by hand.
pub struct Forger {
    pub stream: TcpStream,
    key: LessSafeKey,
    iv: [u8; 12],
    sent: u64,
}

impl Forger {
    /// Takes over a connection of TLS 1.3 with [`SUITE`], made by a client that is open-handed.
    pub fn taking(client: TlsClient) -> Forger {
        let TlsClient { stream, session, .. } = client;
        let (sent, secrets) = session.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("another suite") };
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
        Forger { stream, key, iv: iv.as_ref().try_into().unwrap(), sent }
    }

    /// One record of this kind.
    pub fn seal(&mut self, kind: u8, plain: &[u8]) -> Vec<u8> {
        let mut nonce = self.iv;
        for (at, byte) in self.sent.to_be_bytes().iter().enumerate() {
            nonce[4 + at] ^= byte;
        }
        self.sent += 1;
        let mut sealed = [plain, &[kind]].concat();
        let length = (sealed.len() + AES_128_GCM.tag_len()) as u16;
        let header = [&[23, 3, 3][..], &length.to_be_bytes()].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(&header), &mut sealed).unwrap();
        [header, sealed].concat()
    }

    /// Sends these bytes as they are; whether they were taken does not matter.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok();
    }

    /// Waits for the end of the connection.
    #[track_caller]
    pub fn expect_end(&mut self) {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        loop {
            match self.stream.read(&mut [0; 16 * 1024]) {
                Ok(0) => return,
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => panic!("still open after {PATIENCE:?}"),
                Err(_) => return,
            }
        }
    }
}
