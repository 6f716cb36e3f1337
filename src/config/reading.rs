//! The document while it is read, from all its files: gathers every complaint, so that one mistake does not hide the next.

use super::expand::{Environment, expand};
use super::node::{Kind, Node};
use super::source::{Sources, floor_char_boundary};
use super::variables::Variables;
use super::{Diagnostic, Report, RouteConfig, Severity, Span, Spanned};
use crate::value::Complaint;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};

/// The longest message, label or hint, in bytes.
const WORDS_MAX: usize = 400;

/// What every reader of a piece needs: the files, the environment, and where complaints go.
pub(super) struct Reading<'e> {
    pub source: &'e Sources,
    pub environment: Environment<'e>,
    errors: RefCell<Vec<Diagnostic>>,
    omitted: RefCell<usize>,
    /// Apart, so that many of them take no error's place in the report.
    warnings: RefCell<Vec<Diagnostic>>,
    /// A file of the document could not be read: what seems to be missing may stand there.
    pub partial: Cell<bool>,
    /// Routes that were read while they streamed by.
    pub routes: RefCell<Vec<RouteConfig>>,
    /// Values with variables.
    pub variables: RefCell<Variables>,
}

/// A point within a reading to which it can go back.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    errors: usize,
    warnings: usize,
    omitted: usize,
    routes: usize,
}

impl<'e> Reading<'e> {
    pub fn new(source: &'e Sources, environment: Environment<'e>) -> Self {
        Reading {
            source,
            environment,
            errors: RefCell::default(),
            omitted: RefCell::default(),
            warnings: RefCell::default(),
            partial: Cell::default(),
            routes: RefCell::default(),
            variables: RefCell::default(),
        }
    }

    /// Notes a diagnostic. Errors beyond the report's length are only counted, warnings beyond it forgotten.
    pub fn tell(&self, mut diagnostic: Diagnostic) {
        // A value of ten megabytes is quoted in part.
        let Diagnostic { message, label, hint, .. } = &mut diagnostic;
        for text in [message, label].into_iter().chain(hint) {
            if text.len() > WORDS_MAX {
                text.truncate(floor_char_boundary(text, WORDS_MAX));
                text.push('…');
            }
        }
        let kept = match diagnostic.severity {
            Severity::Error => &self.errors,
            Severity::Warning => &self.warnings,
        };
        if kept.borrow().len() < Report::LONGEST {
            kept.borrow_mut().push(diagnostic);
        } else if diagnostic.severity == Severity::Error {
            *self.omitted.borrow_mut() += 1;
        }
    }

    /// How far the reading is.
    pub fn mark(&self) -> Mark {
        Mark {
            errors: self.errors.borrow().len(),
            warnings: self.warnings.borrow().len(),
            omitted: *self.omitted.borrow(),
            routes: self.routes.borrow().len(),
        }
    }

    /// Forgets what was read and said since then: the file is read again.
    pub fn forget(&self, since: Mark) {
        self.errors.borrow_mut().truncate(since.errors);
        self.warnings.borrow_mut().truncate(since.warnings);
        *self.omitted.borrow_mut() = since.omitted;
        self.routes.borrow_mut().truncate(since.routes);
    }

    /// How many errors there are so far.
    pub fn complaints(&self) -> usize {
        self.errors.borrow().len() + *self.omitted.borrow()
    }

    /// The text of a node with its variables inserted; complains about anything else, naming what was wanted.
    pub fn text<'n>(&'n self, node: &'n Node<'_>, wanted: &str) -> Option<Cow<'n, str>> {
        let text = match &node.kind {
            Kind::Text(text) => &**text,
            Kind::Empty => {
                self.tell(
                    Diagnostic::error(node.at, "nothing stands here").hint(format!("write {wanted}, or leave it out")),
                );
                return None;
            }
            Kind::List(_) | Kind::Map(_) | Kind::Streamed => {
                let mut diagnostic =
                    Diagnostic::error(node.at, format!("{wanted} is wanted here, not {}", node.what()));
                if self.source.slice(node.at).starts_with(['{', '[']) {
                    diagnostic = diagnostic.hint("text that starts with `{` or `[` stands in quotes");
                }
                self.tell(diagnostic);
                return None;
            }
        };
        match expand(text, self.environment) {
            Ok(expanded) => {
                if text.contains("${") {
                    self.variables.borrow_mut().note(&expanded, text);
                }
                Some(expanded)
            }
            Err(complaint) => {
                self.tell(Diagnostic::complaint(node.at, complaint));
                None
            }
        }
    }

    /// One word, parsed; complaints get the word's place.
    pub fn word<T>(
        &self,
        node: &Node<'_>,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        let text = self.text(node, wanted)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(complaint) => {
                self.tell(Diagnostic::complaint(node.at, complaint));
                None
            }
        }
    }

    /// One word with its place.
    pub fn spanned<T>(
        &self,
        node: &Node<'_>,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<Spanned<T>> {
        self.word(node, wanted, parse).map(|value| Spanned { value, at: node.at })
    }

    /// The items of a list; complains about anything else.
    pub fn list<'n, 's>(&self, node: &'n Node<'s>, wanted: &str) -> Option<&'n [Node<'s>]> {
        if let Kind::List(items) = &node.kind {
            return Some(items);
        }
        let mut diagnostic = Diagnostic::error(node.at, format!("{wanted} is wanted here, not {}", node.what()));
        if let Kind::Text(_) = node.kind {
            diagnostic = diagnostic.hint(format!("write `[{}]`", self.source.slice(node.at)));
        }
        self.tell(diagnostic);
        None
    }

    /// Whether the report is full, so that a further error need not be worded.
    pub fn is_full(&self) -> bool {
        self.errors.borrow().len() >= Report::LONGEST
    }

    /// Ends the reading: the diagnostics in the order of the document, and how many errors more there were.
    pub fn finish(self) -> (Vec<Diagnostic>, usize) {
        let mut diagnostics = self.errors.into_inner();
        let room = Report::LONGEST - diagnostics.len();
        diagnostics.extend(self.warnings.into_inner().into_iter().take(room));
        diagnostics.sort_by_key(|diagnostic| diagnostic.at);
        (diagnostics, self.omitted.into_inner())
    }

    /// A place for complaints about what should stand there and does not: no wider than its first line.
    pub fn first_line(&self, at: Span) -> Span {
        // Nobody will look at it, and in a file of one long line each search would take its time.
        if self.is_full() {
            return at;
        }
        let (start, line) = self.source.line_at(at);
        Span { end: at.end.min((start + line.len()) as u32).max(at.start), ..at }
    }
}
