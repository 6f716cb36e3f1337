//! What the gateway speaks TLS with to an upstream's endpoints.

use super::verify::{Anyone, Verifier};
use super::{Authorities, Certificate, HTTP1, MinVersion, Refused, provider, system};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Names whose sessions an upstream's TLS keeps, so that the next connection is made without a full handshake.
const SESSIONS_MAX: usize = 256;

/// What an upstream's TLS is made from.
#[derive(Clone, Debug)]
pub struct ClientTerms {
    pub min_version: MinVersion,
    /// The name that is asked for and must be proven; without it, the endpoint's own host or address.
    pub sni: Option<Box<str>>,
    /// Who is believed; without them, the system's authorities.
    pub authorities: Option<Arc<Authorities>>,
    /// What the gateway proves to be itself.
    pub certificate: Option<Arc<Certificate>>,
    /// Whether the endpoint must prove anything.
    pub verify: bool,
}

/// Tells connections apart that were made on different terms: they are never used for each other. 0 is plain text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(pub u32);

impl Mark {
    /// One that no other terms of this process have.
    fn fresh() -> Mark {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Mark(NEXT.fetch_add(1, Relaxed))
    }
}

/// What the gateway speaks TLS with to an upstream's endpoints, made once.
#[derive(Debug)]
pub struct ClientTls {
    pub terms: ClientTerms,
    pub mark: Mark,
    /// What rustls wants, or why there is none.
    pub(super) config: Result<Arc<ClientConfig>, Refused>,
}

impl ClientTls {
    /// Compiles the terms. Those of `before` are kept where they are the same, and with them its connections and sessions.
    pub fn new(terms: ClientTerms, before: Option<&Arc<ClientTls>>) -> Arc<ClientTls> {
        match before {
            Some(before) if before.config.is_ok() && terms.are(&before.terms) => Arc::clone(before),
            _ => {
                let config = terms.config().map(Arc::new);
                Arc::new(ClientTls { terms, mark: Mark::fresh(), config })
            }
        }
    }

    /// Why there can be no TLS on these terms, if so: every handshake fails, with this reason.
    pub fn flaw(&self) -> Option<&Refused> {
        self.config.as_ref().err()
    }

    /// The name that an endpoint must prove: `sni`, else its host as it is written, else its address. `None` when there is none.
    pub fn name(&self, host: Option<&str>, address: Option<IpAddr>) -> Option<ServerName<'static>> {
        match (self.terms.sni.as_deref().or(host), address) {
            (Some(name), _) => ServerName::try_from(name.to_owned()).ok(),
            (None, Some(address)) => Some(ServerName::from(address)),
            (None, None) => None,
        }
    }
}

impl ClientTerms {
    fn config(&self) -> Result<ClientConfig, Refused> {
        let verifier: Arc<dyn ServerCertVerifier> = match (self.verify, &self.authorities) {
            (false, _) => Arc::new(Anyone::new(&provider())),
            (true, Some(authorities)) => Arc::new(Verifier::new(&authorities.roots, true)?),
            (true, None) => Arc::new(Verifier::new(&system::authorities()?, false)?),
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.min_version.protocols())
            .map_err(|e| Refused::unable(e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.certificate {
            None => config.with_no_client_auth(),
            Some(own) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&own.key)))),
        };
        config.alpn_protocols = vec![HTTP1.to_vec()];
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        Ok(config)
    }

    /// Whether these are the same, down to what the files hold.
    fn are(&self, other: &ClientTerms) -> bool {
        let ClientTerms { min_version, sni, authorities, certificate, verify } = self;
        let print = |authorities: &Option<Arc<Authorities>>| authorities.as_ref().map(|a| a.print);
        let own = |certificate: &Option<Arc<Certificate>>| certificate.as_ref().map(|c| c.print);
        *min_version == other.min_version
            && *sni == other.sni
            && print(authorities) == print(&other.authorities)
            && own(certificate) == own(&other.certificate)
            && *verify == other.verify
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> ClientTerms {
        ClientTerms { min_version: MinVersion::Tls12, sni: None, authorities: None, certificate: None, verify: false }
    }

    #[test]
    fn terms_that_did_not_change_keep_their_mark_and_others_get_one_of_their_own() {
        let first = ClientTls::new(terms(), None);
        let same = ClientTls::new(terms(), Some(&first));
        assert!(Arc::ptr_eq(&first, &same));
        let named = ClientTls::new(ClientTerms { sni: Some("a.test".into()), ..terms() }, Some(&first));
        let newer = ClientTls::new(ClientTerms { min_version: MinVersion::Tls13, ..terms() }, Some(&first));
        let marks = [Mark::default(), first.mark, named.mark, newer.mark];
        for (n, mark) in marks.iter().enumerate() {
            assert!(!marks[..n].contains(mark), "{marks:?}");
        }
    }

    #[test]
    fn an_endpoint_proves_the_name_that_is_written_else_its_host_else_its_address() {
        let of = |sni: Option<&str>| ClientTls::new(ClientTerms { sni: sni.map(Into::into), ..terms() }, None);
        let ip = IpAddr::from([10, 0, 0, 1]);
        let address = Some(ip);
        let said = |name: Option<ServerName<'static>>| name.map(|n| n.to_str().into_owned());
        assert_eq!(said(of(Some("a.test")).name(Some("b.test"), address)).as_deref(), Some("a.test"));
        assert_eq!(said(of(None).name(Some("user_service"), address)).as_deref(), Some("user_service"));
        assert_eq!(of(None).name(None, address), Some(ServerName::from(ip)));
        assert_eq!(of(None).name(None, None), None);
    }
}
