//! What never opens, answers or ends stands where the gateway opens something: it is refused, and the next reload works.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::harness::*;

fn answering(body: &str) -> String {
    format!("routes: [{{ match: {{ path: /* }}, respond: {{ body: {body} }} }}]\n")
}

#[track_caller]
fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Asks for a reload of `yaml`, which is refused with these words; another one is asked for, and is in force.
#[track_caller]
fn refused_and_then_mended(gateway: &Gateway, yaml: &str, words: &str) {
    let failures = || gateway.reloads("failure");
    let before = failures();
    gateway.rewrite(yaml);
    gateway.hup();
    eventually(PATIENCE, || (failures() > before).then_some(()));
    gateway.expect_said(words);
    assert_eq!(gateway.get("/").text(), "start");
    gateway.rewrite(&answering("mended"));
    gateway.hup();
    eventually(PATIENCE, || (gateway.get("/").text() == "mended").then_some(()));
}

/// A socket that listens and whose queue is full, with those who wait in it.
fn full(path: &Path) -> (UnixListener, Vec<std::os::fd::OwnedFd>) {
    let listener = UnixListener::bind(path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = SocketAddrUnix::new(path).unwrap();
    let mut waiting = Vec::new();
    loop {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        match rustix::net::connect(&socket, &address) {
            Ok(()) => waiting.push(socket),
            Err(e) => {
                assert_eq!(e, rustix::io::Errno::AGAIN);
                return (listener, waiting);
            }
        }
    }
}

#[test]
fn a_token_in_a_pipe_is_refused_and_the_next_reload_works() {
    let gateway = Gateway::start(&answering("start"));
    make_pipe(&gateway.folder().join("token"));
    let yaml = format!("admin: {{ address: \"HERE:21900\", token: {{ file: FOLDER/token }} }}\n{}", answering("new"));
    refused_and_then_mended(&gateway, &yaml, "/token` cannot be read: it is no regular file");
    gateway.expect_said("gateway.yaml:");
}

#[test]
fn an_access_log_in_a_pipe_that_nobody_reads_is_refused_and_the_next_reload_works() {
    let gateway = Gateway::start(&answering("start"));
    make_pipe(&gateway.folder().join("pipe"));
    let yaml = format!("observability: {{ access_log: {{ output: FOLDER/pipe }} }}\n{}", answering("new"));
    refused_and_then_mended(&gateway, &yaml, "/pipe: it is a pipe, and nobody reads it: start its reader first");
}

#[test]
fn an_access_log_goes_to_a_pipe_that_is_read() {
    let gateway = Gateway::start(&answering("start"));
    let path = gateway.folder().join("pipe");
    make_pipe(&path);
    let (tell, told) = std::sync::mpsc::sync_channel(100);
    std::thread::spawn(move || {
        let mut pipe = fs::File::open(path).unwrap();
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = pipe.read(&mut bytes) {
            if tell.send(String::from_utf8_lossy(&bytes[..n]).into_owned()).is_err() {
                return;
            }
        }
    });
    let yaml =
        format!("observability: {{ access_log: {{ format: json, output: FOLDER/pipe }} }}\n{}", answering("new"));
    eventually(PATIENCE, || {
        // the reader may not have come yet
        gateway.rewrite(&yaml);
        gateway.hup();
        (gateway.get("/seen").text() == "new").then_some(())
    });
    let mut lines = String::new();
    eventually(PATIENCE, || {
        gateway.get("/seen");
        lines.extend(told.try_iter());
        lines.contains("/seen").then_some(())
    });
}

#[test]
fn a_socket_whose_queue_is_full_is_somebodys_and_the_next_reload_works() {
    let gateway = Gateway::start(&answering("start"));
    let path = gateway.folder().join("full.sock");
    let others = full(&path);
    let inode = fs::metadata(&path).unwrap().ino();
    let yaml = format!(
        "listeners:\n  web: {{ address: \"HERE:21080\" }}\n  local: {{ address: \"unix:FOLDER/full.sock\" }}\n{}",
        answering("new")
    );
    refused_and_then_mended(&gateway, &yaml, "another process accepts there");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "its file stays");
    // nobody accepts any more: the file is left behind
    drop(others);
    gateway.rewrite(&yaml);
    gateway.hup();
    eventually(PATIENCE, || UnixStream::connect(&path).is_ok().then_some(()));
}

