//! The engine's API on the wire: one connection for each question, every answer bounded in bytes and time.

use super::Settings;

use super::container::{Container, NetworkSettings};
use super::engine::Engine;
use super::event::{ACTIONS, Event};
use crate::tls::{ClientStream, ClientTls};
use http::{Request, StatusCode, header};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeSet;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// How long a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// How long a whole answer may take. An engine with much to do is slow at times.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer, in bytes: a thousand containers take about two million.
const ANSWER_MAX: usize = 32 << 20;
/// The longest event, in bytes. It holds the labels of its container.
const EVENT_MAX: usize = 1 << 20;
/// Nanoseconds of a second.
const NANOS: u64 = 1_000_000_000;
/// The oldest and the newest minor version of API 1 that is spoken.
const VERSIONS: (u32, u32) = (24, 48);

/// An API that was agreed on.
#[derive(Clone, Debug)]
pub struct Wire {
    place: Place,
    minor: u32,
}

/// An engine, and what is spoken to it.
#[derive(Clone, Debug)]
struct Place {
    engine: Engine,
    tls: Option<Arc<ClientTls>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    api_version: Box<str>,
    #[serde(default, rename = "MinAPIVersion")]
    min_api_version: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    #[serde(default)]
    config: Option<InspectedConfig>,
    #[serde(default)]
    network_settings: Option<NetworkSettings>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    #[serde(default)]
    stop_signal: Option<Box<str>>,
}

impl Wire {
    /// Asks the engine which versions it speaks, and agrees on the newest that both do.
    pub async fn agree(settings: &Settings) -> Result<Wire, String> {
        let place = Place { engine: settings.engine.clone(), tls: settings.tls.clone() };
        let version: Version = ask(&place, "/version").await?;
        let engine = &place.engine;
        let least = version.min_api_version.as_deref().and_then(minor).unwrap_or(0).max(VERSIONS.0);
        let most = minor(&version.api_version).unwrap_or(0).min(VERSIONS.1);
        if least > most {
            let said = version.min_api_version.as_deref().unwrap_or("-");
            return Err(format!(
                "{engine} speaks API {said} to {}, and the gateway 1.{} to 1.{}",
                version.api_version, VERSIONS.0, VERSIONS.1
            ));
        }
        Ok(Wire { place, minor: most })
    }

    /// The containers that run with one of these labels.
    pub async fn list(self, labels: &[&str]) -> Result<Vec<Container>, String> {
        let mut all: Vec<Container> = Vec::new();
        // an engine takes several labels for all of them
        for label in labels {
            let filters = json!({ "label": [label] }).to_string();
            let path = self.path(&format!("/containers/json?filters={}", encoded(&filters)));
            all.append(&mut ask(&self.place, &path).await?);
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all.dedup_by(|a, b| a.id == b.id);
        Ok(all)
    }

    /// Whether this signal is the one that stops the container.
    pub async fn stops_by(self, id: Box<str>, signal: i32) -> bool {
        let inspected: Result<Inspected, String> =
            ask(&self.place, &self.path(&format!("/containers/{}/json", encoded(&id)))).await;
        let config = inspected.ok().and_then(|inspected| inspected.config);
        let own = config.and_then(|config| super::event::signal(config.stop_signal.as_deref()?));
        own == Some(signal)
    }

    /// The networks of the container that the gateway itself runs in, if it runs in one of this engine.
    pub async fn own_networks(&self) -> Option<BTreeSet<Box<str>>> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        let id = own_container(&mounts)?;
        let inspected: Inspected = ask(&self.place, &self.path(&format!("/containers/{id}/json"))).await.ok()?;
        let names = inspected.network_settings?.names();
        // who shares the host's network sees what the host sees, and who has none finds for another
        (!names.contains("host") && !names.contains("none")).then_some(names)
    }

