//! What a run is asked for, on the command line.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Parser, ValueEnum};

use crate::peers::Peer;
use crate::scenarios::{Effort, Scenario};

/// Measures wharf, nginx and HAProxy beside each other.
#[derive(Parser)]
#[command(name = "load")]
pub struct Arguments {
    /// At most a minute: small, fixed, memory with 1,000 clients
    #[arg(long)]
    pub quick: bool,
    /// Everything, in half an hour
    #[arg(long)]
    pub full: bool,
    /// These parts only
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    pub only: Vec<Part>,
    /// Wharf's repeatable numbers against their limits; fails when one is crossed
    #[arg(long)]
    pub gate: bool,
    /// Rounds of each part [default: 3, with --full 7]
    #[arg(long)]
    pub rounds: Option<usize>,
    /// Seconds of each measurement [default: 1, with --full 3]
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Requests a second of the open loop
    #[arg(long, default_value_t = 6_000.0)]
    pub rate: f64,
    /// Sizes of the table in `routes` [default: 10,1000,10000; with --full also 100000]
    #[arg(long, value_delimiter = ',')]
    pub route_counts: Vec<usize>,
    /// Worker threads of each gateway; one CPU each
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Let each gateway write an access log
    #[arg(long)]
    pub access_logs: bool,
    /// The wharf to measure; several to compare builds [default: target/release/wharf]
    #[arg(long, value_name = "[NAME=]PATH")]
    pub wharf: Vec<String>,
    /// Write all samples and ratios to a file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What cargo bench adds
    #[arg(long, hide = true)]
    pub bench: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Part {
    Rounds(Scenario),
    Memory,
    Routes,
    Syscalls,
    Instructions,
}

impl ValueEnum for Part {
    fn value_variants<'a>() -> &'a [Part] {
        use Scenario::{Big, Churn, Fixed, Headers, Post, Small, Turns};
        const ALL: [Part; 11] = [
            Part::Rounds(Small),
            Part::Rounds(Fixed),
            Part::Rounds(Headers),
            Part::Rounds(Big),
            Part::Rounds(Post),
            Part::Rounds(Churn),
            Part::Rounds(Turns),
            Part::Memory,
            Part::Routes,
            Part::Syscalls,
            Part::Instructions,
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let name = match self {
            Part::Rounds(scenario) => scenario.name(),
            Part::Memory => "memory",
            Part::Routes => "routes",
            Part::Syscalls => "syscalls",
            Part::Instructions => "instructions",
        };
        Some(PossibleValue::new(name))
    }
}

impl Arguments {
    /// Whether anything at all is to be measured.
    pub fn ask_for_something(&self) -> bool {
        self.gate || !self.parts().is_empty()
    }

    pub fn effort(&self) -> Effort {
        Effort {
            rounds: self.rounds.unwrap_or(if self.full { 7 } else { 3 }).max(1),
            seconds: self.seconds.unwrap_or(if self.full { 3.0 } else { 1.0 }),
            rate: self.rate,
        }
    }

    /// The parts that are asked for, in their order of running.
    pub fn parts(&self) -> Vec<Part> {
        if !self.only.is_empty() {
            self.only.clone()
        } else if self.full {
            Part::value_variants().to_vec()
        } else if self.quick {
            vec![Part::Rounds(Scenario::Small), Part::Rounds(Scenario::Fixed), Part::Memory]
        } else {
            Vec::new()
        }
    }

    /// Ascending.
    pub fn route_counts(&self) -> Vec<usize> {
        let mut counts = match (&self.route_counts[..], self.full) {
            ([], false) => vec![10, 1_000, 10_000],
            ([], true) => vec![10, 1_000, 10_000, 100_000],
            (given, _) => given.to_vec(),
        };
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    /// The builds of wharf to measure. Without `--wharf` that is target/release/wharf, if it is there.
    pub fn find_wharf(&self) -> Result<Vec<Peer>, String> {
        let named = self.wharf.iter().enumerate().map(|(nth, word)| match word.split_once('=') {
            Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
            None if nth == 0 => ("wharf".to_owned(), PathBuf::from(word)),
            None => (format!("wharf{}", nth + 1), PathBuf::from(word)),
        });
        let named: Vec<(String, PathBuf)> = named.collect();
        if let Some((_, path)) = named.iter().find(|(_, path)| !path.is_file()) {
            return Err(format!("there is no program at {}", path.display()));
        }
        if !named.is_empty() {
            return named
                .into_iter()
                .map(|(name, path)| absolute(&path).map(|path| Peer::wharf(&name, path)))
                .collect();
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/wharf");
        if path.is_file() {
            return Ok(vec![Peer::wharf("wharf", path)]);
        }
        let sentence = format!("there is no {} (cargo build --release)", path.display());
        if self.gate {
            return Err(sentence);
        }
        eprintln!("load: !!! {sentence}: wharf is LEFT OUT of every table");
        Ok(Vec::new())
    }
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}
