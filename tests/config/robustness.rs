//! Text that nobody means well: cut off, mutated, enormous or crafted. It is read or refused, quickly and without a panic.

use super::{bundle, documents, environment, here, scratch};
use proptest::prelude::*;
use std::time::Instant;
use wharf::config::{Document, Purpose, Report, load, review, review_all};

/// Longer than any of these documents takes, even unoptimised on a busy machine.
const PATIENCE_S: u64 = 120;

fn refuse(name: &str, text: &str) -> String {
    let start = Instant::now();
    let (document, report) = review(name, text, &environment);
    assert!(document.is_none(), "{name} was accepted");
    let shown = report.to_string();
    assert!(start.elapsed().as_secs() < PATIENCE_S, "{name} took {:?}", start.elapsed());
    assert!(shown.len() < 200_000, "{name} needs {} bytes to say what is wrong", shown.len());
    shown
}

fn text_of(good: &str) -> String {
    std::fs::read_to_string(here().join(format!("valid/{good}.yaml"))).expect("the document")
}

/// A document, or else errors, each at a place within its own file, that can be shown.
fn read_or_refused((document, report): (Option<Document>, Report)) {
    assert!(document.is_some() != report.has_errors());
    for diagnostic in &report.diagnostics {
        for at in std::iter::once(diagnostic.at).chain(diagnostic.others.iter().map(|(at, _)| *at)) {
            let file = report.file(at).unwrap_or_else(|| panic!("{diagnostic:?} is in no file"));
            assert!(at.start as usize <= file.text.len(), "{diagnostic:?} is beyond the end of {}", file.name);
        }
    }
    assert!(!report.to_string().is_empty() || document.is_some());
}

#[test]
fn every_beginning_of_a_good_document_is_read_or_refused() {
    for document in ["everything_there_is", "anchors_and_merges"] {
        let text = text_of(document);
        for (end, _) in text.char_indices() {
            read_or_refused(review("cut.yaml", &text[..end], &environment));
        }
    }
}

#[test]
fn every_beginning_of_each_file_of_a_good_document_is_read_or_refused() {
    let whole = bundle(&here().join("valid/several_files"));
    for (path, text) in &whole.files {
        for (end, _) in text.char_indices() {
            let mut cut = whole.clone();
            cut.files.insert(path.clone(), text[..end].to_owned());
            read_or_refused(review_all(&cut, &environment));
        }
    }
}

#[test]
fn every_first_bytes_of_a_file_on_disk_are_read_or_refused_even_within_a_character() {
    let directory = scratch("first-bytes");
    let text =
        "version: 1 # ø\nlisteners: { web: { address: ':80' } }\nroutes: [{ match: { path: /€ }, respond: {} }]\n";
    for end in 0..text.len() {
        let path = directory.join("gateway.yaml");
        std::fs::write(&path, &text.as_bytes()[..end]).expect("a writable file");
        match load(&path, Purpose::Check) {
            Ok(_) => {}
            Err(report) => read_or_refused((None, report)),
        }
    }
    std::fs::remove_dir_all(directory).expect("the directory is there");
}

#[test]
fn a_document_nobody_finished_says_so_in_one_screen() {
    for path in documents("valid") {
        let bundle = bundle(&path);
        let text = &bundle.files[&bundle.main];
        let shown = refuse("half.yaml", &text.chars().take(12).collect::<String>());
        assert!(shown.lines().count() < 40, "{shown}");
    }
}

#[test]
fn bombs_are_defused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..30 {
        bomb += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(","));
    }
    let shown = refuse("bomb.yaml", &bomb);
    assert!(shown.contains("expand to too much"), "{shown}");
    for (name, text) in [
        ("brackets.yaml", "[".repeat(200_000)),
        ("braces.yaml", "{a: ".repeat(100_000)),
        ("dashes.yaml", "- ".repeat(200_000)),
        ("questions.yaml", "? ".repeat(200_000)),
        ("steps.yaml", (0..2000).map(|i| format!("{}a:\n", " ".repeat(i))).collect()),
    ] {
        let shown = refuse(name, &text);
        assert!(shown.contains(&format!("{name}:")), "{shown}");
    }
}

