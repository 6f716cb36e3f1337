//! The `host:port` that listeners and endpoints share: how it is split and what a host name may be.

use super::Complaint;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// The longest path a Unix socket can have on Linux, without its final zero.
const UNIX_PATH_MAX: usize = 107;

pub(super) enum Host {
    /// Nothing before the colon.
    None,
    Ip(IpAddr),
    Name(Box<str>),
}

/// Splits `host:port`; the host may be missing, a name, an IPv4 address or an IPv6 address in brackets.
pub(super) fn parse_host_port(text: &str) -> Result<(Host, u16), Complaint> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => return Err(Complaint::new(format!("`{text}` lacks the closing `]`"))),
        },
        None if text.parse::<Ipv6Addr>().is_ok() => {
            let with_port = text.rsplit_once(':').filter(|(host, port)| {
                port.len() > 1 && port.bytes().all(|b| b.is_ascii_digit()) && host.parse::<Ipv6Addr>().is_ok()
            });
            return Err(Complaint::new("an IPv6 address stands in brackets, before its port").hint(match with_port {
                Some((host, port)) => format!("write for example `\"[{host}]:{port}\"`"),
                None => format!("write for example `\"[{text}]:80\"`"),
            }));
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let bracketed = text.starts_with('[');
    let Some(port) = port else {
        if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
            return Err(Complaint::new("a bare port is not an address").hint(format!("write `\":{text}\"`")));
        }
        return Err(Complaint::new(format!("`{text}` has no port")).hint(format!("write for example `{text}:80`")));
    };
    let port = match port.parse::<u16>() {
        Ok(n) if n > 0 && port.starts_with('0') => {
            let complaint = Complaint::new(format!("`{port}` is not a port: it starts with 0"));
            return Err(complaint.hint(format!("write `{n}`")));
        }
        Ok(n) if n > 0 && port.bytes().all(|b| b.is_ascii_digit()) => n,
        _ => {
            return Err(Complaint::new(format!("`{port}` is not a port"))
                .hint("write a number from 1 to 65535")
                .part(port));
        }
    };
    if bracketed {
        return match host.parse::<Ipv6Addr>() {
            Ok(v6) => Ok((Host::Ip(v6.into()), port)),
            Err(_) => Err(Complaint::new(format!("`{host}` is not an IPv6 address"))),
        };
    }
    match host {
        "" => Ok((Host::None, port)),
        _ => match host.parse::<Ipv4Addr>() {
            Ok(v4) => Ok((Host::Ip(v4.into()), port)),
            Err(_) => match (parse_name(host), host.split_once("://")) {
                (Err(complaint), Some((_, name))) => Err(complaint.hint(format!("write `{name}:{port}`"))),
                (name, _) => Ok((Host::Name(name?), port)),
            },
        },
    }
}

/// A host name as resolvers take it: labels of letters, digits, `-` and (as Docker allows) `_`; lower-cased.
pub(super) fn parse_name(host: &str) -> Result<Box<str>, Complaint> {
    let name = host.to_ascii_lowercase();
    if let Some(scheme_end) = name.find("://") {
        let rest = &host[scheme_end + 3..];
        return Err(Complaint::new(format!("`{host}` is a URL, not a host"))
            .hint(format!("write `{}`", rest.split(['/', ':', '?']).next().unwrap_or(rest))));
    }
    if name.len() > 253 {
        return Err(Complaint::new("a host name has at most 253 characters"));
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err(
                Complaint::new(format!("`{host}` is not a host name")).hint("between dots stand 1 to 63 characters")
            );
        }
        if let Some(odd) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-' && *c != '_') {
            let complaint = Complaint::new(format!("`{host}` is not a host name"));
            return Err(if odd.is_ascii() {
                complaint
                    .hint(format!("letters, digits, `-`, `_` and dots make one up, not `{}`", odd.escape_default()))
            } else {
                complaint.hint("write an international name in its ASCII form, `xn--…`")
            });
        }
    }
    // `10.0.0` or `1.2.3.4.5`: resolvers would read such names as addresses, each in its own way.
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        let complaint = Complaint::new(format!("`{host}` is neither an address nor a host name"));
        let numbers: Vec<Option<u8>> = name.split('.').map(|part| part.parse().ok()).collect();
        return Err(match numbers.as_slice() {
            [Some(a), Some(b), Some(c), Some(d)] => {
                complaint.hint(format!("write `{a}.{b}.{c}.{d}`, without leading zeros"))
            }
            _ => complaint.hint("an IPv4 address is four numbers from 0 to 255, such as `10.0.0.7`"),
        });
    }
    Ok(name.into())
}

/// The path after `unix:`.
pub(super) fn parse_unix(path: &str) -> Result<PathBuf, Complaint> {
    if !path.starts_with('/') {
        return Err(Complaint::new("the path of a Unix socket starts with `/`")
            .hint(format!("write for example `unix:/run/{}`", path.rsplit('/').next().unwrap_or(path))));
    }
    if path.len() > UNIX_PATH_MAX {
        return Err(Complaint::new(format!("the path of a Unix socket has at most {UNIX_PATH_MAX} bytes")));
    }
    if path.contains('\0') {
        return Err(Complaint::new("the path of a Unix socket holds no zero byte"));
    }
    Ok(PathBuf::from(path))
}
