//! No spelling of a guarded path leads to another route, and ordinary paths stay ordinary.

use super::*;

/// What some server reads as `/admin` or as a path below it.
const SPELLINGS_OF_ADMIN: &[&str] = &[
    // doubled slashes and dot segments
    "//admin",
    "///admin",
    "//admin//",
    "/./admin",
    "/././admin",
    "/.//admin",
    "//./admin",
    "/admin/.",
    "/admin/./",
    "/admin/x/..",
    "/admin/../admin",
    "/x/../admin",
    "/x/y/../../admin",
    "/x//../admin",
    "/x//../../admin",
    "/x/./../admin",
    "/x/../x/../admin/y",
    "/../admin",
    "/..//admin",
    "/admin/..",
    "/admin/../x",
    "/admin//../x",
    // the same, percent-encoded
    "/%2e/admin",
    "/%2E/admin",
    "/%2e%2f/admin",
    "/%2fadmin",
    "/%2Fadmin",
    "/%2f%2fadmin",
    "/x/%2e%2e/admin",
    "/x/.%2e/admin",
    "/x/%2e./admin",
    "/x%2f..%2fadmin",
    "/x/..%2fadmin",
    "/x/..%2Fadmin",
    "/x/%2e%2e%2fadmin",
    "/x%2f%2e%2e%2fadmin",
    "/%2e%2e/admin",
    "/%2e%2fadmin",
    "/.%2fadmin",
    "/admin%2f",
    "/admin%2fx",
    "/admin%2f..%2fx",
    "/admin%2f%2e",
    "/a/../admin/%2e%2e/x",
    // letters, percent-encoded
    "/%61dmin",
    "/admi%6e",
    "/%61%64%6d%69%6e",
    "/%61%64%6D%69%6E/x",
    "/ad%6Din/",
    // encoded twice and more often
    "/%2561dmin",
    "/%252561dmin",
    "/%25252561dmin",
    "/%2525252525252561dmin",
    "/%25%36%31dmin",
    "/%%36%31dmin",
    "/%252fadmin",
    "/%255cadmin",
    "/x/%252e%252e/admin",
    "/x/..%252fadmin",
    "/x/..%255cadmin",
    "/x%252f..%252fadmin",
    "/x/%252e%252e%252fadmin",
    "/admin%252fx",
    "/admin%253bx",
    "/admin%2500",
    "/a/%2e%2e/admin/%252e%252e/x",
    // backslashes
    "/\\admin",
    "\\admin",
    "/.\\admin",
    "/x/..\\admin",
    "/x\\..\\admin",
    "/x\\../admin",
    "/%5cadmin",
    "/%5Cadmin",
    "/x/..%5cadmin",
    "/x%5c..%5cadmin",
    "/x/%2e%2e%5cadmin",
    "/x/..%5c/admin",
    "/admin\\",
    "/admin\\x",
    "/admin%5cx",
    "/admin%5c..%5cx",
    // parameters
    "/admin;",
    "/admin;/",
    "/admin;x=1",
    "/admin;x=1/y",
    "/admin;a;b=c/y",
    "/;/admin",
    "/;x=y/admin",
    "/.;/admin",
    "/.;x=1/admin",
    "/x/..;/admin",
    "/x/..;a=b/admin",
    "/x/..;/admin;/y",
    "/x;y/..;/admin",
    "/admin%3b",
    "/admin%3bx/y",
    "/x/..%3b/admin",
    "/x/%2e%2e;/admin",
    "/x/..;%2fadmin",
    "/x/;/../../admin",
    "/x/y/../../admin;/../x/y",
    "/admin;%2f..%2f..%2fx",
    // overlong UTF-8 and full-width forms
    "/%c0%afadmin",
    "/%C0%AFadmin",
    "/%c0%2fadmin",
    "/%c0%ae/admin",
    "/x/%c0%ae%c0%ae/admin",
    "/x/%c0%ae%c0%ae%c0%afadmin",
    "/x/..%c0%afadmin",
    "/x/..%c1%9cadmin",
    "/%c1%a1dmin",
    "/%e0%81%a1dmin",
    "/%e0%80%afadmin",
    "/x/..%e0%80%afadmin",
    "/%f0%80%80%afadmin",
    "/x/..%f8%80%80%80%afadmin",
    "/x/..%fc%80%80%80%80%afadmin",
    "/%c0%a561dmin",
    "/%25c0%25afadmin",
    "/%EF%BD%81dmin",
    "/x/..%EF%BC%8Fadmin",
    "/x/%EF%BC%8E%EF%BC%8E/admin",
    // case
    "/ADMIN",
    "/Admin",
    "/aDmIn/x",
    "/ADMIN/",
    "/%41dmin",
    "/%41DMIN/x",
    "//ADMIN",
    "/x/../ADMIN",
    "/adm%C4%B1n",
    "/ADM%C4%B0N",
    // trailing and leading bytes that are trimmed
    "/admin%20",
    "/admin%20/x",
    "/admin%20%20",
    "/%20admin",
    "/admin.",
    "/admin./",
    "/admin./x",
    "/admin...",
    "/admin.%20.",
    "/admin%2e",
    "/admin%2e/x",
    "/ADMIN./x",
    "/admin%09",
    "/admin%0a",
    "/admin%0d%0a",
    "/admin%0b/x",
    "/admin%1f",
    "/admin%7f",
    "/admin%85",
    "/admin%a0",
    "/admin%c2%a0/x",
    "/x/..%20/admin",
    "/.%20/admin",
    "/%20/admin",
    "/.../admin",
    // what else file systems ignore
    "/admin::$DATA",
    "/admin::$data/x",
    "/admin:$I30:$INDEX_ALLOCATION/x",
    "/ad%E2%80%8Cmin",
    "/admin%EF%BB%BF/x",
    "/ad%ffmin",
    // ends within the path
    "/admin%00",
    "/admin%00.html",
    "/%00/admin",
    "/admin%3f",
    "/admin%3Fx=1",
    "/admin%23",
    "/admin%23x",
    "/x/../admin%3f/../../x",
    "/admin%c0%80",
    // not even percent-encoding
    "/admin%",
    "/admin%2",
    "/admin%zz",
    "/%u0061dmin",
];

