//! Requests that wait for a place, and those that leave one.

use crate::count::Count;
use crate::waiting::{Place, Room};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Wake, Waker};

/// A task's alarm. Read only when all threads are done, so that the checker need not know of it.
#[derive(Default)]
struct Alarm(AtomicBool);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A request that waits.
struct Waiting {
    place: Option<Place>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl Waiting {
    fn join(room: &Arc<Room>) -> Waiting {
        let alarm = Arc::new(Alarm::default());
        Waiting { place: room.join(9), waker: Waker::from(Arc::clone(&alarm)), alarm }
    }

    /// Looks whether it is its turn and there is a place, as a task does when it is polled. True when it is served.
    fn poll(&mut self, count: &Count, most: u32) -> bool {
        self.alarm.0.store(false, SeqCst);
        let served = self.place.as_ref().is_some_and(|place| place.is_first(&self.waker) && count.enter(most));
        if served {
            self.place = None;
        }
        served
    }

    fn is_called(&self) -> bool {
        self.alarm.0.load(SeqCst)
    }
}

/// Polls who is called until nobody is. How many are served.
fn run(all: &mut [Waiting], count: &Count, most: u32) -> usize {
    let mut served = 0;
    while let Some(called) = all.iter_mut().find(|w| w.place.is_some() && w.is_called()) {
        served += usize::from(called.poll(count, most));
    }
    served
}

/// A count of which `taken` places are taken, and a thread that leaves them one by one once it is started.
fn leaving(taken: u32) -> (Arc<Room>, Arc<Count>, impl FnOnce() -> thread::JoinHandle<()>) {
    let (room, count) = (Arc::new(Room::default()), Arc::new(Count::default()));
    (0..taken).for_each(|_| assert!(count.enter(taken)));
    let leave = {
        let (room, count) = (Arc::clone(&room), Arc::clone(&count));
        move || {
            for _ in 0..taken {
                count.leave();
                room.look();
            }
        }
    };
    (room, count, move || thread::spawn(leave))
}

#[test]
fn nobody_sleeps_beside_a_free_place() {
    loom::model(|| {
        let (room, count, leave) = leaving(1);
        let leaver = leave();
        let mut waiting = Waiting::join(&room);
        let served = waiting.poll(&count, 1);
        leaver.join().expect("a thread");
        assert!(served || waiting.is_called(), "asleep beside a free place");
    });
}

#[test]
fn two_places_that_become_free_serve_two() {
    loom::model(|| {
        let (room, count, leave) = leaving(2);
        let mut all = [Waiting::join(&room), Waiting::join(&room)];
        let leaver = leave();
        let mut served = all.iter_mut().map(|w| usize::from(w.poll(&count, 2))).sum::<usize>();
        leaver.join().expect("a thread");
        served += run(&mut all, &count, 2);
        assert_eq!(served, 2);
    });
}

#[test]
fn who_gives_up_at_the_moment_of_being_called_passes_the_call_on() {
    loom::model(|| {
        let (room, count, leave) = leaving(1);
        let (mut first, mut second) = (Waiting::join(&room), Waiting::join(&room));
        assert!(!first.poll(&count, 1) && !second.poll(&count, 1));
        let leaver = leave();
        drop(first.place.take());
        leaver.join().expect("a thread");
        assert_eq!(run(std::slice::from_mut(&mut second), &count, 1), 1);
    });
}

#[test]
fn who_comes_while_a_place_becomes_free_finds_it_or_is_called() {
    loom::model(|| {
        let (room, count, leave) = leaving(1);
        let leaver = leave();
        // as a request does: past an empty room straight to the endpoint, else to the end of the line
        let straight = room.is_empty() && count.enter(1);
        let mut waiting = Waiting::join(&room);
        let served = straight || waiting.poll(&count, 1);
        leaver.join().expect("a thread");
        assert!(served || waiting.is_called());
    });
}
