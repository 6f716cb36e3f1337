//! The endpoint with the fewest requests in flight for its weight; those that tie take turns.

use super::{Choice, compare_load, turns};
use crate::upstream::endpoint::Endpoint;
use std::cmp::Ordering;
use std::sync::Arc;

/// The least busy endpoint; ties go by smooth weighted round-robin among the tied only, as in nginx.
///
/// The counts are read without a lock, so two threads that choose in the same instant may choose alike; requests that follow
/// one another see each other's counts whatever thread they are on.
pub(super) fn choose<'p>(choice: &Choice<'_, 'p>) -> Option<&'p Arc<Endpoint>> {
    let mut best: Option<(usize, (u32, u64))> = None;
    let mut ties = false;
    for (i, e) in choice.tier.iter().enumerate().filter(|(_, e)| choice.is_open(e)) {
        let load = (e.in_flight(), choice.share(e));
        match best.map(|(_, least)| compare_load(load, least)) {
            None | Some(Ordering::Less) => {
                best = Some((i, load));
                ties = false;
            }
            Some(Ordering::Equal) => ties = true,
            Some(Ordering::Greater) => {}
        }
    }
    let (first, least) = best?;
    if !ties {
        return choice.tier.get(first);
    }
    let tied = choice.tier[first..].iter().enumerate().filter(|(i, e)| {
        let same = compare_load((e.in_flight(), choice.share(e)), least) == Ordering::Equal;
        *i == 0 || same && choice.is_open(e)
    });
    turns::take_turns(tied.map(|(_, e)| e), choice)
}
