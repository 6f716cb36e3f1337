//! What a listener speaks TLS with, from the document and what its files hold.

use super::{Listener, ListenerTls, Table};
use crate::acme;
use crate::config::{CertificateConfig, ClientAuth, ListenerConfig, ListenerTlsConfig, Material, OrderedConfig};
use crate::tls::{Challenges, Clients, Ordered, Presented, ServerTerms, ServerTls};
use crate::value::HostPattern;
use std::sync::Arc;

/// Makes the TLS of listeners.
pub(super) struct Secure<'a> {
    material: &'a Material,
    challenges: &'a Arc<Challenges>,
    /// Orders there are: those of the table before, and those of this one so far.
    orders: Vec<Arc<Ordered>>,
}

impl<'a> Secure<'a> {
    pub fn new(material: &'a Material, challenges: &'a Arc<Challenges>, before: Option<&Table>) -> Secure<'a> {
        let orders = before.iter().flat_map(|table| table.orders()).collect();
        Secure { material, challenges, orders }
    }

    /// What a listener speaks TLS with, if it does. Without the files of a certificate, where a document is only looked at, there is
    /// nothing to speak it with: whoever serves refuses its clients then.
    pub fn listener(
        &mut self,
        config: &ListenerConfig,
        before: Option<&Listener>,
    ) -> Result<Option<Box<ListenerTls>>, String> {
        let Some(config) = &config.tls else { return Ok(None) };
        let Some(terms) = self.terms(config)? else { return Ok(None) };
        let before = before.and_then(|listener| listener.tls.as_ref()).map(|tls| &*tls.server);
        let server = Arc::new(ServerTls::new(terms, self.challenges, before)?);
        Ok(Some(Box::new(ListenerTls { server, handshake_timeout: config.handshake_timeout.into() })))
    }

    fn terms(&mut self, config: &ListenerTlsConfig) -> Result<Option<ServerTerms>, String> {
        let ListenerTlsConfig {
            min_version,
            certificates,
            client_ca,
            client_auth,
            client_crl,
            strict_sni,
            hsts: _,
            handshake_timeout: _,
        } = config;
        let mut presented = Vec::new();
        for certificate in certificates {
            presented.push(match certificate {
                CertificateConfig::Ordered(order) => Presented::Ordered(self.order(order)?),
                CertificateConfig::Files(files) => match self.material.certificate(files) {
                    Some(certificate) => Presented::Fixed(Arc::clone(certificate)),
                    None => return Ok(None),
                },
            });
        }
        let clients = match client_ca {
            None => None,
            Some(file) => {
                let Some(authorities) = self.material.authorities(file) else { return Ok(None) };
                let revoked = match client_crl {
                    None => None,
                    Some(file) => match self.material.revocations(file) {
                        None => return Ok(None),
                        revoked => revoked.cloned(),
                    },
                };
                let required = *client_auth == ClientAuth::Required;
                Some(Clients { authorities: Arc::clone(authorities), revoked, required })
            }
        };
        let strict_sni = *strict_sni;
        Ok(Some(ServerTerms { min_version: *min_version, certificates: presented, clients, strict_sni }))
    }

    /// The order for these hosts, one for all listeners.
    fn order(&mut self, config: &OrderedConfig) -> Result<Arc<Ordered>, String> {
        let hosts: Vec<HostPattern> = config.hosts.iter().map(|host| host.value.clone()).collect();
        let same = |order: &&Arc<Ordered>| *order.authority == **config.authority && *order.hosts == *hosts;
        if let Some(order) = self.orders.iter().find(same) {
            return Ok(Arc::clone(order));
        }
        let stand_in = acme::stand_in(&hosts).map_err(|flaw| flaw.to_string())?;
        let order = Arc::new(Ordered::new(&config.authority, &hosts, stand_in));
        self.orders.push(Arc::clone(&order));
        Ok(order)
    }
}
