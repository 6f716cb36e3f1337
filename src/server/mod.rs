//! Putting it together on pingora: sockets, worker threads, reload, signals, shutdown.

mod accept;
mod bind;
mod reactor;
mod readiness;
mod reload;
mod service;
mod signals;
mod socket;
mod thread;
mod watch;

use crate::admin;
use crate::config::{self, AccessLogOutput, Document, LogLevel, Threads};
use crate::table::compile::{Parts, compile};
use crate::table::{LiveTable, Table};
use crate::telemetry::{self, AccessLog, Output, ProgramStats};
use crate::upstream::idle::Slots;
use crate::upstream::names;
use crate::value::ListenAddress;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch as channel;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, read again on reload.
    File(PathBuf),
    /// A text made from the command line.
    Text(String),
}

impl Source {
    /// Reads and checks the configuration.
    pub fn load(&self) -> Result<Document, config::Report> {
        match self {
            Source::File(path) => config::load(path),
            Source::Text(text) => config::parse("command line", text),
        }
    }
}

/// Why the gateway did not run.
pub enum Error {
    /// The configuration is invalid.
    Config(config::Report),
    /// Anything else, as a sentence.
    Start(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(report) => write!(f, "{}", report.render(false)),
            Error::Start(why) => write!(f, "error: {why}"),
        }
    }
}

/// What the parts of a running gateway share.
pub struct Gateway {
    pub source: Source,
    pub live: Arc<LiveTable>,
    pub program: Arc<ProgramStats>,
    pub access_log: AccessLog,
    parts: Parts,
    /// The document that cannot change without a new process is compared with.
    fixed: reload::Fixed,
    give_back_memory: fn(),
    /// The admin address, if there is one.
    pub admin: Option<ListenAddress>,
    stopping_times: Mutex<StoppingTimes>,
    start: Instant,
    /// Workers that accept connections.
    serving: AtomicUsize,
    stopping: AtomicBool,
    /// Signals are listened to: before that a HUP would end the process.
    listens: AtomicBool,
}

/// How a stop goes; a reload changes it.
#[derive(Clone, Copy)]
struct StoppingTimes {
    shutdown_timeout: Duration,
    readiness_delay: Duration,
}

impl StoppingTimes {
    fn of(document: &Document) -> StoppingTimes {
        StoppingTimes { shutdown_timeout: document.shutdown_timeout, readiness_delay: document.readiness_delay }
    }
}

impl Gateway {
    /// What of a document is neither in its table nor fixed.
    fn adopt(&self, document: &Document) {
        *self.stopping_times.lock().unwrap_or_else(PoisonError::into_inner) = StoppingTimes::of(document);
        log::set_max_level(level(document.observability.log.level));
    }

    fn stopping_times(&self) -> StoppingTimes {
        *self.stopping_times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is served where, and from which file.
    fn announce(&self) {
        let from = match &self.source {
            Source::File(path) => path.display().to_string(),
            Source::Text(_) => "the command line".to_owned(),
        };
        log::info!("wharf {} serves {from} with {} worker threads", env!("CARGO_PKG_VERSION"), self.parts.workers);
        for listener in &self.live.load().listeners {
            log::info!("listener {} on {}", listener.name, listener.address);
        }
        if let Some(address) = &self.admin {
            log::info!("admin on {address}");
        }
    }

    /// A worker has drained.
    fn worker_done(&self) {
        self.serving.fetch_sub(1, Ordering::AcqRel);
    }
}

impl admin::View for Gateway {
    fn is_ready(&self) -> bool {
        self.serving.load(Ordering::Acquire) == self.parts.workers
            && self.listens.load(Ordering::Acquire)
            && !self.stopping.load(Ordering::Acquire)
    }

    fn table(&self) -> Arc<Table> {
        self.live.load()
    }

    fn program(&self) -> &ProgramStats {
        &self.program
    }
}

/// What the program does at certain moments.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// When a table was loaded, and what its text took is free.
    pub give_back_memory: fn(),
    /// When everything is bound and about to serve.
    pub started: fn(&Gateway),
}

