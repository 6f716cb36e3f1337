//! The facts of a request that texts can insert: `{client_ip}`, `{header.X-Tenant}`.

use super::suggest;
use super::{Complaint, FieldName, RequestKey};
use std::fmt;

/// A fact of the request that a template can insert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `{client_ip}`: the client's address, without its port.
    ClientIp,
    /// `{client_port}`: the port of the client's connection.
    ClientPort,
    /// `{host}`: the host asked for, without its port.
    Host,
    /// `{method}`: the method.
    Method,
    /// `{scheme}`: `http` or `https`, as the client used it.
    Scheme,
    /// `{path}`: the path as it would be forwarded.
    Path,
    /// `{query}`: what follows the `?`, without it.
    Query,
    /// `{uri}`: the path, and `?` with the query where there is one.
    Uri,
    /// `{request_id}`: the id of the request, as in the log.
    RequestId,
    /// `{route}`: the route's name.
    Route,
    /// `{upstream}`: the name of the upstream that is asked.
    Upstream,
    /// `{header.NAME}`: the value of this header of the request; of several lines all of them, with commas.
    Header(Box<str>),
    /// `{cookie.NAME}`: the value of this cookie.
    Cookie(Box<str>),
    /// `{query.NAME}`: the value of this part of the query, as the client wrote it.
    QueryPart(Box<str>),
    /// `{capture.NAME}`: what this part of the route's path pattern matched.
    Capture(Box<str>),
    /// `{status}`: the status of the response.
    Status,
    /// `{tls_version}`: the version of TLS that the client speaks.
    TlsVersion,
    /// `{tls_cipher}`: the cipher suite of the client's connection.
    TlsCipher,
    /// `{tls_server_name}`: the host that the client named when it connected.
    TlsServerName,
    /// `{client_cert.subject}` and so on: what the client's certificate says.
    ClientCert(CertificatePart),
}

/// A part of a client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificatePart {
    Subject,
    Issuer,
    Serial,
    Fingerprint,
    Names,
    Pem,
}

/// Variables without a name after a dot, and what they are.
const PLAIN: [(&str, Variable, &str); 21] = [
    ("client_ip", Variable::ClientIp, "the client's address, without its port"),
    ("client_port", Variable::ClientPort, "the port of the client's connection"),
    ("host", Variable::Host, "the host asked for, without its port"),
    ("method", Variable::Method, "the method"),
    ("scheme", Variable::Scheme, "`http` or `https`, as the client used it"),
    (
        "path",
        Variable::Path,
        "the path as it is forwarded, without the query; in `rewrite` and `redirect` the client's",
    ),
    ("query", Variable::Query, "what follows the `?`, without it"),
    ("uri", Variable::Uri, "the path, and `?` with the query where there is one"),
    ("request_id", Variable::RequestId, "the request's id, as in the log"),
    ("route", Variable::Route, "the route's name"),
    ("upstream", Variable::Upstream, "the name of the upstream that is asked"),
    ("status", Variable::Status, "the response's status; in `headers.response` only"),
    ("tls_version", Variable::TlsVersion, "`1.2` or `1.3`; empty without TLS"),
    ("tls_cipher", Variable::TlsCipher, "the cipher suite, as `TLS_AES_128_GCM_SHA256`; empty without TLS"),
    (
        "tls_server_name",
        Variable::TlsServerName,
        "the host that the client named when it connected (SNI); empty if it named none",
    ),
    (
        "client_cert.subject",
        Variable::ClientCert(CertificatePart::Subject),
        "the distinguished name in the client's certificate, which is verified, as `CN=billing,O=Example`; all `client_cert` are empty \
         for a client without one",
    ),
    ("client_cert.issuer", Variable::ClientCert(CertificatePart::Issuer), "that of who issued the certificate"),
    (
        "client_cert.serial",
        Variable::ClientCert(CertificatePart::Serial),
        "the certificate's serial number, in hexadecimal",
    ),
    (
        "client_cert.fingerprint",
        Variable::ClientCert(CertificatePart::Fingerprint),
        "SHA-256 of the certificate, in hexadecimal",
    ),
    (
        "client_cert.names",
        Variable::ClientCert(CertificatePart::Names),
        "the hosts, addresses, mail addresses and URIs in the certificate, with commas",
    ),
    ("client_cert.pem", Variable::ClientCert(CertificatePart::Pem), "the certificate itself as PEM, percent-encoded"),
];

