//! Time as the gateway reckons it: nanoseconds since the process began, read once a turn of the event loop.

use std::time::{Duration, Instant};

/// A point in time, in nanoseconds since an arbitrary start. Cheap to copy, add and compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub u64);

/// A length of time in nanoseconds; `Span::UNLIMITED` never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub u64);

impl Moment {
    /// Later than every other moment.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// This moment, of those that count from `start`.
    #[inline]
    pub fn after(start: Instant) -> Moment {
        Moment(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// A deadline that never comes.
    pub const UNLIMITED: Span = Span(u64::MAX);
}

impl From<Duration> for Span {
    fn from(d: Duration) -> Span {
        Span(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl std::ops::Add<Span> for Moment {
    type Output = Moment;
    fn add(self, span: Span) -> Moment {
        Moment(self.0.saturating_add(span.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unlimited_span_never_passes() {
        assert_eq!(Moment(5) + Span::UNLIMITED, Moment::NEVER);
    }

    #[test]
    fn time_does_not_run_backwards() {
        assert_eq!(Moment(5).since(Moment(9)), Duration::ZERO);
        assert_eq!(Moment(9).since(Moment(5)), Duration::from_nanos(4));
    }
}
