//! Which certificate a client is presented: by the host it names, and by the kinds of signature it understands.

use super::Challenges;
use super::server::{ACME, Presented, ServerTerms};
use crate::value::HostPattern;
use rustls::SignatureAlgorithm;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

thread_local! {
    /// The host that a client named to this thread: rustls shows it to who presents a certificate, and to nobody else.
    static NAMED: Cell<Option<Box<str>>> = const { Cell::new(None) };
}

/// The host that the client named whose hello this thread has just looked at.
pub(super) fn take_named() -> Option<Box<str>> {
    NAMED.take()
}

/// Chooses what is presented.
#[derive(Debug)]
pub(super) struct Presenter {
    certificates: Vec<Presented>,
    exact: HashMap<Box<str>, Vec<usize>>,
    /// By what follows the `*.`, which stands for one label.
    wildcard: HashMap<Box<str>, Vec<usize>>,
    /// For who names no host, or an unknown one.
    default: Option<Vec<usize>>,
    challenges: Arc<Challenges>,
}

impl Presenter {
    pub fn new(terms: &ServerTerms, challenges: &Arc<Challenges>) -> Presenter {
        let certificates = terms.certificates.clone();
        let (mut exact, mut wildcard) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        for (at, presented) in certificates.iter().enumerate() {
            let current;
            let hosts = match presented {
                Presented::Fixed(certificate) => &certificate.hosts,
                // what it is for is known before it is there
                Presented::Ordered(ordered) => {
                    current = ordered;
                    &current.hosts
                }
            };
            for host in hosts {
                let choices = match host {
                    HostPattern::Exact(name) => exact.entry(name.clone()).or_default(),
                    HostPattern::Wildcard(name) => wildcard.entry(name.clone()).or_default(),
                };
                choices.push(at);
            }
        }
        let cheap_first = |at: &usize| {
            certificates.get(*at).is_some_and(|c| c.current().key.key.algorithm() == SignatureAlgorithm::RSA)
        };
        for choices in exact.values_mut().chain(wildcard.values_mut()) {
            choices.sort_by_key(cheap_first);
            choices.dedup();
        }
        // the first certificate, and those for the same hosts with another kind of key
        let first = certificates.first().map(|first| {
            let hosts = |presented: &Presented| presented.current().hosts.clone();
            let mut alike: Vec<usize> =
                (0..certificates.len()).filter(|at| hosts(&certificates[*at]) == hosts(first)).collect();
            alike.sort_by_key(cheap_first);
            alike
        });
        let default = first.filter(|_| !terms.strict_sni);
        Presenter { certificates, exact, wildcard, default, challenges: Arc::clone(challenges) }
    }

    /// The places of the certificates for a host in lower case, the best kind first.
    pub fn choices(&self, host: Option<&str>) -> Option<&[usize]> {
        let named = host.and_then(|host| {
            let wildcard = || self.wildcard.get(host.split_once('.')?.1);
            self.exact.get(host).or_else(wildcard)
        });
        named.or(self.default.as_ref()).map(|choices| &**choices)
    }
}

impl ResolvesServerCert for Presenter {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // a name that ends in a dot is the same name, though it should not be sent so
        let host = hello.server_name().map(|name| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase());
        NAMED.set(host.as_deref().map(Into::into));
        // an authority that looks for a proof speaks nothing else
        if hello.alpn().is_some_and(|mut protocols| protocols.next() == Some(ACME) && protocols.next().is_none()) {
            return self.challenges.certificate(&host?);
        }
        let key = |at: &usize| Some(Arc::clone(&self.certificates.get(*at)?.current().key));
        let choices = self.choices(host.as_deref())?;
        let fits = |key: &Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let is_cheap = |key: &Arc<CertifiedKey>| key.key.algorithm() != SignatureAlgorithm::RSA;
        let mut usable = choices.iter().filter_map(key).filter(fits);
        // what was ordered is not of the kind that stood in for it when the choices were put in order
        let dear = usable.clone().next();
        // of none that fits rustls says that both sides have no kind of signature in common, rather than that nobody has that name
        usable.find(is_cheap).or(dear).or_else(|| choices.first().and_then(key))
    }
}
