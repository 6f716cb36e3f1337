//! Every warning there is: its name, what it is about, when to silence it, and an example.

use super::route_lints::{COLON_SEGMENT, LITERAL_VARIABLE, LONE_SLASH, UNKNOWN_METHOD, UNUSED_ERROR_PAGE};
use super::tls_lints::{
    AUTHORITY_CERTIFICATE, DUPLICATE_CERTIFICATE, EXPIRED_CERTIFICATE, EXPIRING_CERTIFICATE, FUTURE_CERTIFICATE,
    PLAIN_TO_443, STALE_REVOCATION, UNREAD_FILE, UNUSED_AUTHORITY, UNVERIFIED_UPSTREAM,
};
use std::fmt::Write;

/// One kind of warning.
#[derive(Debug, PartialEq, Eq)]
pub struct Lint {
    /// What messages show and comments name.
    pub name: &'static str,
    /// What is warned of.
    pub summary: &'static str,
    /// Why it matters, and when it is right to silence it.
    pub manual: &'static str,
    /// A document that it warns of.
    pub example: &'static str,
    /// What to do about the example.
    pub mend: Mend,
}

/// What to do about an example.
#[derive(Debug, PartialEq, Eq)]
pub enum Mend {
    /// Write the second in place of the first.
    Write(&'static str, &'static str),
    /// Something outside the document.
    Do(&'static str),
}

/// All of them, in the order of the manual.
pub static LINTS: &[&Lint] = &[
    &AUTHORITY_CERTIFICATE,
    &CHECK_OUTLASTS_INTERVAL,
    &COLON_SEGMENT,
    &CONNECT_OUTLASTS_REQUEST,
    &DUPLICATE_CERTIFICATE,
    &EXPIRED_CERTIFICATE,
    &EXPIRING_CERTIFICATE,
    &FUTURE_CERTIFICATE,
    &IDLE_BEYOND_AGE,
    &LITERAL_VARIABLE,
    &LONE_ENDPOINT,
    &LONE_SLASH,
    &LONG_CONNECT,
    &NEEDLESS_ALLOW,
    &NGINX_VARIABLE,
    &OPEN_METRICS,
    &PLAIN_TO_443,
    &READABLE_SECRET,
    &SHADOWED_ROUTE,
    &STALE_REVOCATION,
    &SURPLUS_ATTEMPTS,
    &TIMEOUT_BEYOND_REQUEST,
    &UNKNOWN_METHOD,
    &UNREAD_FILE,
    &UNUSED_ANCHOR,
    &UNUSED_AUTHORITY,
    &UNUSED_ERROR_PAGE,
    &UNUSED_LISTENER,
    &UNUSED_UPSTREAM,
    &UNVERIFIED_UPSTREAM,
    &WAIT_BEYOND_REQUEST,
    &WIDE_TRUSTED_PROXIES,
];

/// The one of this name.
pub(super) fn named(name: &str) -> Option<&'static Lint> {
    LINTS.iter().copied().find(|lint| lint.name == name)
}

pub static CHECK_OUTLASTS_INTERVAL: Lint = Lint {
    name: "check-outlasts-interval",
    summary: "an active check may take longer than the time to the next one",
    manual: "The checks of an endpoint never overlap, so one that runs until its `timeout` delays the next: an endpoint \
             that hangs is checked less often than `interval` says, and found later. Silence it where slow answers \
             count as health and the longer interval between them does no harm.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app:\n    \
                  endpoints: [app-1:3000, app-2:3000]\n    \
                  active: { path: /healthz, interval: 5s, timeout: 10s }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("timeout: 10s", "timeout: 2s"),
};

pub static CONNECT_OUTLASTS_REQUEST: Lint = Lint {
    name: "connect-outlasts-request",
    summary: "`connect` leaves a request no time for another endpoint",
    manual: "`request` bounds the whole exchange, all attempts together. Where `connect` is as long, the first endpoint \
             that takes no connection uses up all of it: the client gets a 504 although another endpoint could have \
             answered. Silence it in front of a single address that is far away.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              defaults:\n  \
                timeouts: { connect: 10s, request: 10s }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000, app-2:3000] }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("connect: 10s", "connect: 2s"),
};

