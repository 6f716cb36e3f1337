//! Words of other proxies' languages, and short forms of theirs: what they are called here.

/// What a key of another language is called here, by the key that it is there.
const WORDS: &[(&str, &[&str])] = &[
    (
        "acme",
        &[
            "cert_resolver",
            "certificates_resolvers",
            "certificatesresolvers",
            "certresolver",
            "lets_encrypt",
            "letsencrypt",
        ],
    ),
    ("address", &["addr", "bind", "host", "listen", "port", "server", "socket", "target", "url"]),
    ("active", &["check", "checks", "health", "health_check", "health_checks", "healthcheck", "option_httpchk"]),
    ("attempts", &["count", "max", "max_attempts", "next_upstream_tries", "num_retries", "retries", "tries"]),
    ("balance", &["algorithm", "lb", "lb_policy", "load_balancing", "loadbalancer", "method", "policy", "strategy"]),
    ("body", &["content", "data", "message", "text"]),
    ("ca", &["ca_file", "cafile", "proxy_ssl_trusted_certificate", "root_ca", "root_cas", "trusted_ca"]),
    ("cert", &["cert_file", "certfile", "certificate", "crt", "proxy_ssl_certificate", "ssl_certificate"]),
    ("certificates", &["cert", "certificate", "certs", "default_certificate", "ssl_certificate"]),
    ("challenge", &["challenges", "dns_challenge", "http_challenge", "httpchallenge", "tls_challenge"]),
    ("client_auth", &["client_auth_type", "clientauth", "ssl_verify_client", "verify_client"]),
    ("client_ca", &["client_cas", "client_certificate", "ssl_client_certificate"]),
    ("client_crl", &["crl", "ssl_crl"]),
    ("directory", &["ca_server", "caserver", "server", "url"]),
    ("email", &["contact", "contacts", "mail"]),
    ("external_account", &["eab", "external_account_binding"]),
    ("endpoints", &["backends", "hosts", "nodes", "server", "servers", "targets", "to", "urls"]),
    ("fall", &["fails", "unhealthy_threshold"]),
    ("fail_timeout", &["ejection_time", "fail_duration"]),
    ("hosts", &["domain", "domains", "names", "sans", "server_name"]),
    (
        "key",
        &[
            "key_file",
            "key_type",
            "keyfile",
            "keytype",
            "hmac",
            "hmac_encoded",
            "hmac_key",
            "private_key",
            "proxy_ssl_certificate_key",
            "ssl_certificate_key",
        ],
    ),
    ("listeners", &["entrypoints", "entryPoints", "frontend", "frontends", "http", "listen", "server", "servers"]),
    ("match", &["matcher", "matches", "rule", "when"]),
    ("max_body", &["client_max_body_size", "max_body_size", "max_size"]),
    ("max_conns", &["max_connections", "maxconn"]),
    ("max_fails", &["consecutive_5xx", "max_failures"]),
    ("min_version", &["minversion", "protocols", "ssl_protocols", "version", "versions"]),
    ("read", &["proxy_read_timeout", "read_timeout", "response"]),
    ("redirect_to_https", &["force_https", "force_ssl", "https_redirect", "redirect", "ssl_redirect"]),
    ("request", &["overall", "total"]),
    ("respond", &["direct_response", "return", "response_body"]),
    ("rise", &["healthy_threshold", "passes"]),
    ("routes", &["location", "locations", "paths", "rules", "virtual_hosts"]),
    ("connect", &["connect_timeout", "dial_timeout", "proxy_connect_timeout"]),
    ("sni", &["proxy_ssl_name", "server_name", "servername"]),
    ("status", &["code", "status_code"]),
    ("sticky", &["affinity", "session_affinity", "stick"]),
    ("strict_sni", &["sni_strict", "snistrict", "ssl_reject_handshake"]),
    ("threads", &["cpus", "worker_processes", "worker_threads", "workers"]),
    ("tls", &["https", "ssl"]),
    ("to", &["location", "target", "url"]),
    (
        "upstream",
        &[
            "backend",
            "cluster",
            "forward_to",
            "handle",
            "pass",
            "proxy",
            "proxy_pass",
            "service",
            "target",
            "use_backend",
        ],
    ),
    ("upstreams", &["backend", "backends", "clusters", "pools", "services"]),
    ("verify", &["insecure", "insecure_skip_verify", "proxy_ssl_verify", "skip_verify"]),
    ("wait", &["queue"]),
    ("write", &["proxy_send_timeout", "send", "send_timeout", "write_timeout"]),
];

/// The one of `keys` that a word of another language means.
pub(super) fn key_for(word: &str, keys: impl Iterator<Item = &'static str> + Clone) -> Option<&'static str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let means = |key: &str| WORDS.iter().any(|(own, foreign)| *own == key && foreign.contains(&&*word));
    keys.clone().find(|key| means(key))
}

