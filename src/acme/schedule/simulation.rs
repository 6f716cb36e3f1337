//! A year of renewals of hundreds of hosts, with an authority that fails at random and a process that is started anew at random:
//! what is asked of the authority is counted against its limits.

use super::*;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// What Let's Encrypt allows.
const ORDERS_IN_THREE_HOURS: usize = 300;
const FAILURES_OF_A_HOST_IN_AN_HOUR: usize = 5;
const SAME_HOSTS_IN_A_WEEK: usize = 5;
const OF_A_DOMAIN_IN_A_WEEK: usize = 50;

const YEAR: Seconds = 365 * DAY;
const START: Seconds = 1_800_000_000;

struct Kept {
    record: Record,
    life: Option<Life>,
    /// From then on it never was without a valid certificate.
    first_at: Option<Seconds>,
    uncovered: Seconds,
}

#[derive(Default)]
struct Counted {
    orders: Vec<Seconds>,
    failures: HashMap<String, Vec<Seconds>>,
    same: HashMap<usize, Vec<Seconds>>,
    domains: HashMap<String, Vec<Seconds>>,
    issued: usize,
    failed: usize,
}

struct World {
    kept: Vec<Kept>,
    crowd: Crowd,
    counted: Counted,
    suggests: bool,
    fails: f64,
    length: Seconds,
    random: fastrand::Rng,
}

impl World {
    /// 300 orders: a domain with 120 of them, 20 domains with 9 each; every tenth order has three hosts, some of which other orders have.
    fn new(suggests: bool, fails: f64, length: Seconds) -> World {
        let hosts = |n: usize| match n {
            0..120 => vec![format!("h{n}.big.example")],
            _ if n.is_multiple_of(10) => ["a", "b", "c"].map(|l| format!("{l}{}.d{}.example", n / 20, n % 20)).to_vec(),
            _ => vec![format!("a{}.d{}.example", n / 20, n % 20)],
        };
        let kept = (0..300).map(|n| Kept { record: Record::of(hosts(n)), life: None, first_at: None, uncovered: 0 });
        let (kept, random) = (kept.collect(), fastrand::Rng::with_seed(7));
        World { kept, crowd: Crowd::default(), counted: Counted::default(), suggests, fails, length, random }
    }

    fn plan(&self, n: usize, now: Seconds) -> Plan {
        let kept = &self.kept[n];
        plan(&kept.record, kept.life, &self.crowd, &Limits::LETS_ENCRYPT, now)
    }

    fn year(&mut self) {
        let mut due: BinaryHeap<_> = (0..self.kept.len()).map(|n| Reverse((START, n))).collect();
        let mut next_start = START + DAY;
        while let Some(Reverse((now, n))) = due.pop() {
            if now > START + YEAR {
                break;
            }
            if now >= next_start {
                next_start = now + self.random.u64(HOUR..20 * DAY);
                self.start_anew(now);
                due = (0..self.kept.len()).map(|n| Reverse((now, n))).collect();
                continue;
            }
            let plan = self.plan(n, now);
            if plan.at <= now {
                match plan.step {
                    Step::Order => self.order(n, now),
                    Step::Ask => self.ask(n, now),
                }
            }
            let next = self.plan(n, now).at.max(now + 1);
            due.push(Reverse((next, n)));
        }
    }

    fn order(&mut self, n: usize, now: Seconds) {
        let World { kept, crowd, counted, random, .. } = self;
        let kept = &mut kept[n];
        let replaces = kept.record.is_foreseen();
        kept.record.note_begun(now);
        crowd.begun(&kept.record.hosts, now);
        counted.orders.push(now);
        let hosts = kept.record.hosts.clone();
        if random.f64() < self.fails {
            counted.failed += 1;
            for host in hosts {
                counted.failures.entry(host).or_default().push(now);
            }
            let barred = (random.f64() < 0.05).then(|| now + random.u64(0..5 * HOUR));
            failed(&mut kept.record, kept.life, barred, "no".into(), now, random.f64());
            return;
        }
        let life = Life { from: now - HOUR, until: now + self.length };
        kept.uncovered += kept.life.map_or(0, |old| now.saturating_sub(old.until));
        kept.first_at.get_or_insert(now);
        kept.life = Some(life);
        counted.issued += 1;
        if issued(&mut kept.record, life, now, random.f64()) {
            crowd.issued(&hosts, now);
        }
        if !replaces {
            counted.same.entry(n).or_default().push(now);
            let mut domains: Vec<String> = hosts.iter().map(|host| crowd::domain(host)).collect();
            domains.dedup();
            domains.into_iter().for_each(|domain| counted.domains.entry(domain).or_default().push(now));
        }
    }