pub static IDLE_BEYOND_AGE: Lint = Lint {
    name: "idle-beyond-age",
    summary: "kept connections are closed for their age before `idle_timeout` runs out",
    manual: "A connection that is idle for longer than `max_age` is older than that too, so `idle_timeout` never decides \
             anything. Silence it where one of the two comes from the environment and is not always the longer one.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app:\n    \
                  endpoints: [app-1:3000, app-2:3000]\n    \
                  keepalive: { idle_timeout: 2h, max_age: 1h }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("idle_timeout: 2h", "idle_timeout: 60s"),
};

pub static LONE_ENDPOINT: Lint = Lint {
    name: "lone-endpoint",
    summary: "a key chooses among endpoints, and the pool has one address",
    manual: "The only endpoint of a pool gets every request whatever its state: it is never taken out for failures, takes \
             its full share from the start, and every client is on it anyway. So `passive`, `slow_start`, `sticky` and \
             `weight` do nothing. A name may stand for several addresses and is not warned of. Silence it \
             where more endpoints are to come and their rules are to be there already.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app:\n    \
                  endpoints: [10.0.0.7:3000]\n    \
                  passive: { max_fails: 3, fail_timeout: 30s }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("[10.0.0.7:3000]", "[10.0.0.7:3000, 10.0.0.8:3000]"),
};

pub static LONG_CONNECT: Lint = Lint {
    name: "long-connect",
    summary: "`connect` is 75 seconds or more",
    manual: "The operating system mostly gives up by itself before that, and until then no other endpoint is tried: \
             clients wait for a machine that is gone. A service that is there takes a connection at once, also one that \
             answers slowly, which is what `read` is for. Silence it where the way to the endpoint is dialled up first.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              defaults:\n  \
                timeouts: { connect: 300s, read: 300s }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000, app-2:3000] }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("connect: 300s", "connect: 5s"),
};

pub static NEEDLESS_ALLOW: Lint = Lint {
    name: "needless-allow",
    summary: "a comment silences a warning that is not there",
    manual: "What it silenced was mended, moved to another line, or was never on this one. Left there, it would hide the \
             next mistake of this kind. Silence it where the warning depends on the environment.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] } # wharf: allow unused-upstream\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write(" # wharf: allow unused-upstream", ""),
};

pub static NGINX_VARIABLE: Lint = Lint {
    name: "nginx-variable",
    summary: "a variable is written as in nginx, and stands for itself",
    manual: "`$host` and the like are variables in nginx. Here a variable of a request is written `{host}`, and a `$` is a \
             `$`: the text goes out as it stands. So does `$1` outside of `to` of a `rewrite`: there a group has a name, \
             `(?<rest>.*)`, and stands as `{capture.rest}`. Silence it where that is what is meant.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              routes:\n  \
                - match: { path: /* }\n    \
                  redirect: { to: \"https://$host{uri}\", status: 308 }\n",
    mend: Mend::Write("$host{uri}", "{host}{uri}"),
};

pub static OPEN_METRICS: Lint = Lint {
    name: "open-metrics",
    summary: "everyone who reaches the machine may read `/metrics`",
    manual: "With `metrics_open` the metrics need no token, and the admin address is one that the internet may reach: \
             `:port`, or an address that is not private. Metrics tell the names of routes, upstreams and endpoints, and \
             how much they are used. Silence it where the network in front lets only your own machines in, as that of \
             containers does.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n\
              admin:\n  \
                address: \":9900\"\n  \
                token: { env: ADMIN_TOKEN }\n  \
                metrics_open: true\n",
    mend: Mend::Write("address: \":9900\"", "address: 10.0.0.5:9900"),
};

