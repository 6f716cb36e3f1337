//! The record of POSTs at an origin: a file that outlives the origin's own end, however sudden.
//!
//! A line is a number that was executed at once, `~` and a number whose body is still coming, or `+` and one whose body
//! has come at last.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Where an origin writes.
pub struct Record(File);

impl Record {
    pub fn open(path: &Path) -> io::Result<Record> {
        Ok(Record(File::options().create(true).append(true).open(path)?))
    }

    pub fn executed(&mut self, number: u64) -> io::Result<()> {
        self.0.write_all(format!("{number}\n").as_bytes())
    }

    pub fn begun(&mut self, number: u64) -> io::Result<()> {
        self.0.write_all(format!("~{number}\n").as_bytes())
    }

    pub fn ended(&mut self, number: u64) -> io::Result<()> {
        self.0.write_all(format!("+{number}\n").as_bytes())
    }
}

/// How often each POST was begun and executed, over all origins.
#[derive(Default)]
pub struct Executions {
    begun: HashMap<u64, u32>,
    executed: HashMap<u64, u32>,
}

impl Executions {
    pub fn read(path: &Path) -> io::Result<Executions> {
        let mut found = Executions::default();
        for line in std::fs::read_to_string(path)?.lines() {
            let (mark, digits) = match line.as_bytes().first() {
                Some(mark @ (b'~' | b'+')) => (*mark, &line[1..]),
                _ => (b' ', line),
            };
            let number = digits.parse().map_err(|_| io::Error::other(format!("a line `{line}` in a record")))?;
            if mark != b'+' {
                *found.begun.entry(number).or_default() += 1;
            }
            if mark != b'~' {
                *found.executed.entry(number).or_default() += 1;
            }
        }
        Ok(found)
    }

    pub fn total(&self) -> u64 {
        self.executed.values().map(|times| u64::from(*times)).sum()
    }

    /// Executed more than once.
    pub fn repeated(&self) -> Vec<u64> {
        repeated(&self.executed)
    }

    /// Begun more than once: a part of a request that may not be sent twice was.
    pub fn begun_again(&self) -> Vec<u64> {
        repeated(&self.begun)
    }
}

fn repeated(times: &HashMap<u64, u32>) -> Vec<u64> {
    let mut numbers: Vec<u64> = times.iter().filter(|(_, times)| **times > 1).map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers
}
