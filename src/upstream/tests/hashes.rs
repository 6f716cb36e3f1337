//! Balancing by a hash: as nginx does it, and moving no more keys than must be.

use super::*;
use proptest::prelude::*;

/// The endpoints of the recorded runs of nginx 1.22, a to f.
const RECORDED: [(&str, u32); 6] = [
    ("127.77.0.1:8101", 1),
    ("127.77.0.1:8102", 2),
    ("127.77.0.2:8101", 1),
    ("unix:/tmp/ngx/e.sock", 1),
    ("localhost:8104", 1),
    ("[::1]:8105", 3),
];

/// Where `hash $arg_k consistent` over them led the keys key0, key1 … key299.
const BY_KEY: &str = "\
    dfdebefbebabefffbfafddffdeeeeabebafbefffcdcacfbfffbbfbdcecdfadacaafbbedffefbbbbbfeaaeffabffbbfcdfddf\
    aebaacbffffffbdebafeaabaffacafbfbfdfaefdfdedfbbfdeecfffecfdfcabaefdbcfefbfbbbffadfdacbfcaffffddbfaff\
    eeacffabebefeceffcfefcaeccafcfbfffbbbaeafdbabebbbeccebffbbfbcbcffadfebdbeddfffbcfdafebdbbfbaafabbded";

/// Where `ip_hash` over a, b, c and d, the last with a weight of 5, led the clients of [`client`].
const BY_NETWORK: &str = "dbddbddcadcadcbddbddbbddbddbadcadcbddbddbaddbddbddcadcaddbddbdddbddbddcadcaddbddbddcbddbddbadcaddbddbddca\
    ddbddbddcaddbddbddcaddbddbddcaddbddbddcadcbddbddbadcbddbddcadcaddbddbddcbddbddbadcaddbddbddcbdd";

/// Where it led them with a weight of 60 for a, which was down, and without d: half the networks find no other endpoint in all the tries.
const PAST_ONE_DOWN: &str = "cbbcbbcbccbbbcbbcbcbbcbbbcccbbcbbcbbbccbcbcbcbbcbccbcccbbcbcbbcbccbccbbcccbbcbbbcccccccbcbcbcccbcbbcb\
    ccbbcbcbcbcbbcbccbbcbcbbcbccbbccbccbcbcbccbbcbbcbbcccbbcbccbbccbcbbccbcbcbcbcbcbcbbcbbcccbcbccbbbcc";

fn client(n: u8) -> [u8; 4] {
    [127, n % 7 + 1, (u32::from(n) * 37 % 251) as u8, n % 200 + 1]
}

fn place(text: &str) -> Place {
    if let Some(path) = text.strip_prefix("unix:") {
        return Place::Unix(std::path::Path::new(path).into());
    }
    text.parse().map(Place::Socket).unwrap_or_else(|_| {
        let (host, port) = text.rsplit_once(':').expect("a port");
        let port = port.parse().expect("a number");
        let addresses = Arc::new(vec![([127, 0, 0, 1], port).into()]);
        Place::Name { host: host.into(), port, addresses: addresses.into() }
    })
}

/// A pool of endpoints by their addresses.
fn pool_at(balance: Balance, endpoints: &[(&str, u32)]) -> Pool {
    let lasting = Arc::new(Lasting::default());
    let listed = endpoints.iter().map(|(address, weight)| Listed {
        entry: entry(address, place(address), &lasting),
        weight: *weight,
        max_conns: Count::UNLIMITED,
        backup: false,
    });
    Pool::new("pool", listed.collect(), rules(balance), Arc::clone(&lasting), at(1))
}

/// The letter of the endpoint that took the request.
fn recorded(taken: Option<InFlight>) -> String {
    RECORDED.iter().position(|(address, _)| *address == name_of(&taken)).map_or_else(|| "-".into(), letter)
}

fn name_of(taken: &Option<InFlight>) -> String {
    taken.as_ref().map_or_else(String::new, |taken| taken.endpoint().entry.address.to_string())
}

#[test]
fn a_key_leads_where_nginx_leads_it_by_address_name_and_socket_file() {
    let (pool, asking) = (pool_at(Balance::Hash, &RECORDED), Asking::new(1));
    let led: String = (0..300).map(|n| recorded(asking.keyed(&pool, format!("key{n}").as_bytes()))).collect();
    assert_eq!(led, BY_KEY);
}

#[test]
fn a_network_leads_where_nginx_leads_it() {
    let asking = Asking::new(1);
    let mut endpoints = RECORDED[..4].to_vec();
    endpoints[3].1 = 5;
    let pool = pool_at(Balance::IpHash, &endpoints);
    let led: String = (0..200).map(|n| recorded(asking.from(&pool, client(n)))).collect();
    assert_eq!(led, BY_NETWORK);

    let mut endpoints = RECORDED[..3].to_vec();
    (endpoints[0].1, endpoints[1].1) = (60, 1);
    let pool = pool_at(Balance::IpHash, &endpoints);
    assert_eq!(pool.drain(RECORDED[0].0, true, at(1)), Some(1));
    let led: String = (0..200).map(|n| recorded(asking.from(&pool, client(n)))).collect();
    assert_eq!(led, PAST_ONE_DOWN);
}

