//! A name whose addresses are endpoints, and the port where they answer: `app.internal:3000`.

use super::Complaint;
use super::host_port::{Host, parse_host_port};
use std::fmt;

/// What `discover: { dns: … }` names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsTarget {
    /// Lower-case. Ends in a dot where it was written so: then it is looked for nowhere else.
    pub host: Box<str>,
    /// 1 to 65535.
    pub port: u16,
}

impl DnsTarget {
    /// Reads a name with a port.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let (plain, dot) = match text.rsplit_once(".:") {
            Some((host, port)) => (format!("{host}:{port}"), "."),
            None => (text.to_owned(), ""),
        };
        if text.starts_with("unix:") || text.starts_with('/') {
            return Err(Complaint::new("a Unix socket is not found by its name").hint(format!(
                "write it under `endpoints`: `endpoints: [\"unix:{}\"]`",
                text.trim_start_matches("unix:")
            )));
        }
        if text.starts_with('_') && text.contains("._") {
            return Err(Complaint::new("this is the name of SRV records, which `dns` does not ask for")
                .hint(format!("write `srv: {}`", text.split(':').next().unwrap_or(text))));
        }
        match parse_host_port(&plain)? {
            (Host::None, port) => Err(Complaint::new("there is no name before the port")
                .hint(format!("write for example `app.internal:{port}`"))),
            (Host::Ip(ip), port) => Err(Complaint::new(format!(
                "`{ip}` is an address already: there is nothing to ask"
            ))
            .hint(format!("write `endpoints: [\"{}\"]` in place of `discover`", std::net::SocketAddr::new(ip, port)))),
            (Host::Name(host), port) if is_localhost(&host) => {
                Err(Complaint::new(format!("`{host}` is always this machine: there is nothing to ask"))
                    .hint(format!("write `endpoints: [\"{host}:{port}\"]` in place of `discover`")))
            }
            (Host::Name(host), port) => Ok(DnsTarget { host: format!("{host}{dot}").into(), port }),
        }
    }
}

fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

impl fmt::Display for DnsTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_and_written_back() {
        for text in ["app.internal:3000", "app:1", "user_service:80", "app.internal.:65535"] {
            assert_eq!(DnsTarget::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(DnsTarget::parse("App:80").expect("a name").to_string(), "app:80");
    }

    #[test]
    fn mistakes_are_refused_with_the_right_spelling() {
        for (text, hint) in [
            ("app.internal", "write for example `app.internal:80`"),
            ("http://app.internal:3000", "write `app.internal:3000`"),
            ("10.0.0.7:80", "write `endpoints: [\"10.0.0.7:80\"]` in place of `discover`"),
            ("[::1]:80", "write `endpoints: [\"[::1]:80\"]` in place of `discover`"),
            ("localhost:80", "write `endpoints: [\"localhost:80\"]` in place of `discover`"),
            (":3000", "write for example `app.internal:3000`"),
            ("_http._tcp.app.internal", "write `srv: _http._tcp.app.internal`"),
            ("unix:/run/app.sock", "write it under `endpoints`: `endpoints: [\"unix:/run/app.sock\"]`"),
            ("a..b:80", "between dots stand 1 to 63 characters"),
        ] {
            assert_eq!(DnsTarget::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        assert!(DnsTarget::parse("app..:80").is_err() && DnsTarget::parse(".:80").is_err());
    }
}
