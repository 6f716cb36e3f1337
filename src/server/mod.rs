//! Putting it together on pingora: sockets, worker threads, reload, signals, shutdown.

mod accept;
mod access;
mod acme;
mod bind;
mod checks;
mod content;
mod descriptors;
mod discovery;
mod doorkeeper;
mod estate;
mod handover;
mod handshake;
mod inheritance;
mod life;
mod line;
mod listeners;
mod program;
mod pulse;
mod reactor;
mod readiness;
mod relabel;
mod reload;
mod reloads;
mod service;
mod signals;
mod socket;
mod socket_file;
mod source;
mod state;
mod supervisor;
mod thread;
mod upgrade;
mod view;
mod watch;

pub use reload::{looks_cut_off, needs_restart};
pub use reloads::{Answer, Reloads};
pub use source::{Copies, Source};

use crate::admin::{Guard, Texts};
use crate::config::{self, Document, Loaded, LogLevel, Secrets, Threads};
use crate::discovery::Dns;
use crate::http::clock::Moment;
use crate::table::compile::{Parts, compile};
use crate::table::{History, LiveTable, Table};
use crate::telemetry::{self, ProgramStats};
use crate::upstream::{Pool, names};
use crate::value::ListenAddress;
use access::Access;
use arc_swap::ArcSwap;
use content::config_hash;
use estate::Estate;
use handover::Message;
use inheritance::Inheritance;
use life::{Life, Stage};
use listeners::{Addressed, Listeners};
use pingora::server::{RunArgs, Server};
use program::Program;
use pulse::Pulse;
use source::First;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fmt, io};
use tokio::sync::watch as channel;
use watch::WatchList;

/// Why the gateway did not run.
pub enum Error {
    /// The configuration is invalid.
    Config(config::Report),
    /// So it is, and there is no copy to start from: a note says why.
    NoCopy(Box<config::Report>, String),
    /// Anything else, as a sentence.
    Start(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(report) => write!(f, "{}", report.render(false)),
            Error::NoCopy(report, note) => write!(f, "{}\n{note}", report.render(false)),
            Error::Start(why) => write!(f, "error: {why}"),
        }
    }
}

/// What the parts of a running gateway share.
pub struct Gateway {
    pub source: Source,
    /// The files to notice changes of.
    watched: Arc<WatchList>,
    pub live: Arc<LiveTable>,
    /// What came of the reloads.
    pub history: History,
    /// Asks for the next.
    pub reloads: Reloads,
    /// The last good configuration is kept.
    keeps: bool,
    pub program: Arc<ProgramStats>,
    /// The sources that find endpoints.
    sources: Arc<discovery::Sources>,
    /// What is in force, where containers may ask for routes beside it.
    basis: Mutex<Option<Loaded>>,
    /// The certificates on order.
    orders: acme::Orders,
    access: Access,
    listeners: Listeners,
    /// Until it is closed, or another process serves it.
    admin_socket: Mutex<Option<Addressed>>,
    /// Held by whoever changes what is served, or hands it over.
    changes: tokio::sync::Mutex<()>,
    parts: Parts,
    /// The document that cannot change without a new process is compared with.
    fixed: reload::Fixed,
    give_back_memory: fn(),
    /// The admin address, if there is one.
    pub admin: Option<ListenAddress>,
    /// Who may ask there.
    guard: ArcSwap<Guard>,
    /// The texts in force.
    texts: ArcSwap<Texts>,
    stopping_times: Mutex<StoppingTimes>,
    /// What the workers tell of themselves.
    pulse: Pulse,
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
    fn adopt(&self, document: &Document, secrets: Secrets) {
        self.guard.store(Arc::new(guard(document, secrets)));
        *self.stopping_times.lock().unwrap_or_else(PoisonError::into_inner) = StoppingTimes::of(document);
        log::set_max_level(level(document.observability.log.level));
    }

