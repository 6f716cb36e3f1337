//! Whatever requests, failures, waits and reloads come in whatever order: every endpoint's count is that of the requests it has.

use super::cases;
use crate::config;
use crate::http::clock::Moment;
use crate::table::compile::{Parts, compile};
use crate::table::{LiveTable, Table};
use crate::upstream::pool::{Tried, Verdict};
use crate::upstream::waiting::Place;
use crate::upstream::{Asker, Endpoint, InFlight, Lasting};
use proptest::prelude::*;
use std::cell::RefCell;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// What a document says of one endpoint.
#[derive(Clone, Debug)]
struct Line {
    number: u8,
    weight: u16,
    max_conns: Option<u32>,
    backup: bool,
}

/// What it says of a pool.
#[derive(Clone, Debug)]
struct Written {
    balance: &'static str,
    lines: Vec<Line>,
    max_fails: u32,
    waits: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// A request on the table in force, or on one of those before it, for one of its pools.
    Ask(usize, usize),
    /// A request ends.
    End(usize),
    /// Its response is whole; what is left of it ends later.
    Leave(usize),
    Fail(usize),
    Succeed(usize),
    /// It fails and goes to another endpoint.
    Again(usize),
    /// A request stands in line.
    Wait(usize),
    /// One in line looks whether it is its turn.
    Look(usize),
    /// One in line gives up.
    GiveUp(usize),
    Drain(u8, bool),
    Reload(Vec<Option<Written>>),
    /// A reload that is refused in the end.
    Refuse(Vec<Option<Written>>),
    /// The requests that held an old table are gone.
    Forget,
    Pass(u64),
}

fn written() -> impl Strategy<Value = Written> {
    let line = (1..5_u8, 1..4_u16, prop::option::of(1..4_u32), prop::bool::weighted(0.2));
    let line = line.prop_map(|(number, weight, max_conns, backup)| Line { number, weight, max_conns, backup });
    let balance = prop::sample::select(vec!["least_conn", "round_robin", "random", "p2c", "ip_hash", "{ hash: path }"]);
    (balance, prop::collection::vec(line, 1..5), 0..3_u32, any::<bool>()).prop_map(
        |(balance, mut lines, max_fails, waits)| {
            lines.sort_by_key(|line| line.number);
            lines.dedup_by_key(|line| line.number);
            lines[0].backup = false;
            if balance.contains("hash") {
                lines.iter_mut().for_each(|line| line.backup = false);
            }
            Written { balance, lines, max_fails, waits }
        },
    )
}

/// Two pools, each of which may be missing.
fn document() -> impl Strategy<Value = Vec<Option<Written>>> {
    prop::collection::vec(prop::option::weighted(0.85, written()), 2)
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0..8_usize;
    prop_oneof![
        8 => (0..3_usize, 0..2_usize).prop_map(|(table, pool)| Step::Ask(table, pool)),
        3 => n().prop_map(Step::End),
        1 => n().prop_map(Step::Leave),
        2 => n().prop_map(Step::Fail),
        1 => n().prop_map(Step::Succeed),
        2 => n().prop_map(Step::Again),
        2 => (0..2_usize).prop_map(Step::Wait),
        2 => n().prop_map(Step::Look),
        1 => n().prop_map(Step::GiveUp),
        1 => (1..5_u8, any::<bool>()).prop_map(|(n, drained)| Step::Drain(n, drained)),
        2 => document().prop_map(Step::Reload),
        1 => document().prop_map(Step::Refuse),
        1 => Just(Step::Forget),
        1 => (0..20_u64).prop_map(Step::Pass),
    ]
}

fn text(pools: &[Option<Written>]) -> String {
    let mut text = "version: 1\nlisteners: { web: { address: ':80' } }\nupstreams:\n".to_owned();
    let mut routes = String::from("routes:\n  - { match: { path: /ping }, respond: { status: 200 } }\n");
    text.push_str("  other: { endpoints: [127.9.9.9:1] }\n");
    for (n, pool) in pools.iter().enumerate() {
        let Some(Written { balance, lines, max_fails, waits }) = pool else { continue };
        let lines = lines.iter().map(|Line { number, weight, max_conns, backup }| {
            let most = max_conns.map_or_else(String::new, |most| format!(", max_conns: {most}"));
            let backup = if *backup { ", backup: true" } else { "" };
            format!("{{ address: '127.9.0.{number}:80', weight: {weight}{most}{backup} }}")
        });
        let lines = lines.collect::<Vec<_>>().join(", ");
        let wait = if *waits { ", wait: { size: 3 }" } else { "" };
        text.push_str(&format!(
            "  p{n}: {{ balance: {balance}, passive: {{ max_fails: {max_fails} }}, endpoints: [{lines}]{wait} }}\n"
        ));
        routes.push_str(&format!("  - {{ match: {{ path: /{n} }}, upstream: p{n} }}\n"));
    }
    text + &routes
}

