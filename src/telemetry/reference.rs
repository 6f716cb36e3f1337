//! The reference pages that are made from the code, and the tests that they are true.
//!
//! `BLESS=1 cargo test reference` writes them anew.

use std::fmt::Write as _;
use std::path::Path;

use prometheus::proto::MetricType;

use super::access::{FIELD_BYTES_MAX, WAITING_BYTES_MAX, redact};
use super::catalogue::FAMILIES;
use super::histogram::BUCKETS_S;
use super::series::KEYS_MAX;
use crate::failure::Failure;

/// The fields of a line in their order, with their meaning.
pub(super) const FIELDS: [(&str, &str, &str); 27] = [
    ("ts", "string", "When the exchange ended: RFC 3339, UTC, milliseconds."),
    ("request_id", "string", "The request's id, as in `X-Request-Id`."),
    ("client_ip", "string", "The client's address, found through trusted proxies."),
    ("method", "string", "As the client sent it."),
    ("scheme", "string", "`http` or `https`."),
    ("host", "string", "The host the client asked for; a user or password before an `@` is left out."),
    ("path", "string", "Path and query as the client sent them, without the values of secret keys."),
    ("protocol", "string", "As in `HTTP/1.1`."),
    ("status", "number", "What the client got; 499 if it went away before."),
    ("bytes_in", "number", "Body bytes taken from the client."),
    ("bytes_out", "number", "Body bytes handed to the client."),
    ("duration_s", "number", "Seconds from the first byte of the request to the last of the response."),
    ("route", "string", "The route's name; `_none` if none matched."),
    (
        "upstream",
        "string or null",
        "The name of the route's upstream, also if none of its endpoints was asked (`attempts` 0); null if the route has none.",
    ),
    ("endpoint", "string or null", "The address of the endpoint tried last."),
    ("attempts", "number", "How many endpoints were tried; 0 if none was."),
    ("upstream_status", "number or null", "What that endpoint answered."),
    ("upstream_connect_s", "number or null", "Seconds to open the connection; null if it was reused."),
    ("upstream_header_s", "number or null", "Seconds from handing the request over to the end of the response's head."),
    ("reused", "boolean", "Whether a kept connection was used."),
    ("reason", "string or null", "Why the request failed, one word of [failures.md](failures.md); null if it did not."),
    ("user_agent", "string", "The header `User-Agent`; empty if absent."),
    ("referer", "string", "The header `Referer`, treated like `path`; empty if absent."),
    ("tls_version", "string or null", "The client's TLS version, `1.2` or `1.3`; null without TLS."),
    ("tls_cipher", "string or null", "The cipher suite, by its name in IANA's list; null without TLS."),
    ("tls_server_name", "string or null", "The host that the client named when it connected; null if it named none."),
    ("client_subject", "string or null", "The distinguished name in the client's certificate; null without one."),
];

/// Asserts that the page `name` of `docs/reference` reads `text`; writes it when `BLESS` is set.
fn assert_page(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("docs/reference can be made");
        std::fs::write(&path, text).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/reference/{name} is not what the code says: run `BLESS=1 cargo test reference`");
}

/// The first lines of a page.
fn page(title: &str, about: &str) -> String {
    format!(
        "# {title}\n\n<!-- Made from the code by `BLESS=1 cargo test reference`; edits here are lost. -->\n\n{about}\n\n"
    )
}

/// A table cell: a pipe would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code_list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_reference_of_metrics_is_true() {
    let mut text = page(
        "Metrics",
        "Served in Prometheus' text format at `/metrics` of the admin address. Label values come from the configuration \
         only, and, where containers may [ask for routes](../how-to/containers-by-label.md#routes-from-labels), of 1,000 \
         of these at most: a request without a route counts under `route=\"_none\"`, a method that is none of the well-known ones \
         under `method=\"_OTHER\"`. A route, listener, upstream or endpoint that is removed takes its series along. A \
         route that has seen no request has none yet.",
    );
    text += "| metric | type | labels | meaning |\n|---|---|---|---|\n";
    for family in FAMILIES {
        let kind = match family.kind {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::HISTOGRAM => "histogram",
            other => panic!("no metric of ours is a {other:?}"),
        };
        let labels = code_list(family.labels.iter().copied());
        writeln!(text, "| `{}` | {kind} | {labels} | {} |", family.name, cell(family.help)).expect("a String grows");
    }
    let bounds = BUCKETS_S.map(|bound| bound.to_string()).join(", ");
    write!(
        text,
        "\nHistograms have the buckets {bounds} and `+Inf`, in seconds.\n\n\
         One worker tells at most {KEYS_MAX} combinations of listener, method and code apart for a route, and as many of \
         endpoint and code for every thirty-second part of an upstream's endpoints. What an origin invents on top of that counts under \
         `_OTHER`.\n\n\
         `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_virtual_memory_bytes`, \
         `process_open_fds`, `process_max_fds`, `process_threads` and `process_start_time_seconds` have their usual \
         meaning and no prefix.\n"
    )
    .expect("a String grows");
    assert_page("metrics.md", &text);
}

