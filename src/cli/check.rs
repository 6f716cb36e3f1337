//! `wharf check`: everything that is wrong with configuration files.

use super::paint::colour;
use super::{FAILED, Failure, INVALID, NAME_ONE, default_config, no_config, show};
use crate::config::{self, Finding, Findings, Purpose, steers};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct CheckArgs {
    /// Files to check (default: ./gateway.yaml, then /etc/wharf/gateway.yaml)
    files: Vec<PathBuf>,
    /// The same
    #[arg(long, value_name = "FILE", hide = true)]
    config: Vec<PathBuf>,
    /// As text, as one JSON object, or as annotations of GitHub Actions
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    format: CheckFormat,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    Text,
    Json,
    Github,
}

/// What came of one file.
struct Checked {
    name: String,
    findings: Findings,
    /// The same for people.
    text: String,
}

/// The JSON object.
#[derive(Serialize)]
struct All<'c> {
    ok: bool,
    files: Vec<One<'c>>,
}

#[derive(Serialize)]
struct One<'c> {
    file: &'c str,
    #[serde(flatten)]
    findings: &'c Findings,
}

pub fn check(args: CheckArgs) -> Result<(), Failure> {
    let CheckArgs { mut files, config, format, strict } = args;
    files.extend(config);
    if files.is_empty() {
        files.push(default_config().ok_or_else(|| no_config(NAME_ONE))?);
    }
    let mut ok = true;
    let mut all = Vec::new();
    for file in files {
        let mut checked = Checked::of(&file);
        if strict && !checked.findings.warnings.is_empty() {
            checked.findings.ok = false;
        }
        ok &= checked.findings.ok;
        match format {
            CheckFormat::Text => checked.print()?,
            CheckFormat::Github => show(&annotations(&checked.findings))?,
            CheckFormat::Json => all.push(checked),
        }
    }
    if format == CheckFormat::Json {
        let files = all.iter().map(|checked| One { file: &checked.name, findings: &checked.findings }).collect();
        let text = serde_json::to_string_pretty(&All { ok, files });
        show(&(text.map_err(|error| Failure::new(FAILED, format!("error: {error}"), ""))? + "\n"))?;
    }
    // what is wrong has been said
    if ok { Ok(()) } else { Err(Failure::new(INVALID, "", "")) }
}

impl Checked {
    fn of(file: &Path) -> Checked {
        let name = file.display().to_string();
        match config::load(file, Purpose::Check) {
            Ok(loaded) => Checked {
                name,
                findings: Findings::new(&loaded.warnings, 0, &loaded.files),
                text: loaded.render_warnings(colour()),
            },
            Err(report) => Checked { name, findings: Findings::from(&report), text: report.render(colour()) },
        }
    }

    fn print(&self) -> Result<(), Failure> {
        eprint!("{}", self.text);
        match (self.findings.ok, self.findings.errors.is_empty()) {
            (true, _) => return show(&format!("{}: ok\n", self.name)),
            (false, true) => eprintln!("{}: not ok, for its warnings", self.name),
            (false, false) => {}
        }
        Ok(())
    }
}

/// For GitHub, a line each.
pub(super) fn annotations(findings: &Findings) -> String {
    let Findings { errors, warnings, omitted, ok: _ } = findings;
    let errors = errors.iter().map(|finding| annotation("error", finding));
    let mut text: String = errors.chain(warnings.iter().map(|finding| annotation("warning", finding))).collect();
    if *omitted > 0 {
        text += &format!("::error::{omitted} more errors\n");
    }
    text
}

/// What GitHub Actions shows at the place in the file.
fn annotation(kind: &str, finding: &Finding) -> String {
    let Finding { message, lint, file, line, column, end_line, end_column, label, hint, .. } = finding;
    let mut text = message.clone();
    if let Some(label) = label {
        text += &format!(": {label}");
    }
    if let Some(hint) = hint {
        text += &format!("\nhint: {hint}");
    }
    // columns are only understood within one line, and the last one is part of the place
    let end = if end_line == line {
        format!(",endColumn={}", end_column.saturating_sub(1).max(*column))
    } else {
        String::new()
    };
    let title = lint.as_deref().map_or_else(String::new, |lint| format!(",title={}", escaped(lint, true)));
    let (file, text) = (escaped(file, true), escaped(&text, false));
    format!("::{kind} file={file},line={line},endLine={end_line},col={column}{end}{title}::{text}\n")
}

/// Text that ends neither the line nor the property it stands in.
fn escaped(text: &str, property: bool) -> String {
    let text: String = text.chars().map(|c| if steers(c) && !"\r\n".contains(c) { '\u{fffd}' } else { c }).collect();
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    if property { text.replace(':', "%3A").replace(',', "%2C") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line_whatever_it_says() {
        let finding = Finding {
            message: "50% of\nit\u{1b}: no".into(),
            lint: None,
            file: "a,b:c.yaml".into(),
            line: 3,
            column: 5,
            end_line: 3,
            end_column: 7,
            label: Some("here".into()),
            hint: Some("write `x`".into()),
            others: Vec::new(),
        };
        assert_eq!(
            annotation("error", &finding),
            "::error file=a%2Cb%3Ac.yaml,line=3,endLine=3,col=5,endColumn=6::50%25 of%0Ait\u{fffd}: no: here%0Ahint: write `x`\n"
        );
        let finding = Finding { lint: Some("a-name".into()), end_line: 4, label: None, hint: None, ..finding };
        assert_eq!(
            annotation("warning", &finding),
            "::warning file=a%2Cb%3Ac.yaml,line=3,endLine=4,col=5,title=a-name::50%25 of%0Ait\u{fffd}: no\n"
        );
    }
}
