//! The document while it is read, from all its files: gathers every complaint, so that one mistake does not hide the next.

use super::advice::Written;
use super::allow::Allow;
use super::body_file::BodyFiles;
use super::expand::{Environment, expand, inserted};
use super::foreign_variable;
use super::include::Shelf;
use super::lints::NGINX_VARIABLE;
use super::node::{Kind, Node};
use super::route_lints::LITERAL_VARIABLE;
use super::slip;
use super::source::{Sources, floor_char_boundary};
use super::variables::Variables;
use super::{Diagnostic, Report, RouteConfig, Severity, Span, Spanned};
use crate::value::{Complaint, Template};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};

/// The longest message, label or hint, in bytes.
const WORDS_MAX: usize = 400;
/// The most warnings that are kept while it is not known which are silenced.
const WARNINGS_MAX: usize = 10_000;

/// What every reader of a piece needs: the files, the environment, and where complaints go.
pub(super) struct Reading<'e> {
    pub source: &'e Sources,
    pub environment: Environment<'e>,
    /// Where files come from.
    pub shelf: Shelf<'e>,
    /// The most errors and warnings of its report.
    pub longest: usize,
    errors: RefCell<Vec<Diagnostic>>,
    omitted: RefCell<usize>,
    /// Apart, so that many of them take no error's place in the report.
    warnings: RefCell<Vec<Diagnostic>>,
    /// Comments that silence warnings.
    pub allows: RefCell<Vec<Allow>>,
    /// Keys that are judged once the whole document is read.
    pub written: RefCell<Vec<Written>>,
    /// A file of the document could not be read: what seems to be missing may stand there.
    pub partial: Cell<bool>,
    /// Routes that were read while they streamed by.
    pub routes: RefCell<Vec<RouteConfig>>,
    /// Values with variables.
    pub variables: RefCell<Variables>,
    /// Bodies that stand in files.
    pub bodies: RefCell<BodyFiles>,
}

/// A point within a reading to which it can go back.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    errors: usize,
    warnings: usize,
    allows: usize,
    written: usize,
    omitted: usize,
    routes: usize,
}