/// Runs the gateway until a signal stops it.
pub fn run(source: Source, hooks: Hooks) -> Result<(), Error> {
    let document = source.load().map_err(Error::Config)?;
    telemetry::log::init(level(document.observability.log.level));
    let workers = match document.threads {
        Threads::Auto => std::thread::available_parallelism().map_or(1, usize::from),
        Threads::Count(n) => usize::from(n.get()),
    };
    raise_descriptor_limit();
    let parts = Parts { workers, slots: Arc::new(Slots::default()) };
    let table = compile(&document, &parts, None);
    let sockets = bind_all(&table)?;
    let admin_socket = match &document.admin {
        Some(admin) => Some(bound(&admin.address, "admin address")?),
        None => None,
    };
    resolve_names(&table)?;
    let program =
        Arc::new(ProgramStats::new(env!("CARGO_PKG_VERSION"), option_env!("WHARF_REVISION").unwrap_or("unknown")));
    count_panics(&program);
    let output = output(&document.observability.access_log.output);
    let access_log = AccessLog::start(output, Arc::clone(&program)).map_err(|e| {
        let place = match &document.observability.access_log.output {
            AccessLogOutput::File(path) => format!(" {}", path.display()),
            _ => String::new(),
        };
        let help = "hint: `observability.access_log.output` names the file; its directory must exist and be writable";
        Error::Start(format!("cannot open the access log{place}: {e}\n{help}"))
    })?;
    let gateway = Arc::new(Gateway {
        fixed: reload::Fixed::of(&document),
        source,
        give_back_memory: hooks.give_back_memory,
        admin: document.admin.as_ref().map(|a| a.address.value.clone()),
        live: Arc::new(LiveTable::new(table)),
        program,
        access_log,
        parts,
        stopping_times: Mutex::new(StoppingTimes::of(&document)),
        start: Instant::now(),
        serving: AtomicUsize::new(0),
        stopping: AtomicBool::new(false),
        listens: AtomicBool::new(false),
    });
    drop(document);
    (hooks.give_back_memory)();
    gateway.program.loaded(SystemTime::now());
    let (drain, drained) = channel::channel(signals::Stage::Serve);
    let mut server = Server::new_with_opt_and_conf(None, pingora_configuration());
    server.bootstrap();
    server.add_service(service::Workers::new(Arc::clone(&gateway), sockets, drained));
    server.add_service(service::names(Arc::clone(&gateway)));
    if let Some(socket) = admin_socket {
        server.add_service(service::Admin::new(Arc::clone(&gateway), socket));
    }
    let reloads = reload::start(Arc::clone(&gateway));
    let _watcher = watch::start(&gateway.source, &reloads);
    let watch = signals::Watch::new(Arc::clone(&gateway), drain, reloads);
    gateway.announce();
    (hooks.started)(&gateway);
    server.run(RunArgs { shutdown_signal: Box::new(watch) });
    gateway.access_log.finish(Duration::from_secs(1));
    log::info!("stopped");
    Ok(())
}

fn pingora_configuration() -> ServerConf {
    ServerConf {
        // stopping is our own (signals.rs): pingora is told when all is drained
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    }
}

fn level(level: LogLevel) -> log::LevelFilter {
    match level {
        LogLevel::Error => log::LevelFilter::Error,
        LogLevel::Warn => log::LevelFilter::Warn,
        LogLevel::Info => log::LevelFilter::Info,
        LogLevel::Debug => log::LevelFilter::Debug,
    }
}

fn output(output: &AccessLogOutput) -> Output {
    match output {
        AccessLogOutput::Stdout => Output::Stdout,
        AccessLogOutput::Stderr => Output::Stderr,
        AccessLogOutput::None => Output::None,
        AccessLogOutput::File(path) => Output::File(path.clone()),
    }
}

/// Binds every listener, or none: the first that cannot be had is the error.
fn bind_all(table: &Table) -> Result<Vec<OwnedFd>, Error> {
    table.listeners.iter().map(|l| bound(&l.address, &format!("listener `{}`", l.name))).collect()
}

fn bound(address: &ListenAddress, what: &str) -> Result<OwnedFd, Error> {
    bind::listen(address).map_err(|e| {
        let help = match e.kind() {
            std::io::ErrorKind::AddrInUse if matches!(address, ListenAddress::Unix(_)) => {
                "\nhint: another process accepts there (`ss -lxp` shows which), or the path is no socket"
            }
            std::io::ErrorKind::AddrInUse => "\nhint: another process listens there; `ss -ltnp` shows which",
            std::io::ErrorKind::PermissionDenied => {
                "\nhint: ports below 1024 need the capability CAP_NET_BIND_SERVICE, or a higher port"
            }
            _ => "",
        };
        Error::Start(format!("cannot listen on {address} ({what}): {e}{help}"))
    })
}

/// Asks for the addresses of named endpoints once, so that the first request finds them.
fn resolve_names(table: &Table) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Start(format!("cannot start: {e}")))?;
    runtime.block_on(names::refresh(table.upstreams.iter().flat_map(|u| u.pool.endpoints.iter())));
    Ok(())
}

/// A panic ends one request and is counted; its message goes to the log.
fn count_panics(program: &Arc<ProgramStats>) {
    let program = Arc::clone(program);
    std::panic::set_hook(Box::new(move |panic| {
        program.panicked();
        log::error!("{panic}");
    }));
}

/// Every connection is a descriptor: take as many as the system allows.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(e) = setrlimit(Resource::Nofile, limit) {
            log::warn!("cannot raise the limit of open files: {e}");
        }
    }
}
