//! A gateway in a process of its own, ready when the test gets it and gone when the test ends.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::address::own_address;
use super::client::Client;
use super::metrics::Metrics;
use super::origin::Origin;
use super::patience::{PATIENCE, eventually};
use super::process::Process;
use super::response::Response;

/// A running gateway.
pub struct Gateway {
    here: Ipv4Addr,
    folder: PathBuf,
    process: Process,
}

/// The one listener of a test, `web`, with these further keys.
pub fn listener(keys: &str) -> String {
    format!("listeners: {{ web: {{ address: \"HERE:21080\", {keys} }} }}\n")
}

/// The upstream `app` of these endpoints with these further keys, and the route `all` that leads everything there.
pub fn pool<E: Display>(endpoints: impl IntoIterator<Item = E>, keys: &str) -> String {
    let endpoints: Vec<String> = endpoints.into_iter().map(|e| e.to_string()).collect();
    format!(
        "upstreams:\n  app: {{ endpoints: [{}], {keys} }}\n\
         routes: [{{ name: all, match: {{ path: /* }}, upstream: app }}]\n",
        endpoints.join(", ")
    )
}

/// An origin as an endpoint with further keys.
pub fn member(origin: &Origin, keys: &str) -> String {
    format!("{{ address: \"{}\", {keys} }}", origin.address())
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
        gateway.await_ready();
        gateway
    }

    /// Starts one whose admin address cannot be asked over TCP: when it is ready is left to the test.
    #[track_caller]
    pub fn start_unready(yaml: &str) -> Gateway {
        Gateway::spawn("exec", yaml)
    }

    /// Starts it again in its folder, with its file and its state, after it was told to stop or stopped by itself.
    #[track_caller]
    pub fn start_again(&mut self, shell: &str) {
        self.ended();
        self.process = Process::of(launch(shell, &self.folder));
        self.await_ready();
    }

    /// The same for one that is expected to end by itself: its exit status and what it wrote to stderr.
    #[track_caller]
    pub fn fail_again(&mut self, shell: &str) -> (i32, String) {
        self.ended();
        self.process = Process::of(launch(shell, &self.folder));
        (self.ended().expect("an exit status"), self.stderr())
    }

    #[track_caller]
    fn await_ready(&mut self) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait() {
                panic!("the gateway ended with {status:?} before it was ready");
            }
            if self.try_admin("/readyz").is_some_and(|r| r.status == 200) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the gateway is not ready after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs one that is expected to end by itself: its exit status and what it wrote to stderr.
    #[track_caller]
    pub fn failing(yaml: &str) -> (i32, String) {
        let gateway = Gateway::spawn("exec", yaml);
        (gateway.process.ended().expect("an exit status"), gateway.stderr())
    }

    /// Starts one whose folder holds another file beside its configuration.
    #[track_caller]
    pub fn start_with(name: &str, text: &str, yaml: &str) -> Gateway {
        let (here, folder) = Gateway::prepare(yaml);
        std::fs::write(folder.join(name), text).unwrap();
        let process = Process::of(launch("exec", &folder));
        let mut gateway = Gateway { here, folder, process };
        gateway.await_ready();
        gateway
    }

    fn spawn(shell: &str, yaml: &str) -> Gateway {
        let (here, folder) = Gateway::prepare(yaml);
        let process = Process::of(launch(shell, &folder));
        Gateway { here, folder, process }
    }

    /// An address and a folder of its own, with its configuration.
    fn prepare(yaml: &str) -> (Ipv4Addr, PathBuf) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let here = own_address();
        let name = format!("wharf-it-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(folder.join("state")).unwrap();
        std::fs::write(folder.join("gateway.yaml"), complete(yaml, here, &folder)).unwrap();
        (here, folder)
    }

    /// Starts one whose program is a copy in its own folder, `wharf`, which the test may replace.
    #[track_caller]
    pub fn start_copy(yaml: &str) -> Gateway {
        Gateway::start_under("cp \"$0\" wharf; exec ./wharf run --config \"$1\"; :", yaml)
    }

    /// Asks for an upgrade, and waits for nothing.
    pub fn ask_for_upgrade(&self) {
        Process::adopt_orphans();
        self.signal(Signal::USR2);
    }

    /// Upgrades it: the process that has handed over, and finishes what it has.
    #[track_caller]
    pub fn upgrade(&mut self) -> Process {
        self.ask_for_upgrade();
        self.upgraded()
    }

    /// Waits for the end of an upgrade that was asked for.
    #[track_caller]
    pub fn upgraded(&mut self) -> Process {
        let serves = self.id().to_string();
        let heir = eventually(PATIENCE, || {
            let stderr = self.stderr();
            // the last of them, unless it is from an upgrade before
            let (before, _) = stderr.rsplit_once(" has taken over")?;
            let (_, heir) = before.rsplit_once("process ")?;
            (heir != serves).then(|| Pid::from_raw(heir.parse().ok()?)).flatten()
        });
        std::mem::replace(&mut self.process, Process::orphan(heir))
    }

    /// The number of the process that serves.
    pub fn id(&self) -> i32 {
        self.process.id()
    }

    /// Writes another configuration over the first; the same placeholders.
    pub fn rewrite(&self, yaml: &str) {
        let fresh = self.folder.join("gateway.yaml.new");
        std::fs::write(&fresh, self.complete(yaml)).unwrap();
        std::fs::rename(fresh, self.folder.join("gateway.yaml")).unwrap();
    }

    /// Writes another configuration and waits until it is in force, and shown as such: requests may get it a moment earlier.
    #[track_caller]
    pub fn reload(&self, yaml: &str) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // no text of before is the same
        let unlike = format!("{yaml}\n# {}\n", NEXT.fetch_add(1, Ordering::Relaxed));
        let (file, wanted) = (self.folder.join("gateway.yaml").display().to_string(), self.complete(&unlike));
        self.rewrite(&unlike);
        eventually(PATIENCE, || (self.shows("/api/v1/config")["texts"]["files"][&file] == *wanted).then_some(()));
    }

    /// How many reloads there were with this result, `success` or `failure`.
    #[track_caller]
    pub fn reloads(&self, result: &str) -> f64 {
        self.metric(&format!("config_reloads_total{{result=\"{result}\"}}"))
    }

    /// Waits until so many reloads are counted as done and as refused, and neither is one more: a table answers before its reload is
    /// counted.
    #[track_caller]
    pub fn expect_reloads(&self, success: f64, failure: f64) {
        self.expect_counts(&[
            ("config_reloads_total{result=\"success\"}", success),
            ("config_reloads_total{result=\"failure\"}", failure),
        ]);
    }

    /// Waits until it has written this to stderr.
    #[track_caller]
    pub fn expect_said(&self, words: &str) {
        let start = Instant::now();
        while !self.stderr().contains(words) {
            assert!(start.elapsed() < PATIENCE, "it never says {words:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A configuration as [`Gateway::rewrite`] would write it.
    pub fn complete(&self, yaml: &str) -> String {
        complete(yaml, self.here, &self.folder)
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

    /// Waits until counts that only grow have these values; one that is past its value never will.
    #[track_caller]
    pub fn expect_counts(&self, wanted: &[(&str, f64)]) {
        eventually(PATIENCE, || {
            let metrics = self.metrics();
            let counted = wanted.iter().map(|(selector, _)| metrics.sum(&format!("wharf_{selector}")));
            let counted: Vec<f64> = counted.collect();
            let past = counted.iter().zip(wanted).any(|(now, (_, value))| now > value);
            assert!(!past, "{counted:?} is past {wanted:?}");
            counted.iter().zip(wanted).all(|(now, (_, value))| now == value).then_some(())
        });
    }

    /// The metrics once no request is in flight: a client has the end of its answer a moment before the request is counted.
    #[track_caller]
    pub fn settled(&self) -> Metrics {
        self.expect_metric("http_requests_in_flight", 0.0);
        self.metrics()
    }

    /// As [`Gateway::metric`], once no request is in flight.
    #[track_caller]
    pub fn counted(&self, selector: &str) -> f64 {
        self.settled().sum(&format!("wharf_{selector}"))
    }

    /// Waits until the access log has so many lines: it may have no more. A line comes a moment after the answer.
    #[track_caller]
    pub fn expect_logged(&self, count: usize) -> Vec<Value> {
        eventually(PATIENCE, || {
            let lines = self.log_lines();
            assert!(lines.len() <= count, "{} lines, not {count}: {lines:#?}", lines.len());
            (lines.len() == count).then_some(lines)
        })
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
                let counted = || self.metric(&format!("http_failures_total{{reason=\"{reason}\"}}"));
                eventually(PATIENCE, || (counted() >= 1.0).then_some(()));
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no log line says `{reason}`: {seen:#?}");
    }

    /// Resident memory.
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Processor time used so far.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
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

    /// Asks it to stop as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Asks it to open its access log anew.
    pub fn rotate(&self) {
        self.signal(Signal::USR1);
    }

    /// Stops its clock: what comes waits in the kernel.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends the pause.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits for its end: the exit status.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        self.process.ended()
    }

    fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the gateway's stderr:\n{}----", self.stderr());
        }
        self.process.end();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn launch(shell: &str, folder: &Path) -> Child {
    let program = std::env::var_os("WHARF_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_wharf").into());
    Command::new("sh")
        .arg("-c")
        .arg(format!("{shell} \"$0\" run --config \"$1\""))
        .arg(program)
        .arg(folder.join("gateway.yaml"))
        .current_dir(folder)
        .env("STATE_DIRECTORY", folder.join("state"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(folder.join("stdout")).unwrap())
        .stderr(std::fs::File::create(folder.join("stderr")).unwrap())
        .spawn()
        .expect("the gateway's program starts")
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
