//! A document of several files as it lies on disk: what is found, what is not, and what its loader is told.

use super::scratch;
use std::fs;
use std::path::{Path, PathBuf};
use wharf::config::{Bundle, Loaded, Purpose, load, load_from, matching};

const MAIN: &str =
    "version: 1\nlisteners: { web: { address: ':8080' } }\nupstreams: { app: { endpoints: [app:3000] } }\n";

fn route(path: &str) -> String {
    format!("routes: [{{ match: {{ path: {path} }}, upstream: app }}]\n")
}

/// A directory with a main file that includes these items, and files beside it.
fn folder(name: &str, include: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = scratch(name);
    write(&folder.join("gateway.yaml"), &format!("{MAIN}include: {include}\n"));
    for (path, text) in files {
        write(&folder.join(path), text);
    }
    folder
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a writable directory");
    fs::write(path, text).expect("a writable file");
}

fn routes(loaded: &Loaded) -> Vec<String> {
    loaded.document.routes.iter().map(|route| route.name().into_owned()).collect()
}

fn good(folder: &Path) -> Loaded {
    load(&folder.join("gateway.yaml"), Purpose::Check).unwrap_or_else(|report| panic!("{report}"))
}

fn refused(folder: &Path) -> String {
    load(&folder.join("gateway.yaml"), Purpose::Check).expect_err("no document").to_string()
}

#[test]
fn files_are_read_in_order_of_their_names_and_each_once() {
    let (a, b, c) = (route("/a"), route("/b"), route("/c"));
    let files =
        [("d/b.yaml", &*b), ("d/a.yaml", &a), ("c.yaml", &c), ("d/a.txt", "no: routes"), ("d/.d.yaml", "hidden")];
    let folder = folder("order", "[c.yaml, 'd/*.yaml', './d//?.yaml', '*.yaml', none/*.yaml]", &files);
    fs::create_dir(folder.join("d/directory.yaml")).expect("a directory");
    let loaded = good(&folder);
    assert_eq!(routes(&loaded), ["/c", "/a", "/b"]);
    let names: Vec<&str> = loaded.files.iter().map(|file| &*file.name).collect();
    let shown = |name: &str| folder.join(name).display().to_string();
    assert_eq!(names, ["gateway.yaml", "c.yaml", "d/a.yaml", "d/b.yaml"].map(shown));
    assert_eq!(loaded.files[2].path, folder.join("d/a.yaml"));
    assert_eq!(loaded.files[2].text, a);
}

#[test]
fn a_path_that_starts_with_a_slash_is_where_it_says() {
    let elsewhere = folder("elsewhere", "[]", &[("[a]/one.yaml", &route("/one")), ("two.yaml", &route("/two"))]);
    let include = format!("['{0}/[[]a]/*.yaml', '{0}/two.yaml']", elsewhere.display());
    assert_eq!(routes(&good(&folder("absolute", &include, &[]))), ["/one", "/two"]);
}

#[test]
fn a_directory_whose_name_looks_like_a_pattern_is_none() {
    let folder = folder("brackets", "[]", &[]).join("[ab]*");
    write(&folder.join("gateway.yaml"), &format!("{MAIN}include: ['r/*.yaml', one.yaml]\n"));
    write(&folder.join("r/a.yaml"), &route("/a"));
    write(&folder.join("one.yaml"), &route("/one"));
    let loaded = good(&folder);
    assert_eq!(routes(&loaded), ["/a", "/one"]);
    assert_eq!(matching(&loaded.patterns), [folder.join("one.yaml"), folder.join("r/a.yaml")]);
}

#[test]
fn links_are_followed_and_lead_to_one_file_once() {
    let folder = folder("links", "['*.yaml']", &[("..data/routes.yaml", &route("/a"))]);
    std::os::unix::fs::symlink("..data/routes.yaml", folder.join("routes.yaml")).expect("a link");
    std::os::unix::fs::symlink("routes.yaml", folder.join("again.yaml")).expect("a link");
    assert_eq!(routes(&good(&folder)), ["/a"]);
}

