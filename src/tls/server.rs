//! What a listener speaks TLS with: which certificate for which host, who must prove to be who, which sessions may go on.

use super::presenter::Presenter;
use super::{Authorities, Certificate, Challenges, MinVersion, Ordered, Revocations, provider};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientCertVerifierBuilder, NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What HTTP/1 is called when a protocol is agreed on.
pub const HTTP1: &[u8] = b"http/1.1";
/// What an authority speaks that looks for a proof (RFC 8737).
pub const ACME: &[u8] = b"acme-tls/1";

/// What a listener's TLS is made from.
#[derive(Clone, Debug)]
pub struct ServerTerms {
    pub min_version: MinVersion,
    /// In the order of the document: the first is for who names no host, or an unknown one.
    pub certificates: Vec<Presented>,
    /// Who must prove to be who, if anybody.
    pub clients: Option<Clients>,
    /// Who names no host, or an unknown one, is refused.
    pub strict_sni: bool,
}

/// A certificate that is presented.
#[derive(Clone, Debug)]
pub enum Presented {
    /// From files.
    Fixed(Arc<Certificate>),
    /// From an authority.
    Ordered(Arc<Ordered>),
}

impl Presented {
    /// What is presented now.
    pub fn current(&self) -> Arc<Certificate> {
        match self {
            Presented::Fixed(certificate) => Arc::clone(certificate),
            Presented::Ordered(ordered) => ordered.current(),
        }
    }
}

/// What clients prove.
#[derive(Clone, Debug)]
pub struct Clients {
    pub authorities: Arc<Authorities>,
    pub revoked: Option<Arc<Revocations>>,
    /// Who has no certificate is refused.
    pub required: bool,
}

/// What a listener speaks TLS with.
pub struct ServerTls {
    pub terms: ServerTerms,
    /// Tells apart what clients had to prove: another number, another policy. 0 is plain text.
    pub number: u32,
    pub(super) config: Arc<ServerConfig>,
    presenter: Arc<Presenter>,
    tickets: Arc<dyn ProducesTickets>,
    /// One of the certificates from files makes handshakes costly.
    costly: bool,
}

impl ServerTls {
    /// Compiles the terms. Where clients have to prove the same as `before`, the sessions of then can go on.
    ///
    /// # Errors
    /// In words, when the authorities or their lists are of no use to rustls, or the system gives no randomness.
    pub fn new(
        terms: ServerTerms,
        challenges: &Arc<Challenges>,
        before: Option<&ServerTls>,
    ) -> Result<ServerTls, String> {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        let kept = before.filter(|before| same_clients(before.terms.clients.as_ref(), terms.clients.as_ref()));
        // a session says nothing of what its client had to prove: whoever must prove more cannot go on with one of before
        let (number, tickets) = match kept {
            Some(before) => (before.number, Arc::clone(&before.tickets)),
            None => (NUMBERS.fetch_add(1, Ordering::Relaxed), Ticketer::new().map_err(|e| e.to_string())?),
        };
        let presenter = Arc::new(Presenter::new(&terms, challenges));
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(terms.min_version.protocols())
            .map_err(|e| e.to_string())?;
        let builder = match &terms.clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(verifier(clients)?.build().map_err(|e| e.to_string())?),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&presenter) as _);
        // the listener that an authority looks at may not be the one that presents what is ordered
        config.alpn_protocols = vec![HTTP1.to_vec(), ACME.to_vec()];
        config.ticketer = Arc::clone(&tickets);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let costly = terms.certificates.iter().any(|c| matches!(c, Presented::Fixed(fixed) if fixed.is_costly()));
        Ok(ServerTls { terms, number, config: Arc::new(config), presenter, tickets, costly })
    }

    /// Clients have to prove something here, and not the same as they had to `before`, on another listener or in plain text.
    pub fn demands_other_than(&self, before: Option<&ServerTls>) -> bool {
        let clients = self.terms.clients.as_ref();
        clients.is_some() && !same_clients(clients, before.and_then(|before| before.terms.clients.as_ref()))
    }

    /// A handshake may take milliseconds of a core.
    pub fn is_costly(&self) -> bool {
        // what is ordered may be of another kind than what stood in for it
        let ordered = |presented: &Presented| matches!(presented, Presented::Ordered(o) if o.is_costly());
        self.costly || self.terms.certificates.iter().any(ordered)
    }

    /// Whether both hosts are presented the same certificates.
    pub fn same_certificate(&self, one: &str, other: &str) -> bool {
        self.presenter.choices(Some(one)) == self.presenter.choices(Some(other))
    }

    /// What a client is presented that names `host`, or none; the best kind first. Nothing when it is refused.
    pub fn presented(&self, host: Option<&str>) -> Vec<&Presented> {
        let choices = self.presenter.choices(host).unwrap_or_default();
        choices.iter().filter_map(|at| self.terms.certificates.get(*at)).collect()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("terms", &self.terms).finish_non_exhaustive()
    }
}

fn verifier(clients: &Clients) -> Result<ClientCertVerifierBuilder, String> {
    let Clients { authorities, revoked, required } = clients;
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&authorities.roots), provider());
    if let Some(revoked) = revoked {
        // who is not on any list's ground is believed: lists come for some authorities only
        verifier = verifier.with_crls(revoked.lists.iter().cloned()).allow_unknown_revocation_status();
    }
    Ok(if *required { verifier } else { verifier.allow_unauthenticated() })
}

fn same_clients(one: Option<&Clients>, other: Option<&Clients>) -> bool {
    let print = |clients: &Clients| {
        let Clients { authorities, revoked, required } = clients;
        (authorities.print, revoked.as_ref().map(|revoked| revoked.print), *required)
    };
    one.map(print) == other.map(print)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};

    fn made(kind: &'static SignatureAlgorithm) -> Certificate {
        let key = KeyPair::generate_for(kind).expect("a key");
        let params = CertificateParams::new(vec!["a.example".to_owned()]).expect("parameters");
        let chain = params.self_signed(&key).expect("a certificate").pem();
        Certificate::read(chain.as_bytes(), key.serialize_pem().as_bytes(), None).expect("a pair that fits")
    }

    #[test]
    fn a_handshake_is_as_costly_as_what_is_presented_by_now() {
        let stand_in = made(&PKCS_ECDSA_P256_SHA256);
        let order = Arc::new(Ordered::new("test", &stand_in.hosts.clone(), stand_in));
        let terms = ServerTerms {
            min_version: MinVersion::default(),
            certificates: vec![Presented::Ordered(Arc::clone(&order))],
            clients: None,
            strict_sni: false,
        };
        let tls = ServerTls::new(terms, &Arc::default(), None).expect("terms that are good");
        assert!(!tls.is_costly());
        order.present(made(&PKCS_RSA_SHA256));
        assert!(tls.is_costly());
    }
}
