//! `openssl` as a client: another program's opinion of the TLS that is spoken.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Starts `openssl s_client` to this address with further arguments; what it says is piped.
#[track_caller]
pub fn start_openssl(address: SocketAddr, arguments: &[&str]) -> Child {
    Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed (`deploy/setup test`)")
}

/// What `openssl s_client` says who sends these bytes and waits for the other side to close; without bytes it leaves after the
/// handshake.
#[track_caller]
pub fn openssl(address: SocketAddr, arguments: &[&str], sent: &str) -> String {
    let stays: &[&str] = if sent.is_empty() { &[] } else { &["-ign_eof"] };
    let mut child = start_openssl(address, &[arguments, stays].concat());
    // it may have been refused, and gone, before it reads
    child.stdin.take().unwrap().write_all(sent.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).join("\n")
}
