//! `upstreams`: pools of endpoints that give the same service.

use super::balance::BALANCE;
use super::declare::section;
use super::form::{self, Choice, ENDPOINT_ADDRESS, Form, choice, number};
use super::node::{Kind, Node};
use super::pool;
use super::section::Sectioned;
use super::shape::{self, Shape};
use super::{ActiveConfig, Balance, Diagnostic, DiscoverConfig, PassiveConfig, Spanned, UpstreamTlsConfig, advice};
use crate::value::{Complaint, EndpointAddress, is_token};
use std::time::Duration;

section! { "an upstream",
    /// A pool of endpoints that give the same service.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct UpstreamConfig {
        /// Which endpoint takes the next request. `least_conn`: the one with the fewest requests in flight for its
        /// weight; among equals, in turn by weight. `round_robin`: in turn by weight. `random`: any, by weight. `p2c`: of two
        /// picked so, the one with fewer requests in flight for its weight. `ip_hash`: clients of one network (the first
        /// three bytes of an IPv4 address, the whole of an IPv6 address) stay on one endpoint. `{ hash: KEY }`: requests with
        /// the same key stay on one endpoint, and few move when endpoints come and go; KEY is `{ header: NAME }`,
        /// `{ cookie: NAME }`, `{ query: NAME }`, `path`, `uri` (path and query) or `client_ip`.
        "balance" => balance: Balance, default(BALANCE, "least_conn");
        /// The endpoints: addresses, or maps with an address and more.
        "endpoints" => endpoints: Vec<EndpointConfig>, list_or_none(ENDPOINTS, EndpointConfig);
        /// Who finds the endpoints, in place of `endpoints`: they come and go while the gateway runs, and nothing is reloaded.
        "discover" => discover: Option<DiscoverConfig>, optional_section(DiscoverConfig);
        /// What the endpoints speak. `h1` is HTTP/1.1.
        "protocol" => protocol: UpstreamProtocol, default(PROTOCOL, "h1");
        /// Connections kept for the next request.
        "keepalive" => keepalive: UpstreamKeepaliveConfig, section(UpstreamKeepaliveConfig);
        /// How failed requests take an endpoint out for a while.
        "passive" => passive: PassiveConfig, section(PassiveConfig);
        /// Checks that the gateway makes by itself. Off unless written.
        "active" => active: Option<ActiveConfig>, optional_section(ActiveConfig);
        /// How long the share of an endpoint that came back grows up to its weight. Off unless written; an error beside
        /// `ip_hash` and `hash`.
        "slow_start" => slow_start: Option<Duration>, optional(form::DURATION);
        /// Where requests wait while no endpoint can take them: each is at its `max_conns`, or none is up, or all refuse the
        /// connection. Off unless written: such requests are answered 503 or 502 at once.
        "wait" => wait: Option<WaitConfig>, optional_section(WaitConfig);
        /// Keeps each client on the endpoint that answered it first, as long as that one is up. Off unless written.
        "sticky" => sticky: Option<StickyConfig>, optional_section(StickyConfig);
        /// TLS to the endpoints, `{}` with the defaults. Off unless written: they are spoken to in plain text, whatever their port.
        "tls" => tls: Option<UpstreamTlsConfig>, optional_section(UpstreamTlsConfig);
    }
    later []
    exactly one of ["endpoints", "discover"]
    checked by pool::check
}

section! { "an endpoint",
    /// One endpoint of a pool.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct EndpointConfig {
        /// Where it answers. A name stands for all addresses that it resolves to: each is an endpoint of its own, with the
        /// weight and the rest of what is written here. It is resolved again while the gateway runs. `localhost`, and a name with
        /// one IPv4 and one IPv6 address, is one endpoint, reached by whichever answers.
        "address" => address: Spanned<EndpointAddress>, required(ENDPOINT_ADDRESS);
        /// Its share of the requests, beside the others' weights. At most 256 in a pool that balances by `hash`.
        "weight" => weight: u16, default(form::WEIGHT, "1");
        /// Most requests in flight, upgraded connections included, from all worker threads together. Left out: no bound.
        "max_conns" => max_conns: Option<u32>, optional(form::COUNT);
        /// A backup gets requests only while no other endpoint can take them. An error in a pool that balances by `hash` or
        /// `ip_hash`, or that has nothing but backups.
        "backup" => backup: bool, default(form::BOOL, "false");
    }
    later []
}

section! { "`wait`",
    /// The waiting room of a pool. Requests leave it in the order in which they came. One that an endpoint was sent never comes
    /// here again: a retry does not wait.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct WaitConfig {
        /// Most requests that wait; further ones are answered 503 at once.
        "size" => size: u32, default(WAIT_SIZE, "100");
        /// Longest wait; after it the answer is 503.
        "timeout" => timeout: Duration, default(form::DURATION, "5s");
    }
    later []
    checked by advice::wait_of_upstream
}

section! { "`sticky`",
    /// Keeps each client on one endpoint with a cookie, which the gateway sets. A client that an outage brought to a backup
    /// leaves it once another endpoint can take its requests.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct StickyConfig {
        /// The cookie's name.
        "cookie" => cookie: Box<str>, required(COOKIE_NAME);
    }
    later []
}

section! { "`keepalive` of an upstream",
    /// Connections to endpoints that are kept for the next request.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct UpstreamKeepaliveConfig {
        /// Idle connections kept for each endpoint by each worker thread; `0` keeps none.
        "idle" => idle: u32, default(form::COUNT_OR_ZERO, "64");
        /// How long an idle connection is kept. Best shorter than the service's own idle timeout: else a request meets a closed
        /// connection now and then, and goes again on a fresh one.
        "idle_timeout" => idle_timeout: Duration, default(form::DURATION, "60s");
        /// Requests on one connection before it is closed.
        "requests" => requests: u32, default(form::COUNT, "1000");
        /// Age at which a connection is closed, once its request is done.
        "max_age" => max_age: Duration, default(form::DURATION, "1h");
    }
    later []
    checked by pool::keepalive
}

/// What endpoints speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

const WAIT_SIZE: Form<u32> = Form {
    form: "a number from 1 to 1000000",
    example: "100",
    shape: Shape::Number(1, 1_000_000),
    read: |node, reading| reading.word(node, "a number", |text| number(text, 1, 1_000_000)),
};

const COOKIE_NAME: Form<Box<str>> = Form {
    form: "a cookie's name",
    example: "wharf_affinity",
    shape: Shape::Word(shape::TOKEN),
    read: |node, reading| {
        reading.word(node, "a cookie's name", |text| match is_token(text) {
            true => Ok(text.into()),
            false => Err(Complaint::new(format!("`{text}` is not a cookie's name"))
                .hint("letters, digits, `-`, `_` and `.` make one up")),
        })
    },
};

pub(super) const ENDPOINTS: Form<Vec<EndpointConfig>> = Form {
    form: "a list of addresses or endpoints",
    example: "[app-1:3000, { address: app-2:3000, weight: 2 }]",
    shape: Shape::List(&Shape::SectionOr(&EndpointConfig::SECTION, "address"), 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of endpoints")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::error(node.at, "an upstream needs at least one endpoint");
            reading.tell(diagnostic.hint("write for example `[app-1:3000]`"));
        }
        let endpoint = |item: &Node<'_>| match item.kind {
            Kind::Map(_) => EndpointConfig::read(item, item.at, reading),
            _ => (ENDPOINT_ADDRESS.read)(item, reading).map(|address| EndpointConfig {
                address,
                weight: 1,
                max_conns: None,
                backup: false,
            }),
        };
        Some(items.iter().filter_map(endpoint).collect())
    },
};
