//! The authorities that this machine believes, read once.

use super::Refused;
use rustls::RootCertStore;
use std::sync::{Arc, OnceLock};

/// The system's authorities, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. Read when they are wanted first, and kept.
pub fn authorities() -> Result<Arc<RootCertStore>, Refused> {
    static FOUND: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(Arc::clone(found));
    }
    let mut roots = RootCertStore::empty();
    let read = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(read.certs);
    if roots.is_empty() {
        let why = read.errors.first().map(|e| format!(" ({e})")).unwrap_or_default();
        return Err(Refused::unable(format!(
            "this machine knows no authority{why}; install their certificates (most systems call the package `ca-certificates`), or \
             write those that are to be believed as `tls: {{ ca: FILE }}`"
        )));
    }
    Ok(Arc::clone(FOUND.get_or_init(|| Arc::new(roots))))
}
