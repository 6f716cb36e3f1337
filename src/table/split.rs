//! A route whose requests go to several upstreams, by weight.

use super::Upstream;
use crate::value::RequestKey;
use std::cell::RefCell;
use std::sync::Arc;

/// Upstreams that share a route's requests.
pub struct Split {
    /// What keeps a client on its side; by chance without it.
    pub by: Option<RequestKey>,
    pub weights: Weights,
    pub sides: Box<[Arc<Upstream>]>,
}

/// How much each side gets.
pub struct Weights {
    /// For each side the weights up to it, its own included.
    ends: Box<[u64]>,
    total: u64,
}

impl Split {
    /// The side for a request with this key, or by chance for one without.
    pub fn choose(&self, key: Option<&[u8]>, random: &RefCell<fastrand::Rng>) -> u16 {
        self.weights.side(match key {
            Some(key) => scatter(crc32fast::hash(key)),
            None => random.borrow_mut().u32(..),
        })
    }

    /// The upstream on that side.
    pub fn side(&self, side: u16) -> Option<&Arc<Upstream>> {
        self.sides.get(usize::from(side))
    }
}

/// Spreads hashes over the whole. Upstreams that balance by a key go by its plain CRC: the keys of a narrow side would all lead to the same
/// stretch of their ring. (MurmurHash3's last step: every bit decides about every other.)
fn scatter(mut hash: u32) -> u32 {
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

impl Weights {
    pub fn new(weights: impl Iterator<Item = u32>) -> Weights {
        let mut total = 0;
        let ends = weights.map(|weight| {
            total += u64::from(weight);
            total
        });
        Weights { ends: ends.collect(), total }
    }

    /// The weight of each side.
    pub fn each(&self) -> impl Iterator<Item = u64> {
        let starts = std::iter::once(&0).chain(&*self.ends);
        self.ends.iter().zip(starts).map(|(end, start)| end - start)
    }

    /// The side of a point of the whole. Points keep their side when weights shift, as far as can be: with 95 to 5 turned into 90 to 10
    /// only five in a hundred move.
    fn side(&self, point: u32) -> u16 {
        let at = (u64::from(point) * self.total) >> 32;
        // a document gives a split a thousand sides at most
        u16::try_from(self.ends.partition_point(|end| *end <= at)).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(weights: &[u32]) -> Weights {
        Weights::new(weights.iter().copied())
    }

    #[test]
    fn requests_are_shared_by_weight() {
        let mut random = fastrand::Rng::with_seed(7);
        let weights = weights(&[95, 0, 5, 0]);
        let mut counts = [0; 4];
        (0..100_000).for_each(|_| counts[usize::from(weights.side(random.u32(..)))] += 1);
        assert!((4_600..5_400).contains(&counts[2]), "{counts:?}");
        assert_eq!((counts[1], counts[3]), (0, 0));
    }

    #[test]
    fn keys_that_look_alike_are_shared_by_weight_too() {
        let split = Split { by: None, weights: weights(&[90, 10]), sides: Box::default() };
        let random = RefCell::default();
        for keys in [
            |n: u32| n.to_string(),
            |n| format!("user-{n:08}@example.com"),
            |n| format!("10.0.{}.{}", n / 256, n % 256),
        ] {
            let right = (0..10_000).filter(|n| split.choose(Some(keys(*n).as_bytes()), &random) == 1).count();
            assert!((850..1150).contains(&right), "{right}, such as {}", keys(7));
        }
    }

    #[test]
    fn the_keys_of_a_narrow_side_do_not_share_a_stretch_of_their_pools_ring() {
        let split = Split { by: None, weights: weights(&[95, 5]), sides: Box::default() };
        let random = RefCell::default();
        let keys = (0..20_000).map(|n| format!("tenant-{n}"));
        let narrow = keys.filter(|key| split.choose(Some(key.as_bytes()), &random) == 1);
        let mut stretches = [0; 10];
        narrow.for_each(|key| stretches[((u64::from(crc32fast::hash(key.as_bytes())) * 10) >> 32) as usize] += 1);
        assert!(stretches.iter().all(|n| (50..150).contains(n)), "{stretches:?}");
    }

    #[test]
    fn weights_are_shown_as_they_were_written() {
        assert_eq!(weights(&[95, 0, 5]).each().collect::<Vec<_>>(), [95, 0, 5]);
    }

    #[test]
    fn few_keys_move_when_weights_shift() {
        let (before, after) = (weights(&[95, 5]), weights(&[90, 10]));
        let moved = (0..10_000u32).map(|n| crc32fast::hash(&n.to_le_bytes()));
        let moved = moved.filter(|point| before.side(*point) != after.side(*point)).count();
        assert!((350..650).contains(&moved), "{moved}");
    }
}
