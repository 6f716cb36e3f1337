//! Whom to believe: authorities from a file, and lists of what they have revoked.

use super::certificate::{at, print};
use super::chain;
use super::pem::{self, Wanted};
use crate::value::Complaint;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use std::sync::Arc;
use std::time::SystemTime;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

/// Authorities whose certificates are believed.
#[derive(Debug)]
pub struct Authorities {
    pub roots: Arc<RootCertStore>,
    /// What differs when any of them differs.
    pub print: [u8; 32],
}

/// What authorities have revoked.
#[derive(Debug)]
pub struct Revocations {
    pub lists: Vec<CertificateRevocationListDer<'static>>,
    /// When the first of the lists is due to be replaced by a newer one, if they say so.
    pub next_update: Option<SystemTime>,
    /// What differs when any of them differs.
    pub print: [u8; 32],
}

impl Authorities {
    /// Reads certificates in PEM; the sentence of a complaint goes on after the file's name. What is believed may also be the
    /// self-signed certificate of one endpoint.
    pub fn read(bytes: &[u8]) -> Result<Authorities, Complaint> {
        let ders = pem::read(bytes, Wanted::Authorities)?;
        let ders: Vec<CertificateDer<'static>> = ders.into_iter().map(|(_, der)| CertificateDer::from(der)).collect();
        let mut roots = RootCertStore::empty();
        for (number, certificate) in chain::parse(&ders)?.iter().enumerate() {
            let is_self_signed = certificate.issuer().as_raw() == certificate.subject().as_raw();
            if !certificate.is_ca() && !is_self_signed {
                let name = chain::short(&certificate.subject().to_string());
                let issuer = chain::short(&certificate.issuer().to_string());
                let nth = chain::nth(number);
                return Err(Complaint::new(format!(
                    "holds what is no authority: the {nth} certificate is that of `{name}`"
                ))
                .hint(format!("write that of the authority which issued it, `{issuer}`")));
            }
        }
        for (number, der) in ders.into_iter().enumerate() {
            roots.add(der).map_err(|_| {
                let nth = chain::nth(number);
                Complaint::new(format!("holds a certificate that cannot be used, the {nth}"))
                    .hint("get it anew from the authority")
            })?;
        }
        Ok(Authorities { roots: Arc::new(roots), print: print(&[bytes]) })
    }
}

impl Revocations {
    /// Reads lists in PEM; the sentence of a complaint goes on after the file's name.
    pub fn read(bytes: &[u8]) -> Result<Revocations, Complaint> {
        let ders = pem::read(bytes, Wanted::Revocations)?;
        let mut next_update: Option<SystemTime> = None;
        for (number, (_, der)) in ders.iter().enumerate() {
            let Ok((_, list)) = CertificateRevocationList::from_der(der) else {
                let complaint = Complaint::new(format!("holds what is no list: the {} is damaged", chain::nth(number)));
                return Err(complaint.hint("fetch it anew from the authority"));
            };
            let next = list.next_update().map(|time| at(time.timestamp()));
            next_update = next_update.into_iter().chain(next).min();
        }
        let lists = ders.into_iter().map(|(_, der)| CertificateRevocationListDer::from(der)).collect();
        Ok(Revocations { lists, next_update, print: print(&[bytes]) })
    }
}
