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
    /// Text, as written; also what could be a number or a truth value.
    Text(Cow<'s, str>),
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
        match &self.kind {
            Kind::Empty => "nothing",
            Kind::Text(text) if matches!(&**text, "true" | "false") => "a truth value",
            Kind::Text(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) | Kind::Streamed => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// Its text, if it is that.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What stands behind a key, if this is a map that has it.
    pub fn within(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|(_, value)| value)
    }

    /// A key itself, if this is a map that has it.
    pub fn key(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|(key, _)| key)
    }

    fn entry(&self, name: &str) -> Option<&(Self, Self)> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|(key, _)| matches!(&key.kind, Kind::Text(text) if text == name))
    }

    /// Says that the node and all within it stand there.
    pub fn stand_at(&mut self, at: Span) {
        self.at = at;
        self.children_mut().for_each(|child| child.stand_at(at));
    }

    /// How many levels lie below it.
    pub fn depth(&self) -> usize {
        self.children().map(|child| child.depth() + 1).max().unwrap_or(0)
    }

    /// The memory it takes with all within it.
    pub fn bytes(&self) -> usize {
        let text = match &self.kind {
            Kind::Text(Cow::Owned(text)) => text.len(),
            _ => 0,
        };
        size_of::<Self>() + text + self.children().map(Node::bytes).sum::<usize>()
    }
}

impl<'s> Node<'s> {
    fn children(&self) -> impl Iterator<Item = &Node<'s>> {
        let (items, entries): (&[Node<'s>], &[(Node<'s>, Node<'s>)]) = match &self.kind {
            Kind::List(items) => (items, &[]),
            Kind::Map(entries) => (&[], entries),
            Kind::Empty | Kind::Text(_) | Kind::Streamed => (&[], &[]),
        };
        items.iter().chain(entries.iter().flat_map(|(key, value)| [key, value]))
    }

    fn children_mut(&mut self) -> impl Iterator<Item = &mut Node<'s>> {
        let (items, entries): (&mut [Node<'s>], &mut [(Node<'s>, Node<'s>)]) = match &mut self.kind {
            Kind::List(items) => (items, &mut []),
            Kind::Map(entries) => (&mut [], entries),
            Kind::Empty | Kind::Text(_) | Kind::Streamed => (&mut [], &mut []),
        };
        items.iter_mut().chain(entries.iter_mut().flat_map(|(key, value)| [key, value]))
    }
}
