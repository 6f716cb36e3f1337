//! Where a Docker engine answers.

use crate::value::Complaint;
use std::fmt;
use std::path::{Path, PathBuf};

/// The address of an engine's API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// A Unix socket.
    Unix(Box<Path>),
    /// A host and a port.
    Tcp(Box<str>),
    /// None at all: a file in which an agent keeps what it finds.
    File(Box<Path>),
}

impl Engine {
    /// Reads `unix:///path`, `unix:/path`, `tcp://host:port` or `file:///path`.
    pub fn parse(text: &str) -> Result<Engine, Complaint> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') && path.len() > 1 {
                true => Ok(Engine::Unix(PathBuf::from(path).into())),
                false => Err(Complaint::new(format!("`{text}` names no socket"))
                    .hint("write the whole path, as in `unix:///var/run/docker.sock`")),
            };
        }
        if let Some(path) = text.strip_prefix("file://") {
            return match path.starts_with('/') && !path.ends_with('/') {
                true => Ok(Engine::File(PathBuf::from(path).into())),
                false => Err(Complaint::new(format!("`{text}` names no file"))
                    .hint("write the whole path, as in `file:///run/wharf/endpoints.json`")),
            };
        }
        if let Some(rest) = text.strip_prefix("tcp://") {
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            let is_good = rest.rsplit_once(':').is_some_and(|(host, port)| {
                let host_good = !host.is_empty() && !host.contains(['/', '@', ' ']);
                host_good && port.parse::<u16>().is_ok_and(|port| port > 0)
            });
            return match is_good {
                true => Ok(Engine::Tcp(rest.into())),
                false => Err(Complaint::new(format!("`{text}` is not `tcp://host:port`"))
                    .hint("write host and port, as in `tcp://127.0.0.1:2375`")),
            };
        }
        let complaint = Complaint::new(format!("`{text}` is not the address of an engine"));
        Err(complaint.hint(match text {
            _ if text.starts_with('/') => format!("write `unix://{text}`"),
            _ if text.starts_with("http") || text.starts_with("ssh") => {
                "the engine is reached by `unix:///path` or `tcp://host:port`".to_owned()
            }
            _ => "write for example `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`".to_owned(),
        }))
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Engine::Unix(path) => write!(f, "unix://{}", path.display()),
            Engine::Tcp(address) => write!(f, "tcp://{address}"),
            Engine::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_a_socket_or_a_host_and_a_port() {
        for (text, shown) in [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("unix:/run/d.sock", "unix:///run/d.sock"),
            ("tcp://10.0.0.1:2376", "tcp://10.0.0.1:2376"),
            ("tcp://[::1]:2376/", "tcp://[::1]:2376"),
        ] {
            assert_eq!(Engine::parse(text).map(|e| e.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for text in [
            "",
            "/var/run/docker.sock",
            "unix:docker.sock",
            "unix://",
            "tcp://host",
            "tcp://:1",
            "tcp://h:0",
            "http://h:1",
        ] {
            assert!(Engine::parse(text).is_err(), "{text}");
        }
    }
}
