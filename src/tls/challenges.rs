//! What proves to an authority that a host is ours, while it looks: tokens over HTTP, certificates over TLS.

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// Where an authority asks for a token over HTTP (RFC 8555 section 8.3).
pub const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";

/// The proofs of one process. Empty but while an order is made.
#[derive(Debug, Default)]
pub struct Challenges {
    /// http-01: what is answered below `/.well-known/acme-challenge/`, by token.
    tokens: ArcSwap<HashMap<Box<str>, Box<str>>>,
    /// tls-alpn-01: what is presented to who speaks `acme-tls/1`, by host.
    certificates: ArcSwap<HashMap<Box<str>, Arc<CertifiedKey>>>,
}

impl Challenges {
    /// The answer to an authority that asks for `token`.
    pub fn answer(&self, token: &str) -> Option<Box<str>> {
        self.tokens.load().get(token).cloned()
    }

    /// The answer to an authority that asks for this path, if it asks for a proof that there is.
    pub fn answer_to(&self, path: &[u8]) -> Option<Box<str>> {
        let token = path.strip_prefix(CHALLENGE_PATH.as_bytes())?;
        self.answer(std::str::from_utf8(token).ok()?)
    }

    /// The certificate for an authority that asks for `host`.
    pub fn certificate(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        self.certificates.load().get(host).cloned()
    }

    /// From now on these tokens are answered.
    pub fn set_answers(&self, answers: HashMap<Box<str>, Box<str>>) {
        self.tokens.store(Arc::new(answers));
    }

    /// From now on these certificates are presented.
    pub fn set_certificates(&self, certificates: HashMap<Box<str>, Arc<CertifiedKey>>) {
        self.certificates.store(Arc::new(certificates));
    }
}
