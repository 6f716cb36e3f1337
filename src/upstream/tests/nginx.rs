//! Against nginx: its peers and their choice, written down anew from its manual, beside random requests, failures and pauses.

use super::*;
use crate::upstream::pool::Verdict;
use proptest::prelude::*;

/// A peer as nginx keeps it. Times are whole seconds.
struct Peer {
    weight: i64,
    max_conns: i64,
    conns: i64,
    fails: u32,
    accessed: u64,
    checked: u64,
    current_weight: i64,
    effective_weight: i64,
}

struct Model {
    least_conn: bool,
    max_fails: u32,
    fail_timeout: u64,
    single: bool,
    /// The peers, and which of them are backups.
    peers: Vec<(Peer, bool)>,
}

impl Model {
    fn new(case: &Case) -> Model {
        let peer = |line: &Line| Peer {
            weight: line.weight.into(),
            max_conns: if line.max_conns == Count::UNLIMITED { i64::MAX } else { line.max_conns.into() },
            conns: 0,
            fails: 0,
            accessed: 0,
            checked: 0,
            current_weight: 0,
            effective_weight: line.weight.into(),
        };
        Model {
            least_conn: case.least_conn,
            max_fails: case.max_fails,
            fail_timeout: case.fail_timeout,
            single: case.lines.len() == 1,
            peers: case.lines.iter().map(|line| (peer(line), line.backup)).collect(),
        }
    }

    fn pick(&mut self, tried: &[usize], now: u64) -> Option<usize> {
        self.pick_of(false, tried, now).or_else(|| self.pick_of(true, tried, now))
    }

    fn pick_of(&mut self, backup: bool, tried: &[usize], now: u64) -> Option<usize> {
        let able = |(n, (peer, is_backup)): &(usize, &(Peer, bool))| {
            let failed = self.max_fails > 0 && peer.fails >= self.max_fails && now - peer.checked <= self.fail_timeout;
            *is_backup == backup && !tried.contains(n) && (self.single || !failed) && peer.conns < peer.max_conns
        };
        let mut able: Vec<usize> = self.peers.iter().enumerate().filter(able).map(|(n, _)| n).collect();
        if self.least_conn {
            let load = |n: usize, other: usize| self.peers[n].0.conns * self.peers[other].0.weight;
            let least = able.iter().copied().reduce(|best, n| if load(n, best) < load(best, n) { n } else { best })?;
            able.retain(|n| load(*n, least) == load(least, *n));
        }
        let chosen = match able.as_slice() {
            [] => return None,
            [only] if self.least_conn => *only,
            able => {
                let mut total = 0;
                for n in able {
                    let peer = &mut self.peers[*n].0;
                    peer.current_weight += peer.effective_weight;
                    total += peer.effective_weight;
                    peer.effective_weight = (peer.effective_weight + 1).min(peer.weight);
                }
                let turn = |n: usize| self.peers[n].0.current_weight;
                let best = able.iter().copied().reduce(|best, n| if turn(n) > turn(best) { n } else { best })?;
                self.peers[best].0.current_weight -= total;
                best
            }
        };
        let peer = &mut self.peers[chosen].0;
        if now - peer.checked > self.fail_timeout {
            peer.checked = now;
        }
        peer.conns += 1;
        Some(chosen)
    }

