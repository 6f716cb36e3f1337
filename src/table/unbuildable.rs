//! Why no table can be made of a document that is right.

use super::Exhausted;
use std::fmt;

/// Why no table can be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Unbuildable {
    /// So many removed listeners are in use that there is no number for a new one.
    Exhausted(Exhausted),
    /// What a listener would speak TLS with is of no use.
    Tls { listener: Box<str>, why: String },
}

impl From<Exhausted> for Unbuildable {
    fn from(exhausted: Exhausted) -> Unbuildable {
        Unbuildable::Exhausted(exhausted)
    }
}

impl fmt::Display for Unbuildable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unbuildable::Exhausted(exhausted) => exhausted.fmt(f),
            Unbuildable::Tls { listener, why } => write!(f, "listener `{listener}` cannot speak TLS: {why}"),
        }
    }
}
