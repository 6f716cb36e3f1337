//! Following an engine: its events are listened to before its list is read, so that nothing is lost in between; what is unclear is listed
//! again.

use super::container::{Container, Standpoint};
use super::event::Event;
use super::handout::follow_file;
use super::known::{Known, Todo, Wanted};
use super::labels::{ENABLE, SERVICE};
use super::wire::Wire;
use super::{Engine, Network, Settings};
use crate::discovery::{Board, News, SourceKind};
use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// The list is read again this often, in case an event was lost.
const LIST_EVERY: Duration = Duration::from_secs(30);
/// And at most this often, however many events come: from the end of one to the start of the next.
const LIST_PACE: Duration = Duration::from_millis(100);
/// So long after an event the list is read once more.
const ECHO: Duration = Duration::from_millis(400);
/// What events change is told at most this often.
const TELL_PACE: Duration = Duration::from_millis(10);
/// The first pause after a failure, doubled with each that follows up to the longest: what is kept meanwhile is to be right again within
/// a second of the engine's return.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// Signals that are looked into at one time.
const ASKED_MAX: usize = 32;

/// Follows an engine for ever, and tells the board.
pub async fn follow(board: Arc<Board>, settings: Settings) {
    if let Engine::File(path) = &settings.engine {
        return follow_file(&board, path).await;
    }
    let mut pause = PAUSE;
    // one that was told to stop while nobody listened still runs when the next session lists it
    let mut heard_ns = None;
    loop {
        let mut session = Session {
            board: &board,
            settings: &settings,
            known: Known::default(),
            lived: false,
            unclear: false,
            heard_ns,
        };
        let Err(why) = session.run().await;
        heard_ns = session.heard_ns;
        if session.lived {
            pause = PAUSE;
        }
        board.hear(News::Failed { source: SourceKind::Docker, service: None, why });
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// One connection to an engine, from the first question to the first failure.
struct Session<'b> {
    board: &'b Board,
    settings: &'b Settings,
    known: Known,
    /// A list was read.
    lived: bool,
    /// Events came since the last list was asked for.
    unclear: bool,
    /// When the last event was that was heard, by the engine's clock.
    heard_ns: Option<u64>,
}

type Listing = Pin<Box<dyn Future<Output = Result<Listed, String>> + Send>>;

/// What is asked for again and again.
struct Listed {
    containers: Vec<Container>,
    /// The networks of the gateway's own container.
    own: Option<BTreeSet<Box<str>>>,
}

/// Nobody gets out of a session well.
enum Never {}

/// When what is done next.
struct Due {
    list: Instant,
    /// The earliest moment of a list that events ask for.
    list_again: Instant,
    /// When it is looked once more at what events told: engines tell some things before they list them.
    echo: Option<Instant>,
    tell: Option<Instant>,
    told: Instant,
}

impl Session<'_> {
    async fn run(&mut self) -> Result<Never, String> {
        let settings = self.settings;
        let wire = Wire::agree(settings).await?;
        let mut events = wire.events(self.heard_ns).await?;
        let network = settings.network.clone();
        let mut standpoint = Standpoint { network, own: None, host: wire.host().await };
        let mut sought = self.board.sought();
        let mut listing: Option<Listing> = None;
        let mut asked: JoinSet<(Box<str>, bool)> = JoinSet::new();
        let now = Instant::now();
        let mut due = Due { list: now, list_again: now, echo: None, tell: None, told: now };
        loop {
            tokio::select! {
                biased;
                answer = pending_or(&mut listing) => {
                    listing = None;
                    let Listed { containers, own } = answer?;
                    standpoint.own = own;
                    self.known.listed(containers, self.board.now());
                    self.lived = true;
                    self.tell(&standpoint, &mut due);
                    let now = Instant::now();
                    due.list_again = now + LIST_PACE;
                    // an answer that is in doubt is confirmed as soon as it can be
                    let doubt = self.board.doubt(SourceKind::Docker).map(|doubt| doubt.max(LIST_PACE));
                    due.list = due.list.max(now + doubt.unwrap_or(LIST_EVERY).min(LIST_EVERY));
                    if self.unclear {
                        due.list = due.list_again;
                    } else if let Some(echo) = due.echo {
                        due.list = due.list.min(echo.max(due.list_again));
                    }
                }
                () = sleep_until(due.list), if listing.is_none() => {
                    self.known.asks();
                    self.unclear = false;
                    due.echo = due.echo.filter(|echo| Instant::now() < *echo);
                    listing = Some(Box::pin(list(wire.clone(), settings.clone())));
                }
                () = sleep_until(due.tell.unwrap_or(due.told)), if due.tell.is_some() => self.tell(&standpoint, &mut due),
                Some(Ok((id, stops))) = asked.join_next(), if !asked.is_empty() => {
                    if stops && self.known.was_stopped(&id, self.board.now()) {
                        due.tell_soon();
                    }
                }
                news = sought.changed() => {
                    if news.is_ok() {
                        due.tell_soon();
                    }
                }
                event = events.next() => {
                    if events.is_nonsense {
                        // it would be told again to whoever asks for what was missed
                        self.heard_ns = None;
                    }
                    self.hear(&event?, &wire, &mut asked, &mut due);
                }
            }
        }
    }

    /// Takes an event.
    fn hear(&mut self, event: &Event, wire: &Wire, asked: &mut JoinSet<(Box<str>, bool)>, due: &mut Due) {
        self.heard_ns = Some(event.time_ns).filter(|at| *at > 0).max(self.heard_ns);
        match self.known.hear(event, self.board.now()) {
            Todo::Nothing => return,
            Todo::List => {}
            Todo::Tell => due.tell_soon(),
            Todo::Ask(id, signal) => {
                if asked.len() < ASKED_MAX {
                    let wire = wire.clone();
                    asked.spawn(async move {
                        let stops = wire.stops_by(id.clone(), signal).await;
                        (id, stops)
                    });
                }
                return;
            }
        }
        self.unclear = true;
        due.echo = Some(Instant::now() + ECHO);
        due.list = due.list.min(due.list_again.max(Instant::now()));
    }

    fn tell(&mut self, standpoint: &Standpoint, due: &mut Due) {
        due.tell = None;
        if !self.lived {
            return;
        }
        due.told = Instant::now();
        let sought: BTreeSet<Box<str>> = {
            let all = self.board.sought();
            let all = all.borrow();
            all.iter()
                .filter(|sought| sought.source == SourceKind::Docker)
                .map(|sought| sought.service.clone())
                .collect()
        };
        let wanted = Wanted { services: (!self.settings.all).then_some(&sought), routes: self.settings.routes };
        let (sets, warnings) = self.known.news(standpoint, &wanted);
        self.board.hear(sets);
        self.board.hear(warnings);
    }
}

impl Due {
    fn tell_soon(&mut self) {
        self.tell.get_or_insert(Instant::now().max(self.told + TELL_PACE));
    }
}

async fn list(wire: Wire, settings: Settings) -> Result<Listed, String> {
    let own = if settings.network == Network::Shared { wire.own_networks().await } else { None };
    Ok(Listed { containers: wire.list(if settings.routes { &[SERVICE, ENABLE] } else { &[SERVICE] }).await?, own })
}

/// The answer to a list that is under way; never, without one.
async fn pending_or(listing: &mut Option<Listing>) -> Result<Listed, String> {
    match listing {
        Some(listing) => listing.await,
        None => pending().await,
    }
}