pub static READABLE_SECRET: Lint = Lint {
    name: "readable-secret",
    summary: "the file of a key or another secret can be read by every user of the machine",
    manual: "Its mode lets others read it, so every program on the machine has the secret. Looked at where the document is \
             read from disk and the file is there; what lies below `/run/secrets` is not, since a container has it for \
             itself. Silence it where no one else can come to the directory.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n\
              admin:\n  \
                address: \":9900\"\n  \
                token: { file: /etc/wharf/admin_token }\n",
    mend: Mend::Do("`chmod o= /etc/wharf/admin_token`, and give the file to the user that runs the gateway"),
};

pub static SHADOWED_ROUTE: Lint = Lint {
    name: "shadowed-route",
    summary: "another route takes all requests of a route",
    manual: "Every request that the route matches is for another one, which is asked first: by its `priority`, or because \
             regular expressions are asked last. Its upstream waits for requests that never come. Silence it where the \
             other route comes and goes, such as one for maintenance.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n  \
                images: { endpoints: [images-1:3000] }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n  \
                - { match: { path: '~ [.]png$' }, upstream: images }\n",
    mend: Mend::Write("upstream: images }", "priority: 1, upstream: images }"),
};

pub static SURPLUS_ATTEMPTS: Lint = Lint {
    name: "surplus-attempts",
    summary: "a route's `attempts` are more than there are endpoints",
    manual: "Each endpoint gets a request once, so the attempts beyond their number are never made: whoever counts on them \
             has less than was asked for. Only pools of plain addresses are counted, since a name may stand for several, \
             and only the route's own `attempts`, not those of `defaults`. Silence it where endpoints come and go.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [10.0.0.7:3000, 10.0.0.8:3000] }\n\
              routes:\n  \
                - match: { path: /* }\n    \
                  upstream: app\n    \
                  retries: { attempts: 5 }\n",
    mend: Mend::Write("attempts: 5", "attempts: 2"),
};

pub static TIMEOUT_BEYOND_REQUEST: Lint = Lint {
    name: "timeout-beyond-request",
    summary: "`read` or `write` is longer than the whole exchange may take",
    manual: "`request` ends the exchange first, so the longer silence is never allowed: mostly `read` was raised for slow \
             answers, and they are still cut off. Of inherited values only `request` counts: a route that writes a short \
             `request` need not write `read` too. Silence it on a route for WebSockets, whose tunnels `read` bounds and \
             `request` does not.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              defaults:\n  \
                timeouts: { request: 60s }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000, app-2:3000] }\n\
              routes:\n  \
                - match: { path: /report/* }\n    \
                  upstream: app\n    \
                  timeouts: { read: 300s }\n",
    mend: Mend::Write("{ read: 300s }", "{ read: 300s, request: 300s }"),
};

pub static UNUSED_ANCHOR: Lint = Lint {
    name: "unused-anchor",
    summary: "nothing refers to an anchor",
    manual: "`&` at the start of a value names it for later use as `*name`, and is no part of it. Where nothing refers to \
             the name, it was mostly meant as text: that stands in quotes. Silence it where the anchor waits for its use.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              routes:\n  \
                - match: { path: /motto }\n    \
                  respond:\n      \
                    headers: { Content-Type: text/plain }\n      \
                    body: &more words\n",
    mend: Mend::Write("&more words", "\"&more words\""),
};

pub static UNUSED_LISTENER: Lint = Lint {
    name: "unused-listener",
    summary: "no route takes requests from a listener",
    manual: "Every route names its listeners, and this one is not among them: all that it accepts is answered 404. Mostly \
             the list of a route was forgotten when the listener was added. Silence it where that is what is wanted.",
    example: "version: 1\n\
              listeners:\n  \
                web: { address: \":8080\" }\n  \
                inside: { address: \"127.0.0.1:8081\" }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n\
              routes:\n  \
                - match: { path: /* }\n    \
                  listeners: [web]\n    \
                  upstream: app\n",
    mend: Mend::Write("listeners: [web]", "listeners: [web, inside]"),
};