    /// Listens to what becomes of containers, and first to what became of them after `since`, in nanoseconds of the engine's clock, as far
    /// as the engine remembers.
    pub async fn events(&self, since: Option<u64>) -> Result<Events, String> {
        let filters = json!({ "type": ["container", "network"], "event": ACTIONS }).to_string();
        let mut path = self.path(&format!("/events?filters={}", encoded(&filters)));
        if let Some(after) = since.map(|since| since.saturating_add(1)) {
            path.push_str(&format!("&since={}.{:09}", after / NANOS, after % NANOS));
        }
        let engine = &self.place.engine;
        let late = || format!("{engine} does not answer within {} s", ANSWER_PATIENCE.as_secs());
        let body = timeout(ANSWER_PATIENCE, send(&self.place, &path)).await.map_err(|_| late())??;
        Ok(Events { body, read: Vec::new(), skips: false, is_nonsense: false })
    }

    /// Where the engine's host is reached from here.
    pub async fn host(&self) -> Option<IpAddr> {
        match &self.place.engine {
            Engine::Unix(_) | Engine::File(_) => Some(IpAddr::from([127, 0, 0, 1])),
            Engine::Tcp(address) => {
                let found = timeout(CONNECT_PATIENCE, tokio::net::lookup_host(&**address)).await;
                found.ok()?.ok()?.next().map(|address| address.ip())
            }
        }
    }

    fn path(&self, path: &str) -> String {
        format!("/v1.{}{path}", self.minor)
    }
}

/// Events as they come.
pub struct Events {
    body: Incoming,
    /// What came and was not taken.
    read: Vec<u8>,
    /// What comes up to the end of the line belongs to an event that is too long.
    skips: bool,
    /// The last that came was no event.
    pub is_nonsense: bool,
}

impl Events {
    /// The next event, of which nothing is known where it is too long; an error when there will be no more. Nothing is lost when the wait is
    /// given up.
    pub async fn next(&mut self) -> Result<Event, String> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read) {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                if std::mem::take(&mut self.skips) || line.trim_ascii().is_empty() {
                    continue;
                }
                let event = serde_json::from_slice(&line);
                self.is_nonsense = event.is_err();
                return event.map_err(|e| format!("the engine tells nonsense in its events: {e}"));
            }
            if self.read.len() > EVENT_MAX {
                self.read.clear();
                // anybody's container may have labels of any length
                if !std::mem::replace(&mut self.skips, true) {
                    return Ok(Event::unknown());
                }
            }
            match frame(&mut self.body).await {
                Some(Ok(bytes)) => self.read.extend_from_slice(&bytes),
                Some(Err(why)) => return Err(format!("the engine's events broke off: {why}")),
                None => return Err("the engine's events ended".to_owned()),
            }
        }
    }
}

