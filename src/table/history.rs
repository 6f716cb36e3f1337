//! Which table is in force since when, and what came of every try to put another one in its place.

use super::Changes;
use crate::config::Report;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Tries that are remembered.
const RECENT_MAX: usize = 32;
/// Those among them that containers asked for may be so many before the oldest of them goes first.
const LABELS_MAX: usize = RECENT_MAX / 2;
/// Bytes of what is remembered of one.
const WORDS_MAX: usize = 4096;
/// Tries whose details are remembered, and the bytes of one's.
const DETAILED_MAX: usize = 8;
pub const DETAILS_MAX: usize = 16 << 10;

/// Who asks for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The program starts.
    Start,
    /// A file changed.
    File,
    /// SIGHUP.
    Signal,
    /// The admin address, and so `wharf reload`.
    Api,
    /// Containers ask for other routes: nothing is read, and what holds of the file goes on.
    Labels,
}

impl Why {
    /// The word for it in the admin API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Why::Start => "start",
            Why::File => "file",
            Why::Signal => "signal",
            Why::Api => "api",
            Why::Labels => "labels",
        }
    }
}

/// A table was put in force.
#[derive(Debug)]
pub struct Outcome {
    pub generation: u64,
    pub at: SystemTime,
    /// The hash of the texts that it was made from.
    pub config_hash: String,
    pub changes: Changes,
    /// Field by field, as `wharf diff` shows it, if what was served before can still be told; cut when very long.
    pub details: Option<Arc<str>>,
}

/// A table was not put in force; the one before is.
#[derive(Debug)]
pub struct Refusal {
    /// The reason as people read it, with places and hints.
    pub text: String,
    /// What is wrong with the document, if that is the reason.
    pub report: Option<Box<Report>>,
}

impl Refusal {
    pub fn new(text: impl Into<String>) -> Refusal {
        Refusal { text: text.into(), report: None }
    }
}

impl From<Report> for Refusal {
    /// It is read by those who may not read the environment.
    fn from(report: Report) -> Refusal {
        let report = report.discreet();
        Refusal { text: report.render(false), report: Some(Box::new(report)) }
    }
}

/// One try, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub at: SystemTime,
    pub why: Why,
    /// What changed, or the reason why nothing did; cut when very long.
    pub result: Result<String, String>,
    /// What changed, field by field, of the last few.
    pub details: Option<Arc<str>>,
}

/// What holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When the table in force was put there.
    pub loaded_at: SystemTime,
    /// The hash of the texts that it was made from.
    pub config_hash: String,
    /// The last try.
    pub last: Attempt,
}

/// Every try so far: the last ones as such, the others in what holds now.
#[derive(Debug)]
pub struct History(Mutex<(Standing, VecDeque<Attempt>)>);

impl History {
    /// The program starts with a table; from another source than it should when there is an error.
    pub fn starting(config_hash: String, at: SystemTime, error: Option<&str>) -> History {
        let result = match error {
            None => Ok("started".to_owned()),
            Some(error) => Err(cut(error)),
        };
        let last = Attempt { at, why: Why::Start, result, details: None };
        let recent = VecDeque::from([last.clone()]);
        History(Mutex::new((Standing { loaded_at: at, config_hash, last }, recent)))
    }

    /// A try came to this.
    pub fn note(&self, why: Why, result: &Result<Outcome, Refusal>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (standing, recent) = &mut *inner;
        let at = SystemTime::now();
        let mut details = None;
        let result = match result {
            Ok(outcome) => {
                details.clone_from(&outcome.details);
                if why != Why::Labels {
                    standing.loaded_at = outcome.at;
                    standing.config_hash.clone_from(&outcome.config_hash);
                }
                Ok(cut(&outcome.changes.to_string()))
            }
            Err(refusal) => Err(cut(&refusal.text)),
        };
        let attempt = Attempt { at, why, result, details };
        // whether the file is good is what its last reading said
        if why != Why::Labels {
            standing.last = attempt.clone();
        }
        if recent.len() >= RECENT_MAX {
            // containers that come and go leave the tries that somebody made in sight
            let labels = |attempt: &Attempt| attempt.why == Why::Labels;
            let oldest =
                recent.iter().position(labels).filter(|_| recent.iter().filter(|a| labels(a)).count() > LABELS_MAX);
            recent.remove(oldest.unwrap_or(0));
        }
        recent.push_back(attempt);
        if let Some(attempt) = recent.iter_mut().rev().filter(|attempt| attempt.details.is_some()).nth(DETAILED_MAX) {
            attempt.details = None;
        }
    }

