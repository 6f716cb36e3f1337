//! Where to accept connections: `host:port`, `:port` for every address, `[::1]:port`, or `unix:/path`.

use super::Complaint;
use super::host_port::{Host, parse_host_port, parse_unix};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// `:port`: every address of this machine, IPv4 and IPv6.
    Any {
        /// 1 to 65535.
        port: u16,
    },
    /// One address; `0.0.0.0` and `[::]` are all of their family.
    Ip(SocketAddr),
    /// A name of this machine, resolved once when the listener is bound.
    Name {
        /// Lower-case.
        host: Box<str>,
        /// 1 to 65535.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(path).map(ListenAddress::Unix);
        }
        if text.starts_with('/') {
            return Err(Complaint::new("a Unix socket is written with `unix:`").hint(format!("write `unix:{text}`")));
        }
        if let Some(port) = text.strip_prefix("*:") {
            return Err(Complaint::new("`*` is not an address").hint(format!("write `\":{port}\"` for all of them")));
        }
        if let Some((address, words)) = text.split_once(' ') {
            let mut hint = match address.bytes().all(|b| b.is_ascii_digit()) {
                true => format!("write `\":{address}\"`"),
                false => format!("write `\"{address}\"`"),
            };
            if words.split(' ').any(|word| word == "ssl") {
                hint += ", and `tls` beside it";
            }
            return Err(Complaint::new(format!("`{words}` does not stand in an address")).hint(hint));
        }
        Ok(match parse_host_port(text)? {
            (Host::None, port) => ListenAddress::Any { port },
            (Host::Ip(ip), port) => ListenAddress::Ip(SocketAddr::new(ip, port)),
            (Host::Name(host), port) => ListenAddress::Name { host, port },
        })
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            ListenAddress::Any { .. } => false,
            ListenAddress::Ip(address) => address.ip().to_canonical().is_loopback(),
            ListenAddress::Name { host, .. } => &**host == "localhost",
            ListenAddress::Unix(_) => true,
        }
    }

    /// Whether the two cannot be bound at the same time.
    pub fn collides_with(&self, other: &ListenAddress) -> bool {
        self == other
            || match (self.any_port(), other.any_port()) {
                (Some((all, port)), Some((other_all, other_port))) => {
                    port == other_port && (all.covers(other) || other_all.covers(self))
                }
                _ => false,
            }
    }

    fn any_port(&self) -> Option<(Reach, u16)> {
        match self {
            ListenAddress::Any { port } => Some((Reach::All, *port)),
            ListenAddress::Ip(address) => Some((
                match address.ip() {
                    ip if !ip.is_unspecified() => Reach::One,
                    IpAddr::V4(_) => Reach::Ipv4,
                    IpAddr::V6(_) => Reach::Ipv6,
                },
                address.port(),
            )),
            ListenAddress::Name { port, .. } => Some((Reach::One, *port)),
            ListenAddress::Unix(_) => None,
        }
    }
}

/// Which of the machine's addresses a listener takes.
#[derive(Clone, Copy)]
enum Reach {
    All,
    Ipv4,
    Ipv6,
    One,
}

impl Reach {
    fn covers(self, other: &ListenAddress) -> bool {
        match (self, other) {
            (Reach::All, _) => true,
            (Reach::Ipv4, ListenAddress::Ip(address)) => address.is_ipv4(),
            (Reach::Ipv6, ListenAddress::Ip(address)) => address.is_ipv6(),
            _ => false,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Any { port } => write!(f, ":{port}"),
            ListenAddress::Ip(address) => write!(f, "{address}"),
            ListenAddress::Name { host, port } => write!(f, "{host}:{port}"),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ListenAddress {
        ListenAddress::parse(text).expect(text)
    }

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [":8080", "127.0.0.1:80", "0.0.0.0:1", "[::1]:65535", "[::]:80", "localhost:80", "unix:/run/w.sock"]
        {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse(":80"), ListenAddress::Any { port: 80 });
    }

    #[test]
    fn mistakes_are_refused_with_the_right_spelling() {
        for (text, hint) in [
            ("8080", "write `\":8080\"`"),
            ("*:80", "write `\":80\"` for all of them"),
            ("::1", "write for example `\"[::1]:80\"`"),
            ("localhost", "write for example `localhost:80`"),
            ("/run/w.sock", "write `unix:/run/w.sock`"),
            ("unix:w.sock", "write for example `unix:/run/w.sock`"),
            ("http://localhost:80", "write `localhost:80`"),
            (":0", "write a number from 1 to 65535"),
        ] {
            assert_eq!(ListenAddress::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        for text in
            ["", ":", ":65536", ":+80", "[::1", "[::1]", "[::1]80", "[1.2.3.4]:80", "1.2.3:80", "a b:80", "unix:"]
        {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wildcard_collides_with_every_address_it_covers() {
        for (a, b, collide) in [
            (":80", ":80", true),
            (":80", "127.0.0.1:80", true),
            (":80", "[::]:80", true),
            (":80", ":81", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("unix:/a", "unix:/a", true),
            ("unix:/a", ":80", false),
        ] {
            assert_eq!(parse(a).collides_with(&parse(b)), collide, "{a} {b}");
            assert_eq!(parse(b).collides_with(&parse(a)), collide, "{b} {a}");
        }
    }

    #[test]
    fn only_loopback_names_and_sockets_are_local() {
        for (text, local) in [
            ("127.1.2.3:1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            ("unix:/a", true),
            (":1", false),
            ("10.0.0.1:1", false),
        ] {
            assert_eq!(parse(text).is_local(), local, "{text}");
        }
    }
}
