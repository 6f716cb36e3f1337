//! The request that is asked about, and the head that a client would send for it.

use crate::config::Document;
use crate::http::field::is_value;
use crate::table::{Listener, Table};
use crate::value::{ListenAddress, is_token, suggest};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// Where requests come from unless it is said: an address of nobody (RFC 5737).
pub const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// A request that is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    #[serde(default = "get")]
    pub method: String,
    /// `http://HOST/PATH?QUERY`, or `/PATH?QUERY` for no host in particular.
    pub url: String,
    /// Names and values, one after the other as they are sent.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The address it comes from; left out, [`SOMEBODY`].
    #[serde(default)]
    pub from: Option<IpAddr>,
    /// The listener it comes in by; left out, the one on the URL's port, else the first. For `https://` one with TLS, for `http://` one
    /// without.
    #[serde(default)]
    pub listener: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

/// A URL, taken apart but not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'u> {
    pub scheme: Option<&'u str>,
    /// With its port.
    pub authority: Option<&'u str>,
    /// Path and query.
    pub target: &'u str,
}

impl Url<'_> {
    fn port(&self) -> Option<u16> {
        let written = self.authority.and_then(|a| a.rsplit_once(':')).and_then(|(_, port)| port.parse().ok());
        written.or(self.scheme.map(usual))
    }
}

impl Question {
    /// A GET of this URL.
    pub fn get(url: &str) -> Question {
        Question { method: get(), url: url.to_owned(), headers: Vec::new(), from: None, listener: None }
    }

    /// Its URL in parts.
    ///
    /// # Errors
    /// When it is none that a client could send.
    pub fn url(&self) -> Result<Url<'_>, String> {
        let url = &*self.url;
        if let Some((before, fragment)) = url.split_once('#') {
            return Err(format!("`#{fragment}` never leaves the client: write `{before}`"));
        }
        if url.starts_with('/') && !url.starts_with("//") || url == "*" && self.method == "OPTIONS" {
            return Ok(Url { scheme: None, authority: None, target: url });
        }
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) if matches!(scheme, "http" | "https") => (scheme, rest),
            None if url.starts_with("//") => {
                return Err(format!("`{url}` names a host or a path: write `http:{url}`, or `http://HOST{url}`"));
            }
            None if url.split('/').next().is_some_and(|host| host.contains(['.', ':'])) => {
                return Err(format!("`{url}` is no URL that a client asks for: write `http://{url}` or `/PATH`"));
            }
            _ => return Err(format!("`{url}` is no URL that a client asks for: write `http://HOST/PATH` or `/PATH`")),
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(format!("`{url}` names no host: write `{scheme}://HOST/PATH`"));
        }
        if let Some((_, host)) = authority.rsplit_once('@') {
            return Err(format!("clients send no user in a URL: write `{scheme}://{host}{target}`"));
        }
        Ok(Url { scheme: Some(scheme), authority: Some(authority), target })
    }

    /// The head as a client sends it.
    ///
    /// # Errors
    /// When it would not be one head.
    pub fn head(&self) -> Result<Vec<u8>, String> {
        let Url { authority, target, .. } = self.url()?;
        if !is_token(&self.method) {
            return Err(format!("`{}` is not a method", self.method));
        }
        if let Some(odd) = target.bytes().find(|b| *b <= b' ' || *b == 0x7f) {
            return Err(format!("a URL holds no `{}`: write it as `%{odd:02X}`", char::from(odd).escape_default()));
        }
        let slash = if target.starts_with('/') || target == "*" { "" } else { "/" };
        let mut head = format!("{} {slash}{target} HTTP/1.1\r\n", self.method);
        let names = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        if !names("host") {
            head += &format!("Host: {}\r\n", authority.unwrap_or("localhost"));
        }
        for (name, value) in &self.headers {
            if !is_token(name) {
                return Err(format!("`{name}` is not a header name"));
            }
            if !is_value(value.as_bytes()) {
                return Err(format!("the value of `{name}` holds a control character"));
            }
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        Ok(head.into_bytes())
    }

    /// The listener it comes in by.
    ///
    /// # Errors
    /// When there is none.
    pub fn listener<'t>(&self, table: &'t Table, document: &Document) -> Result<&'t Listener, String> {
        let named = |name: &str| table.listeners.iter().find(|listener| *listener.name == *name).map(|l| &**l);
        if let Some(name) = &self.listener {
            return named(name).ok_or_else(|| {
                let hint = suggest::hint(name, table.listeners.iter().map(|listener| &*listener.name));
                format!("no listener named `{name}`{}", hint.map_or_else(String::new, |hint| format!(": {hint}")))
            });
        }
        // in the order of the document, not of the table
        let listeners: Vec<&Listener> = document.listeners.iter().filter_map(|(name, _)| named(name)).collect();
        let url = self.url()?;
        let speaks = |listener: &&Listener| match url.scheme {
            Some(scheme) => listener.secure == (scheme == "https"),
            // of no scheme in particular: one that does more than send elsewhere
            None => !listener.redirects,
        };
        let (fit, unfit): (Vec<&Listener>, Vec<&Listener>) = listeners.into_iter().partition(speaks);
        let candidates = if fit.is_empty() { unfit } else { fit };
        let on_port = |listener: &&&Listener| url.port().is_some() && port_of(listener) == url.port();
        let found = candidates.iter().find(on_port).or_else(|| candidates.first());
        found.copied().ok_or_else(|| "there is no listener".to_owned())
    }
}

