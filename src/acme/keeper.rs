//! Keeps the certificates of the table: sees what is due, has it done, presents what came.

use super::issue::Job;
use super::proofs::Proofs;
use super::schedule::{self, Crowd, Limits, Plan, Record, Step};
use super::store::{Shelf, Store, life};
use super::task::{self, Known, Outcome};
use super::{Authority, Board, Order, Progress, Seconds, blocking, now};
use crate::tls::{Certificate, Challenges, Ordered};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;

/// How often it is seen what is due, and what other gateways on this disk have to show.
pub(super) const TICK: Duration = Duration::from_millis(500);
/// Orders that are in flight at one time.
const AT_ONCE: usize = 8;
/// How often it is looked whether another process has put a certificate on the disk.
const LOOK: Seconds = 30;
/// How soon it is looked again after an order that another process holds.
const LOOK_ELSEWHERE: Seconds = 2;

/// Keeps certificates.
pub struct Keeper {
    state: PathBuf,
    proofs: Arc<Proofs>,
    board: Arc<Board>,
    kept: HashMap<Shelf, Kept>,
    crowds: HashMap<Store, Crowd>,
    tasks: JoinSet<(Shelf, Outcome)>,
    looked_at: Seconds,
}

/// What is known of a certificate.
struct Kept {
    authority: Arc<Authority>,
    store: Store,
    hosts: Vec<String>,
    /// Where it is presented: several listeners may.
    presented: Vec<Arc<Ordered>>,
    record: Record,
    certificate: Option<Arc<Certificate>>,
    /// When the file with it was written.
    changed: Option<SystemTime>,
    /// What is being done for it, and since when.
    busy: Option<(Step, Seconds)>,
    /// Another process holds the order: not looked at before.
    look_at: Seconds,
}

impl Kept {
    fn plan(&self, crowd: &Crowd, now: Seconds) -> Plan {
        let life = self.certificate.as_deref().map(life);
        let plan = schedule::plan(&self.record, life, crowd, Limits::of(&self.authority.directory), now);
        Plan { at: plan.at.max(self.look_at), ..plan }
    }

    fn present(&self) {
        let Some(certificate) = &self.certificate else { return };
        for ordered in &self.presented {
            if ordered.current().print != certificate.print {
                ordered.present(Arc::clone(certificate));
            }
        }
    }

    /// Takes over what is known now. A certificate that another process stored begins its life here.
    fn learn(&mut self, known: Known) {
        let print = |certificate: &Option<Arc<Certificate>>| certificate.as_ref().map(|one| one.print);
        let other = print(&known.certificate) != print(&self.certificate);
        (self.record, self.certificate) = (known.record, known.certificate);
        if let Some(certificate) = self.certificate.as_deref().filter(|_| other)
            && self.record.renew_at.is_none()
        {
            schedule::begin(&mut self.record, life(certificate), now(), fastrand::f64());
        }
        self.present();
    }
}

impl Keeper {
    /// Keeps certificates below a state directory, shows proofs through `challenges`, and tells on `board` how it stands.
    pub fn new(state: PathBuf, challenges: Arc<Challenges>, board: Arc<Board>) -> Keeper {
        Keeper {
            state,
            proofs: Arc::new(Proofs::new(challenges)),
            board,
            kept: HashMap::new(),
            crowds: HashMap::new(),
            tasks: JoinSet::new(),
            looked_at: now(),
        }
    }

