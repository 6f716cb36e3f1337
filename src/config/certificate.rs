//! `certificates`: what a listener presents, from files or from an authority that issues it on order.

use super::declare::section;
use super::file_path::file;
use super::form::{Form, HOST, NAME};
use super::node::Node;
use super::reading::Reading;
use super::section::{Fields, Sectioned};
use super::shape::Shape;
use super::{Diagnostic, FilePath, Span, Spanned};
use crate::value::{Complaint, HostPattern};

/// The most certificates of one listener.
const CERTIFICATES_MAX: usize = 10_000;
/// The most hosts of one order; authorities take no more.
const HOSTS_MAX: usize = 100;

/// A certificate that a listener presents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CertificateConfig {
    /// From files.
    Files(CertificateFiles),
    /// From an authority.
    Ordered(OrderedConfig),
}

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The certificate and its chain, PEM.
    pub cert: Spanned<FilePath>,
    /// Its private key, PEM.
    pub key: Spanned<FilePath>,
    /// The response to staple, DER.
    pub ocsp: Option<Spanned<FilePath>>,
}

/// A certificate that is ordered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderedConfig {
    /// The name of an entry of `acme`.
    pub authority: Spanned<Box<str>>,
    /// The hosts it is for, at least one.
    pub hosts: Vec<Spanned<HostPattern>>,
}

section! { "a certificate",
    /// A certificate, from files (`cert` and `key`) or from an authority that issues it on order (`acme` and `hosts`). What the files hold is
    /// checked when the document is loaded: the key must be that of the certificate, the chain in order and whole.
    pub struct WrittenCertificate {
        /// A file with the certificate, and after it those of the authorities in between: PEM, the certificate of the host first. The hosts it is
        /// for are its alternative names.
        "cert" => cert: Option<Spanned<FilePath>>, optional(CERT);
        /// The file with the private key of the certificate, PEM, not encrypted. Nobody but the gateway should be able to read it. An error
        /// without `cert`.
        "key" => key: Option<Spanned<FilePath>>, optional(KEY);
        /// A file with the authority's word that the certificate is not revoked, an OCSP response in DER, which is stapled to handshakes.
        /// Whatever fetches it writes it anew in time. An error without `cert`.
        "ocsp" => ocsp: Option<Spanned<FilePath>>, optional(OCSP);
        /// The authority that issues the certificate: an entry of `acme`. It is ordered when the gateway runs, and again before it expires; until
        /// the first one comes, a self-signed one stands in for it.
        "acme" => acme: Option<Spanned<Box<str>>>, optional(AUTHORITY);
        /// The hosts that the ordered certificate is for, all in one. Names below a host (`"*.example.com"`) need an authority with
        /// `challenge: dns-01`. An error without `acme`.
        "hosts" => hosts: Option<Vec<Spanned<HostPattern>>>, optional(HOSTS);
    }
    later []
    exactly one of ["cert", "acme"]
    checked by ways
}

/// Complains where not exactly one of the two ways is written, and all of it.
fn ways(config: &WrittenCertificate, fields: &Fields<'_, '_>) {
    let reading = fields.reading;
    let of_files = ["cert", "key", "ocsp"].into_iter().find_map(|key| Some((key, fields.place(key)?)));
    let of_order = ["acme", "hosts"].into_iter().find_map(|key| Some((key, fields.place(key)?)));
    match (of_files, of_order) {
        (Some((file, file_at)), Some((order, order_at))) => reading.tell(
            Diagnostic::error(
                order_at,
                format!("a certificate is read from files or ordered: `{order}` stands beside `{file}`"),
            )
            .other(file_at, "read from files")
            .hint("make two items of them, or leave one of the two out"),
        ),
        (Some(_), None) => {
            for (key, other) in [("cert", "key"), ("key", "cert")] {
                if fields.place(key).is_some() {
                    missing(fields, other, key);
                }
            }
            if config.cert.is_none() && config.key.is_none() && fields.place("ocsp").is_some() {
                missing(fields, "cert", "ocsp");
            }
        }
        (None, Some(_)) => {
            if fields.place("acme").is_some() {
                missing(fields, "hosts", "acme");
            } else {
                missing(fields, "acme", "hosts");
            }
        }
        (None, None) if fields.are_sound() => {
            let at = reading.first_line(fields.owner);
            reading.tell(Diagnostic::error(at, "a certificate needs files, or an authority that issues it").hint(
                "write for example `{ cert: site.crt, key: site.key }`, or `{ acme: letsencrypt, hosts: [example.com] }`",
            ));
        }
        (None, None) => {}
    }
}

