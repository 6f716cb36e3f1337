//! The commands that ask a running gateway, and `check`: what they say and how they end.

use serde_json::{Value, json};

use crate::harness::*;

fn answering(path: &str) -> String {
    format!("routes: [{{ match: {{ path: {path} }}, respond: {{ body: x }} }}]\n")
}

fn gateway() -> Gateway {
    Gateway::start(&format!(
        "upstreams: {{ app: {{ endpoints: [\"127.0.0.1:1\", \"127.0.0.1:2\"] }} }}\n{}",
        answering("/a")
    ))
}

fn failed(exit: i32, err: &str) -> Said {
    Said { exit, out: String::new(), err: err.to_owned() }
}

#[test]
fn the_status_is_read_by_people_and_programs() {
    let gateway = gateway();
    let said = gateway.wharf(&["status"]);
    assert_eq!((said.exit, said.err.as_str()), (0, ""));
    let pid = gateway.shows("/api/v1/status")["pid"].to_string();
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], format!("wharf {} is ready, process {pid}", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with("configuration: generation 1, loaded at 20"), "{}", lines[1]);
    assert_eq!(lines[2], "");
    // as wide as the address
    assert!(lines[3].starts_with("LISTENER  ADDRESS  ") && lines[3].ends_with("  CONNECTIONS"), "{}", lines[3]);
    assert!(lines[4].starts_with("web       HERE:21080  0"), "{}", lines[4]);
    assert_eq!(
        lines[5..].join("\n"),
        "\n\
         UPSTREAM  BALANCE     WAITING  ENDPOINT     STATE  IN FLIGHT  FAILS  WEIGHT\n\
         app       least_conn  0        127.0.0.1:1  up     0          0      1\n\
         \x20                              127.0.0.1:2  up     0          0      1",
    );
    let json = gateway.wharf(&["status", "--format", "json"]);
    let status: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.exit, &status["generation"]), (0, &json!(1)));
    // by another way
    for arguments in [["status", "--admin", "http://HERE:21900"], ["status", "--config", "gateway.yaml"]] {
        assert_eq!(gateway.wharf(&arguments).exit, 0, "{arguments:?}");
    }
}

