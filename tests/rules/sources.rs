//! Rules of the sources: who may name whom, and how long a file gets.

use crate::{Text, nothing_wrong, read, texts};

/// The layers: a module may use only those before it, and itself.
const LAYERS: [&str; 18] = [
    "value",
    "failure",
    "http",
    "telemetry",
    "tls",
    "acme",
    "discovery",
    "upstream",
    "policy",
    "job",
    "config",
    "table",
    "import",
    "proxy",
    "explain",
    "admin",
    "server",
    "cli",
];

/// Past this a file hides a second noun.
const LINES_MAX: usize = 400;

/// Files that may be longer, each with its reason.
const LONG: [(&str, &str); 0] = [];

/// The module a source file belongs to: `http` for `src/http/head.rs`; `lib` and `main` for the roots.
fn module(text: &Text) -> &str {
    let inside = text.path.trim_start_matches("src/");
    inside.split(['/', '.']).next().unwrap_or_default()
}

/// The lines of code with their numbers, comments left out.
fn code(text: &Text) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.content.lines().enumerate().map(|(i, line)| (i + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The top-level modules that follow `crate::` in a piece of source, also those of `crate::{a::x, b}`.
fn used(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in source.match_indices("crate::") {
        if source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &source[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(heads(group)),
            None => names.push(word(rest)),
        }
    }
    names
}

/// The first word of each item of a `{…}` group whose opening brace is already gone.
fn heads(group: &str) -> Vec<&str> {
    let (mut depth, mut item, mut names) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(word(group[item..at].trim_start()));
                item = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn word(source: &str) -> &str {
    let end = source.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(source.len());
    &source[..end]
}

fn rank(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == name)
}

#[test]
fn a_module_uses_only_those_above_it() {
    let mut wrong = Vec::new();
    for text in texts("src", ".rs") {
        let own = module(&text);
        if own == "lib" || own == "main" {
            continue;
        }
        let Some(own_rank) = rank(own) else {
            wrong.push(format!("{}: `{own}` has no place in LAYERS", text.path));
            continue;
        };
        let source: String = code(&text).flat_map(|(_, line)| [line, "\n"]).collect();
        for name in used(&source) {
            match rank(name) {
                None => wrong.push(format!("{}: `crate::{name}` has no place in LAYERS", text.path)),
                Some(other) if other > own_rank => {
                    wrong.push(format!("{}: `{own}` uses `{name}`, which is below it", text.path));
                }
                Some(_) => {}
            }
        }
    }
    nothing_wrong(wrong);
}

#[test]
fn uses_are_found_in_groups_and_paths() {
    let source = "use crate::{http::{Head, body}, value::Path, failure};\nuse crate::table::Table;\nmycrate::x";
    assert_eq!(used(source), ["http", "value", "failure", "table"]);
}

#[test]
fn the_architecture_page_lists_the_modules_there_are_in_their_order() {
    let mut modules: Vec<String> = texts("src", ".rs").iter().map(|text| module(text).to_owned()).collect();
    modules.retain(|name| name != "lib" && name != "main");
    modules.sort_by_key(|name| rank(name));
    modules.dedup();

    let page = read("docs/architecture.md");
    let items = page.content.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    let listed: Vec<&str> = items.filter_map(|line| line.split_once(". `")).map(|(_, name)| word(name)).collect();
    assert_eq!(listed, modules, "the layers of docs/architecture.md, and the modules in src");
}

/// Complains about code that names `what` outside the files that may.
fn only(allowed: &[&str], what: &str) -> Vec<String> {
    let files =
        texts("src", ".rs").into_iter().filter(|text| !allowed.iter().any(|start| text.path.starts_with(start)));
    let named = |text: Text| -> Vec<String> {
        let lines = code(&text).filter(|(_, line)| line.contains(what));
        lines.map(|(number, _)| format!("{}:{number}: names {what}; only {allowed:?} may", text.path)).collect()
    };
    files.flat_map(named).collect()
}

#[test]
fn only_the_server_names_pingora() {
    nothing_wrong(only(&["src/server", "src/tls"], "pingora"));
}

#[test]
fn only_the_loading_of_the_configuration_names_the_yaml_reader() {
    nothing_wrong(only(&["src/config/yaml.rs"], "granit_parser"));
    nothing_wrong(only(&[], "serde_yaml::from_"));
}

#[test]
fn a_file_is_one_noun() {
    let mut wrong = Vec::new();
    for text in texts("src", ".rs") {
        let lines = text.content.lines().count();
        if lines > LINES_MAX && !LONG.iter().any(|(path, _)| *path == text.path) {
            wrong.push(format!("{}: {lines} lines, at most {LINES_MAX}: which noun is hiding in here?", text.path));
        }
    }
    nothing_wrong(wrong);
}

#[test]
fn a_file_opens_with_what_it_is() {
    let sources = ["src", "tests", "benches"].into_iter().filter(|dir| crate::root().join(dir).is_dir());
    let silent = sources.flat_map(|dir| texts(dir, ".rs")).filter(|text| !text.content.starts_with("//! "));
    nothing_wrong(silent.map(|text| format!("{}: wants a `//!` sentence first", text.path)).collect());
}
