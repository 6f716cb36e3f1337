//! Bodies that stand in files of their own: found, kept, and refused where they are named.

use super::scratch;
use std::fs;
use std::path::{Path, PathBuf};
use wharf::config::{ActionConfig, Loaded, Purpose, load, load_from};

fn folder(name: &str, routes: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let folder = scratch(name);
    let main =
        format!("version: 1\ninclude: ['routes.d/*.yaml']\nlisteners: {{ web: {{ address: ':8080' }} }}\n{routes}");
    for (path, bytes) in [("gateway.yaml", main.as_bytes())].iter().chain(files) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a writable directory");
        fs::write(path, bytes).expect("a writable file");
    }
    folder
}

fn good(folder: &Path) -> Loaded {
    load(&folder.join("gateway.yaml"), Purpose::Check).unwrap_or_else(|report| panic!("{report}"))
}

fn refused(folder: &Path) -> String {
    load(&folder.join("gateway.yaml"), Purpose::Check).expect_err("no document").to_string()
}

fn answers(loaded: &Loaded) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    for route in &loaded.document.routes {
        if let ActionConfig::Respond(respond) = &route.action {
            let kind = respond.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            let kind = kind.map_or(String::new(), |(_, value)| value.to_string());
            answers.push((String::from_utf8_lossy(&respond.body).into_owned(), kind));
        }
    }
    answers
}

const TWO: &str = "routes:\n  - { match: { path: /a }, respond: { body_file: a.html } }\n  \
                   - { match: { path: /b }, respond: { body_file: ./a.html, headers: { content-type: text/odd } } }\n";

#[test]
fn a_body_counts_from_the_file_that_names_it_and_is_part_of_the_document() {
    let included: &[u8] = b"routes: [{ match: { path: /c }, respond: { body_file: c.json } }]";
    let files: [(&str, &[u8]); 3] =
        [("a.html", b"<p>a"), ("routes.d/c.yaml", included), ("routes.d/c.json", b"{\"c\":1}")];
    let folder = folder("bodies", TWO, &files);
    let loaded = good(&folder);
    let expected = [
        ("<p>a".to_owned(), "text/html; charset=utf-8".to_owned()),
        ("<p>a".to_owned(), "text/odd".to_owned()),
        ("{\"c\":1}".to_owned(), "application/json".to_owned()),
    ];
    assert_eq!(answers(&loaded), expected);
    let paths: Vec<&Path> = loaded.files.iter().map(|file| &*file.path).collect();
    let paths_expected = ["gateway.yaml", "routes.d/c.yaml", "a.html", "routes.d/c.json"].map(|name| folder.join(name));
    assert_eq!(paths, paths_expected, "each once, where a change of it is noticed");
    let bundle = loaded.bundle();
    fs::remove_dir_all(&folder).expect("the files can go");
    let again = load_from(&bundle, Purpose::Check).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(answers(&again), expected, "what was kept loads again without the files");
}

#[test]
fn a_body_that_is_not_there_is_waited_for() {
    let folder = folder("bodies-missing", TWO, &[]);
    let report = load(&folder.join("gateway.yaml"), Purpose::Check).expect_err("no document");
    assert!(report.patterns.contains(&folder.join("a.html")), "{:?}", report.patterns);
    let shown = report.to_string();
    assert_eq!(shown.matches("a.html` cannot be read").count(), 1, "said once: {shown}");
    assert!(shown.contains("5:50"), "{shown}");
}

#[test]
fn what_can_be_no_body_is_refused_where_it_is_named() {
    let routes = "routes:\n  - { match: { path: /a }, respond: { body_file: a.png } }\n  \
                  - { match: { path: /b }, respond: { body_file: b.txt } }\n  \
                  - { match: { path: /c }, respond: { body_file: c } }\n";
    let large = vec![b'x'; (1 << 20) + 1];
    let folder = folder("bodies-odd", routes, &[("a.png", b"\x89PNG"), ("b.txt", &large), ("c/d", b"")]);
    let shown = refused(&folder);
    for words in ["a.png` is not UTF-8: byte 0 is 0x89", "b.txt` is larger than 1 MiB", "c` cannot be read"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn a_body_of_a_mebibyte_is_shared_by_all_that_name_it() {
    let mut routes = "routes:\n".to_owned();
    for n in 0..2000 {
        routes.push_str(&format!("  - {{ match: {{ path: /{n} }}, respond: {{ body_file: a.txt }} }}\n"));
    }
    let folder = folder("bodies-shared", &routes, &[("a.txt", &vec![b'x'; 1 << 20])]);
    let loaded = good(&folder);
    assert_eq!(loaded.files.len(), 2);
    let mut bodies = loaded.document.routes.iter().filter_map(|route| match &route.action {
        ActionConfig::Respond(respond) => Some(respond.body.as_ptr()),
        _ => None,
    });
    let first = bodies.next().expect("a body");
    assert!(bodies.all(|body| body == first));
}
