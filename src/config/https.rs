//! What TLS means between sections: redirects that lead nowhere, certificates that no authority could issue.

use super::acme::LETSENCRYPT;
use super::certificate::twice;
use super::reading::Reading;
use super::suggest::{self, shown};
use super::{AuthorityConfig, CertificateConfig, ChallengeKind, Diagnostic, Document, OrderedConfig, Span};
use crate::value::HostPattern;
use std::collections::HashMap;

/// Complains about everything that is wrong with TLS between sections.
pub(super) fn document(document: &Document, reading: &Reading<'_>) {
    redirects(document, reading);
    authorities(document, reading);
    for (_, listener) in document.listeners.iter() {
        let mut seen: HashMap<&HostPattern, Span> = HashMap::new();
        let certificates = listener.tls.iter().flat_map(|tls| &tls.certificates);
        for certificate in certificates {
            let CertificateConfig::Ordered(ordered) = certificate else { continue };
            order(ordered, document, reading);
            for host in &ordered.hosts {
                match seen.get(&host.value) {
                    Some(first) => twice(host, *first, reading),
                    None => _ = seen.insert(&host.value, host.at),
                }
            }
        }
    }
}

fn redirects(document: &Document, reading: &Reading<'_>) {
    let redirecting = document.listeners.entries().iter().filter(|(_, listener)| listener.redirect_to_https);
    // one that could not be read may have it
    let has_tls =
        document.listeners.has_unread() || document.listeners.iter().any(|(_, listener)| listener.tls.is_some());
    for (name, _) in redirecting.filter(|_| !has_tls) {
        reading.tell(
            Diagnostic::error(name.at, format!("`{}` redirects to HTTPS, and no listener has `tls`", name.value))
                .label("every request would lead to nothing")
                .hint("write another listener with `tls`, or leave `redirect_to_https` out"),
        );
    }
    for route in &document.routes {
        let redirects = |name: &str| document.listeners.get(name).is_some_and(|listener| listener.redirect_to_https);
        let Some([first, rest @ ..]) = route.listeners.as_deref() else { continue };
        if redirects(first) && rest.iter().all(|name| redirects(name)) {
            let message = format!("the route `{}` never gets a request", shown(&route.name()));
            reading.tell(
                Diagnostic::error(first.at, message)
                    .label("redirects every request to HTTPS before any route is looked for")
                    .hint("name a listener with `tls`, or leave `listeners` out for all of them"),
            );
        }
    }
}

fn authorities(document: &Document, reading: &Reading<'_>) {
    for (name, authority) in document.acme.entries() {
        if authority.directory.is_some() || &*name.value == LETSENCRYPT {
            continue;
        }
        let diagnostic = Diagnostic::error(name.at, format!("the authority `{}` needs `directory`", name.value));
        let near = suggest::nearest(&name.value, [LETSENCRYPT]).is_some();
        reading.tell(match near || authority.staging {
            true => diagnostic.hint(format!("call it `{LETSENCRYPT}`: that one needs none")),
            false => diagnostic.hint("write for example `directory: https://acme.example.com/directory`"),
        });
    }
    let answers =
        document.listeners.has_unread() || document.listeners.iter().any(|(_, listener)| listener.tls.is_none());
    for (name, authority) in document.acme.entries() {
        if authority.challenge == ChallengeKind::Http01
            && !answers
            && orders(document).any(|order| order.authority.value == name.value)
        {
            reading.tell(
                Diagnostic::error(
                    name.at,
                    format!("`{}` proves hosts by `http-01`, and every listener has `tls`", name.value),
                )
                .label("it asks over plain HTTP, on port 80")
                .hint(
                    "add a listener `{ address: \":80\", redirect_to_https: true }`, or write `challenge: tls-alpn-01`",
                ),
            );
        }
    }
}

/// Every certificate that is ordered.
pub(super) fn orders(document: &Document) -> impl Iterator<Item = &OrderedConfig> {
    let terms = document.listeners.iter().filter_map(|(_, listener)| listener.tls.as_ref());
    terms.flat_map(|tls| &tls.certificates).filter_map(|certificate| match certificate {
        CertificateConfig::Ordered(ordered) => Some(ordered),
        CertificateConfig::Files(_) => None,
    })
}

fn order(OrderedConfig { authority, hosts }: &OrderedConfig, document: &Document, reading: &Reading<'_>) {
    if !document.acme.knows(authority) {
        let diagnostic = Diagnostic::error(authority.at, format!("no authority named `{}`", shown(authority)));
        let known = suggest::hint(authority, document.acme.names()).filter(|_| !reading.is_full());
        let hint = match known {
            _ if &*authority.value == LETSENCRYPT => {
                format!("define it: `acme: {{ {LETSENCRYPT}: {{ email: ops@example.com }} }}`")
            }
            Some(hint) => hint,
            None => "define it below `acme:`".to_owned(),
        };
        reading.tell(diagnostic.hint(hint));
    }
    let Some(AuthorityConfig { challenge, .. }) = document.acme.get(authority) else { return };
    for host in hosts.iter().filter(|host| matches!(host.value, HostPattern::Wildcard(_))) {
        if *challenge != ChallengeKind::Dns01 {
            reading.tell(
                Diagnostic::error(host.at, format!("`{}` needs an authority with `challenge: dns-01`", host.value))
                    .label("who owns all names below a host is seen in the DNS alone")
                    .hint(format!("write it for `{}`, or order each name by itself", authority.value)),
            );
        }
    }
}
