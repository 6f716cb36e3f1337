//! `wharf status`: how the running gateway is, what is wrong first.

use super::client::{Client, printable};
use super::paint::Paint;
use super::remote::Remote;
use super::{FAILED, Failure, Format, show};
use crate::admin::{
    CertificateStatus, DiscoveryStatus, EndpointStatus, LastReload, OrderStatus, Status, UpstreamStatus,
};
use clap::Args;
use hyper::Method;
use std::fmt::Write;

/// Columns are no wider than this for the sake of one long name.
const WIDEST: usize = 60;
/// Endpoints that are not up, or certificates that are not well, and are named at the top.
const NAMED_MAX: usize = 10;

#[derive(Args)]
pub struct StatusArgs {
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Say only whether it takes requests, and fail if it does not: for health checks
    #[arg(long, conflicts_with = "format")]
    ready: bool,
    #[command(flatten)]
    remote: Remote,
}

pub fn status(args: &StatusArgs) -> Result<(), Failure> {
    let client = args.remote.client()?;
    if args.ready {
        return ready(&client);
    }
    let answer = client.get("/api/v1/status")?;
    show(&match args.format {
        // as it came, so that keys this command does not know are there too
        Format::Json => answer,
        Format::Text => {
            // one of an earlier version has none to show
            let certificates = client.get("/api/v1/certificates").and_then(|answer| client.read::<Vec<_>>(&answer));
            text(&client.read(&answer)?, &certificates.unwrap_or_default(), Paint::stdout())
        }
    })
}

/// What a health check wants to know.
fn ready(client: &Client) -> Result<(), Failure> {
    let (status, _) = client.order(Method::GET, "/readyz", String::new())?;
    if status.is_success() {
        return show("ready\n");
    }
    let said = format!("error: the gateway at {} is not ready", client.place);
    Err(Failure::new(FAILED, said, "it starts or stops: `wharf status` and its log say more"))
}

fn text(status: &Status, certificates: &[CertificateStatus], paint: Paint) -> String {
    let mut out = String::new();
    troubles(&mut out, status, certificates, paint);
    if !out.is_empty() {
        out.push('\n');
    }
    let Status { version, pid, generation, config_hash, loaded_at, .. } = status;
    let doing = match (status.draining, status.ready) {
        (true, _) => paint.bad("stopping"),
        (false, true) => paint.good("ready"),
        (false, false) => paint.bad("not ready"),
    };
    // writing to a String cannot fail
    let _ = writeln!(out, "wharf {} is {doing}, process {pid}", printable(version));
    let hash: String = config_hash.chars().take(12).collect();
    let held = printable(&format!("configuration: generation {generation}, loaded at {loaded_at}, hash {hash}"));
    let _ = writeln!(out, "{held}");
    // who asks after a reload wants to know whether it is this one
    if let LastReload { at, changes: Some(changes), .. } = &status.last_reload
        && status.generation > 1
    {
        let _ = writeln!(out, "{}", printable(&format!("last reload at {at}: {changes}")));
    }
    out.push('\n');
    listeners(&mut out, status, paint);
    out.push('\n');
    upstreams(&mut out, status, paint);
    out
}

/// What an operator should know before all else.
fn troubles(out: &mut String, status: &Status, certificates: &[CertificateStatus], paint: Paint) {
    if let LastReload { at, error: Some(error), .. } = &status.last_reload {
        let said = format!("the last reload was refused at {}, the table before stays in force:", printable(at));
        let _ = writeln!(out, "{}", paint.bad(&said));
        for line in printable(error.trim_end()).lines() {
            let _ = writeln!(out, "{}", format!("  {line}").trim_end());
        }
    }
    expiring(out, certificates, paint);
    unfound(out, status, paint);
    odd(out, status, paint);
    let wrong: Vec<String> = endpoints(status)
        .filter(|(_, endpoint)| endpoint.state != "up")
        .map(|(upstream, endpoint)| {
            let said = printable(&format!("{} of {upstream} is {}", place(endpoint), endpoint.state));
            if is_wanted(endpoint) { paint.dim(&said) } else { paint.bad(&said) }
        })
        .collect();
    for line in wrong.iter().take(NAMED_MAX) {
        let _ = writeln!(out, "{line}");
    }
    if wrong.len() > NAMED_MAX {
        let _ = writeln!(out, "and {} more are not up", wrong.len() - NAMED_MAX);
    }
}

