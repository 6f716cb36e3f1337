//! The request's head as the upstream gets it: the client's own bytes, minus what is about this connection, plus who asks.

use super::client::{Client, Peer, write_decimal, write_identity};
use crate::http::field::Class;
use crate::http::framing::Framing;
use crate::http::request::RequestHead;
use crate::http::stretch::Stretch;

/// Who asks, and under which id.
pub struct Origin<'a> {
    pub client: &'a Client,
    pub peer: &'a Peer,
    /// The listener's own lines: how the client came in.
    pub arrival: &'a [u8],
    pub request_id: &'a [u8],
    /// The Host for a request without one (HTTP/1.0).
    pub default_host: &'a str,
    /// What is asked for there.
    pub target: &'a [u8],
    /// The protocol to switch to, where the route allows it.
    pub upgrade: Option<&'a [u8]>,
}

/// Appends the head that goes upstream. It is always written anew, so it is valid whatever liberties the client's head took.
pub fn write(head: &RequestHead<'_, '_>, origin: &Origin<'_>, out: &mut Vec<u8>) {
    out.reserve(head.len + 512);
    let mut lines = Stretch::new(head.source, out);
    let as_written = head.minor == 1 && lines.start_line(head.method_token.as_bytes(), origin.target, b" HTTP/1.1\r\n");
    if !as_written {
        for part in [head.method_token.as_bytes(), b" ", origin.target, b" HTTP/1.1\r\n"] {
            lines.bytes(part);
        }
    }
    let trusted = origin.client.trusted;
    for (class, name, value) in head.fields() {
        let forwarded = match class {
            Class::Plain
            | Class::Host
            | Class::Accept
            | Class::UserAgent
            | Class::Referer
            | Class::Guarded
            | Class::WebSocketKey => true,
            Class::ForwardedOther => trusted,
            Class::ContentLength
            | Class::TransferEncoding
            | Class::Connection
            | Class::Expect
            | Class::Upgrade
            | Class::Hop
            | Class::ForwardedFor
            | Class::ForwardedProto
            | Class::ForwardedHost
            | Class::ForwardedPort
            | Class::RealIp
            | Class::RequestId
            | Class::Twin
            | Class::Nominated => false,
        };
        if forwarded {
            lines.line(name, value);
        }
    }
    lines.flush();
    if !head.has_host_line {
        let host = if head.host_value.is_empty() { origin.default_host.as_bytes() } else { head.host_value };
        write_field("Host", host, out);
    }
    match head.framing {
        Framing::Length(n) => {
            out.extend_from_slice(b"Content-Length: ");
            write_decimal(n, out);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::None | Framing::UntilClose => {}
    }
    write_identity(head, origin.client, origin.peer, origin.arrival, origin.request_id, out);
    if let Some(protocol) = origin.upgrade {
        write_field("Connection", b"upgrade", out);
        write_field("Upgrade", protocol, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
