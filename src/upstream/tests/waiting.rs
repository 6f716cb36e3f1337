//! The waiting room: order, bound, and nobody forgotten.

use super::*;
use crate::upstream::waiting::{Place as Stand, Room};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};

/// Counts how often it is woken.
#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

struct Waiter {
    number: usize,
    stand: Option<Stand>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl Waiter {
    fn join(number: usize, room: &Arc<Room>, most: usize) -> Option<Waiter> {
        let (stand, alarm) = (room.join(most)?, Arc::new(Alarm::default()));
        let waiter = Waiter { number, stand: Some(stand), waker: Waker::from(Arc::clone(&alarm)), alarm };
        Some(waiter)
    }

    fn is_first(&self) -> bool {
        self.stand.as_ref().is_some_and(|stand| stand.is_first(&self.waker))
    }

    fn takes_call(&self) -> bool {
        self.alarm.0.swap(0, SeqCst) > 0
    }
}

#[derive(Clone, Debug)]
enum Step {
    Come,
    /// One in line gives up.
    GiveUp(usize),
    /// An endpoint becomes free.
    Free,
    /// A retry takes the endpoint that is free, past the line.
    Snatch,
    /// One in line looks although nobody called.
    Look(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Come),
        1 => (0..6_usize).prop_map(Step::GiveUp),
        3 => Just(Step::Free),
        1 => Just(Step::Snatch),
        1 => (0..6_usize).prop_map(Step::Look),
    ]
}

/// Plays the steps; whoever is called looks before the next step, as tasks do. Every request is served in its turn, and none waits while
/// there is a place.
fn play(most: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    let room = Arc::new(Room::default());
    let (mut line, mut free, mut come, mut served) = (VecDeque::<Waiter>::new(), 0_usize, 0_usize, None);
    for step in steps {
        match step {
            Step::Come => {
                come += 1;
                if room.is_empty() && free > 0 {
                    free -= 1;
                } else {
                    let waiter = Waiter::join(come, &room, most);
                    prop_assert_eq!(waiter.is_some(), line.len() < most, "the bound");
                    if let Some(waiter) = waiter {
                        prop_assert_eq!(waiter.is_first(), line.is_empty());
                        line.push_back(waiter);
                    }
                }
            }
            Step::GiveUp(n) => drop(line.remove(*n)),
            Step::Free => {
                free += 1;
                room.look();
            }
            Step::Snatch => free = free.saturating_sub(1),
            Step::Look(n) => {
                if let Some(waiter) = line.get(*n) {
                    prop_assert_eq!(waiter.is_first(), *n == 0);
                }
            }
        }
        // the tasks that were called run
        while let Some(n) = line.iter().position(Waiter::takes_call) {
            if line[n].is_first() && free > 0 {
                free -= 1;
                prop_assert_eq!(n, 0);
                prop_assert!(served < Some(line[n].number), "out of turn");
                served = Some(line[n].number);
                line.remove(n);
            }
        }
        prop_assert!(line.is_empty() || free == 0, "{} wait beside {free} places", line.len());
        prop_assert_eq!(room.is_empty(), line.is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn requests_are_served_in_their_order_and_none_waits_beside_a_place(
        most in 1..6_usize,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        play(most, &steps)?;
    }
}

#[test]
fn a_long_line_whose_time_is_up_is_gone_quickly() {
    let room = Arc::new(Room::default());
    let line: Vec<_> = (0..100_000).map(|n| Waiter::join(n, &room, 100_000).expect("room")).collect();
    assert!(line[0].is_first() && !line[99_999].is_first());
    assert!(room.join(100_000).is_none());
    // with a walk through the line for each this would take minutes
    drop(line);
    assert!(room.is_empty());
}
