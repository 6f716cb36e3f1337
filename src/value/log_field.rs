//! What a line of the access log can say of a request, by its name: `client_ip`, `duration_s`.

use super::{Complaint, suggest};
use std::fmt;

/// A field of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogField {
    Ts,
    RequestId,
    ClientIp,
    Method,
    Scheme,
    Host,
    Path,
    Protocol,
    Status,
    BytesIn,
    BytesOut,
    Duration,
    Route,
    Upstream,
    Endpoint,
    Attempts,
    UpstreamStatus,
    UpstreamConnect,
    UpstreamHeader,
    Reused,
    Reason,
    UserAgent,
    Referer,
    TlsVersion,
    TlsCipher,
    TlsServerName,
    ClientSubject,
}

/// Their names, in the order of the JSON line.
const NAMES: [(&str, LogField); 27] = [
    ("ts", LogField::Ts),
    ("request_id", LogField::RequestId),
    ("client_ip", LogField::ClientIp),
    ("method", LogField::Method),
    ("scheme", LogField::Scheme),
    ("host", LogField::Host),
    ("path", LogField::Path),
    ("protocol", LogField::Protocol),
    ("status", LogField::Status),
    ("bytes_in", LogField::BytesIn),
    ("bytes_out", LogField::BytesOut),
    ("duration_s", LogField::Duration),
    ("route", LogField::Route),
    ("upstream", LogField::Upstream),
    ("endpoint", LogField::Endpoint),
    ("attempts", LogField::Attempts),
    ("upstream_status", LogField::UpstreamStatus),
    ("upstream_connect_s", LogField::UpstreamConnect),
    ("upstream_header_s", LogField::UpstreamHeader),
    ("reused", LogField::Reused),
    ("reason", LogField::Reason),
    ("user_agent", LogField::UserAgent),
    ("referer", LogField::Referer),
    ("tls_version", LogField::TlsVersion),
    ("tls_cipher", LogField::TlsCipher),
    ("tls_server_name", LogField::TlsServerName),
    ("client_subject", LogField::ClientSubject),
];

/// What nginx and others call them, and what variables of requests call them.
const ELSEWHERE: [(&str, &str); 38] = [
    ("remote_addr", "client_ip"),
    ("remote_ip", "client_ip"),
    ("binary_remote_addr", "client_ip"),
    ("realip_remote_addr", "client_ip"),
    ("time_local", "ts"),
    ("time_iso8601", "ts"),
    ("time", "ts"),
    ("msec", "ts"),
    ("timestamp", "ts"),
    ("request", "method} {path} {protocol"),
    ("request_method", "method"),
    ("request_uri", "path"),
    ("uri", "path"),
    ("query", "path"),
    ("args", "path"),
    ("query_string", "path"),
    ("http_host", "host"),
    ("server_name", "host"),
    ("server_protocol", "protocol"),
    ("request_length", "bytes_in"),
    ("body_bytes_sent", "bytes_out"),
    ("bytes_sent", "bytes_out"),
    ("request_time", "duration_s"),
    ("duration", "duration_s"),
    ("upstream_addr", "endpoint"),
    ("proxy_host", "upstream"),
    ("upstream_connect_time", "upstream_connect_s"),
    ("upstream_header_time", "upstream_header_s"),
    ("upstream_response_time", "upstream_header_s"),
    ("http_user_agent", "user_agent"),
    ("http_referer", "referer"),
    ("header.user_agent", "user_agent"),
    ("header.referer", "referer"),
    ("ssl_protocol", "tls_version"),
    ("ssl_cipher", "tls_cipher"),
    ("ssl_server_name", "tls_server_name"),
    ("ssl_client_s_dn", "client_subject"),
    ("client_cert.subject", "client_subject"),
];

/// Variables of nginx that no field of this log answers to; those that end in `_` are beginnings.
const OTHERS_OF_NGINX: [&str; 17] = [
    "arg_",
    "connection",
    "connection_requests",
    "content_length",
    "content_type",
    "cookie_",
    "document_uri",
    "gzip_ratio",
    "hostname",
    "http_",
    "proxy_",
    "remote_port",
    "remote_user",
    "request_",
    "sent_http_",
    "ssl_",
    "upstream_",
];

