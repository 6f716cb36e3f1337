//! By a key of the request, consistently: a pool that gains or loses an endpoint moves only that endpoint's share of the keys.

use super::{Choice, turns};
use crate::upstream::endpoint::{Endpoint, Target};
use crate::upstream::entry::Place;
use crc32fast::Hasher;
use std::sync::Arc;

/// Points that one unit of weight has on the ring.
const POINTS: u32 = 160;
/// The largest weight on a ring.
pub const WEIGHT_MAX: u16 = 256;
/// Points of the ring that are looked at before the request goes to any endpoint that can take it.
const TRIES: usize = 200;

/// The ring of a pool: nginx's and memcached's, so that keys lead where they led with `hash … consistent`.
pub struct Ring(Box<[Point]>);

/// Keys that hash to `hash`, or to less than that and more than the point before, belong to the endpoint at `place`.
struct Point {
    hash: u32,
    place: u32,
}

impl Ring {
    pub fn of(endpoints: &[Arc<Endpoint>]) -> Ring {
        let mut points = Vec::new();
        for (endpoint, place) in endpoints.iter().zip(0..) {
            let mut name = Hasher::new();
            name.update(&name_of(endpoint, endpoints));
            let mut hash = 0_u32;
            for _ in 0..endpoint.weight() * POINTS {
                let mut hasher = name.clone();
                hasher.update(&hash.to_le_bytes());
                hash = hasher.finalize();
                points.push(Point { hash, place });
            }
        }
        // where two meet the first listed comes first, and the other after it
        points.sort_by_key(|point| point.hash);
        Ring(points.into())
    }

    /// Places of endpoints in the order in which `key` prefers them; one may come more than once.
    fn preferred(&self, key: &[u8]) -> impl Iterator<Item = usize> {
        let hash = crc32fast::hash(key);
        let (before, from) = self.0.split_at(self.0.partition_point(|point| point.hash < hash));
        from.iter().chain(before).take(TRIES).map(|point| point.place as usize)
    }
}

/// The endpoint that the key leads to, or the next on the ring that can take the request. Without a key they take turns.
pub(super) fn choose<'p>(choice: &Choice<'_, 'p>) -> Option<&'p Arc<Endpoint>> {
    match choice.ring {
        Some(ring) if !choice.asker.key.is_empty() => {
            let mut preferred = ring.preferred(choice.asker.key).filter_map(|place| choice.tier.get(place));
            preferred.find(|e| choice.is_open(e)).or_else(|| turns::choose(choice))
        }
        _ => turns::choose(choice),
    }
}

/// What an endpoint is called on the ring: host, zero byte, port; for a socket file its path and nothing after the zero byte. A name with
/// one address goes by the name, so that it keeps its keys when its container comes back with another address; of several each goes by
/// itself.
fn name_of(endpoint: &Endpoint, all: &[Arc<Endpoint>]) -> Vec<u8> {
    let alone = || all.iter().filter(|e| Arc::ptr_eq(&e.entry, &endpoint.entry)).count() == 1;
    let text = match (&endpoint.target, &endpoint.entry.place) {
        (Target::Unix(path), _) => return [path.as_os_str().as_encoded_bytes(), b"\0"].concat(),
        (Target::Either(..), _) => endpoint.entry.address.to_string(),
        (Target::Socket(_), Place::Name { .. }) if alone() => endpoint.entry.address.to_string(),
        (Target::Socket(address), _) => address.to_string(),
    };
    let (host, port) = text.rsplit_once(':').unwrap_or((&text, ""));
    [host.as_bytes(), b"\0", port.as_bytes()].concat()
}
