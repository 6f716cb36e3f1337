//! The whole document, with every default filled in.

use super::declare::section;
use super::form::{self, CIDR, CIDRS, Form, each_once, number};
use super::include::INCLUDE;
use super::lints::WIDE_TRUSTED_PROXIES;
use super::node::Node;
use super::route::{ROUTES, WrittenRoute};
use super::shape::Shape;
use super::{
    AdminConfig, AuthorityConfig, DefaultsConfig, Diagnostic, DiscoveryConfig, ListenerConfig, ObservabilityConfig,
    RouteConfig, Spanned, UpstreamConfig,
};
use crate::value::{Cidr, Complaint};
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU16;
use std::time::Duration;

section! { "the document",
    /// Every key that can stand at the top.
    pub struct Document {
        /// The version of this language.
        "version" => version: u32, required(VERSION);
        /// Files that are part of the document: paths, and patterns with `*` (any characters of a name), `?` (one) and
        /// `[abc]`. They count from the directory of this file. See above for what they may hold.
        "include" => include: Option<Vec<Spanned<Box<str>>>>, optional(INCLUDE);
        /// Worker threads; `auto` is as many as there are cores.
        "threads" => threads: Threads, default(THREADS, "auto");
        /// Where clients connect, by name.
        "listeners" => listeners: Named<ListenerConfig>, named(ListenerConfig);
        /// Peers whose `X-Forwarded-*` and `X-Request-Id` headers are believed. Clients of a Unix socket count as
        /// `127.0.0.1`: a range that holds it believes whoever can open the socket.
        "trusted_proxies" => trusted_proxies: Vec<Cidr>, default(TRUSTED_PROXIES, "[]");
        /// How long requests in flight may take to finish when the gateway stops. Together with
        /// `readiness_delay` it must stay below what the supervisor grants: Docker kills after ten seconds.
        "shutdown_timeout" => shutdown_timeout: Duration, default(form::DURATION_OR_ZERO, "9s");
        /// How long `/readyz` says no before the listeners close, for load balancers that poll it.
        /// `shutdown_timeout` begins after it.
        "readiness_delay" => readiness_delay: Duration, default(form::DURATION_OR_ZERO, "0s");
        /// What every route inherits.
        "defaults" => defaults: DefaultsConfig, section(DefaultsConfig);
        /// Pools of endpoints, by name. Needed by routes with `upstream`.
        "upstreams" => upstreams: Named<UpstreamConfig>, optional_named(UpstreamConfig);
        /// How the sources are asked that find endpoints for upstreams with `discover`.
        "discovery" => discovery: DiscoveryConfig, section(DiscoveryConfig);
        /// Authorities that issue certificates on order, by name. Needed by certificates with `acme`.
        "acme" => acme: Named<AuthorityConfig>, optional_named(AuthorityConfig);
        /// Which requests go where. Their order means nothing.
        "routes" => routes: Vec<RouteConfig>, list_unless(ROUTES, WrittenRoute, "discovery.docker.routes");
        /// The address for operators and Prometheus. Off unless written.
        "admin" => admin: Option<AdminConfig>, optional_section(AdminConfig);
        /// What the gateway writes down.
        "observability" => observability: ObservabilityConfig, section(ObservabilityConfig);
    }
    later ["queues", "policies"]
}

/// How many worker threads serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Threads {
    /// As many as there are cores.
    #[default]
    Auto,
    /// This many.
    Count(NonZeroU16),
}

const THREADS: Form<Threads> = Form {
    form: "`auto`, or a number from 1 to 1024",
    example: "4",
    shape: Shape::OneOf(&[Shape::Choice(|| vec!["auto"]), Shape::Number(1, 1024)]),
    read: |node, reading| {
        reading.word(node, "a number of threads", |text| match text {
            "auto" => Ok(Threads::Auto),
            _ => match number::<u16>(text, 1, 1024) {
                Ok(threads) => NonZeroU16::new(threads).map(Threads::Count).ok_or_else(|| Complaint::new("no threads")),
                Err(complaint) => Err(Complaint {
                    hint: match &complaint.hint {
                        Some(hint) if !hint.starts_with("write a number") => Some(hint.clone()),
                        _ => Some("write `auto`, or a number from 1 to 1024".to_owned()),
                    },
                    message: format!("`{text}` is not a number of threads"),
                    ..complaint
                }),
            },
        })
    },
};

