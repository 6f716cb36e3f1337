//! `wharf test`: tables of expectations, asked of a configuration.

use super::check::annotations;
use super::explain;
use super::paint::colour;
use super::{FAILED, Failure, INVALID, show};
use crate::config::{Diagnostic, Expectations, Findings, Report, Source, load_expectations};
use crate::explain::Explainer;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct TestArgs {
    /// Files with requests, and what is expected to become of each
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The configuration that is asked (default: the one each file names)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As text, as one JSON object, or as annotations of GitHub Actions
    #[arg(long, value_enum, default_value_t = TestFormat::Text)]
    format: TestFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TestFormat {
    Text,
    Json,
    Github,
}

/// The JSON object.
#[derive(Serialize)]
struct All<'t> {
    ok: bool,
    tests: usize,
    failed: usize,
    files: &'t [Tested],
}

/// What came of one file.
#[derive(Serialize)]
struct Tested {
    file: String,
    tests: usize,
    /// Tests of which some expectation failed.
    failed: usize,
    /// The file or the configuration cannot be used: the errors say why.
    invalid: bool,
    #[serde(flatten)]
    findings: Findings,
    /// The same for people.
    #[serde(skip)]
    text: String,
}

pub fn test(args: TestArgs) -> Result<(), Failure> {
    let TestArgs { files, config, format } = args;
    let files: Vec<Tested> =
        files.iter().map(|file| Tested::of(file, config.as_deref())).collect::<Result<_, Failure>>()?;
    let (tests, failed) = files.iter().fold((0, 0), |(all, bad), file| (all + file.tests, bad + file.failed));
    let invalid = files.iter().any(|file| file.invalid);
    match format {
        TestFormat::Text => {
            files.iter().for_each(|file| eprint!("{}", file.text));
            if !invalid {
                show(&summary(tests, failed))?;
            }
        }
        TestFormat::Github => files.iter().try_for_each(|file| show(&annotations(&file.findings)))?,
        TestFormat::Json => {
            let all = All { ok: !invalid && failed == 0, tests, failed, files: &files };
            let text = serde_json::to_string_pretty(&all);
            show(&(text.map_err(|error| Failure::new(FAILED, format!("error: {error}"), ""))? + "\n"))?;
        }
    }
    // what is wrong has been said
    match (invalid, failed) {
        (true, _) => Err(Failure::new(INVALID, "", "")),
        (false, 0) => Ok(()),
        (false, _) => Err(Failure::new(FAILED, "", "")),
    }
}

fn summary(tests: usize, failed: usize) -> String {
    let s = if tests == 1 { "" } else { "s" };
    match failed {
        0 => format!("{tests} test{s} passed\n"),
        _ => format!("{failed} of {tests} test{s} failed\n"),
    }
}

impl Tested {
    fn of(file: &Path, config: Option<&Path>) -> Result<Tested, Failure> {
        let invalid = |report: &Report| Tested {
            file: file.display().to_string(),
            tests: 0,
            failed: 0,
            invalid: true,
            findings: Findings::from(report),
            text: report.render(colour()),
        };
        let expectations = match load_expectations(file) {
            Ok(expectations) => expectations,
            Err(report) => return Ok(invalid(&report)),
        };
        let own = expectations.config.as_ref().map(|own| (own.at, file.with_file_name("").join(&*own.value)));
        if let (None, Some((at, path))) = (config, &own)
            && !path.exists()
        {
            let diagnostic = Diagnostic::error(*at, format!("there is no `{}`", path.display()))
                .hint("write the path of the configuration, counted from the directory of this file");
            let Expectations { files, variables, .. } = expectations;
            return Ok(invalid(&Report { files, variables, diagnostics: vec![diagnostic], ..Report::default() }));
        }
        let loaded = match explain::read(config.map(Path::to_path_buf).or(own.map(|(_, path)| path)))? {
            Ok(loaded) => loaded,
            Err(report) => return Ok(invalid(&report)),
        };
        let explainer = Explainer::new(&loaded).map_err(|why| Failure::new(FAILED, format!("error: {why}"), ""))?;
        Ok(Tested::ask(file, expectations, &explainer))
    }

    fn ask(file: &Path, expectations: Expectations, explainer: &Explainer<'_>) -> Tested {
        let Expectations { config: _, tests, files, warnings, variables } = expectations;
        let (mut failed, mut invalid) = (0, false);
        let mut diagnostics: Vec<Diagnostic> = warnings;
        for test in &tests {
            match explainer.failures(test, &variables) {
                Ok(failures) => {
                    failed += usize::from(!failures.is_empty());
                    diagnostics.extend(failures);
                }
                Err(diagnostic) => {
                    invalid = true;
                    diagnostics.push(diagnostic);
                }
            }
        }
        let findings = Findings::new(&diagnostics, 0, &files);
        let text = render(diagnostics, files);
        Tested { file: file.display().to_string(), tests: tests.len(), failed, invalid, findings, text }
    }
}

/// As errors of a configuration are shown, with a line between it and what follows.
fn render(diagnostics: Vec<Diagnostic>, files: Vec<Source>) -> String {
    let empty = diagnostics.is_empty();
    let text = Report { files, diagnostics, ..Report::default() }.render(colour());
    if empty { text } else { text + "\n" }
}
