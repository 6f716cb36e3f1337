//! A piece of the document as it was written: text, lists and maps with their places, before anyone knows what they mean.

use super::Span;
use std::borrow::Cow;

/// One value or key.
#[derive(Clone, Debug)]
pub(super) struct Node<'s> {
    /// Where it stands; for an alias, where it is used.
    pub at: Span,
    /// What it is.
    pub kind: Kind<'s>,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind<'s> {
    /// Nothing, `~` or `null`.
    Empty,
    /// Quoted text, or text that could be nothing else.
    Text(Cow<'s, str>),
    /// Text that could also be a number or a truth value: it stands in the source at this place, and is taken as written.
    Plain(Span),
    /// A list.
    List(Vec<Node<'s>>),
    /// A map, in its order.
    Map(Vec<(Node<'s>, Node<'s>)>),
    /// The list of routes, which was read while it streamed by.
    Streamed,
}

impl Node<'_> {
    /// What it is, for people.
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Empty => "nothing",
            Kind::Text(_) | Kind::Plain(_) => "text",
            Kind::List(_) | Kind::Streamed => "a list",
            Kind::Map(_) => "a map",
        }
    }
}
