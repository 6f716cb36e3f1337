//! `wharf reload`: the running gateway reads its configuration again, and says what came of it.

use super::client::printable;
use super::remote::Remote;
use super::{FAILED, Failure, INVALID, show};
use clap::Args;
use hyper::{Method, StatusCode};
use serde::Deserialize;

#[derive(Args)]
pub struct ReloadArgs {
    #[command(flatten)]
    remote: Remote,
}

#[derive(Deserialize)]
struct Done {
    generation: u64,
    changes: Changes,
}

#[derive(Deserialize)]
struct Changes {
    summary: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    /// What is wrong with the configuration; nothing when that is not the reason.
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

pub fn reload(args: &ReloadArgs) -> Result<(), Failure> {
    let client = args.remote.client()?;
    let (status, text) = client.order(Method::POST, "/api/v1/reload", String::new())?;
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        let Refused { error, errors } = client.read(&text)?;
        let exit = if errors.is_empty() { FAILED } else { INVALID };
        let said = format!("{}\nThe table before stays in force.", printable(error.trim_end()));
        return Err(Failure::new(exit, said, ""));
    }
    let Done { generation, changes } = client.read(&client.done((status, text))?)?;
    show(&printable(&format!("reloaded (generation {generation}): {}\n", changes.summary)))
}
