//! `wharf init`: a configuration to start from, whose comments teach the language.

use super::{FAILED, Failure, schema, show};
use clap::Args;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// What is written.
const EXAMPLE: &str = include_str!("init.yaml");
/// What the first line of that names: the schema, for editors.
const SCHEMA: &str = "gateway.schema.json";

#[derive(Args)]
pub struct InitArgs {
    /// Where to write it, and the schema for editors beside it; `-` is standard output
    #[arg(default_value = "gateway.yaml")]
    file: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

pub fn init(args: &InitArgs) -> Result<(), Failure> {
    let InitArgs { file, force } = args;
    if file == Path::new("-") {
        return show(EXAMPLE);
    }
    let shown = file.display();
    if !write(file, EXAMPLE, *force)? {
        let hint = "name another file, or write over it with `--force`";
        return Err(Failure::new(FAILED, format!("error: {shown} exists already"), hint));
    }
    let schema = file.with_file_name(SCHEMA);
    if !file.is_file() || *file == schema {
        return Ok(());
    }
    // one that is there may be of another version, and somebody's own
    write(&schema, &schema::text(), *force)?;
    eprintln!(
        "{shown} is written, and {} for editors. Name your service in it, then:\n\n  \
         wharf check {shown}\n  wharf run {shown}\n\nEvery key: `wharf schema`, or docs/reference/configuration.md",
        schema.display()
    );
    Ok(())
}

/// Writes a file; false where there is one already that shall stay.
fn write(file: &Path, text: &str, force: bool) -> Result<bool, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!force);
    match options.open(file).and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => {
            let said = format!("error: {} cannot be written: {error}", file.display());
            Err(Failure::new(FAILED, said, "name a file in a directory that exists and is yours"))
        }
    }
}
