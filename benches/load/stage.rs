//! Where a measurement takes place: a scratch directory, free ports, the origin, CPUs, and servers started on them.

use std::cell::Cell;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::peers::{Peer, Route, Setting};
use crate::plan::{Outcome, Plan};
use crate::process::{self, Output, Running};

/// Below the ephemeral range, so that no outgoing connection takes a port between its choice and its use.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// How long a gateway may take to answer its first request: nginx wants a while for 100,000 routes.
const START_PATIENCE: Duration = Duration::from_secs(120);

pub struct Stage {
    pub threads: usize,
    pub access_log: bool,
    proxy_cpus: String,
    load_cpu: String,
    scratch: Scratch,
    origins: Vec<SocketAddr>,
    next_port: Cell<u16>,
    next_directory: Cell<usize>,
    _origin: Running,
}

/// A gateway that answers.
pub struct Server {
    pub peer: Peer,
    pub running: Running,
    pub address: SocketAddr,
    pub admin_port: u16,
    pub directory: PathBuf,
    /// From its start to its first answer.
    pub start_s: f64,
}

/// What one measurement of one gateway found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Sample {
    /// CPU time of the gateway's process tree per completed request.
    pub cpu_us: f64,
    /// The share of one CPU that it took.
    pub busy: f64,
    pub outcome: Outcome,
}

impl Stage {
    pub fn set(threads: usize, access_log: bool) -> io::Result<Stage> {
        let cpus = std::thread::available_parallelism()?.get();
        if cpus < 2 {
            return Err(io::Error::other("two CPUs are needed: one for the gateway, one for the load"));
        }
        let load_cpu = threads.min(cpus - 1).to_string();
        // This program's own reading of /proc must not run where the gateways do.
        process::pin_to(&load_cpu)?;
        let next_port = Cell::new(PORTS.start + (std::process::id() % 1_000) as u16 * 20);
        let origins = vec![local(free_port(&next_port)?), local(free_port(&next_port)?)];
        let arguments: Vec<String> = origins.iter().map(SocketAddr::to_string).collect();
        let mut origin = Running::start_self("origin", &arguments, &load_cpu)?;
        expect_ready(&mut origin)?;
        Ok(Stage {
            threads,
            access_log,
            proxy_cpus: (0..threads.min(cpus)).map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(","),
            load_cpu,
            scratch: Scratch::create()?,
            origins,
            next_port,
            next_directory: Cell::new(0),
            _origin: origin,
        })
    }

    /// One origin's own address, to measure what there is without a gateway.
    pub fn direct(&self) -> SocketAddr {
        self.origins[0]
    }

    pub fn start(&self, peer: &Peer, routes: &[Route]) -> io::Result<Server> {
        self.start_under(&|_| Vec::new(), peer, routes)
    }

    /// Starts a gateway below a tracer, whose command line may name the server's directory.
    pub fn start_under(
        &self,
        tracer: &dyn Fn(&Path) -> Vec<String>,
        peer: &Peer,
        routes: &[Route],
    ) -> io::Result<Server> {
        let nth = self.next_directory.replace(self.next_directory.get() + 1);
        let directory = self.scratch.0.join(format!("{nth:03}-{}", peer.name));
        fs::create_dir(&directory)?;
        let (port, admin_port) = (free_port(&self.next_port)?, free_port(&self.next_port)?);
        let mut command = tracer(&directory);
        let setting = self.setting(port, admin_port, routes, &directory);
        let launch = peer.prepare(&setting, !command.is_empty())?;
        command.extend(launch.command);
        let log = directory.join("log");
        let start = Instant::now();
        let running = Running::start(&command, &self.proxy_cpus, &launch.environment, Output::File(&log))?;
        let address = local(port);
        let mut server = Server { peer: peer.clone(), running, address, admin_port, directory, start_s: 0.0 };
        while !answers(address, &routes[0]) {
            if server.running.exited()?.is_some() || start.elapsed() > START_PATIENCE {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let end =
                    text.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
                return Err(io::Error::other(format!("{} did not start; its log ends with:\n{end}", peer.name)));
            }
            sleep(Duration::from_millis(10));
        }
        server.start_s = start.elapsed().as_secs_f64();
        Ok(server)
    }

