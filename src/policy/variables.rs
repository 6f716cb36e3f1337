//! The facts of a request that texts insert, as they came: how they are written depends on where they go.

use super::Captures;
use crate::http::field::{Class, class, is_claim};
use crate::http::request::RequestHead;
use crate::http::secured::Secured;
use crate::http::spelled_path::SpelledPath;
use crate::value::{CertificatePart, Variable};
use std::borrow::Cow;
use std::net::IpAddr;

/// What is known of a request when its texts are written.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub head: &'a RequestHead<'a, 'a>,
    pub client_ip: IpAddr,
    /// Of the client's connection; nothing where a trusted proxy stands between, or there are no ports.
    pub client_port: Option<u16>,
    /// The peer may say who its client is.
    pub trusted: bool,
    /// What is known of the client's TLS, where it speaks that.
    pub secured: Option<&'a Secured<'a>>,
    pub request_id: &'a [u8],
    pub route: &'a str,
    /// Empty where none is asked.
    pub upstream: &'a str,
    pub captures: Option<&'a Captures>,
    /// The client's path.
    pub spelled: Option<&'a SpelledPath<'a>>,
    /// As they are forwarded; of the client before that is known.
    pub path: &'a [u8],
    pub query: Option<&'a [u8]>,
}

impl<'a> Asking<'a> {
    /// What a variable stands for; empty where the request has no such thing. The status is not known yet.
    pub fn value(&self, variable: &Variable) -> Cow<'a, [u8]> {
        let head = self.head;
        match variable {
            Variable::ClientIp => Cow::Owned(self.client_ip.to_string().into_bytes()),
            Variable::ClientPort => {
                self.client_port.map_or(Cow::Borrowed(b""), |port| Cow::Owned(port.to_string().into()))
            }
            Variable::Host if head.host.upper => Cow::Owned(head.host.name.to_ascii_lowercase()),
            Variable::Host => Cow::Borrowed(head.host.name),
            Variable::Method => Cow::Borrowed(head.method_token.as_bytes()),
            Variable::Scheme => Cow::Borrowed(if self.secured.is_some() { b"https" } else { b"http" }),
            Variable::Path => Cow::Borrowed(self.path),
            Variable::Query => Cow::Borrowed(self.query.unwrap_or(b"")),
            Variable::Uri => match self.query {
                Some(query) => Cow::Owned([self.path, b"?", query].concat()),
                None => Cow::Borrowed(self.path),
            },
            Variable::RequestId => Cow::Borrowed(self.request_id),
            Variable::Route => Cow::Borrowed(self.route.as_bytes()),
            Variable::Upstream => Cow::Borrowed(self.upstream.as_bytes()),
            Variable::Header(name) => self.header(name),
            Variable::Cookie(name) => Cow::Borrowed(head.cookie(name).unwrap_or(b"")),
            Variable::QueryPart(name) => Cow::Borrowed(head.target.query_part(name).unwrap_or(b"")),
            Variable::Capture(name) => self.capture(name).unwrap_or_default(),
            Variable::Status => Cow::Borrowed(b""),
            Variable::TlsVersion => Cow::Borrowed(self.secured.map_or(b"", |tls| tls.version.as_bytes())),
            Variable::TlsCipher => Cow::Borrowed(self.secured.map_or(b"", |tls| tls.cipher.as_bytes())),
            Variable::TlsServerName => {
                Cow::Borrowed(self.secured.and_then(|tls| tls.server_name).unwrap_or("").as_bytes())
            }
            Variable::ClientCert(part) => Cow::Borrowed(self.certificate(*part).as_bytes()),
        }
    }

    /// Who the client has proven to be, or a part of that.
    fn certificate(&self, part: CertificatePart) -> &'a str {
        let Some(client) = self.secured.and_then(|tls| tls.client) else { return "" };
        match part {
            CertificatePart::Subject => &client.subject,
            CertificatePart::Issuer => &client.issuer,
            CertificatePart::Serial => &client.serial,
            CertificatePart::Fingerprint => &client.fingerprint,
            CertificatePart::Names => &client.names,
            CertificatePart::Pem => &client.pem,
        }
    }

    /// The lines of a header as one. What a client may not claim is not there.
    fn header(&self, name: &str) -> Cow<'a, [u8]> {
        if is_claim(class(name.as_bytes())) && !self.trusted {
            return Cow::Borrowed(b"");
        }
        let said = self.head.fields().filter(|(c, ..)| !matches!(c, Class::Nominated | Class::Twin));
        let mut values = said.filter(|(_, field, _)| field.eq_ignore_ascii_case(name)).map(|(.., value)| value);
        let Some(first) = values.next() else { return Cow::Borrowed(b"") };
        let between: &[u8] = if name.eq_ignore_ascii_case("cookie") { b"; " } else { b", " };
        values.fold(Cow::Borrowed(first), |all, value| Cow::Owned([&all, between, value].concat()))
    }

    fn capture(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let path = self.spelled?;
        Some(path.spelled(self.captures?.range(name, path.normal())?))
    }
}
