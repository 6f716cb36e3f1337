//! Real threads on one pool.

use super::*;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;

const THREADS: u64 = 4;
const REQUESTS: usize = 1500;

#[test]
fn threads_never_put_more_on_an_endpoint_than_it_may_have() {
    for balance in
        [Balance::LeastConn, Balance::RoundRobin, Balance::Random, Balance::P2c, Balance::Hash, Balance::IpHash]
    {
        let limits = [1, 2, 3];
        let lines = limits.map(|max_conns| Line { max_conns, ..Line::weighing(1) });
        let pool = pool_of(rules(balance), &lines);
        let (counts, most) = (limits.map(|_| AtomicU32::new(0)), limits.map(|_| AtomicU32::new(0)));
        let members = pool.members();
        thread::scope(|scope| {
            for seed in 0..THREADS {
                let (pool, counts, most, members) = (&pool, &counts, &most, &members);
                scope.spawn(move || {
                    let (asking, mut open) = (Asking::new(seed), Vec::new());
                    for n in 0..REQUESTS {
                        if let Some(taken) = asking.pick(pool, at(1), &Tried::default()) {
                            let place = members.primary.iter().position(|e| Arc::ptr_eq(e, taken.endpoint()));
                            let place = place.expect("one of the pool's");
                            most[place].fetch_max(counts[place].fetch_add(1, SeqCst) + 1, SeqCst);
                            open.push((place, taken));
                        }
                        if n % 3 == 2 && !open.is_empty() {
                            let (place, taken) = open.swap_remove(n % open.len());
                            counts[place].fetch_sub(1, SeqCst);
                            drop(taken);
                        }
                    }
                    open.iter().for_each(|(place, _)| _ = counts[*place].fetch_sub(1, SeqCst));
                });
            }
        });
        for ((most, limit), endpoint) in most.iter().zip(limits).zip(members.iter()) {
            assert!((1..=limit).contains(&most.load(SeqCst)), "{balance:?}: {most:?} where {limit} is the most");
            assert_eq!(endpoint.in_flight(), 0);
        }
    }
}

#[test]
fn who_comes_second_to_a_trial_is_not_counted_there() {
    let rule = Rule { max_fails: 1, fail_timeout: SECOND };
    let pool = pool_of(Rules { passive: rule, ..rules(Balance::LeastConn) }, &[Line::weighing(1); 2]);
    let a = endpoint(&pool, "a");
    pool.judge(&a, crate::upstream::pool::Verdict::Failed, at(1));
    // both have seen that its time is up
    let (first, second) = (a.take(at(10), rule), a.take(at(10), rule));
    assert!(first.is_some() && second.is_none());
    assert_eq!(a.in_flight(), 1);
}

#[test]
fn threads_that_follow_one_another_keep_the_order_of_turns() {
    let pool = pool(Balance::LeastConn, &[5, 1, 1]);
    let asked: String =
        (0..14).map(|_| thread::scope(|s| s.spawn(|| sequence(&pool, 1)).join().expect("a thread"))).collect();
    assert_eq!(asked, "aabacaaaabacaa");
}

#[test]
fn threads_at_once_take_turns_by_weight() {
    let pool = pool(Balance::RoundRobin, &[5, 2, 1]);
    let all: String = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| sequence(&pool, 2000))).collect();
        threads.into_iter().map(|t| t.join().expect("a thread")).collect()
    });
    for (name, share) in [("a", 5000), ("b", 2000), ("c", 1000)] {
        assert!(all.matches(name).count().abs_diff(share) < 100, "{name}: {}", all.matches(name).count());
    }
    assert_eq!(pool.members().iter().map(|e| e.turn.load(SeqCst)).sum::<i64>(), 0, "nobody is owed anything by nobody");
}

#[test]
fn endpoints_come_and_go_while_threads_ask() {
    let pool = pool(Balance::LeastConn, &[1, 1, 1]);
    let seen: std::sync::Mutex<Vec<Arc<Endpoint>>> = std::sync::Mutex::default();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (pool, seen, done) = (&pool, &seen, &done);
                scope.spawn(move || {
                    let (asking, mut open, mut n) = (Asking::new(seed), Vec::new(), 0);
                    while n < REQUESTS || !done.load(SeqCst) {
                        n += 1;
                        let taken = asking.pick(pool, at(1), &Tried::default()).expect("there always is one");
                        if n % 50 == 0 {
                            seen.lock().expect("no panic").push(Arc::clone(taken.endpoint()));
                        }
                        open.push(taken);
                        if open.len() > 5 {
                            open.swap_remove(n % 5);
                        }
                    }
                })
            })
            .collect();
        for round in 0..60_usize {
            let lines: Vec<Line> = (0..=round % 4).map(|n| Line::weighing(1 + (round + n) as u32 % 7)).collect();
            let next = Pool::new(
                "pool",
                listed(&lines, &pool.lasting),
                rules(Balance::LeastConn),
                Arc::clone(&pool.lasting),
                at(1),
            );
            next.serve();
        }
        done.store(true, SeqCst);
        asking.into_iter().for_each(|t| t.join().expect("a thread"));
    });
    let seen = seen.into_inner().expect("no panic");
    assert!(!seen.is_empty() && seen.iter().all(|e| e.in_flight() == 0));
}
