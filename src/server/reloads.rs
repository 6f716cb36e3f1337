//! Asking for a reload. Whoever asks while one runs gets the next one, which reads the files after the question; all of them share it.

use crate::table::{Outcome, Refusal, Why};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Askers that may wait for one reload.
const WAITING_MAX: usize = 64;

/// What came of a reload, for everyone who asked for it.
pub type Answer = Arc<Result<Outcome, Refusal>>;

/// The questions that no reload has begun to answer.
#[derive(Default)]
struct Waiting {
    why: Option<Why>,
    replies: Vec<oneshot::Sender<Answer>>,
    /// Nobody answers any more.
    off: bool,
}

/// Asks for reloads.
#[derive(Clone, Default)]
pub struct Reloads(Arc<(Mutex<Waiting>, Condvar)>);

impl Reloads {
    /// Asks, and does not wait.
    pub fn ask(&self, why: Why) {
        let mut waiting = self.waiting();
        waiting.note(why);
        self.0.1.notify_one();
    }

    /// Asks, and waits for what comes of it.
    pub async fn ask_and_wait(&self, why: Why) -> Answer {
        let asked = {
            let mut waiting = self.waiting();
            if waiting.off {
                Err("error: reloads are off: the log says why")
            } else if waiting.replies.len() >= WAITING_MAX {
                Err("error: too many reloads are waited for\nhint: ask again in a moment")
            } else {
                let (reply, answer) = oneshot::channel();
                waiting.note(why);
                waiting.replies.push(reply);
                self.0.1.notify_one();
                Ok(answer)
            }
        };
        match asked {
            Ok(answer) => answer.await.unwrap_or_else(|_| refused("error: the gateway stops")),
            Err(why) => refused(why),
        }
    }

    /// Waits for questions and takes all of them.
    pub(super) fn next(&self) -> (Why, Vec<oneshot::Sender<Answer>>) {
        loop {
            if let Some(asked) = self.next_within(Duration::MAX) {
                return asked;
            }
        }
    }

    /// The same, for so long.
    pub(super) fn next_within(&self, time: Duration) -> Option<(Why, Vec<oneshot::Sender<Answer>>)> {
        let waiting = self.0.1.wait_timeout_while(self.waiting(), time, |waiting| waiting.why.is_none());
        let (mut waiting, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        Some((waiting.why.take()?, std::mem::take(&mut waiting.replies)))
    }

    /// Nobody answers any more.
    pub(super) fn turn_off(&self) {
        let mut waiting = self.waiting();
        waiting.off = true;
        waiting.replies.clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// One reload stands for all; whoever asks on purpose is obeyed.
    fn note(&mut self, why: Why) {
        self.why = Some(match self.why {
            Some(before) if !matches!(before, Why::Labels | Why::File) || why == Why::Labels => before,
            _ => why,
        });
    }
}

fn refused(why: &str) -> Answer {
    Arc::new(Err(Refusal::new(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_become_one_and_an_order_outweighs_a_file() {
        let reloads = Reloads::default();
        for why in [Why::File, Why::Signal, Why::File, Why::Api] {
            reloads.ask(why);
        }
        assert_eq!(reloads.next().0, Why::Signal);
        assert!(reloads.waiting().why.is_none());
    }

    #[tokio::test]
    async fn everyone_who_waits_gets_the_answer_of_one_reload() {
        let reloads = Reloads::default();
        let answered = reloads.clone();
        let thread = std::thread::spawn(move || {
            // the second question may come a little later than the first
            let mut left = 2;
            while left > 0 {
                let (why, replies) = answered.next();
                assert_eq!(why, Why::Api);
                left -= replies.len();
                for reply in replies {
                    reply.send(refused("no")).ok();
                }
            }
        });
        let (one, two) = tokio::join!(reloads.ask_and_wait(Why::Api), reloads.ask_and_wait(Why::Api));
        assert!(one.is_err() && two.is_err());
        thread.join().unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_an_answer_that_cannot_come() {
        let reloads = Reloads::default();
        reloads.turn_off();
        assert!(reloads.ask_and_wait(Why::Api).await.is_err());
    }
}