#[test]
fn who_loads_learns_where_new_files_would_appear() {
    let folder = folder("patterns", "['d/*.yaml', one.yaml]", &[("one.yaml", &route("/one"))]);
    let loaded = good(&folder);
    assert_eq!(loaded.patterns, [folder.join("d/*.yaml"), folder.join("one.yaml")]);
    assert_eq!(matching(&loaded.patterns), [folder.join("one.yaml")]);
    write(&folder.join("d/new.yaml"), &route("/new"));
    assert_eq!(matching(&loaded.patterns), [folder.join("d/new.yaml"), folder.join("one.yaml")]);
}

#[test]
fn who_fails_to_load_learns_it_as_well() {
    let folder = folder("failing", "['d/*.yaml', one.yaml]", &[("d/a.yaml", "routes: [")]);
    let report = load(&folder.join("gateway.yaml"), Purpose::Check).expect_err("a broken file and a missing one");
    let paths: Vec<&Path> = report.files.iter().map(|file| &*file.path).collect();
    assert_eq!(paths, [folder.join("gateway.yaml"), folder.join("d/a.yaml")]);
    assert_eq!(report.patterns, [folder.join("d/*.yaml"), folder.join("one.yaml")]);
    let missing = load(&folder.join("nothing.yaml"), Purpose::Check).expect_err("no file");
    assert_eq!(missing.files[0].path, folder.join("nothing.yaml"));
}

#[test]
fn what_was_kept_loads_again_without_the_files() {
    let text = "routes: [{ match: { path: '${NOBODY_SETS_THIS:-/a}' }, upstream: app }]\n";
    let folder = folder(
        "kept",
        "['d/*.yaml', './one.yaml', '../kept-*/d/b.yaml']",
        &[("d/a.yaml", text), ("d/b.yaml", &route("/b")), ("one.yaml", &route("/one"))],
    );
    let before = good(&folder);
    let kept = serde_json::to_string(&before.bundle()).expect("JSON");
    fs::remove_dir_all(&folder).expect("the directory is there");
    let kept: Bundle = serde_json::from_str(&kept).expect("what was written");
    assert!(kept.files.values().any(|kept| kept == text), "as it was written");
    let after = load_from(&kept, Purpose::Check).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(routes(&after), routes(&before));
    assert_eq!(after.patterns, before.patterns);
    assert_eq!(after.bundle(), kept);
}

#[test]
fn a_bundle_with_a_file_that_nothing_includes_is_refused() {
    let mut bundle = Bundle::one("gateway.yaml", &format!("{MAIN}include: ['*.yaml']\n{}", route("/")));
    assert!(load_from(&bundle, Purpose::Check).is_ok());
    bundle.files.insert("routes.d/a.yaml".to_owned(), route("/a"));
    let report = load_from(&bundle, Purpose::Check).expect_err("a file too many");
    assert!(report.to_string().contains("`routes.d/a.yaml` is included nowhere"), "{report}");
}

#[test]
fn what_is_no_file_is_refused_where_it_is_named() {
    let folder = folder("no-files", "[d, /dev/null, 'n*.yaml']", &[("d/a.yaml", "")]);
    fs::write(folder.join("not-utf8.yaml"), b"routes: [\n\xff").expect("a writable file");
    let shown = refused(&folder);
    for expected in [
        "`d` is a directory, not a file\n",
        "gateway.yaml:4:11\n",
        "hint: write `d/*.yaml` for the files within it\n",
        "the file `/dev/null` cannot be read: it is no regular file\n",
        "the file is not UTF-8: byte 0xff\n",
        "not-utf8.yaml:2:1\n",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert_eq!(shown.matches("error: ").count(), 3, "{shown}");
}

#[test]
fn a_thousand_files_are_enough() {
    let folder = folder("thousand", "['d/*.yaml']", &[]);
    for i in 0..1000 {
        write(&folder.join(format!("d/{i}.yaml")), &route(&format!("/{i}")));
    }
    assert_eq!(routes(&good(&folder)).len(), 1000);
    write(&folder.join("d/last.yaml"), &route("/last"));
    assert!(refused(&folder).starts_with("error: more than 1000 files are included\n"));
}
