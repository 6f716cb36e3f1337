//! `tls` of a listener: the certificates that it presents, and what clients must prove.

use super::certificate::{CERTIFICATES, CertificateConfig, WrittenCertificate};
use super::declare::section;
use super::file_path::file;
use super::form::{self, Choice, Form, choice};
use super::node::Kind;
use super::section::Fields;
use super::shape::Shape;
use super::{Diagnostic, FilePath, Spanned};
use crate::tls::MinVersion;
use crate::value::Complaint;
use std::time::Duration;

/// What the lists of browsers ask of whoever wants to be on them.
const PRELOAD_AGE_MIN: Duration = Duration::from_secs(365 * 24 * 3600);

section! { "`tls` of a listener",
    /// TLS on a listener. What stands in the files it names is read when the document is loaded, and again when a file changes; a file
    /// that is wrong then changes nothing: what was served before stays.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct ListenerTlsConfig {
        /// The oldest version that is spoken: `"1.2"` or `"1.3"`. Anything older is spoken nowhere.
        "min_version" => min_version: MinVersion, default(MIN_VERSION, "\"1.2\"");
        /// What is presented. A client gets the certificate that has the name it asks for: by the name itself, or by a wildcard. The
        /// first one is for clients that ask for no name, or one that none has. Of several for one name, of which one has an ECDSA and
        /// one an RSA key, the client gets the one it understands.
        "certificates" => certificates: Vec<CertificateConfig>, list(CERTIFICATES, WrittenCertificate);
        /// The authorities of clients' certificates, PEM: mutual TLS. Off unless written: clients are not asked for a certificate.
        "client_ca" => client_ca: Option<Spanned<FilePath>>, optional(CLIENT_CA);
        /// What becomes of clients without a certificate: `required` refuses them, `optional` lets them in without an identity. A
        /// certificate that `client_ca` did not issue is refused either way. An error without `client_ca`.
        "client_auth" => client_auth: ClientAuth, default(CLIENT_AUTH, "required");
        /// Lists of clients' certificates that were revoked (CRL, PEM), of any of the authorities in `client_ca`. An error without
        /// `client_ca`.
        "client_crl" => client_crl: Option<Spanned<FilePath>>, optional(CLIENT_CRL);
        /// Whether clients that ask for no name, or for one that no certificate has, are refused, in place of being presented the first
        /// certificate.
        "strict_sni" => strict_sni: bool, default(form::BOOL, "false");
        /// Tells browsers to come by HTTPS only, with the header `Strict-Transport-Security`. Off unless written; `{}` is on with
        /// the defaults.
        "hsts" => hsts: Option<HstsConfig>, optional_section(HstsConfig);
        /// Longest time of a handshake, from the first byte of a connection to its first request.
        "handshake_timeout" => handshake_timeout: Duration, default(form::DURATION, "10s");
    }
    later []
    checked by clients
}

fn clients(config: &ListenerTlsConfig, fields: &Fields<'_, '_>) {
    if config.client_ca.is_some() || fields.place("client_ca").is_some() {
        return;
    }
    for key in ["client_auth", "client_crl"] {
        if let Some(at) = fields.place(key) {
            fields.reading.tell(
                Diagnostic::error(at, format!("`{key}` has no effect without `client_ca`"))
                    .label("clients are not asked for a certificate")
                    .hint("write the authorities of your clients, such as `client_ca: clients.pem`, or leave it out"),
            );
        }
    }
}

section! { "`hsts`",
    /// What the header `Strict-Transport-Security` of every answer says: a browser that has seen it comes back by HTTPS alone, also where a
    /// link says `http://`. It cannot be called back before `max_age` is over, so begin with a short one.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct HstsConfig {
        /// For how long browsers remember it; `0s` makes them forget.
        "max_age" => max_age: Duration, default(MAX_AGE, "365d");
        /// Whether it holds for all names below the host too, also for those that other machines serve.
        "include_subdomains" => include_subdomains: bool, default(form::BOOL, "false");
        /// Whether browsers may deliver it in their own list ([hstspreload.org](https://hstspreload.org)). Hard to undo. An error without
        /// `include_subdomains`, and with a `max_age` below `365d`.
        "preload" => preload: bool, default(form::BOOL, "false");
    }
    later []
    checked by hsts
}

fn hsts(config: &HstsConfig, fields: &Fields<'_, '_>) {
    let Some(at) = fields.place("preload").filter(|_| config.preload && fields.are_sound()) else { return };
    if !config.include_subdomains {
        fields.reading.tell(
            Diagnostic::error(at, "`preload` needs `include_subdomains`")
                .label("browsers' lists take no host without those below it")
                .hint("write `include_subdomains: true`, or leave `preload` out"),
        );
    }
    if config.max_age < PRELOAD_AGE_MIN {
        fields.reading.tell(
            Diagnostic::error(fields.place("max_age").unwrap_or(at), "`preload` needs a `max_age` of at least `365d`")
                .other(at, "browsers' lists take nothing shorter")
                .hint("write `365d`, or leave `preload` out"),
        );
    }
}

/// What becomes of clients without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// They are refused.
    Required,
    /// They have no identity.
    Optional,
}

impl Choice for ClientAuth {
    const WHAT: &'static str = "a demand on clients";
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("required", Some(ClientAuth::Required)), ("optional", Some(ClientAuth::Optional))];
}

const CLIENT_AUTH: Form<ClientAuth> = choice("`required` or `optional`", "optional");

const CLIENT_CA: Form<Spanned<FilePath>> = file("clients.pem");

const CLIENT_CRL: Form<Spanned<FilePath>> = file("clients.crl");

const MAX_AGE: Form<Duration> = Form { example: "730d", ..form::DURATION_OR_ZERO };

impl Choice for MinVersion {
    const WHAT: &'static str = "a version of TLS";
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("1.2", Some(MinVersion::Tls12)), ("1.3", Some(MinVersion::Tls13))];
}

pub(super) const MIN_VERSION: Form<MinVersion> = Form {
    form: "`\"1.2\"` or `\"1.3\"`",
    example: "\"1.3\"",
    shape: Shape::Choice(form::built::<MinVersion>),
    read: |node, reading| {
        if let Kind::List(_) = node.kind {
            let diagnostic = Diagnostic::error(node.at, "the oldest version stands here, and no list");
            reading.tell(diagnostic.hint("write `\"1.2\"`: what is newer is spoken as well"));
            return None;
        }
        reading.word(node, MinVersion::WHAT, min_version)
    },
};

fn min_version(text: &str) -> Result<MinVersion, Complaint> {
    let bare = text.to_ascii_lowercase();
    let bare = bare.trim_start_matches("tls").trim_start_matches(['v', ' ', '_', '-']);
    match bare {
        "1.2" | "1.3" if bare != text => {
            Err(Complaint::new(format!("`{text}` is not a version of TLS")).hint(format!("write `\"{bare}\"`")))
        }
        "1" | "1.0" | "1.1" => {
            Err(Complaint::new(format!("TLS {} is not spoken", if bare == "1" { "1.0" } else { bare }))
                .hint("it is no longer safe, and no browser speaks it since 2020: write `\"1.2\"`"))
        }
        _ => form::choose(text).map_err(|complaint| complaint.hint("write `\"1.2\"` or `\"1.3\"`")),
    }
}
