//! A gateway in a process of its own, ready when the test gets it and gone when the test ends.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::address::own_address;
use super::client::Client;
use super::metrics::Metrics;
use super::origin::Origin;
use super::patience::{PATIENCE, eventually};
use super::response::Response;

/// A running gateway.
pub struct Gateway {
    here: Ipv4Addr,
    folder: PathBuf,
    child: Child,
}

/// The one listener of a test, `web`, with these further keys.
pub fn listener(keys: &str) -> String {
    format!("listeners: {{ web: {{ address: \"HERE:21080\", {keys} }} }}\n")
}

impl Gateway {
    /// Starts one from a configuration. `version`, `listeners` (one, `web`), `admin` and `observability` (a JSON access log in
    /// a file) are added where they are not written; `HERE` stands for an address of its own, `FOLDER` for its own folder.
    #[track_caller]
    pub fn start(yaml: &str) -> Gateway {
        Gateway::start_under("exec", yaml)
    }

    /// One that forwards everything to this origin, with further sections.
    #[track_caller]
    pub fn before(origin: &Origin, more: &str) -> Gateway {
        Gateway::before_all(&[origin.address()], more)
    }

    /// One that forwards everything to the upstream `app` of these endpoints, with further sections.
    #[track_caller]
    pub fn before_all(endpoints: &[SocketAddr], more: &str) -> Gateway {
        let endpoints: Vec<String> = endpoints.iter().map(|e| format!("\"{e}\"")).collect();
        Gateway::start(&format!(
            "upstreams: {{ app: {{ endpoints: [{}] }} }}\n\
             routes: [{{ name: all, match: {{ path: /* }}, upstream: app }}]\n{more}",
            endpoints.join(", ")
        ))
    }

    /// Starts one behind a shell command such as `ulimit -n 64; exec`.
    #[track_caller]
    pub fn start_under(shell: &str, yaml: &str) -> Gateway {
        let mut gateway = Gateway::spawn(shell, yaml);
        let start = Instant::now();
        loop {
            if let Some(status) = gateway.child.try_wait().unwrap() {
                panic!("the gateway ended with {status} before it was ready");
            }
            if gateway.try_admin("/readyz").is_some_and(|r| r.status == 200) {
                return gateway;
            }
            assert!(start.elapsed() < PATIENCE, "the gateway is not ready after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs one that is expected to end by itself: its exit status and what it wrote to stderr.
    #[track_caller]
    pub fn failing(yaml: &str) -> (i32, String) {
        let mut gateway = Gateway::spawn("exec", yaml);
        let status = eventually(PATIENCE, || gateway.child.try_wait().unwrap());
        (status.code().expect("an exit status"), gateway.stderr())
    }

    fn spawn(shell: &str, yaml: &str) -> Gateway {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let here = own_address();
        let name = format!("wharf-it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(folder.join("state")).unwrap();
        let file = folder.join("gateway.yaml");
        std::fs::write(&file, complete(yaml, here, &folder)).unwrap();
        let program = std::env::var_os("WHARF_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_wharf").into());
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!("{shell} \"$0\" run --config \"$1\""))
            .arg(program)
            .arg(&file)
            .current_dir(&folder)
            .env("STATE_DIRECTORY", folder.join("state"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(folder.join("stdout")).unwrap())
            .stderr(std::fs::File::create(folder.join("stderr")).unwrap())
            .spawn()
            .expect("the gateway's program starts");
        Gateway { here, folder, child }
    }

    /// Writes another configuration over the first; the same placeholders.
    pub fn rewrite(&self, yaml: &str) {
        let fresh = self.folder.join("gateway.yaml.new");
        std::fs::write(&fresh, complete(yaml, self.here, &self.folder)).unwrap();
        std::fs::rename(fresh, self.folder.join("gateway.yaml")).unwrap();
    }

    /// Its first listener.
    pub fn address(&self) -> SocketAddr {
        self.on(21080)
    }

    /// Another port of its own address.
    pub fn on(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.here, port))
    }

    /// Its own folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new connection.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// The response to one request on a connection of its own.
    #[track_caller]
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> Response {
        self.connect().ask(bytes)
    }

    /// `GET` of a target on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.connect().get(target)
    }

    /// `GET` from the admin address.
    #[track_caller]
    pub fn admin(&self, target: &str) -> Response {
        let address = self.on(21900);
        Client::connect(address).ask(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
    }

    fn try_admin(&self, target: &str) -> Option<Response> {
        let address = self.on(21900);
        let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        drop(stream);
        let mut client = Client::connect(address);
        client.try_send(format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).ok()?;
        client.try_response("GET", PATIENCE).ok()
    }

    /// One scrape.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.admin("/metrics").text())
    }

    /// The sum of the series that `name{label="value"}` picks, without the prefix `wharf_`.
    #[track_caller]
    pub fn metric(&self, selector: &str) -> f64 {
        self.metrics().sum(&format!("wharf_{selector}"))
    }

    /// Waits until a metric has this value.
    #[track_caller]
    pub fn expect_metric(&self, selector: &str, value: f64) {
        let mut last = f64::NAN;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            last = self.metric(selector);
            if last == value {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{selector} is {last}, not {value}, after {PATIENCE:?}");
    }

    /// The access log so far.
    #[track_caller]
    pub fn log_lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e} in log line {l:?}"))).collect()
    }

    /// Waits for the access-log line of the request to this path.
    #[track_caller]
    pub fn logged(&self, path: &str) -> Value {
        eventually(PATIENCE, || self.log_lines().into_iter().find(|line| line["path"] == path))
    }

    /// Waits for a request that failed with this reason, in the log and in the metric.
    #[track_caller]
    pub fn expect_failure(&self, reason: &str) {
        let mut seen = Vec::new();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            seen = self.log_lines();
            if seen.iter().any(|line| line["reason"] == reason) {
                let counted = self.metric(&format!("http_failures_total{{reason=\"{reason}\"}}"));
                assert!(counted >= 1.0, "`{reason}` is in the log but not counted");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no log line says `{reason}`: {seen:#?}");
    }

    /// Resident memory.
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Processor time used so far.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// What it has written to stderr.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }

    /// Asks it to reload.
    pub fn hup(&self) {
        self.signal(Signal::HUP);
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for its end: the exit status.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        eventually(PATIENCE, || self.child.try_wait().unwrap()).code()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the gateway's stderr:\n{}----", self.stderr());
        }
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn complete(yaml: &str, here: Ipv4Addr, folder: &Path) -> String {
    let has = |key: &str| yaml.lines().any(|line| line.starts_with(key));
    let mut text = String::new();
    if !has("version:") {
        text += "version: 1\n";
    }
    if !has("listeners:") {
        text += &listener("");
    }
    if !has("admin:") {
        text += "admin: { address: \"HERE:21900\" }\n";
    }
    if !has("observability:") {
        text += "observability: { access_log: { format: json, output: FOLDER/access.log } }\n";
    }
    text += yaml;
    text.replace("HERE", &here.to_string()).replace("FOLDER", &folder.display().to_string())
}