/// A request that is counted somewhere, until it has left.
struct Open {
    taken: InFlight,
    table: Arc<Table>,
    pool: usize,
    tried: Tried,
    counted: Option<Home>,
}

/// Which pool, through all its reloads, and which of its addresses.
type Home = (Arc<Lasting>, String);

struct World {
    parts: Parts,
    live: LiveTable,
    /// The tables that requests still know, the one in force last.
    tables: Vec<Arc<Table>>,
    open: Vec<Open>,
    line: Vec<(Arc<Table>, usize, Place)>,
    seen: Vec<Arc<Endpoint>>,
    lasting: Vec<Arc<Lasting>>,
    now: u64,
}

impl World {
    fn new(pools: &[Option<Written>]) -> World {
        let parts = Parts {
            workers: 1,
            slots: Arc::default(),
            numbers: Arc::default(),
            challenges: Arc::default(),
            board: Arc::default(),
            start: Instant::now(),
        };
        let document = config::parse("t", &text(pools)).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let live = LiveTable::new(
            compile(&document, &config::Material::default(), &parts, None).expect("a number for its listener"),
        );
        let tables = vec![live.load()];
        World { parts, live, tables, open: vec![], line: vec![], seen: vec![], lasting: vec![], now: 1_000_000_000 }
    }

    fn compile(&self, pools: &[Option<Written>]) -> Table {
        let document = config::parse("t", &text(pools)).unwrap_or_else(|report| panic!("{}", report.render(false)));
        compile(&document, &config::Material::default(), &self.parts, Some(&self.live.load()))
            .expect("a number for its listener")
    }

    fn pick(&mut self, table: &Arc<Table>, pool: usize, tried: Tried) -> bool {
        let Some(upstream) = table.upstreams.iter().find(|u| *u.pool.name == format!("p{pool}")) else { return false };
        let random = RefCell::new(fastrand::Rng::with_seed(self.now));
        let client_ip = Some([10, 0, self.now as u8, 1].into());
        let key = self.now.to_le_bytes();
        let asker = Asker { now: Moment(self.now), random: &random, key: &key, client_ip, prefers: None };
        let Some(taken) = upstream.pool.pick(&asker, &tried) else { return false };
        let home = (Arc::clone(&upstream.pool.lasting), taken.endpoint().target.to_string());
        self.seen.push(Arc::clone(taken.endpoint()));
        self.lasting.push(Arc::clone(&home.0));
        self.open.push(Open { taken, table: Arc::clone(table), pool, tried, counted: Some(home) });
        true
    }

    fn judge(&mut self, n: usize, verdict: Verdict) {
        if let Some(Open { taken, table, pool, .. }) = self.open.get(n)
            && let Some(upstream) = table.upstreams.iter().find(|u| *u.pool.name == format!("p{pool}"))
        {
            upstream.pool.judge(taken.endpoint(), verdict, Moment(self.now));
        }
    }

