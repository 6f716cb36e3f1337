//! The word of a source on an endpoint that it has found.

/// What the source that found an endpoint says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Word {
    /// Nothing against it.
    #[default]
    Fine,
    /// It takes no new request any more, and finishes what it has.
    Leaving,
    /// It is not well.
    Unhealthy,
}

impl Word {
    pub(super) const fn of(number: u8) -> Word {
        match number {
            1 => Word::Leaving,
            2 => Word::Unhealthy,
            _ => Word::Fine,
        }
    }
}