#[test]
fn a_socket_of_another_kind_is_somebodys() {
    let gateway = Gateway::start(&answering("start"));
    let path = gateway.folder().join("messages.sock");
    let others = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let yaml = format!(
        "listeners:\n  web: {{ address: \"HERE:21080\" }}\n  local: {{ address: \"unix:FOLDER/messages.sock\" }}\n{}",
        answering("new")
    );
    refused_and_then_mended(&gateway, &yaml, "another process accepts there");
    UnixStream::connect(&path).unwrap_err();
    std::os::unix::net::UnixDatagram::unbound().unwrap().send_to(b"x", &path).unwrap();
    drop(others);
}

#[test]
fn a_kept_copy_that_is_a_pipe_is_no_copy() {
    let mut gateway = Gateway::start(&answering("good"));
    let copy = gateway.folder().join("state/last-good.json");
    eventually(PATIENCE, || copy.exists().then_some(()));
    gateway.terminate();
    assert_eq!(gateway.ended(), Some(0));
    fs::remove_file(&copy).unwrap();
    make_pipe(&copy);
    gateway.rewrite("routes: nothing\n");
    let (status, said) = gateway.fail_again("with() { exec \"$1\" run --last-good --config \"$4\"; }; with");
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("last-good.json: it is no regular file"), "{said}");
}

#[test]
fn an_included_file_that_is_a_pipe_is_refused_and_the_next_reload_works() {
    let gateway = Gateway::start(&answering("start"));
    make_pipe(&gateway.folder().join("more.yaml"));
    let yaml = format!("include: [more.yaml]\n{}", answering("new"));
    refused_and_then_mended(&gateway, &yaml, "it is no regular file");
}

#[test]
fn a_unix_admin_address_is_for_the_gateways_user_alone_and_a_listener_is_not() {
    let gateway = Gateway::start_unready(&format!(
        "listeners:\n  local: {{ address: \"unix:FOLDER/local.sock\" }}\nadmin: {{ address: \"unix:FOLDER/admin.sock\" }}\n{}",
        answering("start")
    ));
    let file = |name: &str| gateway.folder().join(name);
    eventually(PATIENCE, || UnixStream::connect(file("admin.sock")).is_ok().then_some(()));
    let admin = fs::metadata(file("admin.sock")).unwrap();
    assert!(admin.file_type().is_socket());
    assert_eq!(admin.permissions().mode() & 0o777, 0o600);
    assert_ne!(fs::metadata(file("local.sock")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_state_directory_is_made_the_gateways_own_or_not_used() {
    let mode = |gateway: &Gateway| fs::metadata(gateway.folder().join("state")).unwrap().permissions().mode() & 0o777;
    let kept = |gateway: &Gateway| gateway.folder().join("state/last-good.json").exists();
    let open = Gateway::start_under("chmod 755 state; exec", &answering("start"));
    eventually(PATIENCE, || kept(&open).then_some(()));
    assert_eq!(mode(&open), 0o700);
    // it is no directory for the gateway alone
    let shared = Gateway::start_under("chmod 755 state; touch state/others; exec", &answering("start"));
    eventually(PATIENCE, || kept(&shared).then_some(()));
    assert_eq!(mode(&shared), 0o755);
    for writable in ["775", "757", "1777"] {
        let gateway = Gateway::start_under(&format!("chmod {writable} state; exec"), &answering("start"));
        gateway.expect_said("cannot be kept for `wharf run --last-good`");
        gateway.expect_said("others may write to the directory");
        assert!(!kept(&gateway));
    }
    if rustix::process::geteuid().is_root() {
        let gateway = Gateway::start_under("chmod 700 state; chown 65534 state; exec", &answering("start"));
        gateway.expect_said("the directory belongs to the user 65534");
        assert!(!kept(&gateway));
    }
}