    /// Keeps these certificates from now on, and no others. An order in flight for another is brought to its end.
    pub async fn follow(&mut self, orders: Vec<Order>) {
        let mut before = std::mem::take(&mut self.kept);
        for order in orders {
            let (store, hosts) = (Store::of(&self.state, &order.authority), order.hosts());
            let shelf = store.shelf(&hosts);
            if !self.kept.contains_key(&shelf) {
                let kept = match before.remove(&shelf) {
                    Some(mut kept) => {
                        // what was wrong may be put right: it is tried at once
                        if kept.authority != order.authority {
                            schedule::restarted(&mut kept.record, now());
                        }
                        Kept { authority: order.authority, presented: Vec::new(), ..kept }
                    }
                    None => match self.first_sight(order.authority, store, hosts).await {
                        Some(kept) => kept,
                        None => continue,
                    },
                };
                self.kept.insert(shelf.clone(), kept);
            }
            if let Some(kept) = self.kept.get_mut(&shelf) {
                kept.presented.push(order.certificate);
                kept.present();
            }
        }
        // what is in flight still has to be heard of
        self.kept.extend(before.into_iter().filter(|(_, kept)| kept.busy.is_some()).map(|(shelf, mut kept)| {
            kept.presented.clear();
            (shelf, kept)
        }));
    }

    async fn first_sight(&mut self, authority: Arc<Authority>, store: Store, hosts: Vec<String>) -> Option<Kept> {
        let (place, names, new) = (store.clone(), hosts.clone(), !self.crowds.contains_key(&store));
        let read = move || {
            if let Err(e) = place.prepare() {
                log::error!("acme: the state directory cannot be written to, so nothing is ordered: {e}");
            }
            let shelf = place.shelf(&names);
            let certificate = shelf.certificate();
            let mut crowd = Crowd::default();
            place.records().iter().filter(|_| new).for_each(|record| crowd.recall(record));
            (shelf.record(&names), certificate.map(Arc::new), shelf.changed(), crowd)
        };
        let (mut record, certificate, changed, crowd) = match blocking(read).await {
            Ok(read) => read,
            Err(trouble) => {
                log::error!("acme: {}: {}: {trouble}", authority.name, hosts.join(", "));
                return None;
            }
        };
        self.crowds.entry(store.clone()).or_insert(crowd);
        schedule::restarted(&mut record, now());
        if let Some(certificate) = certificate.as_deref().filter(|_| record.renew_at.is_none()) {
            schedule::begin(&mut record, life(certificate), now(), fastrand::f64());
        }
        let presented = Vec::new();
        let (busy, look_at) = (None, 0);
        Some(Kept { authority, store, hosts, presented, record, certificate, changed, busy, look_at })
    }

    /// Does what is due. Called every [`Keeper::pause`].
    pub async fn turn(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        while let Some(done) = self.tasks.try_join_next() {
            match done {
                Ok((shelf, outcome)) => self.hear(&shelf, outcome),
                Err(e) => log::error!("acme: an order did not end: {e}"),
            }
        }
        self.look().await;
        self.begin();
        self.tell();
    }

    /// How long to wait between two turns.
    pub fn pause(&self) -> Duration {
        TICK
    }

    fn hear(&mut self, shelf: &Shelf, outcome: Outcome) {
        let Some(kept) = self.kept.get_mut(shelf) else { return };
        let crowd = self.crowds.entry(kept.store.clone()).or_default();
        let began = kept.busy.take().filter(|(step, _)| *step == Step::Order);
        let not_begun = |crowd: &mut Crowd| began.iter().for_each(|(_, at)| crowd.not_begun(&kept.hosts, *at));
        kept.look_at = 0;
        match outcome {
            Outcome::Elsewhere => {
                not_begun(crowd);
                kept.look_at = now() + LOOK_ELSEWHERE;
            }
            Outcome::Found(known) => {
                not_begun(crowd);
                kept.learn(known);
            }
            Outcome::Issued(known, counts) => {
                if counts {
                    crowd.issued(&kept.hosts, now());
                }
                kept.learn(known);
            }
            Outcome::Tried(known) => kept.learn(known),
        }
        if kept.presented.is_empty() {
            self.kept.remove(shelf);
        }
    }

