//! By chance, by weight; or the less busy of two chosen by chance.

use super::{Choice, compare_load};
use crate::upstream::endpoint::Endpoint;
use std::cmp::Ordering;
use std::sync::Arc;

/// One by chance.
pub(super) fn choose<'p>(choice: &Choice<'_, 'p>) -> Option<&'p Arc<Endpoint>> {
    draw(choice, None)
}

/// Two different ones by chance, and of them the one with fewer requests in flight for its weight.
pub(super) fn choose_of_two<'p>(choice: &Choice<'_, 'p>) -> Option<&'p Arc<Endpoint>> {
    let first = draw(choice, None)?;
    let Some(second) = draw(choice, Some(first)) else { return Some(first) };
    let load = |e: &Arc<Endpoint>| (e.in_flight(), choice.share(e));
    Some(if compare_load(load(second), load(first)) == Ordering::Less { second } else { first })
}

fn draw<'p>(choice: &Choice<'_, 'p>, but: Option<&Arc<Endpoint>>) -> Option<&'p Arc<Endpoint>> {
    let others = || choice.open().filter(|e| but.is_none_or(|b| !Arc::ptr_eq(e, b)));
    let total: u64 = others().map(|e| choice.share(e)).sum();
    if total == 0 {
        return None;
    }
    let mut at = choice.asker.random.borrow_mut().u64(..total);
    let mut last = None;
    for e in others() {
        let share = choice.share(e);
        if at < share {
            return Some(e);
        }
        at -= share;
        last = Some(e);
    }
    // one of them was taken out meanwhile
    last
}
