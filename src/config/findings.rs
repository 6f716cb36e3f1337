//! What is wrong with a document as data: for editors, CI and the admin API.

use super::{Diagnostic, Report, Severity, Source, Span};
use serde::{Deserialize, Serialize};

/// Everything that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// There is no error.
    pub ok: bool,
    pub errors: Vec<Finding>,
    pub warnings: Vec<Finding>,
    /// How many more errors there are.
    pub omitted: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub message: String,
    /// The name of the warning; errors have none.
    pub lint: Option<String>,
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// Where it ends: the character after the last.
    pub end_line: usize,
    pub end_column: usize,
    /// A few words on the place.
    pub label: Option<String>,
    /// What to write instead.
    pub hint: Option<String>,
    /// Other places that have to do with it.
    pub others: Vec<Other>,
}

/// Another place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub label: String,
}

impl Findings {
    /// What a report says of its files.
    pub fn new(diagnostics: &[Diagnostic], omitted: usize, files: &[Source]) -> Findings {
        let of = |severity: Severity| -> Vec<Finding> {
            diagnostics.iter().filter(|d| d.severity == severity).map(|d| Finding::of(d, files)).collect()
        };
        let errors = of(Severity::Error);
        Findings { ok: errors.is_empty() && omitted == 0, errors, warnings: of(Severity::Warning), omitted }
    }
}

impl From<&Report> for Findings {
    fn from(report: &Report) -> Findings {
        Findings::new(&report.diagnostics, report.omitted, &report.files)
    }
}

impl Finding {
    fn of(diagnostic: &Diagnostic, files: &[Source]) -> Finding {
        let Diagnostic { at, severity: _, lint, message, label, hint, others } = diagnostic;
        let (file, line, column) = place(*at, files);
        let (_, end_line, end_column) = place(Span { start: at.end.max(at.start), ..*at }, files);
        let others = others.iter().map(|(at, label)| {
            let (file, line, column) = place(*at, files);
            Other { file, line, column, label: label.clone() }
        });
        Finding {
            message: message.clone(),
            lint: lint.map(|lint| lint.name.to_owned()),
            file,
            line,
            column,
            end_line,
            end_column,
            label: (!label.is_empty()).then(|| label.clone()),
            hint: hint.clone(),
            others: others.collect(),
        }
    }
}

/// The name of the file, the line and the column.
fn place(at: Span, files: &[Source]) -> (String, usize, usize) {
    let Some(file) = files.get(usize::from(at.file)) else { return (String::new(), 1, 1) };
    let position = file.position(at.start);
    (file.name.clone(), position.line, position.column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Bundle, review_all};

    #[test]
    fn errors_have_their_places_and_hints() {
        let text = "version: 1\nlisteners: { web: { address: \":8080\" } }\nupstreams: { app: { endpoints: [\"a:1\"] } }\n\
                    routes:\n  - { match: { path: /* }, upstream: ap }\n";
        let (document, report) = review_all(&Bundle::one("gateway.yaml", text), &|_| None);
        assert!(document.is_none());
        let Findings { ok, errors, warnings, omitted } = Findings::from(&report);
        assert_eq!((ok, warnings.len(), omitted), (false, 0, 0));
        let [error] = errors.as_slice() else { panic!("{errors:?}") };
        assert_eq!((error.line, error.column, error.end_line, error.end_column), (5, 38, 5, 40));
        assert_eq!(error.file, "gateway.yaml");
        assert_eq!(error.hint.as_deref(), Some("did you mean `app`?"));
    }
}
