//! What is wrong, where, and what to write instead; and the report that gathers all of it.

use super::render;
use super::{Lint, Position, Print, Source, Span, Variables};
use crate::value::Complaint;
use std::fmt;
use std::path::PathBuf;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// The document can be used, but probably says something other than what is meant.
    Warning,
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub at: Span,
    /// How bad it is.
    pub severity: Severity,
    /// Which warning it is; errors have no name, since nothing silences them.
    pub lint: Option<&'static Lint>,
    /// One sentence, in lower case and without a full stop.
    pub message: String,
    /// A few words beside the caret; may be empty.
    pub label: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Other places that have to do with it, each with a few words.
    pub others: Vec<(Span, String)>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(at: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            at,
            severity: Severity::Error,
            lint: None,
            message: message.into(),
            label: String::new(),
            hint: None,
            others: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(lint: &'static Lint, at: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, lint: Some(lint), ..Diagnostic::error(at, message) }
    }

    /// A word's complaint, at the word's place.
    pub fn complaint(at: Span, complaint: Complaint) -> Self {
        Diagnostic { hint: complaint.hint, ..Diagnostic::error(at, complaint.message) }
    }

    /// The same with words beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with another place.
    pub fn other(mut self, at: Span, label: impl Into<String>) -> Self {
        self.others.push((at, label.into()));
        self
    }
}

/// Everything that is wrong with one document, in the order of its files and their lines.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The document's files as far as they could be read, the main one first, also when it could not be read.
    pub files: Vec<Source>,
    /// The files that the document names and that are no part of it, by what they say.
    pub prints: Vec<Print>,
    /// What the main file includes, as absolute patterns: what appears under them later is of the document as well.
    pub patterns: Vec<PathBuf>,
    /// What is wrong, first place first; at most [`Report::LONGEST`].
    pub diagnostics: Vec<Diagnostic>,
    /// How many more errors were found than are kept.
    pub omitted: usize,
    /// The document's values with variables.
    pub variables: Variables,
}

impl Report {
    /// The most diagnostics that are kept: a mistake made ten thousand times is one mistake.
    pub const LONGEST: usize = 100;

    /// The file in which a place lies.
    pub fn file(&self, at: Span) -> Option<&Source> {
        self.files.get(usize::from(at.file))
    }

    /// Line and column of a diagnostic within its file.
    pub fn position(&self, diagnostic: &Diagnostic) -> Position {
        let at = diagnostic.at;
        self.file(at).map_or(Position { line: 1, column: 1 }, |file| file.position(at.start))
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.omitted > 0 || self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// The report as text: message, place, source line, caret and hint of each; with colours for a terminal if asked.
    pub fn render(&self, colour: bool) -> String {
        render::diagnostics(&self.diagnostics, self.omitted, &self.files, colour)
    }
}

/// Without colours.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}
