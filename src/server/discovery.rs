//! Endpoints that sources find: a thread of its own follows the sources that are sought, and swaps the members of pools.

use super::Reloads;
use crate::config::{self, Document, Material};
use crate::discovery::docker::{self, Network};
use crate::discovery::{Board, Claim, DnsSettings, Sought, SourceKind, ask_names};
use crate::http::clock::Moment;
use crate::table::pools::terms;
use crate::table::{LiveTable, Table, Why};
use crate::tls::ClientTls;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a start, and a reload with something new to find, waits for the first answer. After that the pool is empty until it comes.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether something is to be applied, or a source's task has ended.
const TICK: Duration = Duration::from_millis(500);

/// How sources are asked.
#[derive(Clone, Debug, PartialEq)]
struct Settings {
    docker: docker::Settings,
    dns: DnsSettings,
}

/// The sources of a process, and the pools they are for.
pub struct Sources {
    board: Arc<Board>,
    settings: watch::Sender<Option<Settings>>,
    runs: AtomicBool,
    /// What is served, once something is.
    live: OnceLock<Arc<LiveTable>>,
    /// The beginning of the pools' clock.
    start: Instant,
    labels: Mutex<Labels>,
    reloads: Reloads,
}

/// The routes that containers ask for.
#[derive(Default)]
struct Labels {
    /// Those of the document that is about to be in force.
    next: Asked,
    /// Those of the one that is.
    current: Asked,
}

/// The routes that containers ask for beside one document.
#[derive(Clone, Default)]
struct Asked {
    /// Nothing where they are not to ask for any.
    claims: Option<Arc<[Claim]>>,
    /// What cannot be granted, and why.
    refused: Arc<[(Claim, String)]>,
}

impl Sources {
    pub fn new(board: &Arc<Board>, start: Instant, reloads: &Reloads) -> Arc<Sources> {
        let (settings, _) = watch::channel(None);
        Arc::new(Sources {
            board: Arc::clone(board),
            settings,
            runs: AtomicBool::new(false),
            live: OnceLock::new(),
            start,
            labels: Mutex::default(),
            reloads: reloads.clone(),
        })
    }

    /// Seeks what a document needs that is about to be compiled, waits a little for the first answers, and puts the routes in place that
    /// containers ask for. When it is not served after all, nothing but a question too many was asked.
    pub fn prepare(self: &Arc<Self>, document: &mut Document, material: &Material) -> Result<(), String> {
        let (services, sources) = (wanted(document), asked(document));
        if sources.is_empty() {
            self.labels().next = Asked::default();
            return Ok(());
        }
        // who runs is asked as before until the document is in force
        self.settings.send_if_modified(|known| {
            let is_first = known.is_none();
            if is_first {
                *known = Some(settings(document, material, None));
            }
            is_first
        });
        self.board.seek(&services);
        self.run().map_err(|e| format!("no thread for discovery: {e}"))?;
        let labelled = document.discovery.docker.routes.is_some();
        let docker = labelled.then_some(SourceKind::Docker).into_iter().collect();
        self.board.wait_for(&services, &docker, PATIENCE);
        let claims = labelled.then(|| self.board.claims());
        let refused = document.label(claims.as_deref().unwrap_or_default()).into();
        self.board.seek(&wanted(document));
        self.labels().next = Asked { claims, refused };
        Ok(())
    }

    /// What was prepared last is of a document that is not in force.
    pub fn discard_labels(&self) {
        let mut labels = self.labels();
        labels.next = labels.current.clone();
    }

    /// Whether containers ask for other routes than those in force.
    pub fn has_other_labels(&self) -> bool {
        let claims = self.board.claims();
        self.labels().current.claims.as_ref().is_some_and(|current| !Arc::ptr_eq(current, &claims))
    }

    /// What was prepared last is in force, or came to nothing.
    pub fn settle_labels(&self) {
        let refused = {
            let mut labels = self.labels();
            labels.current = labels.next.clone();
            Arc::clone(&labels.current.refused)
        };
        self.board.refuse(&refused);
    }

    fn labels(&self) -> MutexGuard<'_, Labels> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A document is in force.
    pub fn adopt(&self, document: &Document, material: &Material, table: &Table) {
        let (services, sources) = (wanted(document), asked(document));
        self.settle_labels();
        self.settings.send_if_modified(|known| {
            let next = (!sources.is_empty()).then(|| settings(document, material, known.as_ref()));
            let news = *known != next;
            *known = next;
            news
        });
        self.board.retain(&services, &sources);
        // what was found while the table was made
        let now = self.now();
        table.upstreams.iter().for_each(|upstream| {
            upstream.pool.find(now);
        });
    }