/// The upstreams whose endpoints are not found as they should be.
fn unfound(out: &mut String, status: &Status, paint: Paint) {
    let found = |(name, upstream): (&String, &UpstreamStatus)| Some((name.clone(), upstream.discovery.clone()?));
    let wrong = status.upstreams.iter().filter_map(found).filter(|(_, discovery)| discovery.state != "ok");
    for (name, DiscoveryStatus { source, service, state, since, error, .. }) in wrong.take(NAMED_MAX) {
        let said = match &*state {
            "stale" => format!("is not sure since {since}, its last endpoints are kept"),
            "waiting" => "has not answered yet, there are no endpoints".to_owned(),
            "empty" if source == "docker" => {
                format!("says since {since} that no container with the label wharf.service={service} is an endpoint")
            }
            "empty" => format!("says since {since} that there is no endpoint"),
            other => format!("is {other}"),
        };
        let why = error.map_or_else(String::new, |why| format!(": {why}"));
        let said = printable(&format!("{source}, which finds {service} for {name}, {said}{why}"));
        let _ = writeln!(out, "{}", paint.bad(&said));
    }
}

/// What is wrong with what sources found.
fn odd(out: &mut String, status: &Status, paint: Paint) {
    let warnings =
        || status.discovery.iter().flat_map(|source| source.warnings.iter().map(move |w| (&source.source, w)));
    for (source, warning) in warnings().take(NAMED_MAX) {
        let _ = writeln!(out, "{}", paint.bad(&printable(&format!("{source}: {warning}"))));
    }
    match warnings().count().saturating_sub(NAMED_MAX) {
        0 => {}
        more => drop(writeln!(out, "and {more} more warnings of sources")),
    }
}

/// The certificates that want to be looked after.
fn expiring(out: &mut String, certificates: &[CertificateStatus], paint: Paint) {
    let mut wrong = certificates.iter().filter(|certificate| certificate.state != "valid");
    for CertificateStatus { subject, not_before, not_after, file, acme, state, order, .. } in
        wrong.by_ref().take(NAMED_MAX)
    {
        let from = match (file, acme) {
            (Some(file), _) => format!(" ({file})"),
            (None, Some(acme)) => format!(" (from {acme})"),
            (None, None) => String::new(),
        };
        let said = match &**state {
            "stand_in" => "has not come yet: a self-signed one stands in for it".to_owned(),
            "expired" => format!("expired at {not_after}"),
            "expires_soon" => format!("expires at {not_after}"),
            "not_yet_valid" => format!("is valid only from {not_before}"),
            other => format!("is {other}"),
        };
        let _ = writeln!(out, "{}", paint.bad(&printable(&format!("the certificate for {subject}{from} {said}"))));
        if let Some(OrderStatus { next_at, last_error: Some(error), .. }) = order {
            let again = next_at.as_ref().map_or_else(|| "now".to_owned(), |at| format!("at {at}"));
            let _ = writeln!(out, "  {}", printable(&format!("{error}; it is ordered again {again}")));
        }
    }
    match wrong.count() {
        0 => {}
        more => drop(writeln!(out, "and {more} more certificates are not well")),
    }
}

fn listeners(out: &mut String, status: &Status, paint: Paint) {
    let mut table = Columns::new(["LISTENER", "ADDRESS", "CONNECTIONS", ""]);
    for listener in &status.listeners {
        let note = match (listener.tls, listener.removed) {
            (true, true) => "TLS, removed",
            (true, false) => "TLS",
            (false, true) => "removed",
            (false, false) => "",
        };
        table.row(
            [listener.name.clone(), listener.address.clone(), listener.connections.to_string(), note.to_owned()],
            |text| text.to_owned(),
        );
    }
    table.write(out, paint);
}

