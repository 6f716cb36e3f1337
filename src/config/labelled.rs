//! Routes that containers ask for, put beside those of the file.

use super::form::{Form, HOST};
use super::include::Shelf;
use super::name::check_name;
use super::node::{Kind, Node};
use super::rank::{covers, rank};
use super::reading::Reading;
use super::section::Sectioned;
use super::shape::Shape;
use super::source::Sources;
use super::ties::tie;
use super::{
    ActionConfig, Diagnostic, DiscoverConfig, Document, LabelledConfig, MatchConfig, RouteConfig, RouteRequestConfig,
    RouteRetriesConfig, RouteTimeoutsConfig, Span, Spanned, Upgrade, UpstreamConfig,
};
use crate::discovery::{Claim, Sought, SourceKind};
use crate::value::{Complaint, HostPattern, PathKind, PathPattern};
use std::collections::HashMap;

/// What the names of routes and upstreams begin with that stand in no file. No name in a file has a colon.
const LABELLED: &str = "docker:";

/// The longest path in a label, in bytes: it is a name of a route and stands in every series of it.
const PATH_LONGEST: usize = 256;

pub(super) const HOSTS: Form<Box<[Spanned<HostPattern>]>> = Form {
    form: "a list of hosts",
    example: "[\"*.apps.example.com\"]",
    shape: Shape::Set(&HOST.shape, 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of hosts")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::error(node.at, "no route could be asked for");
            reading.tell(diagnostic.hint("name a host, or leave `routes` out"));
        }
        let mut hosts: Vec<Spanned<HostPattern>> = Vec::new();
        for host in items.iter().filter_map(|item| reading.spanned(item, "a host", host)) {
            match hosts.iter().find(|other| **other == host) {
                None => hosts.push(host),
                Some(first) => reading.tell(
                    Diagnostic::error(host.at, format!("`{}` is listed twice", host.value))
                        .other(first.at, "the first time")
                        .hint("leave one of the two out"),
                ),
            }
        }
        Some(hosts.into())
    },
};

fn host(text: &str) -> Result<HostPattern, Complaint> {
    HostPattern::parse(text).map_err(|complaint| match text {
        "" | "*" => Complaint::new(complaint.message).hint("leave `hosts` out to allow every host"),
        _ => complaint,
    })
}

/// Whether the route or upstream of this name stands in no file: containers ask for it.
pub fn is_labelled(name: &str) -> bool {
    name.starts_with(LABELLED)
}

impl RouteConfig {
    /// It stands in no file: containers ask for it.
    pub fn is_labelled(&self) -> bool {
        self.name.as_ref().is_some_and(|name| is_labelled(name))
    }
}

impl Document {
    /// Puts the routes in place that containers ask for, after those of the file, and the upstreams that these need; those of an earlier
    /// call are gone. The first claim of several for the same requests counts, and no claim changes what the file says. Those that
    /// cannot be granted, each with the reason in a sentence.
    pub fn label(&mut self, claims: &[Claim]) -> Vec<(Claim, String)> {
        self.routes.retain(|route| !route.is_labelled());
        let written = self.upstreams.iter().take_while(|(name, _)| !is_labelled(name)).count();
        self.upstreams.truncate(written);
        let Some(terms) = self.discovery.docker.routes.clone() else { return Vec::new() };
        // services that the file sends requests to
        let found = |(name, upstream): (&str, &UpstreamConfig)| {
            let Sought { source, service } = upstream.discover.as_ref()?.sought();
            (source == SourceKind::Docker).then(|| (service, name.into()))
        };
        let mut known: HashMap<Box<str>, Box<str>> = self.upstreams.iter().filter_map(found).collect();
        let mut refused = Vec::new();
        for claim in claims {
            if let Err(why) = self.grant(claim, &terms, &mut known) {
                refused.push((claim.clone(), why));
            }
        }
        refused
    }