#[test]
fn a_broken_file_is_the_first_thing_that_the_status_says() {
    let gateway = gateway();
    gateway.rewrite(
        "upstreams: { app: { endpoints: [\"127.0.0.1:1\"] } }\nroutes:\n  - { match: { path: /a }, upstream: ap }\n",
    );
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert_eq!(gateway.wharf(&["drain", "app", "127.0.0.1:2"]).exit, 0);
    let said = gateway.wharf(&["status"]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(said.out.starts_with("the last reload was refused at 20"), "{said:?}");
    let (first, rest) = said.out.split_once('\n').unwrap();
    assert!(first.ends_with("Z, the table before stays in force:"), "{first}");
    assert_eq!(
        rest.split("\n\nwharf").next().unwrap(),
        "  error: no upstream named `ap`\n\
         \x20  --> FOLDER/gateway.yaml:7:38\n\
         \x20   |\n\
         \x20 7 |   - { match: { path: /a }, upstream: ap }\n\
         \x20   |                                      ^^ used by route `/a`\n\
         \x20 hint: did you mean `app`?\n\
         127.0.0.1:2 of app is drained"
    );
}

#[test]
fn a_reload_says_what_changed_or_what_is_wrong() {
    let gateway = Gateway::start(&answering("/a"));
    let same = gateway.wharf(&["reload"]);
    assert_eq!((same.exit, same.err.as_str()), (0, ""));
    assert!(same.out.starts_with("reloaded (generation 2): "), "{same:?}");
    gateway.rewrite("routes: [{ match: { path: /b }, upstream: nowhere }]\n");
    let refused = gateway.wharf(&["reload"]);
    assert_eq!((refused.exit, refused.out.as_str()), (3, ""), "{refused:?}");
    assert!(refused.err.starts_with("error: no upstream named `nowhere`\n --> FOLDER/gateway.yaml:5:"), "{refused:?}");
    assert!(refused.err.ends_with("The table before stays in force.\n"), "{refused:?}");
    gateway.rewrite(&format!("admin: {{ address: \"HERE:21901\" }}\n{}", answering("/b")));
    let refused = gateway.wharf(&["reload", "--admin", "http://HERE:21900"]);
    assert_eq!(refused.exit, 1, "what is valid but not to be had is no mistake of the file: {refused:?}");
    assert_eq!(
        refused.err,
        "error: `admin.address` changed, which takes effect with a restart only\nhint: restart the gateway\n\
         The table before stays in force.\n"
    );
}

#[test]
fn a_file_with_too_few_routes_is_confirmed_by_the_command() {
    let many: String =
        (0..10).map(|n| format!("  - {{ match: {{ path: /{n} }}, respond: {{ body: x }} }}\n")).collect();
    let gateway = Gateway::start(&format!("routes:\n{many}"));
    gateway.rewrite(&answering("/0"));
    gateway.expect_metric("config_last_reload_successful", 0.0);
    assert!(gateway.wharf(&["status"]).out.contains("confirm it with `wharf reload`"));
    let done = gateway.wharf(&["reload"]);
    assert_eq!(done.exit, 0, "{done:?}");
    assert!(done.out.starts_with("reloaded (generation 2): routes "), "{done:?}");
}

#[test]
fn the_token_comes_from_the_configuration_or_a_file() {
    let yaml = format!("admin: {{ address: \"HERE:21900\", token: {{ file: FOLDER/token }} }}\n{}", answering("/a"));
    let gateway = Gateway::start_under("echo s3cret >token; echo wrong >wrong; exec", &yaml);
    assert_eq!(gateway.wharf(&["status"]).exit, 0);
    assert_eq!(gateway.wharf(&["reload"]).exit, 0);
    let at = ["status", "--admin", "http://HERE:21900"];
    assert_eq!(gateway.wharf(&[&at[..], &["--token-file", "token"]].concat()).exit, 0);
    assert_eq!(
        gateway.wharf(&at),
        failed(
            1,
            "error: the gateway at http://HERE:21900 wants the admin token\n\
             hint: name the file that holds it: `--token-file FILE`\n"
        )
    );
    assert_eq!(
        gateway.wharf(&[&at[..], &["--token-file", "wrong"]].concat()),
        failed(
            1,
            "error: the gateway at http://HERE:21900 does not take this token\n\
             hint: it reads its own when it starts and reloads: was the token changed since?\n"
        )
    );
    assert_eq!(
        gateway.wharf(&["status", "--token-file", "none"]),
        failed(
            1,
            "error: the file `none` cannot be read: No such file or directory (os error 2)\n\
             hint: run the command as a user that can read it, or name a copy with `--token-file FILE`\n"
        )
    );
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    let gateway = gateway();
    assert_eq!(
        gateway.wharf(&["drain", "ap", "127.0.0.1:1"]),
        failed(1, "error: there is no upstream `ap`\nhint: did you mean `app`?\n")
    );
    assert_eq!(
        gateway.wharf(&["undrain", "app", "127.0.0.1:11"]),
        failed(1, "error: upstream `app` has no endpoint `127.0.0.1:11`\nhint: did you mean `127.0.0.1:1`?\n")
    );
}

#[test]
fn a_gateway_that_cannot_be_asked_is_told_from_one_that_refuses() {
    let gateway = gateway();
    assert_eq!(
        gateway.wharf(&["status", "--admin", "http://HERE:21999"]),
        failed(
            1,
            "error: the gateway at http://HERE:21999 cannot be asked: cannot connect: Connection refused (os error 111)\n\
             hint: is the gateway running? its log says `admin on …`; name another address with `--admin`\n"
        )
    );
    let socket = gateway.wharf(&["status", "--admin", "unix:/nowhere/admin.sock"]);
    assert_eq!(socket.exit, 1);
    assert!(
        socket.err.contains("unix:/nowhere/admin.sock cannot be asked")
            && socket.err.contains("is the gateway running?")
    );
    let listener = gateway.wharf(&["status", "--admin", "http://HERE:21080"]);
    assert_eq!(
        listener,
        failed(1, "error: http://HERE:21080 answers 404 Not Found\nhint: is this the admin address of a gateway?\n")
    );
    let tls = gateway.wharf(&["status", "--admin", "https://HERE:21900"]);
    assert_eq!(tls.exit, 2);
    assert!(tls.err.contains("the admin address speaks no TLS yet: write `http://HOST:PORT`"), "{tls:?}");
    for wrong in [
        &["drain", "app"][..],
        &["drain"],
        &["status", "--admin", "http://h/x"],
        &["drain", "a", "b", "--timeout", "1s"],
        &["drain", "a", "b", "--wait", "--timeout", "5"],
        &["status", "--format", "yaml"],
        &["status", "--config", "gateway.yaml", "--admin", "http://h:1"],
    ] {
        let said = gateway.wharf(wrong);
        assert_eq!((said.exit, said.out.as_str()), (2, ""), "{wrong:?}: {said:?}");
    }
}

#[test]
fn without_an_address_the_commands_say_where_they_look() {
    let gateway = gateway();
    let file = |name: &str, text: &str| std::fs::write(gateway.folder().join(name), text).unwrap();
    file(
        "none.yaml",
        &gateway
            .complete(&answering("/a"))
            .lines()
            .filter(|l| !l.starts_with("admin"))
            .map(|l| format!("{l}\n"))
            .collect::<String>(),
    );
    assert_eq!(
        gateway.wharf(&["status", "--config", "none.yaml"]),
        failed(
            1,
            "error: none.yaml has no `admin` section: the gateway cannot be asked\n\
             hint: add `admin: { address: \"127.0.0.1:9900\" }` and restart the gateway\n"
        )
    );
    file("broken.yaml", "routes: [\n");
    let broken = gateway.wharf(&["status", "--config", "broken.yaml"]);
    assert_eq!(broken.exit, 3, "{broken:?}");
    assert!(broken.err.contains("--> broken.yaml:"), "{broken:?}");
    assert!(
        broken.err.ends_with("hint: name the address of the running gateway: `--admin http://127.0.0.1:9900`\n"),
        "{broken:?}"
    );
    std::fs::remove_file(gateway.folder().join("gateway.yaml")).unwrap();
    let nothing = gateway.wharf(&["reload"]);
    if !std::path::Path::new("/etc/wharf/gateway.yaml").exists() {
        assert_eq!(
            nothing,
            failed(
                3,
                "error: there is no configuration: neither ./gateway.yaml nor /etc/wharf/gateway.yaml exists\n\
                 hint: name the address of the running gateway: `--admin http://127.0.0.1:9900`\n"
            )
        );
    }
}

#[test]
fn check_is_read_by_people_programs_and_github() {
    let gateway = gateway();
    let bad = "version: 1\nlisteners: { web: { address: \":8080\" } }\nroutes:\n  - { match: { path: /* }, upstream: ap }\nupstreams: { app: { endpoints: [\"a:1\"] } }\n";
    std::fs::write(gateway.folder().join("bad.yaml"), bad).unwrap();
    let text = gateway.wharf(&["check", "gateway.yaml", "bad.yaml"]);
    assert_eq!((text.exit, text.out.as_str()), (3, "gateway.yaml: ok\n"));
    assert!(text.err.contains("error: no upstream named `ap`\n --> bad.yaml:4:"), "{text:?}");
    let json = gateway.wharf(&["check", "--format", "json", "gateway.yaml", "bad.yaml"]);
    assert_eq!((json.exit, json.err.as_str()), (3, ""));
    let all: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&all["ok"], &all["files"][0]["ok"], &all["files"][1]["ok"]),
        (&json!(false), &json!(true), &json!(false))
    );
    let error = &all["files"][1]["errors"][0];
    assert_eq!(
        (&error["file"], &error["line"], &error["hint"]),
        (&json!("bad.yaml"), &json!(4), &json!("did you mean `app`?"))
    );
    let github = gateway.wharf(&["check", "--format", "github", "bad.yaml"]);
    assert_eq!((github.exit, github.err.as_str()), (3, ""));
    assert_eq!(
        github.out.lines().next(),
        Some(
            "::error file=bad.yaml,line=4,endLine=4,col=38,endColumn=39::no upstream named `ap`: used by route `/*`%0Ahint: did you mean `app`?"
        )
    );
}

#[test]
fn strict_makes_warnings_count() {
    let gateway = gateway();
    // an upstream that no route uses is a warning
    let plain = gateway.wharf(&["check"]);
    assert_eq!((plain.exit, plain.out.as_str()), (0, "gateway.yaml: ok\n"));
    assert!(plain.err.starts_with("warning["), "{plain:?}");
    let strict = gateway.wharf(&["check", "--strict"]);
    assert_eq!((strict.exit, strict.out.as_str()), (3, ""));
    assert!(strict.err.ends_with("gateway.yaml: not ok, for its warnings\n"), "{strict:?}");
    let json = gateway.wharf(&["check", "--strict", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["ok"], false);
}

#[test]
fn what_is_explained_cannot_steer_a_terminal() {
    let said = gateway().wharf(&["explain", "/a/%1b[31m%e2%80%ae"]);
    assert!(said.out.contains("/a/\u{fffd}[31m\u{fffd}\n") && !said.out.contains('\u{1b}'), "{}{}", said.out, said.err);
}
