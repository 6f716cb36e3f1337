//! `listeners`: where clients connect, and what one client may take.

use super::declare::section;
use super::form::{self, Choice, Form, LISTEN_ADDRESS, built, choose, each_once, number};
use super::section::Fields;
use super::shape::Shape;
use super::{ListenerTlsConfig, Spanned};
use crate::value::{Complaint, ListenAddress, Rate, Size};
use std::time::Duration;

section! { "a listener",
    /// One address that accepts clients, and what a client may take there.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct ListenerConfig {
        /// Where to accept. `:port` is every address of the machine, IPv4 and IPv6; a name is resolved once, when the
        /// listener is bound. A Unix socket has the mode that the process's umask leaves of 0777 (clients must be able to
        /// write to it); its file goes with the listener, and one that a killed gateway left behind is taken over unless
        /// someone serves it; its clients count as `127.0.0.1`.
        "address" => address: Spanned<ListenAddress>, required(LISTEN_ADDRESS);
        /// What clients may speak. `h1` is HTTP/1.0 and HTTP/1.1.
        "protocols" => protocols: Vec<ListenerProtocol>, default(PROTOCOLS, "[h1]");
        /// How long a client's connection is kept between requests.
        "keepalive" => keepalive: ClientKeepaliveConfig, section(ClientKeepaliveConfig);
        /// What clients may take. Beyond it a request is refused or a connection closed; nothing else suffers.
        "limits" => limits: ClientLimitsConfig, section(ClientLimitsConfig);
        /// TLS. Off unless written: clients speak plain HTTP. A listener either has it or not; for both, write two.
        "tls" => tls: Option<ListenerTlsConfig>, optional_section(ListenerTlsConfig);
        /// Whether every request is answered with a redirect to the same URL at `https://`, before any route is looked for; an authority's
        /// `http-01` requests are still answered. An error beside `tls`, and where no listener has `tls`.
        "redirect_to_https" => redirect_to_https: bool, default(form::BOOL, "false");
    }
    later ["proxy_protocol"]
    checked by redirects
}

fn redirects(config: &ListenerConfig, fields: &Fields<'_, '_>) {
    if config.redirect_to_https && fields.place("tls").is_some() {
        fields.useless("redirect_to_https", "tls", "tls", "clients speak HTTPS here already");
    }
}

section! { "`keepalive` of a listener",
    /// How long a client's connection is kept between requests.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct ClientKeepaliveConfig {
        /// Longest wait for the next request on a connection. Longer saves clients new connections, shorter saves memory.
        "timeout" => timeout: Duration, default(form::DURATION, "65s");
        /// Requests on one connection before it is closed; `1` closes after every response.
        "requests" => requests: u32, default(form::COUNT, "1000");
    }
    later []
    checked by keepalive
}

fn keepalive(config: &ClientKeepaliveConfig, fields: &Fields<'_, '_>) {
    if config.requests == 1 {
        fields.useless("timeout", "requests", "requests: 1", "every response closes its connection");
    }
}

section! { "`limits` of a listener",
    /// What clients of one listener may take.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct ClientLimitsConfig {
        /// Connections at one time. Further ones get a 503 with `Retry-After: 1` and are closed: they are counted in
        /// `wharf_listener_rejected_total` and have no line in the access log.
        "connections" => connections: u32, default(form::COUNT, "10000");
        /// Bytes of a request's head: request line and headers. From 1KiB to 64KiB.
        "header_size" => header_size: Size, default(HEADER_SIZE, "32KiB");
        /// Header lines of a request. From 1 to 256.
        "header_count" => header_count: u32, default(HEADER_COUNT, "100");
        /// Longest time a request's head may take, from its first byte to its last.
        "header_timeout" => header_timeout: Duration, default(form::DURATION, "10s");
        /// Longest silence within a request's body.
        "body_timeout" => body_timeout: Duration, default(form::DURATION, "60s");
        /// Slowest pace of a request's body, in bytes; `0/s` allows any.
        "body_min_rate" => body_min_rate: Rate, default(form::RATE, "500/s");
        /// Longest time a client may take no byte of its response.
        "send_timeout" => send_timeout: Duration, default(form::DURATION, "60s");
    }
    later []
}

/// A protocol that clients may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerProtocol {
    /// HTTP/1.0 and HTTP/1.1.
    H1,
}

impl Choice for ListenerProtocol {
    const WHAT: &'static str = "a protocol";
    const WORDS: &'static [(&'static str, Option<Self>)] = &[("h1", Some(ListenerProtocol::H1)), ("h2", None)];
}

const PROTOCOLS: Form<Vec<ListenerProtocol>> = Form {
    form: "a list of protocols: `h1`",
    example: "[h1]",
    shape: Shape::Set(&Shape::Choice(built::<ListenerProtocol>), 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of protocols")?;
        if items.is_empty() {
            reading.tell(
                super::Diagnostic::error(node.at, "a listener speaks at least one protocol").hint("write `[h1]`"),
            );
        }
        Some(each_once(items, reading, |item| reading.word(item, "a protocol", choose)))
    },
};

const HEADER_SIZE: Form<Size> = Form {
    form: "a size from `1KiB` to `64KiB`",
    example: "16KiB",
    shape: Shape::Word("^[0-9]+(KiB)?$"),
    read: |node, reading| {
        reading.word(node, "a size", |text| {
            Some(Size::parse(text)?).filter(|size| (1 << 10..=64 << 10).contains(&size.bytes())).ok_or_else(|| {
                Complaint::new(format!("{text} is out of range")).hint("write a size from `1KiB` to `64KiB`")
            })
        })
    },
};

const HEADER_COUNT: Form<u32> = Form {
    form: "a number from 1 to 256",
    example: "200",
    shape: Shape::Number(1, 256),
    read: |node, reading| reading.word(node, "a number", |text| number(text, 1, 256)),
};
