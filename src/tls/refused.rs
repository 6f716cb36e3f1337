//! Why there is no TLS with an endpoint: in words that name the cause and what to do about it.

use super::{ClientTls, MinVersion};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use std::fmt;
use std::time::{Duration, SystemTime};

/// Why there is no TLS with an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the endpoint was asked on, which the cause may lie in.
pub(super) struct Asked<'a> {
    pub tls: &'a ClientTls,
    pub name: &'a ServerName<'static>,
    /// The first bytes that came from it.
    pub first: &'a [u8],
}

impl Refused {
    /// The gateway itself cannot do what it is to.
    pub(super) fn unable(why: String) -> Refused {
        Refused(why)
    }

    /// It has no name that it could prove.
    pub fn nameless() -> Refused {
        Refused("it has no name that it could prove to have; write one as `tls: { sni: NAME }`".into())
    }

    /// Its connection was closed before the handshake was over.
    pub(super) fn closed(asked: &Asked<'_>) -> Refused {
        let hint = asked.nameless().unwrap_or("look at its log, and whether it speaks TLS on this port");
        Refused(format!("it closed the connection during the handshake; {hint}"))
    }

    /// Its connection failed before the handshake was over.
    pub(super) fn lost(error: &std::io::Error) -> Refused {
        Refused(format!("the connection failed during the handshake: {error}"))
    }

    /// The handshake was not over in time.
    pub fn stalled() -> Refused {
        Refused(
            "it did not end the handshake in time; look whether it speaks TLS on this port, and is not overloaded"
                .into(),
        )
    }

    pub(super) fn because(error: &Error, asked: &Asked<'_>) -> Refused {
        Refused(match error {
            Error::InvalidCertificate(error) => certificate(error),
            Error::AlertReceived(alert) => asked.alert(*alert),
            Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::SupportedVersionsExtensionRequired,
            ) => asked.version(),
            Error::InvalidMessage(_) if asked.first.starts_with(b"HTTP/") => {
                "it speaks HTTP without TLS on this port; write the port where it speaks TLS, or leave `tls` out".into()
            }
            Error::InvalidMessage(_) if asked.first.first().is_none_or(|kind| !(20..=23).contains(kind)) => {
                "what it answers is no TLS; look whether this is the right port".into()
            }
            Error::NoApplicationProtocol => no_http().into(),
            other => format!("{other}"),
        })
    }
}

impl Asked<'_> {
    fn version(&self) -> String {
        match self.tls.terms.min_version {
            MinVersion::Tls12 => {
                "it speaks neither TLS 1.2 nor TLS 1.3, and older versions are not safe; update it".into()
            }
            MinVersion::Tls13 => {
                "it does not speak TLS 1.3; update it, or write `tls: { min_version: \"1.2\" }`".into()
            }
        }
    }

    fn alert(&self, alert: AlertDescription) -> String {
        let own = self.tls.terms.certificate.is_some();
        match alert {
            AlertDescription::ProtocolVersion => self.version(),
            AlertDescription::NoApplicationProtocol => no_http().into(),
            AlertDescription::UnrecognisedName => match self.nameless() {
                Some(hint) => format!("it refused the handshake; {hint}"),
                None => format!(
                    "it serves no host {}; write one that it serves as `tls: {{ sni: NAME }}`",
                    self.name.to_str()
                ),
            },
            alert if is_of_certificate(alert) && own => format!(
                "it does not accept the gateway's certificate ({}); look at the file of `tls.cert`, and at whom the endpoint believes",
                words(alert)
            ),
            alert if is_of_certificate(alert) => {
                "it wants a certificate of the gateway; write `tls: { cert: FILE, key: FILE }`".into()
            }
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
                let mut causes = vec!["it has no cipher or key exchange that the gateway has too"];
                if !own {
                    causes.push("or wants a certificate of the gateway (`tls: { cert: FILE, key: FILE }`)");
                }
                causes.extend(self.nameless().map(|_| "or a server name (`tls: { sni: NAME }`)"));
                format!("it refused the handshake: {}", causes.join(", "))
            }
            alert => {
                let hint = self.nameless().unwrap_or("its log says more");
                format!("it refused the handshake ({}); {hint}", words(alert))
            }
        }
    }

    /// What may help an endpoint that was sent no server name.
    fn nameless(&self) -> Option<&'static str> {
        matches!(self.name, ServerName::IpAddress(_)).then_some(
            "it was sent no server name, since it is written as an address: if it wants one, write `tls: { sni: NAME }`",
        )
    }
}

/// An endpoint sends this where it does not accept what the gateway proves, or misses it.
pub(super) fn is_of_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

fn no_http() -> &'static str {
    "it does not speak HTTP/1.1 over TLS (ALPN)"
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Other(other) => other.to_string(),
        CertificateError::Expired => "its certificate has expired; renew it there".into(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate expired on {}; renew it there", date(*not_after))
        }
        CertificateError::NotValidYet => "its certificate is not valid yet; compare the clocks".into(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate is not valid before {}; compare the clocks", date(*not_before))
        }
        CertificateError::Revoked => "its certificate was revoked; have a new one issued".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not one for servers; have one issued with the purpose `serverAuth`".into()
        }
        CertificateError::BadEncoding => "its certificate cannot be read; have a new one issued".into(),
        CertificateError::BadSignature => {
            "its certificate, or one between it and the authority, is not signed as it says; look at the chain it sends"
                .into()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}

fn date(at: UnixTime) -> String {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.as_secs());
    let mut text = crate::telemetry::rfc3339(at);
    text.truncate("2026-01-31".len());
    text
}

/// An alert's name as its standard writes it: `certificate_required`.
fn words(alert: AlertDescription) -> String {
    let Some(name) = alert.as_str() else { return format!("alert {}", u8::from(alert)) };
    let mut text = String::from("alert ");
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() && !name[..at].ends_with(|c: char| c.is_ascii_uppercase()) {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