/// Where a route's setting of another language stands here, or that there is none, by the key that it is there.
const OF_ROUTES: &[(&str, &[&str])] = &[
    ("write it within `match`: `match: { path: … }`", &["location", "uri", "url", "prefix", "path_prefix"]),
    ("write it within `match`: `match: { host: … }`", &["server_name", "hosts", "hostname", "domain"]),
    ("write it within `match`: `match: { methods: [GET] }`", &["method", "limit_except"]),
    ("write `errors: [{ status: [404], intercept: true, respond: { … } }]`", &["error_page", "error_pages"]),
    ("write it within `headers`: `headers: { response: { set: { … } } }`", &["add_header", "response_headers"]),
    (
        "write it within `headers`: `headers: { request: { set: { … } } }`",
        &["proxy_set_header", "set_header", "request_headers"],
    ),
    (
        "write it within `timeouts`: `timeouts: { read: 60s }`",
        &["proxy_read_timeout", "proxy_connect_timeout", "proxy_send_timeout", "timeout", "read_timeout"],
    ),
    (
        "write it within `request`: `request: { max_body: 10MiB }`",
        &["client_max_body_size", "max_body", "max_body_size"],
    ),
    ("write it within `rewrite`: `rewrite: { strip_prefix: /api }`", &["strip_prefix", "strip_path", "replace_prefix"]),
    (
        "there is no such key: files are not served; hand the requests to a server that does",
        &["root", "alias", "try_files", "index", "static"],
    ),
    ("there is no such key: `headers.response` sets the headers of CORS", &["cors"]),
    ("there is no such key: requests are not limited by their rate", &["rate_limit", "limit_req", "ratelimit"]),
    ("there is no such key: a route knows no certificates", &["tls", "ssl"]),
    ("there is no such key: who asks is not checked", &["auth", "basic_auth", "auth_basic", "auth_request"]),
    ("there is no such key: responses are not kept", &["cache", "proxy_cache"]),
];

/// The same at the top of the document.
const AT_THE_TOP: &[(&str, &[&str])] = &[
    ("write it within `defaults`: `defaults: { request: { max_body: 10MiB } }`", &["client_max_body_size"]),
    ("write it within `observability`", &["logging", "log", "logs", "access_log", "error_log"]),
    (
        "write it in a listener: `listeners: { web: { address: \":443\", tls: { … } } }`",
        &["tls", "ssl", "https", "certificates", "certificate", "ssl_certificate", "ssl_certificate_key"],
    ),
    ("the metrics are at `admin`: `admin: { address: 127.0.0.1:9900 }`", &["metrics", "prometheus", "stub_status"]),
];

/// In `defaults`.
const IN_DEFAULTS: &[(&str, &[&str])] =
    &[("write it in each route: there is no default for it", &["errors", "headers", "rewrite", "upgrade"])];

/// In an upstream.
const IN_UPSTREAMS: &[(&str, &[&str])] =
    &[("write `balance: ip_hash`", &["ip_hash"]), ("write `balance: least_conn`", &["least_conn"])];

/// At an endpoint.
const AT_ENDPOINTS: &[(&str, &[&str])] =
    &[("write it within `passive` of the upstream: it holds for all endpoints", &["max_fails", "fail_timeout"])];

/// At an authority.
const AT_AUTHORITIES: &[(&str, &[&str])] = &[(
    "there is no such key: by naming an authority you agree to its terms",
    &["agree_to_terms", "agree_tos", "terms"],
)];

/// At a listener.
const AT_LISTENERS: &[(&str, &[&str])] = &[
    (
        "write it within `tls`: `tls: { certificates: [{ cert: site.crt, key: site.key }] }`",
        &["cert", "certificate", "key", "ssl_certificate", "ssl_certificate_key"],
    ),
    (
        "there is no such key: routes have hosts, `match: { host: … }`, and certificates name their own",
        &["server_name", "hosts", "hostname", "domain", "server_names"],
    ),
];

/// In `tls` of a listener.
const IN_LISTENERS_TLS: &[(&str, &[&str])] = &[
    (
        "write it in an item of `certificates`: `certificates: [{ cert: site.crt, key: site.key }]`",
        &["key", "cert_file", "key_file", "certfile", "keyfile", "private_key", "ssl_certificate_key"],
    ),
    (
        "write it in an item of `certificates`: `certificates: [{ acme: letsencrypt, hosts: [example.com] }]`",
        &["acme", "hosts", "domains", "cert_resolver", "certresolver", "resolver"],
    ),
    (
        "there is no such key: of each version only what is safe is spoken, with the best that both sides have",
        &[
            "ciphers",
            "cipher_suites",
            "ciphersuites",
            "ssl_ciphers",
            "ssl_prefer_server_ciphers",
            "curves",
            "ssl_ecdh_curve",
        ],
    ),
    (
        "there is no such key: sessions go on by tickets, whose keys change by themselves",
        &["session_cache", "ssl_session_cache", "session_tickets", "ssl_session_tickets", "ssl_session_timeout"],
    ),
    ("it stands beside `tls`: `tls: { … }, protocols: [h1]`", &["alpn", "alpn_protocols", "alpnprotocols"]),
    ("write it in an item of `certificates`: `ocsp: site.ocsp`", &["ocsp", "ssl_stapling", "ssl_stapling_file"]),
];

