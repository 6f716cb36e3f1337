//! A document that was loaded, with the files it came from.

use super::{Bundle, Diagnostic, Document, Material, Print, Report, Secrets, Source, Variables, render};
use std::path::PathBuf;

/// A checked document, the texts it was read from, and where they would come from if it were read again.
#[derive(Debug)]
pub struct Loaded {
    /// The document.
    pub document: Document,
    /// What its secrets hold; nothing where it was only checked.
    pub secrets: Secrets,
    /// What the files hold that it names: certificates and the like; nothing where it was only checked and they are not there.
    pub material: Material,
    /// Its files, the main one first.
    pub files: Vec<Source>,
    /// The files that it names and that are no part of it, by what they say.
    pub prints: Vec<Print>,
    /// What the main file includes, as absolute patterns: a file that appears under one of them belongs to the document
    /// when it is read again.
    pub patterns: Vec<PathBuf>,
    /// What looks wrong and is no error.
    pub warnings: Vec<Diagnostic>,
    /// Its values with variables.
    pub variables: Variables,
}

impl Loaded {
    pub(super) fn new(document: Document, secrets: Secrets, material: Material, report: Report) -> Loaded {
        let Report { files, prints, patterns, diagnostics, variables, .. } = report;
        Loaded { document, secrets, material, prints, files, patterns, warnings: diagnostics, variables }
    }

    /// Its texts, to be kept.
    pub fn bundle(&self) -> Bundle {
        Bundle::of(&self.files)
    }

    /// How many warnings there are, and the first of them, in one line for a log; nothing when there is none. Values from the
    /// environment are as they are written.
    pub fn warned(&self) -> Option<String> {
        let first = self.warnings.first()?;
        let place = self.files.get(usize::from(first.at.file)).map_or_else(String::new, |file| {
            let position = file.position(first.at.start);
            format!("{}:{}:{}: ", file.name, position.line, position.column)
        });
        let (message, more) = (self.variables.as_written(&first.message), self.warnings.len() - 1);
        Some(match more {
            0 => format!("the configuration has a warning: {place}{message}; `wharf check` says more"),
            _ => format!(
                "the configuration has {} warnings, the first: {place}{message}; `wharf check` shows all",
                more + 1
            ),
        })
    }

    /// The warnings as text, as a report's errors are shown.
    pub fn render_warnings(&self, colour: bool) -> String {
        render::diagnostics(&self.warnings, 0, &self.files, colour)
    }
}
