//! One line of the access log as text: `combined`, or what a template says. Written as nginx does: what is empty is `-`,
//! and a value neither ends a line nor breaks out of double quotes.

use std::time::Duration;

use super::clock::Clock;
use super::digits::{number, seconds};
use super::escape::{self, Hex};
use super::line::{Record, address};
use super::redact;
use crate::failure::Failure;
use crate::value::{LogField, LogPiece};

/// What stands for nothing.
const EMPTY: u8 = b'-';

/// Appends the line of `record` in the combined log format, with its newline.
#[inline(never)]
pub(super) fn combined(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>) {
    out.reserve(128 + record.path.len() + record.referer.len() + record.user_agent.len());
    address(out, record.client_ip);
    out.extend_from_slice(b" - - [");
    clock.write_common(out, record.at);
    out.extend_from_slice(b"] \"");
    if record.method.is_empty() && record.path.is_empty() {
        // nothing is known of the request's line
        out.push(EMPTY);
    } else {
        field(out, clock, record, LogField::Method);
        out.push(b' ');
        field(out, clock, record, LogField::Path);
        out.push(b' ');
        out.extend_from_slice(record.protocol.as_bytes());
    }
    out.extend_from_slice(b"\" ");
    number(out, record.status.into());
    out.push(b' ');
    number(out, record.bytes_out);
    out.extend_from_slice(b" \"");
    field(out, clock, record, LogField::Referer);
    out.extend_from_slice(b"\" \"");
    field(out, clock, record, LogField::UserAgent);
    out.extend_from_slice(b"\"\n");
}

/// Appends what `pieces` say of `record`, with a newline.
#[inline(never)]
pub(super) fn template(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>, pieces: &[LogPiece]) {
    for piece in pieces {
        match piece {
            LogPiece::Text(text) => out.extend_from_slice(text.as_bytes()),
            LogPiece::Field(it) => field(out, clock, record, *it),
        }
    }
    out.push(b'\n');
}

fn field(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>, field: LogField) {
    let before = out.len();
    match field {
        LogField::Ts => clock.write(out, record.at),
        LogField::RequestId => text(out, record.request_id),
        LogField::ClientIp => address(out, record.client_ip),
        LogField::Method => text(out, record.method),
        LogField::Scheme => out.extend_from_slice(record.scheme.as_bytes()),
        LogField::Host => redact::host::<Hex>(out, record.host),
        LogField::Path => redact::url::<Hex>(out, record.path),
        LogField::Protocol => out.extend_from_slice(record.protocol.as_bytes()),
        LogField::Status => number(out, record.status.into()),
        LogField::BytesIn => number(out, record.bytes_in),
        LogField::BytesOut => number(out, record.bytes_out),
        LogField::Duration => seconds(out, record.duration),
        LogField::Route => text(out, record.route.as_bytes()),
        LogField::Upstream => name(out, record.upstream),
        LogField::Endpoint => name(out, record.endpoint),
        LogField::Attempts => number(out, record.attempts.into()),
        LogField::UpstreamStatus => number_or_nothing(out, record.upstream_status),
        LogField::UpstreamConnect => seconds_or_nothing(out, record.upstream_connect),
        LogField::UpstreamHeader => seconds_or_nothing(out, record.upstream_header),
        LogField::Reused => out.extend_from_slice(if record.reused { b"true" } else { b"false" }),
        LogField::Reason => name(out, record.reason.map(Failure::word)),
        LogField::UserAgent => text(out, record.user_agent),
        LogField::Referer => redact::url::<Hex>(out, record.referer),
        LogField::TlsVersion => name(out, record.tls.map(|tls| tls.version)),
        LogField::TlsCipher => name(out, record.tls.map(|tls| tls.cipher)),
        LogField::TlsServerName => name(out, record.tls.map(|tls| tls.server_name)),
        LogField::ClientSubject => name(out, record.tls.and_then(|tls| tls.client_subject)),
    }
    if out.len() == before {
        out.push(EMPTY);
    }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    escape::field::<Hex>(out, bytes);
}

fn name(out: &mut Vec<u8>, name: Option<&str>) {
    text(out, name.unwrap_or_default().as_bytes());
}

fn number_or_nothing(out: &mut Vec<u8>, n: Option<u16>) {
    if let Some(n) = n {
        number(out, n.into());
    }
}