    /// This is served from now on.
    pub fn serve(&self, live: &Arc<LiveTable>) {
        let live = self.live.get_or_init(|| Arc::clone(live));
        let now = self.now();
        for upstream in &live.load().upstreams {
            upstream.pool.find(now);
        }
    }

    fn now(&self) -> Moment {
        Moment::after(self.start)
    }

    /// Starts the thread, unless it runs.
    fn run(self: &Arc<Self>) -> std::io::Result<()> {
        if self.runs.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let this = Arc::clone(self);
        let started = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let run = move || {
                runtime.block_on(async {
                    tokio::join!(this.follow(), this.apply());
                });
            };
            std::thread::Builder::new().name("discovery".into()).spawn(run)
        };
        started().map(drop).inspect_err(|_| self.runs.store(false, Ordering::Release))
    }

    /// Follows the sources that are sought, and no other.
    async fn follow(&self) {
        let mut settings = self.settings.subscribe();
        let mut sought = self.board.sought();
        let mut docker: Option<(docker::Settings, Task)> = None;
        let mut names: Option<(DnsSettings, Task)> = None;
        loop {
            let wanted: BTreeSet<SourceKind> = sought.borrow_and_update().iter().map(|sought| sought.source).collect();
            let all = settings.borrow_and_update().clone();
            let labels = |source, all: &Settings| source == SourceKind::Docker && all.docker.routes;
            let wants = |source| all.as_ref().filter(|all| wanted.contains(&source) || labels(source, all));
            let said = wants(SourceKind::Docker).map(|settings| settings.docker.clone());
            // a task that ended met a fault of the program: it is started again
            docker = docker.filter(|(running, task)| said.as_ref() == Some(running) && !task.0.is_finished());
            if let (Some(said), None) = (said, &docker) {
                let task = Task(tokio::spawn(docker::follow(Arc::clone(&self.board), said.clone())));
                docker = Some((said, task));
            }
            let said = wants(SourceKind::Dns).or(wants(SourceKind::Srv)).map(|settings| settings.dns.clone());
            names = names.filter(|(running, task)| said.as_ref() == Some(running) && !task.0.is_finished());
            if let (Some(said), None) = (said, &names) {
                let task = Task(tokio::spawn(ask_names(Arc::clone(&self.board), said.clone())));
                names = Some((said, task));
            }
            tokio::select! {
                _ = settings.changed() => {}
                _ = sought.changed() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Applies what sources say.
    async fn apply(&self) {
        loop {
            let pause = self.board.pause().unwrap_or(TICK);
            tokio::select! {
                () = tokio::time::sleep(pause.min(TICK)) => {}
                () = self.board.news() => {}
            }
            if self.has_other_labels() {
                self.reloads.ask(Why::Labels);
            }
            let applied: BTreeSet<Sought> = self.board.turn().into_iter().map(|(sought, _)| sought).collect();
            let Some(live) = self.live.get().filter(|_| !applied.is_empty()) else { continue };
            let now = self.now();
            for upstream in &live.load().upstreams {
                if upstream.pool.origin.as_ref().is_some_and(|origin| applied.contains(&origin.sought)) {
                    upstream.pool.find(now);
                }
            }
        }
    }
}

/// Ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn wanted(document: &Document) -> BTreeSet<Sought> {
    document.upstreams.iter().filter_map(|(_, upstream)| upstream.discover.as_ref()).map(|d| d.sought()).collect()
}

/// The sources that are asked for it.
fn asked(document: &Document) -> BTreeSet<SourceKind> {
    let labelled = document.discovery.docker.routes.as_ref().map(|_| SourceKind::Docker);
    wanted(document).into_iter().map(|sought| sought.source).chain(labelled).collect()
}

fn settings(document: &Document, material: &Material, before: Option<&Settings>) -> Settings {
    let config::DockerConfig { endpoint, network, tls, routes } = &document.discovery.docker;
    let known = before.and_then(|before| before.docker.tls.as_ref());
    let tls = tls.as_ref().map(|tls| ClientTls::new(terms(tls, material), known));
    let network = match network.as_ref().map(|network| &*network.value) {
        None => Network::Shared,
        Some("published") => Network::Published,
        Some(name) => Network::Named(name.into()),
    };
    let docker =
        docker::Settings { engine: endpoint.value.clone(), tls, network, all: false, routes: routes.is_some() };
    Settings { docker, dns: document.discovery.dns.settings() }
}
