//! Which route wins: on whole documents, what is found is what the rule names.

use super::tables::{Asked, Table, Winner, scan};
use fastrand::Rng;
use std::sync::Arc;
use std::time::Instant;
use wharf::config::{Bundle, Purpose, load_from};
use wharf::explain::Explainer;
use wharf::http::HeadLimits;
use wharf::http::request::{Parsed, RequestHead, Space};
use wharf::table::Found;
use wharf::table::compile::{Parts, compile};

/// Documents, and requests for each.
const TABLES: u64 = 100;
const REQUESTS: usize = 100;

#[test]
fn the_route_that_is_found_is_the_one_that_a_scan_of_all_routes_names() {
    let (mut routed, mut other_methods, mut ties) = (0, 0, 0);
    for seed in 0..TABLES {
        let mut rng = Rng::with_seed(seed);
        let table = Table::random(&mut rng, 30);
        let text = table.document("127.0.0.1", ["127.0.0.1:1"; 3]);
        let loaded =
            load_from(&Bundle::one("table.yaml", &text), Purpose::Check).unwrap_or_else(|report| panic!("{report}"));
        let parts = Parts {
            workers: 1,
            slots: Arc::default(),
            numbers: Arc::default(),
            challenges: Arc::default(),
            board: Arc::default(),
            start: Instant::now(),
        };
        let compiled = compile(&loaded.document, &loaded.material, &parts, None).expect("a table");
        let explainer = Explainer::new(&loaded).expect("an explainer");
        for n in 0..REQUESTS {
            let asked = Asked::plain(&mut rng, &table);
            let expected = scan(&table, &asked);
            let bytes = asked.question().head().expect("a request");
            let mut space = Space::new();
            let Ok(Parsed::Whole(head)) = RequestHead::parse(&bytes, &mut space, HeadLimits::RESPONSE) else {
                panic!("no request: {asked:?}")
            };
            let listener = compiled.listeners.iter().find(|listener| *listener.name == *asked.listener).expect("it");
            let found = match compiled.find(listener, asked.host.as_bytes(), &head, false) {
                Found::Route(place) => Winner::Route(compiled.route(place).name().to_owned()),
                Found::OtherMethods => Winner::OtherMethods,
                Found::None => Winner::None,
                Found::Ambiguous | Found::Malformed => panic!("seed {seed}: {asked:?} is plain"),
            };
            match &expected {
                // what the language accepts is told apart by the values that requests can have
                Winner::Tie(..) => {
                    ties += 1;
                    continue;
                }
                Winner::Route(_) => routed += 1,
                Winner::OtherMethods => other_methods += 1,
                Winner::None => {}
            }
            assert_eq!(found, expected, "seed {seed}: {asked:?} in\n{text}");
            if n % 20 > 0 {
                continue;
            }
            let explained = explainer.explain(&asked.question()).expect("an explanation");
            let name = if let Winner::Route(name) = expected { Some(name) } else { None };
            assert_eq!(explained.route, name, "seed {seed}: {asked:?} in\n{text}");
        }
    }
    assert!(routed > 3_000 && other_methods > 100, "{routed} {other_methods}");
    assert_eq!(ties, 0, "two routes of one rank that one request matches were accepted");
}
