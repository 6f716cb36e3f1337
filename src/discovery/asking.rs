//! The sources `dns` and `srv`: each name that is sought is asked for by a task of its own, and the board hears what came of it.

use super::follow::follow;
use super::names::{Asked, Seen};
use super::{Board, Dns, DnsSettings, News, Sought, SourceKind};
use crate::value::{DnsTarget, SrvName};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// Asks for all names that are sought, for ever.
pub async fn ask_names(board: Arc<Board>, settings: DnsSettings) {
    let dns = Arc::new(Mutex::new(Dns::new(&settings)));
    let lately = Arc::new(Mutex::new(Lately::default()));
    let mut sought = board.sought();
    let mut tasks: HashMap<Sought, Task> = HashMap::new();
    loop {
        let wanted = Arc::clone(&sought.borrow_and_update());
        tasks.retain(|sought, _| {
            let goes_on = wanted.contains(sought);
            if !goes_on {
                lock(&lately).forget(sought);
                board.doubts.forget(sought);
            }
            goes_on
        });
        for sought in wanted.iter() {
            let Some(asked) = asked(sought).filter(|_| !tasks.contains_key(sought)) else { continue };
            let names = {
                let (dns, settings) = (Arc::clone(&dns), settings.clone());
                move || {
                    let mut dns = lock(&dns);
                    dns.follow(&settings);
                    (dns.clone(), settings.clone())
                }
            };
            let tell = {
                let (board, lately, sought) = (Arc::clone(&board), Arc::clone(&lately), sought.clone());
                move |seen| lock(&lately).tell(&board, &sought, seen)
            };
            let doubted = board.doubts.about(sought);
            let task = tokio::spawn(async move { follow(asked, names, &doubted, tell).await });
            tasks.insert(sought.clone(), Task(task.abort_handle()));
        }
        if sought.changed().await.is_err() {
            return;
        }
    }
}

/// A task that ends with whoever wants it.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is asked for; nothing for other sources.
fn asked(sought: &Sought) -> Option<Asked> {
    match sought.source {
        SourceKind::Dns => DnsTarget::parse(&sought.service).ok().map(Asked::Addresses),
        SourceKind::Srv => SrvName::parse(&sought.service).ok().map(Asked::Services),
        SourceKind::Docker => None,
    }
}

/// What was said of each name last, as far as it was no plain answer.
#[derive(Default)]
struct Lately(BTreeMap<Sought, Said>);

#[derive(Default)]
struct Said {
    /// Nobody knew.
    failed: bool,
    /// What could not be learned beside what was.
    unsure: Option<String>,
}

impl Lately {
    fn forget(&mut self, sought: &Sought) {
        self.0.remove(sought);
    }

    fn tell(&mut self, board: &Board, sought: &Sought, seen: Result<Seen, String>) {
        let source = sought.source;
        let said = self.0.entry(sought.clone()).or_default();
        let failed_before = std::mem::replace(&mut said.failed, seen.is_err());
        match seen {
            Ok(Seen { found, valid_for: _, decided, unsure }) => {
                if failed_before {
                    log::info!("discovery: {sought}: answered again");
                }
                let news = said.unsure != unsure;
                said.unsure = unsure;
                let sets = BTreeMap::from([(sought.service.clone(), found)]);
                let sure = if decided { BTreeSet::from([sought.service.clone()]) } else { BTreeSet::new() };
                board.hear(News::Sets { source, sets, sure, whole: None });
                if news {
                    let unsure = self.of(source).filter_map(|(_, said)| said.unsure.clone());
                    board.hear(News::Warnings { source, warnings: unsure.collect() });
                }
            }
            Err(why) => {
                board.hear(News::Failed { source, service: Some(sought.service.clone()), why: why.clone() });
                // it is the source that is down when there is no name for which it is not, nor one that waits for its first answer
                let serves = |other: &Sought| self.0.get(other).is_none_or(|said| !said.failed);
                if !board.sought().borrow().iter().any(|other| other.source == source && serves(other)) {
                    board.hear(News::Failed { source, service: None, why });
                }
            }
        }
    }

    fn of(&self, source: SourceKind) -> impl Iterator<Item = (&Sought, &Said)> {
        self.0.iter().filter(move |(sought, _)| sought.source == source)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Found;
    use std::time::Duration;

    fn sought(service: &str) -> Sought {
        Sought { source: SourceKind::Dns, service: service.into() }
    }

    fn seen(unsure: Option<&str>) -> Result<Seen, String> {
        let found = Found {
            address: ([10, 0, 0, 1], 80).into(),
            weight: 1,
            backup: false,
            name: "a".into(),
            leaving: false,
            healthy: None,
        };
        let unsure = unsure.map(str::to_owned);
        Ok(Seen { found: vec![found], valid_for: Duration::from_secs(1), decided: false, unsure })
    }

    #[test]
    fn the_source_is_down_when_no_name_is_answered_any_more_and_its_last_answers_are_kept() {
        let (board, mut lately) = (Board::default(), Lately::default());
        let [a, b] = ["a:80", "b:80"].map(sought);
        board.seek(&BTreeSet::from([a.clone(), b.clone()]));
        // the first that fails is not all of them
        lately.tell(&board, &a, Err("no such name".into()));
        assert!(board.sources().is_empty());
        lately.tell(&board, &a, seen(None));
        lately.tell(&board, &b, seen(None));
        board.turn();
        lately.tell(&board, &a, Err("no answer".into()));
        assert!(board.sources()[0].up);
        assert_eq!((board.standing(&a).state, board.standing(&b).state), ("stale", "ok"));
        lately.tell(&board, &b, Err("no answer".into()));
        assert!(!board.sources()[0].up);
        assert_eq!((board.standing(&a).endpoints, board.standing(&b).endpoints), (1, 1));
        // a name that nobody seeks any more does not speak for the source
        lately.tell(&board, &a, seen(None));
        assert!(board.sources()[0].up);
        board.retain(&BTreeSet::from([b.clone()]), &BTreeSet::from([SourceKind::Dns]));
        lately.forget(&a);
        lately.tell(&board, &b, Err("no answer".into()));
        assert!(!board.sources()[0].up);
    }

    #[test]
    fn what_could_not_be_learned_is_told_until_it_is() {
        let (board, mut lately) = (Board::default(), Lately::default());
        let a = sought("a:80");
        lately.tell(&board, &a, seen(Some("half")));
        assert_eq!(board.sources()[0].warnings, ["half"]);
        lately.tell(&board, &a, seen(None));
        assert!(board.sources()[0].warnings.is_empty());
    }
}