fn upstreams(out: &mut String, status: &Status, paint: Paint) {
    let mut table =
        Columns::new(["UPSTREAM", "BALANCE", "WAITING", "ENDPOINT", "STATE", "IN FLIGHT", "FAILS", "WEIGHT", ""]);
    for (name, UpstreamStatus { balance, waiting, endpoints, discovery: _ }) in &status.upstreams {
        if endpoints.is_empty() {
            // requests may wait for one
            let cells = [name, balance, &waiting.to_string(), "none", "", "", "", "", ""].map(str::to_owned);
            table.row(cells, |state| state.to_owned());
        }
        for (n, endpoint) in endpoints.iter().enumerate() {
            let first = |text: String| if n == 0 { text } else { String::new() };
            let EndpointStatus { state, in_flight, fails, weight, backup, .. } = endpoint;
            let cells = [
                first(name.clone()),
                first(balance.clone()),
                first(waiting.to_string()),
                place(endpoint),
                state.clone(),
                in_flight.to_string(),
                fails.to_string(),
                weight.to_string(),
                if *backup { "backup".to_owned() } else { String::new() },
            ];
            table.row(cells, |state| match state {
                _ if endpoint.state == "up" => paint.good(state),
                _ if is_wanted(endpoint) => paint.dim(state),
                _ => paint.bad(state),
            });
        }
    }
    table.write(out, paint);
}

fn endpoints(status: &Status) -> impl Iterator<Item = (&str, &EndpointStatus)> {
    status.upstreams.iter().flat_map(|(name, upstream)| upstream.endpoints.iter().map(move |e| (&**name, e)))
}

/// As written; of a name with the address.
fn place(endpoint: &EndpointStatus) -> String {
    match endpoint.at.as_ref().or(endpoint.name.as_ref()) {
        Some(at) => format!("{} ({at})", endpoint.address),
        None => endpoint.address.clone(),
    }
}

/// The operator wanted it so.
fn is_wanted(endpoint: &EndpointStatus) -> bool {
    matches!(endpoint.state.as_str(), "drained" | "draining" | "leaving")
}

/// A table whose columns are aligned; one column may be painted.
struct Columns<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[String; N]>,
    painted: Vec<String>,
}

/// The column that is painted.
const STATE: &str = "STATE";