/// Variables with a name after a dot, an example of one, and what they are.
const NAMED: [(&str, &str, &str); 4] = [
    ("header", "X-Tenant", "the value of this header of the request"),
    ("cookie", "session", "the value of this cookie"),
    ("query", "page", "the value of this part of the query, as the client wrote it"),
    (
        "capture",
        "id",
        "what stood in place of `{NAME}` in the route's path, or what its expression's group of this name found",
    ),
];

/// What other gateways call them.
const ELSEWHERE: [(&str, &str); 18] = [
    ("remote_addr", "client_ip"),
    ("remote_ip", "client_ip"),
    ("remote_port", "client_port"),
    ("request_uri", "uri"),
    ("request_method", "method"),
    ("args", "query"),
    ("query_string", "query"),
    ("hostname", "host"),
    ("ssl_protocol", "tls_version"),
    ("ssl_cipher", "tls_cipher"),
    ("ssl_server_name", "tls_server_name"),
    ("ssl_client_s_dn", "client_cert.subject"),
    ("ssl_client_i_dn", "client_cert.issuer"),
    ("ssl_client_serial", "client_cert.serial"),
    ("ssl_client_fingerprint", "client_cert.fingerprint"),
    ("ssl_client_escaped_cert", "client_cert.pem"),
    ("ssl_client_cert", "client_cert.pem"),
    ("client_cert", "client_cert.subject"),
];

impl Variable {
    /// All of them as they are written, and what they are: for the manual.
    pub fn manual() -> impl Iterator<Item = (String, &'static str)> {
        let plain = PLAIN.iter().map(|(name, _, meaning)| (format!("{{{name}}}"), *meaning));
        plain.chain(NAMED.iter().map(|(name, _, meaning)| (format!("{{{name}.NAME}}"), *meaning)))
    }

    /// Those without a name after a dot.
    pub fn plain() -> impl Iterator<Item = Variable> {
        PLAIN.iter().map(|(_, variable, _)| variable.clone())
    }

    /// Reads what stands between the braces.
    pub fn parse(name: &str) -> Result<Self, Complaint> {
        if let Some((_, variable, _)) = PLAIN.iter().find(|(known, ..)| *known == name) {
            return Ok(variable.clone());
        }
        match name.split_once('.') {
            Some(("header", rest)) => FieldName::parse(rest).map(|name| Variable::Header(name.as_str().into())),
            Some(("cookie", rest)) => RequestKey::cookie(rest).map(|_| Variable::Cookie(rest.into())),
            Some(("query", rest)) => RequestKey::query(rest).map(|_| Variable::QueryPart(rest.into())),
            Some(("capture", rest)) if is_identifier(rest) => Ok(Variable::Capture(rest.into())),
            Some(("capture", rest)) => Err(Complaint::new(format!("`{rest}` is not the name of a capture"))
                .hint("letters, digits and `_` make one up, such as `{capture.id}`")),
            _ => Err(unknown(name)),
        }
    }
}