#[test]
fn every_spelling_of_a_guarded_path_is_guarded() {
    assert!(SPELLINGS_OF_ADMIN.len() >= 120);
    let index = index(&["/admin/*", "/*"]);
    for path in SPELLINGS_OF_ADMIN {
        assert_ne!(find(&index, path), Found::Route(2), "{path}");
        let deeper = format!("{path}/deeper");
        assert_ne!(find(&index, &deeper), Found::Route(2), "{deeper}");
    }
}

#[test]
fn spellings_stay_guarded_when_the_request_cannot_take_the_guard_route_that_is_not_theirs() {
    let index = index(&["/admin/*", "/*", "/admin/*"]);
    for path in SPELLINGS_OF_ADMIN {
        assert_ne!(index.find(b"", path.as_bytes(), |id| id != 1), Found::Route(2), "{path}");
        // Without any guard that accepts the request, the rest is for everyone.
        let open = index.find(b"", path.as_bytes(), |id| id == 2);
        assert!(matches!(open, Found::Route(2) | Found::Malformed), "{path}: {open:?}");
    }
}

#[test]
fn every_spelling_of_a_guarded_file_is_guarded_wherever_the_guard_stands() {
    let mut builder = RouteIndexBuilder::default();
    builder.add(Host::Any, 0, &pattern_of("/admin/*"), 1);
    builder.add(Host::Wildcard("com"), 0, &pattern_of("/admin*"), 1);
    builder.add(Host::Exact("example.com"), 0, &pattern_of("/other"), 3);
    builder.add(Host::Any, 0, &pattern_of("/*"), 2);
    let index = builder.build();
    for path in SPELLINGS_OF_ADMIN {
        assert_ne!(find(&index, path), Found::Route(2), "{path}");
    }
}