/// The id of the container whose files these mounts are: the engine mounts a few of its own into each.
fn own_container(mounts: &str) -> Option<&str> {
    const LENGTH: usize = 64;
    mounts.lines().find_map(|line| {
        let is_ours = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"].iter().any(|file| line.contains(file));
        let (_, rest) = line.split_once("/containers/").filter(|_| is_ours)?;
        rest.get(..LENGTH).filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.parse().ok()
}

/// Percent-encoded for a path or a query.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Asks, and reads the whole answer.
async fn ask<T: DeserializeOwned>(place: &Place, path: &str) -> Result<T, String> {
    let engine = &place.engine;
    let answered = async {
        let mut body = send(place, path).await?;
        let bytes = read(&mut body).await.map_err(|why| format!("{engine}: {why}"))?;
        serde_json::from_slice(&bytes).map_err(|e| format!("{engine} answers nonsense: {e}"))
    };
    let late = || Err(format!("{engine} does not answer within {} s", ANSWER_PATIENCE.as_secs()));
    timeout(ANSWER_PATIENCE, answered).await.unwrap_or_else(|_| late())
}

/// Sends a question on a connection of its own. What is left of the answer is read from the body.
async fn send(place: &Place, path: &str) -> Result<Incoming, String> {
    let Place { engine, tls } = place;
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => format!("there is no engine at {engine}"),
        io::ErrorKind::PermissionDenied => format!("{engine} cannot be opened: permission denied{}", belonging(engine)),
        _ => format!("{engine} cannot be reached: {e}"),
    };
    let late = || failed(io::ErrorKind::TimedOut.into());
    match engine {
        Engine::Unix(socket) => {
            let stream = timeout(CONNECT_PATIENCE, connect_unix(socket)).await.map_err(|_| late())?;
            speak(stream.map_err(failed)?, "docker", engine, path).await
        }
        Engine::File(_) => Err(format!("{engine} is a file, and no engine")),
        Engine::Tcp(address) => {
            let stream = timeout(CONNECT_PATIENCE, TcpStream::connect(&**address)).await.map_err(|_| late())?;
            let stream = stream.map_err(failed)?;
            let Some(tls) = tls else { return speak(stream, address, engine, path).await };
            let host = address.rsplit_once(':').map_or(&**address, |(host, _)| host).trim_matches(['[', ']']);
            let ip = host.parse().ok();
            let name = tls.name(ip.is_none().then_some(host), ip);
            let name = name.ok_or_else(|| format!("`{host}` is no name that {engine} could prove to have"))?;
            let shaken =
                timeout(CONNECT_PATIENCE, ClientStream::connect(stream, tls, name)).await.map_err(|_| late())?;
            let stream = shaken.map_err(|why| format!("no TLS with {engine}: {why}"))?;
            speak(stream, address, engine, path).await
        }
    }
}

/// Whose a socket is that may not be opened.
fn belonging(engine: &Engine) -> String {
    let Engine::Unix(socket) = engine else { return String::new() };
    std::fs::metadata(socket).map_or_else(
        |_| ", nor the directories on the way to it".to_owned(),
        |of| format!("; it belongs to user {} and group {}", of.uid(), of.gid()),
    )
}

async fn connect_unix(socket: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket).await
}

async fn speak<S>(stream: S, host: &str, engine: &Engine, path: &str) -> Result<Incoming, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |e: hyper::Error| match e.source() {
        // an engine that wants a certificate says so behind the handshake
        Some(cause) => format!("{engine} breaks off: {cause}"),
        None => format!("{engine} speaks no HTTP that is understood: {e}"),
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // it ends with the body or with the question, whichever is dropped first
    tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, host).body(String::new());
    let request = request.map_err(|e| format!("{engine}: {e}"))?;
    let (head, mut body) = sender.send_request(request).await.map_err(broken)?.into_parts();
    if head.status == StatusCode::OK {
        return Ok(body);
    }
    let bytes = read(&mut body).await.unwrap_or_default();
    let said = serde_json::from_slice(&bytes).map_or(String::new(), |Message { message }| format!(": {message}"));
    let said: String = said.chars().take(300).flat_map(char::escape_debug).collect();
    Err(format!("{engine} answers {}{said}", head.status))
}

async fn read(body: &mut Incoming) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(data) = frame(body).await {
        bytes.extend_from_slice(&data?);
        if bytes.len() > ANSWER_MAX {
            return Err(format!("the answer is larger than {} MiB", ANSWER_MAX >> 20));
        }
    }
    Ok(bytes)
}

/// The next bytes of a body.
async fn frame(body: &mut Incoming) -> Option<Result<Vec<u8>, String>> {
    let mut body = pin!(body);
    let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.data_ref().map(|data| data.to_vec()).unwrap_or_default()).map_err(|e| e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_s_own_container_is_told_by_its_mounts() {
        let id = "0123456789abcdef".repeat(4);
        let mounts = format!(
            "22 1 8:1 / / rw - overlay overlay rw\n\
             23 22 8:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
        );
        assert_eq!(own_container(&mounts), Some(&*id));
        assert_eq!(own_container("22 1 8:1 /srv/containers/x /etc/hosts rw - ext4 /dev/sda1 rw\n"), None);
        let of_host = format!("24 22 0:30 / /var/lib/docker/containers/{id}/mounts/shm rw - tmpfs shm rw\n");
        assert_eq!(own_container(&of_host), None, "the host sees the mounts of its containers");
    }

    #[test]
    fn filters_are_encoded() {
        assert_eq!(encoded("{\"a\":[\"b.c\"]}"), "%7B%22a%22%3A%5B%22b.c%22%5D%7D");
    }
}