    fn free(&mut self, n: usize, verdict: Option<Verdict>, now: u64) {
        let peer = &mut self.peers[n].0;
        peer.conns -= 1;
        match verdict {
            _ if self.single => {}
            Some(Verdict::Failed) => {
                peer.fails += 1;
                (peer.accessed, peer.checked) = (now, now);
                if self.max_fails > 0 {
                    peer.effective_weight = (peer.effective_weight - peer.weight / i64::from(self.max_fails)).max(0);
                }
            }
            Some(Verdict::Succeeded) if peer.accessed < peer.checked => peer.fails = 0,
            Some(Verdict::Succeeded) | None => {}
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    least_conn: bool,
    lines: Vec<Line>,
    max_fails: u32,
    fail_timeout: u64,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Ask,
    /// One of the open requests ends so.
    End(usize, Option<Verdict>),
    /// One of them fails and goes to another endpoint.
    Again(usize),
    /// Seconds pass.
    Wait(u64),
}

/// A request in flight: where, and where it was before.
struct Open {
    taken: InFlight,
    at: usize,
    tried: Vec<usize>,
}

fn a_case() -> impl Strategy<Value = Case> {
    let weight = prop_oneof![8 => 1..6_u32, 1 => Just(65_535_u32)];
    let limit = prop_oneof![3 => Just(Count::UNLIMITED), 1 => 1..4_u32];
    let line = (weight, limit, prop::bool::weighted(0.2));
    let line = line.prop_map(|(weight, max_conns, backup)| Line { weight, max_conns, backup });
    let verdict = prop_oneof![3 => Just(Some(Verdict::Failed)), 3 => Just(Some(Verdict::Succeeded)), 1 => Just(None)];
    let step = prop_oneof![
        5 => Just(Step::Ask),
        4 => (0..8_usize, verdict).prop_map(|(n, verdict)| Step::End(n, verdict)),
        2 => (0..8_usize).prop_map(Step::Again),
        1 => (0..12_u64).prop_map(Step::Wait),
    ];
    let (lines, steps) = (prop::collection::vec(line, 1..6), prop::collection::vec(step, 1..80));
    (any::<bool>(), lines, 0..4_u32, 1..10_u64, steps).prop_map(
        |(least_conn, mut lines, max_fails, fail_timeout, steps)| {
            lines[0].backup = false;
            Case { least_conn, lines, max_fails, fail_timeout, steps }
        },
    )
}

fn play(case: &Case) -> Result<(), TestCaseError> {
    let mut rules = rules(if case.least_conn { Balance::LeastConn } else { Balance::RoundRobin });
    rules.passive = Rule { max_fails: case.max_fails, fail_timeout: case.fail_timeout * SECOND };
    let (pool, mut model, asking) = (pool_of(rules, &case.lines), Model::new(case), Asking::new(1));
    let (mut now, mut open) = (1000, Vec::<Open>::new());
    let ask = |model: &mut Model, open: &mut Vec<Open>, tried: Vec<usize>, now: u64| {
        let mut known = Tried::default();
        tried.iter().for_each(|n| known.add(&endpoint(&pool, &letter(*n))));
        let taken = asking.pick(&pool, at(now), &known);
        let expected = model.pick(&tried, now);
        let found = taken.as_ref().map(|t| t.endpoint().entry.address.to_string());
        prop_assert_eq!(found, expected.map(letter));
        if let (Some(taken), Some(at)) = (taken, expected) {
            open.push(Open { taken, at, tried });
        }
        Ok(())
    };
    for step in &case.steps {
        match step {
            Step::Ask => ask(&mut model, &mut open, Vec::new(), now)?,
            Step::Wait(seconds) => now += seconds,
            Step::End(n, verdict) if *n < open.len() => {
                let Open { taken, at: n, .. } = open.swap_remove(*n);
                verdict.and_then(|verdict| pool.judge(taken.endpoint(), verdict, at(now)));
                model.free(n, *verdict, now);
            }
            Step::Again(n) if *n < open.len() => {
                let Open { taken, at: n, mut tried } = open.swap_remove(*n);
                pool.judge(taken.endpoint(), Verdict::Failed, at(now));
                model.free(n, Some(Verdict::Failed), now);
                drop(taken);
                tried.push(n);
                ask(&mut model, &mut open, tried, now)?;
            }
            Step::End(..) | Step::Again(_) => {}
        }
    }
    drop(open);
    prop_assert!(pool.members().iter().all(|e| e.in_flight() == 0));
    Ok(())
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn requests_go_where_nginx_sends_them(case in a_case()) {
        play(&case)?;
    }
}