#[test]
fn the_order_in_which_a_server_does_its_steps_makes_a_reading_of_its_own() {
    for (guard, path) in [
        // Parameters removed, then decoded twice.
        ("/a/b", "/a;%252fx/%2562"),
        // Dot segments resolved with the empty segments, which are merged then.
        ("/a/b/*", "/a//x//../../b"),
        // The same the other way about.
        ("/a/b/*", "/a/x//../b"),
        // Resolved by a path library, which leaves no slash at the end.
        ("/a", "/a/."),
        ("/a", "/a/x/.."),
        ("/a", "/a/x//.."),
        // Resolved before decoding and not after it.
        ("/a/*", "/x/../a/%2e%2e/y"),
    ] {
        assert_eq!(find(&index(&["/*", guard]), path), Found::Ambiguous, "{guard} and {path}");
    }
}

#[test]
fn what_folding_loses_stays_guarded_by_names_and_expressions() {
    for (guard, paths) in [
        (
            "/{tenant}/admin/*",
            &["/%20/ADMIN/x", "/%0A/adMin", "/%E2%80%8B/Admin", "/%FF/ADMIN", "/%20/%2541dmin", "/%20/admin./x"][..],
        ),
        ("~ ^/[^/]+/admin(/|$)", &["/%20/ADMIN/x", "/%09/Admin;/x", "/%ad/ADMIN", "/%20/Admin.%20/x"]),
        ("~ \\.php$", &["/x:$y.PHP", "/a.%50hp/b::$DATAa.phP", "/x:$y.PHP%20"]),
        ("~ ^/x .y$", &["/X%20.Y"]),
    ] {
        let mut builder = RouteIndexBuilder::default();
        builder.add(Host::Any, 1, &pattern_of(guard), 1);
        builder.add(Host::Any, 0, &pattern_of("/*"), 2);
        let index = builder.build();
        for path in paths {
            assert_ne!(find(&index, path), Found::Route(2), "{guard} and {path}");
        }
        assert_eq!(find(&index, "/a%20b/x%2Ey:z;q"), Found::Route(2), "{guard}");
    }
}

#[test]
fn a_lone_route_takes_everything_well_formed() {
    let index = index(&["/*"]);
    for path in SPELLINGS_OF_ADMIN.iter().chain(&["/a%2Fb", "/%2525252541", "/x;y/..;/z", "/%c0%af"]) {
        let found = find(&index, path);
        assert!(matches!(found, Found::Route(1) | Found::Malformed), "{path}: {found:?}");
    }
    let hostile = "/a%252f..;x\\%c0%ae%3f".repeat(400);
    assert_eq!(find(&index, hostile), Found::Route(1));
}

#[test]
fn ordinary_paths_keep_their_route_beside_a_guard() {
    let index = index(&["/admin/*", "/*", "/files/*", "/caf\u{e9}/*", "/my docs/*", "/Users/*", "/users/*", "/v1./*"]);
    for (path, id) in [
        ("/", 2),
        ("/x/", 2),
        ("/a%20b", 2),
        ("/caf%C3%A9s", 2),
        ("/Item/ABC123", 2),
        ("/a%2Fb", 2),
        ("/a%252Fb", 2),
        ("/100%25", 2),
        ("/.well-known/acme-challenge/x-Y_z", 2),
        ("/a;b=c/d", 2),
        ("/x/y/../z", 2),
        ("/x//y", 2),
        ("/x...y/.z", 2),
        ("/odata/$metadata", 2),
        ("/v2/projects/x:cancel", 2),
        ("/~user/a+b,(c)!", 2),
        ("/%E6%97%A5%E6%9C%AC%E8%AA%9E", 2),
        ("/administrator", 2),
        ("/admin-x", 2),
        ("/Administrator/X", 2),
        ("/r/https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%23d", 2),
        ("/admin", 1),
        ("/admin/Users/a%20b", 1),
        ("/admin/users;x=1/..x", 1),
        ("/files/report;v=2", 3),
        ("/files/a%2Fb", 3),
        ("/files/a%2fb%5Cc", 3),
        ("/files/A//B", 3),
        ("/files/a/../b", 3),
        ("/files/what%3F%23", 3),
        ("/caf%C3%A9/%C3%A0", 4),
        ("/caf\u{e9}", 4),
        ("/my%20docs/x", 5),
        ("/Users/1", 6),
        ("/users/1", 7),
        ("/users/A;b", 7),
        ("/v1./x", 8),
    ] {
        assert_eq!(find(&index, path), Found::Route(id), "{path}");
    }
    assert_eq!(find(&index, "/USERS/1"), Found::Ambiguous);
}

