//! Every metric's name, type, labels and meaning: the scrape and the manual both read it here.

use prometheus::proto::MetricType;

/// One metric family.
#[derive(Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: MetricType,
    pub labels: &'static [&'static str],
    /// One sentence, shown to Prometheus and in the manual.
    pub help: &'static str,
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(pub const $constant: Family = Family {
            name: concat!("wharf_", $name),
            kind: MetricType::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All of them, in the order of the scrape. The process metrics come after.
        pub const FAMILIES: &[Family] = &[$($constant),*];
    };
}

families! {
    HTTP_REQUESTS = COUNTER "http_requests_total" ["listener" "route" "method" "code"]
        "Requests answered, by the status the client got (499: it went away before).";
    HTTP_REQUEST_DURATION = HISTOGRAM "http_request_duration_seconds" ["route"]
        "Time from the first byte of a request to the last of its response.";
    HTTP_REQUESTS_IN_FLIGHT = GAUGE "http_requests_in_flight" ["route"]
        "Requests and tunnels being served now.";
    HTTP_REQUEST_BYTES = COUNTER "http_request_bytes_total" ["route"]
        "Body bytes taken from clients.";
    HTTP_RESPONSE_BYTES = COUNTER "http_response_bytes_total" ["route"]
        "Body bytes handed to clients.";
    HTTP_FAILURES = COUNTER "http_failures_total" ["route" "reason"]
        "Requests not answered by an upstream, or not in full, by reason (see failures.md).";
    UPSTREAM_REQUESTS = COUNTER "upstream_requests_total" ["upstream" "endpoint" "code"]
        "Responses from endpoints, by their status.";
    UPSTREAM_REQUEST_DURATION = HISTOGRAM "upstream_request_duration_seconds" ["upstream"]
        "Time from handing a request to an endpoint to the last byte of its response.";
    UPSTREAM_CONNECT_DURATION = HISTOGRAM "upstream_connect_duration_seconds" ["upstream"]
        "Time to open a connection to an endpoint, the TLS handshake included.";
    UPSTREAM_IN_FLIGHT = GAUGE "upstream_in_flight" ["upstream" "endpoint"]
        "Requests and tunnels at an endpoint now, as least_conn counts them.";
    UPSTREAM_CONNECTIONS = GAUGE "upstream_connections" ["upstream" "state"]
        "Connections to endpoints: active with a request or tunnel, or idle and kept.";
    UPSTREAM_CONNECTIONS_OPENED = COUNTER "upstream_connections_opened_total" ["upstream"]
        "Connections opened to endpoints.";
    UPSTREAM_CONNECTIONS_REUSED = COUNTER "upstream_connections_reused_total" ["upstream"]
        "Requests sent on a kept connection.";
    UPSTREAM_ENDPOINT_UP = GAUGE "upstream_endpoint_up" ["upstream" "endpoint"]
        "1 if the endpoint, or any address of its name, may take requests; 0 if it is down, ejected, drained or without an address.";
    UPSTREAM_HEALTH_CHECKS = COUNTER "upstream_health_checks_total" ["upstream" "endpoint" "result"]
        "Active health checks, by their result: pass or fail.";
    UPSTREAM_RETRIES = COUNTER "upstream_retries_total" ["upstream" "reason"]
        "Requests sent again after a failure, by its reason; status for a response whose status is in retry_on.";
    UPSTREAM_EJECTIONS = COUNTER "upstream_ejections_total" ["upstream" "endpoint"]
        "Times an endpoint was left alone since too many requests failed there (passive.max_fails).";
    DISCOVERY_UP = GAUGE "discovery_up" ["source"]
        "1 if the source that finds endpoints answers, 0 if it does not: what it said last is kept.";
    DISCOVERY_LAST_SUCCESS = GAUGE "discovery_last_success_timestamp_seconds" ["source"]
        "When the source answered last, in seconds since 1970.";
    DISCOVERY_ENDPOINTS = GAUGE "discovery_endpoints" ["upstream"]
        "Endpoints that were found for the upstream and hold now.";
    DISCOVERY_CHANGES = COUNTER "discovery_changes_total" ["upstream"]
        "Times the endpoints that were found for the upstream became others.";
    LISTENER_CONNECTIONS = GAUGE "listener_connections" ["listener"]
        "Client connections open now.";
    LISTENER_REJECTED = COUNTER "listener_rejected_total" ["listener" "reason"]
        "Client connections turned away: at limits.connections, or out of file descriptors.";
    TLS_HANDSHAKES = COUNTER "tls_handshakes_total" ["listener" "result" "version"]
        "TLS handshakes with clients, by their end (full and resumed are good ones) and version (none: none was agreed on).";
    TLS_CERTIFICATE_EXPIRY = GAUGE "tls_certificate_expiry_timestamp_seconds" ["subject"]
        "When the certificate that is presented for this name expires, in seconds since 1970; of several the first. 0: one that is ordered has not come yet.";
    CONFIG_RELOADS = COUNTER "config_reloads_total" ["result"]
        "Reloads of the configuration: success or failure. The load at the start is none.";
    CONFIG_LAST_RELOAD_SUCCESSFUL = GAUGE "config_last_reload_successful" []
        "1 if the configuration loaded last is in force, 0 if it was refused.";
    CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP = GAUGE "config_last_reload_success_timestamp_seconds" []
        "When the configuration in force was loaded, in seconds since 1970.";
    LOG_DROPPED = COUNTER "log_dropped_total" ["sink"]
        "Log lines lost since their destination was too slow or failed.";
    PANICS = COUNTER "panics_total" []
        "Panics caught: defects of the gateway. Each ends one request, never the program.";
    BUILD_INFO = GAUGE "build_info" ["version" "revision"]
        "Always 1; the labels tell the build.";
}
