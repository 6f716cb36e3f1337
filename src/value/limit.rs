//! A bound that may be lifted: a value, or the word `unlimited`.

use std::fmt;

/// A bound as written: a value, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit<T> {
    /// At most this much.
    At(T),
    /// No bound.
    Unlimited,
}

impl<T> Limit<T> {
    /// Reads `unlimited`, or else what `inner` reads.
    pub fn parse<E>(text: &str, inner: impl FnOnce(&str) -> Result<T, E>) -> Result<Self, E> {
        if text == "unlimited" { Ok(Limit::Unlimited) } else { inner(text).map(Limit::At) }
    }

    /// The bound, or `None` for no bound.
    pub fn get(self) -> Option<T> {
        match self {
            Limit::At(value) => Some(value),
            Limit::Unlimited => None,
        }
    }
}

impl<T: fmt::Display> fmt::Display for Limit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::At(value) => value.fmt(f),
            Limit::Unlimited => f.write_str("unlimited"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlimited_is_a_word_and_everything_else_is_a_value() {
        assert_eq!(Limit::parse("unlimited", str::parse::<u8>), Ok(Limit::Unlimited));
        assert_eq!(Limit::parse("7", str::parse::<u8>).map(Limit::get), Ok(Some(7)));
        assert!(Limit::parse("Unlimited", str::parse::<u8>).is_err());
        assert_eq!(Limit::At(7).to_string(), "7");
    }
}