#[test]
fn a_pattern_in_upper_case_guards_its_spelling_in_lower_case() {
    let index = index(&["/Admin/*", "/*"]);
    assert_eq!(find(&index, "/Admin/x"), Found::Route(1));
    assert_eq!(find(&index, "/admin/x"), Found::Ambiguous);
    assert_eq!(find(&index, "/adminx"), Found::Route(2));
}

#[test]
fn what_is_not_exposed_is_not_reached_by_another_reading() {
    let index = index(&["/public/*"]);
    for path in ["/public/..%2fsecret", "/public/..;/secret", "/public/..\\secret", "/public/%252e%252e/secret"] {
        assert_eq!(find(&index, path), Found::Ambiguous, "{path}");
    }
    assert_eq!(find(&index, "/public/../secret"), Found::None);
}

#[test]
fn a_path_with_too_many_readings_is_ambiguous() {
    let index = index(&["/admin/*", "/*"]);
    assert_eq!(find(&index, "/a%252f..;x\\%c0%ae%3f".repeat(400)), Found::Ambiguous);
    assert_eq!(find(&index, "/a%20b".repeat(1_000)), Found::Route(2));
}

#[test]
fn many_expressions_are_not_searched_for_by_thousands_of_readings() {
    let mut builder = RouteIndexBuilder::default();
    builder.add(Host::Any, 0, &pattern_of("/*"), 0);
    for id in 1..=1000 {
        builder.add(Host::Any, 1, &pattern_of(&format!("~ ^/r{id}/x$")), id);
    }
    let index = builder.build();
    let hostile = "/q%25252541%c1%a1;a%5cb%3fc%23d//./y%2fz%255c%253b/x/..%2fw%EF%BC%8Fk;j//..;/v";
    assert_eq!(find(&index, hostile), Found::Ambiguous);
    for ordinary in ["/a%20b", "/a%2Fb", "/x//y", "/caf%C3%A9/../z", "/A;b=c/d", "/100%25", "/q%252Fx/./%E6%97%A5"] {
        assert_eq!(find(&index, ordinary), Found::Route(0), "{ordinary}");
    }
    assert_eq!(find(&index, "/r7/%78"), Found::Route(7));
}

#[test]
fn broken_paths_are_malformed_whatever_the_routes() {
    for index in [index(&["/*"]), index(&["/a"])] {
        for path in
            ["/%", "/%4", "/%zz", "/%00", "/\0", "/..", "/../a", "/a/../../b", "/%2e%2e", "/a//../..", "", "a", "*"]
        {
            assert_eq!(find(&index, path), Found::Malformed, "{path}");
        }
    }
}

#[test]
fn a_route_is_found_inside_the_finding_of_another() {
    let index = index(&["/a/*", "/*"]);
    let found = index.find(b"", b"/x%20y", |_| find(&index, "/a/%20") == Found::Route(1));
    assert_eq!(found, Found::Route(2));
}
