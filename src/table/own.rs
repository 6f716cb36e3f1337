//! The routes of the gateway's own, which stand in no document: for what has no route, for the way to HTTPS, for proofs that an authority
//! asks for.

use super::words::Words;
use super::{Action, Conditions, Host, Route, RouteIndexBuilder, Rules, Table};
use crate::telemetry::RouteStats;
use crate::tls::Challenges;
use crate::value::{HostPattern, PathKind, PathPattern, Segment, Template, Variable};
use std::sync::Arc;

/// The place of the route that stands for none.
pub const UNMATCHED: u32 = u32::MAX;
/// The place of the way to HTTPS.
pub const HTTPS: u32 = u32::MAX - 1;
/// The place of the answers to authorities.
pub const PROOFS: u32 = u32::MAX - 2;

/// The gateway's own routes. What they count outlives every reload.
pub struct OwnRoutes {
    pub unmatched: Route,
    pub https: Route,
    pub proofs: Route,
}

impl OwnRoutes {
    /// Makes them with these rules; requests for HTTPS are sent to this port.
    pub(super) fn new(
        rules: impl Fn(u64) -> Rules,
        https: u16,
        challenges: &Arc<Challenges>,
        stats: impl Fn() -> RouteStats,
        before: Option<&Table>,
    ) -> OwnRoutes {
        let kept = |place| before.map_or_else(&stats, |table| table.route(place).stats.clone());
        let unmatched = Route::new(Words::alone("_none"), Action::Nothing, Arc::new(rules(0)), kept(UNMATCHED));
        // bodies are read and dropped, as far as the connection is worth it
        let rules = Arc::new(rules(u64::MAX));
        let to_https = Action::Redirect { to: Box::new(target(https)), status: 308 };
        let https = Route::new(Words::alone("_https"), to_https, Arc::clone(&rules), kept(HTTPS));
        let proves = Action::Challenge(Arc::clone(challenges));
        let mut proofs = Route::new(Words::alone("_acme"), proves, rules, kept(PROOFS));
        proofs.conditions = Some(Conditions::of_proofs(challenges));
        OwnRoutes { unmatched, https, proofs }
    }

    /// The one at this place.
    #[cold]
    #[inline(never)]
    pub(super) fn at(&self, place: u32) -> &Route {
        match place {
            HTTPS => &self.https,
            PROOFS => &self.proofs,
            _ => &self.unmatched,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        let OwnRoutes { unmatched, https, proofs } = self;
        [unmatched, https, proofs].into_iter()
    }
}

/// Where a request is sent that should come by HTTPS.
fn target(port: u16) -> Template {
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let literals = [Some("https://"), Some(&*port).filter(|port| !port.is_empty())];
    let [scheme, port] = literals.map(|text| text.map(|text| Segment::Literal(text.into())));
    let (host, uri) = (Segment::Variable(Variable::Host), Segment::Variable(Variable::Uri));
    Template { segments: scheme.into_iter().chain([host]).chain(port).chain([uri]).collect() }
}

/// Adds the way to HTTPS to an index: it takes every request.
pub(super) fn add_https(builder: &mut RouteIndexBuilder) {
    builder.add(Host::Any, 0, &PathPattern { kind: PathKind::Subtree, literal: "".into() }, HTTPS);
}

/// Adds the answers to authorities that may ask whether one of `hosts` is ours. They come before every other route, and take nothing but
/// requests for proofs that there are.
pub(super) fn add_proofs(builder: &mut RouteIndexBuilder, hosts: &[HostPattern]) {
    let path = PathPattern { kind: PathKind::Subtree, literal: "/.well-known/acme-challenge".into() };
    for host in hosts {
        if let HostPattern::Exact(name) = host {
            builder.add(Host::Exact(name), i32::MAX, &path, PROOFS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_the_usual_listener_is_not_named() {
        assert_eq!(target(443).to_string(), "https://{host}{uri}");
        assert_eq!(target(8443).to_string(), "https://{host}:8443{uri}");
    }
}