/// What to do about a key that stands elsewhere or nowhere, in the section with these keys.
pub(super) fn elsewhere(word: &str, keys: impl Iterator<Item = &'static str> + Clone) -> Option<&'static str> {
    let has = |wanted: &str| keys.clone().any(|key| key == wanted);
    let table = match () {
        () if has("match") && has("split") => OF_ROUTES,
        () if has("version") && has("routes") => AT_THE_TOP,
        () if has("timeouts") && has("retries") => IN_DEFAULTS,
        () if has("endpoints") && has("balance") => IN_UPSTREAMS,
        () if has("weight") && has("backup") => AT_ENDPOINTS,
        () if has("challenge") && has("directory") => AT_AUTHORITIES,
        () if has("protocols") && has("limits") => AT_LISTENERS,
        () if has("certificates") && has("hsts") => IN_LISTENERS_TLS,
        () => return None,
    };
    let word = word.to_ascii_lowercase().replace('-', "_");
    let found = table.iter().find(|(_, words)| words.contains(&&*word)).map(|(hint, _)| *hint);
    let route = has("match").then_some(
        "a route has `match`, one of `upstream`, `split`, `redirect` and `respond`, and more: see the manual",
    );
    found.or(route)
}

/// What to write where a section with these keys is wanted and this text stands: the section with the text at its place.
pub(super) fn section_for(text: &str, keys: impl Iterator<Item = &'static str> + Clone) -> Option<String> {
    let has = |wanted: &str| keys.clone().any(|key| key == wanted);
    if text.is_empty() || text.len() > 100 || text.contains(['"', '\\', '\n']) {
        return None;
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let duration = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(['s', 'm', 'h', 'd']);
    let off = matches!(text, "off" | "false" | "no" | "none" | "disabled");
    Some(match () {
        () if off => match has("max_fails") {
            true => "{ max_fails: 0 }".to_owned(),
            false => return None,
        },
        () if (has("sni") || has("preload")) && matches!(text, "true" | "on" | "yes") => "{}".to_owned(),
        () if has("endpoints") && text.contains(':') => format!("{{ endpoints: [\"{text}\"] }}"),
        () if has("srv") => return source_for(text, keys),
        () if has("protocols") && digits => format!("{{ address: \":{text}\" }}"),
        () if has("protocols") && text.contains(':') => format!("{{ address: \"{text}\" }}"),
        () if has("path") && text.starts_with('/') => format!("{{ path: {text} }}"),
        () if has("to") && has("status") && text.contains('/') => format!("{{ to: \"{text}\" }}"),
        () if has("body") && digits => format!("{{ status: {text} }}"),
        () if has("body") => format!("{{ body: \"{text}\" }}"),
        () if has("cookie") && text != "true" => format!("{{ cookie: {text} }}"),
        () if has("attempts") && digits => format!("{{ attempts: {text} }}"),
        () if has("size") && digits => format!("{{ size: {text} }}"),
        () if has("size") && duration => format!("{{ timeout: {text} }}"),
        () => return None,
    })
}

/// What to write where a source of endpoints is wanted and a name stands; the first and the last mark of code are the caller's.
fn source_for(name: &str, mut sources: impl Iterator<Item = &'static str>) -> Option<String> {
    let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    Some(match name.rsplit_once(':') {
        Some((host, port)) if is_word(host) && port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{{ dns: \"{name}\" }}")
        }
        None if name.starts_with('_') && is_word(name) => format!("{{ srv: {name} }}"),
        None if is_word(name) && !sources.any(|source| source == name) => format!(
            "{{ docker: {name} }}` for containers with the label `wharf.service={name}`, or `{{ dns: \"{name}:3000\" }}"
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::{Section, Sectioned};
    use crate::config::{Document, UpstreamConfig};

    fn sections(section: &'static Section, all: &mut Vec<&'static Section>) {
        all.push(section);
        section.keys.iter().filter_map(|key| key.section).for_each(|within| sections(within, all));
    }

    #[test]
    fn what_they_mean_are_keys_of_ours_and_none_is_a_key_where_that_one_stands() {
        let mut all = Vec::new();
        sections(&Document::SECTION, &mut all);
        for (own, foreign) in WORDS {
            let holding = all.iter().filter(|section| section.keys.iter().any(|key| key.name == *own));
            let holding: Vec<_> = holding.collect();
            assert!(!holding.is_empty(), "{own} is no key");
            for section in holding {
                let clash = section.keys.iter().find(|key| foreign.contains(&key.name));
                assert!(clash.is_none(), "{own}: {clash:?} is a key of {}", section.name);
            }
        }
    }

    #[test]
    fn a_word_means_a_key_only_where_that_key_stands() {
        let keys = UpstreamConfig::SECTION.keys.iter().map(|key| key.name);
        assert_eq!(key_for("servers", keys.clone()), Some("endpoints"));
        assert_eq!(key_for("health-check", keys.clone()), Some("active"));
        assert_eq!(key_for("proxy_pass", keys), None);
    }
}
