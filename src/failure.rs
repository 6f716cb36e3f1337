//! Every way a request can fail: one word, one status. The word is the same in the answer, the log, the metric and the manual.

/// Why a request was not answered by its upstream, or not in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Failure {
    /// No route matches the request.
    NoRoute,
    /// CONNECT or TRACE, which the gateway does not forward; or routes match but for their methods.
    MethodNotAllowed,
    /// No endpoint of the pool can take the request.
    NoEndpoint,
    /// The endpoint refused the connection, or it cannot be reached.
    ConnectRefused,
    /// The connection to the endpoint took longer than `timeouts.connect`.
    ConnectTimeout,
    /// There is no TLS with the endpoint: it does not prove who it is, or the handshake fails.
    UpstreamTls,
    /// The endpoint was silent for longer than `timeouts.read`, or took no byte for longer than `timeouts.write`.
    UpstreamTimeout,
    /// The endpoint closed or reset the connection before its response was whole.
    UpstreamReset,
    /// The endpoint's response is not valid HTTP/1, or exceeds a limit.
    BadResponse,
    /// The whole exchange took longer than `timeouts.request`.
    RequestTimeout,
    /// The client went away before its response was complete.
    ClientClosed,
    /// The client sent its head or body too slowly, or took no byte of the response for longer than `send_timeout`.
    ClientTimeout,
    /// The body is larger than `request.max_body`.
    BodyTooLarge,
    /// The request's head exceeds `limits.header_size` or `limits.header_count`.
    HeaderTooLarge,
    /// The request target is longer than a head line may be.
    UriTooLong,
    /// The request is malformed, or could be read in more than one way.
    BadRequest,
    /// The client's TLS connection is for another host, whose certificate is another one.
    MisdirectedRequest,
    /// An `Expect` other than `100-continue`.
    ExpectationFailed,
    /// A protocol version this gateway does not speak.
    VersionNotSupported,
    /// The gateway is stopping and takes no new request.
    Draining,
    /// A defect in the gateway: the request's task panicked.
    Internal,
}

impl Failure {
    /// All of them, in the order of the manual.
    pub const ALL: [Failure; 21] = [
        Failure::NoRoute,
        Failure::MethodNotAllowed,
        Failure::NoEndpoint,
        Failure::ConnectRefused,
        Failure::ConnectTimeout,
        Failure::UpstreamTls,
        Failure::UpstreamTimeout,
        Failure::UpstreamReset,
        Failure::BadResponse,
        Failure::RequestTimeout,
        Failure::ClientClosed,
        Failure::ClientTimeout,
        Failure::BodyTooLarge,
        Failure::HeaderTooLarge,
        Failure::UriTooLong,
        Failure::BadRequest,
        Failure::MisdirectedRequest,
        Failure::ExpectationFailed,
        Failure::VersionNotSupported,
        Failure::Draining,
        Failure::Internal,
    ];

