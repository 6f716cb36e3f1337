//! One line of the access log: the facts of one request, and how JSON is made of them.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::failure::Failure;

use super::clock::Clock;
use super::digits::{number, seconds};
use super::escape::{self, Json};
use super::redact;

/// The facts of one request, borrowed from where they are. Text is as it came from the client: making it harmless is
/// the log's work.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the exchange ended.
    pub at: SystemTime,
    pub request_id: &'a [u8],
    pub client_ip: IpAddr,
    pub method: &'a [u8],
    /// `http` or `https`.
    pub scheme: &'static str,
    pub host: &'a [u8],
    /// The request target: path and query.
    pub path: &'a [u8],
    /// As in `HTTP/1.1`.
    pub protocol: &'static str,
    pub status: u16,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// From the first byte of the request to the last of the response.
    pub duration: Duration,
    pub route: &'a str,
    pub upstream: Option<&'a str>,
    /// The address of the endpoint tried last.
    pub endpoint: Option<&'a str>,
    /// Endpoints tried; 0 when none was.
    pub attempts: u32,
    pub upstream_status: Option<u16>,
    /// How long the last connection took to open; none when it was reused.
    pub upstream_connect: Option<Duration>,
    /// From handing the request over to the end of the response's head.
    pub upstream_header: Option<Duration>,
    /// Whether the last attempt used a kept connection.
    pub reused: bool,
    pub reason: Option<Failure>,
    /// Empty when absent.
    pub user_agent: &'a [u8],
    /// Empty when absent.
    pub referer: &'a [u8],
    /// Nothing in plain text.
    pub tls: Option<TlsRecord<'a>>,
}

/// What a line says of a client's TLS.
#[derive(Clone, Copy, Debug)]
pub struct TlsRecord<'a> {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    pub cipher: &'static str,
    /// Empty when the client named no host.
    pub server_name: &'a str,
    /// Of the client's certificate, if it has one.
    pub client_subject: Option<&'a str>,
}

/// Appends the line of `record` in JSON, with its newline.
pub(super) fn write(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>) {
    let Record {
        at,
        request_id,
        client_ip,
        method,
        scheme,
        host,
        path,
        protocol,
        status,
        bytes_in,
        bytes_out,
        duration,
        route,
        upstream,
        endpoint,
        attempts,
        upstream_status,
        upstream_connect,
        upstream_header,
        reused,
        reason,
        user_agent,
        referer,
        tls,
    } = record;
    // One growth at most where nothing needs escaping.
    let text = request_id.len() + host.len() + path.len() + route.len() + user_agent.len() + referer.len();
    out.reserve(512 + text);
    out.extend_from_slice(b"{\"ts\":\"");
    clock.write(out, *at);
    out.extend_from_slice(b"\",\"request_id\":\"");
    escape::field::<Json>(out, request_id);
    out.extend_from_slice(b"\",\"client_ip\":\"");
    address(out, *client_ip);
    out.extend_from_slice(b"\",\"method\":\"");
    escape::field::<Json>(out, method);
    out.extend_from_slice(b"\",\"scheme\":\"");
    constant(out, scheme);
    out.extend_from_slice(b"\",\"host\":\"");
    redact::host::<Json>(out, host);
    out.extend_from_slice(b"\",\"path\":\"");
    redact::url::<Json>(out, path);
    out.extend_from_slice(b"\",\"protocol\":\"");
    constant(out, protocol);
    out.extend_from_slice(b"\",\"status\":");
    number(out, (*status).into());
    out.extend_from_slice(b",\"bytes_in\":");
    number(out, *bytes_in);
    out.extend_from_slice(b",\"bytes_out\":");
    number(out, *bytes_out);
    out.extend_from_slice(b",\"duration_s\":");
    seconds(out, *duration);
    out.extend_from_slice(b",\"route\":\"");
    escape::field::<Json>(out, route.as_bytes());
    out.extend_from_slice(b"\",\"upstream\":");
    or_null(out, *upstream, name);
    out.extend_from_slice(b",\"endpoint\":");
    or_null(out, *endpoint, name);
    out.extend_from_slice(b",\"attempts\":");
    number(out, (*attempts).into());
    out.extend_from_slice(b",\"upstream_status\":");
    or_null(out, *upstream_status, |out, status| number(out, status.into()));
    out.extend_from_slice(b",\"upstream_connect_s\":");
    or_null(out, *upstream_connect, seconds);
    out.extend_from_slice(b",\"upstream_header_s\":");
    or_null(out, *upstream_header, seconds);
    out.extend_from_slice(if *reused { b",\"reused\":true,\"reason\":" } else { b",\"reused\":false,\"reason\":" });
    or_null(out, reason.map(Failure::word), name);
    out.extend_from_slice(b",\"user_agent\":\"");
    escape::field::<Json>(out, user_agent);
    out.extend_from_slice(b"\",\"referer\":\"");
    redact::url::<Json>(out, referer);
    match tls {
        None => out.extend_from_slice(WITHOUT_TLS),
        Some(tls) => secured(out, tls),
    }
}

const WITHOUT_TLS: &[u8] =
    b"\",\"tls_version\":null,\"tls_cipher\":null,\"tls_server_name\":null,\"client_subject\":null}\n";

#[inline(never)]
fn secured(out: &mut Vec<u8>, tls: &TlsRecord<'_>) {
    let TlsRecord { version, cipher, server_name, client_subject } = tls;
    out.extend_from_slice(b"\",\"tls_version\":");
    name(out, version);
    out.extend_from_slice(b",\"tls_cipher\":");
    name(out, cipher);
    out.extend_from_slice(b",\"tls_server_name\":");
    or_null(out, Some(*server_name).filter(|name| !name.is_empty()), name);
    out.extend_from_slice(b",\"client_subject\":");
    or_null(out, *client_subject, name);
    out.extend_from_slice(b"}\n");
}

fn or_null<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    escape::field::<Json>(out, name.as_bytes());
    out.push(b'"');
}

/// A word of the program's own, which needs no escaping.
fn constant(out: &mut Vec<u8>, word: &'static str) {
    debug_assert!(escape::is_plain(word.as_bytes()));
    out.extend_from_slice(word.as_bytes());
}

pub(super) fn address(out: &mut Vec<u8>, ip: IpAddr) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            number(out, a.into());
            for octet in [b, c, d] {
                out.push(b'.');
                number(out, octet.into());
            }
        }
        IpAddr::V6(v6) => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{v6}");
        }
    }
}
