//! A real name server in a process of its own: dnsmasq.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::address::own_address;
use super::gateway::Gateway;
use super::patience::{PATIENCE, eventually};
use super::process::Process;

/// Where it listens, on an address of its own.
const PORT: u16 = 5300;

/// A running dnsmasq that knows all of `test.` itself, and nothing else.
pub struct Dnsmasq {
    here: Ipv4Addr,
    folder: PathBuf,
    process: Process,
}

impl Dnsmasq {
    /// Starts one with these lines in its configuration, such as `srv-host=…`.
    #[track_caller]
    pub fn start(config: &str) -> Dnsmasq {
        let here = own_address();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dnsmasq-{here}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("hosts"), "").unwrap();
        let process = launch(here, &folder, config);
        Dnsmasq { here, folder, process }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("{}:{PORT}", self.here)
    }

    /// The section that has a gateway ask it, and nobody else.
    pub fn section(&self) -> String {
        self.section_with("")
    }

    /// The same with more keys.
    pub fn section_with(&self, keys: &str) -> String {
        format!("discovery: {{ dns: {{ servers: [\"{}:{PORT}\"], {keys} }} }}\n", self.here)
    }

    /// Starts a gateway that asks it.
    #[track_caller]
    pub fn gateway(&self, yaml: &str) -> Gateway {
        Gateway::start(&format!("{}{yaml}", self.section()))
    }

    /// These names have these addresses from now on, and no others have any.
    pub fn hosts(&self, hosts: &[(&str, &[IpAddr])]) {
        let mut text = String::new();
        for (name, addresses) in hosts {
            addresses.iter().for_each(|ip| writeln!(text, "{ip} {name}").unwrap());
        }
        std::fs::write(self.folder.join("hosts"), text).unwrap();
        let read = self.log().matches("read ").count();
        self.process.signal(Signal::HUP);
        eventually(PATIENCE, || (self.log().matches("read ").count() > read).then_some(()));
    }

    /// Ends it: nobody answers.
    pub fn stop(&self) {
        self.process.end();
    }

    /// Holds it: it takes questions, and answers none.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Goes on after [`Dnsmasq::freeze`].
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Starts it again with these lines.
    #[track_caller]
    pub fn start_again(&mut self, config: &str) {
        self.process.end();
        self.process = launch(self.here, &self.folder, config);
    }

    /// How often this was asked over TCP, for which it makes a process each time.
    pub fn asked_over_tcp(&self, question: &str) -> usize {
        let own = format!("dnsmasq[{}]", self.process.id());
        self.log().lines().filter(|line| line.contains(question) && !line.contains(&own)).count()
    }

    /// How many lines of its log have all of these words, such as `query[A]`.
    pub fn logged(&self, words: &[&str]) -> usize {
        self.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.process.end();
        if std::thread::panicking() {
            eprintln!("--- what dnsmasq said\n{}", self.log());
        }
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

#[track_caller]
fn launch(here: Ipv4Addr, folder: &Path, config: &str) -> Process {
    let whole = format!(
        "port={PORT}\nlisten-address={here}\nbind-interfaces\nno-resolv\nno-hosts\nlocal=/test/\naddn-hosts={}\n\
         log-queries\nlog-facility={}\npid-file={}\ncache-size=0\n{config}\n",
        folder.join("hosts").display(),
        folder.join("log").display(),
        folder.join("pid").display(),
    );
    std::fs::write(folder.join("conf"), whole).unwrap();
    let user = rustix::process::getuid().as_raw();
    let mut command = Command::new("dnsmasq");
    command.arg("--keep-in-foreground").arg(format!("--conf-file={}", folder.join("conf").display()));
    if user == 0 {
        command.arg("--user=root");
    }
    // Debian keeps it where an ordinary user's PATH does not look
    let path = format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let child = command.env("PATH", path).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let process = Process::of(child.expect("dnsmasq runs: `deploy/setup test` installs it"));
    eventually(PATIENCE, || TcpStream::connect((here, PORT)).ok());
    process
}