    fn stopping_times(&self) -> StoppingTimes {
        *self.stopping_times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is served where, and from which file; and how many sockets another process gave.
    fn announce(&self, given: usize) {
        let (version, from, workers) = (env!("CARGO_PKG_VERSION"), self.source.name(), self.parts.workers);
        log::info!("wharf {version} serves {from} with {workers} worker threads");
        for listener in &self.live.load().listeners {
            log::info!("listener {} on {}", listener.name, listener.address);
        }
        if let Some(address) = &self.admin {
            log::info!("admin on {address}");
        }
        if given > 0 {
            log::info!("upgrade: took over {given} sockets");
        }
    }

    /// All workers accept, and signals are listened to.
    fn serves(&self) -> bool {
        self.pulse.serving() == self.parts.workers && self.listens.load(Ordering::Acquire)
    }

    /// What a process that takes over is given.
    fn estate(&self) -> (Message, Vec<Addressed>) {
        let mut sockets = self.listeners.sockets();
        sockets.extend(self.admin_socket.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let addresses = sockets.iter().map(|(address, _)| address.to_string()).collect();
        (
            Message { sockets: addresses, estate: Estate::of(&self.live.load(), &self.parts.board, self.parts.now()) },
            sockets,
        )
    }

    fn close_admin(&self) {
        if let Some((_, socket)) = self.admin_socket.lock().unwrap_or_else(PoisonError::into_inner).take() {
            socket.close_soon();
        }
    }

    fn pass_on_admin(&self) {
        if let Some((_, socket)) = self.admin_socket.lock().unwrap_or_else(PoisonError::into_inner).take() {
            socket.pass_on();
        }
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
pub fn run(source: Source, copies: Copies, hooks: Hooks) -> Result<(), Error> {
    let started_as = Program::of_process();
    let First { loaded, copy } = source.first(copies)?;
    let warned = loaded.warned();
    let Loaded { mut document, secrets, material, prints, files, patterns, variables, warnings } = loaded;
    // what is made from now on stays: it shall not stand scattered among what reading left
    (hooks.give_back_memory)();
    telemetry::log::init(level(document.observability.log.level));
    warned.iter().for_each(|warned| log::warn!("{warned}"));
    let workers = match document.threads {
        Threads::Auto => std::thread::available_parallelism().map_or(1, usize::from),
        Threads::Count(n) => usize::from(n.get()),
    };
    descriptors::raise_limit();
    let mut inheritance = Inheritance::take().map_err(Error::Start)?;
    let estate = std::mem::take(&mut inheritance.estate);
    let parts = Parts {
        workers,
        slots: Arc::default(),
        numbers: Arc::default(),
        challenges: Arc::default(),
        board: Arc::default(),
        start: estate.beginning(),
    };
    let listeners = Listeners::new();
    let sockets = listeners.prepare(&document, &mut inheritance.sockets).map_err(Error::Start)?;
    let admin = document.admin.as_ref();
    let admin_socket = admin.map(|admin| listeners::admin(&mut inheritance.sockets, &admin.address.value));
    let admin_socket: Option<Addressed> = admin_socket.transpose().map_err(Error::Start)?;
    let reloads = Reloads::default();
    let sources = discovery::Sources::new(&parts.board, parts.start, &reloads);
    estate.seed_found(&parts.board);
    sources.prepare(&mut document, &material).map_err(Error::Start)?;
    let mut table = compile(&document, &material, &parts, None).map_err(|e| Error::Start(e.to_string()))?;
    table.sound().map_err(|e| Error::Start(format!("cannot start: {e}")))?;
    table.outline = table.outline.with(&prints, &variables);
    let orders = acme::Orders::none();
    orders.adopt(orders.prepare(&table, &document, &secrets).map_err(Error::Start)?);
    estate.seed_names(&table, parts.now());
    resolve_names(&table, parts.now()).map_err(|e| Error::Start(format!("cannot start: {e}")))?;
    estate.apply(&table, parts.now());
    drop(estate);
    let program =
        Arc::new(ProgramStats::new(env!("CARGO_PKG_VERSION"), option_env!("WHARF_REVISION").unwrap_or("unknown")));
    count_panics(&program);
    let access = Access::start(&document.observability.access_log, &program).map_err(Error::Start)?;
    let gateway = Arc::new(Gateway {
        fixed: reload::Fixed::of(&document),
        watched: Arc::new(WatchList::new(match &copy {
            None => source.watched(&files, &prints, &patterns),
            Some(copy) => copy.watched(&source),
        })),
        history: History::starting(
            config_hash(&files, &prints),
            SystemTime::now(),
            copy.as_ref().map(|copy| copy.report.render(false)).as_deref(),
        ),
        reloads,
        keeps: copies != Copies::None && matches!(source, Source::File(_)),
        source,
        give_back_memory: hooks.give_back_memory,
        admin: document.admin.as_ref().map(|a| a.address.value.clone()),
        guard: ArcSwap::from_pointee(guard(&document, secrets)),
        texts: ArcSwap::from_pointee(Texts::memory(&config_hash(&files, &prints), &files)),
        live: Arc::new(LiveTable::new(table)),
        program,
        orders,
        sources,
        basis: Mutex::default(),
        access,
        listeners,
        admin_socket: Mutex::new(admin_socket.clone()),
        changes: tokio::sync::Mutex::default(),
        parts,
        stopping_times: Mutex::new(StoppingTimes::of(&document)),
        stopping: AtomicBool::new(false),
        pulse: Pulse::new(workers),
        listens: AtomicBool::new(false),
    });
    gateway.sources.serve(&gateway.live);
    gateway.sources.adopt(&document, &material, &gateway.live.load());
    gateway.listeners.open(sockets, &gateway.live.load());
    match &copy {
        None => gateway.program.loaded(SystemTime::now()),
        Some(copy) => gateway.program.loaded_copy(copy.kept_at),
    }
    let read = match &copy {
        None => (files, prints.clone()),
        Some(copy) => (copy.report.files.clone(), copy.report.prints.clone()),
    };
    let (files, patterns) = (Vec::new(), Vec::new());
    let secrets = Secrets::default();
    relabel::hold(&gateway, Loaded { document, secrets, material, prints, files, patterns, variables, warnings });
    reload::start(Arc::clone(&gateway), read);
    (hooks.give_back_memory)();
    let (stage, watched) = channel::channel(Stage::Serve);
    let mut server = Server::new_with_opt_and_conf(None, service::configuration());
    server.bootstrap();
    server.add_service(service::Workers::new(Arc::clone(&gateway), watched.clone()));
    server.add_service(service::upkeep(Arc::clone(&gateway)));
    server.add_service(acme::service(Arc::clone(&gateway)));
    if let Some((_, socket)) = admin_socket {
        server.add_service(service::Admin::new(Arc::clone(&gateway), socket, watched));
    }
    watch::start(&gateway);
    if let Some(copy) = &copy {
        copy.say(&gateway.source);
    }
    drop(copy);
    gateway.announce(inheritance.len());
    let life = Life::new(Arc::clone(&gateway), stage, started_as, inheritance);
    (hooks.started)(&gateway);
    server.run(RunArgs { shutdown_signal: Box::new(life) });
    gateway.access.log.finish(Duration::from_secs(1));
    log::info!("stopped");
    Ok(())
}

/// Who may ask at the admin address.
fn guard(document: &Document, secrets: Secrets) -> Guard {
    match &document.admin {
        Some(admin) => Guard::new(&admin.address, secrets.admin_token, admin.metrics_open),
        None => Guard::closed(),
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

/// Asks for the addresses of named endpoints, so that the first request finds them. A name that does not resolve is an endpoint that is
/// down for now.
fn resolve_names(table: &Table, now: Moment) -> io::Result<()> {
    let pools: Vec<&Pool> = table.upstreams.iter().map(|u| &u.pool).collect();
    if !names::are_new(&pools) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(names::ask_new(&Dns::new(&table.dns), &pools, now));
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