const TRUSTED_PROXIES: Form<Vec<Cidr>> = Form {
    read: |node, reading| {
        let items = reading.list(node, "a list of address ranges")?;
        let range = |item: &Node<'_>| {
            let range = (CIDR.read)(item, reading)?;
            if range.is_wide() {
                let message = format!("`{range}` holds more than your own proxies");
                reading.tell(
                    Diagnostic::warning(&WIDE_TRUSTED_PROXIES, item.at, message)
                        .label("anyone there may claim to be any client")
                        .hint("write the ranges of your proxies alone, such as `10.0.0.0/8`"),
                );
            }
            Some(range)
        };
        Some(each_once(items, reading, range))
    },
    ..CIDRS
};

/// A wrong version is said and then taken for the right one, so that the rest is checked too.
pub(super) const VERSION: Form<u32> = Form {
    form: "`1`",
    example: "1",
    shape: Shape::Choice(|| vec!["1"]),
    read: |node, reading| {
        let version = reading.text(node, "a version")?;
        if version != "1" {
            let message = format!("version `{version}` of the language is not known to this gateway");
            reading.tell(Diagnostic::error(node.at, message).hint("write `version: 1`"));
        }
        Some(1)
    },
};

/// Entries by name, in the order of the document.
#[derive(Debug)]
pub struct Named<T> {
    entries: Vec<(Spanned<Box<str>>, T)>,
    index: HashMap<Box<str>, usize>,
    /// Names whose entry could not be read: they exist, so whoever names them is right.
    unread: HashSet<Box<str>>,
    /// Nobody can say which names there are: they stand where they could not be read.
    unreadable: bool,
}

impl<T> Named<T> {
    /// The entry called `name`.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.index.get(name).map(|at| &self.entries[*at].1)
    }

    /// Where in [`Named::iter`]'s order the entry called `name` stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Names and entries in the order of the document.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &T)> + Clone {
        self.entries.iter().map(|(name, entry)| (&*name.value, entry))
    }

    /// Names with their places, and entries, in the order of the document.
    pub fn entries(&self) -> &[(Spanned<Box<str>>, T)] {
        &self.entries
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a name, with its entry if that could be read. A name that is taken keeps its first entry.
    pub(super) fn declare(&mut self, name: Spanned<Box<str>>, entry: Option<T>) {
        match entry {
            Some(_) if self.index.contains_key(&*name.value) => {}
            Some(entry) => {
                self.index.insert(name.value.clone(), self.entries.len());
                self.entries.push((name, entry));
            }
            None => {
                self.unread.insert(name.value);
            }
        }
    }

    /// Only the first so many are left.
    pub(super) fn truncate(&mut self, left: usize) {
        self.entries.truncate(left);
        self.index.retain(|_, at| *at < left);
    }

    /// Whether some entry could not be read, so that nobody knows what it says.
    pub(super) fn has_unread(&self) -> bool {
        self.unreadable || !self.unread.is_empty()
    }

    /// Says that there may be any name.
    pub(super) fn set_unreadable(&mut self) {
        self.unreadable = true;
    }

    /// Every name that was written, whether or not its entry could be read.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.iter().map(|(name, _)| name).chain(self.unread.iter().map(|name| &**name))
    }

    /// Whether the name was written at all.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.unreadable || self.index.contains_key(name) || self.unread.contains(name)
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named { entries: Vec::new(), index: HashMap::new(), unread: HashSet::new(), unreadable: false }
    }
}