impl Question {
    /// How the question was taken, where the URL says what `listener` is not.
    ///
    /// # Errors
    /// As [`Question::url`].
    pub fn note(&self, listener: &Listener) -> Result<Option<String>, String> {
        let url = self.url()?;
        let name = &listener.name;
        Ok(match (url.scheme, url.port()) {
            (Some("https"), _) if !listener.secure => {
                let why = match self.listener {
                    Some(_) => format!("`{name}` speaks no TLS"),
                    None => "no listener speaks TLS".to_owned(),
                };
                Some(format!("{why}: taken as plain HTTP, by `{name}`"))
            }
            (Some("http"), _) if listener.secure => Some(format!("`{name}` speaks TLS: taken as a request over that")),
            _ if self.listener.is_some() => None,
            (Some(scheme), Some(port)) if port != usual(scheme) && port_of(listener) != Some(port) => Some(format!(
                "no listener has port {port}: taken for a request by `{name}`; `--listener` names another"
            )),
            _ => None,
        })
    }
}

/// The port of a URL that names none.
fn usual(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

fn port_of(listener: &Listener) -> Option<u16> {
    match &listener.address {
        ListenAddress::Any { port } | ListenAddress::Name { port, .. } => Some(*port),
        ListenAddress::Ip(address) => Some(address.port()),
        ListenAddress::Unix(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(question: &Question) -> Result<String, String> {
        question.head().map(|head| String::from_utf8(head).expect("text"))
    }

    #[test]
    fn a_question_becomes_the_head_that_a_client_sends() {
        let question =
            Question { headers: vec![("X-A".into(), "1".into())], ..Question::get("http://a.example:81/x%2F?y") };
        assert_eq!(head(&question).expect("valid"), "GET /x%2F?y HTTP/1.1\r\nHost: a.example:81\r\nX-A: 1\r\n\r\n");
        assert_eq!(head(&Question::get("http://a")).expect("valid"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(head(&Question::get("http://a?q")).expect("valid"), "GET /?q HTTP/1.1\r\nHost: a\r\n\r\n");
        let own = Question { headers: vec![("host".into(), "b".into())], ..Question::get("/x") };
        assert_eq!(head(&own).expect("valid"), "GET /x HTTP/1.1\r\nhost: b\r\n\r\n");
    }

    #[test]
    fn what_no_client_would_send_is_refused_with_what_to_write() {
        for (url, says) in [
            ("example.com/x", "write `http://example.com/x`"),
            ("users", "write `http://HOST/PATH`"),
            ("//example.com/x", "write `http://example.com/x`, or `http://HOST//example.com/x`"),
            ("ftp://example.com/x", "write `http://HOST/PATH`"),
            ("http:///x", "names no host"),
            ("http://me@example.com/", "write `http://example.com/`"),
            ("/x#y", "write `/x`"),
            ("/a b", "write it as `%20`"),
            ("/a\r\nX: y", "holds no `\\r`"),
        ] {
            let said = head(&Question::get(url)).unwrap_err();
            assert!(said.contains(says), "{url}: {said}");
        }
        let bad = Question { headers: vec![("X".into(), "a\nb".into())], ..Question::get("/") };
        assert!(head(&bad).is_err());
        assert!(head(&Question { method: "G T".into(), ..Question::get("/") }).is_err());
    }
}