impl<'e> Reading<'e> {
    pub fn new(source: &'e Sources, shelf: Shelf<'e>, environment: Environment<'e>) -> Self {
        Reading {
            source,
            environment,
            shelf,
            longest: Report::LONGEST,
            errors: RefCell::default(),
            omitted: RefCell::default(),
            warnings: RefCell::default(),
            allows: RefCell::default(),
            written: RefCell::default(),
            partial: Cell::default(),
            routes: RefCell::default(),
            variables: RefCell::default(),
            bodies: RefCell::default(),
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
        let (kept, most) = match diagnostic.severity {
            Severity::Error => (&self.errors, self.longest),
            Severity::Warning => (&self.warnings, WARNINGS_MAX.max(self.longest)),
        };
        if kept.borrow().len() < most {
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
            allows: self.allows.borrow().len(),
            written: self.written.borrow().len(),
            omitted: *self.omitted.borrow(),
            routes: self.routes.borrow().len(),
        }
    }

    /// Forgets what was read and said since then: the file is read again.
    pub fn forget(&self, since: Mark) {
        self.errors.borrow_mut().truncate(since.errors);
        self.warnings.borrow_mut().truncate(since.warnings);
        self.allows.borrow_mut().truncate(since.allows);
        self.written.borrow_mut().truncate(since.written);
        *self.omitted.borrow_mut() = since.omitted;
        self.routes.borrow_mut().truncate(since.routes);
    }

    /// Takes the warnings that are silenced away.
    pub fn keep_warnings(&self, keep: impl FnMut(&Diagnostic) -> bool) {
        self.warnings.borrow_mut().retain(keep);
    }

    /// Whether every warning so far was kept.
    pub fn knows_all_warnings(&self) -> bool {
        self.warnings.borrow().len() < WARNINGS_MAX
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
                let is_list = matches!(&node.kind, Kind::List(items) if items.len() > 1);
                if is_list && matches!(wanted, "a host" | "a path pattern") {
                    diagnostic = diagnostic.hint("a route has one of them: write a route for each");
                } else if let Some(hint) = slip::no_text(node, wanted) {
                    diagnostic = diagnostic.hint(hint);
                } else if self.source.slice(node.at).starts_with(['{', '[']) {
                    diagnostic = diagnostic.hint("text that starts with `{` or `[` stands in quotes");
                }
                self.tell(diagnostic);
                return None;
            }
        };
        match expand(text, self.environment) {
            Ok(expanded) => {
                if text.contains("${") {
                    self.variables.borrow_mut().note(&expanded, text, &inserted(text, self.environment));
                }
                Some(expanded)
            }
            Err(complaint) => {
                self.tell(self.of_part(node.at, complaint));
                None
            }
        }
    }

    /// A word's complaint, at the part of the word that it is about.
    fn of_part(&self, at: Span, complaint: Complaint) -> Diagnostic {
        let written = self.source.slice(at);
        let mut places = complaint.part.iter().flat_map(|part| written.match_indices(&**part));
        let narrow = match (places.next(), places.next()) {
            (Some((start, part)), None) if !part.is_empty() => {
                let start = at.start + start as u32;
                Span { start, end: start + part.len() as u32, ..at }
            }
            _ => at,
        };
        Diagnostic::complaint(narrow, complaint)
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
            Ok(value) => {
                // as it is written: what the environment holds is its own business
                if let Kind::Text(written) = &node.kind
                    && let Some((variable, here)) = foreign_variable::nginx_variable(written)
                {
                    self.tell(
                        Diagnostic::warning(&NGINX_VARIABLE, node.at, format!("`{variable}` stands for itself"))
                            .label("nothing is inserted")
                            .hint(format!("variables of a request are written `{{{here}}}`")),
                    );
                }
                Some(value)
            }
            Err(complaint) => {
                self.tell(self.wrong_word(node, &text, complaint));
                None
            }
        }
    }

    /// The same for text with variables: warns of those that are written as elsewhere.
    pub fn template(
        &self,
        node: &Node<'_>,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<Template, Complaint>,
    ) -> Option<Template> {
        let template = self.word(node, wanted, parse)?;
        if let Kind::Text(written) = &node.kind
            && let Some((odd, variable)) = foreign_variable::variable_of_templates(written)
        {
            self.tell(
                Diagnostic::warning(&LITERAL_VARIABLE, node.at, format!("`{odd}` is more than a variable"))
                    .label("the rest stands for itself")
                    .hint(format!("did you mean `{variable}`?")),
            );
        }
        Some(template)
    }

    /// What a word's parser says, or what is wrong whatever is wanted there.
    fn wrong_word(&self, node: &Node<'_>, text: &str, complaint: Complaint) -> Diagnostic {
        if let Some(odd) = text.chars().find(|c| slip::is_odd_blank(*c) || slip::is_odd_quote(*c)) {
            return slip::odd_letter(node.at, odd);
        }
        let mut diagnostic = self.of_part(node.at, complaint);
        if matches!(&node.kind, Kind::Text(written) if written != text && written.replace("$${", "").contains("${")) {
            diagnostic.hint = diagnostic.hint.map(|hint| format!("the value is from the environment: there, {hint}"));
        }
        match slip::value_hint(self.source.slice(node.at)) {
            Some(hint) if !text.contains("${") => diagnostic.hint(hint),
            _ => diagnostic,
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
            let written = self.source.slice(node.at);
            diagnostic = match written.strip_prefix('-') {
                Some(item) => {
                    let item = item.lines().next().unwrap_or("").trim();
                    diagnostic.hint(format!("a blank follows the `-` of an item: write `- {item}`"))
                }
                None if written.contains('\n') => diagnostic.hint("start every item with `- `"),
                None => diagnostic.hint(format!("write `[{}]`", slip::items(written).unwrap_or(written.to_owned()))),
            };
        } else if let Kind::Map(entries) = &node.kind
            && entries.iter().all(|(_, value)| matches!(value.kind, Kind::Empty))
            && self.source.slice(node.at).starts_with('{')
        {
            diagnostic = diagnostic.hint("a list stands in `[` and `]`");
        } else if let Kind::Map(_) = &node.kind {
            diagnostic = diagnostic.hint("it is one item of a list: write `- ` before it, or `[` and `]` around it");
        }
        self.tell(diagnostic);
        None
    }

    /// Whether the report is full, so that a further error need not be worded.
    pub fn is_full(&self) -> bool {
        self.errors.borrow().len() >= self.longest
    }

    /// Ends the reading: the diagnostics in the order of the document, and how many errors more there were.
    pub fn finish(self) -> (Vec<Diagnostic>, usize) {
        let mut diagnostics = self.errors.into_inner();
        let room = self.longest.saturating_sub(diagnostics.len());
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