/// Letters, digits and `_`, no digit first: what names a capture.
pub fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn unknown(name: &str) -> Complaint {
    if let Some((_, example, _)) = NAMED.iter().find(|(known, ..)| *known == name) {
        return Complaint::new(format!("`{{{name}}}` needs a name")).hint(format!("write `{{{name}.{example}}}`"));
    }
    let complaint = Complaint::new(format!("no variable is called `{{{name}}}`"));
    let (kind, rest) = name.split_once('.').unwrap_or((name, ""));
    let named = NAMED.iter().map(|(known, ..)| *known);
    if !rest.is_empty()
        && let Some(near) = suggest::nearest(kind, named)
    {
        return complaint.hint(format!("did you mean `{{{near}.{rest}}}`?"));
    }
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name.trim_start_matches('$')).map(|(_, own)| *own);
    if let Some(near) = elsewhere.or_else(|| suggest::nearest(name, PLAIN.iter().map(|(known, ..)| *known))) {
        return complaint.hint(format!("did you mean `{{{near}}}`?"));
    }
    // as other languages have them: `{header:X-A}`, `{http_user_agent}`
    let other = name.split_once(':').or_else(|| name.split_once('_'));
    if let Some((kind, rest)) = other.filter(|(_, rest)| !rest.is_empty() && rest.bytes().all(is_of_names)) {
        let own = match kind {
            "header" | "cookie" | "query" | "capture" => Some(format!("{kind}.{rest}")),
            "http" => Some(format!("header.{}", rest.replace('_', "-"))),
            "arg" => Some(format!("query.{rest}")),
            _ if name == "user_agent" => Some("header.User-Agent".to_owned()),
            _ => None,
        };
        if let Some(own) = own {
            return complaint.hint(format!("did you mean `{{{own}}}`?"));
        }
    }
    if name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    {
        let hint = format!("write `{{{{{name}}}}}` for these characters themselves, and `$$` before them for a `$`");
        return complaint.hint(hint);
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-$".contains(&b)) {
        return complaint.hint("write `{{` and `}}` for the characters themselves");
    }
    // the first where it can stand is rarely the one that was meant, and one part of a certificate stands for all
    let plain = PLAIN.iter().filter(|(_, variable, _)| match variable {
        Variable::Status => false,
        Variable::ClientCert(part) => *part == CertificatePart::Subject,
        _ => true,
    });
    let plain = plain.map(|(known, ..)| format!("`{{{known}}}`"));
    let named = NAMED.iter().map(|(known, example, _)| format!("`{{{known}.{example}}}`"));
    complaint.hint(format!("there are {}", plain.chain(named).collect::<Vec<_>>().join(", ")))
}

/// As it stands in a text, with its braces.
impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Variable::Header(name) => write!(f, "{{header.{name}}}"),
            Variable::Cookie(name) => write!(f, "{{cookie.{name}}}"),
            Variable::QueryPart(name) => write!(f, "{{query.{name}}}"),
            Variable::Capture(name) => write!(f, "{{capture.{name}}}"),
            plain => {
                let name = PLAIN.iter().find(|(_, variable, _)| variable == plain).map_or("", |(name, ..)| *name);
                write!(f, "{{{name}}}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_read_and_written_back() {
        let named = ["header.X-A", "cookie.__Host-id", "query.a[]", "capture.id"];
        for name in PLAIN.iter().map(|(name, ..)| *name).chain(named) {
            let variable = Variable::parse(name).expect(name);
            assert_eq!(variable.to_string(), format!("{{{name}}}"));
        }
    }

    #[test]
    fn what_was_meant_is_said() {
        for (name, hint) in [
            ("pth", "did you mean `{path}`?"),
            ("heder.X-A", "did you mean `{header.X-A}`?"),
            ("header", "write `{header.X-Tenant}`"),
            ("remote_addr", "did you mean `{client_ip}`?"),
            ("$request_uri", "did you mean `{uri}`?"),
            ("\"a\":1", "write `{{` and `}}` for the characters themselves"),
            ("header.a b", "write `a-b`"),
            ("ssl_client_s_dn", "did you mean `{client_cert.subject}`?"),
            ("client_cert", "did you mean `{client_cert.subject}`?"),
            ("client_cert.serail", "did you mean `{client_cert.serial}`?"),
            ("capture.1", "letters, digits and `_` make one up, such as `{capture.id}`"),
        ] {
            assert_eq!(Variable::parse(name).unwrap_err().hint.as_deref(), Some(hint), "{name}");
        }
        assert!(Variable::parse("banana").unwrap_err().hint.unwrap_or_default().starts_with("there are `{client_ip}`"));
    }
}
