//! Smooth weighted round-robin: weights 5, 1 and 1 go a a b a c a a.

use super::Choice;
use crate::upstream::endpoint::Endpoint;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The endpoint whose turn it is.
pub(super) fn choose<'p>(choice: &Choice<'_, 'p>) -> Option<&'p Arc<Endpoint>> {
    take_turns(choice.open(), choice)
}

/// Each gains its weight, the largest is taken and pays the total. All add up to nothing at any time, whatever threads do at once.
pub(super) fn take_turns<'p>(
    tied: impl Iterator<Item = &'p Arc<Endpoint>>,
    choice: &Choice<'_, '_>,
) -> Option<&'p Arc<Endpoint>> {
    let mut best: Option<(&'p Arc<Endpoint>, i64)> = None;
    let mut total = 0;
    for e in tied {
        let gain = e.gain(choice.asker.now, choice.terms.slow_start) as i64;
        total += gain;
        let turn = e.turn.fetch_add(gain, Relaxed) + gain;
        if best.is_none_or(|(_, t)| turn > t) {
            best = Some((e, turn));
        }
    }
    let (chosen, _) = best?;
    chosen.turn.fetch_sub(total, Relaxed);
    Some(chosen)
}