    /// Sees what other gateways on this disk show, and now and then what they have stored.
    async fn look(&mut self) {
        let (proofs, stores) = (Arc::clone(&self.proofs), self.crowds.keys().cloned().collect::<Vec<_>>());
        let due = now() >= self.looked_at + LOOK;
        let idle = self.kept.iter().filter(|(_, kept)| due && kept.busy.is_none());
        let shelves: Vec<_> = idle.map(|(shelf, kept)| (shelf.clone(), kept.hosts.clone(), kept.changed)).collect();
        let look = move || {
            proofs.look(&stores);
            let changed = shelves.into_iter().filter(|(shelf, _, changed)| shelf.changed() != *changed);
            let read = |(shelf, hosts, _): (Shelf, Vec<String>, _)| {
                let certificate = shelf.peek()?;
                Some((shelf.changed(), shelf.record(&hosts), certificate, shelf))
            };
            changed.filter_map(read).collect::<Vec<_>>()
        };
        let found = match blocking(look).await {
            Ok(found) => found,
            Err(trouble) => return log::error!("acme: {trouble}"),
        };
        if due {
            self.looked_at = now();
        }
        for (changed, record, certificate, shelf) in found {
            if let Some(kept) = self.kept.get_mut(&shelf) {
                kept.changed = changed;
                kept.learn(Known { record, certificate: Some(Arc::new(certificate)) });
            }
        }
    }

    /// Begins what is due, as far as there is room.
    fn begin(&mut self) {
        let now = now();
        let due = |crowds: &HashMap<Store, Crowd>, kept: &Kept| {
            let plan = kept.plan(crowds.get(&kept.store)?, now);
            (kept.busy.is_none() && !kept.presented.is_empty() && plan.at <= now).then_some(plan.step)
        };
        let shelves: Vec<Shelf> = self.kept.keys().cloned().collect();
        for shelf in shelves {
            if self.tasks.len() >= AT_ONCE {
                return;
            }
            let Some(kept) = self.kept.get(&shelf) else { continue };
            let Some(step) = due(&self.crowds, kept) else { continue };
            if step == Step::Order && self.is_proven_elsewhere(&kept.hosts) {
                continue;
            }
            let Some(kept) = self.kept.get_mut(&shelf) else { continue };
            let Some(ordered) = kept.presented.first() else { continue };
            let job = Job {
                authority: Arc::clone(&kept.authority),
                hosts: ordered.hosts.clone(),
                store: kept.store.clone(),
                shelf: shelf.clone(),
                proofs: Arc::clone(&self.proofs),
            };
            let known = Known { record: kept.record.clone(), certificate: kept.certificate.clone() };
            kept.busy = Some((step, now));
            match step {
                Step::Order => {
                    self.crowds.entry(kept.store.clone()).or_default().begun(&kept.hosts, now);
                    self.tasks.spawn(async move { (shelf, task::order(job, known).await) });
                }
                Step::Ask => {
                    self.tasks.spawn(async move { (shelf, task::ask(job, known).await) });
                }
            }
        }
    }

    /// Is one of these hosts being proven for another order? Then the proofs could be taken for each other.
    fn is_proven_elsewhere(&self, hosts: &[String]) -> bool {
        let busy = self.kept.values().filter(|kept| kept.busy.is_some());
        busy.flat_map(|kept| &kept.hosts).any(|host| hosts.contains(host))
    }

    fn tell(&self) {
        let now = now();
        let order_at = |kept: &Kept| {
            let (crowd, limits) = (self.crowds.get(&kept.store), Limits::of(&kept.authority.directory));
            let life = kept.certificate.as_deref().map(life);
            crowd.map_or(0, |crowd| schedule::order_at(&kept.record, life, crowd, limits, now))
        };
        let mut progress: Vec<Progress> = self
            .kept
            .values()
            .filter(|kept| !kept.presented.is_empty())
            .map(|kept| Progress {
                authority: kept.authority.name.clone(),
                hosts: kept.hosts.clone(),
                valid_until: kept.certificate.as_deref().map(|certificate| life(certificate).until),
                next_order_at: order_at(kept),
                busy: kept.busy.is_some(),
                failures: kept.record.failures,
                last_error: kept.record.last_error.clone(),
            })
            .collect();
        progress.sort_unstable_by(|a, b| (&a.authority, &a.hosts).cmp(&(&b.authority, &b.hosts)));
        self.board.write(progress);
    }
}