    fn take(&mut self, step: &Step) {
        self.now += 1;
        match step {
            Step::Ask(back, pool) => {
                let table = Arc::clone(&self.tables[self.tables.len().saturating_sub(1 + back)]);
                self.pick(&table, *pool, Tried::default());
            }
            Step::End(n) if *n < self.open.len() => drop(self.open.swap_remove(*n)),
            Step::Leave(n) => {
                if let Some(open) = self.open.get_mut(*n) {
                    open.taken.leave();
                    open.counted = None;
                }
            }
            Step::Fail(n) => self.judge(*n, Verdict::Failed),
            Step::Succeed(n) => self.judge(*n, Verdict::Succeeded),
            Step::Again(n) if *n < self.open.len() => {
                self.judge(*n, Verdict::Failed);
                let Open { taken, table, pool, mut tried, .. } = self.open.swap_remove(*n);
                tried.add(taken.endpoint());
                drop(taken);
                self.pick(&table, pool, tried);
            }
            Step::Wait(pool) => {
                let table = self.live.load();
                let upstream = table.upstreams.iter().find(|u| *u.pool.name == format!("p{pool}"));
                let place = upstream.and_then(|u| u.pool.lasting.room.join(u.pool.rules.wait?.size));
                self.line.extend(place.map(|place| (Arc::clone(&table), *pool, place)));
            }
            Step::Look(n) if *n < self.line.len() => {
                let (table, pool) = (Arc::clone(&self.line[*n].0), self.line[*n].1);
                if self.line[*n].2.is_first(Waker::noop()) && self.pick(&table, pool, Tried::default()) {
                    drop(self.line.remove(*n));
                }
            }
            Step::GiveUp(n) if *n < self.line.len() => drop(self.line.remove(*n)),
            Step::Drain(n, drained) => {
                for upstream in &self.live.load().upstreams {
                    upstream.pool.drain(&format!("127.9.0.{n}:80"), *drained, Moment(self.now));
                }
            }
            Step::Reload(pools) => {
                self.live.swap(self.compile(pools));
                self.tables.push(self.live.load());
            }
            Step::Refuse(pools) => drop(self.compile(pools)),
            Step::Forget => drop(self.tables.drain(..self.tables.len() - 1)),
            Step::Pass(seconds) => self.now += seconds * 1_000_000_000,
            Step::End(_) | Step::Again(_) | Step::Look(_) | Step::GiveUp(_) => {}
        }
    }

    /// The counts of the endpoints there are, against the requests there are.
    fn check(&self) -> Result<(), TestCaseError> {
        for upstream in &self.live.load().upstreams {
            for endpoint in upstream.pool.members().iter() {
                let here = |(lasting, address): &Home| {
                    Arc::ptr_eq(lasting, &upstream.pool.lasting) && *address == endpoint.target.to_string()
                };
                let open = self.open.iter().filter(|open| open.counted.as_ref().is_some_and(here)).count();
                prop_assert_eq!(endpoint.in_flight() as usize, open, "{} of {}", endpoint, upstream.pool.name);
            }
        }
        Ok(())
    }
}

/// Requests that stand in line keep a table of their own alive, as in the gateway.
fn play(first: &[Option<Written>], steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new(first);
    for step in steps {
        world.take(step);
        world.check()?;
    }
    let World { live, tables, mut open, line, seen, lasting, .. } = world;
    drop((live, tables, line));
    open.reverse();
    drop(open);
    prop_assert!(seen.iter().all(|endpoint| endpoint.in_flight() == 0));
    prop_assert!(lasting.iter().all(|lasting| lasting.room.is_empty()));
    Ok(())
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn counts_are_those_of_the_requests_and_return_to_0(
        first in document(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        play(&first, &steps)?;
    }
}

#[test]
fn a_limit_holds_over_every_reload_and_every_table() {
    let pool = |number: u8, most: u32| {
        let line = |number| Line { number, weight: 1, max_conns: Some(most), backup: false };
        Some(Written { balance: "least_conn", lines: vec![line(1), line(number)], max_fails: 1, waits: false })
    };
    let mut world = World::new(&[pool(2, 2), None]);
    let steps = [Step::Ask(0, 0), Step::Ask(0, 0), Step::Ask(0, 0), Step::Ask(0, 0), Step::Ask(0, 0)];
    steps.iter().for_each(|step| world.take(step));
    assert_eq!(world.open.len(), 4);
    // 2 is replaced by 3, whose two places are all that is new
    world.take(&Step::Reload(vec![pool(3, 2), None]));
    for back in [1, 1, 0, 0] {
        world.take(&Step::Ask(back, 0));
    }
    assert_eq!(world.open.len(), 6, "requests of both tables see one count");
    // 2 is back, and still has what it had
    world.take(&Step::Reload(vec![pool(2, 2), None]));
    world.take(&Step::Ask(0, 0));
    assert_eq!(world.open.len(), 6);
    world.take(&Step::Reload(vec![pool(2, 3), None]));
    (0..4).for_each(|_| world.take(&Step::Ask(1, 0)));
    assert_eq!(world.open.len(), 8, "the limit was raised, for requests that came before too");
}
