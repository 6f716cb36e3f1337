//! A scripted Docker engine: its containers are what the test says, its events what the test tells, its answers as bad as the test wants.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::address::own_address;
use super::patience::{PATIENCE, eventually};

/// An engine that answers on a socket.
pub struct ScriptedEngine {
    socket: PathBuf,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    containers: Mutex<Vec<Value>>,
    /// What answers a list in place of the containers: a status and a body.
    list: Mutex<Option<(u16, String)>>,
    /// What a list waits for.
    slow: AtomicBool,
    listeners: Mutex<Vec<UnixStream>>,
    /// What it tells of the past to those who ask for it.
    past: Mutex<String>,
    stopped: AtomicBool,
    lists: AtomicUsize,
    stop_signal: Mutex<String>,
    version: Mutex<String>,
}

/// A container of the service `app` that answers there.
pub fn container(name: &str, address: std::net::SocketAddr) -> Value {
    json!({
        "Id": name, "Names": [format!("/{name}")], "State": "running", "Status": "Up 2 seconds",
        "Labels": { "wharf.service": "app", "wharf.port": address.port().to_string() },
        "Ports": [], "NetworkSettings": { "Networks": { "shop": { "IPAddress": address.ip().to_string() } } },
    })
}

impl ScriptedEngine {
    /// One with these containers, on a socket of its own.
    pub fn start(containers: Vec<Value>) -> ScriptedEngine {
        let state = Arc::new(State::default());
        *state.containers.lock().unwrap() = containers;
        *state.stop_signal.lock().unwrap() = "SIGTERM".to_owned();
        *state.version.lock().unwrap() = "1.41".to_owned();
        let engine =
            ScriptedEngine { socket: std::env::temp_dir().join(format!("wharf-engine-{}.sock", own_address())), state };
        engine.listen();
        engine
    }

    fn listen(&self) {
        let _ = std::fs::remove_file(&self.socket);
        let listener = UnixListener::bind(&self.socket).unwrap();
        self.state.stopped.store(false, Ordering::Release);
        let state = self.state.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if state.stopped.load(Ordering::Acquire) {
                    return;
                }
                let state = state.clone();
                std::thread::spawn(move || state.answer(stream));
            }
        });
    }

    /// Where it answers.
    pub fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    /// What a `gateway.yaml` says to ask it.
    pub fn section(&self) -> String {
        format!("discovery: {{ docker: {{ endpoint: \"unix://{}\" }} }}\n", self.socket.display())
    }

    /// These are its containers from now on; nobody is told.
    pub fn set(&self, containers: Vec<Value>) {
        *self.state.containers.lock().unwrap() = containers;
    }

    /// It speaks no newer API than this.
    pub fn speaks(&self, version: &str) {
        *self.state.version.lock().unwrap() = version.to_owned();
    }

    /// The signal that stops its containers.
    pub fn stops_by(&self, signal: &str) {
        *self.state.stop_signal.lock().unwrap() = signal.to_owned();
    }

    /// Tells who listens what became of a container.
    pub fn tell(&self, action: &str, name: &str, signal: &str) {
        let attributes = json!({ "wharf.service": "app", "name": name, "signal": signal });
        let event = json!({ "Type": "container", "Action": action, "Actor": { "ID": name, "Attributes": attributes } });
        self.say(&format!("{event}\n"));
    }

    /// Tells who listens anything.
    pub fn say(&self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.state.listeners.lock().unwrap().retain_mut(|to| to.write_all(chunk.as_bytes()).is_ok());
    }

    /// Tells this to whoever asks what was before it listened.
    pub fn remembers(&self, text: &str) {
        *self.state.past.lock().unwrap() = text.to_owned();
    }

    /// Every list is answered so; `None` for the containers.
    pub fn answers(&self, list: Option<(u16, &str)>) {
        *self.state.list.lock().unwrap() = list.map(|(status, body)| (status, body.to_owned()));
    }

    /// Lists wait, or do not any more.
    pub fn is_slow(&self, slow: bool) {
        self.state.slow.store(slow, Ordering::Release);
    }

    /// Cuts the streams of events.
    pub fn cut(&self) {
        for stream in self.state.listeners.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// The socket is gone, and everybody is cut off.
    pub fn vanish(&self) {
        self.state.stopped.store(true, Ordering::Release);
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
        self.cut();
    }

    /// It is back.
    pub fn come_back(&self) {
        self.listen();
    }

    /// Lists that were asked for so far.
    pub fn lists(&self) -> usize {
        self.state.lists.load(Ordering::Acquire)
    }

    /// Waits until somebody listens to its events.
    #[track_caller]
    pub fn expect_listener(&self) {
        eventually(PATIENCE, || (!self.state.listeners.lock().unwrap().is_empty()).then_some(()));
    }
}

impl Drop for ScriptedEngine {
    fn drop(&mut self) {
        self.vanish();
    }
}

impl State {
    fn answer(&self, mut stream: UnixStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let Some(request) = lines.next() else { return };
        for line in lines.by_ref() {
            if line.is_empty() {
                break;
            }
        }
        let target = request.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut say = |status: u16, body: &str| {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        };
        if path == "/version" {
            let version = self.version.lock().unwrap().clone();
            say(200, &json!({ "ApiVersion": version, "MinAPIVersion": "1.12" }).to_string());
        } else if path.ends_with("/containers/json") {
            self.lists.fetch_add(1, Ordering::AcqRel);
            let containers = json!(*self.containers.lock().unwrap()).to_string();
            while self.slow.load(Ordering::Acquire) && !self.stopped.load(Ordering::Acquire) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let list = self.list.lock().unwrap().clone();
            let (status, body) = list.unwrap_or((200, containers));
            say(status, &body);
        } else if path.ends_with("/events") {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let past = if query.contains("&since=") { self.past.lock().unwrap().clone() } else { String::new() };
            let past = if past.is_empty() { past } else { format!("{:x}\r\n{past}\r\n", past.len()) };
            if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(past.as_bytes())).is_ok() {
                self.listeners.lock().unwrap().push(stream);
            }
        } else if path.contains("/containers/") {
            say(200, &json!({ "Config": { "StopSignal": *self.stop_signal.lock().unwrap() } }).to_string());
        } else {
            say(404, &json!({ "message": format!("no {path}") }).to_string());
        }
    }
}
