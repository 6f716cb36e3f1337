//! A count with a limit.

use crate::count::Count;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Threads that each enter once and leave again. How many were in at one time, and how many were let in. The checker need not know of
/// these two numbers: threads take turns only where they touch the count.
fn enter_and_leave(threads: usize, most: u32) -> (u32, u32) {
    let (count, inside, peak) = (Arc::new(Count::default()), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let visit = {
        let (count, inside, peak) = (Arc::clone(&count), Arc::clone(&inside), Arc::clone(&peak));
        move || {
            if !count.enter(most) {
                return 0;
            }
            peak.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            inside.fetch_sub(1, SeqCst);
            count.leave();
            1
        }
    };
    let others: Vec<_> = (1..threads).map(|_| thread::spawn(visit.clone())).collect();
    let entered = visit() + others.into_iter().map(|other| other.join().expect("a thread")).sum::<u32>();
    assert_eq!(count.get(), 0, "the count returns to 0");
    (peak.load(SeqCst), entered)
}

#[test]
fn threads_never_exceed_a_limit() {
    loom::model(|| {
        let (peak, entered) = enter_and_leave(3, 1);
        assert!(peak == 1 && entered >= 1, "{peak} at one time, {entered} in all");
    });
}

#[test]
fn who_leaves_makes_room_for_one_and_not_for_two() {
    loom::model(|| {
        let count = Arc::new(Count::default());
        assert!(count.enter(2) && count.enter(2) && !count.enter(2));
        let visits: Vec<_> = (0..2)
            .map(|_| {
                let count = Arc::clone(&count);
                thread::spawn(move || u32::from(count.enter(2)))
            })
            .collect();
        count.leave();
        let entered = visits.into_iter().map(|visit| visit.join().expect("a thread")).sum::<u32>();
        assert!(entered <= 1 && count.get() == 1 + entered, "{entered} came in");
    });
}

#[test]
fn without_a_limit_nobody_is_refused() {
    loom::model(|| assert_eq!(enter_and_leave(3, Count::UNLIMITED).1, 3));
}
