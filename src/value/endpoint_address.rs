//! Where a service answers: `host:port`, `ip:port`, `[ipv6]:port` or `unix:/path`.

use super::Complaint;
use super::host_port::{Host, parse_host_port, parse_unix};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The address of one endpoint of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndpointAddress {
    /// A fixed address.
    Ip(SocketAddr),
    /// A name to resolve.
    Name {
        /// Lower-case.
        host: Box<str>,
        /// 1 to 65535.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl EndpointAddress {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(path).map(EndpointAddress::Unix);
        }
        if text.starts_with('/') {
            return Err(Complaint::new("a Unix socket is written with `unix:`").hint(format!("write `unix:{text}`")));
        }
        if let Some((scheme @ ("http" | "https" | "h2c"), rest)) = text.split_once("://") {
            let host_port = rest.split('/').next().unwrap_or(rest);
            let port = if scheme == "https" { 443 } else { 80 };
            let host_port = if host_port.contains(':') { host_port.to_owned() } else { format!("{host_port}:{port}") };
            let tls = if scheme == "https" { ", and `tls: {}` beside `endpoints`" } else { "" };
            let complaint = Complaint::new("an endpoint is an address, not a URL");
            return Err(complaint.hint(format!("write `{host_port}`{tls}")));
        }
        if let Some((address, setting)) = text.split_once(' ')
            && let Some((key, value)) = setting.trim().split_once('=')
            && matches!(key, "weight" | "max_conns")
        {
            return Err(Complaint::new("an endpoint is its address; what else it has are keys")
                .hint(format!("write `{{ address: \"{address}\", {key}: {value} }}`")));
        }
        if let Some((address, _)) = text.split_once('/').filter(|(address, _)| parse_host_port(address).is_ok()) {
            return Err(Complaint::new("an endpoint has no path")
                .hint(format!("write `{address}`; the path that is forwarded is a route's `rewrite`")));
        }
        match parse_host_port(text)? {
            (Host::None, port) => {
                Err(Complaint::new("an endpoint needs a host").hint(format!("write for example `localhost:{port}`")))
            }
            (Host::Ip(ip), _) if ip.is_unspecified() => {
                Err(Complaint::new(format!("`{ip}` is no address to connect to"))
                    .hint("write the address or the name of the service"))
            }
            (Host::Ip(ip), port) => Ok(EndpointAddress::Ip(SocketAddr::new(ip.to_canonical(), port))),
            (Host::Name(host), port) => Ok(EndpointAddress::Name { host, port }),
        }
    }
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndpointAddress::Ip(address) => write!(f, "{address}"),
            EndpointAddress::Name { host, port } => write!(f, "{host}:{port}"),
            EndpointAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in
            ["app-1:3000", "user_service:80", "127.0.0.1:8001", "[::1]:80", "unix:/run/app.sock", "a.example.com:1"]
        {
            assert_eq!(EndpointAddress::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(EndpointAddress::parse("App:80").expect("a name").to_string(), "app:80");
    }

    #[test]
    fn mistakes_are_refused_with_the_right_spelling() {
        for (text, hint) in [
            ("app", "write for example `app:80`"),
            (":3000", "write for example `localhost:3000`"),
            ("http://app:3000", "write `app:3000`"),
            ("https://app/x", "write `app:443`, and `tls: {}` beside `endpoints`"),
            ("0.0.0.0:80", "write the address or the name of the service"),
            ("a/b:80", "letters, digits, `-`, `_` and dots make one up, not `/`"),
        ] {
            assert_eq!(EndpointAddress::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        for text in ["", "a:", "a:b", "a:99999", ".a:80", "a..b:80", "bücher:80", "300.1.1.1:80"] {
            assert!(EndpointAddress::parse(text).is_err(), "{text}");
        }
    }
}