impl<const N: usize> Columns<N> {
    fn new(head: [&'static str; N]) -> Columns<N> {
        Columns { head, rows: Vec::new(), painted: Vec::new() }
    }

    fn row(&mut self, cells: [String; N], paint: impl Fn(&str) -> String) {
        let cells = cells.map(|cell| printable(&cell));
        let state = self.head.iter().position(|head| *head == STATE).and_then(|at| cells.get(at));
        self.painted.push(state.map(|text| paint(text)).unwrap_or_default());
        self.rows.push(cells);
    }

    fn write(&self, out: &mut String, paint: Paint) {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.head[column].len()]).max().unwrap_or(0).min(WIDEST)
        };
        let widths: [usize; N] = std::array::from_fn(width);
        let line = |cells: [&str; N], painted: Option<&String>| {
            let mut line = String::new();
            for (column, cell) in cells.into_iter().enumerate() {
                let shown = painted.filter(|_| self.head[column] == STATE).map_or(cell, String::as_str);
                let gap = widths[column].saturating_sub(cell.chars().count()) + 2;
                line += &format!("{shown}{:gap$}", "");
            }
            line.trim_end().to_owned()
        };
        let _ = writeln!(out, "{}", paint.dim(&line(self.head, None)));
        for (row, painted) in self.rows.iter().zip(&self.painted) {
            let _ = writeln!(out, "{}", line(std::array::from_fn(|column| row[column].as_str()), Some(painted)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn endpoint(address: &str, state: &str) -> serde_json::Value {
        json!({"address": address, "state": state, "in_flight": 0, "fails": 0, "weight": 1, "backup": false})
    }

    fn shown(error: Option<&str>, upstreams: &serde_json::Value) -> String {
        let status = json!({
            "version": "0.1.0", "pid": 7, "generation": 3, "config_hash": "0123456789abcdef", "ready": true, "draining": false,
            "loaded_at": "2026-01-02T03:04:05.678Z",
            "last_reload": {
                "ok": error.is_none(), "at": "2026-01-02T03:05:00.000Z", "error": error,
                "changes": if error.is_none() { Some("routes +1 (added: /b)") } else { None },
            },
            "listeners": [{"name": "web", "address": ":8080", "connections": 12, "removed": false}],
            "upstreams": upstreams,
            "a_key_of_a_later_version": 1,
        });
        text(&serde_json::from_value(status).unwrap(), &[], Paint::NONE)
    }

    #[test]
    fn what_is_wrong_comes_first_and_columns_are_aligned() {
        let mut named = endpoint("app-2:3000", "draining");
        named["at"] = "10.0.0.2:3000".into();
        named["in_flight"] = 3.into();
        let mut spare = endpoint("unix:/run/spare.sock", "ejected");
        (spare["backup"], spare["fails"]) = (true.into(), 1.into());
        let upstreams = json!({
            "app": {"balance": "least_conn", "waiting": 2, "endpoints": [endpoint("app-1:3000", "up"), named]},
            "cart": {"balance": "hash", "waiting": 0, "endpoints": [spare]},
        });
        let error = "error: no upstream named `ap`\n  --> gateway.yaml:14:15\n\nhint: did you mean `app`?\n";
        assert_eq!(
            shown(Some(error), &upstreams),
            "\
the last reload was refused at 2026-01-02T03:05:00.000Z, the table before stays in force:
  error: no upstream named `ap`
    --> gateway.yaml:14:15

  hint: did you mean `app`?
app-2:3000 (10.0.0.2:3000) of app is draining
unix:/run/spare.sock of cart is ejected

wharf 0.1.0 is ready, process 7
configuration: generation 3, loaded at 2026-01-02T03:04:05.678Z, hash 0123456789ab

LISTENER  ADDRESS  CONNECTIONS
web       :8080    12

UPSTREAM  BALANCE     WAITING  ENDPOINT                    STATE     IN FLIGHT  FAILS  WEIGHT
app       least_conn  2        app-1:3000                  up        0          0      1
                               app-2:3000 (10.0.0.2:3000)  draining  3          0      1
cart      hash        0        unix:/run/spare.sock        ejected   0          1      1       backup
"
        );
    }

    #[test]
    fn an_upstream_without_endpoints_is_shown_with_those_who_wait() {
        let nobody = json!({
            "source": "docker", "service": "shop", "state": "empty", "since": "2026-01-02T03:04:05.678Z", "endpoints": 0,
        });
        let upstreams = json!({"app": {"balance": "least_conn", "waiting": 7, "endpoints": [], "discovery": nobody}});
        let shown = shown(None, &upstreams);
        let said = "docker, which finds shop for app, says since 2026-01-02T03:04:05.678Z that no container with the \
                    label wharf.service=shop is an endpoint\n";
        assert!(shown.starts_with(said), "{shown}");
        assert!(shown.ends_with("app       least_conn  7        none\n"), "{shown}");
    }

    #[test]
    fn certificates_that_want_to_be_looked_after_are_named() {
        let certificate = |subject: &str, state: &str| {
            json!({"subject": subject, "hosts": [subject], "not_before": "2026-01-01T00:00:00.000Z", "state": state,
                "not_after": "2026-03-01T00:00:00.000Z", "listeners": ["web"], "file": "/etc/wharf/site.crt"})
        };
        let mut stand_in = certificate("c.example", "stand_in");
        stand_in["file"].take();
        stand_in["acme"] = "letsencrypt".into();
        stand_in["order"] = json!({"busy": false, "next_at": "2026-01-01T00:10:00.000Z", "failures": 1,
            "last_error": "c.example does not lead here"});
        let all = json!([certificate("a.example", "valid"), certificate("b.example", "expires_soon"), stand_in]);
        let mut out = String::new();
        expiring(&mut out, &serde_json::from_value::<Vec<_>>(all).unwrap(), Paint::NONE);
        assert_eq!(
            out,
            "the certificate for b.example (/etc/wharf/site.crt) expires at 2026-03-01T00:00:00.000Z\n\
             the certificate for c.example (from letsencrypt) has not come yet: a self-signed one stands in for it\n  \
             c.example does not lead here; it is ordered again at 2026-01-01T00:10:00.000Z\n"
        );
    }

    #[test]
    fn where_all_is_well_that_is_all_that_is_said() {
        let upstreams = json!({"app": {"balance": "p2c", "waiting": 0, "endpoints": [endpoint("a:1", "up")]}});
        let well = shown(None, &upstreams);
        assert!(well.starts_with("wharf 0.1.0 is ready, process 7\nconfiguration: "), "{well}");
        assert!(
            well.contains("\nlast reload at 2026-01-02T03:05:00.000Z: routes +1 (added: /b)\n\nLISTENER"),
            "{well}"
        );
        let many: Vec<_> = (0..30).map(|n| endpoint(&format!("a:{n}"), "down")).collect();
        let upstreams = json!({"app": {"balance": "p2c", "waiting": 0, "endpoints": many}});
        assert!(shown(None, &upstreams).contains("a:9 of app is down\nand 20 more are not up\n\nwharf"));
    }
}
