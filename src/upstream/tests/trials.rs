//! Failures, pauses and trials: `max_fails` and `fail_timeout` as nginx's manual has them.

use super::*;
use crate::upstream::State;
use crate::upstream::passive::Passive;
use crate::upstream::pool::{News, Verdict};
use proptest::prelude::*;

const RULE: Rule = Rule { max_fails: 3, fail_timeout: 30 * SECOND };

/// A pool of two with [`RULE`], and its first endpoint.
fn two() -> (Pool, Arc<Endpoint>) {
    let pool = pool_of(Rules { passive: RULE, ..rules(Balance::LeastConn) }, &[Line::weighing(1); 2]);
    let first = endpoint(&pool, "a");
    (pool, first)
}

fn fail(pool: &Pool, endpoint: &Endpoint, now: u64) -> Option<News> {
    pool.judge(endpoint, Verdict::Failed, at(now))
}

/// Requests that go to `endpoint` while all others wait for their answers, at most ten.
fn tries(pool: &Pool, endpoint: &Arc<Endpoint>, now: u64) -> Vec<InFlight> {
    let asking = Asking::new(1);
    let taken: Vec<_> = (0..20).map_while(|_| asking.pick(pool, at(now), &Tried::default())).collect();
    taken.into_iter().filter(|taken| Arc::ptr_eq(taken.endpoint(), endpoint)).take(10).collect()
}

#[test]
fn three_failures_29_seconds_apart_trip_it() {
    let (pool, endpoint) = two();
    assert_eq!([100, 129, 158].map(|now| fail(&pool, &endpoint, now)), [None, None, Some(News::Ejected)]);
    assert_eq!(pool.state(&endpoint), State::Ejected);
    assert!(tries(&pool, &endpoint, 188).is_empty(), "30 s are not over");
    assert_eq!(tries(&pool, &endpoint, 189).len(), 1, "one tries");
}

#[test]
fn a_success_within_the_time_clears_nothing_and_one_after_it_does() {
    let (pool, endpoint) = two();
    for now in [100, 110] {
        assert_eq!(fail(&pool, &endpoint, now), None);
        drop(endpoint.take(at(now + 5), RULE));
        assert_eq!(pool.judge(&endpoint, Verdict::Succeeded, at(now + 5)), None);
    }
    assert_eq!(endpoint.fails(), 2);
    drop(endpoint.take(at(141), RULE));
    pool.judge(&endpoint, Verdict::Succeeded, at(141));
    assert_eq!(endpoint.fails(), 0);
}

#[test]
fn a_trial_that_succeeds_brings_it_back_and_one_that_fails_costs_the_time_again() {
    let (pool, endpoint) = two();
    (100..103).for_each(|now| _ = fail(&pool, &endpoint, now));
    for round in 0..3 {
        let now = 133 + 31 * round;
        let trial = tries(&pool, &endpoint, now);
        assert_eq!(trial.len(), 1);
        assert_eq!(fail(&pool, &endpoint, now), None, "it is ejected already");
        assert!(tries(&pool, &endpoint, now + 30).is_empty());
    }
    let trial = tries(&pool, &endpoint, 300);
    assert_eq!(pool.judge(&endpoint, Verdict::Succeeded, at(301)), Some(News::Back));
    drop(trial);
    assert_eq!((endpoint.fails(), pool.state(&endpoint)), (0, State::Up));
    assert_eq!(tries(&pool, &endpoint, 301).len(), 10);
}

#[test]
fn a_trial_that_shows_nothing_is_followed_by_another_after_the_time() {
    let (pool, endpoint) = two();
    (100..103).for_each(|now| _ = fail(&pool, &endpoint, now));
    // the client left
    assert_eq!(tries(&pool, &endpoint, 200).len(), 1);
    assert!(tries(&pool, &endpoint, 230).is_empty());
    assert_eq!(tries(&pool, &endpoint, 231).len(), 1);
}

