//! The fullest document with one slip in it: every key misspelled, every value replaced. Each is refused at its own line, or says
//! something else than before; nothing is taken in silence.
//!
//! The document is written anew with a line for every key and item, so that the line tells which of them is meant.

use super::here;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use wharf::config::{Bundle, Difference, Loaded, Purpose, Report, Severity, load_from};

/// The way to a key or item: its places within each other.
type Way = Vec<usize>;

#[derive(Clone, Debug)]
enum Tree {
    /// One line, as written.
    Word(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    fn of(value: &Value) -> Tree {
        match value {
            Value::Mapping(map) => Tree::Map(map.iter().map(|(key, value)| (text(key), Tree::of(value))).collect()),
            Value::Sequence(list) if list.is_empty() => Tree::Word("[]".to_owned()),
            Value::Sequence(list) => Tree::List(list.iter().map(Tree::of).collect()),
            other => Tree::Word(written(&text(other))),
        }
    }

    /// Writes it, and notes on which line each key and item stands.
    fn write(&self, way: &mut Way, indent: usize, out: &mut String, lines: &mut BTreeMap<Way, usize>) {
        let children: Vec<(String, &Tree)> = match self {
            Tree::Word(word) => {
                let _ = writeln!(out, " {word}");
                return;
            }
            Tree::List(items) => items.iter().map(|item| ("-".to_owned(), item)).collect(),
            Tree::Map(entries) => entries.iter().map(|(key, value)| (format!("{key}:"), value)).collect(),
        };
        if !way.is_empty() {
            out.push('\n');
        }
        for (at, (start, child)) in children.into_iter().enumerate() {
            way.push(at);
            lines.insert(way.clone(), out.matches('\n').count() + 1);
            let _ = write!(out, "{:indent$}{start}", "");
            child.write(way, indent + 2, out, lines);
            way.pop();
        }
    }

    fn text(&self) -> (String, BTreeMap<Way, usize>) {
        let (mut out, mut lines) = (String::new(), BTreeMap::new());
        self.write(&mut Way::new(), 0, &mut out, &mut lines);
        (out, lines)
    }

    fn at(&mut self, way: &[usize]) -> &mut Tree {
        match (way, self) {
            ([], tree) => tree,
            ([first, rest @ ..], Tree::List(items)) => items[*first].at(rest),
            ([first, rest @ ..], Tree::Map(entries)) => entries[*first].1.at(rest),
            (_, Tree::Word(word)) => panic!("{word} has nothing within"),
        }
    }

    /// The ways to all keys with how they are called, `route.match.path`, and to all items, `methods[]`.
    fn ways(&self, way: &mut Way, name: &str, found: &mut Vec<(Way, String)>) {
        let children: Vec<(String, &Tree)> = match self {
            Tree::Word(_) => return,
            Tree::List(items) => items.iter().map(|item| (format!("{name}[]"), item)).collect(),
            Tree::Map(entries) => entries
                .iter()
                .map(|(key, value)| (if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, value))
                .collect(),
        };
        for (at, (name, child)) in children.into_iter().enumerate() {
            way.push(at);
            found.push((way.clone(), name.clone()));
            child.ways(way, &name, found);
            way.pop();
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(bool) => bool.to_string(),
        other => panic!("no word: {other:?}"),
    }
}

/// As YAML: in quotes where it has to be.
fn written(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./%+".contains(&b);
    match text.bytes().all(plain) && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') {
        true => text.to_owned(),
        false if text.contains('\n') => format!("{text:?}"),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

fn document() -> Tree {
    let text = std::fs::read_to_string(here().join("valid/everything_there_is.yaml")).expect("the document");
    Tree::of(&serde_yaml::from_str(&text).expect("YAML"))
}

fn read(text: &str) -> Result<Loaded, Report> {
    load_from(&Bundle::one("mutated.yaml", text), Purpose::Check)
}

/// What came of a mutated document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// An error at the line that was changed.
    Located,
    /// Refused, but elsewhere: the lines.
    Elsewhere(Vec<usize>),
    /// It says something else.
    Differs,
    /// It is read as if nothing had happened.
    Silence,
}

fn came(original: &Loaded, tree: &Tree, way: &Way) -> Came {
    let (text, lines) = tree.text();
    let line = lines[way];
    match read(&text) {
        Ok(loaded) if Difference::between(original, &loaded).is_empty() => Came::Silence,
        Ok(_) => Came::Differs,
        Err(report) => {
            let errors = report.diagnostics.iter().filter(|d| d.severity == Severity::Error);
            let places = errors.flat_map(|d| std::iter::once(d.at).chain(d.others.iter().map(|(at, _)| *at)));
            let lines: Vec<usize> = places.map(|at| report.file(at).expect("a file").position(at.start).line).collect();
            let _ = report.to_string();
            if lines.contains(&line) { Came::Located } else { Came::Elsewhere(lines) }
        }
    }
}

/// Slips of the fingers in a key.
fn misspelled(key: &str) -> Vec<String> {
    let chars: Vec<char> = key.chars().collect();
    let with = |change: &dyn Fn(&mut Vec<char>)| {
        let mut chars = chars.clone();
        change(&mut chars);
        chars.into_iter().collect::<String>()
    };
    let mut all = vec![
        with(&|c| c.push('s')),
        with(&|c| c.push('x')),
        with(&|c| c.insert(0, 'x')),
        key.to_uppercase(),
        key.replace('_', "-"),
        key.replace('_', ""),
        format!("'{key} '"),
        "null".to_owned(),
        "''".to_owned(),
        "[a]".to_owned(),
    ];
    for at in 0..chars.len() {
        all.push(with(&|c| _ = c.remove(at)));
        all.push(with(&|c| c.insert(at, c[at])));
        if at > 0 {
            all.push(with(&|c| c.swap(at - 1, at)));
        }
    }
    all.retain(|other| other != key);
    all.sort();
    all.dedup();
    all
}

/// Other values in place of a word, or of a list or map.
fn replaced(tree: &Tree) -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        "~",
        "null",
        "''",
        "[]",
        "{}",
        "[x]",
        "{ x: y }",
        "[[]]",
        "nonsense",
        "'@@@'",
        "' '",
        "0",
        "-1",
        "1.5",
        "007",
        "0x10",
        "99999999999999999999",
        "true",
        "yes",
        "no",
        "off",
        "5",
        "5 s",
        "5sec",
        "10MB",
        "10mib",
        "1/m",
        "200%",
        "unlimited",
        "none",
        "'*'",
        "'{nope}'",
        "'{client_ip'",
        "'${'",
        "'${NOPE_}'",
        "'~ ('",
        "\"\\0\"",
        "\"a\\nb\"",
        "'a b'",
        "/x",
        "':1'",
        "ø",
    ]
    .map(str::to_owned)
    .into();
    if let Tree::Word(word) = tree
        && !word.starts_with('"')
    {
        let bare = word.trim_matches('\'');
        // in other quotes it is the same
        all.retain(|other| other.trim_matches('\'') != bare && other.trim() != word);
        let mut others =
            vec![format!("{bare}x"), format!("x{bare}"), bare.to_uppercase(), format!("{bare} "), format!("[{word}]")];
        others.push(bare.chars().skip(1).collect());
        let mut shorter = bare.to_owned();
        shorter.pop();
        others.push(shorter);
        others.push(bare.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '/').to_owned());
        all.extend(others.into_iter().filter(|other| other != bare && other.trim() != word).map(|other| {
            match other.starts_with('[') {
                true => other,
                false => written(&other),
            }
        }));
    }
    all
}

