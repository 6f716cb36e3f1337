//! What a question says of TLS: which connection a client would make for it, and what it would be presented there.

use super::Question;
use crate::http::secured::Secured;
use crate::table::Listener;
use crate::telemetry::rfc3339;
use crate::tls::{Certificate, Presented, ServerTls};

/// The suite that clients and the gateway agree on as a rule.
const CIPHER: &str = "TLS_AES_256_GCM_SHA384";

impl Question {
    /// What is known of the connection of a client that asks so by `listener`; nothing in plain text.
    pub(super) fn secured<'q>(&'q self, listener: &Listener) -> Option<Secured<'q>> {
        let server_name = self.server_name();
        let terms = listener.tls.as_ref().map_or(0, |tls| tls.server.number);
        listener.secure.then_some(Secured { version: "1.3", cipher: CIPHER, server_name, client: None, terms })
    }

    /// The host that a client names when it connects: that of the URL, unless it is an address.
    pub(super) fn server_name(&self) -> Option<&str> {
        let authority = self.url().ok()?.authority?;
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let host = host.strip_suffix('.').unwrap_or(host);
        let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        (!is_address && !host.is_empty()).then_some(host)
    }

    /// The certificate that a client is presented, in words.
    pub fn presented(&self, tls: &ServerTls) -> String {
        let name = self.server_name().map(str::to_ascii_lowercase);
        match tls.presented(name.as_deref()).first() {
            Some(presented) => said(presented, &presented.current()),
            None => "none: a client that asks for this name is refused (`strict_sni`)".to_owned(),
        }
    }
}

fn said(presented: &Presented, certificate: &Certificate) -> String {
    let Certificate { subject, not_after, .. } = certificate;
    let from = match presented {
        Presented::Fixed(_) => String::new(),
        Presented::Ordered(ordered) => format!(", ordered from `{}`", ordered.authority),
    };
    format!("{subject}, until {}{from}", rfc3339(*not_after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_names_the_host_of_its_url_but_no_address() {
        for (url, name) in [
            ("https://a.example:8443/x", Some("a.example")),
            ("https://a.example./x", Some("a.example")),
            ("https://127.0.0.1:8443/", None),
            ("https://[::1]:8443/", None),
            ("/x", None),
        ] {
            assert_eq!(Question::get(url).server_name(), name, "{url}");
        }
    }
}
