//! `wharf diff OLD NEW`: what a reload from one configuration to another changes.

use super::{FAILED, Format, INVALID, colour, finish, show};
use crate::config::{self, Difference, Purpose};
use crate::server;
use crate::table::{Changes, Detailed};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub struct DiffArgs {
    /// The configuration that is in force
    old: PathBuf,
    /// The one that shall be
    new: PathBuf,
    /// As text, or as one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// One line, as the log has it after a reload
    #[arg(long)]
    short: bool,
}

/// Compares what holds in the two, not how it is written.
pub fn diff(args: &DiffArgs) -> ExitCode {
    let (old, new) = match (config::load(&args.old, Purpose::Check), config::load(&args.new, Purpose::Check)) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            for report in [old.err(), new.err()].into_iter().flatten() {
                eprint!("{}", report.render(colour()));
            }
            return ExitCode::from(INVALID);
        }
    };
    let changes = Changes::between_documents(&old, &new);
    if args.short && matches!(args.format, Format::Text) {
        return finish(show(&format!("{changes}\n")));
    }
    let difference = Difference::between(&old, &new);
    let restart = server::needs_restart(&old.document, &new.document);
    let doubt = server::looks_cut_off(old.document.routes.len(), new.document.routes.len());
    let shown = match args.format {
        Format::Text => {
            let mut text = format!("{changes}\n");
            if !changes.is_empty() {
                text += &format!("\n{}", Detailed { difference: &difference, changes: &changes });
            }
            if let Some(key) = restart {
                text += &format!("\nnote: a reload refuses this: `{key}` takes effect with a restart only\n");
            }
            if doubt {
                text += "\nnote: less than half of the routes are left: a gateway that notices the file waits for `wharf reload` or SIGHUP\n";
            }
            text
        }
        Format::Json => match serde_json::to_value(&difference) {
            Ok(mut value) => {
                value["summary"] = changes.to_string().into();
                value["connections"] = changes.effects.sentences().into();
                value["needs_restart"] = restart.into();
                value["needs_confirmation"] = doubt.into();
                format!("{value:#}\n")
            }
            Err(e) => {
                eprintln!("error: {e}");
                return ExitCode::from(FAILED);
            }
        },
    };
    finish(show(&shown))
}