    fn ask(&mut self, n: usize, now: Seconds) {
        let (kept, random) = (&mut self.kept[n], &mut self.random);
        let Some(life) = kept.life else { return };
        if !self.suggests {
            // that it is asked in vain four times a day changes nothing, and takes the test long
            kept.record.ask_at = now + YEAR;
            return;
        }
        if random.f64() < 0.1 {
            not_suggested(&mut kept.record, now, random.f64());
            return;
        }
        // once in a while an authority revokes
        let start = life.from + self.length * 2 / 3;
        let revoked = random.f64() < 0.002;
        let (start, end) = if revoked { (now - DAY, now - HOUR) } else { (start, start + self.length / 45) };
        suggested(&mut kept.record, Window { start, end }, DAY, now, random.f64());
    }

    /// Only what is on disk is left.
    fn start_anew(&mut self, now: Seconds) {
        self.crowd = Crowd::default();
        for kept in &mut self.kept {
            let text = serde_json::to_string(&kept.record).unwrap();
            kept.record = serde_json::from_str(&text).unwrap();
            restarted(&mut kept.record, now);
            self.crowd.recall(&kept.record);
        }
    }
}

/// The most of these moments within any such span.
fn most(moments: &[Seconds], span: Seconds) -> usize {
    let mut moments = moments.to_vec();
    moments.sort_unstable();
    let within = |(n, from): (usize, &Seconds)| moments[n..].iter().take_while(|at| **at < from + span).count();
    moments.iter().enumerate().map(within).max().unwrap_or(0)
}

fn most_of<K>(moments: &HashMap<K, Vec<Seconds>>, span: Seconds) -> usize {
    moments.values().map(|moments| most(moments, span)).max().unwrap_or(0)
}

fn lives(suggests: bool, fails: f64, length: Seconds) -> Counted {
    let mut world = World::new(suggests, fails, length);
    world.year();
    let counted = world.counted;
    let numbers = [
        most(&counted.orders, 3 * HOUR),
        most_of(&counted.failures, HOUR),
        most_of(&counted.same, 7 * DAY),
        most_of(&counted.domains, 7 * DAY),
    ];
    let limits = [ORDERS_IN_THREE_HOURS, FAILURES_OF_A_HOST_IN_AN_HOUR, SAME_HOSTS_IN_A_WEEK, OF_A_DOMAIN_IN_A_WEEK];
    let within = numbers.iter().zip(limits).all(|(number, limit)| *number < limit);
    assert!(
        within,
        "orders in 3 h, failures of a host in 1 h, same hosts and a domain in 7 d: {numbers:?} of {limits:?}"
    );
    for kept in &world.kept {
        let first = kept.first_at.unwrap_or_else(|| panic!("{:?} never came", kept.record.hosts));
        let latest = if fails < 1.0 && counted.domains.len() > 1 { 60 * DAY } else { YEAR };
        assert!(first < START + latest, "{:?} came after {} days", kept.record.hosts, (first - START) / DAY);
        assert_eq!(kept.uncovered, 0, "{:?} ran out", kept.record.hosts);
    }
    counted
}

#[test]
fn a_year_with_an_authority_that_works_stays_below_its_limits() {
    let counted = lives(false, 0.0, 90 * DAY);
    assert!((300 * 6..300 * 8).contains(&counted.issued), "{} certificates", counted.issued);
}

#[test]
fn a_year_with_an_authority_that_fails_now_and_then_stays_below_its_limits() {
    let counted = lives(false, 0.3, 90 * DAY);
    assert!(counted.failed > 500, "{} failures", counted.failed);
}

#[test]
fn a_year_with_an_authority_that_mostly_fails_stays_below_its_limits() {
    let counted = lives(false, 0.8, 90 * DAY);
    assert!(counted.failed > 5000, "{} failures", counted.failed);
}

#[test]
fn a_year_with_an_authority_that_suggests_when_to_renew_and_revokes_stays_below_its_limits() {
    let counted = lives(true, 0.2, 90 * DAY);
    assert!(counted.issued > 300 * 6, "{} certificates", counted.issued);
}

#[test]
fn a_year_of_certificates_that_live_a_week_stays_below_the_limits_and_none_runs_out() {
    lives(true, 0.2, 7 * DAY);
}
