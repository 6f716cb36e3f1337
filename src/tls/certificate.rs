//! A certificate with its chain and key, as they are presented.

use super::pem::{self, Wanted};
use super::{chain, provider, stapled};
use crate::value::{Complaint, HostPattern};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, SignatureAlgorithm};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use x509_parser::prelude::X509Certificate;

/// The most certificates of a chain. Longer ones are mostly a whole list of authorities.
const CHAIN_MAX: usize = 20;

/// A certificate with its chain and key.
#[derive(Debug)]
pub struct Certificate {
    /// What rustls presents.
    pub key: Arc<CertifiedKey>,
    /// The hosts it is for.
    pub hosts: Box<[HostPattern]>,
    /// What it is called in logs and metrics: its first name.
    pub subject: Box<str>,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// Until when the stapled response holds, if there is one and it says so.
    pub stapled_until: Option<SystemTime>,
    /// It may issue certificates itself, so that strict clients do not take it for that of a host.
    pub is_authority: bool,
    /// What differs when anything of it differs: chain, key or stapled response.
    pub print: [u8; 32],
}

/// Who presents a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A listener, which must prove to be a host.
    Server,
    /// The gateway to an endpoint, which knows it by whatever name it likes.
    Client,
}

/// Why a certificate cannot be presented. The sentence goes on after the name of a file: `is empty`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Of the file with the chain.
    Chain(Complaint),
    /// Of the file with the key.
    Key(Complaint),
    /// Of both: they do not belong together. The sentence is about the key.
    Pair(Complaint),
    /// Of the stapled response.
    Stapled(Complaint),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Flaw::Chain(complaint) | Flaw::Key(complaint) | Flaw::Pair(complaint) | Flaw::Stapled(complaint)) = self;
        write!(f, "{complaint}")
    }
}

impl Certificate {
    /// Reads a listener's chain and its key, both PEM, and perhaps an OCSP response, which is DER. Whether it is valid now is for who
    /// asks to judge.
    pub fn read(chain: &[u8], key: &[u8], stapled: Option<&[u8]>) -> Result<Certificate, Flaw> {
        Certificate::read_for(Role::Server, chain, key, stapled)
    }

    /// The same for whoever presents it.
    pub fn read_for(role: Role, chain: &[u8], key: &[u8], stapled: Option<&[u8]>) -> Result<Certificate, Flaw> {
        let print = print(&[chain, key, stapled.unwrap_or_default()]);
        let ders = certificates(chain).map_err(Flaw::Chain)?;
        let parsed = self::chain::parse(&ders).map_err(Flaw::Chain)?;
        let Some(leaf) = parsed.first() else { return Err(Flaw::Chain(Complaint::new("holds no certificate"))) };
        self::chain::strength(&parsed).map_err(Flaw::Chain)?;
        let hosts = self::chain::hosts(leaf);
        let (not_before, not_after) = (leaf.validity().not_before, leaf.validity().not_after);
        let is_authority = leaf.is_ca();
        let subject =
            hosts.first().map_or_else(|| self::chain::short(&leaf.subject().to_string()), HostPattern::to_string);
        let mut certified = certified(ders.clone(), self::key(key)?, &parsed)?;
        self::chain::order(&parsed).map_err(Flaw::Chain)?;
        if role == Role::Server && hosts.is_empty() {
            return Err(Flaw::Chain(nameless(leaf)));
        }
        let stapled_until = match stapled {
            Some(response) => stapled::read(response, leaf.raw_serial()).map_err(Flaw::Stapled)?,
            None => None,
        };
        certified.ocsp = stapled.map(Into::into);
        Ok(Certificate {
            key: Arc::new(certified),
            hosts: hosts.into(),
            subject: subject.into(),
            not_before: at(not_before.timestamp()),
            not_after: at(not_after.timestamp()),
            stapled_until,
            is_authority,
            print,
        })
    }

