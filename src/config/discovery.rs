//! `discovery`: how the sources are asked that find endpoints.

use super::declare::section;
use super::form::Form;
use super::labelled::HOSTS;
use super::route::LISTENERS;
use super::section::Fields;
use super::shape::Shape;
use super::{Diagnostic, DnsConfig, Spanned, UpstreamTlsConfig};
use crate::discovery::docker::Engine;
use crate::value::HostPattern;

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
        /// finds ([the how-to](../how-to/containers-by-label.md)). `network` is the agent's then, and an error here.
        "endpoint" => endpoint: Spanned<Engine>, default(ENGINE, "unix:///var/run/docker.sock");
        /// The network on which containers are reached, by its name as `docker network ls` has it, or `published`: by their published ports, for
        /// a gateway outside Docker that cannot reach container networks. Left out: the network that the gateway shares with the container,
        /// when the gateway runs in a container itself; else the only one the container has.
        "network" => network: Option<Spanned<Box<str>>>, optional(NETWORK);
        /// TLS to an engine on TCP, `{}` with the defaults. What an engine takes as its client's proof, `--tlscacert`, is `cert` and `key` here,
        /// and its own authority is `ca`. An error beside anything else.
        "tls" => tls: Option<UpstreamTlsConfig>, optional_section(UpstreamTlsConfig);
        /// Containers may ask for routes, `{}` with the defaults. Off unless written: routes stand in this file alone.
        "routes" => routes: Option<LabelledConfig>, optional_section(LabelledConfig);
    }
    later []
    checked by wire
}

section! { "`routes` of `docker`",
    /// Routes that containers ask for: one with the label `wharf.enable=true` gets a route for each host of `wharf.host` and each path of
    /// `wharf.path`, beside those of the file, which come first where both would be for the same. The requests go to the upstream
    /// that has `discover: { docker: NAME }` for the container's service; where the file has none, to one called `docker:NAME`, with the
    /// defaults. Such a route outlives its last container by a minute. Whoever can start a container can take requests away from
    /// routes for more hosts or paths than its own: say in `hosts` what may be asked for.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct LabelledConfig {
        /// The hosts that may be asked for, each with all that is below a `*.`. A route without a host is not made then. Left out: every
        /// host, and every request.
        "hosts" => hosts: Option<Box<[Spanned<HostPattern>]>>, optional(HOSTS);
        /// The listeners that such routes are on. Left out: all.
        "listeners" => listeners: Option<Box<[Spanned<Box<str>>]>>, optional(LISTENERS);
    }
    later []
}

/// TLS has no meaning on a Unix socket, and a network none in a file.
fn wire(docker: &DockerConfig, fields: &Fields<'_, '_>) {
    if let (Some(at), Engine::Unix(_) | Engine::File(_)) = (fields.place("tls"), &docker.endpoint.value) {
        let mut diagnostic = Diagnostic::error(at, "`tls` has an effect on TCP alone");
        if let Some(endpoint) = fields.place("endpoint") {
            diagnostic = diagnostic.other(endpoint, "nobody else is on the way to it");
        }
        fields.reading.tell(diagnostic.hint("leave it out, or write `endpoint: tcp://host:2376`"));
    }
    if let (Some(at), Some(endpoint), Engine::File(_)) =
        (fields.place("network"), fields.place("endpoint"), &docker.endpoint.value)
    {
        let diagnostic = Diagnostic::error(at, "`network` has no effect on what an agent has found");
        fields.reading.tell(
            diagnostic
                .other(endpoint, "the agent has chosen the addresses")
                .hint("leave it out, and give it to the agent: `wharf agent docker --network NAME`"),
        );
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
