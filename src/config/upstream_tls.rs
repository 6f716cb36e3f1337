//! `tls` of an upstream: how its endpoints are spoken to, and what they must prove.

use super::declare::section;
use super::file_path::file;
use super::form::{self, Form};
use super::section::Fields;
use super::shape::Shape;
use super::tls::MIN_VERSION;
use super::tls_lints::UNVERIFIED_UPSTREAM;
use super::{CertificateFiles, Diagnostic, FilePath, Spanned};
use crate::tls::MinVersion;
use crate::value::{Complaint, HostPattern};

section! { "`tls` of an upstream",
    /// TLS to the endpoints of an upstream; `{}` is on with the defaults. Each endpoint must prove to be the host that was asked for, and
    /// nothing falls back to less: what cannot be proven is a failed attempt, with a reason of its own.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct UpstreamTlsConfig {
        /// The name that is asked for, and that the endpoints must prove. Left out: the host of each endpoint as it is written, or its
        /// address. A Unix socket has neither. Beside `discover` with `dns` it is the name that is written there, with `srv` the domain after
        /// `_service._tcp.`, since what the records say anybody on the way could have said.
        "sni" => sni: Option<Spanned<Box<str>>>, optional(SNI);
        /// The authorities that are believed, PEM. Left out: those that the system believes.
        "ca" => ca: Option<Spanned<FilePath>>, optional(CA);
        /// The certificate with which the gateway proves who it is, and after it those of the authorities in between, PEM. Needs `key`.
        "cert" => cert: Option<Spanned<FilePath>>, optional(CERT);
        /// The private key of `cert`, PEM, not encrypted.
        "key" => key: Option<Spanned<FilePath>>, optional(KEY);
        /// Whether endpoints must prove who they are. With `false` whoever is in the way can read and change everything, without
        /// anyone noticing: it is for trials.
        "verify" => verify: bool, default(VERIFY, "true");
        /// The oldest version that is spoken: `"1.2"` or `"1.3"`.
        "min_version" => min_version: MinVersion, default(MIN_VERSION, "\"1.2\"");
    }
    later []
    checked by terms
}

impl UpstreamTlsConfig {
    /// The files of what the gateway proves to be itself with.
    pub fn certificate(&self) -> Option<CertificateFiles> {
        let (cert, key) = self.cert.clone().zip(self.key.clone())?;
        Some(CertificateFiles { cert, key, ocsp: None })
    }
}

fn terms(config: &UpstreamTlsConfig, fields: &Fields<'_, '_>) {
    for (key, other) in [("cert", "key"), ("key", "cert")] {
        if let (Some(at), None) = (fields.place(key), fields.place(other)) {
            fields.reading.tell(
                Diagnostic::error(at, format!("`{key}` needs `{other}` beside it")).hint(format!(
                    "write for example `{other}: gateway.{}`",
                    if other == "key" { "key" } else { "crt" }
                )),
            );
        }
    }
    let Some(at) = fields.place("verify").filter(|_| !config.verify) else { return };
    fields.useless("ca", "verify", "verify: false", "nobody's word is asked for");
    if fields.are_sound() {
        fields.reading.tell(
            Diagnostic::warning(&UNVERIFIED_UPSTREAM, at, "nobody checks who the endpoints are")
                .label("whoever is in the way reads and changes everything")
                .hint("write `ca: FILE` with the authority of the endpoints, and `sni: NAME` where their names differ"),
        );
    }
}

const VERIFY: Form<bool> = Form { example: "false", ..form::BOOL };

const CA: Form<Spanned<FilePath>> = file("services.pem");

const CERT: Form<Spanned<FilePath>> = file("gateway.crt");

const KEY: Form<Spanned<FilePath>> = file("gateway.key");

const SNI: Form<Spanned<Box<str>>> = Form {
    form: "a host name",
    example: "app.internal",
    shape: Shape::Word(r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$"),
    read: |node, reading| reading.spanned(node, "a host name", sni),
};

fn sni(text: &str) -> Result<Box<str>, Complaint> {
    let name = match HostPattern::parse(text) {
        Ok(HostPattern::Exact(name)) => name,
        Ok(HostPattern::Wildcard(_)) => {
            return Err(Complaint::new(format!("`{text}` is many names"))
                .hint("write the one name that the endpoints prove, such as `app.internal`"));
        }
        Err(complaint) => {
            let hint = complaint.hint.filter(|hint| !hint.contains("`host`") && !hint.contains("host:"));
            let hint = hint.or_else(|| Some("write for example `app.internal`".to_owned()));
            return Err(Complaint { message: format!("`{text}` is not a host name"), hint, part: complaint.part });
        }
    };
    if name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(Complaint::new(format!("`{text}` is an address, which is no name to ask for"))
            .hint("leave `sni` out: an endpoint that is written as an address proves its address"));
    }
    Ok(name)
}