    /// The word users see as `reason`.
    pub const fn word(self) -> &'static str {
        match self {
            Failure::NoRoute => "no_route",
            Failure::MethodNotAllowed => "method_not_allowed",
            Failure::NoEndpoint => "no_endpoint",
            Failure::ConnectRefused => "connect_refused",
            Failure::ConnectTimeout => "connect_timeout",
            Failure::UpstreamTls => "upstream_tls",
            Failure::UpstreamTimeout => "upstream_timeout",
            Failure::UpstreamReset => "upstream_reset",
            Failure::BadResponse => "bad_response",
            Failure::RequestTimeout => "request_timeout",
            Failure::ClientClosed => "client_closed",
            Failure::ClientTimeout => "client_timeout",
            Failure::BodyTooLarge => "body_too_large",
            Failure::HeaderTooLarge => "header_too_large",
            Failure::UriTooLong => "uri_too_long",
            Failure::BadRequest => "bad_request",
            Failure::MisdirectedRequest => "misdirected_request",
            Failure::ExpectationFailed => "expectation_failed",
            Failure::VersionNotSupported => "version_not_supported",
            Failure::Draining => "draining",
            Failure::Internal => "internal",
        }
    }

    /// The status the client gets, or the log shows where the client is gone (499 as in nginx).
    pub const fn status(self) -> u16 {
        match self {
            Failure::NoRoute => 404,
            Failure::MethodNotAllowed => 405,
            Failure::NoEndpoint | Failure::Draining => 503,
            Failure::ConnectRefused | Failure::UpstreamTls | Failure::UpstreamReset | Failure::BadResponse => 502,
            Failure::ConnectTimeout | Failure::UpstreamTimeout | Failure::RequestTimeout => 504,
            Failure::ClientClosed => 499,
            Failure::ClientTimeout => 408,
            Failure::BodyTooLarge => 413,
            Failure::HeaderTooLarge => 431,
            Failure::UriTooLong => 414,
            Failure::BadRequest => 400,
            Failure::MisdirectedRequest => 421,
            Failure::ExpectationFailed => 417,
            Failure::VersionNotSupported => 505,
            Failure::Internal => 500,
        }
    }

    /// The endpoint's doing: it counts against it, and another one may do better.
    pub const fn is_endpoints(self) -> bool {
        matches!(
            self,
            Failure::ConnectRefused
                | Failure::ConnectTimeout
                | Failure::UpstreamTls
                | Failure::UpstreamTimeout
                | Failure::UpstreamReset
                | Failure::BadResponse
        )
    }

    /// What happened, in a sentence of Markdown for the manual.
    pub const fn meaning(self) -> &'static str {
        match self {
            Failure::NoRoute => "No route matches the request's host and path.",
            Failure::MethodNotAllowed => {
                "The method is CONNECT or TRACE, which the gateway does not forward; or routes match but for their `methods`."
            }
            Failure::NoEndpoint => {
                "No endpoint of the upstream can take the request: each is down, ejected, drained, unresolved or at its `max_conns`, \
                 and the waiting room is full, took too long or does not exist. Or the gateway has no file descriptor left."
            }
            Failure::ConnectRefused => "The endpoint refused the connection, or it cannot be reached.",
            Failure::ConnectTimeout => "The connection to the endpoint took longer than `timeouts.connect`.",
            Failure::UpstreamTls => {
                "There is no TLS with the endpoint: its certificate is expired, for another name or from an unknown authority, it wants \
                 a certificate of the gateway, it speaks an old version or no TLS at all, or the handshake is not over within \
                 `timeouts.connect`. Nothing of the request was sent."
            }
            Failure::UpstreamTimeout => {
                "The endpoint was silent for longer than `timeouts.read`, or took no byte for longer than `timeouts.write`."
            }
            Failure::UpstreamReset => "The endpoint closed or reset the connection before its response was whole.",
            Failure::BadResponse => "The endpoint's response is not valid HTTP/1, or its head exceeds a limit.",
            Failure::RequestTimeout => "The whole exchange took longer than `timeouts.request`.",
            Failure::ClientClosed => {
                "The client went away before its response was complete. It gets no answer; 499 is for the log."
            }
            Failure::ClientTimeout => {
                "The client sent its head or body too slowly, or took no byte of the response for longer than `send_timeout`."
            }
            Failure::BodyTooLarge => "The body is larger than `request.max_body`.",
            Failure::HeaderTooLarge => "The request's head exceeds `limits.header_size` or `limits.header_count`.",
            Failure::UriTooLong => "The request target is longer than a head line may be.",
            Failure::BadRequest => "The request is malformed, or could be read in more than one way.",
            Failure::MisdirectedRequest => {
                "The request came over a TLS connection for another host, which has another certificate."
            }
            Failure::ExpectationFailed => "The request has an `Expect` other than `100-continue`.",
            Failure::VersionNotSupported => "The request's protocol version is none this gateway speaks.",
            Failure::Draining => "The gateway is stopping and takes no new request.",
            Failure::Internal => "A defect in the gateway: the task of this request panicked. Others are not affected.",
        }
    }

    /// What an operator can do about it, for the manual.
    pub const fn remedy(self) -> &'static str {
        match self {
            Failure::NoRoute => "Compare host and path with the routes; `*.example.com` does not match `example.com`.",
            Failure::MethodNotAllowed => "Correct the client; if many come from one address, someone is probing.",
            Failure::NoEndpoint => {
                "`wharf status` has the state of each endpoint, the gateway's log what led to it: start the service, correct its \
                 name, or `wharf undrain` it. For descriptors see `process_open_fds` and raise the process's limit."
            }
            Failure::ConnectRefused => {
                "The gateway's log has the system's error. Check that the service listens on the address of `endpoint`, reachable \
                 from the gateway (not on its own loopback)."
            }
            Failure::ConnectTimeout => {
                "Look for a firewall that drops packets, a wrong address, or a service too busy to accept."
            }
            Failure::UpstreamTls => {
                "The gateway's log has the exact reason and what to do: see \
                 [TLS to upstreams](../how-to/tls-to-upstreams.md#when-there-is-no-tls)."
            }
            Failure::UpstreamTimeout => {
                "Find out what the service waits for; raise the timeout on routes that are slow by nature."
            }
            Failure::UpstreamReset => {
                "Look for a crash or restart of the service, or a limit of its own, at that time."
            }
            Failure::BadResponse => {
                "Check that the address speaks HTTP (one that speaks TLS wants `tls` in its upstream), and its response with `curl -v` directly."
            }
            Failure::RequestTimeout => "Raise `timeouts.request` for the route, or make the service faster.",
            Failure::ClientClosed => {
                "Nothing if rare. If frequent, responses take longer than clients, or a load balancer before the gateway, will wait."
            }
            Failure::ClientTimeout => "Nothing if rare. For slow but honest clients raise the listener's `limits`.",
            Failure::BodyTooLarge => "Raise `request.max_body` on routes that take uploads.",
            Failure::HeaderTooLarge => "Look for cookies that grow; else raise the listener's `limits`.",
            Failure::UriTooLong => "Send the data in a body instead.",
            Failure::BadRequest => {
                "Correct the client: see [what is refused](http.md#requests-that-are-refused). Honest ones speak TLS to a listener \
                 without it, or send a path that has [two readings](../explanation/one-reading-of-a-path.md). If many come from \
                 one address, someone is probing."
            }
            Failure::MisdirectedRequest => {
                "Nothing: browsers ask again over a connection of its own. A client that does not should name the host that it asks \
                 for when it connects (SNI)."
            }
            Failure::ExpectationFailed => "Correct the client.",
            Failure::VersionNotSupported => "Use HTTP/1.1 or HTTP/1.0.",
            Failure::Draining => "Take it out of rotation before it stops: see `readiness_delay`.",
            Failure::Internal => "Please report it, with the panic from the log.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_listed_once_at_its_own_place_and_its_word_is_unique() {
        for (i, f) in Failure::ALL.iter().enumerate() {
            assert_eq!(*f as usize, i);
        }
        let words: std::collections::BTreeSet<_> = Failure::ALL.iter().map(|f| f.word()).collect();
        assert_eq!(words.len(), Failure::ALL.len());
    }
}
