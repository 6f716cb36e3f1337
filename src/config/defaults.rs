//! `defaults`: what every route inherits unless it says otherwise. The one level of inheritance there is.

use super::declare::section;
use super::{RetriesConfig, form};
use crate::value::{Limit, Size};
use std::time::Duration;

section! { "`defaults`",
    /// What every route inherits, field by field, unless it says otherwise.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct DefaultsConfig {
        /// How long the gateway waits for endpoints.
        "timeouts" => timeouts: TimeoutsConfig, section(TimeoutsConfig);
        /// When a request that failed goes to another endpoint.
        "retries" => retries: RetriesConfig, section(RetriesConfig);
        /// What a request may carry.
        "request" => request: RequestConfig, section(RequestConfig);
    }
    later ["response"]
}

section! { "`timeouts` of `defaults`",
    /// How long the gateway waits for endpoints.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct TimeoutsConfig {
        /// Longest time to open a connection to an endpoint, the TLS handshake included. Short enough that another endpoint can
        /// be tried: from 75s on there is a warning, since the operating system rarely waits that long itself.
        "connect" => connect: Duration, default(form::CONNECT, "5s");
        /// Longest silence from the endpoint, before and within its response; for an upgraded connection, from both sides.
        "read" => read: Limit<Duration>, default(form::DURATION_OR_UNLIMITED, "60s");
        /// Longest time the endpoint may take no byte of the request.
        "write" => write: Limit<Duration>, default(form::DURATION_OR_UNLIMITED, "60s");
        /// Longest time for the whole exchange, from the request's head to the response's last byte.
        "request" => request: Limit<Duration>, default(form::DURATION_OR_UNLIMITED, "unlimited");
    }
    later []
    checked by super::advice::timeouts_of_defaults
}

section! { "`request` of `defaults`",
    /// What a request may carry.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct RequestConfig {
        /// Largest body. A larger one is answered 413, before the endpoint is touched where its length is known.
        "max_body" => max_body: Limit<Size>, default(form::SIZE_OR_UNLIMITED, "10MiB");
    }
    later ["mode", "buffer"]
}
