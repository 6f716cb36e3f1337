//! Whether an endpoint is who it must be, and if not, why in words that say what to do.

use super::chain::address;
use super::chain::short;
use super::{Refused, provider};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use std::fmt;
use std::sync::Arc;
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};

/// Names of a certificate that are shown.
const NAMES_SHOWN: usize = 3;

/// Why a certificate is not believed, in words.
#[derive(Debug)]
pub(super) struct Distrust(String);

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Distrust {}

/// Believes those whom authorities vouch for.
#[derive(Debug)]
pub(super) struct Verifier {
    web: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
    /// The authorities are the document's, not the system's.
    own: bool,
}

impl Verifier {
    pub(super) fn new(roots: &Arc<RootCertStore>, own: bool) -> Result<Verifier, Refused> {
        if roots.is_empty() {
            return Err(Refused::unable("the file of `ca` was not read, or holds no certificate".into()));
        }
        let web = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider());
        Ok(Verifier { web: web.build().map_err(|e| Refused::unable(e.to_string()))?, roots: Arc::clone(roots), own })
    }

    /// The certificate is itself one of those that are written as `ca`, as self-signed ones must be. One that says it is an authority's is
    /// believed so too: tools make them that way.
    fn is_pinned(&self, leaf: &CertificateDer<'_>) -> bool {
        let mut alone = RootCertStore::empty();
        let pinned = |one: &rustls::pki_types::TrustAnchor<'_>| {
            let key = &one.subject_public_key_info;
            self.roots.roots.iter().any(|root| root.subject == one.subject && root.subject_public_key_info == *key)
        };
        self.own && alone.add(leaf.clone().into_owned()).is_ok() && alone.roots.first().is_some_and(pinned)
    }

    fn explain(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>, error: CertificateError) -> CertificateError {
        let Ok((_, parsed)) = X509Certificate::from_der(leaf) else { return error };
        let words = match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                not_for(&parsed, name)
            }
            CertificateError::UnknownIssuer | CertificateError::Other(_) if parsed.issuer() == parsed.subject() => {
                "its certificate is self-signed; if it is to be believed, write the file with it as `tls: { ca: FILE }`"
                    .to_owned()
            }
            CertificateError::UnknownIssuer => format!(
                "its certificate was issued by `{}`, {}; write the certificate of that authority into the file of `tls: {{ ca: FILE }}`, \
                 or have the endpoint send the certificates between that one and its own",
                short(&parsed.issuer().to_string()),
                if self.own { "for which the file of `ca` does not vouch" } else { "which this machine does not know" },
            ),
            error => return error,
        };
        CertificateError::Other(OtherError(Arc::new(Distrust(words))))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.web.verify_server_cert(leaf, between, name, stapled, now) {
            Err(Error::InvalidCertificate(CertificateError::Other(_) | CertificateError::UnknownIssuer))
                if self.is_pinned(leaf) =>
            {
                let named = ParsedCertificate::try_from(leaf).and_then(|parsed| verify_server_name(&parsed, name));
                in_time(leaf, now).and(named)
            }
            judged => judged.map(|_| ()),
        }
        .map(|()| ServerCertVerified::assertion())
        .map_err(|error| match error {
            Error::InvalidCertificate(error) => Error::InvalidCertificate(self.explain(leaf, name, error)),
            error => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.web.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.web.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.web.supported_verify_schemes()
    }
}

/// Believes anyone (`verify: false`), but that the endpoint has the key of its certificate is proven still.
#[derive(Debug)]
pub(super) struct Anyone(WebPkiSupportedAlgorithms);

impl Anyone {
    pub(super) fn new(provider: &CryptoProvider) -> Anyone {
        Anyone(provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

fn in_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else { return Err(CertificateError::BadEncoding.into()) };
    let at = |time: ASN1Time| {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0)))
    };
    let (not_before, not_after) = (at(parsed.validity().not_before), at(parsed.validity().not_after));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    Ok(())
}

fn not_for(leaf: &X509Certificate<'_>, name: &ServerName<'_>) -> String {
    let wanted = name.to_str();
    let names = names(leaf);
    let Some(first) = names.first() else {
        return format!(
            "its certificate names no host (a common name does not count), so it cannot prove to be {wanted}; have it issued with \
             that as an alternative name"
        );
    };
    let suggested = names.iter().find(|name| !name.starts_with('*'));
    let hint = match suggested {
        Some(name) => format!("write `tls: {{ sni: {name} }}` if that is meant"),
        None => format!("write the name that is meant, one that `{first}` covers, as `tls: {{ sni: NAME }}`"),
    };
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let mut shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    if more > 0 {
        shown += &format!(" and {more} more");
    }
    format!("its certificate is for {shown}, not for {wanted}; {hint}")
}

fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let names = leaf.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|extension| &extension.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(short(name)),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}