/// Every mutation, each with where it was made and what it was; judged by several threads.
fn judge(mutants: Vec<(Way, String, String, Tree)>) -> (usize, Vec<String>) {
    let (text, _) = document().text();
    let original = read(&text).unwrap_or_else(|report| panic!("{report}"));
    let next = AtomicUsize::new(0);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((way, name, to, tree)) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let came = came(&original, tree, way);
                    if !matches!(came, Came::Located | Came::Differs) && !excused(name, to, &came) {
                        wrong.lock().expect("no panic").push(format!("{name} -> {to}: {came:?}"));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().expect("no panic");
    wrong.sort();
    (mutants.len(), wrong)
}

fn ways(tree: &Tree) -> Vec<(Way, String)> {
    let mut found = Vec::new();
    tree.ways(&mut Way::new(), "", &mut found);
    found
}

/// What is right although it is neither refused at its line nor says anything else.
fn excused(name: &str, to: &str, came: &Came) -> bool {
    match came {
        // a name may be any: who names it by the old one is told so
        Came::Elsewhere(_) if ["listeners.", "upstreams.", "acme."].iter().any(|start| name.starts_with(start)) => {
            name.matches('.').count() == 1
        }
        // another path is as good: what speaks of the old one, its rewrite or its captures, is told so
        Came::Elsewhere(_) => name == "routes[].match.path",
        // what stands there are the defaults
        Came::Silence if to == "{}" => [
            "defaults.request",
            "listeners.web.keepalive",
            "listeners.web.limits",
            "observability",
            "observability.access_log",
            "observability.log",
            "routes[].timeouts",
            "upstreams.user_service.keepalive",
            "upstreams.user_service.passive",
            "upstreams.user_service.wait",
        ]
        .contains(&name),
        // one that stands alone is a list of one
        Came::Silence if name == "upstreams.user_service.active.expect" => to.starts_with('['),
        // case tells neither headers nor hosts nor addresses apart, and an expression has no blank around it
        Came::Silence => {
            [
                "routes[].match.headers.",
                "routes[].headers.",
                "routes[].match.host",
                "upstreams.cart_service.endpoints[]",
                "trusted_proxies[]",
                "listeners.secure.tls.certificates[].hosts[]",
                "upstreams.user_service.tls.sni",
            ]
            .iter()
            .any(|start| name.starts_with(start) && *to == to.to_uppercase())
                || name == "routes[].match.path" && to.ends_with(" '")
        }
        Came::Located | Came::Differs => false,
    }
}

/// Every so many of the mutants are tried; all of them with `WHARF_MUTANTS=all`.
fn some<T>(mutants: Vec<T>) -> Vec<T> {
    let step = if std::env::var_os("WHARF_MUTANTS").is_some() { 1 } else { 5 };
    mutants.into_iter().step_by(step).collect()
}

#[test]
fn every_misspelled_key_is_refused_at_its_line() {
    let tree = document();
    let mut mutants = Vec::new();
    for (way, name) in ways(&tree) {
        let (last, before) = way.split_last().expect("not the top");
        let mut copy = tree.clone();
        let Tree::Map(entries) = copy.at(before) else { continue };
        for other in misspelled(&entries[*last].0.clone()) {
            let mut mutant = tree.clone();
            let Tree::Map(entries) = mutant.at(before) else { continue };
            entries[*last].0 = other.clone();
            mutants.push((way.clone(), name.clone(), other, mutant));
        }
    }
    let (all, wrong) = judge(some(mutants));
    assert!(all > 800, "{all}");
    assert!(wrong.is_empty(), "{} of {all}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_replaced_value_is_refused_at_its_line_or_says_something_else() {
    let tree = document();
    let mut mutants = Vec::new();
    for (way, name) in ways(&tree) {
        let mut copy = tree.clone();
        for other in replaced(copy.at(&way)) {
            let mut mutant = tree.clone();
            *mutant.at(&way) = Tree::Word(other.clone());
            mutants.push((way.clone(), name.clone(), other, mutant));
        }
    }
    let (all, wrong) = judge(some(mutants));
    assert!(all > 1500, "{all}");
    assert!(wrong.is_empty(), "{} of {all}:\n{}", wrong.len(), wrong.join("\n"));
}
