//! The manual page on this subject tells the truth.

use super::*;

const PAGE: &str = include_str!("../../../docs/explanation/one-reading-of-a-path.md");

/// What stands between the first `from` and the `to` after it.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?.1.split_once(to).map(|(found, _)| found)
}

#[test]
fn every_example_of_the_manual_page_is_answered_as_it_says() {
    let routes: Vec<(&str, &str)> = PAGE
        .lines()
        .filter_map(|line| Some((between(line, "- { name: ", ",")?, between(line, "path: ", " }")?)))
        .collect();
    assert_eq!(routes.len(), 4);
    let index = index(&routes.iter().map(|(_, pattern)| *pattern).collect::<Vec<_>>());

    let mut rows = 0;
    for row in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let (path, answer) = (cells[1], cells[2]);
        let answered = match find(&index, path) {
            Found::Route(id) => routes[id as usize - 1].0,
            Found::None | Found::OtherMethods => "404",
            Found::Ambiguous | Found::Malformed => "400",
        };
        assert_eq!(answered, answer, "{row}");
        rows += 1;
    }
    assert!(rows >= 20, "only {rows} rows were found");
}
