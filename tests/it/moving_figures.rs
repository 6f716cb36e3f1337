//! The figures of the page on replaced containers are those of the code.

use regex::Regex;

use crate::docs::page::root;

const PAGE: &str = "docs/explanation/when-a-container-is-replaced.md";

/// What the page assumes: its service, and what a reader may write.
const ASSUMED: [&str; 2] = ["3 s", "60s"];

/// A figure of the table: itself, and where it stands.
struct Figure {
    value: String,
    place: String,
}

fn figures(page: &str) -> Vec<Figure> {
    let row = Regex::new(r"^\| (\d+(?: m?s)?) \| [^|]+ \| (.+) \|$").unwrap();
    let table = page.split("## Figures").nth(1).unwrap();
    let found = table.lines().filter_map(|line| row.captures(line));
    found.map(|found| Figure { value: found[1].to_owned(), place: found[2].to_owned() }).collect()
}

/// The default of a key, as the generated page has it, which its own test holds to the code.
fn default_of(key: &str) -> Option<String> {
    let page = std::fs::read_to_string(root().join("docs/reference/configuration.md")).unwrap();
    let (section, name) = key.rsplit_once('.').unwrap_or(("The document", key));
    let begin = page.find(&format!("\n## `{section}`\n")).or_else(|| page.find(&format!("\n## {section}\n")))?;
    let section = page[begin + 1..].split("\n## ").next()?;
    let row = section.lines().find(|line| line.starts_with(&format!("| `{name}` |")))?;
    Some(row.split(" | ").nth(2)?.trim_matches('`').to_owned())
}

/// The constant of a source, in the page's words.
fn constant(name: &str, source: &str) -> Option<String> {
    let said = Regex::new(&format!(r"const {name}: \w+ = (?:Duration::from_(\w+)|Span)\(([\d_]+)\);")).unwrap();
    let found = said.captures(source)?;
    let number: u64 = found[2].replace('_', "").parse().unwrap();
    Some(match found.get(1).map(|unit| unit.as_str()) {
        Some("secs") => format!("{number} s"),
        Some("millis") => format!("{number} ms"),
        None if number.is_multiple_of(1_000_000_000) => format!("{} s", number / 1_000_000_000),
        None => format!("{} ms", number / 1_000_000),
        _ => return None,
    })
}

#[test]
fn the_figures_on_replaced_containers_are_those_of_the_code() {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let place = Regex::new(r"^`(\w+)` in `([\w/.]+)`$").unwrap();
    let figures = figures(&page);
    assert!(figures.len() >= 20, "only {} figures are left", figures.len());
    let mut wrong = Vec::new();
    for Figure { value, place: said } in &figures {
        if said == "`docker stop --timeout`" {
            continue;
        }
        let real = match place.captures(said) {
            Some(found) => {
                let path = root().join(&found[2]);
                let Ok(source) = std::fs::read_to_string(path) else {
                    wrong.push(format!("{said}: there is no such file"));
                    continue;
                };
                constant(&found[1], &source)
            }
            None => default_of(said.trim_matches('`')),
        };
        let same = real.as_ref().is_some_and(|real| real.replace(' ', "") == value.replace(' ', ""));
        if !same {
            wrong.push(format!("{said} is {real:?}, the page says {value}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_time_in_the_text_on_replaced_containers_is_a_figure_of_its_table() {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let text = page.split("## Figures").next().unwrap();
    let known: Vec<String> = figures(&page).into_iter().map(|figure| figure.value).collect();
    let time = Regex::new(r"\b\d+ ?m?s\b").unwrap();
    let times: Vec<&str> = time.find_iter(text).map(|found| found.as_str()).collect();
    assert!(times.len() > 30, "only {} times are left", times.len());
    let is_known = |time: &str| known.iter().any(|known| known.replace(' ', "") == time.replace(' ', ""));
    let strange: Vec<_> = times.iter().filter(|time| !is_known(time) && !ASSUMED.contains(time)).collect();
    assert!(strange.is_empty(), "{strange:?}");
}