pub static UNUSED_UPSTREAM: Lint = Lint {
    name: "unused-upstream",
    summary: "no route uses an upstream",
    manual: "Its endpoints get no request, but are resolved and checked all the same. Mostly its route was forgotten, or \
             goes to another upstream than was meant. Silence it for a pool that waits for its routes.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n  \
                orders: { endpoints: [orders-1:3000] }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("routes:\n", "routes:\n  - { match: { path: /orders/* }, upstream: orders }\n"),
};

pub static WAIT_BEYOND_REQUEST: Lint = Lint {
    name: "wait-beyond-request",
    summary: "a request's time is over before its wait for an endpoint",
    manual: "`request` bounds the whole exchange, the waiting room included, on every route to the upstream: `timeout` of \
             `wait` never runs out, and who waited to the end has no time left for an answer. Silence it where `size` \
             alone is to bound the room.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              defaults:\n  \
                timeouts: { request: 10s }\n\
              upstreams:\n  \
                app:\n    \
                  endpoints: [app-1:3000, app-2:3000]\n    \
                  wait: { size: 100, timeout: 30s }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("timeout: 30s", "timeout: 5s"),
};

pub static WIDE_TRUSTED_PROXIES: Lint = Lint {
    name: "wide-trusted-proxies",
    summary: "`trusted_proxies` holds more than your own proxies",
    manual: "Whoever lies in `trusted_proxies` is believed what it says about the client: its address, host and scheme, in \
             logs and in what endpoints see. A range wider than `/8` (`/7` in IPv6) holds strangers, who can then claim any \
             address and pass every check of it. Name the ranges of your own proxies. Silence it where nothing but they \
             can connect, for instance on a Unix socket or behind a firewall.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              trusted_proxies: [0.0.0.0/0]\n\
              upstreams:\n  \
                app: { endpoints: [app-1:3000] }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("0.0.0.0/0", "10.0.0.0/8"),
};

/// `docs/reference/lints.md`: every warning with its reasons, an example and the way out.
pub fn lints_reference() -> String {
    let mut out = String::from(
        "# Warnings\n\n\
         What `wharf check` warns of: the document can be used, but probably says something other than what is meant. Each warning has\n\
         a name, which stands behind the word: `warning[unused-upstream]: …`. With `--strict` warnings count as errors.\n\n\
         A comment silences a warning on its line, or alone on a line those of the next one. Several names are separated by commas, and\n\
         ` # ` starts a remark:\n\n\
         ```yaml\n\
         upstreams:\n  \
           spare: { endpoints: [10.0.0.9:3000] } # wharf: allow unused-upstream # until the move is done\n  \
           # wharf: allow unused-upstream, lone-endpoint\n  \
           next: { endpoints: [10.0.0.10:3000], slow_start: 30s }\n\
         ```\n\n\
         The line is the one that the warning points to. Names that no warning has are errors, and errors are never silenced.\n\n\
         This page is generated from the list that the gateway warns by.\n\n\
         | name | warns that |\n|---|---|\n",
    );
    for Lint { name, summary, .. } in LINTS {
        let _ = writeln!(out, "| [`{name}`](#{name}) | {summary} |");
    }
    for Lint { name, summary: _, manual, example, mend } in LINTS {
        let _ = write!(out, "\n## {name}\n\n{manual}\n\n```yaml\n{example}```\n\n");
        let _ = match mend {
            Mend::Do(what) => writeln!(out, "Instead: {what}."),
            Mend::Write(_, "") => writeln!(out, "Instead: leave the comment out."),
            Mend::Write(from, to) if from.ends_with('\n') => {
                writeln!(out, "Instead:\n\n```yaml\n{to}```")
            }
            Mend::Write(_, to) => writeln!(out, "Instead: `{to}`."),
        };
    }
    out
}