    fn grant(
        &mut self,
        claim: &Claim,
        terms: &LabelledConfig,
        known: &mut HashMap<Box<str>, Box<str>>,
    ) -> Result<(), String> {
        let Claim { service, host, path, by } = claim;
        let wrong = |label: &str, complaint: Complaint| {
            let hint = complaint.hint.map_or_else(String::new, |hint| format!("; {hint}"));
            let by: String = by.chars().take(100).flat_map(char::escape_debug).collect();
            format!("container {by}: label wharf.{label}: {}{hint}", complaint.message)
        };
        check_name(service).map_err(|complaint| wrong("service", complaint))?;
        let host = host.as_deref().map(HostPattern::parse).transpose().map_err(|complaint| wrong("host", complaint))?;
        let path = short(path.as_deref().unwrap_or("/*")).and_then(PathPattern::parse).and_then(plain);
        let path = path.map_err(|complaint| wrong("path", complaint))?;
        terms.allows(host.as_ref()).map_err(|complaint| wrong("host", complaint))?;
        let upstream = known.get(service).cloned().unwrap_or_else(|| format!("{LABELLED}{service}").into());
        let route =
            route(MatchConfig { host, path, methods: None, headers: [].into(), query: [].into() }, upstream, terms);
        let label = if claim.host.is_some() { "host" } else { "path" };
        if let Some(other) = self.routes.iter().find(|other| tie(&route, other)) {
            let taken = match &other.action {
                ActionConfig::Upstream(of) if other.is_labelled() => {
                    format!("taken already, by the upstream `{}`", of.value)
                }
                _ => format!("taken already, by the route `{}` of the file", other.name()),
            };
            return match other.action == route.action && other.is_labelled() {
                // the same place in other words
                true => Ok(()),
                false => Err(wrong(label, Complaint::new(format!("`{}` is {taken}", route.pattern())))),
            };
        }
        let of_file =
            || self.routes.iter().filter(|other| other.matches.host == route.matches.host && !other.is_labelled());
        let refused = |what: &str, other: &RouteConfig| {
            let name = other.name();
            Err(wrong(label, Complaint::new(format!("`{}` {what} of the route `{name}` of the file", route.pattern()))))
        };
        if let Some(other) = of_file().find(|other| rank(&route, other).is_lt() && covers(&route, other)) {
            return refused("would take all requests", other);
        }
        if let Some(other) = of_file().find(|other| rank(other, &route).is_lt() && covers(other, &route)) {
            return refused("would get none of the requests", other);
        }
        if !known.contains_key(service) {
            let (name, config) =
                upstream_of(service).ok_or_else(|| wrong("service", Complaint::new("is no service")))?;
            known.insert(service.clone(), name.value.clone());
            self.upstreams.declare(name, Some(config));
        }
        self.routes.push(route);
        Ok(())
    }
}

impl LabelledConfig {
    /// Whether a route for this host may be asked for.
    fn allows(&self, host: Option<&HostPattern>) -> Result<(), Complaint> {
        const WHERE: &str = "`discovery.docker.routes.hosts`";
        match (&self.hosts, host) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Complaint::new(format!("is missing, and {WHERE} of the gateway's file wants one"))),
            (Some(allowed), Some(host)) if allowed.iter().any(|pattern| pattern.value.covers(host)) => Ok(()),
            (Some(_), Some(host)) => {
                Err(Complaint::new(format!("`{host}` is not among {WHERE} of the gateway's file")))
            }
        }
    }
}

fn short(path: &str) -> Result<&str, Complaint> {
    match path.len() > PATH_LONGEST {
        true => Err(Complaint::new(format!("a path in a label has at most {PATH_LONGEST} bytes"))),
        false => Ok(path),
    }
}

/// Expressions cost the more the worse they are written, and have no rank among themselves.
fn plain(path: PathPattern) -> Result<PathPattern, Complaint> {
    match path.kind {
        PathKind::Regex => Err(Complaint::new("a regular expression stands in the gateway's file alone")),
        _ => Ok(path),
    }
}

fn route(matches: MatchConfig, upstream: Box<str>, terms: &LabelledConfig) -> RouteConfig {
    let nowhere = |value| Spanned { value, at: Span::default() };
    let mut route = RouteConfig {
        at: Span::default(),
        name: None,
        matches,
        priority: 0,
        listeners: terms.listeners.clone(),
        action: ActionConfig::Upstream(nowhere(upstream)),
        rewrite: None,
        headers: None,
        errors: Box::default(),
        timeouts: RouteTimeoutsConfig::default(),
        retries: RouteRetriesConfig::default(),
        request: RouteRequestConfig::default(),
        upgrade: [Upgrade::Websocket].into(),
        sound: true,
    };
    route.name = Some(nowhere(format!("{LABELLED}{}", route.pattern()).into()));
    route
}

/// An upstream of which nothing is written but the service.
fn upstream_of(service: &str) -> Option<(Spanned<Box<str>>, UpstreamConfig)> {
    let at = Span::default();
    let node = |kind| Node { at, kind };
    let text = |text: &'static str| node(Kind::Text(text.into()));
    let sources = Sources::default();
    let reading = Reading::new(&sources, Shelf::Disk, &|_| None);
    // a service that is sought in its place, so that nothing of what a container says is read as a document
    let discover = node(Kind::Map(vec![(text("docker"), text("service"))]));
    let upstream = UpstreamConfig::read(&node(Kind::Map(vec![(text("discover"), discover)])), at, &reading)?;
    let docker = Some(Spanned { value: service.into(), at });
    let discover = Some(DiscoverConfig { docker, dns: None, srv: None });
    let name = Spanned { value: format!("{LABELLED}{service}").into(), at };
    Some((name, UpstreamConfig { discover, ..upstream }))
}

#[cfg(test)]
mod tests;
