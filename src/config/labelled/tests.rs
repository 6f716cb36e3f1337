//! What is granted of what containers ask for, and what is not.

use super::super::parse;
use super::*;
use proptest::prelude::*;

const FILE: &str = "version: 1\nlisteners: { web: { address: \":8080\" } }\n\
    upstreams: { cart: { discover: { docker: cart } } }\n\
    routes:\n  - { name: front, match: { host: shop.test, path: /* }, upstream: cart }\n";

fn document(routes: &str) -> Document {
    let text = format!("{FILE}discovery: {{ docker: {{ routes: {routes} }} }}\n");
    parse("gateway.yaml", &text).map_err(|report| report.render(false)).unwrap()
}

fn claim(service: &str, place: &str) -> Claim {
    let (host, path) =
        place.split_once('/').map_or((place, None), |(host, path)| (host, Some(format!("/{path}").into())));
    Claim {
        service: service.into(),
        host: (!host.is_empty()).then(|| host.into()),
        path,
        by: format!("{service}-1").into(),
    }
}

/// Routes beside those of the file with their upstreams, and what was refused.
fn label(document: &mut Document, claims: &[Claim]) -> (String, String) {
    let mut refused: Vec<String> = document.label(claims).into_iter().map(|(_, why)| why).collect();
    refused.sort();
    let routes = document.routes.iter().filter(|route| route.is_labelled());
    let shown = routes.map(|route| format!("{} {}", route.name(), route.action.upstreams().next().unwrap().value));
    (shown.collect::<Vec<_>>().join(", "), refused.join(", "))
}

#[test]
fn a_service_of_the_file_keeps_its_upstream_and_another_gets_one() {
    let mut document = document("{}");
    let (routes, refused) = label(&mut document, &[claim("cart", "shop.test/cart/*"), claim("users", "users.test")]);
    assert_eq!(routes, "docker:shop.test/cart/* cart, docker:users.test/* docker:users");
    assert_eq!(refused, "");
    assert_eq!(document.upstreams.len(), 2);
    // and all of it goes as it came
    assert_eq!(label(&mut document, &[]), (String::new(), String::new()));
    assert_eq!((document.upstreams.len(), document.routes.len()), (1, 1));
    assert!(document.upstreams.get("docker:users").is_none());
}

#[test]
fn what_the_file_says_comes_first_and_then_whoever_was_there_first() {
    let mut document = document("{}");
    let claims =
        [claim("bad", "Shop.test"), claim("users", "a.test/x"), claim("bad", "a.test/x"), claim("users", "A.test/x")];
    let (routes, refused) = label(&mut document, &claims);
    assert_eq!(routes, "docker:a.test/x docker:users");
    assert_eq!(
        refused,
        "container bad-1: label wharf.host: `a.test/x` is taken already, by the upstream `docker:users`, \
         container bad-1: label wharf.host: `shop.test/*` is taken already, by the route `front` of the file"
    );
}

#[test]
fn what_labels_get_wrong_is_said_in_the_words_of_the_file() {
    let of = |claim: Claim| label(&mut document("{}"), &[claim]);
    for (place, said) in [
        ("a.test:80", "label wharf.host: a host is matched without its port; write `a.test`"),
        ("a b/x", "label wharf.host: "),
        ("/~ x", "label wharf.path: "),
        ("/x{", "label wharf.path: "),
    ] {
        let (routes, refused) = of(claim("users", place));
        assert_eq!(routes, "", "{place}");
        assert!(refused.starts_with(&format!("container users-1: {said}")), "{place}: {refused}");
    }
    let regex = Claim { path: Some("~ ^/x".into()), ..claim("users", "a.test") };
    assert!(of(regex).1.ends_with("label wharf.path: a regular expression stands in the gateway's file alone"));
    assert!(of(claim("no name", "a.test")).1.contains("label wharf.service: ` ` cannot stand in a name"));
    assert_eq!(of(claim("${HOME}", "a.test")).0, "");
}

#[test]
fn hosts_that_are_not_allowed_are_refused() {
    let mut document = document("{ hosts: [\"*.apps.test\", one.test], listeners: [web] }");
    let places = ["a.apps.test", "*.b.apps.test", "one.test", "apps.test", "*.one.test", "evil.test", "/x"];
    let claims: Vec<Claim> = places.iter().map(|place| claim("users", place)).collect();
    let (routes, refused) = label(&mut document, &claims);
    assert_eq!(routes.matches("docker:users").count(), 3, "{routes}");
    assert_eq!(refused.matches("is not among").count(), 3, "{refused}");
    assert!(refused.contains("container users-1: label wharf.host: is missing"), "{refused}");
    assert!(document.routes.iter().filter(|route| route.is_labelled()).all(|route| route.listeners.is_some()));
}