#[test]
fn ten_megabytes_are_no_trouble() {
    const SIZE: usize = 10 << 20;
    assert!(refuse("text.yaml", &format!("version: \"{}\"\n", "x".repeat(SIZE))).lines().all(|line| line.len() < 1000));
    refuse("line.yaml", &"x".repeat(SIZE));
    refuse("comment.yaml", &format!("# {}\n", "x".repeat(SIZE)));
    refuse("newlines.yaml", &"\n".repeat(SIZE));
    refuse("zeros.yaml", &"\0".repeat(SIZE));
    let merges: String = (0..SIZE / 100).map(|i| format!("{{ k{i}: 1 }}, ")).collect();
    refuse("merges.yaml", &format!("defaults: {{ <<: [{merges}] }}\n"));
    let routes = "{ upstream: a }, ".repeat(SIZE / 100);
    assert!(refuse("routes_in_one_line.yaml", &format!("routes: [{routes}]\n")).contains("more\n"));
    let mistakes: String = (0..50_000).map(|i| format!("k{i}: 1\n")).collect();
    assert!(refuse("mistakes.yaml", &mistakes).contains("more\n"));
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_place() {
    let path = std::env::temp_dir().join(format!("wharf-not-utf8-{}.yaml", std::process::id()));
    std::fs::write(&path, b"version: 1\nthreads: \xff\xfe\n").expect("a file");
    let report = load(&path, Purpose::Check).expect_err("no text");
    std::fs::remove_file(&path).expect("the file is there");
    assert!(report.to_string().contains(".yaml:2:10\n"), "{report}");
    assert!(load(std::path::Path::new("/nowhere/gateway.yaml"), Purpose::Check).is_err());
    assert!(load(std::path::Path::new("/"), Purpose::Check).is_err());
}

/// What fingers and editors leave where it does not belong.
const SLIPS: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    " #",
    "#",
    " # wharf: allow unused-upstream",
    "# wharf:allow,",
    "&a ",
    "*a ",
    "*",
    "&",
    "!x ",
    "!!str ",
    "\"",
    "'",
    "\\",
    "\"\\d",
    "|",
    ">",
    "- ",
    "-",
    "\t",
    "\u{a0}",
    "“",
    "%",
    "@",
    "`",
    "<<: ",
    "$host",
    "${",
    "\r",
    "\n",
    "\n  ",
    "null",
    "0o1",
    "€",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_mutation_of_a_good_document_makes_the_reader_panic(
        document in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let documents = ["everything_there_is", "anchors_and_merges"];
        let mut bytes = text_of(document.get::<&str>(&documents)).into_bytes();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let text = String::from_utf8_lossy(&bytes);
        let (document, report) = review("mutated.yaml", &text, &environment);
        prop_assert!(document.is_some() != report.has_errors());
        let _ = report.render(true);
    }

    #[test]
    fn no_slip_at_any_place_makes_the_reader_panic(
        slips in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_usize), 1..5),
    ) {
        let mut text: Vec<char> = text_of("everything_there_is").chars().collect();
        for (at, slip, gone) in slips {
            let at = at.index(text.len());
            let end = (at + gone).min(text.len());
            text.splice(at..end, slip.get::<&str>(&SLIPS).chars());
        }
        read_or_refused(review("slips.yaml", &text.into_iter().collect::<String>(), &environment));
    }

    #[test]
    fn no_text_at_all_makes_the_reader_panic(text in "[-{}\\[\\]:,#&*!|>'\"%@`?~ \n\ta-e0-9$]{0,200}") {
        let _ = review("noise.yaml", &text, &environment).1.to_string();
    }
}

#[test]
fn a_flood_of_comments_that_silence_is_read_quickly() {
    let head = "version: 1\nlisteners: { web: { address: ':80' } }\nroutes: [{ match: { path: / }, respond: {} }]\n";
    let body = "# wharf: allow unused-upstream\n".repeat(50_000);
    let behind = "# wharf: allow unused-upstream ".repeat(50_000);
    let names = format!("# wharf: allow {}x\n", "unused-upstream,".repeat(50_000));
    let text = format!("upstreams:\n  a:\n    endpoints:\n      - \"{} a:1\"\n", "# wharf: allow x ".repeat(50_000));
    for flood in [body.clone(), behind, names, text, format!("{body}nope: |\n  {}", body.replace('\n', "\n  "))] {
        let start = Instant::now();
        read_or_refused(review("flood.yaml", &format!("{head}{flood}"), &environment));
        assert!(start.elapsed().as_secs() < PATIENCE_S, "{:?}", start.elapsed());
    }
}
