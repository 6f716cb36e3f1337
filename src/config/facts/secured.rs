//! What holds of TLS and authorities.

use super::{Sink, list};
use crate::config::form::word;
use crate::config::{
    AuthorityConfig, CertificateConfig, CertificateFiles, ExternalAccountConfig, HstsConfig, ListenerTlsConfig,
    OrderedConfig, UpstreamTlsConfig,
};
use crate::value::display_duration;

/// The facts of a listener's TLS.
pub(super) fn listener(config: &ListenerTlsConfig, out: Sink<'_>) {
    let ListenerTlsConfig {
        min_version,
        certificates,
        client_ca,
        client_auth,
        client_crl,
        strict_sni,
        hsts,
        handshake_timeout,
    } = config;
    fact!(out, "tls.min_version", word(min_version));
    // in their order: the first is for who names no host
    for (number, certificate) in certificates.iter().enumerate() {
        match certificate {
            CertificateConfig::Files(CertificateFiles { cert, key, ocsp }) => {
                let ocsp = ocsp.as_ref().map_or_else(String::new, |ocsp| format!(", ocsp: {}", ocsp.value));
                fact!(
                    out,
                    "tls.certificates[{}]"(number),
                    format_args!("cert: {}, key: {}{ocsp}", cert.value, key.value)
                );
            }
            CertificateConfig::Ordered(OrderedConfig { authority, hosts }) => {
                let hosts = list(hosts.iter().map(|host| &host.value));
                fact!(out, "tls.certificates[{}]"(number), format_args!("acme: {}, hosts: {hosts}", authority.value));
            }
        }
    }
    if let Some(client_ca) = client_ca {
        fact!(out, "tls.client_ca", client_ca.value);
        fact!(out, "tls.client_auth", word(client_auth));
    }
    if let Some(client_crl) = client_crl {
        fact!(out, "tls.client_crl", client_crl.value);
    }
    fact!(out, "tls.strict_sni", strict_sni);
    if let Some(HstsConfig { max_age, include_subdomains, preload }) = hsts {
        fact!(out, "tls.hsts.max_age", display_duration(*max_age));
        fact!(out, "tls.hsts.include_subdomains", include_subdomains);
        fact!(out, "tls.hsts.preload", preload);
    }
    fact!(out, "tls.handshake_timeout", display_duration(*handshake_timeout));
}

/// The facts of an upstream's TLS.
pub(super) fn upstream(config: &UpstreamTlsConfig, out: Sink<'_>) {
    let UpstreamTlsConfig { sni, ca, cert, key, verify, min_version } = config;
    if let Some(sni) = sni {
        fact!(out, "tls.sni", sni.value);
    }
    if let Some(ca) = ca {
        fact!(out, "tls.ca", ca.value);
    }
    if let Some(cert) = cert {
        fact!(out, "tls.cert", cert.value);
    }
    if let Some(key) = key {
        fact!(out, "tls.key", key.value);
    }
    fact!(out, "tls.verify", verify);
    fact!(out, "tls.min_version", word(min_version));
}

/// The facts of an authority.
pub(super) fn authority(name: &str, config: &AuthorityConfig, out: Sink<'_>) {
    let AuthorityConfig {
        email,
        challenge,
        directory: _,
        staging: _,
        ca,
        dns_hook,
        dns_wait,
        key,
        external_account,
        profile,
    } = config;
    fact!(out, "acme.{}.directory"(name), config.directory());
    if let Some(email) = email {
        fact!(out, "acme.{}.email"(name), email);
    }
    fact!(out, "acme.{}.challenge"(name), word(challenge));
    if let Some(ca) = ca {
        fact!(out, "acme.{}.ca"(name), ca.value);
    }
    if let Some(dns_hook) = dns_hook {
        fact!(out, "acme.{}.dns_hook"(name), list(dns_hook));
        fact!(out, "acme.{}.dns_wait"(name), display_duration(*dns_wait));
    }
    fact!(out, "acme.{}.key"(name), word(key));
    if let Some(ExternalAccountConfig { key_id, key }) = external_account {
        fact!(out, "acme.{}.external_account.key_id"(name), key_id);
        fact!(out, "acme.{}.external_account.key"(name), key.value);
    }
    if let Some(profile) = profile {
        fact!(out, "acme.{}.profile"(name), profile);
    }
}