#[test]
fn a_route_of_the_file_keeps_requests_even_where_it_is_asked_late() {
    let routes = "  - { name: regex, match: { host: re.test, path: '~ ^/api/v[12]/' }, upstream: cart }\n  \
                  - { name: late, match: { host: late.test, path: /x }, priority: -1, upstream: cart }\n  \
                  - { name: early, match: { host: early.test, path: /x* }, priority: 1, upstream: cart }\n";
    let text = format!("{FILE}{routes}discovery: {{ docker: {{ routes: {{}} }} }}\n");
    let mut document = parse("gateway.yaml", &text).map_err(|report| report.render(false)).unwrap();
    let of = |document: &mut Document, place: &str| label(document, &[claim("users", place)]);
    for (place, said) in [
        ("re.test", "host: `re.test/*` would take all requests of the route `regex` of the file"),
        ("late.test/x", "host: `late.test/x` would take all requests of the route `late` of the file"),
        ("early.test/xy/*", "host: `early.test/xy/*` would get none of the requests of the route `early` of the file"),
    ] {
        let refused = format!("container users-1: label wharf.{said}");
        assert_eq!(of(&mut document, place), (String::new(), refused));
    }
    for place in ["re.test/else/*", "late.test/y", "early.test/y", "shop.test/x"] {
        assert_eq!(of(&mut document, place).1, "", "{place}");
    }
}

#[test]
fn a_path_that_is_a_burden_to_every_series_is_refused() {
    let of = |path: String| label(&mut document("{}"), &[claim("users", &path)]).1;
    assert_eq!(of(format!("/{}", "x".repeat(PATH_LONGEST - 1))), "");
    assert!(of(format!("/{}", "x".repeat(PATH_LONGEST))).ends_with("a path in a label has at most 256 bytes"));
}

proptest! {
    #[test]
    fn whatever_containers_ask_for_the_file_says_what_it_said_and_a_table_is_made_of_it(
        asked in prop::collection::vec(
            (
                prop_oneof!["[a-c]", "cart", "docker:cart", "\\PC{0,8}", any::<String>()],
                prop::option::of(prop_oneof![
                    "(\\*\\.)?(shop|a|b)\\.(test|Test|test\\.)",
                    "[0-9.]{1,12}", "\\[[0-9a-f:]{0,8}\\]", any::<String>(),
                ]),
                prop::option::of(prop_oneof![
                    "(/(x|\\{a\\}|\\{b\\}|%20|api)){0,3}(/?\\*)?", "~ .{0,4}", any::<String>(),
                ]),
            ),
            0..24,
        ),
    ) {
        let file = format!(
            "{FILE}  - {{ name: regex, match: {{ host: a.test, path: '~ ^/api' }}, upstream: cart }}\n  \
             - {{ name: late, match: {{ path: '/x/{{id}}' }}, priority: -1, upstream: cart }}\n\
             discovery: {{ docker: {{ routes: {{}} }} }}\n"
        );
        let mut document = parse("gateway.yaml", &file).map_err(|report| report.render(false)).unwrap();
        let said = |document: &Document| format!("{:?} {:?}", document.routes, document.upstreams);
            let (before, written) = (said(&document), document.routes.len());
        let claims: Vec<Claim> = asked
            .into_iter()
            .map(|(service, host, path)| Claim {
                service: service.into(), host: host.map(Into::into), path: path.map(Into::into), by: "c".into(),
            })
            .collect();
        let refused = document.label(&claims);
        let (of_file, made) = document.routes.split_at(written);
        prop_assert!(made.len() + refused.len() <= claims.len());
        prop_assert!(made.iter().all(RouteConfig::is_labelled) && !of_file.iter().any(RouteConfig::is_labelled));
        for (n, route) in document.routes.iter().enumerate() {
            let alike = |other: &RouteConfig| tie(route, other) || route.name() == other.name();
            prop_assert!(!document.routes[..n].iter().any(alike));
            prop_assert!(route.action.upstreams().all(|name| document.upstreams.knows(name)));
        }
        for route in made {
            prop_assert!(!of_file.iter().any(|other| rank(route, other).is_lt() && covers(route, other)));
        }
        // the same again is the same, and nothing leaves what the file says
        let labelled = said(&document);
        document.label(&claims);
        prop_assert_eq!(labelled, said(&document));
        document.label(&[]);
        prop_assert_eq!(before, said(&document));
    }
}

#[test]
fn nothing_is_granted_where_it_was_not_asked_for() {
    let mut document = parse("gateway.yaml", FILE).map_err(|report| report.render(false)).unwrap();
    assert_eq!(label(&mut document, &[claim("users", "a.test")]), (String::new(), String::new()));
}
