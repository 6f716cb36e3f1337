//! `docs/reference/command-line.md`: every command with its arguments, written from what parses them.

use super::Cli;
use super::surroundings::{FILES, STATUSES, VARIABLES};
use clap::{Arg, Command, CommandFactory};
use std::fmt::Write;

/// The page.
pub fn reference() -> String {
    let mut out = String::from(
        "# Command line\n\n\
         Every command, its arguments, what it exits with and what it takes from the environment. This page is generated from what parses the\n\
         command line; `wharf man` shows the same, and `wharf completions SHELL` makes a shell complete it. What the commands do is in\n\
         [operation.md](operation.md).\n\n\
         Data goes to standard output, all else to standard error.\n",
    );
    let mut program = Cli::command();
    program.build();
    for command in program.get_subcommands() {
        self::command(&mut out, "wharf", command);
    }
    table(&mut out, "Exit status", &["status", "meaning"], &STATUSES);
    table(&mut out, "Environment", &["variable", "meaning"], &VARIABLES);
    table(&mut out, "Files", &["file", "meaning"], &FILES);
    out
}

fn command(out: &mut String, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    if command.has_subcommands() {
        command.get_subcommands().for_each(|within| self::command(out, &name, within));
        return;
    }
    let usage = command.clone().render_usage().to_string();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    // writing to a String cannot fail
    let _ = write!(out, "\n## `{name}`\n\n{about}.\n\n```text\n{}\n```\n", usage.trim_start_matches("Usage: "));
    let rows: Vec<(String, String)> = command.get_arguments().filter(|arg| !arg.is_hide_set()).map(row).collect();
    let rows = rows.iter().filter(|(name, _)| name != "`-h`, `--help`");
    let rows: Vec<(&str, &str)> = rows.map(|(name, meaning)| (name.as_str(), meaning.as_str())).collect();
    if !rows.is_empty() {
        self::rows(out, &["argument", "meaning"], &rows);
    }
}

fn row(arg: &Arg) -> (String, String) {
    let values = || arg.get_value_names().unwrap_or_default().iter().map(|name| name.as_str());
    let value = match arg.get_action().takes_values() {
        true => values().map(|name| format!(" {name}")).collect(),
        false => String::new(),
    };
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("`-{short}`, `--{long}{value}`"),
        (None, Some(long)) => format!("`--{long}{value}`"),
        (Some(short), None) => format!("`-{short}{value}`"),
        (None, None) => format!("`{}`", value.trim_start()),
    };
    let mut meaning = arg.get_help().map(ToString::to_string).unwrap_or_default() + ".";
    let words: Vec<String> =
        arg.get_possible_values().iter().filter(|v| !v.is_hide_set()).map(|v| format!("`{}`", v.get_name())).collect();
    if arg.get_action().takes_values() && !words.is_empty() {
        meaning += &format!(" One of {}.", words.join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        meaning += &format!(" Default: `{}`.", defaults.join(" "));
    }
    (name, meaning)
}

fn table(out: &mut String, title: &str, heads: &[&str; 2], rows: &[(&str, &str)]) {
    let marked: Vec<(String, &str)> = rows.iter().map(|(term, words)| (marked(term), *words)).collect();
    let marked: Vec<(&str, &str)> = marked.iter().map(|(term, words)| (term.as_str(), *words)).collect();
    let _ = write!(out, "\n## {title}\n");
    self::rows(out, heads, &marked);
}

/// A word that is typed.
fn marked(term: &str) -> String {
    if term.contains(' ') { term.to_owned() } else { format!("`{term}`") }
}

fn rows(out: &mut String, [left, right]: &[&str; 2], rows: &[(&str, &str)]) {
    let _ = write!(out, "\n| {left} | {right} |\n|---|---|\n");
    for (term, words) in rows {
        let _ = writeln!(out, "| {} | {} |", term.replace('|', "\\|"), words.replace('|', "\\|"));
    }
}