    /// Whether it is its own authority, as one is that stands in for another.
    pub fn is_self_signed(&self) -> bool {
        let parsed = self
            .key
            .cert
            .first()
            .and_then(|leaf| <X509Certificate<'_> as x509_parser::prelude::FromDer<_>>::from_der(leaf).ok());
        parsed.is_some_and(|(_, leaf)| leaf.subject() == leaf.issuer())
    }

    /// Whether a handshake with it takes long: a signature by RSA takes a millisecond and more.
    pub fn is_costly(&self) -> bool {
        self.algorithm() == SignatureAlgorithm::RSA
    }

    /// The kind of its key: clients take one certificate for each.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.key.key.algorithm()
    }
}

/// The certificates of a chain.
fn certificates(chain: &[u8]) -> Result<Vec<CertificateDer<'static>>, Complaint> {
    let ders = pem::read(chain, Wanted::Chain)?;
    if ders.len() > CHAIN_MAX {
        return Err(Complaint::new(format!("holds {} certificates, which is no chain", ders.len()))
            .hint("the certificate of the host and those of the authorities in between are all that belongs here"));
    }
    Ok(ders.into_iter().map(|(_, der)| CertificateDer::from(der)).collect())
}

fn key(key: &[u8]) -> Result<PrivateKeyDer<'static>, Flaw> {
    let mut keys = pem::read(key, Wanted::Key).map_err(Flaw::Key)?;
    if keys.len() > 1 {
        let complaint = Complaint::new(format!("holds {} keys", keys.len()));
        return Err(Flaw::Key(complaint.hint("leave that of the certificate alone in it")));
    }
    let key = keys.pop().and_then(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
    key.ok_or_else(|| Flaw::Key(Complaint::new("holds no private key")))
}

/// The key with the chain that it is for.
fn certified(
    ders: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    parsed: &[X509Certificate<'_>],
) -> Result<CertifiedKey, Flaw> {
    let key = provider().key_provider.load_private_key(key).map_err(|_| {
        Flaw::Key(
            Complaint::new("holds a key of a kind that cannot be used")
                .hint("make one with ECDSA (P-256, P-384 or P-521), with Ed25519, or with RSA of 2048 to 8192 bits"),
        )
    })?;
    let certified = CertifiedKey::new(ders, key);
    let Err(Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) = certified.keys_match() else {
        return Ok(certified);
    };
    let public = certified.key.public_key();
    let is_of = |certificate: &X509Certificate<'_>| {
        public.as_ref().is_some_and(|public| public.as_ref() == certificate.public_key().raw)
    };
    Err(match parsed.iter().position(is_of) {
        Some(place) => Flaw::Chain(
            Complaint::new(format!(
                "does not begin with the certificate of the key, which is the {}",
                self::chain::nth(place)
            ))
            .hint("the certificate of the host comes first, and after each the one that issued it"),
        ),
        None => Flaw::Pair(
            Complaint::new("is not the key of the certificate")
                .hint("both say the same in `openssl x509 -in CERT -noout -pubkey` and `openssl pkey -in KEY -pubout`"),
        ),
    })
}

/// What is said of a certificate that no client takes for that of a host.
fn nameless(leaf: &X509Certificate<'_>) -> Complaint {
    if leaf.is_ca() {
        return Complaint::new("holds the certificate of an authority, not of a host")
            .hint("name the file with the certificate that the authority issued");
    }
    let name = leaf.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).map(self::chain::short);
    let host = match name.as_deref() {
        Some(name) if name.parse::<IpAddr>().is_ok() => format!("IP:{name}"),
        Some(name) if HostPattern::parse(name).is_ok() => format!("DNS:{name}"),
        _ => "DNS:HOST".to_owned(),
    };
    let complaint = match name {
        Some(name) => Complaint::new(format!("is for no host: `{name}` is only its common name")),
        None => Complaint::new("is for no host"),
    };
    complaint
        .hint(format!("clients look at alternative names alone: make it anew with `-addext subjectAltName={host}`"))
}

/// One hash of several files.
pub(super) fn print(parts: &[&[u8]]) -> [u8; 32] {
    let mut print = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        print.update(&(part.len() as u64).to_be_bytes());
        print.update(part);
    }
    print.finish().as_ref().try_into().unwrap_or_default()
}

/// A time in seconds as others say it.
pub(super) fn at(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(seconds.unsigned_abs());
    let time =
        if seconds < 0 { SystemTime::UNIX_EPOCH.checked_sub(since) } else { SystemTime::UNIX_EPOCH.checked_add(since) };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}
