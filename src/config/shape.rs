//! What may stand at a place, told for programs: the schema for editors and the printer of documents go by it.

use super::Section;

/// What may stand at a place, beside variables from the environment, which may stand wherever a word may.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A word in which this regular expression finds something. It is one that JavaScript and Rust read alike.
    Word(&'static str),
    /// The same, where no variable may stand.
    Literal(&'static str),
    /// A path to a file, which counts from the directory of the file in which it is written.
    Path,
    /// Any text.
    Text,
    /// A whole number within these bounds.
    Number(i64, i64),
    /// `true` or `false`.
    Truth,
    /// One of these words.
    Choice(fn() -> Vec<&'static str>),
    /// A list of at least so many items.
    List(&'static Shape, usize),
    /// A list of at least so many items, all of them different.
    Set(&'static Shape, usize),
    /// A map with at least so many names, in which a regular expression finds something.
    Map(&'static str, &'static Shape, usize),
    /// A map with exactly one of these keys.
    OneKey(&'static [(&'static str, Shape)]),
    /// A section.
    Section(&'static Section),
    /// A section, or only what stands at this key of it.
    SectionOr(&'static Section, &'static str),
    /// Sections by name.
    Named(&'static Section),
    /// One of several.
    OneOf(&'static [Shape]),
}

/// The name of a header or cookie.
pub(super) const TOKEN: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
/// The name of a listener or upstream.
pub(super) const NAME: &str = "^[A-Za-z0-9.-][A-Za-z0-9_.-]{0,99}$";
/// A name in a query.
pub(super) const QUERY: &str = "^[!-~]+$";
/// A path to a file.
pub(super) const FILE: &str = "[^/]$";
