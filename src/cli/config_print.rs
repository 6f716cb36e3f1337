//! `wharf config print`: the configuration as it holds.

use super::{FAILED, Failure, INVALID, NAME_ONE, colour, default_config, no_config, show};
use crate::config::{self, Printed, Purpose};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args)]
pub struct PrintArgs {
    /// The configuration (default: ./gateway.yaml, then /etc/wharf/gateway.yaml)
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// The same
    #[arg(hide = true)]
    file: Option<PathBuf>,
    /// As a document that can be read again, or as JSON
    #[arg(long, value_enum, default_value_t = PrintFormat::Yaml)]
    format: PrintFormat,
    /// Say of each value where it is from: a file and line, `defaults` of the document, or the built-in default
    #[arg(long)]
    origins: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PrintFormat {
    Yaml,
    Json,
}

pub fn print(args: &PrintArgs) -> Result<(), Failure> {
    let file = args.config.clone().or_else(|| args.file.clone()).or_else(default_config);
    let file = file.ok_or_else(|| no_config(NAME_ONE))?;
    let invalid = |report: config::Report| Failure::new(INVALID, report.render(colour()), "");
    let loaded = config::load(&file, Purpose::Check).map_err(invalid)?;
    let printed = Printed::of(&loaded);
    let text = match args.format {
        PrintFormat::Yaml => Ok(printed.yaml(args.origins)),
        PrintFormat::Json => printed.json(args.origins).map(|text| text + "\n"),
    };
    show(&text.map_err(|error| Failure::new(FAILED, format!("error: {error}"), ""))?)
}
