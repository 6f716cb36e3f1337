//! Who asks: the client behind a connection, seen through trusted proxies, and the headers that tell the upstream.

use crate::http::field::{Class, is_value, members};
use crate::http::request::RequestHead;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// The other end of a client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub ip: IpAddr,
    pub port: u16,
    /// The listener it came in by.
    pub listener: u16,
}

impl Peer {
    /// A peer on a TCP socket; an IPv4-mapped address is the IPv4 address.
    pub fn new(address: SocketAddr, listener: u16) -> Peer {
        Peer { ip: address.ip().to_canonical(), port: address.port(), listener }
    }

    /// A peer on a Unix socket has no address; it is on this machine.
    pub fn local(listener: u16) -> Peer {
        Peer { ip: IpAddr::from([127, 0, 0, 1]), port: 0, listener }
    }
}

/// Longest request id taken over from a trusted proxy.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Who asks, as far as it can be believed.
pub struct Client {
    pub ip: IpAddr,
    /// The peer may say who its client is.
    pub trusted: bool,
}

impl Client {
    /// The client of a request: the peer, or what a trusted peer says: the last address in X-Forwarded-For that is no trusted proxy.
    pub fn of(peer: &Peer, head: &RequestHead<'_, '_>, trusts: impl Fn(IpAddr) -> bool) -> Client {
        if !trusts(peer.ip) {
            return Client { ip: peer.ip, trusted: false };
        }
        let mut ip = peer.ip;
        let lines: Vec<&[u8]> = head.fields().filter(|(c, ..)| *c == Class::ForwardedFor).map(|(.., v)| v).collect();
        for text in lines.iter().rev().flat_map(|v| members(v).collect::<Vec<_>>().into_iter().rev()) {
            let Some(said) = address(text) else { break };
            ip = said;
            if !trusts(ip) {
                break;
            }
        }
        Client { ip, trusted: true }
    }
}

/// An address in X-Forwarded-For: bare, bracketed, or with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip())).map(|ip| ip.to_canonical())
}

/// The request id a trusted peer gave, if it can be written into logs and heads.
pub fn given_request_id<'b>(head: &RequestHead<'_, 'b>) -> Option<&'b [u8]> {
    let id = head.field(Class::RequestId)?;
    (!id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.iter().all(u8::is_ascii_graphic)).then_some(id)
}

/// Appends the lines that tell the upstream who asks: X-Real-IP, X-Forwarded-For, -Proto, -Host, -Port and X-Request-Id. `arrival` are the
/// listener's own lines, -Proto and -Port, which a trusted proxy's replace.
pub fn write_identity(
    head: &RequestHead<'_, '_>,
    client: &Client,
    peer: &Peer,
    arrival: &[u8],
    request_id: &[u8],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"X-Real-IP: ");
    let start = out.len();
    write_ip(client.ip, out);
    let end = out.len();
    out.extend_from_slice(b"\r\nX-Forwarded-For: ");
    if client.trusted {
        for (_, _, value) in head.fields().filter(|(c, _, v)| *c == Class::ForwardedFor && !v.is_empty()) {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
        write_ip(peer.ip, out);
    } else {
        out.extend_from_within(start..end);
    }
    out.extend_from_slice(b"\r\n");
    let said = |class: Class| if client.trusted { head.field(class).filter(|v| is_value(v)) } else { None };
    let (proto, port) = (said(Class::ForwardedProto), said(Class::ForwardedPort));
    // what the proxy in front says goes for both: its port belongs to its protocol
    if proto.is_none() && port.is_none() {
        out.extend_from_slice(arrival);
    } else {
        write_line(b"X-Forwarded-Proto: ", proto.unwrap_or(b"http"), out);
        write_line(b"X-Forwarded-Port: ", port.unwrap_or(b""), out);
    }
    write_line(b"X-Forwarded-Host: ", said(Class::ForwardedHost).unwrap_or(head.host_value), out);
    write_line(b"X-Request-Id: ", request_id, out);
}

/// Appends a line, unless it would say nothing.
fn write_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() {
        out.extend_from_slice(name);
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Every octet as text, and the length of that.
const OCTETS: [([u8; 3], u8); 256] = {
    let mut table = [([0; 3], 0); 256];
    let mut n = 0;
    while n < 256 {
        let (hundreds, tens, ones) = (b'0' + (n / 100) as u8, b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8);
        table[n] = match n {
            0..=9 => ([ones, 0, 0], 1),
            10..=99 => ([tens, ones, 0], 2),
            _ => ([hundreds, tens, ones], 3),
        };
        n += 1;
    }
    table
};

/// Appends an address as text. By hand for IPv4: this runs with every request.
pub fn write_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => {
            let mut text = [b'.'; 16];
            let mut len = 0;
            for octet in ip.octets() {
                let (digits, n) = OCTETS[usize::from(octet)];
                text[len..len + 3].copy_from_slice(&digits);
                len += usize::from(n);
                text[len] = b'.';
                len += 1;
            }
            out.extend_from_slice(&text[..len - 1]);
        }
        // writing to a vector cannot fail
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

/// Appends a number in decimal.
pub fn write_decimal(n: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut n = n;
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_are_written_as_rust_writes_them() {
        for n in [0, 7, 10, 255, 65_535, u64::MAX] {
            let mut out = Vec::new();
            write_decimal(n, &mut out);
            assert_eq!(out, n.to_string().as_bytes());
        }
        for ip in ["0.0.0.0", "127.0.0.1", "255.10.9.100", "::1", "2001:db8::5"] {
            let mut out = Vec::new();
            write_ip(ip.parse().expect("an address"), &mut out);
            assert_eq!(out, ip.as_bytes());
        }
    }

    #[test]
    fn forwarded_addresses_are_read_in_the_forms_that_proxies_write() {
        for (text, ip) in [
            ("1.2.3.4", Some("1.2.3.4")),
            ("1.2.3.4:80", Some("1.2.3.4")),
            ("[::1]:80", Some("::1")),
            ("[::1]", Some("::1")),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("unknown", None),
            ("_hidden", None),
        ] {
            assert_eq!(address(text.as_bytes()), ip.map(|ip| ip.parse().expect("an address")), "{text}");
        }
    }
}
