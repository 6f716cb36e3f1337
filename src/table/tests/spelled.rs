//! The normal form that policies work on is the one that routes are found by.

use super::*;
use crate::http::spelled_path::SpelledPath;
use crate::table::canonical;
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn a_path_that_knows_its_spelling_has_the_canonical_form(
        path in "(/|a|\\.|\\.\\.|%2e|%2E|%2f|%5C|%5c|%41|%25|%00|%7|%zz|;x|\\\\|é|%C3%A9){0,14}",
    ) {
        let (spelled, canonical) = (SpelledPath::of(path.as_bytes()), canonical(path.as_bytes()));
        prop_assert_eq!(spelled.as_ref().map(SpelledPath::normal), canonical.as_deref(), "{}", path);
    }

    #[test]
    fn what_it_spells_finds_the_route_that_was_written(path in "/(/|a|b|\\.|\\.\\.|%2e|%41|%62|/){0,10}") {
        let index = index(&["/a/*", "/a/b", "/b*", "/A/*"]);
        if let (Ok(spelled), Found::Route(route)) = (SpelledPath::of(path.as_bytes()), find(&index, &path)) {
            prop_assert_eq!(find(&index, spelled.whole()), Found::Route(route), "{}", path);
        }
    }
}
