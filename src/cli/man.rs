//! `wharf man`: the manual page of the program, or of one of its commands.

use super::surroundings::{FILES, STATUSES, VARIABLES};
use super::{Cli, FAILED, Failure, show};
use clap::{Args, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io;

#[derive(Args)]
pub struct ManArgs {
    /// The page of one command, such as `check` (default: the page of the program)
    command: Vec<String>,
}

pub fn man(args: &ManArgs) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    let mut name = "wharf".to_owned();
    for word in &args.command {
        let Some(within) = command.find_subcommand(word).cloned() else {
            let hint = "`wharf --help` lists the commands";
            return Err(Failure::new(2, format!("error: there is no command `{name} {word}`"), hint));
        };
        name += &format!(" {word}");
        command = within;
    }
    let page = page(command.display_name(name.replace(' ', "-")));
    show(&page.map_err(|error| Failure::new(FAILED, format!("error: {error}"), ""))?)
}

fn page(command: clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    let man = Man::new(command.disable_version_flag(true));
    man.render(&mut page)?;
    let mut roff = Roff::new();
    section(&mut roff, "EXIT STATUS", &STATUSES);
    section(&mut roff, "ENVIRONMENT", &VARIABLES);
    section(&mut roff, "FILES", &FILES);
    roff.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn section(roff: &mut Roff, title: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, words) in rows {
        roff.control("TP", []).text([bold(*term)]).text([roman(words.replace('`', ""))]);
    }
}
