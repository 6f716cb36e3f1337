//! The numbers of listeners: small, one listener's as long as anything of it lives, then free for another.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Numbers there are.
const NUMBERS: usize = u16::MAX as usize;

/// The numbers in use, for one process.
#[derive(Default)]
pub struct Numbers(Mutex<Vec<bool>>);

/// A listener's number. It is free for another listener once nobody holds it: no table, no socket that accepts.
pub struct Number {
    number: u16,
    of: Arc<Numbers>,
}

/// Every number is held by something.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhausted;

impl Numbers {
    /// The lowest number that nobody holds.
    pub fn take(self: &Arc<Numbers>) -> Result<Arc<Number>, Exhausted> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = used.iter().position(|used| !used).unwrap_or(used.len());
        if free >= NUMBERS {
            return Err(Exhausted);
        }
        if free == used.len() {
            used.push(true);
        } else {
            used[free] = true;
        }
        Ok(Arc::new(Number { number: free as u16, of: Arc::clone(self) }))
    }
}

impl Number {
    pub fn get(&self) -> u16 {
        self.number
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        let mut used = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(used) = used.get_mut(usize::from(self.number)) {
            *used = false;
        }
        // what stands at the end is made again when it is needed
        while used.last() == Some(&false) {
            used.pop();
        }
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there is no number left for a new listener: {NUMBERS} are in use, most of them by listeners that are removed and \
             still have connections\nhint: wait until those have ended (`wharf_listener_connections` counts them), or restart the gateway"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_again_only_when_nobody_holds_it() {
        let numbers = Arc::new(Numbers::default());
        let take = || numbers.take().unwrap();
        let (first, second, third) = (take(), take(), take());
        assert_eq!((first.get(), second.get(), third.get()), (0, 1, 2));
        let held = Arc::clone(&second);
        drop(second);
        assert_eq!(take().get(), 3);
        drop(held);
        assert_eq!(take().get(), 1);
    }

    #[test]
    fn far_more_listeners_than_numbers_can_come_and_go_but_not_be_there_at_once() {
        let numbers = Arc::new(Numbers::default());
        let stays = numbers.take().unwrap();
        for _ in 0..3 * NUMBERS {
            assert_eq!(numbers.take().unwrap().get(), 1);
        }
        // all in use, without the walk through them that each of them would take
        *numbers.0.lock().unwrap() = vec![true; NUMBERS];
        assert_eq!(numbers.take().err(), Some(Exhausted));
        drop(stays);
        assert_eq!(numbers.take().unwrap().get(), 0);
    }
}
