//! The running gateway that a command talks to: where its admin address is, and the token for it.

use super::client::{Client, Place};
use super::{FAILED, Failure, INVALID, default_config, no_config};
use crate::config;
use crate::value::{ListenAddress, Secret};
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

#[derive(Args)]
pub struct Remote {
    /// The gateway's admin address (default: the one in the configuration)
    #[arg(long, value_name = "URL", value_parser = place, conflicts_with = "config")]
    admin: Option<Place>,
    /// A file that holds the admin token (default: what the configuration says)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The configuration that says where the gateway is (default: ./gateway.yaml, then /etc/wharf/gateway.yaml)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Remote {
    /// The gateway at this admin address.
    pub fn named(admin: Place, token_file: Option<PathBuf>) -> Remote {
        Remote { admin: Some(admin), token_file, config: None }
    }

    /// Whom to ask.
    pub fn client(&self) -> Result<Client, Failure> {
        let (place, secret) = match &self.admin {
            Some(place) => (place.clone(), None),
            None => self.configured()?,
        };
        let secret = self.token_file.clone().map(Secret::File).or(secret);
        let token = secret.map(|secret| secret.read().map_err(unreadable)).transpose()?;
        Ok(Client { place, token })
    }

    /// What the configuration says.
    fn configured(&self) -> Result<(Place, Option<Secret>), Failure> {
        const HINT: &str = "name the address of the running gateway: `--admin http://127.0.0.1:9900`";
        let Some(path) = self.config.clone().or_else(default_config) else { return Err(no_config(HINT)) };
        let admin = config::admin_of(&path).map_err(|report| Failure {
            exit: INVALID,
            said: report.render(super::colour()) + "\n",
            hint: HINT.into(),
        })?;
        let admin = admin.ok_or_else(|| {
            let said = format!("error: {} has no `admin` section: the gateway cannot be asked", path.display());
            let hint = "add `admin: { address: \"127.0.0.1:9900\" }` and restart the gateway";
            Failure { exit: FAILED, said, hint: hint.into() }
        })?;
        Ok((reached(&admin.address), admin.token.map(|token| token.value)))
    }
}

fn unreadable(why: String) -> Failure {
    let hint = "run the command as a user that can read it, or name a copy with `--token-file FILE`";
    Failure { exit: FAILED, said: format!("error: {why}"), hint: hint.into() }
}

/// Where a gateway is reached that listens there.
fn reached(address: &ListenAddress) -> Place {
    let local = |ip: IpAddr| match ip {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    match address {
        ListenAddress::Any { port } => Place::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).to_string()),
        ListenAddress::Ip(address) => Place::Tcp(SocketAddr::new(local(address.ip()), address.port()).to_string()),
        ListenAddress::Name { host, port } => Place::Tcp(format!("{host}:{port}")),
        ListenAddress::Unix(path) => Place::Unix(path.clone()),
    }
}

/// The place that a URL names.
pub fn place(url: &str) -> Result<Place, String> {
    if url.starts_with("https://") {
        return Err("the admin address speaks no TLS yet: write `http://HOST:PORT`".into());
    }
    let address = url.strip_prefix("http://").unwrap_or(url);
    let address = if address.starts_with("unix:") { address } else { address.strip_suffix('/').unwrap_or(address) };
    match ListenAddress::parse(address) {
        Ok(address) => Ok(reached(&address)),
        Err(complaint) => {
            let hint = "write `http://HOST:PORT` or `unix:/path`";
            Err(format!("{}: {hint}", complaint.message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_addresses_name_places() {
        for (url, shown) in [
            ("http://127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("http://127.0.0.1:9900/", "http://127.0.0.1:9900"),
            ("http://gateway:9900", "http://gateway:9900"),
            ("http://[::1]:9900", "http://[::1]:9900"),
            ("127.0.0.1:9900", "http://127.0.0.1:9900"),
            (":9900", "http://127.0.0.1:9900"),
            ("0.0.0.0:9900", "http://127.0.0.1:9900"),
            ("[::]:9900", "http://[::1]:9900"),
            ("unix:/run/wharf.sock", "unix:/run/wharf.sock"),
        ] {
            assert_eq!(place(url).map(|place| place.to_string()).as_deref(), Ok(shown), "{url}");
        }
        for url in ["https://127.0.0.1:9900", "http://h", "http://h:1/api", "http://u@h:1", "http://", "", "unix:x"] {
            assert!(place(url).is_err(), "{url}");
        }
    }
}
