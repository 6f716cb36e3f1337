//! `wharf schema`: the JSON Schema of gateway.yaml, for editors.

use super::{Failure, show};
use crate::config;
use clap::Args;

#[derive(Args)]
pub struct SchemaArgs {
    /// The schema of files that gateway.yaml includes
    #[arg(long)]
    included: bool,
}

pub fn schema(args: &SchemaArgs) -> Result<(), Failure> {
    show(&match args.included {
        true => format!("{:#}\n", config::schema_included()),
        false => text(),
    })
}

/// As it is written to a file.
pub fn text() -> String {
    format!("{:#}\n", config::schema())
}