    pub fn standing(&self) -> Standing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// The last tries, the oldest first.
    pub fn recent(&self) -> Vec<Attempt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.iter().cloned().collect()
    }
}

/// What is said of the details, no longer than is remembered.
pub fn details(said: &impl fmt::Display) -> Arc<str> {
    let mut text = Cut(String::new());
    if write!(text, "{said}").is_err() {
        text.0.truncate(text.0.rfind('\n').map_or(0, |at| at + 1));
        text.0 += "… `wharf diff` shows all\n";
    }
    text.0.into()
}

/// A text that takes so much and no more.
struct Cut(String);

impl Write for Cut {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.0.len() + piece.len() > DETAILS_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(piece);
        Ok(())
    }
}

fn cut(text: &str) -> String {
    let end = (0..=WORDS_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let rest = if end < text.len() { "…" } else { "" };
    format!("{}{rest}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_leaves_what_holds_and_the_list_stays_short() {
        let at = SystemTime::UNIX_EPOCH;
        let history = History::starting("a".into(), at, None);
        let outcome =
            Outcome { generation: 2, at, config_hash: "b".into(), changes: Changes::default(), details: None };
        history.note(Why::Signal, &Ok(outcome));
        for n in 0..100 {
            history.note(Why::File, &Err(Refusal::new("ø".repeat(n * 1000))));
        }
        let standing = history.standing();
        assert_eq!(standing.config_hash, "b");
        assert!(standing.last.result.is_err());
        let recent = history.recent();
        assert_eq!(recent.len(), RECENT_MAX);
        assert!(recent.iter().all(|a| a.result.as_ref().is_err_and(|e| e.len() <= WORDS_MAX + 3)));
    }

    #[test]
    fn containers_that_come_and_go_leave_what_somebody_did_in_sight() {
        let history = History::starting("a".into(), SystemTime::UNIX_EPOCH, None);
        let refused = || Err(Refusal::new("no"));
        (0..8).for_each(|_| history.note(Why::File, &refused()));
        (0..1000).for_each(|_| history.note(Why::Labels, &refused()));
        let recent = history.recent();
        assert_eq!(recent.len(), RECENT_MAX);
        assert_eq!(recent.iter().filter(|attempt| attempt.why == Why::File).count(), 8);
        (0..RECENT_MAX).for_each(|_| history.note(Why::Signal, &refused()));
        assert!(history.recent().iter().filter(|attempt| attempt.why == Why::Labels).count() <= LABELS_MAX);
    }

    #[test]
    fn details_are_kept_of_the_last_few_and_are_never_long() {
        let line = "~ timeouts.read: 1m → 30s\n";
        assert_eq!(&*details(&line), line);
        let long = details(&vec![line; 10_000].concat());
        assert_eq!(&*long, "… `wharf diff` shows all\n", "one piece that is too long");
        struct Lines;
        impl fmt::Display for Lines {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (0..10_000).try_for_each(|n| writeln!(f, "- {n}"))
            }
        }
        let long = details(&Lines);
        assert!(long.starts_with("- 0\n- 1\n") && long.ends_with("\n… `wharf diff` shows all\n"));
        assert!(long.len() < DETAILS_MAX + 40);
        let history = History::starting("a".into(), SystemTime::UNIX_EPOCH, None);
        for generation in 0..100 {
            let (at, changes) = (SystemTime::UNIX_EPOCH, Changes::default());
            let details = Some(Arc::clone(&long));
            history.note(Why::Api, &Ok(Outcome { generation, at, config_hash: "b".into(), changes, details }));
        }
        let detailed: Vec<bool> = history.recent().iter().map(|attempt| attempt.details.is_some()).collect();
        assert_eq!(detailed.iter().filter(|is| **is).count(), DETAILED_MAX);
        assert!(detailed.ends_with(&[true; DETAILED_MAX]) && history.standing().last.details.is_some());
    }
}