#[test]
fn the_reference_of_the_access_log_is_true() {
    let mut text = page(
        "Access log",
        "One line a request. Lines are handed to a writer of their own: a worker never waits for the disk or for whoever \
         reads. `observability.access_log` says [where they go and in which form](configuration.md#observabilityaccess_log); \
         a reload changes both for the lines from then on.",
    );
    text += "## Fields\n\nWith `format: json` a line is one object, its fields always all there and in this order.\n\n";
    text += "| field | type | meaning |\n|---|---|---|\n";
    for (name, kind, meaning) in FIELDS {
        writeln!(text, "| `{name}` | {kind} | {} |", cell(meaning)).expect("a String grows");
    }
    write!(
        text,
        "\n## Combined\n\n\
         `format: combined` is the format that nginx and Apache call so, for programs that read theirs. The user is always \
         `-`, the time is in UTC, the number after the status is `bytes_out`, and the target is the `path` above. Of a \
         request that could not be read the quotes hold `-`.\n\n\
         ```text\n\
         203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] \"GET /v1/user/1?page=2 HTTP/1.1\" 200 1024 \"-\" \"curl/7.88.1\"\n\
         ```\n\n\
         ## Templates\n\n\
         Any other text with fields between braces is written with their values in place, by the names above. `{{{{` and `}}}}` are the braces themselves; a variable of nginx, such as `$status`, is refused.\n\n\
         ```yaml\n\
         observability:\n  \
           access_log:\n    \
             format: '{{ts}} {{client_ip}} {{status}} {{duration_s}} {{upstream}} \"{{path}}\" \"{{user_agent}}\"'\n\
         ```\n\n\
         What is empty or null is `-`. Put a field that a client fills in double quotes: no value breaks out of them, but \
         one with a blank looks like two without. A tab between fields separates them for sure, too.\n\n\
         ## What is never written\n\n\
         This holds in every form. \
         No `Authorization`, no cookie, no user and password of a URL. In `path` and `referer` the value of a key becomes \
         `***` if the key contains {}, if one of its words ends in {}, or if one of its words is {}. Case does not \
         matter, nor what separates words (`api_key`, `apiKey`, `API-KEY`), nor percent-encoding; a key of more than 64 \
         characters is hidden as well. The same holds for parameters of a path segment (`/a;jsessionid=***/b`).\n\n\
         ## Odd bytes\n\n\
         A line is one line whatever a client sends. JSON is valid: control characters are escaped, what is not UTF-8 \
         shows as `\\ufffd`. In `combined` and templates each byte that is a double quote, a backslash, a control \
         character or not ASCII shows as `\\xHH`, as in nginx. A field of more than {FIELD_BYTES_MAX} bytes is cut there \
         and ends in `…`, in `combined` and templates in `...`.\n\n\
         ## Lost lines\n\n\
         Up to {} MiB per worker wait for the writer. Lines that find no room, and lines that cannot be written (a full \
         disk, a reader that went away), are dropped and counted in `wharf_log_dropped_total{{sink=\"access_log\"}}`; \
         writing is tried again with the next lines. A line cut by a full disk stays a line of its own.\n\n\
         ## Rotation\n\n\
         Move the file away, then send USR1: the file is opened anew. Until then lines go to the moved one. If it cannot \
         be opened, that is logged and the old one stays in use.\n",
        code_list(redact::PARTS),
        code_list(redact::ENDINGS),
        code_list(redact::WORDS),
        WAITING_BYTES_MAX / (1024 * 1024),
    )
    .expect("a String grows");
    assert_page("access-log.md", &text);
}

#[test]
fn the_reference_of_failures_is_true() {
    let mut text = page(
        "Failures",
        "Every request that is not answered by an upstream, or not in full, has one of these words: as `error` in the \
         answer, as `reason` in the access log and in `wharf_http_failures_total`.",
    );
    text += "| reason | status | meaning | what to do |\n|---|---|---|---|\n";
    for failure in Failure::ALL {
        let (word, status) = (failure.word(), failure.status());
        writeln!(text, "| `{word}` | {status} | {} | {} |", cell(failure.meaning()), cell(failure.remedy()))
            .expect("a String grows");
    }
    text += "\nA failure after the response's head was sent cannot change the status any more: the connection is cut so \
             that the client can tell, and the log shows the status that was sent with the reason beside it.\n";
    assert_page("failures.md", &text);
}
