//! The name of SRV records: `_http._tcp.app.internal`, or a plain one, as Consul and others answer it too.

use super::Complaint;
use super::host_port::parse_name;
use std::fmt;

/// What `discover: { srv: … }` names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SrvName(
    /// Lower-case. Ends in a dot where it was written so: then it is looked for nowhere else.
    Box<str>,
);

impl SrvName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', ':']).next().unwrap_or(rest);
            return Err(Complaint::new("the name of SRV records is no URL").hint(format!("write `_http._tcp.{host}`")));
        }
        if let Some((name, port)) = text.rsplit_once(':') {
            let complaint =
                Complaint::new("the name of SRV records has no port: the records say it").part(format!(":{port}"));
            return Err(match name.starts_with('_') {
                true => complaint.hint(format!("write `{name}`")),
                false => complaint.hint(format!("write `dns: \"{text}\"` for the addresses of a name, at this port")),
            });
        }
        let (plain, dot) = text.strip_suffix('.').map_or((text, ""), |plain| (plain, "."));
        let name = parse_name(plain)?;
        let labels: Vec<&str> = name.split('.').collect();
        let complaint = |why: &str| Complaint::new(format!("`{text}` is not the name of SRV records: {why}"));
        let spelt = |service: &str, protocol: &str, rest: &[&str]| {
            let rest = if rest.is_empty() { "app.internal".to_owned() } else { rest.join(".") };
            format!("write `_{service}._{protocol}.{rest}{dot}`")
        };
        match labels.as_slice() {
            [_, "_udp" | "_sctp" | "_dccp", ..] => Err(complaint("HTTP is spoken over TCP").hint(spelt(
                labels[0].trim_start_matches('_'),
                "tcp",
                &labels[2..],
            ))),
            ["_", "_tcp", rest @ ..] => Err(complaint("the service has no name").hint(spelt("http", "tcp", rest))),
            [service, "_tcp"] => {
                Err(complaint("the domain is missing").hint(spelt(service.trim_start_matches('_'), "tcp", &[])))
            }
            [service, "_tcp", rest @ ..] if !service.starts_with('_') => {
                Err(complaint("the service begins with `_` as well").part(*service).hint(spelt(service, "tcp", rest)))
            }
            [service, "tcp", rest @ ..] if service.starts_with('_') => {
                Err(complaint("the protocol begins with `_` as well").hint(spelt(&service[1..], "tcp", rest)))
            }
            [service, rest @ ..] if service.starts_with('_') && rest.first() != Some(&"_tcp") => {
                Err(complaint("after the service comes the protocol").hint(spelt(&service[1..], "tcp", rest)))
            }
            _ => Ok(SrvName(format!("{name}{dot}").into())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain whose service it is: what comes after `_service._tcp.`; of a plain name all of it.
    pub fn domain(&self) -> &str {
        let mut labels = self.0.splitn(3, '.');
        match (labels.next(), labels.next(), labels.next()) {
            (Some(service), Some("_tcp"), Some(domain)) if service.starts_with('_') => domain,
            _ => &self.0,
        }
    }
}

impl fmt::Display for SrvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_and_written_back() {
        for text in ["_http._tcp.app.internal", "_http._tcp.app.internal.", "web.service.consul", "_a-b._tcp.x"] {
            assert_eq!(SrvName::parse(text).expect(text).to_string(), text);
        }
        for (text, domain) in
            [("_http._tcp.app.internal", "app.internal"), ("web.service.consul", "web.service.consul")]
        {
            assert_eq!(SrvName::parse(text).expect(text).domain(), domain);
        }
        assert_eq!(SrvName::parse("_HTTP._TCP.App").expect("a name").as_str(), "_http._tcp.app");
    }

    #[test]
    fn mistakes_are_refused_with_the_right_spelling() {
        for (text, hint) in [
            ("http._tcp.app.internal", "write `_http._tcp.app.internal`"),
            ("_http.tcp.app.internal.", "write `_http._tcp.app.internal.`"),
            ("_http.app.internal", "write `_http._tcp.app.internal`"),
            ("_http._udp.app.internal", "write `_http._tcp.app.internal`"),
            ("_http._tcp", "write `_http._tcp.app.internal`"),
            ("_._tcp.app", "write `_http._tcp.app`"),
            ("_http._tcp.app.internal:80", "write `_http._tcp.app.internal`"),
            ("app.internal:80", "write `dns: \"app.internal:80\"` for the addresses of a name, at this port"),
            ("http://app.internal/x", "write `_http._tcp.app.internal`"),
            ("_http._tcp..internal", "between dots stand 1 to 63 characters"),
        ] {
            assert_eq!(SrvName::parse(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
        for text in ["", ".", "a b", "10.0.0.1"] {
            assert!(SrvName::parse(text).is_err(), "{text}");
        }
    }
}
