//! Texts within routes, whatever they hold: read and written back the same, or refused at their place.

use super::environment;
use proptest::prelude::*;
use wharf::config::review;
use wharf::value::{Expression, FieldPattern, Replacement, Template, Variable};

/// Values of routes that have a syntax of their own.
const PLACES: [&str; 14] = [
    "{ match: { path: /a, methods: [VALUE] }, upstream: app }",
    "{ match: { path: /a, headers: { X-A: VALUE } }, upstream: app }",
    "{ match: { path: /a, query: { a: VALUE } }, upstream: app }",
    "{ match: { path: /a, query: { VALUE: a } }, upstream: app }",
    "{ match: { path: /a/* }, upstream: app, priority: VALUE }",
    "{ match: { path: /a/* }, upstream: app, rewrite: { strip_prefix: VALUE } }",
    "{ match: { path: /a/* }, upstream: app, rewrite: { replace_prefix: VALUE } }",
    "{ match: { path: '/a/{id}' }, upstream: app, rewrite: { path: VALUE } }",
    "{ match: { path: /a/* }, upstream: app, rewrite: { regex: VALUE, to: /b } }",
    "{ match: { path: /a/* }, upstream: app, rewrite: { regex: '(a)(?<b>b)', to: VALUE } }",
    "{ match: { path: /a }, upstream: app, headers: { request: { set: { X-A: VALUE } } } }",
    "{ match: { path: /a }, upstream: app, headers: { response: { remove: [VALUE] } } }",
    "{ match: { path: /a }, upstream: app, errors: [{ status: [VALUE], respond: { status: 500 } }] }",
    "{ match: { path: '/a/{id}' }, redirect: { to: VALUE } }",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn every_text_in_a_route_is_read_or_refused_at_its_line(
        place in any::<prop::sample::Index>(),
        text in "[-/a-c{}$~*?<>().:^|+0-9 GETX_.#&=%\\\\\t\u{1}ø]{0,12}|/?\\{(host|uri|path|status|upstream|capture\\.id|header\\.X)\\}[/a]{0,3}",
    ) {
        let value = format!("'{text}'");
        let route = place.get(&PLACES).replace("VALUE", &value);
        let text = format!(
            "version: 1\nlisteners: {{ web: {{ address: ':80' }} }}\nupstreams: {{ app: {{ endpoints: [a:1] }} }}\nroutes:\n  - {route}\n"
        );
        let (document, report) = review("words.yaml", &text, &environment);
        prop_assert!(document.is_some() != report.has_errors(), "{report}");
        for diagnostic in &report.diagnostics {
            let at = report.file(diagnostic.at).map(|file| file.position(diagnostic.at.start).line);
            // an action that could not be read leaves the upstream without a route
            prop_assert!(at == Some(5) || document.is_some(), "{report}");
        }
    }

    #[test]
    fn what_is_read_is_written_back_the_same(text in "[-/a-c{}$~* ]{0,6}(\\{(host|path|query\\.a|cookie\\.b)\\}|\\{\\{|\\}\\}|\\$1|\\$b|\\$\\$|x){0,5}") {
        if let Ok(template) = Template::parse(&text) {
            prop_assert_eq!(Template::parse(&template.to_string()), Ok(template));
        }
        if let Ok(pattern) = FieldPattern::parse(&text) {
            prop_assert_eq!(FieldPattern::parse(&pattern.to_string()), Ok(pattern));
        }
        let expression = Expression::parse("(a)(?<b>b)").expect("an expression");
        if let Ok(replacement) = Replacement::parse(&text, &expression) {
            prop_assert_eq!(Replacement::parse(&replacement.to_string(), &expression), Ok(replacement));
        }
        if let Ok(variable) = Variable::parse(&text) {
            let shown = variable.to_string();
            prop_assert_eq!(Variable::parse(&shown[1..shown.len() - 1]), Ok(variable));
        }
    }
}
