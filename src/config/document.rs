//! The whole document, with every default filled in.

use super::declare::section;
use super::form::{self, CIDRS, Form, number};
use super::include::INCLUDE;
use super::route::{ROUTES, WrittenRoute};
use super::{
    AdminConfig, DefaultsConfig, Diagnostic, ListenerConfig, ObservabilityConfig, RouteConfig, Spanned, UpstreamConfig,
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
        "trusted_proxies" => trusted_proxies: Vec<Cidr>, default(CIDRS, "[]");
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
        /// Which requests go where. Their order means nothing.
        "routes" => routes: Vec<RouteConfig>, list(ROUTES, WrittenRoute);
        /// The address for operators and Prometheus. Off unless written.
        "admin" => admin: Option<AdminConfig>, optional_section(AdminConfig);
        /// What the gateway writes down.
        "observability" => observability: ObservabilityConfig, section(ObservabilityConfig);
    }
    later ["acme", "queues", "policies", "discovery"]
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
    read: |node, reading| {
        reading.word(node, "a number of threads", |text| match text {
            "auto" => Ok(Threads::Auto),
            _ => number(text, 1, 1024).ok().and_then(NonZeroU16::new).map(Threads::Count).ok_or_else(|| {
                Complaint::new(format!("`{text}` is not a number of threads"))
                    .hint("write `auto`, or a number from 1 to 1024")
            }),
        })
    },
};

/// A wrong version is said and then taken for the right one, so that the rest is checked too.
pub(super) const VERSION: Form<u32> = Form {
    form: "`1`",
    example: "1",
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

    /// Every name that was written, whether or not its entry could be read.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.iter().map(|(name, _)| name).chain(self.unread.iter().map(|name| &**name))
    }

    /// Whether the name was written at all.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.index.contains_key(name) || self.unread.contains(name)
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named { entries: Vec::new(), index: HashMap::new(), unread: HashSet::new() }
    }
}
