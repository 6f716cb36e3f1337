//! The commands that ask nobody: a file to start from, the schema, completions, manual pages, what holds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::*;

/// An empty directory for a test of this name.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tools-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn wharf(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wharf")).args(arguments).current_dir(directory).output().unwrap()
}

#[track_caller]
fn printed(directory: &Path, arguments: &[&str]) -> String {
    let output = wharf(directory, arguments);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
    out
}

#[test]
fn the_file_to_start_from_is_valid_serves_and_is_never_written_over() {
    let directory = scratch("init");
    let first = wharf(&directory, &["init"]);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    let said = String::from_utf8(first.stderr).unwrap();
    assert!(said.starts_with("gateway.yaml is written"), "{said}");
    assert!(said.contains("wharf check gateway.yaml\n  wharf run gateway.yaml\n"), "{said}");
    let text = std::fs::read_to_string(directory.join("gateway.yaml")).unwrap();
    assert_eq!(printed(&directory, &["init", "-"]), text);
    assert_eq!(printed(&directory, &["check", "--strict"]), "gateway.yaml: ok\n");
    // what its first line names
    let schema = std::fs::read_to_string(directory.join("gateway.schema.json")).unwrap();
    assert_eq!(schema, printed(&directory, &["schema"]));
    assert!(text.starts_with("# yaml-language-server: $schema=gateway.schema.json\n"), "{text}");

    std::fs::write(directory.join("gateway.yaml"), "mine").unwrap();
    let again = wharf(&directory, &["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(again.stderr).unwrap(),
        "error: gateway.yaml exists already\nhint: name another file, or write over it with `--force`\n"
    );
    assert_eq!(std::fs::read_to_string(directory.join("gateway.yaml")).unwrap(), "mine");
    assert_eq!(wharf(&directory, &["init", "--force"]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(directory.join("gateway.yaml")).unwrap(), text);
    std::fs::remove_dir_all(directory).unwrap();

    let gateway = Gateway::start(&text.replace("\":8080\"", "\"HERE:21080\"").replace("127.0.0.1:9900", "HERE:21900"));
    assert_eq!(gateway.get("/").text(), "It works. Edit gateway.yaml.\n");
    assert_eq!(gateway.get("/api/x").status, 502);
    let old = gateway.ask("GET /x HTTP/1.1\r\nHost: old.example.com\r\n\r\n");
    assert_eq!(old.header("location"), Some("https://www.example.com/x"));
}

#[test]
fn a_shell_completes_commands_and_flags() {
    let directory = scratch("completions");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&directory, &["completions", shell]);
        assert!(script.contains("undrain") && script.contains("token-file"), "{shell}");
        std::fs::write(directory.join(shell), script).unwrap();
    }
    let bash = |script: &str| {
        let output = Command::new("bash").args(["-c", script]).current_dir(&directory).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    bash("bash -n ./bash");
    let completed = |words: &str, at: usize| {
        bash(&format!(
            "complete() {{ :; }}; source ./bash; COMP_WORDS=(wharf {words}); COMP_CWORD={at}; \
             _wharf wharf \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{}]}}\"; echo \"${{COMPREPLY[@]}}\"",
            at - 1
        ))
    };
    assert_eq!(completed("und", 1), "undrain\n");
    assert_eq!(completed("check --for", 2), "--format\n");
    assert_eq!(completed("config pr", 2), "print\n");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn manual_pages_are_set_without_a_warning() {
    let directory = scratch("man");
    for (arguments, has) in [
        (&["man"][..], "EXIT STATUS"),
        (&["man", "check"], "wharf-check"),
        (&["man", "config", "print"], "wharf-config-print"),
    ] {
        let page = printed(&directory, arguments);
        std::fs::write(directory.join("page.1"), &page).unwrap();
        let set = Command::new("groff").args(["-man", "-Tutf8", "-ww", "page.1"]).current_dir(&directory).output();
        // where there is none, nobody reads manual pages
        let Ok(set) = set else { continue };
        assert!(set.status.success() && set.stderr.is_empty(), "{}", String::from_utf8_lossy(&set.stderr));
        let shown = String::from_utf8_lossy(&set.stdout).replace('\u{8}', "").replace('\u{2010}', "-");
        assert!(page.contains(has) || shown.contains(has), "{shown}");
    }
    let unknown = wharf(&directory, &["man", "chek"]);
    assert_eq!(unknown.status.code(), Some(2));
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_holds_is_printed_with_where_it_is_from() {
    let directory = scratch("print");
    std::fs::write(
        directory.join("gateway.yaml"),
        "version: 1\nlisteners: { web: { address: \":80\" } }\nroutes: [{ match: { path: / }, respond: {} }]\n",
    )
    .unwrap();
    let yaml = printed(&directory, &["config", "print"]);
    std::fs::write(directory.join("printed.yaml"), &yaml).unwrap();
    assert_eq!(printed(&directory, &["config", "print", "--config", "printed.yaml"]), yaml);
    assert_eq!(printed(&directory, &["diff", "gateway.yaml", "printed.yaml"]), "nothing changed\n");
    let origins = printed(&directory, &["config", "print", "--origins"]);
    assert!(origins.contains("    address: \":80\"  # gateway.yaml:2\n"), "{origins}");
    assert!(origins.contains("shutdown_timeout: 9s  # default\n"), "{origins}");
    let json = printed(&directory, &["config", "print", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["listeners"]["web"]["keepalive"]["requests"], 1000);
    std::fs::write(directory.join("gateway.yaml"), "version: 1\n").unwrap();
    assert_eq!(wharf(&directory, &["config", "print"]).status.code(), Some(3));
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn the_page_of_the_command_line_says_what_is_parsed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/command-line.md");
    let written = wharf::cli::reference();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == written, "docs/reference/command-line.md is out of date (BLESS=1 writes it anew)");
}