/// nginx's `ip_hash` written down anew: where a network leads when those that `open` refuses cannot take it; `None` to take turns.
fn network_leads(network: &[u8], weights: &[u32], open: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut hash, mut misses) = (89, 0);
    loop {
        for octet in network {
            hash = (hash * 113 + u32::from(*octet)) % 6271;
        }
        let mut rest = hash % weights.iter().sum::<u32>();
        let mut place = 0;
        while rest >= weights[place] {
            rest -= weights[place];
            place += 1;
        }
        if open(place) {
            return Some(place);
        }
        misses += 1;
        if misses > 20 {
            return None;
        }
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn any_network_leads_where_the_model_leads_it(
        weights in prop::collection::vec(1..20_u32, 1..8),
        closed in prop::collection::vec(any::<bool>(), 8),
        address in prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)],
    ) {
        let (pool, asking) = (pool(Balance::IpHash, &weights), Asking::new(1));
        for n in (0..weights.len()).filter(|n| closed[*n]) {
            pool.drain(&letter(n), true, at(1));
        }
        let network = match address {
            IpAddr::V4(ip) => ip.octets()[..3].to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let led = name(asking.from(&pool, address));
        match network_leads(&network, &weights, |n| !closed[n]) {
            Some(n) => prop_assert_eq!(led, letter(n)),
            None => prop_assert!(led == "-" || !closed[usize::from(led.as_bytes()[0] - b'a')]),
        }
    }
}

fn led(pool: &Pool, keys: u32) -> Vec<String> {
    let asking = Asking::new(1);
    (0..keys).map(|n| name(asking.keyed(pool, format!("tenant-{n}").as_bytes()))).collect()
}

#[test]
fn an_eleventh_endpoint_takes_about_its_share_of_the_keys_and_no_other_key_moves() {
    let before = led(&pool(Balance::Hash, &[1; 10]), 3000);
    let after = led(&pool(Balance::Hash, &[1; 11]), 3000);
    let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    assert!(moved.iter().all(|(_, after)| **after == letter(10)), "keys moved between others");
    assert!((150..420).contains(&moved.len()), "{} of 3000 moved, where 273 is the share", moved.len());
}

#[test]
fn an_endpoint_that_leaves_gives_its_keys_to_all_others_and_no_other_key_moves() {
    let (whole, asking) = (pool(Balance::Hash, &[1; 10]), Asking::new(1));
    let before = led(&whole, 3000);
    // down, drained or gone: all the same
    let gone = led(&pool(Balance::Hash, &[1; 9]), 3000);
    whole.drain(&letter(9), true, at(1));
    let drained = led(&whole, 3000);
    assert_eq!(gone, drained);
    let moved: Vec<_> = before.iter().zip(&gone).filter(|(before, after)| before != after).collect();
    assert!(moved.iter().all(|(before, _)| **before == letter(9)), "keys moved between others");
    assert_eq!(moved.len(), before.iter().filter(|b| **b == letter(9)).count());
    let heirs: std::collections::HashSet<_> = moved.iter().map(|(_, after)| after).collect();
    assert_eq!(heirs.len(), 9, "each takes some");
    assert_ne!(name(asking.keyed(&whole, b"")), "-", "without a key they take turns");
}

#[test]
fn keys_are_spread_by_weight() {
    let weights = [1, 2, 3, 4, 10];
    let led = led(&pool(Balance::Hash, &weights), 6000);
    for (n, weight) in weights.iter().enumerate() {
        let share = led.iter().filter(|l| **l == letter(n)).count() * 20 / *weight as usize;
        // 160 points a weight do not lie evenly
        assert!((4000..8500).contains(&share), "{}: {share}", letter(n));
    }
}

#[test]
fn two_endpoints_at_one_address_stand_in_for_each_other() {
    // a name that resolves to an address which is listed too
    let pool = pool_at(Balance::Hash, &[("127.0.0.1:80", 1), ("127.0.0.2:80", 1), ("app:80", 1), ("db:80", 1)]);
    let members = pool.members();
    let Place::Name { addresses, .. } = &members.primary[2].entry.place else { panic!("a name") };
    addresses.store(Arc::new(vec![([127, 0, 0, 1], 80).into(), ([127, 0, 0, 3], 80).into()]));
    assert!(pool.refresh(at(2)));
    let asking = Asking::new(1);
    let key =
        (0..1000).map(|n| format!("key{n}")).find(|key| name(asking.keyed(&pool, key.as_bytes())) == "127.0.0.1:80");
    let key = key.expect("one of a thousand");
    pool.drain("127.0.0.1:80", true, at(2));
    let heir = asking.keyed(&pool, key.as_bytes()).expect("an endpoint");
    // the drain by that address reached both endpoints there
    assert_ne!(heir.endpoint().target.to_string(), "127.0.0.1:80");
    assert_eq!(members.primary[0].entry.address, "127.0.0.1:80".into());
    pool.members().primary[2].set_drained(false, at(3));
    let heir = asking.keyed(&pool, key.as_bytes()).expect("an endpoint");
    assert_eq!(
        (&*heir.endpoint().entry.address, heir.endpoint().target.to_string()),
        ("app:80", "127.0.0.1:80".into())
    );
}