/// Complains where `wanted` is not written beside `key`.
fn missing(fields: &Fields<'_, '_>, wanted: &str, key: &str) {
    let (None, Some(at)) = (fields.place(wanted), fields.place(key)) else { return };
    if WrittenCertificate::SECTION.keys.iter().all(|known| known.name != wanted) || fields.reading.is_full() {
        return;
    }
    let example =
        WrittenCertificate::SECTION.keys.iter().find(|known| known.name == wanted).map_or("", |key| key.example);
    let diagnostic = Diagnostic::error(at, format!("`{key}` of a certificate needs `{wanted}` beside it"));
    fields.reading.tell(diagnostic.hint(format!("write for example `{wanted}: {example}`")));
}

impl CertificateConfig {
    /// Reads one item of the list.
    fn read(node: &Node<'_>, reading: &Reading<'_>) -> Option<Self> {
        let WrittenCertificate { cert, key, ocsp, acme, hosts } = WrittenCertificate::read(node, node.at, reading)?;
        match (cert, key, acme, hosts) {
            (Some(cert), Some(key), None, None) => Some(CertificateConfig::Files(CertificateFiles { cert, key, ocsp })),
            (None, None, Some(authority), Some(hosts)) => {
                Some(CertificateConfig::Ordered(OrderedConfig { authority, hosts }))
            }
            // was complained about
            _ => None,
        }
    }
}

pub(super) const CERTIFICATES: Form<Vec<CertificateConfig>> = Form {
    form: "a list of certificates",
    example: "[{ cert: site.crt, key: site.key }]",
    shape: Shape::List(&Shape::Section(&WrittenCertificate::SECTION), 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of certificates")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::error(node.at, "`tls` needs at least one certificate");
            reading.tell(diagnostic.hint("write for example `[{ cert: site.crt, key: site.key }]`"));
        }
        if let Some(beyond) = items.get(CERTIFICATES_MAX) {
            let message = format!("a listener has at most {CERTIFICATES_MAX} certificates");
            reading.tell(Diagnostic::error(beyond.at, message));
        }
        let items = items.iter().take(CERTIFICATES_MAX);
        Some(items.filter_map(|item| CertificateConfig::read(item, reading)).collect())
    },
};

const CERT: Form<Spanned<FilePath>> = file("site.crt");

const KEY: Form<Spanned<FilePath>> = file("site.key");

const OCSP: Form<Spanned<FilePath>> = file("site.ocsp");

const AUTHORITY: Form<Spanned<Box<str>>> = Form { form: "the name of an authority", example: "letsencrypt", ..NAME };

const HOSTS: Form<Vec<Spanned<HostPattern>>> = Form {
    form: "a list of hosts",
    example: "[example.com, www.example.com]",
    shape: Shape::Set(&HOST.shape, 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of hosts")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::error(node.at, "a certificate is for at least one host");
            reading.tell(diagnostic.hint("write for example `[example.com]`"));
        }
        if let Some(beyond) = items.get(HOSTS_MAX) {
            let diagnostic =
                Diagnostic::error(beyond.at, format!("a certificate is ordered for at most {HOSTS_MAX} hosts"));
            reading.tell(diagnostic.hint("authorities take no more: make several certificates of them"));
        }
        let mut hosts: Vec<Spanned<HostPattern>> = Vec::new();
        for item in items.iter().take(HOSTS_MAX) {
            let Some(host) = reading.spanned(item, "a host", orderable) else { continue };
            match hosts.iter().find(|other| **other == host) {
                Some(first) => twice(&host, first.at, reading),
                None => hosts.push(host),
            }
        }
        Some(hosts)
    },
};

/// Complains about a host that is ordered twice.
pub(super) fn twice(host: &Spanned<HostPattern>, first: Span, reading: &Reading<'_>) {
    reading.tell(
        Diagnostic::error(host.at, format!("a certificate for `{}` is ordered twice", host.value))
            .other(first, "the first time")
            .hint("leave one of the two out"),
    );
}

/// A host that an authority can issue a certificate for.
fn orderable(text: &str) -> Result<HostPattern, Complaint> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(address(text));
    }
    let host = HostPattern::parse(text).map_err(|complaint| match text {
        "" | "*" => Complaint::new(complaint.message).hint("write a host's name, such as `example.com`"),
        _ => Complaint { message: complaint.message.replace("is matched", "is ordered"), ..complaint },
    })?;
    let name = match &host {
        HostPattern::Exact(name) | HostPattern::Wildcard(name) => name,
    };
    let is_address = name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
    if is_address {
        return Err(address(text));
    }
    if &**name == "localhost" || name.ends_with(".localhost") {
        return Err(Complaint::new(format!("no authority issues a certificate for `{host}`"))
            .hint("for trials on your own machine, read a certificate from files"));
    }
    if name.contains('_') {
        return Err(
            Complaint::new(format!("no authority issues a certificate for `{host}`")).hint("such a name has no `_`")
        );
    }
    Ok(host)
}

fn address(text: &str) -> Complaint {
    Complaint::new(format!("no certificate is ordered for an address, `{text}`"))
        .hint("write the host's name, or read a certificate from files")
}
