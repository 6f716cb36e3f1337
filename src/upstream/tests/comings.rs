//! Names whose addresses come and go.

use super::*;
use crate::upstream::State;

const NAME: &str = "app:80";

fn addresses(last: &[u8]) -> Vec<SocketAddr> {
    last.iter().map(|n| ([10, 0, 0, *n], 80).into()).collect()
}

/// A pool of one name.
fn named(rules: Rules, last: &[u8]) -> Pool {
    let lasting = Arc::new(Lasting::default());
    let place = Place::Name { host: "app".into(), port: 80, addresses: Arc::new(addresses(last)).into() };
    let entry = entry(NAME, place, &lasting);
    let listed = Listed { entry, weight: 1, max_conns: 2, backup: false };
    Pool::new("pool", [listed].into(), rules, lasting, at(1))
}

/// The name has these addresses from now on. True when that is news.
fn resolve(pool: &Pool, last: &[u8]) -> bool {
    let Place::Name { addresses: known, .. } = &pool.entries[0].entry.place else { panic!("a name") };
    known.store(Arc::new(addresses(last)));
    pool.refresh(at(2))
}

/// The last number of each address, in the pool's order.
fn now(pool: &Pool) -> String {
    let last =
        |e: &Arc<Endpoint>| e.target.to_string().trim_start_matches("10.0.0.").trim_end_matches(":80").to_owned();
    pool.members().iter().map(last).collect::<Vec<_>>().join(" ")
}

fn ask(pool: &Pool) -> Option<InFlight> {
    Asking::new(1).pick(pool, at(2), &Tried::default())
}

#[test]
fn every_address_is_an_endpoint_and_those_that_stay_keep_their_counts() {
    let pool = named(rules(Balance::LeastConn), &[1, 2]);
    let (first, second) = (ask(&pool).expect("one"), ask(&pool).expect("another"));
    assert!(resolve(&pool, &[2, 3]));
    assert_eq!(now(&pool), "2 3");
    assert_eq!(pool.members().primary[0].in_flight(), 1);
    assert_eq!(ask(&pool).expect("the new one").endpoint().target.to_string(), "10.0.0.3:80");
    assert!(!resolve(&pool, &[2, 3]), "the same again is no news");
    // its address is gone, its request is not
    assert_eq!(first.endpoint().in_flight(), 1);
    drop((first, second));
    assert_eq!(pool.members().primary[0].in_flight(), 0);
}

#[test]
fn an_address_that_was_gone_for_a_moment_is_counted_on() {
    let pool = named(rules(Balance::LeastConn), &[1, 2]);
    let open: Vec<_> = (0..4).filter_map(|_| ask(&pool)).collect();
    assert!(open.len() == 4 && ask(&pool).is_none(), "both are full");
    // a name server that gives a part of its addresses in turn
    assert!(resolve(&pool, &[1]) && resolve(&pool, &[2]) && resolve(&pool, &[1, 2]));
    assert!(ask(&pool).is_none(), "more in flight than `max_conns` allows");
    drop(open);
    assert!(pool.members().iter().all(|e| e.in_flight() == 0));
    assert!(ask(&pool).is_some());
}

#[test]
fn a_name_without_an_address_takes_nothing_until_it_resolves() {
    let pool = named(rules(Balance::RoundRobin), &[]);
    assert!(ask(&pool).is_none() && pool.entries[0].entry.is_unresolved());
    assert!(resolve(&pool, &[7]));
    assert!(ask(&pool).is_some());
}

#[test]
fn new_addresses_of_a_drained_name_are_drained_and_one_address_can_be_drained_alone() {
    let pool = named(rules(Balance::LeastConn), &[1, 2]);
    assert_eq!(pool.drain("10.0.0.1:80", true, at(2)), Some(1));
    let states = |pool: &Pool| pool.members().iter().map(|e| pool.state(e)).collect::<Vec<_>>();
    assert_eq!(states(&pool), [State::Drained, State::Up]);
    let open = ask(&pool);
    assert_eq!(pool.drain(NAME, true, at(2)), Some(2));
    assert_eq!(states(&pool), [State::Drained, State::Draining]);
    resolve(&pool, &[2, 3]);
    assert_eq!(states(&pool), [State::Draining, State::Drained]);
    drop(open);
    assert!(ask(&pool).is_none());
    assert_eq!(pool.drain(NAME, false, at(2)), Some(2));
    assert_eq!(states(&pool), [State::Up, State::Up]);
    assert_eq!(pool.drain("10.0.0.9:80", true, at(2)), None);
}

#[test]
fn a_name_that_grows_to_two_addresses_keeps_keys_where_it_can() {
    let pool = named(rules(Balance::Hash), &[1]);
    let asking = Asking::new(1);
    let led = |pool: &Pool| -> Vec<String> {
        (0..400)
            .filter_map(|n: u32| asking.keyed(pool, &n.to_le_bytes()))
            .map(|t| t.endpoint().target.to_string())
            .collect()
    };
    let before = led(&pool);
    resolve(&pool, &[1, 2]);
    let kept = before.iter().zip(led(&pool)).filter(|(before, after)| *before == after).count();
    assert!((120..280).contains(&kept), "{kept} of 400 stay, where half is the share");
    // one container comes back with another address: the name keeps all its keys
    resolve(&pool, &[3]);
    assert_eq!(led(&pool).len(), 400);
}