    /// Writes a running server's configuration anew, with other routes.
    pub fn rewrite(&self, server: &Server, routes: &[Route]) -> io::Result<()> {
        let setting = self.setting(server.address.port(), server.admin_port, routes, &server.directory);
        server.peer.prepare(&setting, false).map(drop)
    }

    fn setting<'a>(&'a self, port: u16, admin_port: u16, routes: &'a [Route], directory: &'a Path) -> Setting<'a> {
        let (threads, origins, access_log) = (self.threads, &self.origins[..], self.access_log);
        Setting { port, admin_port, threads, origins, routes, directory, access_log }
    }

    /// Loads a server and reads its CPU clock right before and right after.
    pub fn measure(&self, server: &Server, plan: &Plan) -> io::Result<Sample> {
        let client = self.client(&Plan { target: server.address, ..plan.clone() })?;
        let before = server.running.cpu_ns();
        let (outcome, client) = client.go()?;
        let cpu_ns = (server.running.cpu_ns() - before) as f64;
        drop(client);
        if self.access_log {
            self.empty_access_log(server)?;
        }
        let busy = cpu_ns / 1e9 / outcome.elapsed_s.max(1e-9);
        Ok(Sample { cpu_us: cpu_ns / 1e3 / outcome.completed.max(1) as f64, busy, outcome })
    }

    /// A client whose connections are open and warm.
    pub fn client(&self, plan: &Plan) -> io::Result<Client> {
        let mut running = Running::start_self("client", &[serde_json::to_string(plan)?], &self.load_cpu)?;
        expect_ready(&mut running)?;
        Ok(Client { running })
    }

    /// A run's worth of lines would fill a disk; and a log that stays empty was not measured.
    fn empty_access_log(&self, server: &Server) -> io::Result<()> {
        let path = server.peer.access_log(&server.directory);
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::metadata(&path).map_or(0, |found| found.len()) == 0 {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{} wrote no access log", server.peer.name)));
            }
            sleep(Duration::from_millis(20));
        }
        fs::File::options().write(true).open(&path)?.set_len(0)
    }
}

/// A load generator that waits to be told to go.
pub struct Client {
    running: Running,
}

impl Client {
    /// Measures. The client comes back with its connections open; dropping it closes them.
    pub fn go(mut self) -> io::Result<(Outcome, Client)> {
        self.begin()?;
        let outcome = self.outcome()?;
        Ok((outcome, self))
    }

    pub fn begin(&mut self) -> io::Result<()> {
        let stdin = self.running.child().stdin.as_mut().ok_or_else(no_pipe)?;
        stdin.write_all(b"go\n")
    }

    pub fn outcome(&mut self) -> io::Result<Outcome> {
        Ok(serde_json::from_str(&line(&mut self.running)?)?)
    }
}

impl Server {
    /// Whether the route answers with 200.
    pub fn answers(&self, route: &Route) -> bool {
        answers(self.address, route)
    }
}

fn answers(address: SocketAddr, route: &Route) -> bool {
    let ask = || -> io::Result<[u8; 12]> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let Route { host, prefix } = route;
        write!(socket, "GET {prefix}ping HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        socket.read_exact(&mut start)?;
        socket.read_to_end(&mut Vec::new())?;
        Ok(start)
    };
    ask().is_ok_and(|start| start.ends_with(b" 200"))
}

fn expect_ready(running: &mut Running) -> io::Result<()> {
    match line(running)?.trim_end() {
        "ready" => Ok(()),
        other => Err(io::Error::other(format!("a part of this program did not get ready: `{other}`"))),
    }
}

/// One line of a part's stdout. Parts write a line only when asked, so nothing is lost with the buffer.
fn line(running: &mut Running) -> io::Result<String> {
    let mut line = String::new();
    let stdout = running.child().stdout.as_mut().ok_or_else(no_pipe)?;
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line)
}

fn no_pipe() -> io::Error {
    io::Error::other("the part was started without pipes")
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn free_port(next: &Cell<u16>) -> io::Result<u16> {
    for _ in PORTS {
        let port = next.get();
        next.set(if port + 1 < PORTS.end { port + 1 } else { PORTS.start });
        if TcpListener::bind(local(port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no free port"))
}

/// A directory that goes away with the run.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> io::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("wharf-load-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
