//! What a trial came to: figures, and the promises that did not hold.

use crate::tally::{Failure, Tally};

/// Failed requests that are shown.
const SHOWN: usize = 5;

#[derive(Default)]
pub struct Verdict {
    lines: Vec<String>,
    broken: Vec<String>,
}

impl Verdict {
    /// A line of figures.
    pub fn figure(&mut self, line: String) {
        println!("{line}");
        self.lines.push(line);
    }

    /// A promise that must hold.
    pub fn holds(&mut self, promise: bool, otherwise: impl FnOnce() -> String) {
        if !promise {
            let line = otherwise();
            println!("  BROKEN: {line}");
            self.broken.push(line);
        }
    }

    /// The first requests that failed, with what was seen.
    pub fn show(&self, failures: &[Failure]) {
        for failure in failures.iter().take(SHOWN) {
            println!("  {failure}");
        }
        if failures.len() > SHOWN {
            println!("  and {} more", failures.len() - SHOWN);
        }
    }

    /// Not one request may have failed.
    pub fn nothing_failed(&mut self, what: &str, tally: &Tally) {
        let failures = tally.failures();
        self.show(&failures);
        self.holds(failures.is_empty(), || format!("{what}: {} requests failed", tally.failed_by_kind()));
    }

    pub fn broken(&self) -> &[String] {
        &self.broken
    }
}
