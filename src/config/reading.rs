//! The document while it is read: gathers every complaint, so that one mistake does not hide the next.

use super::expand::{Environment, expand};
use super::node::{Kind, Node};
use super::source::floor_char_boundary;
use super::{Diagnostic, Report, RouteConfig, Severity, Source, Span, Spanned};
use crate::value::Complaint;
use std::borrow::Cow;
use std::cell::RefCell;

/// The longest message, label or hint, in bytes.
const WORDS_MAX: usize = 400;

/// What every reader of a piece needs: the source, the environment, and where complaints go.
pub(super) struct Reading<'e> {
    pub source: &'e Source,
    pub environment: Environment<'e>,
    diagnostics: RefCell<Vec<Diagnostic>>,
    omitted: RefCell<usize>,
    /// Routes that were read while they streamed by.
    pub routes: RefCell<Vec<RouteConfig>>,
}

impl<'e> Reading<'e> {
    pub fn new(source: &'e Source, environment: Environment<'e>) -> Self {
        Reading {
            source,
            environment,
            diagnostics: RefCell::default(),
            omitted: RefCell::default(),
            routes: RefCell::default(),
        }
    }

    /// Notes a diagnostic. Errors beyond the report's length are only counted.
    pub fn tell(&self, mut diagnostic: Diagnostic) {
        // A value of ten megabytes is quoted in part.
        let Diagnostic { message, label, hint, .. } = &mut diagnostic;
        for text in [message, label].into_iter().chain(hint) {
            if text.len() > WORDS_MAX {
                text.truncate(floor_char_boundary(text, WORDS_MAX));
                text.push('…');
            }
        }
        let mut kept = self.diagnostics.borrow_mut();
        if kept.len() < Report::LONGEST {
            kept.push(diagnostic);
        } else if diagnostic.severity == Severity::Error {
            *self.omitted.borrow_mut() += 1;
        }
    }

    /// Forgets what was read and said so far: the document is read again.
    pub fn forget(&self) {
        self.diagnostics.borrow_mut().clear();
        *self.omitted.borrow_mut() = 0;
        self.routes.borrow_mut().clear();
    }

    /// How many diagnostics there are so far.
    pub fn complaints(&self) -> usize {
        self.diagnostics.borrow().len() + *self.omitted.borrow()
    }

    /// The text of a node with its variables inserted; complains about anything else, naming what was wanted.
    pub fn text<'n>(&'n self, node: &'n Node<'_>, wanted: &str) -> Option<Cow<'n, str>> {
        let text = match &node.kind {
            Kind::Text(text) => &**text,
            Kind::Plain(at) => self.source.slice(*at),
            Kind::Empty => {
                self.tell(
                    Diagnostic::error(node.at, "nothing stands here").hint(format!("write {wanted}, or leave it out")),
                );
                return None;
            }
            Kind::List(_) | Kind::Map(_) | Kind::Streamed => {
                let mut diagnostic =
                    Diagnostic::error(node.at, format!("{wanted} is wanted here, not {}", node.what()));
                let (_, line) = self.source.line_at(node.at.start);
                if line.contains(['{', '[']) && self.source.slice(node.at).starts_with(['{', '[']) {
                    diagnostic = diagnostic.hint("text that starts with `{` or `[` stands in quotes");
                }
                self.tell(diagnostic);
                return None;
            }
        };
        match expand(text, self.environment) {
            Ok(text) => Some(text),
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
        if let Kind::Text(_) | Kind::Plain(_) = node.kind {
            diagnostic = diagnostic.hint(format!("write `[{}]`", self.source.slice(node.at)));
        }
        self.tell(diagnostic);
        None
    }

    /// Whether the report is full, so that a further error need not be worded.
    pub fn is_full(&self) -> bool {
        self.diagnostics.borrow().len() >= Report::LONGEST
    }

    /// Ends the reading: the diagnostics in the order of the document, and how many errors more there were.
    pub fn finish(self) -> (Vec<Diagnostic>, usize) {
        let mut diagnostics = self.diagnostics.into_inner();
        diagnostics.sort_by_key(|diagnostic| diagnostic.at);
        (diagnostics, self.omitted.into_inner())
    }

    /// A place for complaints about what should stand there and does not: no wider than its first line.
    pub fn first_line(&self, at: Span) -> Span {
        let (start, line) = self.source.line_at(at.start);
        Span { start: at.start, end: at.end.min((start + line.len()) as u32).max(at.start) }
    }
}