#[test]
fn the_only_endpoint_is_never_left_alone_and_no_rule_leaves_nobody_alone() {
    let off = Rule { max_fails: 0, ..RULE };
    for (rule, endpoints) in [(RULE, 1), (off, 2)] {
        let pool = pool_of(Rules { passive: rule, ..rules(Balance::LeastConn) }, &[Line::weighing(1); 2][..endpoints]);
        let first = endpoint(&pool, "a");
        for now in 100..110 {
            assert_eq!(fail(&pool, &first, now), None);
        }
        assert_eq!((first.fails(), pool.state(&first)), (0, State::Up));
        assert_eq!(tries(&pool, &first, 110).len(), 10);
    }
}

#[test]
fn a_lone_endpoint_with_a_backup_is_left_alone() {
    let backup = Line { backup: true, ..Line::weighing(1) };
    let pool = pool_of(rules(Balance::LeastConn), &[Line::weighing(1), backup]);
    assert_eq!(sequence(&pool, 2), "aa");
    assert_eq!(fail(&pool, &endpoint(&pool, "a"), 1), Some(News::Ejected));
    assert_eq!(sequence(&pool, 2), "bb");
}

#[test]
fn when_all_are_left_alone_there_is_none() {
    let pool = pool(Balance::LeastConn, &[1, 1]);
    ["a", "b"].into_iter().for_each(|name| _ = fail(&pool, &endpoint(&pool, name), 1));
    assert_eq!(sequence(&pool, 1), "-");
}

/// The manual's words as a model. Times are nanoseconds.
#[derive(Default)]
struct Model {
    fails: u32,
    failed: u64,
    checked: u64,
}

impl Model {
    fn takes(&mut self, rule: Rule, now: u64) -> bool {
        let over = now - self.checked > rule.fail_timeout;
        let takes = rule.max_fails == 0 || self.fails < rule.max_fails || over;
        if takes && over {
            self.checked = now;
        }
        takes
    }

    fn fails(&mut self, rule: Rule, now: u64) -> bool {
        self.fails += 1;
        (self.failed, self.checked) = (now, now);
        self.fails == rule.max_fails
    }

    fn succeeds(&mut self, rule: Rule) -> bool {
        let clears = self.fails > 0 && self.failed < self.checked;
        let back = clears && rule.max_fails > 0 && self.fails >= rule.max_fails;
        if clears {
            self.fails = 0;
        }
        back
    }
}

#[derive(Clone, Debug)]
enum Step {
    Select,
    Fail,
    Succeed,
    Wait(u64),
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn any_sequence_goes_as_the_manual_says(
        max_fails in 0..4_u32,
        fail_timeout in 1..6_u64,
        steps in prop::collection::vec(
            prop_oneof![
                3 => Just(Step::Select), 3 => Just(Step::Fail), 2 => Just(Step::Succeed), 3 => (0..5_u64).prop_map(Step::Wait),
            ],
            1..60,
        ),
    ) {
        let rule = Rule { max_fails, fail_timeout };
        let (passive, mut model, mut now) = (Passive::default(), Model::default(), 100);
        for step in steps {
            match step {
                Step::Wait(time) => now += time,
                Step::Fail => prop_assert_eq!(passive.failed(rule, now), model.fails(rule, now)),
                Step::Succeed => prop_assert_eq!(passive.succeeded(rule), model.succeeds(rule)),
                Step::Select => {
                    prop_assert_eq!(passive.is_open(rule, now) && passive.claim(rule, now), model.takes(rule, now));
                }
            }
            prop_assert_eq!(passive.fails(), model.fails);
            prop_assert_eq!(passive.is_ejected(rule), max_fails > 0 && model.fails >= max_fails);
        }
    }

    /// With any failures before: in each `fail_timeout` one request tries, and no more.
    #[test]
    fn one_request_tries_in_each_pause(pauses in prop::collection::vec(0..40_u64, 1..40)) {
        let passive = Passive::default();
        (0..3).for_each(|_| _ = passive.failed(RULE, 0));
        let (mut now, mut last) = (0, 0);
        for pause in pauses {
            now += pause * SECOND;
            let tried = passive.is_open(RULE, now) && passive.claim(RULE, now);
            prop_assert_eq!(tried, now - last > RULE.fail_timeout);
            if tried {
                last = now;
            }
        }
    }
}
