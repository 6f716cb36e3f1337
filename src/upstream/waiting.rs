//! The waiting room: requests that found no free endpoint stand in line until one is free.

use super::sync::{AtomicU32, Mutex, MutexGuard, Ordering, PoisonError, fence};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

/// Requests in line, over all workers. Those who leave an endpoint look in with one load.
#[derive(Default)]
pub struct Room {
    /// How many stand in line.
    waiting: AtomicU32,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    next: u64,
    /// In the order they came, and so of their numbers.
    places: VecDeque<(u64, Option<Waker>)>,
}

impl Line {
    /// How many stand before the one with this number.
    fn place_of(&self, number: u64) -> Option<usize> {
        self.places.binary_search_by_key(&number, |(number, _)| *number).ok()
    }
}

/// A place in line; dropping it gives it up.
pub struct Place {
    room: Arc<Room>,
    number: u64,
}

impl Room {
    /// Does anybody wait? Who comes now stands behind them.
    pub fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    /// How many stand in line.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place at the end of the line, unless `most` stand there.
    pub fn join(self: &Arc<Room>, most: usize) -> Option<Place> {
        let mut line = self.line();
        if line.places.len() >= most {
            return None;
        }
        let number = line.next;
        line.next += 1;
        line.places.push_back((number, None));
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Some(Place { room: Arc::clone(self), number })
    }

    /// An endpoint may be free: wakes whoever is first.
    pub fn look(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            wake(self.line());
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the first in line, once the line is let go of.
fn wake(mut line: MutexGuard<'_, Line>) {
    let waker = line.places.front_mut().and_then(|(_, waker)| waker.take());
    drop(line);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Place {
    /// Is it this request's turn? If not, or if it then finds no endpoint, `waker` is woken when to look again.
    pub fn is_first(&self, waker: &Waker) -> bool {
        let mut line = self.room.line();
        let at = line.place_of(self.number);
        if let Some((_, known)) = at.and_then(|at| line.places.get_mut(at))
            && !known.as_ref().is_some_and(|w| w.will_wake(waker))
        {
            *known = Some(waker.clone());
        }
        drop(line);
        // Who leaves an endpoint counts down, then looks whether anybody waits; who waits is known to wait, then reads the count. In one
        // order, so that at least one of the two sees the other.
        fence(Ordering::SeqCst);
        at == Some(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.room.line();
        if let Some(at) = line.place_of(self.number) {
            line.places.remove(at);
        }
        self.room.waiting.fetch_sub(1, Ordering::SeqCst);
        // whoever is first now may have been passed over, or there may be room for more than one
        wake(line);
    }
}
