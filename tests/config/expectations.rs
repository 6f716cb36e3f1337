//! `wharf test`: what it says of every file in `expectations/` (`BLESS=1` writes that anew).

use super::{documents, here, scratch};
use std::process::{Command, Output};

fn test(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wharf"))
        .arg("test")
        .args(arguments)
        .current_dir(here().join("expectations"))
        .env("TOKEN", "s3cret")
        .output()
        .expect("the built binary starts")
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_file_of_expectations_is_judged_as_it_says_beside_it() {
    let mut wrong = Vec::new();
    let files = documents("expectations").into_iter().filter(|path| !path.ends_with("gateway.yaml"));
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name in UTF-8");
        let output = test(&[name]);
        let (stdout, stderr) = texts(&output);
        assert!(!stdout.contains("s3cret") && !stderr.contains("s3cret"), "{stdout}{stderr}");
        let shown = format!("{stderr}{stdout}exit status {}\n", output.status.code().expect("no signal"));
        let beside = path.with_extension("said");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&beside, &shown).expect("the expectation can be written");
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if shown != expected {
            wrong.push(format!("== {}\n-- expected\n{expected}-- shown\n{shown}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}(BLESS=1 rewrites the expectations)", wrong.join("\n"));
}

#[test]
fn machines_get_the_same_as_json_and_as_annotations() {
    let output = test(&["what_holds.yaml", "what_does_not_hold.yaml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let (stdout, stderr) = texts(&output);
    assert_eq!(stderr, "");
    let value: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((&value["ok"], &value["tests"], &value["failed"]), (&false.into(), &12.into(), &6.into()));
    assert_eq!(value["files"][0]["failed"], 0);
    let first = &value["files"][1]["errors"][0];
    assert_eq!((&first["line"], &first["column"]), (&6.into(), &14.into()));
    let (stdout, _) = texts(&test(&["what_does_not_hold.yaml", "--format", "github"]));
    let line = stdout.lines().next().expect("a line");
    assert!(line.starts_with("::error file=what_does_not_hold.yaml,line=6,endLine=6,col=14,"), "{line}");
}

#[test]
fn the_example_of_the_manual_passes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-to/test-a-configuration.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [gateway, tests, ..] = blocks.as_slice() else { panic!("two files are shown") };
    let directory = scratch("example");
    std::fs::write(directory.join("gateway.yaml"), gateway).expect("a file");
    let file = directory.join("gateway.test.yaml");
    std::fs::write(&file, tests).expect("a file");
    let said = texts(&test(&[file.to_str().expect("UTF-8")]));
    assert_eq!(said, ("3 tests passed\n".to_owned(), String::new()));
    std::fs::remove_dir_all(directory).expect("the directory is there");
}

#[test]
fn another_configuration_can_be_asked() {
    let output = test(&["a_wrong_configuration.yaml", "--config", "gateway.yaml"]);
    assert_eq!(texts(&output), ("1 test passed\n".to_owned(), String::new()));
    assert_eq!(test(&[]).status.code(), Some(2));
    assert_eq!(test(&["no_such_file.yaml"]).status.code(), Some(3));
}

#[test]
fn the_manual_of_test_files_says_what_the_tables_say() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/expectations.md");
    let written = wharf::config::expectations_reference();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &written).expect("the manual can be written");
    }
    let manual = std::fs::read_to_string(&path).expect("the manual exists");
    assert!(manual == written, "docs/reference/expectations.md is out of date (BLESS=1 writes it anew)");
}
