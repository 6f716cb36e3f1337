//! One active health check: does the endpoint answer as it should?

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::wire::Wire;
use crate::tls::ClientTls;
use crate::value::StatusSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Longest head of an answer that is read.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most lines of that head.
const HEAD_LINES_MAX: usize = 100;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A GET for this path; one of these statuses is expected.
    Http { path: Box<str>, expect: StatusSet },
    /// A connection, and nothing on it.
    Tcp,
}

/// Asks once, in TLS where the endpoint's pool speaks it. The error says what was wrong.
pub async fn probe(
    endpoint: &Endpoint,
    check: &Check,
    tls: Option<&Arc<ClientTls>>,
    timeout: Duration,
) -> Result<(), String> {
    match tokio::time::timeout(timeout, ask(endpoint, check, tls)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} ms", timeout.as_millis())),
    }
}

async fn ask(endpoint: &Endpoint, check: &Check, tls: Option<&Arc<ClientTls>>) -> Result<(), String> {
    let wire = Wire::open(&endpoint.target).await.map_err(|e| e.to_string())?;
    let Check::Http { path, expect } = check else { return Ok(()) };
    let mut connection = match tls {
        None => Connection::Plain(wire),
        Some(tls) => Connection::secure(wire, tls, endpoint).await.map_err(|e| e.to_string())?,
    };
    let asked = converse(&mut connection, endpoint, path, expect).await;
    // what it says of TLS it may say late
    asked.map_err(|why| connection.refused().map_or(why, ToString::to_string))
}

async fn converse(
    connection: &mut Connection,
    endpoint: &Endpoint,
    path: &str,
    expect: &StatusSet,
) -> Result<(), String> {
    let said = |e: std::io::Error| e.to_string();
    let host = if endpoint.entry.address.starts_with("unix:") { "localhost" } else { &endpoint.entry.address };
    let agent = concat!("wharf/", env!("CARGO_PKG_VERSION"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.map_err(said)?;
    let mut answer = Vec::new();
    loop {
        if answer.len() >= HEAD_BYTES_MAX {
            return Err("the head of its answer is too long".into());
        }
        if connection.read_buf(&mut answer).await.map_err(said)? == 0 {
            return Err("it closed the connection without an answer".into());
        }
        match final_status(&answer)? {
            Some(status) if expect.contains(status) => return Ok(()),
            Some(status) => return Err(format!("status {status}")),
            None => {}
        }
    }
}

/// The status of the final response, once its head is whole; informational ones come before it. Not read as exchanges read theirs: a
/// second user of that code would cost every request its inlining.
fn final_status(mut answer: &[u8]) -> Result<Option<u16>, String> {
    loop {
        let mut lines = [httparse::EMPTY_HEADER; HEAD_LINES_MAX];
        let mut head = httparse::Response::new(&mut lines);
        match head.parse(answer) {
            Ok(httparse::Status::Complete(length)) => match head.code {
                Some(100..=199) => answer = &answer[length..],
                status => return Ok(status),
            },
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("its answer is not valid HTTP/1".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_status_counts_once_its_head_is_whole() {
        assert_eq!(final_status(b"HTTP/1.1 200 OK\r\n\r\nbody"), Ok(Some(200)));
        assert_eq!(final_status(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 503 No\r\n\r\n"), Ok(Some(503)));
        assert_eq!(final_status(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b"), Ok(None));
        assert_eq!(final_status(b"HTTP/1.0 204\r\n"), Ok(None));
        assert!(final_status(b"SSH-2.0-OpenSSH_9\r\n").is_err());
    }
}
