//! Waiting for what must come true, never longer than a deadline.

use std::time::{Duration, Instant};

/// How long a test waits for anything before it says that it did not happen: longer than a busy machine lets a process wait, shorter
/// than what the gateway waits for by itself.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is `Some`, or the deadline has passed.
#[track_caller]
pub fn eventually<T>(deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < deadline, "did not come true within {deadline:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sets the flag that ends the threads of a test when it is dropped, also by a test that fails: they would keep it waiting.
pub struct Done<'a>(pub &'a std::sync::atomic::AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Release);
    }
}

/// Does the same to every item, `at_once` at a time; the results keep the order of the items.
pub fn side_by_side<I: Send, O: Send>(at_once: usize, items: Vec<I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
    let total = items.len();
    let queue = std::sync::Mutex::new(items.into_iter().enumerate());
    let done = std::sync::Mutex::new(Vec::with_capacity(total));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((place, item)) = next else { return };
                    let result = work(item);
                    done.lock().unwrap().push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[test]
fn side_by_side_keeps_the_order() {
    assert_eq!(side_by_side(4, (0..50).collect(), |n| n * 2), (0..50).map(|n| n * 2).collect::<Vec<_>>());
}
