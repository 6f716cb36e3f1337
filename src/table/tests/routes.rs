//! Which route wins, by example; and what an index weighs.

use super::*;

#[test]
fn the_longest_literal_wins_and_at_equal_literals_the_narrower_kind() {
    let index = index(&["/*", "/a*", "/a/*", "/a", "/a/b*", "/a/bc/*", "/ab", "/a/bc/d"]);
    for (path, id) in [
        ("/", 1),
        ("/b", 1),
        ("/a", 4),
        ("/a/", 3),
        ("/a/x", 3),
        ("/ax", 2),
        ("/ab", 7),
        ("/ab/", 2),
        ("/abc", 2),
        ("/a/b", 5),
        ("/a/b/c", 5),
        ("/a/bc", 6),
        ("/a/bcd", 5),
        ("/a/bc/d", 8),
        ("/a/bc/d/", 6),
    ] {
        assert_eq!(find(&index, path), Found::Route(id), "{path}");
    }
}

#[test]
fn a_path_that_no_pattern_matches_has_no_route() {
    let index = index(&["/a/*", "/b"]);
    for path in ["/", "/ab", "/b/", "/c", "/B", "/a%2Fb"] {
        assert_eq!(find(&index, path), Found::None, "{path}");
    }
    assert_eq!(find(&RouteIndexBuilder::default().build(), "/"), Found::None);
}

#[test]
fn what_does_not_accept_the_request_leaves_it_to_the_next_pattern_and_then_to_the_next_host() {
    let mut builder = RouteIndexBuilder::default();
    let (exact, wide, wider) = (Host::Exact("a.b.c"), Host::Wildcard("b.c"), Host::Wildcard("c"));
    builder.add(exact, 0, &pattern_of("/x/*"), 1);
    builder.add(exact, 0, &pattern_of("/x/*"), 2);
    builder.add(exact, 0, &pattern_of("/x*"), 3);
    builder.add(exact, 0, &pattern_of("/*"), 4);
    builder.add(wide, 0, &pattern_of("/x/*"), 5);
    builder.add(wider, 0, &pattern_of("/x/y"), 6);
    builder.add(Host::Any, 0, &pattern_of("/x/y"), 7);
    let index = builder.build();
    for least in 1..=7 {
        assert_eq!(index.find(b"a.b.c", b"/x/y", |id| id >= least), Found::Route(least));
    }
    assert_eq!(index.find(b"a.b.c", b"/x/y", |_| false), Found::None);
}

#[test]
fn the_host_is_exact_then_the_longest_wildcard_then_any() {
    let mut builder = RouteIndexBuilder::default();
    let hosts = [
        Host::Any,
        Host::Wildcard("example.com"),
        Host::Wildcard("b.example.com"),
        Host::Exact("example.com"),
        Host::Exact("a.b.example.com"),
        Host::Exact("[::1]"),
    ];
    for (host, id) in hosts.into_iter().zip(1..) {
        builder.add(host, 0, &pattern_of("/*"), id);
    }
    let index = builder.build();
    let long = "x.".repeat(10_000) + "b.example.com";
    for (host, id) in [
        ("example.com", 4),
        ("www.example.com", 2),
        ("b.example.com", 2),
        ("c.b.example.com", 3),
        ("a.b.example.com", 5),
        ("z.a.b.example.com", 3),
        ("xexample.com", 1),
        (".example.com", 1),
        ("com", 1),
        ("", 1),
        ("[::1]", 6),
        (&long, 3),
    ] {
        assert_eq!(index.find(host.as_bytes(), b"/", |_| true), Found::Route(id), "{host}");
    }
}

#[test]
fn a_hundred_thousand_routes_over_ten_thousand_hosts_take_less_than_a_hundred_bytes_each() {
    for (first, limit) in [("/v1/service", 100), ("/V1/Service", 160)] {
        let mut builder = RouteIndexBuilder::default();
        for id in 0..100_000 {
            let host = format!("tenant-{}.example.com", id / 10);
            builder.add(Host::Exact(&host), 0, &pattern_of(&format!("{first}-{}/*", id % 10)), id);
        }
        let index = builder.build();
        let bytes = index.heap_bytes() / 100_000;
        assert!(bytes < limit, "{bytes} bytes a route below {first}");
        assert_eq!(
            index.find(b"tenant-77.example.com", format!("{first}-3/x").as_bytes(), |_| true),
            Found::Route(773)
        );
    }
}

#[test]
fn expressions_are_asked_in_the_order_in_which_they_were_added_also_where_two_are_alike() {
    let index = index(&["~ b$", "~ ^/a", "~ b$"]);
    let but = |out: &[u32]| index.find(b"example.com", b"/ab", |id| !out.contains(&id));
    assert_eq!(but(&[]), Found::Route(1));
    assert_eq!(but(&[1]), Found::Route(2));
    assert_eq!(but(&[1, 2]), Found::Route(3));
}
