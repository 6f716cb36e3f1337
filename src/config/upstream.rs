//! `upstreams`: pools of endpoints that give the same service.

use super::declare::section;
use super::form::{self, Choice, ENDPOINT_ADDRESS, Form, choice};
use super::node::{Kind, Node};
use super::section::Sectioned;
use super::{Diagnostic, Spanned};
use crate::value::EndpointAddress;
use std::time::Duration;

section! { "an upstream",
    /// A pool of endpoints that give the same service.
    #[derive(Clone)]
    pub struct UpstreamConfig {
        /// Which endpoint takes the next request. `least_conn`: the one with the fewest requests in flight for its
        /// weight; among equals, in turn by weight.
        "balance" => balance: Balance, default(BALANCE, "least_conn");
        /// The endpoints: addresses, or maps with an address and more.
        "endpoints" => endpoints: Vec<EndpointConfig>, list(ENDPOINTS, EndpointConfig);
        /// What the endpoints speak. `h1` is HTTP/1.1.
        "protocol" => protocol: UpstreamProtocol, default(PROTOCOL, "h1");
        /// Connections kept for the next request.
        "keepalive" => keepalive: UpstreamKeepaliveConfig, section(UpstreamKeepaliveConfig);
    }
    later ["discover", "passive", "active", "slow_start", "wait", "sticky", "tls"]
}

section! { "an endpoint",
    /// One endpoint of a pool.
    #[derive(Clone)]
    pub struct EndpointConfig {
        /// Where it answers. A name stands for all addresses it resolves to: they are tried in order, and the first
        /// that connects is taken. To spread requests write one endpoint for each.
        "address" => address: Spanned<EndpointAddress>, required(ENDPOINT_ADDRESS);
        /// Its share of the requests, beside the others' weights.
        "weight" => weight: u16, default(form::WEIGHT, "1");
    }
    later ["max_conns", "backup"]
}

section! { "`keepalive` of an upstream",
    /// Connections to endpoints that are kept for the next request.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct UpstreamKeepaliveConfig {
        /// Idle connections kept for each endpoint by each worker thread; `0` keeps none.
        "idle" => idle: u32, default(form::COUNT_OR_ZERO, "64");
        /// How long an idle connection is kept. Shorter than the service's own idle timeout, or requests meet closed
        /// connections and go out twice.
        "idle_timeout" => idle_timeout: Duration, default(form::DURATION, "60s");
        /// Requests on one connection before it is closed.
        "requests" => requests: u32, default(form::COUNT, "1000");
        /// Age at which a connection is closed, once its request is done.
        "max_age" => max_age: Duration, default(form::DURATION, "1h");
    }
    later []
}

/// Which endpoint takes the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// The one with the fewest requests in flight for its weight; among equals, in turn by weight.
    LeastConn,
}

impl Choice for Balance {
    const WHAT: &'static str = "a way to balance";
    const WORDS: &'static [(&'static str, Option<Self>)] = &[
        ("least_conn", Some(Balance::LeastConn)),
        ("round_robin", None),
        ("random", None),
        ("p2c", None),
        ("ip_hash", None),
        ("hash", None),
    ];
}

const BALANCE: Form<Balance> = choice("`least_conn`", "least_conn");

/// What endpoints speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    H1,
}

impl Choice for UpstreamProtocol {
    const WHAT: &'static str = "a protocol";
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("h1", Some(UpstreamProtocol::H1)), ("h2", None), ("h2c", None)];
}

const PROTOCOL: Form<UpstreamProtocol> = choice("`h1`", "h1");

const ENDPOINTS: Form<Vec<EndpointConfig>> = Form {
    form: "a list of addresses or endpoints",
    example: "[app-1:3000, { address: app-2:3000, weight: 2 }]",
    read: |node, reading| {
        let items = reading.list(node, "a list of endpoints")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::error(node.at, "an upstream needs at least one endpoint");
            reading.tell(diagnostic.hint("write for example `[app-1:3000]`"));
        }
        let endpoint = |item: &Node<'_>| match item.kind {
            Kind::Map(_) => EndpointConfig::read(item, item.at, reading),
            _ => (ENDPOINT_ADDRESS.read)(item, reading).map(|address| EndpointConfig { address, weight: 1 }),
        };
        Some(items.iter().filter_map(endpoint).collect())
    },
};
