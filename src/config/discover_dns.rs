//! Names as sources of endpoints: the words of `discover`, and `dns` of `discovery`, which holds for every name that is asked for.

use super::declare::section;
use super::form::{self, Form, each_once};
use super::section::Fields;
use super::shape::Shape;
use super::{Diagnostic, Spanned};
use crate::discovery::DnsSettings;
use crate::value::{Complaint, DnsTarget, SrvName, display_duration};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

section! { "`dns` of `discovery`",
    /// How names are asked for: those of `discover`, and those that stand in `endpoints` as well.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct DnsConfig {
        /// The name servers, at most 8, over UDP and for long answers TCP. They are asked in turn until one knows, so that all must know the
        /// same. Left out: those of `/etc/resolv.conf`, which is followed. In a container on a Docker network leave it out: Docker's own
        /// name server at `127.0.0.11` is the only one that knows the other containers. Search domains are those of
        /// `/etc/resolv.conf` either way, and `/etc/hosts` comes first.
        "servers" => servers: Vec<SocketAddr>, default(SERVERS, "[]");
        /// Longest time one question may take, all name servers and repetitions together. A name server that is silent for a third of
        /// it leaves the turn to the next. Requests never wait for it.
        "timeout" => timeout: Duration, default(form::DURATION, "3s");
        /// How long an answer holds at least, whatever the name server says (its TTL): no name is asked for more often than this.
        "min_ttl" => min_ttl: Duration, default(form::DURATION, "1s");
        /// How long an answer holds at most. Docker says ten minutes of a container that is gone the next. A connection that
        /// fails has the name asked again at once.
        "max_ttl" => max_ttl: Duration, default(form::DURATION, "15s");
    }
    later []
    checked by times
}

impl DnsConfig {
    /// The same for who asks.
    pub fn settings(&self) -> DnsSettings {
        let DnsConfig { servers, timeout, min_ttl, max_ttl } = self.clone();
        DnsSettings { servers, timeout, min_ttl, max_ttl }
    }
}

fn times(config: &DnsConfig, fields: &Fields<'_, '_>) {
    if config.min_ttl <= config.max_ttl || !fields.are_sound() {
        return;
    }
    let Some(at) = fields.place("min_ttl").or_else(|| fields.place("max_ttl")) else { return };
    fields.reading.tell(
        Diagnostic::error(at, "answers cannot hold for at least longer than they hold at most")
            .label(format!(
                "`min_ttl` is {}, `max_ttl` {}",
                display_duration(config.min_ttl),
                display_duration(config.max_ttl)
            ))
            .hint("write a `min_ttl` that is not above `max_ttl`"),
    );
}

/// More than the system itself would ask.
const SERVERS_MAX: usize = 8;

const SERVER: Form<SocketAddr> = Form {
    form: "the address of a name server",
    example: "\"10.0.0.2:53\"",
    shape: Shape::Word(r"^(\[[0-9A-Fa-f:.]+\]|[0-9.]+):0*[1-9][0-9]{0,4}$"),
    read: |node, reading| {
        reading.word(node, "the address of a name server", |text| match text.parse::<SocketAddr>() {
            Ok(address) if address.port() == 0 || address.ip().is_unspecified() => {
                Err(Complaint::new(format!("nobody answers at `{text}`")).hint("write for example `\"10.0.0.2:53\"`"))
            }
            Ok(address) => Ok(SocketAddr::new(address.ip().to_canonical(), address.port())),
            Err(_) => Err(match text.trim_matches(['[', ']']).parse::<IpAddr>() {
                Ok(ip) => Complaint::new(format!("`{text}` has no port"))
                    .hint(format!("write `\"{}\"`", SocketAddr::new(ip, 53))),
                Err(_) => Complaint::new(format!("`{text}` is not the address of a name server")).hint(
                    "write its IP address and port, such as `\"10.0.0.2:53\"`: nobody else could be asked for its name",
                ),
            }),
        })
    },
};

const SERVERS: Form<Vec<SocketAddr>> = Form {
    form: "a list of name servers",
    example: "[\"10.0.0.2:53\"]",
    shape: Shape::Set(&SERVER.shape, 0),
    read: |node, reading| {
        let items = reading.list(node, "a list of name servers")?;
        if let Some(first) = items.get(SERVERS_MAX) {
            let diagnostic = Diagnostic::error(first.at, format!("at most {SERVERS_MAX} name servers are asked"));
            reading.tell(diagnostic.hint("leave the others out: all must know the same"));
        }
        Some(each_once(items, reading, |item| (SERVER.read)(item, reading)))
    },
};

/// What `discover: { dns: … }` names.
pub(super) const DNS_TARGET: Form<Spanned<DnsTarget>> = Form {
    form: "`NAME:PORT`",
    example: "\"app.internal:3000\"",
    shape: Shape::Word(r"^[^:/*\s\[\]]+:0*[1-9][0-9]{0,4}$"),
    read: |node, reading| reading.spanned(node, "a name with a port", DnsTarget::parse),
};

/// What `discover: { srv: … }` names.
pub(super) const SRV_NAME: Form<Spanned<SrvName>> = Form {
    form: "the name of SRV records",
    example: "_http._tcp.app.internal",
    shape: Shape::Word(r"^[A-Za-z0-9_.-]+$"),
    read: |node, reading| reading.spanned(node, "the name of SRV records", SrvName::parse),
};
