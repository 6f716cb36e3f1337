//! `discover` of an upstream: who finds its endpoints.

use super::declare::section;
use super::discover_dns::{DNS_TARGET, SRV_NAME};
use super::form::Form;
use super::name::check_name;
use super::section::Fields;
use super::shape::{self, Shape};
use super::{Diagnostic, Spanned};
use crate::discovery::{Sought, SourceKind};
use crate::value::{DnsTarget, SrvName};

section! { "`discover`",
    /// Who finds the endpoints of an upstream, and under which name. Exactly one. The last good answer is kept while a source is down, slow
    /// or talks nonsense, and an empty answer counts when it is sure; `wharf status` shows both. How a source is asked stands in
    /// `discovery`, once for all upstreams.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct DiscoverConfig {
        /// Containers of a Docker engine that have the label `wharf.service` with this value, or ask for routes to this service
        /// (`discovery.docker.routes`).
        "docker" => docker: Option<Spanned<Box<str>>>, optional(SERVICE);
        /// All addresses of a name, each an endpoint at this port. Beside `endpoints: [NAME:PORT]`, which is one line among others and keeps
        /// its last addresses for ever, this is a set that can be empty: a name that is not there any more, as a second answer two
        /// seconds later confirms, has no endpoints. A name that ends in a dot is looked for below no search domain.
        "dns" => dns: Option<Spanned<DnsTarget>>, optional(DNS_TARGET);
        /// The targets of a name's SRV records, at the ports that they say. The lowest priority serves, all others are backups (beside `hash` and
        /// `ip_hash` they get nothing). The weight is the target's share of the requests, split among its addresses; 0 is as 1. The target
        /// `.` says that the service is not there.
        "srv" => srv: Option<Spanned<SrvName>>, optional(SRV_NAME);
    }
    later ["consul", "etcd"]
    exactly one of ["docker", "dns", "srv"]
    checked by source
}

impl DiscoverConfig {
    /// What is sought. Nothing has this name when none is written, which was complained about.
    pub fn sought(&self) -> Sought {
        let DiscoverConfig { docker, dns, srv } = self;
        let (source, service) = match (docker, dns, srv) {
            (_, Some(target), _) => (SourceKind::Dns, target.value.to_string().into()),
            (_, _, Some(name)) => (SourceKind::Srv, name.value.as_str().into()),
            (name, None, None) => {
                (SourceKind::Docker, name.as_ref().map(|name| name.value.clone()).unwrap_or_default())
            }
        };
        Sought { source, service }
    }
}

impl DiscoverConfig {
    /// The host that the endpoints must prove to be where TLS names no other: the name that was written, which nobody on the way can change.
    /// Of SRV records that is the domain below service and protocol; their targets are whatever the answer says. Containers have none.
    pub fn host(&self) -> Option<&str> {
        let host = match (&self.dns, &self.srv) {
            (Some(target), _) => &*target.value.host,
            (None, Some(name)) => name.value.domain(),
            (None, None) => return None,
        };
        Some(host.trim_end_matches('.'))
    }
}

fn source(_: &DiscoverConfig, fields: &Fields<'_, '_>) {
    if !fields.are_sound() {
        return;
    }
    let written: Vec<_> = ["docker", "dns", "srv"].into_iter().filter_map(|key| fields.place(key)).collect();
    if let [first, second, ..] = written.as_slice() {
        fields.reading.tell(
            Diagnostic::error(*second, "`discover` has one source")
                .other(*first, "the first one")
                .hint("leave one of the two out, or make two upstreams of it and share the requests out with `split`"),
        );
    }
    if written.is_empty() {
        let at = fields.reading.first_line(fields.owner);
        fields.reading.tell(
            Diagnostic::error(at, "`discover` needs a source").hint("write for example `discover: { docker: cart }`"),
        );
    }
}

/// The name of a service, as sources know it.
const SERVICE: Form<Spanned<Box<str>>> = Form {
    form: "the name of a service",
    example: "cart",
    shape: Shape::Word(shape::NAME),
    read: |node, reading| {
        reading.spanned(node, "the name of a service", |text| {
            check_name(text)?;
            Ok(text.into())
        })
    },
};