impl LogField {
    /// All of them by name, in the order of the JSON line.
    pub fn all() -> impl Iterator<Item = (&'static str, LogField)> {
        NAMES.into_iter()
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Result<LogField, Complaint> {
        if let Some((_, field)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(*field);
        }
        let complaint = Complaint::new(format!("no field of the access log is called `{{{name}}}`"));
        let bare = name.trim_start_matches('$');
        let near = elsewhere(bare).or_else(|| suggest::nearest(bare, NAMES.iter().map(|(known, _)| *known)));
        Err(match near {
            Some(near) => complaint.hint(format!("did you mean `{{{near}}}`?")),
            None if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-$".contains(&b)) => {
                complaint.hint("write `{{` and `}}` for the characters themselves")
            }
            None => complaint.hint(there_are()),
        })
    }

    /// The first variable of nginx in a text, and what to write instead.
    pub(super) fn of_nginx(text: &str) -> Option<Complaint> {
        text.match_indices('$').find_map(|(at, _)| {
            let rest = text.get(at + 1..)?;
            let name = rest.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_').next()?;
            let same = NAMES.iter().map(|(known, _)| *known).find(|known| *known == name);
            let other = || OTHERS_OF_NGINX.iter().any(|it| *it == name || (it.ends_with('_') && name.starts_with(it)));
            let hint = match same.or_else(|| elsewhere(name)) {
                Some(here) => format!("fields stand between braces: write `{{{here}}}`"),
                None if other() => there_are(),
                None => return None,
            };
            let complaint = Complaint::new(format!("`${name}` would stand for itself")).hint(hint);
            Some(complaint.part(format!("${name}")))
        })
    }
}

fn elsewhere(name: &str) -> Option<&'static str> {
    let same = |other: &str| other.len() == name.len() && other.bytes().zip(name.bytes()).all(|(a, b)| a == plain(b));
    ELSEWHERE.iter().find(|(other, _)| same(other)).map(|(_, own)| *own)
}

fn plain(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() }
}

fn there_are() -> String {
    let names: Vec<String> = NAMES.iter().map(|(name, _)| format!("`{{{name}}}`")).collect();
    format!("there are {}", names.join(", "))
}

/// The name.
impl fmt::Display for LogField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(_, field)| field == self).map_or("", |(name, _)| *name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_reads_as_its_field_and_is_written_back() {
        for (name, field) in LogField::all() {
            assert_eq!(LogField::parse(name), Ok(field));
            assert_eq!(field.to_string(), name);
        }
    }

    #[test]
    fn unknown_names_are_refused_with_what_was_meant() {
        for (name, hint) in [
            ("stauts", "did you mean `{status}`?"),
            ("client-ip", "did you mean `{client_ip}`?"),
            ("remote_addr", "did you mean `{client_ip}`?"),
            ("$body_bytes_sent", "did you mean `{bytes_out}`?"),
            ("header.User-Agent", "did you mean `{user_agent}`?"),
            ("Referer", "did you mean `{referer}`?"),
            ("uri", "did you mean `{path}`?"),
            ("ssl_protocol", "did you mean `{tls_version}`?"),
            ("client_cert.subject", "did you mean `{client_subject}`?"),
            ("\"a\":1", "write `{{` and `}}` for the characters themselves"),
        ] {
            assert_eq!(LogField::parse(name).unwrap_err().hint.as_deref(), Some(hint), "{name}");
        }
        let list = LogField::parse("banana").unwrap_err().hint.unwrap();
        assert!(list.starts_with("there are `{ts}`, `{request_id}`") && list.ends_with("`{client_subject}`"), "{list}");
    }

    #[test]
    fn what_others_call_a_field_leads_to_fields() {
        for (_, own) in ELSEWHERE {
            for part in own.split("} {") {
                assert!(LogField::parse(part).is_ok(), "{part}");
            }
        }
    }

    #[test]
    fn variables_of_nginx_are_seen_and_other_dollars_are_not() {
        let hint = |text| LogField::of_nginx(text).and_then(|complaint| complaint.hint);
        assert_eq!(hint("a $status").as_deref(), Some("fields stand between braces: write `{status}`"));
        assert_eq!(
            hint("\"$request\" {status}").as_deref(),
            Some("fields stand between braces: write `{method} {path} {protocol}`")
        );
        assert!(hint("$http_x_tenant {status}").unwrap().starts_with("there are "));
        assert!(hint("$remote_user").unwrap().starts_with("there are "));
        for text in ["$", "$5 {status}", "US$ {bytes_out}", "$total {bytes_out}", "$$"] {
            assert_eq!(hint(text), None, "{text}");
        }
    }
}
