//! Which endpoint takes the next request: the one with the fewest in flight for its weight; those that tie take turns.

use super::endpoint::Endpoint;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The endpoint with the least in-flight requests per weight among those up and not `tried`; ties go by smooth weighted
/// round-robin, as in nginx.
///
/// The counts are read without a lock, so two threads that choose in the same instant may choose alike; requests that follow
/// one another see each other's counts whatever thread they are on.
pub fn least_conn<'p>(endpoints: &'p [Arc<Endpoint>], tried: &[u16]) -> Option<&'p Arc<Endpoint>> {
    let mut best: Option<(usize, u64, u64)> = None;
    let mut ties = false;
    for (i, e) in endpoints.iter().enumerate() {
        if !e.is_up() || tried.contains(&(i as u16)) {
            continue;
        }
        let (count, weight) = (u64::from(e.in_flight()), u64::from(e.weight()));
        match best {
            None => best = Some((i, count, weight)),
            // count/weight against the best's, cross-multiplied
            Some((_, c, w)) => match (count * w).cmp(&(c * weight)) {
                std::cmp::Ordering::Less => {
                    best = Some((i, count, weight));
                    ties = false;
                }
                std::cmp::Ordering::Equal => ties = true,
                std::cmp::Ordering::Greater => {}
            },
        }
    }
    let (first, count, weight) = best?;
    if !ties {
        return endpoints.get(first);
    }
    take_turns(endpoints[first..].iter().enumerate().filter(|(i, e)| {
        let same = u64::from(e.in_flight()) * weight == count * u64::from(e.weight());
        *i == 0 || same && e.is_up() && !tried.contains(&((first + i) as u16))
    }))
}

/// Smooth weighted round-robin: each gains its weight, the largest is taken and pays the total.
fn take_turns<'p>(tied: impl Iterator<Item = (usize, &'p Arc<Endpoint>)>) -> Option<&'p Arc<Endpoint>> {
    let mut best: Option<(&'p Arc<Endpoint>, i64)> = None;
    let mut total = 0;
    for (_, e) in tied {
        let weight = i64::from(e.weight());
        total += weight;
        let turn = e.turn.fetch_add(weight, Relaxed) + weight;
        if best.is_none_or(|(_, t)| turn > t) {
            best = Some((e, turn));
        }
    }
    let (chosen, _) = best?;
    chosen.turn.fetch_sub(total, Relaxed);
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::endpoint::Target;
    use crate::upstream::idle::Slots;

    fn pool(weights: &[u32]) -> Vec<Arc<Endpoint>> {
        let slots = Arc::new(Slots::default());
        let target = || Target::Socket(([127, 0, 0, 1], 1).into());
        let one = |(i, w): (usize, &u32)| Arc::new(Endpoint::new(&i.to_string(), target(), *w, i as u16, &slots));
        weights.iter().enumerate().map(one).collect()
    }

    fn sequence(endpoints: &[Arc<Endpoint>], n: usize) -> String {
        (0..n).filter_map(|_| least_conn(endpoints, &[])).map(|e| &*e.address).collect()
    }

    #[test]
    fn sequential_requests_over_weights_5_1_1_go_a_a_b_a_c_a_a() {
        assert_eq!(sequence(&pool(&[5, 1, 1]), 14), "00102000010200");
    }

    #[test]
    fn equal_endpoints_take_turns() {
        assert_eq!(sequence(&pool(&[1, 1, 1]), 6), "012012");
    }

    #[test]
    fn the_idle_endpoint_takes_all_requests_while_the_other_is_busy() {
        let endpoints = pool(&[1, 1]);
        let _busy = endpoints[0].enter();
        assert_eq!(sequence(&endpoints, 5), "11111");
    }

    #[test]
    fn a_weight_of_two_carries_twice_the_load_before_it_is_busier() {
        let endpoints = pool(&[2, 1]);
        let _a = endpoints[0].enter();
        let _b = endpoints[1].enter();
        assert_eq!(sequence(&endpoints, 3), "000");
    }

    #[test]
    fn a_tried_endpoint_is_not_chosen_again() {
        let endpoints = pool(&[1, 1]);
        assert_eq!(least_conn(&endpoints, &[0]).map(|e| e.number), Some(1));
        assert!(least_conn(&endpoints, &[0, 1]).is_none());
    }

    #[test]
    fn dropping_the_guard_uncounts() {
        let endpoints = pool(&[1]);
        let guard = endpoints[0].enter();
        assert_eq!(endpoints[0].in_flight(), 1);
        drop(guard);
        assert_eq!(endpoints[0].in_flight(), 0);
    }
}