fn seconds_or_nothing(out: &mut Vec<u8>, duration: Option<Duration>) {
    if let Some(duration) = duration {
        seconds(out, duration);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::line::TlsRecord;
    use super::super::tests::record;
    use super::*;
    use crate::telemetry::reference::FIELDS;
    use crate::value::AccessLogFormat;

    fn line_of(record: &Record<'_>, format: &str) -> String {
        let mut out = Vec::new();
        let clock = &mut Clock::default();
        match AccessLogFormat::parse(format).unwrap() {
            AccessLogFormat::Template(pieces) => template(&mut out, clock, record, &pieces),
            _ => combined(&mut out, clock, record),
        }
        String::from_utf8(out).unwrap()
    }

    /// A template of all fields, each in double quotes.
    fn everything() -> String {
        LogField::all().map(|(name, _)| format!("\"{{{name}}}\"")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn combined_is_what_nginx_writes() {
        assert_eq!(
            line_of(&record(), "combined"),
            "203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] \"GET /v1/user/1?page=2&api_key=*** HTTP/1.1\" 200 1024 \
             \"-\" \"curl/7.88.1\"\n"
        );
        let odd = Record {
            path: "/\u{e5}\\".as_bytes(),
            user_agent: b"a\"b\x1b[1m\r\n\xff\x7f",
            referer: b"https://me:pw@shop.example/?token=hunter2",
            ..record()
        };
        assert_eq!(
            line_of(&odd, "combined"),
            "203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] \"GET /\\xC3\\xA5\\x5C HTTP/1.1\" 200 1024 \
             \"https://shop.example/?token=***\" \"a\\x22b\\x1B[1m\\x0D\\x0A\\xFF\\x7F\"\n"
        );
        let unread = Record { method: b"", path: b"", user_agent: b"", status: 400, bytes_out: 0, ..record() };
        assert_eq!(
            line_of(&unread, "combined"),
            "203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] \"-\" 400 0 \"-\" \"-\"\n"
        );
    }

    #[test]
    fn a_template_writes_each_field() {
        assert_eq!(
            line_of(&record(), &everything()),
            "\"2026-01-02T03:04:05.678Z\" \"0af7651916cd43dd8448eb211c80319c\" \"203.0.113.9\" \"GET\" \"http\" \
             \"api.yourdomain.no\" \"/v1/user/1?page=2&api_key=***\" \"HTTP/1.1\" \"200\" \"0\" \"1024\" \"0.001234\" \
             \"users\" \"user_service\" \"127.0.0.1:8001\" \"1\" \"200\" \"-\" \"0.000900\" \"true\" \"-\" \
             \"curl/7.88.1\" \"-\" \"-\" \"-\" \"-\" \"-\"\n"
        );
        assert_eq!(line_of(&record(), "{{{status}}}\t{method}!"), "{200}\tGET!\n");
    }

    #[test]
    fn a_template_says_what_is_known_of_the_clients_tls() {
        let subject = "CN=a \"quoted\" name,O=\u{d8}";
        let tls = TlsRecord {
            version: "1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            server_name: "api.yourdomain.no",
            client_subject: Some(subject),
        };
        let format = "{tls_version} {tls_cipher} {tls_server_name} \"{client_subject}\"";
        assert_eq!(
            line_of(&Record { tls: Some(tls), ..record() }, format),
            "1.3 TLS_AES_128_GCM_SHA256 api.yourdomain.no \"CN=a \\x22quoted\\x22 name,O=\\xC3\\x98\"\n"
        );
        let anonymous = TlsRecord { server_name: "", client_subject: None, ..tls };
        assert_eq!(
            line_of(&Record { tls: Some(anonymous), ..record() }, format),
            "1.3 TLS_AES_128_GCM_SHA256 - \"-\"\n"
        );
    }

    #[test]
    fn what_is_empty_or_left_out_is_a_dash() {
        let record = Record {
            host: b"me:pw@",
            upstream: None,
            endpoint: None,
            upstream_status: None,
            reason: Some(Failure::NoRoute),
            reused: false,
            ..record()
        };
        let format = "{host} {upstream} {endpoint} {upstream_status} {upstream_connect_s} {referer} {reused} {reason}";
        assert_eq!(line_of(&record, format), "- - - - - - false no_route\n");
    }

    #[test]
    fn a_template_has_the_fields_of_the_manual() {
        let known: Vec<_> = LogField::all().map(|(name, _)| name).collect();
        let manual: Vec<_> = FIELDS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(known, manual);
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_is_one_line_and_stays_within_its_quotes(
            texts in prop::array::uniform6(prop::collection::vec(any::<u8>(), 0..80)),
        ) {
            let [request_id, method, host, path, user_agent, referer] = &texts;
            let record = Record { request_id, method, host, path, user_agent, referer, ..record() };
            for (format, quotes) in [("combined", 6), (&*everything(), 2 * LogField::all().count())] {
                let line = line_of(&record, format);
                let body = line.strip_suffix('\n').unwrap();
                prop_assert!(body.bytes().all(|b| (b' '..=b'~').contains(&b)), "{}", body);
                prop_assert_eq!(body.bytes().filter(|b| *b == b'"').count(), quotes, "{}", body);
            }
        }

        #[test]
        fn no_form_shows_the_value_of_a_secret_key(before in "[a-z;?#/&=%@:]{0,30}", after in "[a-z;?#/&=%@:\\\\\"]{0,30}") {
            let url = format!("/{before}?token=HUNTER2&{after}");
            let record = Record { path: url.as_bytes(), referer: url.as_bytes(), ..record() };
            for format in ["combined", &*everything()] {
                let line = line_of(&record, format);
                prop_assert!(!line.contains("HUNTER2"), "{}", line);
            }
        }
    }
}
