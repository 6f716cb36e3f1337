//! `discovery`: how the sources are asked that find endpoints.

use super::declare::section;
use super::form::Form;
use super::section::Fields;
use super::shape::Shape;
use super::{Diagnostic, DnsConfig, Spanned, UpstreamTlsConfig};
use crate::discovery::docker::Engine;

section! { "`discovery`",
    /// How sources are asked that find endpoints. Each has a section of its own; one that no upstream asks is left alone.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct DiscoveryConfig {
        /// The Docker engine, for upstreams with `discover: { docker: NAME }`.
        "docker" => docker: DockerConfig, section(DockerConfig);
        /// How names are asked for: for upstreams with `discover: { dns: … }` or `{ srv: … }`, and for names that stand in `endpoints`.
        "dns" => dns: DnsConfig, section(DnsConfig);
    }
    later ["consul", "etcd"]
}

section! { "`docker` of `discovery`",
    /// The Docker engine whose containers are found.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct DockerConfig {
        /// Where the engine answers: `unix:///path`, or `tcp://host:port`. Whoever can write to its socket is as good as root on that host: give
        /// the gateway one that can only be read from, or none: `file:///path` is the file in which `wharf agent docker --out` keeps what it
        /// finds ([the how-to](../how-to/containers-by-label.md)). `network` is the agent's then.
        "endpoint" => endpoint: Spanned<Engine>, default(ENGINE, "unix:///var/run/docker.sock");
        /// The network on which containers are reached, by its name as `docker network ls` has it, or `published`: by their published ports, for
        /// a gateway outside Docker that cannot reach container networks. Left out: the network that the gateway shares with the container,
        /// when the gateway runs in a container itself; else the only one the container has.
        "network" => network: Option<Spanned<Box<str>>>, optional(NETWORK);
        /// TLS to an engine on TCP, `{}` with the defaults. What an engine takes as its client's proof, `--tlscacert`, is `cert` and `key` here,
        /// and its own authority is `ca`. An error beside anything else.
        "tls" => tls: Option<UpstreamTlsConfig>, optional_section(UpstreamTlsConfig);
    }
    later ["routes"]
    checked by wire
}

/// TLS has no meaning on a Unix socket.
fn wire(docker: &DockerConfig, fields: &Fields<'_, '_>) {
    if let (Some(at), Engine::Unix(_) | Engine::File(_)) = (fields.place("tls"), &docker.endpoint.value) {
        let mut diagnostic = Diagnostic::error(at, "`tls` has an effect on TCP alone");
        if let Some(endpoint) = fields.place("endpoint") {
            diagnostic = diagnostic.other(endpoint, "nobody else is on the way to it");
        }
        fields.reading.tell(diagnostic.hint("leave it out, or write `endpoint: tcp://host:2376`"));
    }
}

const ENGINE: Form<Spanned<Engine>> = Form {
    form: "`unix:///path`, `tcp://host:port` or `file:///path`",
    example: "unix:///var/run/docker.sock",
    shape: Shape::Word(r"^(unix:/.+|file:///.+|tcp://[^/\s]+:[0-9]{1,5}/?)$"),
    read: |node, reading| reading.spanned(node, "the address of an engine", Engine::parse),
};

const NETWORK: Form<Spanned<Box<str>>> = Form {
    form: "the name of a network, or `published`",
    example: "backend",
    shape: Shape::Word(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"),
    read: |node, reading| {
        reading.spanned(node, "the name of a network", |text| {
            let odd = |c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c));
            match text.chars().find(|c| odd(*c)) {
                None if text.starts_with(|c: char| c.is_ascii_alphanumeric()) => Ok(text.into()),
                _ => Err(crate::value::Complaint::new(format!("`{text}` is not the name of a network"))
                    .hint("`docker network ls` shows the names")),
            }
        })
    },
};
