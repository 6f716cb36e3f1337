//! `wharf explain`: what becomes of a request, and why.

use super::client::{Place, printable};
use super::remote::{Remote, place};
use super::{FAILED, Failure, Format, INVALID, USAGE, colour, default_config, no_config, show};
use crate::config::{self, Loaded, Purpose, Report};
use crate::explain::{Explainer, Explanation, Question};
use clap::Args;
use hyper::Method;
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Args)]
pub struct ExplainArgs {
    /// Ask the running gateway at this admin address, with its endpoints as they are (default: read the configuration)
    #[arg(long, value_name = "URL", value_parser = place, conflicts_with = "config")]
    admin: Option<Place>,
    /// A file that holds the admin token
    #[arg(long, value_name = "FILE", requires = "admin")]
    token_file: Option<PathBuf>,
    /// The configuration (default: ./gateway.yaml, then /etc/wharf/gateway.yaml)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The method, unless it is GET, and the URL: `http://HOST/PATH`, or `/PATH` for no host in particular
    #[arg(value_name = "[METHOD] URL", num_args = 1..=2, required = true)]
    request: Vec<String>,
    /// A header of the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The address it comes from (default: 192.0.2.1, which is nobody's)
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// The listener it comes in by (default: the one on the URL's port, else the first)
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// As text, or as one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err("write `NAME: VALUE`".to_owned()),
    }
}

pub fn explain(args: ExplainArgs) -> Result<(), Failure> {
    let ExplainArgs { admin, token_file, config, mut request, headers, from, listener, format } = args;
    let url = request.pop().unwrap_or_default();
    let method = request.pop().unwrap_or_else(|| "GET".to_owned());
    if method.contains(['.', '/']) {
        let hint = format!("name a configuration with `--config {method}`");
        return Err(Failure::new(USAGE, format!("error: `{method}` is not a method"), hint));
    }
    let question = Question { method, url, headers, from, listener };
    let explanation = match admin {
        Some(admin) => ask(&Remote::named(admin, token_file), &question)?,
        None => {
            let loaded = load(config)?;
            let explainer = Explainer::new(&loaded).map_err(|why| Failure::new(FAILED, format!("error: {why}"), ""))?;
            let failed = |why| Failure::new(USAGE, format!("error: {why}"), "");
            let mut explanation = explainer.explain(&question).map_err(failed)?;
            if loaded.document.discovery.docker.routes.is_some() {
                const ELSEWHERE: &str =
                    "containers may ask for a route of their own: ask the running gateway, with `--admin`";
                explanation.note.get_or_insert_with(|| ELSEWHERE.to_owned());
            }
            explanation
        }
    };
    show(&match format {
        // it repeats what was asked, which may be an attacker's
        Format::Text => printable(&explanation.to_string()),
        Format::Json => match serde_json::to_string_pretty(&explanation) {
            Ok(text) => text + "\n",
            Err(error) => return Err(Failure::new(FAILED, format!("error: {error}"), "")),
        },
    })
}

/// The configuration that is asked about.
pub fn load(config: Option<PathBuf>) -> Result<Loaded, Failure> {
    read(config)?.map_err(|report| Failure::new(INVALID, report.render(colour()), ""))
}

/// The same, or what is wrong with it.
pub fn read(config: Option<PathBuf>) -> Result<Result<Loaded, Report>, Failure> {
    let Some(path) = config.or_else(default_config) else {
        return Err(no_config("name one: `--config FILE`"));
    };
    Ok(config::load(&path, Purpose::Check))
}

/// What the running gateway says.
fn ask(remote: &Remote, question: &Question) -> Result<Explanation, Failure> {
    let client = remote.client()?;
    let body = serde_json::to_string(question).map_err(|error| Failure::new(FAILED, format!("error: {error}"), ""))?;
    let answer = client.done(client.order(Method::POST, "/api/v1/explain", body)?)?;
    client.read(&answer)
}
