//! Asking the running gateway, one request at a time.

use super::{FAILED, Failure};
use crate::admin::FORGERY_HEADER;
use crate::config::steers;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take. A reload reads everything anew.
const ANSWER: Duration = Duration::from_secs(120);
/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 << 20;

/// Where a gateway is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `host:port`
    Tcp(String),
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(address) => write!(f, "http://{address}"),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Asks one gateway.
pub struct Client {
    pub place: Place,
    pub token: Option<Box<str>>,
}

/// What a gateway says when it does not do what it was asked.
#[derive(Deserialize)]
struct Said {
    error: String,
    #[serde(default)]
    hint: Option<String>,
}

impl Client {
    /// The answer to a question.
    pub fn get(&self, path: &str) -> Result<String, Failure> {
        self.done(self.ask(Method::GET, path, String::new())?)
    }

    /// The answer to an order, whatever its status says.
    pub fn order(&self, method: Method, path: &str, body: String) -> Result<(StatusCode, String), Failure> {
        self.ask(method, path, body)
    }

    /// The answer, if it is one.
    pub fn done(&self, (status, text): (StatusCode, String)) -> Result<String, Failure> {
        if status.is_success() {
            return Ok(text);
        }
        let (said, hint) = match serde_json::from_str::<Said>(&text) {
            Ok(Said { error, hint }) => (error, hint.unwrap_or_default()),
            Err(_) => {
                (format!("{} answers {status}", self.place), "is this the admin address of a gateway?".to_owned())
            }
        };
        let (said, hint) = match (status, &self.token) {
            (StatusCode::UNAUTHORIZED, None) => (
                format!("the gateway at {} wants the admin token", self.place),
                "name the file that holds it: `--token-file FILE`".to_owned(),
            ),
            (StatusCode::UNAUTHORIZED, Some(_)) => (
                format!("the gateway at {} does not take this token", self.place),
                "it reads its own when it starts and reloads: was the token changed since?".to_owned(),
            ),
            _ => (said, hint),
        };
        Err(Failure { exit: FAILED, said: format!("error: {}", printable(&said)), hint: printable(&hint) })
    }

    /// An answer in JSON.
    pub fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, Failure> {
        serde_json::from_str(text).map_err(|error| {
            let said = format!("error: what {} answers is not understood: {error}", self.place);
            Failure { exit: FAILED, said, hint: "are the gateway and this command of the same version?".into() }
        })
    }

    fn ask(&self, method: Method, path: &str, body: String) -> Result<(StatusCode, String), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(FAILED, format!("error: {error}"), ""))?;
        runtime.block_on(async {
            match tokio::time::timeout(ANSWER, self.exchange(method, path, body)).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(failure)) => Err(failure),
                Err(_) => Err(self.failed(format!("no answer within {ANSWER:?}"), "the gateway's log may say why")),
            }
        })
    }

    async fn exchange(&self, method: Method, path: &str, body: String) -> Result<(StatusCode, String), Failure> {
        let response = match &self.place {
            Place::Tcp(address) => {
                let stream = self.connected(TcpStream::connect(address.as_str())).await?;
                self.converse(stream, address, method, path, body).await
            }
            Place::Unix(file) => {
                let stream = self.connected(UnixStream::connect(file)).await?;
                self.converse(stream, "localhost", method, path, body).await
            }
        };
        let is_it = "is this the admin address of a gateway?";
        let response = response.map_err(|error| self.failed(format!("no answer: {error}"), is_it))?;
        let status = response.status();
        let bytes = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_MAX).await;
        let bytes = bytes.map_err(|error| self.failed(format!("the answer broke off: {error}"), is_it))?;
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn connected<S>(&self, connecting: impl Future<Output = io::Result<S>>) -> Result<S, Failure> {
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")));
        connected.map_err(|error| {
            let hint = match (error.kind(), &self.place) {
                (io::ErrorKind::ConnectionRefused, _) | (io::ErrorKind::NotFound, Place::Unix(_)) => {
                    "is the gateway running? its log says `admin on …`; name another address with `--admin`"
                }
                (io::ErrorKind::PermissionDenied, Place::Unix(_)) => {
                    "run the command as the user that runs the gateway"
                }
                _ => "name another address with `--admin http://HOST:PORT`",
            };
            self.failed(format!("cannot connect: {error}"), hint)
        })
    }

    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        host: &str,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // what goes wrong there is told to the sender
        drop(tokio::spawn(connection));
        let mut request = Request::builder().method(&method).uri(path).header(HOST, host);
        if method != Method::GET {
            request = request.header(FORGERY_HEADER, "1");
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        Ok(sender.send_request(request.body(Body::from(body))?).await?)
    }

    fn failed(&self, why: String, hint: &str) -> Failure {
        Failure::new(FAILED, format!("error: the gateway at {} cannot be asked: {why}", self.place), hint)
    }
}

/// A text of the gateway's, harmless on a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// A name as a part of a path.
pub fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds_are_one_part_of_a_path() {
        assert_eq!(encoded("app-1:3000"), "app-1%3A3000");
        assert_eq!(encoded("unix:/run/a b"), "unix%3A%2Frun%2Fa%20b");
        assert_eq!(encoded("[::1]:80%"), "%5B%3A%3A1%5D%3A80%25");
    }

    #[test]
    fn what_a_gateway_says_cannot_steer_a_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc\td\u{202e}"), "a\u{fffd}[2Jb\nc\u{fffd}d\u{fffd}");
    }
}
