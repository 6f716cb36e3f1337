//! A histogram of durations with the buckets every duration metric of the gateway shares.

use std::time::Duration;

use super::cells::{Count, Seconds};

/// Upper bounds of the buckets in seconds, inclusive; one more bucket takes what is longer.
pub const BUCKETS_S: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const BUCKETS_US: [u64; 16] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000,
    5_000_000, 7_500_000, 10_000_000,
];

/// One worker's share of a histogram. One thread writes it.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [Count; BUCKETS_S.len() + 1],
    sum: Seconds,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let ns = took.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(took.subsec_nanos()));
        self.counts[BUCKETS_US.partition_point(|bound| bound * 1_000 < ns)].add(1);
        self.sum.add(ns as f64 * 1e-9);
    }
}

/// What the workers observed, together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observed {
    /// Observations at or under each bound of [`BUCKETS_S`].
    pub(crate) cumulative: [u64; BUCKETS_S.len()],
    /// All observations.
    pub(crate) count: u64,
    /// Their sum in seconds.
    pub(crate) sum_s: f64,
}

impl Observed {
    pub(crate) fn merged<'a>(parts: impl IntoIterator<Item = &'a Histogram>) -> Observed {
        let mut counts = [0u64; BUCKETS_S.len() + 1];
        let mut sum_s = 0.0;
        for part in parts {
            for (total, count) in counts.iter_mut().zip(&part.counts) {
                *total += count.get();
            }
            sum_s += part.sum.get();
        }
        let mut cumulative = [0; BUCKETS_S.len()];
        let mut count = 0;
        for (below, inside) in cumulative.iter_mut().zip(&counts) {
            count += inside;
            *below = count;
        }
        Observed { cumulative, count: count + counts[BUCKETS_S.len()], sum_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_in_seconds_and_in_microseconds_agree() {
        for (seconds, micros) in BUCKETS_S.iter().zip(BUCKETS_US) {
            assert_eq!((seconds * 1e6).round() as u64, micros);
        }
    }

    #[test]
    fn a_bound_is_inclusive_and_what_exceeds_all_counts_only_in_the_total() {
        let histogram = Histogram::default();
        histogram.observe(Duration::ZERO);
        histogram.observe(Duration::from_millis(1));
        histogram.observe(Duration::from_nanos(1_000_001));
        histogram.observe(Duration::from_secs(10));
        histogram.observe(Duration::from_secs(11));
        let seen = Observed::merged([&histogram]);
        assert_eq!(seen.cumulative[0], 2);
        assert_eq!(seen.cumulative[1], 3);
        assert_eq!(seen.cumulative[15], 4);
        assert_eq!(seen.count, 5);
        assert!((seen.sum_s - 21.002_000_001).abs() < 1e-9);
    }

    #[test]
    fn an_absurd_duration_neither_panics_nor_wraps() {
        let histogram = Histogram::default();
        histogram.observe(Duration::MAX);
        assert_eq!(Observed::merged([&histogram]).count, 1);
    }

    #[test]
    fn workers_are_added_up() {
        let (one, two) = (Histogram::default(), Histogram::default());
        one.observe(Duration::from_millis(3));
        two.observe(Duration::from_millis(4));
        let seen = Observed::merged([&one, &two]);
        assert_eq!((seen.cumulative[1], seen.cumulative[2], seen.count), (0, 2, 2));
    }
}
