//! What shows an authority that a host is ours: an answer over HTTP, or a certificate over TLS.

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A proof, as it is written to disk for other gateways there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Proof {
    #[serde(rename = "http-01")]
    Answer { token: Box<str>, answer: Box<str> },
    #[serde(rename = "tls-alpn-01")]
    Certificate { host: Box<str>, digest: Vec<u8> },
}

/// The certificate that proves `host` (RFC 8737).
pub(super) fn certificate(host: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let made = || {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        Ok::<_, rcgen::Error>((params.self_signed(&key)?, key))
    };
    let (certificate, key) = made().map_err(|e| e.to_string())?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(str::to_owned)?;
    let key = crate::tls::provider().key_provider.load_private_key(key).map_err(|e| e.to_string())?;
    // not looked at any further: its critical extension means something to authorities only
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}
