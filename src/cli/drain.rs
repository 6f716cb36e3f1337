//! `wharf drain` and `wharf undrain`: no more requests for an endpoint, or again.

use super::client::{Client, encoded, printable};
use super::remote::Remote;
use super::{FAILED, Failure, show};
use crate::admin::{Called, Order, Wanted};
use crate::value::parse_duration;
use clap::Args;
use hyper::Method;
use std::time::{Duration, Instant};

/// How often it is asked whether requests are in flight.
const POLL: Duration = Duration::from_millis(100);
/// Answers in a row that must say that nothing is in flight: a request may have been on its way to the endpoint.
const QUIET: u32 = 2;

#[derive(Args)]
pub struct DrainArgs {
    #[command(flatten)]
    endpoint: Named,
    /// Return when no request is in flight there any more
    #[arg(long)]
    wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
pub struct UndrainArgs {
    #[command(flatten)]
    endpoint: Named,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args)]
struct Named {
    /// The upstream, by its name in the configuration
    upstream: String,
    /// The endpoint as the configuration has it, or one address of a name
    endpoint: String,
}

/// A length of time, with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|complaint| match complaint.hint {
        Some(hint) => format!("{}: {hint}", complaint.message),
        None => complaint.message,
    })
}

impl Named {
    fn path(&self) -> String {
        format!("/api/v1/upstreams/{}/endpoints/{}", encoded(&self.upstream), encoded(&self.endpoint))
    }

    fn order(&self, client: &Client, state: Wanted) -> Result<Called, Failure> {
        // words can always be written
        let body = serde_json::to_string(&Order { state }).unwrap_or_default();
        let answer = client.order(Method::PUT, &self.path(), body)?;
        client.read(&client.done(answer)?)
    }

    fn look(&self, client: &Client) -> Result<Called, Failure> {
        client.read(&client.get(&self.path())?)
    }
}

/// Says for each endpoint what holds now.
fn tell(called: &Called) -> Result<(), Failure> {
    let mut text = String::new();
    for status in &called.endpoints {
        let place = match &status.at {
            Some(at) if *at != status.address => format!("{} ({at})", status.address),
            _ => status.address.clone(),
        };
        let more = match status.in_flight {
            0 => String::new(),
            n => format!(", {}", requests(n)),
        };
        text += &printable(&format!("{place} of {} is {}{more}\n", called.upstream, status.state));
    }
    show(&text)
}

fn requests(count: u32) -> String {
    match count {
        1 => "1 request in flight".to_owned(),
        n => format!("{n} requests in flight"),
    }
}

fn in_flight(called: &Called) -> u32 {
    called.endpoints.iter().map(|status| status.in_flight).fold(0, u32::saturating_add)
}

pub fn drain(args: &DrainArgs) -> Result<(), Failure> {
    let client = args.remote.client()?;
    let start = Instant::now();
    let mut called = args.endpoint.order(&client, Wanted::Drained)?;
    if args.wait {
        let (mut quiet, mut shown) = (0, None);
        loop {
            let count = in_flight(&called);
            quiet = if count == 0 { quiet + 1 } else { 0 };
            if quiet >= QUIET {
                break;
            }
            if count > 0 && shown != Some(count) {
                eprintln!("{}", requests(count));
                shown = Some(count);
            }
            if start.elapsed() >= args.timeout {
                let said = format!("error: after {:?} {} there", args.timeout, still(count));
                let hint = "it stays drained; wait longer with `--timeout`, or take it back with `wharf undrain`";
                return Err(Failure::new(FAILED, said, hint));
            }
            std::thread::sleep(POLL.min(args.timeout.saturating_sub(start.elapsed())));
            called = args.endpoint.look(&client)?;
        }
    }
    tell(&called)
}

fn still(count: u32) -> String {
    match count {
        0 => "it is not certain that nothing is in flight".to_owned(),
        1 => "1 request is still in flight".to_owned(),
        n => format!("{n} requests are still in flight"),
    }
}

pub fn undrain(args: &UndrainArgs) -> Result<(), Failure> {
    let client = args.remote.client()?;
    tell(&args.endpoint.order(&client, Wanted::Up)?)
}
