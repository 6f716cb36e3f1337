//! Which hosts a route answers for: one name, or all names below one (`*.example.com`).

use super::Complaint;
use super::host_port::parse_name;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host pattern: lower-case, without port and without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This host only: a name, an IPv4 address, or an IPv6 address in brackets.
    Exact(Box<str>),
    /// `*.example.com` holds `example.com`: every name that ends in a dot and this, however many labels stand before.
    Wildcard(Box<str>),
}

impl HostPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        if text.is_empty() {
            return Err(Complaint::new("a host is empty").hint("leave `host` out to match every host"));
        }
        if text == "*" {
            return Err(Complaint::new("`*` is not a host").hint("leave `host` out to match every host"));
        }
        if let Some(address) = text.strip_prefix('[') {
            return match address.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
                Some(Ok(v6)) => Ok(HostPattern::Exact(format!("[{v6}]").into())),
                _ => Err(no_port(text).unwrap_or_else(|| Complaint::new(format!("`{text}` is not an IPv6 address")))),
            };
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(Complaint::new("an IPv6 address stands in brackets").hint(format!("write `\"[{text}]\"`")));
        }
        if !text.contains("://")
            && let Some(complaint) = no_port(text)
        {
            return Err(complaint);
        }
        if text.parse::<Ipv4Addr>().is_ok() {
            return Ok(HostPattern::Exact(text.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if let Some((host, path)) = name.split_once('/')
            && !name.contains("://")
        {
            return Err(Complaint::new("a host holds no path").hint(format!("write `host: {host}, path: /{path}`")));
        }
        if name.starts_with('~') {
            return Err(Complaint::new("a host is not a regular expression")
                .hint("write a name, or `\"*.example.com\"` for all names below one"));
        }
        match name.strip_prefix("*.") {
            Some(parent) if !parent.contains('*') => parse_name(parent).map(HostPattern::Wildcard),
            None if !name.contains('*') => parse_name(name).map(HostPattern::Exact),
            _ => Err(Complaint::new("`*` stands for whole labels at the front of a host")
                .hint("write for example `\"*.example.com\"`")),
        }
    }
}

impl HostPattern {
    /// Whether every host that `other` holds is one of this pattern.
    pub fn covers(&self, other: &HostPattern) -> bool {
        match (self, other) {
            (HostPattern::Exact(own), HostPattern::Exact(name)) => own == name,
            (HostPattern::Exact(_), HostPattern::Wildcard(_)) => false,
            (HostPattern::Wildcard(parent), HostPattern::Exact(name)) => is_below(name, parent),
            (HostPattern::Wildcard(parent), HostPattern::Wildcard(name)) => parent == name || is_below(name, parent),
        }
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|front| front.ends_with('.') && front.len() > 1)
}

/// A complaint about a port, if that is what stands at the end.
fn no_port(text: &str) -> Option<Complaint> {
    let (host, port) = text.rsplit_once(':')?;
    port.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| Complaint::new("a host is matched without its port").hint(format!("write `{host}`")))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_lower_cased_and_lose_their_final_dot() {
        for (text, shown) in [
            ("API.Example.com", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("*.Shop.example", "*.shop.example"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[0:0::1]", "[::1]"),
        ] {
            assert_eq!(HostPattern::parse(text).expect(text).to_string(), shown);
        }
        assert_eq!(HostPattern::parse("*.a.b"), Ok(HostPattern::Wildcard("a.b".into())));
    }

    #[test]
    fn a_pattern_covers_what_it_holds() {
        let of = |text: &str| HostPattern::parse(text).expect(text);
        for (wide, narrow, covers) in [
            ("a.test", "a.test", true),
            ("a.test", "*.a.test", false),
            ("*.a.test", "a.test", false),
            ("*.a.test", "x.a.test", true),
            ("*.a.test", "y.x.a.test", true),
            ("*.a.test", "xa.test", false),
            ("*.a.test", "*.a.test", true),
            ("*.a.test", "*.x.a.test", true),
            ("*.x.a.test", "*.a.test", false),
        ] {
            assert_eq!(of(wide).covers(&of(narrow)), covers, "{wide} {narrow}");
        }
    }

    #[test]
    fn mistakes_are_refused_with_the_right_spelling() {
        for (text, hint) in [
            ("api.example.com:443", "write `api.example.com`"),
            ("*", "leave `host` out to match every host"),
            ("::1", "write `\"[::1]\"`"),
            ("[::1]:80", "write `[::1]`"),
            ("https://a.example", "write `a.example`"),
            ("a.example/v1", "write `host: a.example, path: /v1`"),
            ("a*.example", "write for example `\"*.example.com\"`"),
            ("*.*.example", "write for example `\"*.example.com\"`"),
            ("bücher.example", "write an international name in its ASCII form, `xn--…`"),
        ] {
            assert_eq!(HostPattern::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        for text in ["", ".", "a..b", "a b", "*.", "1.2.3", "~ ^a$", "a\0"] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
    }
}
