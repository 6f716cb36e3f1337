//! What holds when a key is left out.

/// What holds when a key is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It may not be left out.
    Required,
    /// It may not be left out, unless this is written.
    Unless(&'static str),
    /// This value.
    Default(&'static str),
    /// The defaults of the keys within.
    Within,
    /// The feature is off, or something else says what holds; the manual tells.
    Nothing,
}

impl Absent {
    /// It may not be left out in a section of which nothing else is known.
    pub fn is_needed(self) -> bool {
        matches!(self, Absent::Required | Absent::Unless(_))
    }
}
